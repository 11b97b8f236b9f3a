"""The catalogue: every secret as last looked at, one `Entry` each.

An entry is derived and can be lost: the vault's versions rebuild it (law 1). It keeps what the vault cannot give again
at once: the public bytes of the versions that decide, the findings about them, and since when what may take its files
from the lists is so (law 4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from sync.catalogue.assignment import Assignment
from sync.catalogue.secret import SecretKey, VersionProperties
from sync.certificates.items import Item, Kind, parse
from sync.findings import Finding, Severity

KNOWN_VERSIONS = 64
"""How many version names an entry remembers, so that late events about them make no call (law 11). Older versions are
not looked at: one that passes only behind so many newer ones is not found again once the catalogue is lost."""

SECOND_LOOK = timedelta(seconds=2)
"""`updated` has whole seconds: what was read this soon after may have changed again within the same second."""

REREAD_INTERVAL = timedelta(days=1)
"""How often a value in force is read again to check the catalogue (law 11)."""


@dataclass(frozen=True, slots=True)
class StoredItem:
    """One certificate or CRL as DER; `item` parses it."""

    kind: Kind
    der: bytes

    @property
    def item(self) -> Item:
        """The parsed item (cached by content)."""
        return parse(self.kind, self.der)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One version whose value was read and decoded.

    Attributes:
        version, created: from the vault; newer means later `created`.
        enabled: as last looked at. A candidate was enabled when it was read.
        items: what its value holds.
        findings: about its value when it was read; `roles` says on which lists each counts.
        pem: its value is PEM, not DER; matters where a delivery cannot convert.
    """

    version: str
    created: datetime
    enabled: bool
    items: tuple[StoredItem, ...]
    findings: tuple[Finding, ...]
    pem: bool = False

    @property
    def kinds_of_fault(self) -> frozenset[tuple[str, ...]]:
        """Its rejecting faults; candidates with the same ones are treated alike on every list."""
        return frozenset((f.code.value, *f.roles) for f in self.findings if f.severity is Severity.REJECT)


@dataclass(frozen=True, slots=True)
class Rejected:
    """One version of which only findings are kept: undecodable, a private key, a Key Vault certificate's secret."""

    version: str
    created: datetime
    findings: tuple[Finding, ...]


Reading = Candidate | Rejected
"""The result of reading one version's value."""


class ListedVersion(msgspec.Struct, frozen=True):
    """One version as the vault lists it.

    Attributes:
        version: its name.
        created, updated: from the vault; disabling it or editing its tags updates it. Of one that stays disabled, what
            `updated` was when it was first found so.
        enabled: as last looked at.
    """

    version: str
    created: datetime
    updated: datetime
    enabled: bool


class WaitingAssignment(msgspec.Struct, frozen=True):
    """An assignment that would take the secret from too many clusters, and waits for a person (law 4).

    Attributes:
        assignment: where the tags say that the secret goes.
        since: when it was first found (UTC).
        clusters: the clusters that would lose it, sorted.
    """

    assignment: Assignment
    since: datetime
    clusters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One secret as last looked at.

    What it is:
        key, name: which secret, and its name as the vault spells it.
        newest: properties of the newest version; None once the secret is deleted.

    What decides, beside the name (`decides_like`):
        assignment: where it goes; the last valid one while the tags are rejected.
        assigned_at: since when it goes there (UTC).
        admitted: who was admitted first keeps a name that several secrets give (UTC).
        deleted_at: when a fresh look first found no such secret in the vault; None while there is one.
        candidates: versions read and decoded that decide or may, newest first.
        versions: as the vault lists them, newest first, bounded; a late event about one makes no call (law 11).
        complete: `versions` are all that there are.
        stop: the version at which a rebuild stopped, which adds and removes nothing (law 1); None otherwise.
        waiting: another assignment, which waits for approval.

    What people read beside that:
        rejected: versions newer than the oldest candidate of which only findings are kept, newest first.
        secret_findings: findings about the secret itself (tags dropped, assignment rejected, unassigned).

    Bookkeeping:
        looked: when it was last looked at (UTC).
        judged: digest of the settings (VAULTS, LISTS) under which it was looked at; under others it is owed a look.
        passed: versions read that can no longer come into force, only with their findings, newest first.
        reread_at: when the value in force was last read.
        needs_second_look: the vault's listing alone would not show every change that matters.
    """

    key: SecretKey
    name: str
    newest: VersionProperties | None
    assignment: Assignment
    looked: datetime

    assigned_at: datetime | None = None
    admitted: datetime | None = None
    deleted_at: datetime | None = None
    candidates: tuple[Candidate, ...] = ()
    versions: tuple[ListedVersion, ...] = ()
    complete: bool = False
    stop: str | None = None
    waiting: WaitingAssignment | None = None

    rejected: tuple[Rejected, ...] = ()
    secret_findings: tuple[Finding, ...] = ()

    judged: str = ""
    passed: tuple[Rejected, ...] = ()
    reread_at: datetime | None = None
    needs_second_look: bool = False

    @classmethod
    def unseen(cls, key: SecretKey, name: str, assignment: Assignment, at: datetime) -> Entry:
        """The entry of a secret of which nothing is known but where it goes."""
        return cls(key, name, None, assignment, at, at, at)

    def without_secret(self, at: datetime) -> Entry:
        """The entry once the vault no longer has the secret: keeps where it went, and since when it is so."""
        unseen = Entry.unseen(self.key, self.name, self.assignment, at)
        return replace(unseen, assigned_at=self.assigned_at, deleted_at=self.deleted_at or at)

    @property
    def deleted(self) -> bool:
        """Whether the vault no longer has the secret."""
        return self.deleted_at is not None

    @property
    def assigned(self) -> bool:
        """Whether it goes to any list; the default of a vault is resolved by the settings in force."""
        return (bool(self.assignment.lists) or self.assignment.default) and not self.deleted

    def knows(self, version: str) -> bool:
        """Whether the version was looked at before."""
        return any(each.version == version for each in self.versions)

    def listed(self, version: str) -> ListedVersion | None:
        """The version as the vault lists it, or None."""
        return next((each for each in self.versions if each.version == version), None)

    def age(self, version: str) -> int:
        """How many versions are newer; one that the vault does not list is the oldest."""
        return next((at for at, each in enumerate(self.versions) if each.version == version), len(self.versions))

    def reread_due(self, now: datetime) -> str | None:
        """The version in force whose value has not been read for a day, if any (law 11); a disabled one cannot be."""
        if not self.candidates or self.reread_at is None or now - self.reread_at < REREAD_INTERVAL:
            return None
        newest = self.candidates[0]
        return newest.version if newest.enabled else None

    def decides_like(self, other: Entry | None) -> bool:
        """Whether every list comes out the same, so that the head need not move; a version more decides nothing."""
        return other is not None and _decisive(self) == _decisive(other) and _still_listed(other, self)


def _decisive(e: Entry) -> tuple[object, ...]:
    return e.name, e.assignment, e.admitted, e.deleted_at, e.candidates, e.stop, e.waiting


def _still_listed(old: Entry, new: Entry) -> bool:
    """Whether no version is gone or was disabled or enabled."""
    now = {each.version: each.enabled for each in new.versions}
    return all(now.get(each.version) == each.enabled for each in old.versions) and old.complete <= new.complete
