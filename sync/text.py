"""Text for people: foreign text made safe to show in every output (law 9), numbers with their nouns."""

from __future__ import annotations

SHOWN_LENGTH = 256
"""Foreign text is cut to this many characters wherever it is shown (law 9)."""


def printable(text: str) -> str:
    """Foreign text made safe for logs and tables, at most 256 characters.

    What is not printable (controls, line breaks, format and bidirectional marks, lone surrogates) becomes a visible
    escape. Markup stays as it is: the renderer escapes it.
    """
    if len(text) <= SHOWN_LENGTH and text.isprintable():
        return text
    shown = escaped(text[: SHOWN_LENGTH + 1])
    return shown if len(shown) <= SHOWN_LENGTH else shown[: SHOWN_LENGTH - 1] + "…"


def escaped(text: str) -> str:
    """`printable` without the limit, for our own sentences around foreign text that is already cut."""
    return text if text.isprintable() else "".join(each if each.isprintable() else _escape(each) for each in text)


def many(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}{'s'[: number != 1]}"


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
