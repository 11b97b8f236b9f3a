"""What is remembered of a list: the part of its status that decides what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from sync.catalogue.secret import SecretKey
from sync.reconcile.holds import Left
from sync.reconcile.ownership import OwnedFile


@dataclass(frozen=True, slots=True)
class ListMemory:
    """What is remembered of a list.

    Attributes:
        known: there is a status; without one only the object itself tells.
        files: what was ours there when it was last written or found, by name.
        reserved: names whose file left while its owner keeps the name (it is disabled, or revoked).
        left: losses of the last 24 hours that count.
        taking_up: it was found without a status, and gains nothing until every vault was gone through (law 1).
        verified: when the list last held what it should (UTC).
    """

    known: bool = False
    files: Mapping[str, OwnedFile] = field(default_factory=lambda: MappingProxyType({}))
    reserved: Mapping[str, SecretKey] = field(default_factory=lambda: MappingProxyType({}))
    left: tuple[Left, ...] = ()
    taking_up: bool = False
    verified: datetime | None = None


NO_MEMORY = ListMemory()
