"""Which certificates a file on a cluster holds, no matter who wrote it."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

from sync.certificates.decoding import decode_value
from sync.certificates.items import Certificate, Kind, NotParsable, parse

if TYPE_CHECKING:
    from sync.certificates.items import Item

LARGEST = 64 * 1024
"""Bytes; a larger file is not a certificate of ours, is not searched and has no thumbprint."""


@lru_cache(maxsize=4096)
def thumbprints(data: bytes) -> tuple[str, ...]:
    """SHA-256 and SHA-1 of every certificate (DER) in the file; empty if it holds none."""
    if len(data) > LARGEST:
        return ()
    certificates = (item for item in _items(data) if isinstance(item, Certificate))
    return tuple(
        name for c in certificates for name in (c.sha256, hashlib.sha1(c.der, usedforsecurity=False).hexdigest())
    )


def _items(data: bytes) -> tuple[Item, ...]:
    try:
        return (parse(Kind.CERTIFICATE, data),)
    except NotParsable:
        text = data.decode("ascii", "replace")
        return decode_value(text, content_type=None, file_encoding=None).items if "-----BEGIN" in text else ()
