"""Explores cases and prints their sizes: `python -m tests.interleavings [--all] [--largest] [NAME…]`."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from tests.interleavings.cases import LARGE, LARGEST, SMALL
from tests.interleavings.explore import explore

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Explore the cases named, or the small ones, `--all` or the `--largest`; 1 if any is wrong or did not end."""
    logging.disable()
    named = set(arguments) - {"--all", "--largest"}
    cases = SMALL | LARGE | LARGEST if named else LARGEST if "--largest" in arguments else SMALL
    if "--all" in arguments:
        cases = SMALL | LARGE
    chosen = [name for name in cases if name in named or not named]
    failed = False
    for name in chosen:
        report = explore(cases[name](), limit=sys.maxsize)
        failed |= bool(report.wrong) or report.truncated
        size = f"{report.states:9,} states {report.steps:9,} steps {report.ends:3} ends {report.seconds:7.1f} s"
        print(f"{name:60} {size} {'WRONG' if report.wrong else 'ok'}", flush=True)  # noqa: T201
        for complaint, schedule in report.wrong.items():
            print("", complaint, *schedule, sep="\n    ")  # noqa: T201
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
