"""What is remembered of a list: the part of its status that decides what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from sync.catalogue.secret import SecretKey
from sync.reconcile.holds import Leaving, Left
from sync.reconcile.ownership import OwnedFile


@dataclass(frozen=True, slots=True)
class ListMemory:
    """What is remembered of a list.

    Attributes:
        known: it may gain files. One that was found with our annotation and without a status is not known until every
            vault that reaches it was gone through (law 1).
        files: what was ours there when it was last written or found, by name.
        reserved: names whose file left while its owner keeps the name (it is disabled, or revoked).
        left: losses of the last 24 hours that count.
        verified: when the list last held what it should (UTC).
        held: what would have left and was held.
    """

    known: bool = False
    files: Mapping[str, OwnedFile] = field(default_factory=lambda: MappingProxyType({}))
    reserved: Mapping[str, SecretKey] = field(default_factory=lambda: MappingProxyType({}))
    left: tuple[Left, ...] = ()
    verified: datetime | None = None
    held: tuple[Leaving, ...] = ()

    @property
    def holders(self) -> Mapping[str, SecretKey]:
        """Whose names are while their files are not there: reserved, or removed by a hand or a push that died."""
        return {**{name: file.owner for name, file in self.files.items() if file.owner}, **self.reserved}


NO_MEMORY = ListMemory()
