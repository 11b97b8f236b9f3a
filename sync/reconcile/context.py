"""One list of one cluster, and all that decides what it should hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from sync.catalogue.eligibility import files_of
from sync.certificates.contents import items_in
from sync.certificates.items import Certificate
from sync.desired.reasons import KeptReason, Leaves, RemovalReason, Stays, reason_of
from sync.desired.state import DesiredList, DesiredState
from sync.fleet.selectors import Selector
from sync.reconcile.holds import Limits

if TYPE_CHECKING:
    from sync.catalogue.secret import SecretKey
    from sync.fleet.clusters import Registration
    from sync.fleet.lists import ListDefinition
    from sync.reconcile.ownership import OwnedFile

PASSES_AFTER = timedelta(hours=24)
"""How long a vault must be configured no more before its names pass on equal bytes."""


@dataclass(frozen=True)
class ListContext:
    """One list of one cluster, and all that decides what it should hold.

    Attributes:
        state: the desired lists of the snapshot that decides.
        registration: the cluster.
        definition: the list; None where no definition names the place any more, which then wants nothing new.
        place: id of the place.
        now: UTC.
        limits: how much may leave.
    """

    state: DesiredState
    registration: Registration
    definition: ListDefinition | None
    place: str
    now: datetime
    limits: Limits = field(default_factory=Limits)

    @property
    def list_name(self) -> str:
        """The list's name; that of the object where no definition names it."""
        return self.definition.name if self.definition else self.place.rpartition("/")[2]

    @cached_property
    def desired(self) -> DesiredList:
        """What the list should hold."""
        return self.state.of(self.registration, self.definition) if self.definition else self.state.nothing

    def reason_of(self, owner: SecretKey | None, version: str, name: str) -> Leaves | Stays:
        """Why a file of this owner may leave, or stays."""
        if owner is None or self._without_owner(owner):
            return Stays(KeptReason.NO_OWNER)
        return reason_of(self.state, self.registration, self.definition, owner, version, name)

    def keeps_name(self, holder: SecretKey, name: str) -> bool:
        """Whether a name whose file is not there stays its owner's: it gives that name, or nothing proves the end."""
        if any(claim.key == holder for claim in self.desired.claims.get(name, ())):
            return True
        match self.reason_of(holder, "", name):
            case Stays(KeptReason.NO_OWNER):
                return False
            case Stays(KeptReason.NOT_CATALOGUED):
                facts = self.state.snapshot.vaults.get(holder.vault)
                return facts is None or facts.swept is None
            case said:
                return isinstance(said, Stays)

    def approved(self, owner: SecretKey | None, leaves: Leaves) -> bool:
        """Whether a person consented to just this removal; to what labels and settings take, on this cluster."""
        server = self.registration.server if leaves.elsewhere else ""
        return self.state.snapshot.approves(owner, leaves.reason.name, leaves.since, self.list_name, server)

    def removed_by_hand(self, file: OwnedFile) -> bool:
        """Whether the file has no owner that counts, and a person had it removed."""
        removal = Leaves(RemovalReason.ORPHANED, file.sha256)
        return self._without_owner(file.owner) and self.approved(None, removal)

    def _without_owner(self, owner: SecretKey | None) -> bool:
        facts = self.state.snapshot.vaults.get(owner.vault) if owner else None
        return owner is None or (facts is not None and facts.forgotten is not None)

    def revoked(self, data: bytes) -> datetime | None:
        """The date on which a proven CRL revokes a certificate in this file; None where none does."""
        revocations = self.state.snapshot.revocations
        certificates = (item for item in items_in(data) if isinstance(item, Certificate))
        found = (revocations.revoked(each) for each in certificates)
        return next((by.date for by in found if by is not None), None)

    def gave_revoked(self, file: OwnedFile, name: str) -> bool:
        """Whether the version that a file came from gives, under this name, a certificate that is revoked."""
        entry = self.state.snapshot.entries.get(file.owner) if file.owner else None
        version = (c for c in entry.candidates if c.version == file.version) if entry else ()
        items = (item for c in version for given, item in files_of(entry, c) if given == name) if entry else ()
        revoked = self.state.snapshot.revocations.revoked
        return any(isinstance(item, Certificate) and revoked(item) is not None for item in items)

    @cached_property
    def vaults_known(self) -> bool:
        """Whether every configured vault was gone through once since the tables began (law 1)."""
        return not self.state.unswept(None)

    @cached_property
    def awaited(self) -> tuple[str, ...]:
        """The vaults that reach this list and were not gone through once since the tables began, sorted."""
        return tuple(
            vault.host
            for vault in self.state.unswept(self.definition)
            if Selector.parse(vault.clusters).matches(self.registration.labels)
        )

    def vault_left_for_good(self, host: str) -> bool:
        """Whether the vault is configured no more since a day."""
        if self.state.configuration.vault(host) is not None:
            return False
        facts, begun = self.state.snapshot.vaults.get(host), self.state.snapshot.head.begun
        left = facts.left if facts else begun
        return left is not None and self.now - left >= PASSES_AFTER
