"""Values as cells: a template's number, and the tokens in it. Equal up to the names of tokens is then a cheap question.

A token (an ETag, a head, a resourceVersion) says nothing but whether it equals another one. Here each is a number of
eight digits; a value is written out as bytes, free of any object's identity, and the tokens are cut out of them.
"""

from __future__ import annotations

import marshal
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any

import msgspec

Cell = tuple[int, tuple[int, ...]]

FIRST = 77_700_000
MOST = 9_999
_TOKEN = re.compile(rb"(?<![0-9A-Za-z+/=])777\d{5}")
_GAP = b"777#####"

_templates: list[bytes] = []
_numbers: dict[bytes, int] = {}
_classes: list[type] = []
_class_numbers: dict[type, int] = {}


def spelt(token: int) -> str:
    """The token as it stands in values."""
    return str(FIRST + token)


def pack(value: object) -> Cell:
    """The value as a cell."""
    data = marshal.dumps(_plain(value), 0)
    tokens = tuple(int(found) - FIRST for found in _TOKEN.findall(data))
    if any(token > MOST for token in tokens):
        raise AssertionError("something that is no token looks like one: run again")
    template = _TOKEN.sub(_GAP, data)
    number = _numbers.setdefault(template, len(_templates))
    if number == len(_templates):
        _templates.append(template)
    return number, tokens


def unpack(cell: Cell) -> Any:
    """The value of a cell, made anew."""
    number, tokens = cell
    parts = _templates[number].split(_GAP)
    spelled = [spelt(token).encode() for token in tokens]
    data = b"".join(part for pair in zip(parts, [*spelled, b""], strict=True) for part in pair)
    return _rich(marshal.loads(data))


def _plain(value: object) -> Any:  # noqa: C901, PLR0911  a case per type
    """The value in tuples of marshal's types; version 0 of marshal knows no identity."""
    if value is None or type(value) in {bool, str, bytes, float}:
        return value
    if type(value) is int:
        return value if value < FIRST else ("int", str(value))
    if isinstance(value, Enum):
        return "enum", _class(value), value.value
    if isinstance(value, datetime):
        return "time", value.isoformat()
    if isinstance(value, Mapping):
        kind = "proxy" if isinstance(value, MappingProxyType) else "map"
        return kind, *((_plain(key), _plain(each)) for key, each in value.items())
    if isinstance(value, BaseException):
        return "error", _class(value), _plain(value.args), _plain(vars(value))
    if isinstance(value, msgspec.Struct):
        return "struct", _class(value), *(_plain(getattr(value, name)) for name in value.__struct_fields__)
    if is_dataclass(value):
        return "data", _class(value), *(_plain(getattr(value, each.name)) for each in fields(value))
    if isinstance(value, tuple | list):
        return type(value).__name__, *map(_plain, value)
    if isinstance(value, frozenset):
        return "frozenset", *sorted(map(_plain, value), key=repr)
    raise TypeError(f"{type(value).__name__} in a value of the explorer")


def _class(value: object) -> int:
    number = _class_numbers.setdefault(type(value), len(_classes))
    if number == len(_classes):
        _classes.append(type(value))
    return number


def _rich(plain: Any) -> Any:  # noqa: PLR0911  a case per type
    match plain:
        case ("int", digits):
            return int(digits)
        case ("enum", kind, value):
            return _classes[kind](value)
        case ("time", text):
            return datetime.fromisoformat(text)
        case ("error", kind, arguments, more):
            error = _classes[kind].__new__(_classes[kind], *_rich(arguments))
            vars(error).update(_rich(more))
            return error
        case ("data", kind, *values):
            return _data(_classes[kind], [_rich(each) for each in values])
        case ("struct", kind, *values):
            return _classes[kind](*(_rich(each) for each in values))
        case ("proxy", *pairs):
            return MappingProxyType({_rich(key): _rich(each) for key, each in pairs})
        case ("map", *pairs):
            return {_rich(key): _rich(each) for key, each in pairs}
        case (("tuple" | "list" | "frozenset") as kind, *values):
            return {"tuple": tuple, "list": list, "frozenset": frozenset}[kind](map(_rich, values))
    return plain


def _data(kind: type, values: list[Any]) -> Any:
    made: Any = object.__new__(kind)
    for each, value in zip(fields(kind), values, strict=True):
        object.__setattr__(made, each.name, value)
    return made
