"""Validating a file offline: what admission would find in it as a secret's value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sync.certificates.checks import ageing, findings_about
from sync.certificates.decoding import decode_value
from sync.fleet.policy import Verdict, verdict

if TYPE_CHECKING:
    from datetime import datetime

    from sync.certificates.items import Item
    from sync.findings import Role

EXPIRY_WARNING = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Checked:
    """One file: its items, and the verdict on a list of this role."""

    name: str
    items: tuple[Item, ...]
    verdict: Verdict


def check_file(name: str, data: bytes, role: Role, *, now: datetime) -> Checked:
    """Decode and validate one file as it would be after an upload in hex."""
    decoded = decode_value(data.hex() if not _is_text(data) else data.decode(), content_type=None, file_encoding=None)
    lasting = (*decoded.findings, *findings_about(decoded.items, now=now))
    found = dict.fromkeys((*lasting, *ageing(decoded.items, now=now, expiry_warning=EXPIRY_WARNING)))
    return Checked(name, decoded.items, verdict(found, role, accept=(), reject=()))


def _is_text(data: bytes) -> bool:
    try:
        return "\x00" not in data.decode()
    except UnicodeDecodeError:
        return False
