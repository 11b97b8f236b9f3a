"""Why a file of ours may leave a list, or stays without being wanted: what the catalogue says of its owner (law 4).

No other secret's row proves or prevents anything. What a proven CRL revokes leaves whoever the owner is; that is asked
of the certificate in the file, not here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from sync.desired.reach import assignment_in_force, takes

if TYPE_CHECKING:
    from datetime import datetime

    from sync.catalogue.entry import Entry
    from sync.catalogue.secret import SecretKey
    from sync.desired.state import DesiredList, DesiredState
    from sync.fleet.clusters import Registration
    from sync.fleet.lists import ListDefinition


class RemovalReason(StrEnum):
    """Why a file may leave: the closed set of law 4."""

    DELETED = "its secret was deleted"
    VERSION_GONE = "its version is gone from the vault"
    DISABLED = "its version was disabled"
    UNASSIGNED = "its secret was unassigned"
    ELSEWHERE = "its secret is assigned elsewhere"
    REPLACED = "a newer version replaced it"
    REVOKED = "a CRL revokes its certificate"
    ORPHANED = "an operator removed it: it had no owner"


class KeptReason(StrEnum):
    """Why a file stays that the list does not want."""

    NO_OWNER = "no secret is known to have given it; see `trustcast orphans list`"
    NOT_CATALOGUED = "its secret is not in the catalogue; its vault's next sweep looks at it"
    VAULT_LEFT = "its vault is not among the watched vaults; see `trustcast vaults forget`"
    LIST_LEFT = "its secret names a list that is not defined"
    REBUILDING = "its secret could not be rebuilt from the vault's versions alone"
    LAST_STAYS = "the newer versions are rejected; the last one stays"
    OLDER = "the newest version is older than the one that the list holds"
    NOT_WHOLE = "not all files of the newer version can go on yet"
    OWNED = "another secret has the name on this list"


class Leaves(msgspec.Struct, frozen=True):
    """The file may leave.

    Attributes:
        reason: why.
        since: what an approval of it names: since when, or by which version; another fact is another removal.
        tagged: since when the tags say so; None for a reason that is not about where the secret goes, and where it is
            not the tags that say so but labels or settings.
    """

    reason: RemovalReason
    since: str
    tagged: datetime | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether it is about where the secret goes, which differs from cluster to cluster."""
        away = {RemovalReason.ELSEWHERE, RemovalReason.UNASSIGNED}
        return self.reason in away and not self.since.startswith("none ")

    def by_scope(self, verified: datetime | None) -> bool:
        """Whether labels, ceilings, definitions or registrations take the file, and not its vault's people.

        Args:
            verified: when the list last held what it should: tags that changed before took nothing then.
        """
        if not self.elsewhere:
            return False
        return self.tagged is None or (verified is not None and self.tagged <= verified)


class Stays(msgspec.Struct, frozen=True):
    """Nothing proves that the file may leave."""

    why: KeptReason


def reason_of(
    state: DesiredState,
    registration: Registration,
    definition: ListDefinition | None,
    owner: SecretKey,
    version: str,
    name: str,
) -> Leaves | Stays:
    """What the catalogue's last look at a file's owner says of it.

    Args:
        state: all that decides.
        registration: the cluster that the file is on.
        definition: the list; None where no definition names the place any more.
        owner: the secret that the file came from.
        version: the version that it came from; empty where that is not known.
        name: of the file.
    """
    entry = state.snapshot.entries.get(owner)
    if entry is None:
        watched = state.configuration.vault(owner.vault) is not None
        return Stays(KeptReason.NOT_CATALOGUED if watched else KeptReason.VAULT_LEFT)
    if entry.deleted_at is not None:
        return _by_vault(RemovalReason.DELETED, entry.deleted_at)
    if not entry.assignment.lists and entry.assignment.version:
        return Leaves(RemovalReason.UNASSIGNED, f"none {_text(entry.assigned_at)}")
    if state.configuration.vault(owner.vault) is None:
        return Stays(KeptReason.VAULT_LEFT)
    if entry.stop is not None:
        return Stays(KeptReason.REBUILDING)
    if (ended := _version_ended(entry, version)) is not None:
        return ended
    if definition is None or not state.reaches(entry, definition, state.reach_of(registration.labels)):
        return _away(state, entry)
    return _in_force(state.of(registration, definition), entry, name)


def _by_vault(reason: RemovalReason, at: datetime | None) -> Leaves:
    return Leaves(reason, _text(at))


def _text(at: datetime | None) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else ""


def _version_ended(entry: Entry, version: str) -> Leaves | None:
    """The very version that the list holds was disabled, or is gone while a newer one is there."""
    listed = entry.listed(version)
    if listed is not None:
        return None if listed.enabled else _by_vault(RemovalReason.DISABLED, listed.updated)
    if version and entry.complete and entry.versions:
        return Leaves(RemovalReason.VERSION_GONE, version)
    return None


def _away(state: DesiredState, entry: Entry) -> Leaves | Stays:
    if not takes(entry, state.configuration):
        return Stays(KeptReason.LIST_LEFT)
    assignment = assignment_in_force(entry, state.configuration)
    reason = RemovalReason.ELSEWHERE if assignment.lists else RemovalReason.UNASSIGNED
    return Leaves(reason, _text(entry.assigned_at), None if entry.assignment.default else entry.assigned_at)


def _in_force(desired: DesiredList, entry: Entry, name: str) -> Leaves | Stays:
    found = desired.in_force.get(entry.key)
    if found is None:
        return Stays(KeptReason.LAST_STAYS)
    if not found.enabled:
        listed = entry.listed(found.version)
        return _by_vault(RemovalReason.DISABLED, listed.updated if listed else None)
    if name in found.names:
        return Stays(KeptReason.OWNED)
    return Leaves(RemovalReason.REPLACED, found.version)
