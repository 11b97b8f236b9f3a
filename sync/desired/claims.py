"""Who gives a list which file: the claims on each name; the file's owner on the list, if it has one, wins (law 4)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.catalogue.assignment import content

if TYPE_CHECKING:
    from datetime import datetime

    from sync.catalogue.eligibility import EligibleVersion
    from sync.catalogue.secret import SecretKey
    from sync.certificates.items import Item


@dataclass(frozen=True, slots=True)
class WantedFile:
    """One file that a list should hold.

    Attributes:
        name, data: file name, and bytes in the format of its extension (DER or PEM).
        sha256: of `data`, hexadecimal.
        key, version: the secret and the version it comes from.
        since: when the secret was admitted; where a list is full, the newest wait.
        anew: it may go onto a list that does not hold it; otherwise it stays where it is (law 3).
        item: the certificate or CRL in it.
    """

    name: str
    data: bytes
    sha256: str
    key: SecretKey
    version: str
    since: datetime | None
    anew: bool
    item: Item

    @property
    def priority(self) -> tuple[float, str]:
        """Order of files on a full list: those of the secrets admitted first come first."""
        return (self.since.timestamp() if self.since else float("inf"), self.name)


@dataclass(frozen=True, slots=True)
class Claim:
    """One secret's claim on a name: its version in force, disabled or not, gives a file of that name.

    Attributes:
        key: the secret.
        rank: the lowest was admitted first.
        file: None where the name is only held: the version is disabled, or its certificate revoked.
    """

    key: SecretKey
    rank: tuple[float, SecretKey]
    file: WantedFile | None


Claims = "Mapping[str, tuple[Claim, ...]]"
"""By file name, the secret that was admitted first in front."""


def rank(admitted: datetime | None, key: SecretKey) -> tuple[float, SecretKey]:
    """Sort key of the claims on one name."""
    return (admitted.timestamp() if admitted else float("inf"), key)


def wanted_file(name: str, item: Item, version: EligibleVersion, *, anew: bool) -> WantedFile:
    """The file that the version gives under this name."""
    data = content(name, item)
    sha = hashlib.sha256(data).hexdigest()
    entry = version.entry
    return WantedFile(name, data, sha, entry.key, version.candidate.version, entry.admitted, anew, item)
