"""How the commands print: columns for people, or one JSON document. Foreign text is plain text, never markup.

Every string passes `printable` on its way out (escaped, at most 256 characters: law 9); sentences, our own words around
text that is already cut, are only escaped.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from sync.text import escaped, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sync.findings import Finding

WIDTH = 100
"""Columns, without a terminal and COLUMNS."""

SHOWN = 10
"""Names of a long row that are shown as text; JSON has them all."""


def say(text: str, *, indent: int = 0) -> None:
    """A sentence, broken between words."""
    lines = textwrap.wrap(
        escaped(text),
        _width(),
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_on_hyphens=False,
    )
    sys.stdout.write("\n".join(lines) + "\n")


def error(text: str) -> None:
    """A sentence on standard error, or one per line if there are several problems."""
    for line in text.split("\n"):
        sys.stderr.write(f"trustcast: {escaped(line)}\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, styles: Mapping[str, str] | None = None) -> None:
    """Rows under their headings; long cells are folded, never cut.

    Args:
        columns: headings.
        rows: of plain text, foreign text among it.
        styles: cell text to a style of rich, for states.
    """
    from rich.console import Console  # noqa: PLC0415  sentences and JSON print without it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(printable(cell), style=(styles or {}).get(cell, "")) for cell in row))
    Console(highlight=False, width=_width()).print(drawn)


def document(content: Any) -> None:
    """One JSON document in ASCII, every string of it printable; times as ISO 8601."""
    sys.stdout.write(json.dumps(_plain(content), indent=2) + "\n")


def done(sentence: str, content: dict[str, object], *, as_json: bool) -> None:
    """What was done: a sentence, or its content as JSON."""
    if as_json:
        document(content)
    else:
        say(sentence)


def few(names: Sequence[str]) -> str:
    """The first of many names, which may be foreign."""
    more = len(names) - SHOWN
    return ", ".join(map(printable, names[:SHOWN])) + (f" … and {more} more" if more > 0 else "")


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, in the unit that fits."""
    if moment is None:
        return "never"
    seconds = max(0, int((now - moment).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def finding(found: Finding) -> dict[str, Any]:
    """A finding as JSON has it."""
    return {
        "code": found.code.value,
        "severity": found.severity.value,
        "detail": found.detail,
        "meaning": found.code.meaning,
        "remedy": found.code.remedy,
        "roles": [role.value for role in found.roles],
        "file": found.file,
    }


def say_findings(findings: Iterable[Finding]) -> None:
    """Each finding once, with its remedy."""
    for text in dict.fromkeys(f"{found.code.value}: {found.sentence()}" for found in findings):
        say(text, indent=2)


def _width() -> int:
    return shutil.get_terminal_size((WIDTH, 24)).columns


def _plain(content: Any) -> Any:
    match content:
        case dict():
            return {printable(str(key)): _plain(value) for key, value in content.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(each) for each in content]
        case None | bool() | int() | float():
            return content
    return printable(content.isoformat() if hasattr(content, "isoformat") else str(content))
