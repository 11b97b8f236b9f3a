"""Which certificates a file on a cluster holds, no matter who wrote it."""

from __future__ import annotations

import hashlib

from sync.certificates.contents import items_in
from sync.certificates.items import Certificate


def thumbprints(data: bytes) -> tuple[str, ...]:
    """SHA-256 and SHA-1 of every certificate (DER) in the file; empty if it holds none."""
    certificates = (item for item in items_in(data) if isinstance(item, Certificate))
    return tuple(
        name for c in certificates for name in (c.sha256, hashlib.sha1(c.der, usedforsecurity=False).hexdigest())
    )
