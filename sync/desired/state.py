"""What every list should hold: a pure function of the catalogue.

Per list and cluster, every secret that reaches it brings its eligible versions: the candidates that pass by themselves
under the list's policy, newest first. Rules about the set then reject some; a rejected version gives way to the one
before it (law 3), until none is rejected. A rule only ever moves a secret to an older version, so this ends. As it
depends on nothing else, it heals by itself: a CRL that waits for its CA is in force once the catalogue has the CA.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from sync.catalogue.assignment import content, reaches
from sync.catalogue.eligibility import EligibleVersion, eligible_versions, names_of
from sync.desired.digest import content_digest
from sync.desired.set_rules import InForce, choose, revoked_certificates
from sync.findings import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime

    from sync.catalogue.entry import Entry, Revocation
    from sync.catalogue.secret import SecretKey
    from sync.catalogue.snapshot import Snapshot
    from sync.certificates.items import Item
    from sync.fleet.clusters import Registration
    from sync.fleet.configuration import Configuration
    from sync.fleet.lists import ListDefinition

Reach = frozenset[tuple[str, str]]
"""The pairs of vault host and cluster selector that match a cluster; clusters with the same reach get the same."""


class RemovalReason(StrEnum):
    """Why a file may leave: the closed set of law 4."""

    DELETED = "its secret was deleted"
    DISABLED = "its version in force was disabled"
    UNASSIGNED = "its secret was unassigned"
    ELSEWHERE = "its secret is assigned elsewhere"
    REPLACED = "a newer version replaced it"
    REVOKED = "a CRL in force revokes it"


@dataclass(frozen=True, slots=True)
class WantedFile:
    """One file that a list should hold.

    Attributes:
        name, data: file name, and bytes in the format of its extension (DER or PEM).
        sha256: of `data`, hexadecimal.
        key, version: the secret and the version it comes from.
        since: since when the secret gives this list the file; where a list is full, the newest wait.
    """

    name: str
    data: bytes
    sha256: str
    key: SecretKey
    version: str
    since: datetime | None

    @property
    def priority(self) -> tuple[float, str]:
        """Order of files on a full list: those given the longest come first."""
        return (self.since.timestamp() if self.since else float("inf"), self.name)


@dataclass(frozen=True, slots=True)
class DesiredList:
    """What one list should hold on clusters with the same reach.

    Attributes:
        files: by name.
        to_remove: names that must leave wherever they are ours, and why.
        in_force: the version in force by secret, disabled ones included.
        findings: of the rules about the set, by secret.
        revoked: SHA-256 of the certificates that CRLs in force revoke here, by the CRL's secret.
        digest: over names and bytes of `files`.
    """

    files: Mapping[str, WantedFile]
    to_remove: Mapping[str, RemovalReason]
    in_force: Mapping[SecretKey, str]
    findings: Mapping[SecretKey, tuple[Finding, ...]]
    revoked: Mapping[SecretKey, frozenset[str]]
    digest: str


class DesiredState:
    """The desired lists of one snapshot, each computed once for all clusters with the same reach."""

    def __init__(self, snapshot: Snapshot, configuration: Configuration) -> None:
        self.snapshot = snapshot
        self.configuration = configuration
        self._computed: dict[tuple[ListDefinition, Reach], DesiredList] = {}

    def of(self, registration: Registration, definition: ListDefinition) -> DesiredList:
        """What this list should hold on this cluster."""
        reach = self.reach_of(registration.labels)
        known = self._computed.get((definition, reach))
        if known is None:
            known = self._computed[definition, reach] = self._evaluate(definition, reach)
        return known

    def every(self) -> Iterator[tuple[Registration, ListDefinition, DesiredList]]:
        """Every list of every cluster."""
        for registration in self.snapshot.clusters.values():
            for definition in registration.definitions(self.configuration):
                yield registration, definition, self.of(registration, definition)

    def named(self, cluster: str, list_name: str) -> DesiredList | None:
        """The list of that name on that cluster, or None."""
        registration = self.snapshot.clusters.get(cluster)
        definition = registration.definition(list_name, self.configuration) if registration else None
        return self.of(registration, definition) if registration and definition else None

    def reach_of(self, labels: Mapping[str, str]) -> Reach:
        """The pairs of vault and selector, present or former, that match these labels within the vault's ceiling."""
        return frozenset(
            (host, text)
            for host, text in self._selectors
            if (vault := self.configuration.vault(host)) is not None and reaches(text, vault, labels)
        )

    @cached_property
    def _selectors(self) -> frozenset[tuple[str, str]]:
        assigned = [entry for entry in self.snapshot.entries.values() if entry.assigned]
        given = (
            (e.key.vault, text) for e in assigned for text in (e.assignment.clusters, *(c.clusters for c in e.claims))
        )
        return frozenset((*given, *((host, revocation.clusters) for host, revocation in self._revocations)))

    @cached_property
    def _owners(self) -> Mapping[str, tuple[Entry, ...]]:
        owners: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.snapshot.entries.values():
            for name in names_of(entry):
                owners[name].append(entry)
        return {name: tuple(entries) for name, entries in owners.items()}

    @cached_property
    def _revocations(self) -> tuple[tuple[str, Revocation], ...]:
        return tuple(
            (entry.key.vault, revocation)
            for entry in self.snapshot.entries.values()
            for revocation in entry.revocations
        )

    @property
    def accounted(self) -> Collection[str]:
        """The file names that any entry knows as its own."""
        return self._owners.keys()

    @cached_property
    def held(self) -> frozenset[tuple[str, str]]:
        """Cluster and list of every removal that waits for a person."""
        snapshot = self.snapshot
        waiting = [e.held for e in snapshot.entries.values() if e.held] + [p.held for p in snapshot.proposals.values()]
        return frozenset(
            (cluster, loss.list)
            for held in waiting
            if not held.rejected
            for loss in held.losses
            for cluster in loss.clusters
        )

    def reaches(self, entry: Entry, definition: ListDefinition, reach: Reach) -> bool:
        """Whether the secret goes to this list on clusters with this reach."""
        vault = self.configuration.vault(entry.key.vault)
        return (
            entry.assigned
            and definition.name in entry.assignment.lists
            and (entry.key.vault, entry.assignment.clusters) in reach
            and vault is not None
            and vault.allows(definition.name)
        )

    def _evaluate(self, definition: ListDefinition, reach: Reach) -> DesiredList:
        available = self._available(definition, reach)
        lasting = self._lasting(definition, reach)
        in_force, findings = choose(available, lasting)
        by_crl = revoked_certificates(in_force)
        revoked = lasting.union(*by_crl.values())
        files: dict[str, WantedFile] = {}
        left: dict[str, RemovalReason] = {}
        for key, version in in_force.items():
            for name, item in version.files:
                if item.sha256 in revoked:
                    left[name] = RemovalReason.REVOKED
                    findings[key].append(Finding(Code.REVOKED, f"{name}: {item.sha256[:16]}", file=name))
                elif not version.candidate.enabled:
                    left[name] = RemovalReason.DISABLED
                else:
                    files[name] = _wanted(name, item, version)
        return DesiredList(
            files,
            self._to_remove(files, left, in_force, set(available)),
            {key: version.candidate.version for key, version in in_force.items()},
            {key: tuple(found) for key, found in findings.items()},
            by_crl,
            digest_of(files),
        )

    def _available(self, definition: ListDefinition, reach: Reach) -> dict[SecretKey, tuple[EligibleVersion, ...]]:
        """What each secret that reaches the list could give it."""
        selectors: dict[str, set[str]] = defaultdict(set)
        for host, text in reach:
            selectors[host].add(text)
        reaching = (e for e in self.snapshot.entries.values() if self.reaches(e, definition, reach))
        return {e.key: eligible_versions(e, definition, selectors[e.key.vault]) for e in reaching}

    def _lasting(self, definition: ListDefinition, reach: Reach) -> frozenset[str]:
        """SHA-256 of the certificates revoked here by CRLs that are no longer in force."""
        return frozenset(
            revocation.sha256
            for host, revocation in self._revocations
            if revocation.list == definition.name and (host, revocation.clusters) in reach
        )

    def _to_remove(
        self,
        files: Mapping[str, WantedFile],
        left: Mapping[str, RemovalReason],
        in_force: InForce,
        reached: set[SecretKey],
    ) -> dict[str, RemovalReason]:
        to_remove: dict[str, RemovalReason] = {}
        for name, owners in self._owners.items():
            if name in files:
                continue
            reasons = [self._removal_reason(entry, name, left, in_force, reached) for entry in owners]
            first = reasons[0]
            if first is not None and None not in reasons:
                to_remove[name] = first
        return to_remove

    def _removal_reason(
        self, entry: Entry, name: str, left: Mapping[str, RemovalReason], in_force: InForce, reached: set[SecretKey]
    ) -> RemovalReason | None:
        """Why this secret does not put the file there; None where there is no reason (law 4)."""
        if entry.deleted:
            return RemovalReason.DELETED
        if not entry.assignment.lists:
            return RemovalReason.UNASSIGNED
        if self.configuration.vault(entry.key.vault) is None:
            return None
        if entry.key not in reached:
            return RemovalReason.ELSEWHERE
        version = in_force.get(entry.key)
        if version is None:
            return None
        if name in {n for n, _ in version.files}:
            return left.get(name)
        return RemovalReason.REPLACED if version.candidate.enabled else RemovalReason.DISABLED


def _wanted(name: str, item: Item, version: EligibleVersion) -> WantedFile:
    data = content(name, item)
    sha = hashlib.sha256(data).hexdigest()
    return WantedFile(name, data, sha, version.entry.key, version.candidate.version, version.since[name])


def digest_of(files: Mapping[str, WantedFile]) -> str:
    """The digest of the content that the files make."""
    return content_digest({name: file.sha256 for name, file in files.items()})
