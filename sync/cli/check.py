"""The command `check`: certificates and CRLs, offline."""
# ruff: noqa: PLC0415  imports what it needs when it runs: --help starts at once

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sync.cli.command import AsJson, answer
from sync.errors import NotFound
from sync.findings import Role

LARGEST_FILE = 1024 * 1024
"""Bytes of a file that are read; a secret holds 25 KB."""


def check(
    files: Annotated[list[Path], typer.Argument(help="Certificates or CRLs: PEM, DER, hex or base64.")],
    role: Annotated[Role, typer.Option("--role", help="The kind of list that they are meant for.")] = Role.TRUST,
    as_json: AsJson = False,
) -> None:
    """Decode and validate files offline. By the rules that admission uses; exit 1 if one is rejected."""
    from sync.cli.show.files import show_checked
    from sync.clock import utc_now
    from sync.commands.check import check_file

    checked = [check_file(path.name, _bytes(path), role, now=utc_now()) for path in files]
    show_checked(checked, as_json=as_json)
    answer(all(each.verdict.passes for each in checked))


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_FILE)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error
