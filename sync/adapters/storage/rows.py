"""Rows of the tables: names as keys, values as columns, and back. Pure, and of no storage SDK.

A value is JSON in binary properties `body0`, `body1`, … of at most 64 KiB each, compressed by zlib where it would
need more than one. Every row says the schema that wrote it.
"""

from __future__ import annotations

import zlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote

import msgspec

from sync.adapters.storage.older_schemas import upgraded
from sync.errors import Invalid, Permanent
from sync.typed_json import decoded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

T = TypeVar("T")

SCHEMA = 3
"""Of the rows written; a reader takes those before, and refuses what a newer trustcast wrote."""

BRIEF = "brief"
"""The column of the few facts; a row of before it, or of a reader that did not know it, has none."""

PROPERTY_BYTES = 64 * 1024
"""The most that Table Storage keeps in one binary property."""

BODY_BYTES = 14 * PROPERTY_BYTES
"""The most of one row's body: an entity holds 1 MiB with names and all."""

JSON_BYTES = 16 * 1024 * 1024
"""The most that a compressed body may unfold to."""

KEY_LENGTH = 512
"""The most characters of a key (1 KiB of UTF-16)."""

Columns = "Mapping[str, bytes | bool | int | datetime]"
"""What a row holds beside its key."""


def escape(text: str, *, keep: str = "") -> str:
    """The text as part of a key: what Table Storage forbids there, `%` and `=` too, as `=` and two hex digits a byte.

    Args:
        text: any text.
        keep: punctuation that stays as it is.
    """
    return quote(text, safe=keep, errors="surrogatepass").replace("%", "=")


def unescape(key: str) -> str:
    """The text that `escape` made the key of."""
    return unquote(key.replace("=", "%"), errors="surrogatepass")


def row_key(*parts: str) -> str:
    """Names as one key; no two sequences of names give the same.

    Raises:
        Invalid: the names are too long.
    """
    key = "|".join(escape(part) for part in parts)
    if len(key) > KEY_LENGTH:
        raise Invalid(f"a name is too long to be stored: {key[:60]}…: use names of fewer than 200 characters")
    return key


class JsonRows:
    """Values as columns, by way of JSON."""

    def encode(self, value: object, *, due: datetime | None = None, brief: object = None) -> dict[str, Any]:
        """The columns that hold a value.

        Args:
            value: a frozen dataclass.
            due: kept as a column of its own too, for asking by it.
            brief: a few facts of the value, kept in a column of their own too, for reading without the rest.

        Raises:
            Invalid: the value is too large for a row.
        """
        body = msgspec.json.encode(value, enc_hook=_plain)
        packed = len(body) > PROPERTY_BYTES
        if packed:
            body = zlib.compress(body, level=1)
        if len(body) > BODY_BYTES:
            raise Invalid(f"{type(value).__name__} is too large for a row: {len(body)} bytes of {BODY_BYTES}")
        columns: dict[str, Any] = {"schema": SCHEMA, "zlib": packed}
        for number, start in enumerate(range(0, len(body), PROPERTY_BYTES)):
            columns[f"body{number}"] = body[start : start + PROPERTY_BYTES]
        if brief is not None:
            columns[BRIEF] = msgspec.json.encode(brief)
        return columns if due is None else {**columns, "due": due}

    def decode(self, columns: Mapping[str, Any], kind: type[T], row: str) -> T:
        """The value that the columns hold.

        Args:
            columns: as read.
            kind: the value's type.
            row: name of the row, for messages.

        Raises:
            Permanent: a newer trustcast wrote the row.
            Invalid: the row is damaged.
        """
        _refuse_newer(columns, row)
        try:
            value: T = decoded(_body(columns, kind), kind)
        except (msgspec.DecodeError, zlib.error, TypeError, KeyError) as cause:
            raise Invalid(f"row {row} is damaged ({type(cause).__name__}): it will be written again") from cause
        return value

    def brief(self, columns: Mapping[str, Any], kind: type[T], row: str) -> T | None:
        """The few facts that were kept beside the value; None where there are none, or not of that type.

        Raises:
            Permanent: a newer trustcast wrote the row.
        """
        _refuse_newer(columns, row)
        try:
            brief: T = decoded(columns[BRIEF], kind)
        except (msgspec.DecodeError, TypeError, KeyError):
            return None
        return brief


def _refuse_newer(columns: Mapping[str, Any], row: str) -> None:
    schema = columns.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise Permanent(
            f"row {row} has schema {schema}, this trustcast knows up to {SCHEMA}: deploy the newer version again"
        )


def _body(columns: Mapping[str, Any], kind: type[Any]) -> bytes:
    body = _whole(columns)
    schema = columns.get("schema", SCHEMA)
    return upgraded(body, kind, schema) if schema < SCHEMA else body


def _whole(columns: Mapping[str, Any]) -> bytes:
    body = columns["body0"]
    number = 1
    while (part := columns.get(f"body{number}")) is not None:
        body += part
        number += 1
    if not columns.get("zlib"):
        return bytes(body)
    return zlib.decompressobj().decompress(body, JSON_BYTES)


def _plain(value: object) -> object:
    if isinstance(value, MappingProxyType):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is nothing that a row can hold")
