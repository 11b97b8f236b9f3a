"""JSON as values of our types, for several threads at the same time.

msgspec looks at a type when it is first asked for, and keeps what it has found so far at the type, where another thread
takes it half done: the process ends with a segmentation fault (0.22; tests/test_typed_json.py). Hence one at a time.
"""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

_LOOKING = Lock()


def decoded(text: str | bytes | msgspec.Raw, wanted: type[T]) -> T:
    """The value that the JSON text holds.

    Raises:
        ValueError: msgspec's errors, and text that is not UTF-8.
        RecursionError: it is nested too deeply.
    """
    value: T = _decoder(wanted).decode(text)
    return value


def converted(fields: Mapping[str, Any], wanted: type[T]) -> T:
    """The value with these fields.

    Raises:
        msgspec.ValidationError: they are not of the wanted types.
    """
    _decoder(wanted)
    return msgspec.convert(fields, wanted)


def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    with _LOOKING:
        return _made(kind)  # type: ignore[arg-type]


@cache
def _made(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
