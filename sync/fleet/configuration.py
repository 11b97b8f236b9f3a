"""The watched vaults and the defined lists, as one value."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from sync.fleet.lists import ListDefinition
from sync.fleet.vaults import WatchedVault


@dataclass(frozen=True, slots=True)
class Configuration:
    """The watched vaults and the defined lists."""

    vaults: tuple[WatchedVault, ...]
    lists: tuple[ListDefinition, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over its canonical JSON, hexadecimal."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    def definition(self, name: str) -> ListDefinition | None:
        """The list of that name, or None."""
        return next((each for each in self.lists if each.name == name), None)

    def vault(self, host: str) -> WatchedVault | None:
        """The watched vault of that host (`SecretKey.vault`), or None."""
        return next((each for each in self.vaults if each.host == host.casefold()), None)
