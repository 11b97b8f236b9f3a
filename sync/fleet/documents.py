"""JSON that operators write, read strictly: a misspelt ceiling would be no ceiling, so unknown fields are refused."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from sync.errors import Invalid
from sync.text import printable
from sync.typed_json import decoded

if TYPE_CHECKING:
    from collections.abc import Iterable


T = TypeVar("T")


def decode_json(text: str | bytes, wanted: type[T], *, example: str) -> T:
    """Read JSON strictly; a failure names the field and what was expected, never the content.

    Raises:
        Invalid: it is not JSON, or not of the wanted shape.
    """
    try:
        return decoded(text, wanted)
    except (ValueError, RecursionError) as error:  # msgspec's errors and UnicodeEncodeError are ValueErrors
        raise Invalid(f"{printable(str(error))} (example: {example})") from error


def refuse(problems: Iterable[str], *, example: str) -> None:
    """Raise all problems at once, if there are any.

    Raises:
        Invalid: there are any.
    """
    if text := "; ".join(problems):
        raise Invalid(f"{text} (example: {example})")


def repeated(values: Iterable[T]) -> list[T]:
    """The values that occur more than once, each once."""
    return [value for value, count in Counter(values).items() if count > 1]


def joined(values: Iterable[str]) -> str:
    """Names for a sentence, sorted."""
    return ", ".join(sorted(values))
