"""What every list should hold: a pure function of the catalogue.

Per list and cluster, every secret that reaches it brings its eligible versions: the candidates that pass by themselves
under the list's policy, newest first. Rules about the set then reject some; a rejected version gives way to the one
before it (law 3), until none is rejected. A rule only ever moves a secret to an older version, so this ends. As it
depends on nothing else, it heals by itself: a CRL that waits for its CA is in force once the catalogue has the CA.

What a list holds already is not known here: who keeps a name that several secrets give, and what may leave, is decided
where the file is (`reconcile.plan`), by `claims` and `desired.reasons`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from sync.catalogue.assignment import base_names, bases_of, content
from sync.catalogue.eligibility import eligible_versions, files_of
from sync.certificates.items import Certificate
from sync.desired.claims import Claim, WantedFile, rank, wanted_file
from sync.desired.reach import Reach, assignment_in_force, matches
from sync.desired.set_rules import choose
from sync.findings import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sync.catalogue.eligibility import EligibleVersion
    from sync.catalogue.entry import Entry
    from sync.catalogue.secret import SecretKey
    from sync.catalogue.snapshot import Snapshot
    from sync.desired.set_rules import Chosen
    from sync.fleet.clusters import Registration
    from sync.fleet.configuration import Configuration
    from sync.fleet.lists import ListDefinition
    from sync.fleet.vaults import WatchedVault


@dataclass(frozen=True, slots=True)
class VersionInForce:
    """The version of a secret that is in force on a list, and the names of the files that it gives there."""

    version: str
    enabled: bool
    names: frozenset[str]


@dataclass(frozen=True)
class DesiredList:
    """What one list should hold on clusters with the same reach.

    Attributes:
        claims: by file name, the secret admitted first in front.
        in_force: by secret, disabled ones included.
        findings: of the rules about the set, by secret.
        digest: over all of it, and over what is revoked.
    """

    claims: Mapping[str, tuple[Claim, ...]]
    in_force: Mapping[SecretKey, VersionInForce]
    findings: Mapping[SecretKey, tuple[Finding, ...]]
    digest: str

    @cached_property
    def files(self) -> Mapping[str, WantedFile]:
        """What a list that holds nothing would get, by name."""
        first = {name: claims[0].file for name, claims in self.claims.items()}
        return {name: file for name, file in first.items() if file is not None and file.anew}


class DesiredState:
    """The desired lists of one snapshot, each computed once for all clusters with the same reach."""

    def __init__(self, snapshot: Snapshot, configuration: Configuration) -> None:
        self.snapshot = snapshot
        self.configuration = configuration
        self._computed: dict[tuple[ListDefinition, Reach], DesiredList] = {}
        self._reaches: dict[frozenset[tuple[str, str]], Reach] = {}

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

    def on_server(self, server: str) -> tuple[Registration, ...]:
        """The clusters that are registered on this API server; more than one where it has several names."""
        return self._by_server.get(server, ())

    @cached_property
    def _by_server(self) -> Mapping[str, tuple[Registration, ...]]:
        found: dict[str, tuple[Registration, ...]] = {}
        for registration in self.snapshot.clusters.values():
            found[registration.server] = (*found.get(registration.server, ()), registration)
        return found

    def reach_of(self, labels: Mapping[str, str]) -> Reach:
        """The pairs of vault and selector that match these labels within the vault's ceiling."""
        alike = frozenset(labels.items())
        known = self._reaches.get(alike)
        if known is None:
            known = self._reaches[alike] = matches(self._selectors, self.configuration, labels)
        return known

    @cached_property
    def nothing(self) -> DesiredList:
        """Of a place that no definition names any more: nothing new is wanted there; what is revoked leaves."""
        return DesiredList({}, {}, {}, f"nothing {self.snapshot.revocations.digest}")

    @cached_property
    def _selectors(self) -> frozenset[tuple[str, str]]:
        entries = self.snapshot.entries.values()
        return frozenset((e.key.vault, assignment_in_force(e, self.configuration).clusters) for e in entries)

    def reaches(self, entry: Entry, definition: ListDefinition, reach: Reach) -> bool:
        """Whether the secret goes to this list on clusters with this reach."""
        assignment = assignment_in_force(entry, self.configuration)
        vault = self.configuration.vault(entry.key.vault)
        return (
            not entry.deleted
            and definition.name in assignment.lists
            and (entry.key.vault, assignment.clusters) in reach
            and vault is not None
            and vault.allows(definition.name)
        )

    def givers(self, name: str, sha256: str) -> tuple[tuple[SecretKey, str], ...]:
        """The secrets, and the version of each, that give a file of this name with these bytes, on whatever list."""
        return self._givers.get((name, sha256), ())

    @cached_property
    def _givers(self) -> Mapping[tuple[str, str], tuple[tuple[SecretKey, str], ...]]:
        found: dict[tuple[str, str], dict[SecretKey, str]] = defaultdict(dict)
        for entry in self.snapshot.entries.values():
            for candidate in entry.candidates:
                for name, item in files_of(entry, candidate):
                    sha = hashlib.sha256(content(name, item)).hexdigest()
                    found[name, sha].setdefault(entry.key, candidate.version)
        return {file: tuple(sorted(givers.items())) for file, givers in found.items()}

    def unswept(self, definition: ListDefinition | None) -> tuple[WatchedVault, ...]:
        """The watched vaults that may reach the list (None: any) and were not gone through since the tables began."""
        facts = self.snapshot.vaults
        return tuple(
            vault
            for vault in self.configuration.vaults
            if (definition is None or vault.allows(definition.name))
            and (vault.host not in facts or facts[vault.host].swept is None)
        )

    def _evaluate(self, definition: ListDefinition, reach: Reach) -> DesiredList:
        reaching = [e for e in self.snapshot.entries.values() if self.reaches(e, definition, reach)]
        available = {e.key: eligible_versions(e, definition) for e in reaching if e.stop is None}
        chosen = choose(available, self.snapshot.revocations)
        claims, findings = self._claims(chosen)
        for entry in reaching:
            if entry.stop is not None and self._may_be_older_than_the_tables(entry):
                _hold_base_name(entry, claims)
        in_force = {key: _version_in_force(version) for key, version in chosen.in_force.items()}
        ordered = {name: tuple(sorted(found, key=lambda c: c.rank)) for name, found in claims.items()}
        taken = _taken(ordered)
        return DesiredList(
            ordered,
            in_force,
            {key: (*findings.get(key, ()), *taken.get(key, ())) for key in {*findings, *taken}},
            _digest(ordered, in_force, self.snapshot.revocations.digest, [v.host for v in self.unswept(definition)]),
        )

    def _may_be_older_than_the_tables(self, entry: Entry) -> bool:
        """Whether the row was rebuilt: a secret that is new and never had a version in force holds no name (law 4)."""
        begun = self.snapshot.head.begun
        return begun is None or entry.admitted is None or entry.admitted <= begun

    def _claims(self, chosen: Chosen) -> tuple[dict[str, list[Claim]], dict[SecretKey, list[Finding]]]:
        claims: dict[str, list[Claim]] = defaultdict(list)
        findings = chosen.findings
        for key, version in chosen.in_force.items():
            place = rank(version.entry.admitted, key)
            for name, item in version.files:
                revoked = isinstance(item, Certificate) and self.snapshot.revocations.revoked(item) is not None
                if revoked:
                    findings[key].append(Finding(Code.REVOKED, f"{name}: {item.sha256[:16]}", file=name))
                given = version.candidate.enabled and not revoked
                file = wanted_file(name, item, version, anew=key not in chosen.not_anew) if given else None
                claims[name].append(Claim(key, place, file))
        return claims, findings


def _hold_base_name(entry: Entry, claims: Mapping[str, list[Claim]]) -> None:
    """What the secret of a stopped rebuild gives is not known: it holds its base name in every form (law 1)."""
    held = base_names(entry.name, entry.assignment)
    for name, found in claims.items():
        if held & bases_of(name):
            found.append(Claim(entry.key, rank(entry.admitted, entry.key), None))


def _version_in_force(version: EligibleVersion) -> VersionInForce:
    names = frozenset(name for name, _ in version.files)
    return VersionInForce(version.candidate.version, version.candidate.enabled, names)


def _taken(claims: Mapping[str, tuple[Claim, ...]]) -> dict[SecretKey, list[Finding]]:
    """What secrets hear whose names others were given first; on a list that holds a file, its owner keeps the name."""
    taken: dict[SecretKey, list[Finding]] = defaultdict(list)
    for name, (first, *others) in claims.items():
        for other in others:
            taken[other.key].append(Finding(Code.FILE_NAME_TAKEN, f"{name} is {first.key}'s", file=name))
    return taken


def _digest(
    claims: Mapping[str, tuple[Claim, ...]],
    in_force: Mapping[SecretKey, VersionInForce],
    revocations: str,
    unswept: list[str],
) -> str:
    """SHA-256 over who gives what, who only holds a name, what is revoked, and which vaults are awaited."""
    given = [
        (name, [(str(c.key), c.file and (c.file.version, c.file.sha256, c.file.anew)) for c in found])
        for name, found in sorted(claims.items())
    ]
    versions = sorted((str(key), v.version, v.enabled) for key, v in in_force.items())
    return hashlib.sha256(msgspec.json.encode([given, versions, revocations, unswept])).hexdigest()
