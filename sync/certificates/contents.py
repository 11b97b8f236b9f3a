"""What a file on a cluster holds, no matter who wrote it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from sync.certificates.decoding import decode_value
from sync.certificates.items import Kind, NotParsable, parse

if TYPE_CHECKING:
    from sync.certificates.items import Item

LARGEST = 64 * 1024
"""Bytes; a larger file is not one of ours, is not searched and has no thumbprint."""


@lru_cache(maxsize=4096)
def items_in(data: bytes) -> tuple[Item, ...]:
    """The certificates and CRLs in a file, DER or PEM; none where it holds something else."""
    if len(data) > LARGEST:
        return ()
    if b"-----BEGIN" in data:
        return decode_value(data.decode("ascii", "replace"), content_type=None, file_encoding=None).items
    for kind in (Kind.CERTIFICATE, Kind.CRL):
        try:
            return (parse(kind, data),)
        except NotParsable:
            continue
    return ()
