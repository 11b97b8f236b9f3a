"""DER read element by element (X.690 §8, §10), for what the library will not show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

INTEGER, SEQUENCE = 0x02, 0x30

_CONSTRUCTED, _LONG_FORM = 0x20, 0x80


def elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of elements that follow one another; tags of one octet only, as in certificates and CRLs.

    Raises:
        ValueError: it is no DER.
    """
    start = 0
    while start < len(content):
        begin, end = _bounds(content, start)
        yield content[start], content[begin:end]
        start = end


def signed_part(der: bytes) -> bytes:
    """The first element within a certificate or CRL, with its header: what was signed (RFC 5280 §4.1.1.3, §5.1.1.3).

    Raises:
        ValueError: it is no DER.
    """
    start, _ = _bounds(der, 0)
    return der[start : _bounds(der, start)[1]]


def without_false_criticality(content: bytes) -> bytes:
    """Elements in which no extension says `critical FALSE`: DER leaves a default out (X.690 §11.5), devices write it.

    Raises:
        ValueError: it is no DER.
    """
    return b"".join(
        _element(tag, _without_false(inside) if tag & _CONSTRUCTED else inside) for tag, inside in elements(content)
    )


def _without_false(content: bytes) -> bytes:
    match list(elements(content)):
        case [(0x06, _) as oid, (0x01, b"\0"), (0x04, _) as value]:  # OBJECT IDENTIFIER, BOOLEAN, OCTET STRING
            return _element(*oid) + _element(*value)
    return without_false_criticality(content)


def _element(tag: int, content: bytes) -> bytes:
    if len(content) < _LONG_FORM:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8)
    return bytes([tag, _LONG_FORM | len(length)]) + length + content


def _bounds(content: bytes, start: int) -> tuple[int, int]:
    """Where the content of the element that starts there begins and ends."""
    begin, length = start + 2, int.from_bytes(content[start + 1 : start + 2])
    if length & _LONG_FORM:
        octets = content[begin : begin + (length & ~_LONG_FORM)]
        begin, length = begin + len(octets), int.from_bytes(octets)
        if length < _LONG_FORM or not octets[0]:
            raise ValueError("a length in more octets than it needs, which is no DER (X.690 §10.1)")
    if begin + length > len(content):
        raise ValueError("an element goes on beyond the end")
    return begin, begin + length


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
