"""The catalogue: every secret as last looked at, one `Entry` each.

An entry is derived and can be lost: the vault's versions rebuild it (law 1). It keeps what the vault cannot give again
at once: the public bytes of the versions that decide, the findings about them, and the names of former files, without
which no file may leave a cluster (law 4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sync.catalogue.assignment import Assignment
from sync.catalogue.secret import SecretKey, VersionProperties
from sync.certificates.items import Item, Kind, parse
from sync.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Collection

KNOWN_VERSIONS = 64
"""How many version names an entry remembers, so that late events about them make no call (law 11). Older versions are
not looked at: one that passes only behind so many newer ones is not found again once the catalogue is lost."""

FORMER_NAMES = 256
"""How many names of former files an entry remembers, the last to leave first; names that leave together all stay."""

CLAIMS = 64
"""How many claims an entry remembers; what only a dropped claim covers counts as given since the next look."""

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


@dataclass(frozen=True, slots=True)
class Claim:
    """What a secret gives to which clusters since when: the earliest claim keeps a contested file name.

    Attributes:
        since: when it was first seen to give this (UTC).
        clusters: text of the cluster selector that it had then.
        files: name of the list and of the file, sorted; only of versions that pass on that list by themselves.
    """

    since: datetime
    clusters: str
    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Loss:
    """Files that a change takes from one list on some clusters.

    Attributes:
        list: the list's name.
        files: names of the files, sorted.
        clusters: names of the clusters that lose exactly these, sorted.
        held: how many files the list held there before the change.
    """

    list: str
    files: tuple[str, ...]
    clusters: tuple[str, ...]
    held: int


@dataclass(frozen=True, slots=True)
class Held:
    """A removal that waits for a person (law 4).

    Attributes:
        digest: of the change and its losses, exactly as shown; an approval names it.
        cause: what would remove the files, as a sentence.
        since: when it was first held (UTC).
        losses: what would leave.
        rejected: a person rejected it; it stays held without asking again.
    """

    digest: str
    cause: str
    since: datetime
    losses: tuple[Loss, ...]
    rejected: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Revocation:
    """A certificate that a CRL in force revoked on a list, on the clusters that the CRL then reached.

    Attributes:
        list: the list's name.
        clusters: the selector that the CRL's secret had.
        sha256: of the certificate.
    """

    list: str
    clusters: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One secret as last looked at.

    What it is:
        key, name: which secret, and its name as the vault spells it.
        newest: properties of the newest version; None once the secret is deleted.

    What decides, beside the name (`decides_like`):
        assignment: where it goes; the last valid one while the tags are rejected.
        deleted: a fresh look found no such secret in the vault.
        candidates: versions read and decoded that decide or may, newest first.
        former: names of files it no longer has, the last to leave first, bounded.
        claims: what it gives and has given without a break, newest first, bounded.
        revocations: what this secret's CRLs revoked while in force and no longer revoke by themselves.
        held: a removal that waits for approval; all else that decides is then as before it.

    What people read beside that:
        rejected: versions newer than the oldest candidate of which only findings are kept, newest first.
        secret_findings: findings about the secret itself (tags dropped, assignment rejected, unassigned).
        stop: the version at which a rebuild stopped (law 1); None otherwise.

    Bookkeeping:
        looked: when it was last looked at (UTC).
        known: names of versions already looked at, newest first, bounded.
        passed: versions read that can no longer come into force, only with their findings, newest first.
        reread_at: when the value in force was last read.
        needs_second_look: the vault's listing alone would not show every change that matters.
        held_candidates: versions read that would come into force with the held removal (law 11: none is read twice).
    """

    key: SecretKey
    name: str
    newest: VersionProperties | None
    assignment: Assignment
    looked: datetime

    deleted: bool = False
    candidates: tuple[Candidate, ...] = ()
    former: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    revocations: tuple[Revocation, ...] = ()
    held: Held | None = None

    rejected: tuple[Rejected, ...] = ()
    secret_findings: tuple[Finding, ...] = ()
    stop: str | None = None

    known: tuple[str, ...] = ()
    passed: tuple[Rejected, ...] = ()
    reread_at: datetime | None = None
    needs_second_look: bool = False
    held_candidates: tuple[Candidate, ...] = ()

    @classmethod
    def unseen(cls, key: SecretKey, name: str, assignment: Assignment, at: datetime) -> Entry:
        """The entry of a secret of which nothing is known but where it goes."""
        return cls(key, name, None, assignment, at)

    def without_secret(self, at: datetime) -> Entry:
        """The entry once the vault no longer has the secret: keeps where it went, its file names and revocations."""
        unseen = Entry.unseen(self.key, self.name, self.assignment, at)
        return replace(unseen, deleted=True, former=self.former, revocations=self.revocations)

    @property
    def assigned(self) -> bool:
        """Whether it goes to any list."""
        return bool(self.assignment.lists) and not self.deleted

    def gives_since(self, list_name: str, file: str, selectors: Collection[str]) -> datetime | None:
        """Since when it has given the list this file without a break where exactly these selectors match."""
        since = None
        for claim in self.claims:
            if (list_name, file) in claim.files:
                if claim.clusters not in selectors:
                    break
                since = claim.since
        return since

    def reread_due(self, now: datetime) -> str | None:
        """The version in force whose value has not been read for a day, if any (law 11); a disabled one cannot be."""
        if not self.candidates or self.reread_at is None or now - self.reread_at < REREAD_INTERVAL:
            return None
        newest = self.candidates[0]
        return newest.version if newest.enabled else None

    def decides_like(self, other: Entry | None) -> bool:
        """Whether lists and held removals come out the same, so that the head need not move."""
        return other is not None and _decisive(self) == _decisive(other)


def _decisive(e: Entry) -> tuple[object, ...]:
    return e.name, e.assignment, e.deleted, e.candidates, e.former, e.claims, e.revocations, e.held
