"""The removals that wait for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.catalogue.rows import HeldRow, SecretRow
from sync.errors import Invalid

if TYPE_CHECKING:
    from sync.catalogue.entry import Held
    from sync.catalogue.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class HeldRemoval:
    """A removal that waits: what is shown, and where it was found."""

    held: Held
    row: HeldRow


def held_removals(snapshot: Snapshot) -> tuple[HeldRemoval, ...]:
    """Every removal that waits for a person or was rejected, oldest first."""
    secrets = [HeldRemoval(e.held, SecretRow(e.key)) for e in snapshot.entries.values() if e.held]
    proposals = [HeldRemoval(p.held, row) for row, p in snapshot.proposals.items()]
    return tuple(sorted((*secrets, *proposals), key=lambda removal: removal.held.since))


def find_held(snapshot: Snapshot, digest: str) -> HeldRemoval:
    """The held removal whose digest begins so (at least 8 characters).

    Raises:
        Invalid: none or several do.
    """
    found = [r for r in held_removals(snapshot) if r.held.digest.startswith(digest)]
    if len(digest) < 8 or len(found) != 1:  # noqa: PLR2004  shorter is too easily mistaken
        raise Invalid("no single removal waits under this digest; copy it anew from `trustcast removals list`")
    return found[0]
