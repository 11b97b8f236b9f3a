"""The command line, `trustcast` or `python -m sync`: the same code that the functions run.

Exit codes:
  0  done
  1  the answer is no: a file or secret is rejected, a list is not in sync or could not be read,
     a certificate is nowhere, a change waits for approval
  2  the command was misspelt
  3  a person must act: settings, permissions, an unknown name, bad input
  4  try again later: vault, storage or cluster do not answer
  5  a fault of trustcast itself
"""

from __future__ import annotations

import logging
import sys
import traceback
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from sync.cli import check, clusters, lists, output, removals, revocations, secrets
from sync.cli.command import NO, Once, group
from sync.errors import Temporary, TrustcastError

__all__ = ["FAULT", "NO", "PERMANENT", "TEMPORARY", "app", "main"]

PERMANENT, TEMPORARY, FAULT = 3, 4, 5

_HELP = (__doc__ or "").replace("Exit codes", "\b\nExit codes")  # click breaks no line of a paragraph after this mark

app = group(_HELP, add_completion=False, pretty_exceptions_enable=False)
app.command(cls=Once)(check.check)
app.command(cls=Once)(secrets.assign)
app.command()(secrets.unassign)
app.command()(lists.plan)
app.command("sync")(lists.sync_now)
app.command(cls=Once)(lists.status)
app.command()(secrets.secrets)
app.add_typer(clusters.app, name="clusters")
app.add_typer(removals.app, name="removals")
app.add_typer(revocations.app, name="revocations")
app.add_typer(revocations.orphans_app, name="orphans")
app.add_typer(revocations.vaults_app, name="vaults")


def main() -> NoReturn:
    """Run a command; an error becomes one sentence and an exit code."""
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may know ASCII only
    try:
        app()
    except TrustcastError as error:
        output.error(str(error))
        sys.exit(TEMPORARY if isinstance(error, Temporary) else PERMANENT)
    except Exception as error:  # noqa: BLE001  its message may quote anything, so where it arose must do
        at = traceback.extract_tb(error.__traceback__)[-1]
        output.error(f"a fault of trustcast itself: {type(error).__name__} in {Path(at.filename).name}:{at.lineno}")
        sys.exit(FAULT)
    sys.exit(0)
