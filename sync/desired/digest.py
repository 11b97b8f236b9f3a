"""The digest of what a list holds."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


def content_digest(files: Mapping[str, str]) -> str:
    """SHA-256 over the canonical JSON of file names and the SHA-256 of their bytes."""
    return hashlib.sha256(msgspec.json.encode(sorted(files.items()))).hexdigest()
