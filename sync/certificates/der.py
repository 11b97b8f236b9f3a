"""DER read element by element (X.690 §8, §10), for what the library will not show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

INTEGER, SEQUENCE = 0x02, 0x30

_LONG_FORM = 0x80


def elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of elements that follow one another; tags of one octet only, as in certificates and CRLs.

    Raises:
        ValueError: an element goes on beyond the end.
    """
    start = 0
    while start < len(content):
        header, length = 2, int.from_bytes(content[start + 1 : start + 2])
        if length & _LONG_FORM:
            header += length & ~_LONG_FORM
            length = int.from_bytes(content[start + 2 : start + header])
        begin, end = start + header, start + header + length
        if end > len(content):
            raise ValueError("an element goes on beyond the end")
        yield content[start], content[begin:end]
        start = end


def dotted(oid: bytes) -> str:
    """An object identifier's content as dotted numbers (X.690 §8.19)."""
    numbers, value = list[int](), 0
    for octet in oid:
        value = value << 7 | octet & 0x7F
        if not octet & _LONG_FORM:
            numbers.append(value)
            value = 0
    first, *others = numbers or [0]
    root = min(first // 40, 2)
    return ".".join(map(str, (root, first - 40 * root, *others)))
