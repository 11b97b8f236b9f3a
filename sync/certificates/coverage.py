"""What a CRL covers, and whether its meaning is certain: read from its extensions and those of its entries.

The extensions are read as DER, because the library refuses to read a whole CRL for a part that no rule asks for: an
entry with reason 7, an authority key identifier without its serial number.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from sync.certificates.der import INTEGER, SEQUENCE, dotted, elements

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_EXTENSIONS = 0xA0

_NUMBER, _DELTA, _POINT = "2.5.29.20", "2.5.29.27", "2.5.29.28"
_REASON, _CERTIFICATE_ISSUER = "2.5.29.21", "2.5.29.29"
_KNOWN = frozenset({_NUMBER, _DELTA, _POINT, "2.5.29.18", "2.5.29.35", "2.5.29.46", "1.3.6.1.5.5.7.1.1"})
"""Extensions of RFC 5280 §5.2; with those that are only ever informative."""

_KNOWN_OF_ENTRIES = frozenset({_REASON, _CERTIFICATE_ISSUER, "2.5.29.24"})
"""Extensions of RFC 5280 §5.3."""

_NUMBER_OCTETS = 21
"""RFC 5280 §5.2.3: a CRL number has at most 20 octets; one more for the sign."""

_REMOVE_FROM_CRL = b"\x0a\x01\x08"
_POINT_NAME, _INDIRECT = 0xA0, 0x84
_PARTS = {
    0x81: "a CRL for user certificates only",
    0x82: "a CRL for CA certificates only",
    0x83: "a CRL for some reasons only",
    0x85: "a CRL for attribute certificates only",
}
"""Fields of the issuing distribution point (RFC 5280 §5.2.5) that leave certificates out, by their tags."""


class Coverage(NamedTuple):
    """What a CRL covers.

    Attributes:
        number: of the extension; None without it.
        scope: hex SHA-256 of the issuing distribution point's DER value; empty without that extension.
        unsupported: why its meaning is not certain; None if it is.
        partial: which part of its issuer's certificates it covers by kind or reason; None if all.
    """

    number: int | None
    scope: str
    unsupported: str | None
    partial: str | None


class _Extension(NamedTuple):
    critical: bool
    value: bytes


def coverage(signed: bytes) -> Coverage:
    """What the CRL covers.

    Args:
        signed: DER of its signed part (TBSCertList, RFC 5280 §5.1.2), which the library read without a fault.

    Raises:
        ValueError: an extension comes twice (RFC 5280 §4.2), or one that is read here is not what it should be.
    """
    ((_, whole),) = elements(signed)
    rest = [each for each in elements(whole) if each[0] != INTEGER][2:]
    own = _extensions(content for tag, wrapped in rest if tag == _EXTENSIONS for _, content in elements(wrapped))
    entries = [
        _extensions(content for tag, content in elements(entry) if tag == SEQUENCE)
        for tag, content in rest
        if tag == SEQUENCE
        for _, entry in elements(content)
    ]
    point = own.get(_POINT)
    fields = _fields(point.value) if point else frozenset[int]()
    return Coverage(
        number=_integer(own[_NUMBER].value) if _NUMBER in own else None,
        scope=hashlib.sha256(point.value).hexdigest() if point else "",
        unsupported=next(_doubts(own, entries, indirect=_INDIRECT in fields), None),
        partial=next((part for tag, part in _PARTS.items() if tag in fields), None),
    )


def _doubts(own: dict[str, _Extension], entries: list[dict[str, _Extension]], *, indirect: bool) -> Iterator[str]:
    """RFC 5280 §5.2.4, §5.2.5, §5.3.1, §5.3.3; and §5.2, §5.3 about unknown critical extensions."""
    if _DELTA in own:
        yield "a delta CRL"
    if indirect or any(_CERTIFICATE_ISSUER in entry for entry in entries):
        yield "an indirect CRL"
    if any(entry[_REASON].value == _REMOVE_FROM_CRL for entry in entries if _REASON in entry):
        yield "a CRL that takes an entry back (removeFromCRL)"
    for oid in _unknown(own, _KNOWN):
        yield f"a CRL with the critical extension {oid}"
    for entry in entries:
        for oid in _unknown(entry, _KNOWN_OF_ENTRIES):
            yield f"a CRL with the critical extension {oid} of an entry"


def _unknown(extensions: dict[str, _Extension], known: frozenset[str]) -> Iterator[str]:
    return (oid for oid, extension in extensions.items() if extension.critical and oid not in known)


def _extensions(lists: Iterable[bytes]) -> dict[str, _Extension]:
    """The extensions of SEQUENCEs of them, by OID."""
    found: dict[str, _Extension] = {}
    for content in lists:
        for _, extension in elements(content):
            (_, oid), *flags, (_, value) = elements(extension)
            name = dotted(oid)
            if name in found:
                raise ValueError(f"extension {name} comes twice")
            found[name] = _Extension(any(flag != b"\0" for _, flag in flags), value)
    return found


def _fields(point: bytes) -> frozenset[int]:
    """Tags of the distribution point's fields that are set; FALSE is the default and may be written out."""
    ((_, content),) = elements(point)
    fields = frozenset(tag for tag, value in elements(content) if value != b"\0")
    if not fields <= {_POINT_NAME, _INDIRECT, *_PARTS}:
        raise ValueError("an issuing distribution point with a field that RFC 5280 does not know")
    return fields


def _integer(value: bytes) -> int:
    ((tag, content),) = elements(value)
    if tag != INTEGER or not 0 < len(content) <= _NUMBER_OCTETS:
        raise ValueError("no number")
    return int.from_bytes(content, signed=True)
