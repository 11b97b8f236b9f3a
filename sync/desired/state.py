"""What every list should hold: rules about the set, evaluated anew from the catalogue (a pure function).

Per list and cluster, every secret that reaches it offers its candidates, newest first, as far as they pass alone under
the list's policy. Rules about the set then refuse some; a refused one gives way to the candidate before it (law 3),
until nothing is refused any more. A rule only ever moves a secret to an older candidate, so this ends. Being pure, it
heals by itself: a CRL that waited for its CA is taken up by the first evaluation that sees the CA.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from sync.catalogue.assignment import content, file_names, reaches
from sync.catalogue.delivery import delivery_findings
from sync.certificates.checks import verdict
from sync.certificates.issuance import issued, may_sign_crls, named_issuer
from sync.certificates.items import Certificate, Item, RevocationList
from sync.findings import Code, Finding
from sync.reconcile.status import content_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime

    from sync.catalogue.entry import Candidate, Entry, Refusal
    from sync.catalogue.secret import SecretKey
    from sync.fleet.clusters import Registration
    from sync.fleet.lists import Configuration, ListDefinition
    from sync.ports.decisions import Snapshot

OBJECT_LIMIT = 1024 * 1024
"""Bytes that the values of one Secret or ConfigMap may have together (kubernetes.io, "Secrets")."""


class Proof(StrEnum):
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
        name, data: file name and bytes as the extension asks for (DER or PEM).
        sha256: of `data`, hexadecimal.
        key, version: the secret and the version it comes from.
        since: since when the secret gives this list the file; the newest wait first where a list is full.
    """

    name: str
    data: bytes
    sha256: str
    key: SecretKey
    version: str
    since: datetime | None

    @property
    def seniority(self) -> tuple[float, str]:
        """Who has room first on a list that is full: who has given it the file the longest."""
        return (self.since.timestamp() if self.since else float("inf"), self.name)


@dataclass(frozen=True, slots=True)
class Desired:
    """What one list should hold on the clusters that the same secrets reach.

    Attributes:
        files: by name.
        gone: names with a proof that they must not stay, wherever they are ours.
        chosen: the version in force by secret, disabled ones included.
        findings: what the rules about the set say, by secret.
        revoked: SHA-256 of the certificates that CRLs in force refuse here, by the CRL's secret.
        digest: over names and bytes of `files`.
    """

    files: Mapping[str, WantedFile]
    gone: Mapping[str, Proof]
    chosen: Mapping[SecretKey, str]
    findings: Mapping[SecretKey, tuple[Finding, ...]]
    revoked: Mapping[SecretKey, frozenset[str]]
    digest: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A candidate of a secret with the files it would give, and since when the secret gives files of those names."""

    entry: Entry
    candidate: Candidate
    files: tuple[tuple[str, Item], ...]
    has_older: bool
    since: Mapping[str, datetime | None]

    def rank(self, name: str) -> tuple[float, SecretKey]:
        """Who keeps a contested name: who has given this list a file of this name the longest."""
        since = self.since[name]
        return (since.timestamp() if since else float("inf"), self.entry.key)

    def crls(self) -> Iterator[RevocationList]:
        """The CRLs among its files."""
        return (item for _, item in self.files if isinstance(item, RevocationList))

    def certificates(self) -> Iterator[Certificate]:
        """The certificates among its files."""
        return (item for _, item in self.files if isinstance(item, Certificate))


Chosen = dict["SecretKey", Offer]
Refusals = dict["SecretKey", Finding]


def names_of(entry: Entry) -> frozenset[str]:
    """Every file name that the entry accounts for, now and formerly."""
    now = (name for c in entry.candidates for name, _ in files_of(entry, c))
    return frozenset((*entry.former, *now))


def files_of(entry: Entry, candidate: Candidate) -> tuple[tuple[str, Item], ...]:
    """The files that a candidate gives: name and item."""
    return file_names(entry.name, entry.assignment, tuple(stored.item for stored in candidate.items))


def offers(entry: Entry, definition: ListDefinition, selectors: Collection[str] = ()) -> tuple[Offer, ...]:
    """The candidates that pass alone on the list and under the rules that its delivery adds, newest first.

    Args:
        entry: the secret.
        definition: the list.
        selectors: which of the selectors it ever had match here; who holds a name depends on them.
    """
    policy = definition.policy
    accept = policy.accept & entry.assignment.accept
    passing = [
        candidate
        for candidate in entry.candidates
        if verdict(candidate.findings, definition.role, accept=accept, reject=policy.reject).passes
        and not delivery_findings(files_of(entry, candidate), candidate.pem, definition.delivery)
    ]
    last = len(passing) - 1
    given = [(c, files_of(entry, c)) for c in passing]
    since = {name: entry.gives_since(definition.name, name, selectors) for _, files in given for name, _item in files}
    return tuple(Offer(entry, c, files, i < last, since) for i, (c, files) in enumerate(given))


# The rules about the set, in order. Each gives the secrets whose chosen offer it refuses.


def file_name_taken(chosen: Chosen, _: Mapping[SecretKey, tuple[Offer, ...]]) -> Refusals:
    """1. Two secrets give a file of one name: the earliest in force keeps it."""
    holders: dict[str, list[Offer]] = defaultdict(list)
    for offer in chosen.values():
        for name, _item in offer.files:
            holders[name].append(offer)
    refused: Refusals = {}
    for name, claims in holders.items():
        first, *others = sorted(claims, key=lambda offer, name=name: offer.rank(name))  # type: ignore[misc]
        for other in others:
            if other.entry.key != first.entry.key:
                refused[other.entry.key] = Finding(Code.FILE_NAME_TAKEN, f"{name} is {first.entry.key}'s", file=name)
    return refused


def crl_rollback(chosen: Chosen, available: Mapping[SecretKey, tuple[Offer, ...]]) -> Refusals:
    """2. A newer version's CRL is older than the one in force of the same CA (RFC 5280 §5.2.3: numbers only grow)."""
    refused: Refusals = {}
    for key, offer in chosen.items():
        before = _next_older(offer, available[key])
        for crl in offer.crls() if before else ():
            for old in before.crls() if before else ():
                if _age(crl) < _age(old) and _of_one_ca(chosen, crl, old):
                    refused[key] = Finding(Code.CRL_ROLLBACK, f"{_said(crl)} is older than {_said(old)}")
    return refused


def _of_one_ca(chosen: Chosen, crl: RevocationList, old: RevocationList) -> bool:
    """Whether one CA issued both; one with a new key is another, under the same name, and begins to count anew."""
    enabled = (offer for offer in chosen.values() if offer.candidate.enabled)
    return any(issued(ca, crl) and issued(ca, old) for offer in enabled for ca in offer.certificates())


def crl_issuer(chosen: Chosen, _: Mapping[SecretKey, tuple[Offer, ...]]) -> Refusals:
    """3. A CRL needs its CA on the same list, by name and signature (RFC 5280 §6.3.3 f, g)."""
    present = [c for offer in chosen.values() if offer.candidate.enabled for c in offer.certificates()]
    by_name: dict[bytes, list[Certificate]] = defaultdict(list)
    for certificate in filter(may_sign_crls, present):
        by_name[certificate.subject_name].append(certificate)
    refused: Refusals = {}
    for key, offer in chosen.items():
        for crl in offer.crls():
            named = [ca for ca in by_name[crl.issuer_name] if named_issuer(ca, crl)]
            if not any(issued(ca, crl) for ca in named):
                code = Code.CRL_SIGNATURE if named else Code.CRL_WITHOUT_ISSUER
                refused[key] = Finding(code, f"issuer {crl.issuer}")
    return refused


def already_revoked(chosen: Chosen, _: Mapping[SecretKey, tuple[Offer, ...]], lasting: frozenset[str]) -> Refusals:
    """4. A newer version that is revoked before it ever came into force gives way to the one in force."""
    revoked = _union(revoked_certificates(chosen)) | lasting
    return {
        key: Finding(Code.REVOKED, f"serial {certificate.serial:x}, {certificate.subject}")
        for key, offer in chosen.items()
        if offer.has_older
        for certificate in offer.certificates()
        if certificate.sha256 in revoked
    }


def revoked_certificates(chosen: Mapping[SecretKey, Offer]) -> dict[SecretKey, frozenset[str]]:
    """SHA-256 of the chosen certificates that chosen, enabled CRLs of their own issuer revoke, by the CRLs' secrets."""
    by_issuer: dict[bytes, list[Certificate]] = defaultdict(list)
    by_subject: dict[bytes, list[Certificate]] = defaultdict(list)
    for certificate in (c for offer in chosen.values() for c in offer.certificates()):
        by_issuer[certificate.issuer_name].append(certificate)
        by_subject[certificate.subject_name].append(certificate)
    revoked: dict[SecretKey, set[str]] = defaultdict(set)
    for key, offer in chosen.items():
        for crl in offer.crls() if offer.candidate.enabled else ():
            revoked[key] |= {
                certificate.sha256
                for certificate in by_issuer[crl.issuer_name]
                if certificate.serial in crl.revoked
                and any(issued(ca, crl) and issued(ca, certificate) for ca in by_subject[crl.issuer_name])
            }
    return {key: frozenset(found) for key, found in revoked.items() if found}


def _union(revoked: Mapping[SecretKey, frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*revoked.values())


def _next_older(offer: Offer, available: tuple[Offer, ...]) -> Offer | None:
    position = available.index(offer)
    return available[position + 1] if position + 1 < len(available) else None


def _age(crl: RevocationList) -> tuple[int, datetime]:
    return (crl.number if crl.number is not None else -1, crl.this_update)


def _said(crl: RevocationList) -> str:
    return f"CRL {crl.number if crl.number is not None else 'without number'} of {crl.this_update:%Y-%m-%d %H:%M}"


def choose(
    available: Mapping[SecretKey, tuple[Offer, ...]], lasting: frozenset[str]
) -> tuple[Chosen, dict[SecretKey, list[Finding]]]:
    """Which offer of every secret is in force, and what the rules about the set said on the way."""
    position = dict.fromkeys(available, 0)
    said: dict[SecretKey, list[Finding]] = defaultdict(list)
    while True:
        chosen = {key: available[key][at] for key, at in position.items() if at < len(available[key])}
        refused = (
            file_name_taken(chosen, available)
            or crl_rollback(chosen, available)
            or crl_issuer(chosen, available)
            or already_revoked(chosen, available, lasting)
        )
        if not refused:
            return chosen, said
        for key, finding in refused.items():
            position[key] += 1
            said[key].append(finding)


class Desires:
    """The desired lists of one snapshot, each computed once for all clusters that the same secrets reach."""

    def __init__(self, snapshot: Snapshot, configuration: Configuration) -> None:
        self.snapshot = snapshot
        self.configuration = configuration
        self._computed: dict[tuple[ListDefinition, frozenset[tuple[str, str]]], Desired] = {}

    def of(self, registration: Registration, definition: ListDefinition) -> Desired:
        """What this list should hold on this cluster."""
        where = self.reach(registration.labels)
        known = self._computed.get((definition, where))
        if known is None:
            known = self._computed[definition, where] = self._evaluate(definition, where)
        return known

    def reach(self, labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
        """The pairs of vault and selector, now or formerly assigned, within its ceiling, that these labels match."""
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
        return frozenset((*given, *((host, refusal.clusters) for host, refusal in self._refusals)))

    @cached_property
    def _owners(self) -> Mapping[str, tuple[Entry, ...]]:
        owners: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.snapshot.entries.values():
            for name in names_of(entry):
                owners[name].append(entry)
        return {name: tuple(entries) for name, entries in owners.items()}

    @cached_property
    def _refusals(self) -> tuple[tuple[str, Refusal], ...]:
        return tuple(
            (entry.key.vault, refusal) for entry in self.snapshot.entries.values() for refusal in entry.refused
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
            if not held.refused
            for loss in held.losses
            for cluster in loss.clusters
        )

    def reaches(self, entry: Entry, definition: ListDefinition, where: frozenset[tuple[str, str]]) -> bool:
        """Whether the secret goes to this list on clusters with this reach."""
        vault = self.configuration.vault(entry.key.vault)
        return (
            entry.assigned
            and definition.name in entry.assignment.lists
            and (entry.key.vault, entry.assignment.clusters) in where
            and vault is not None
            and vault.allows(definition.name)
        )

    def _evaluate(self, definition: ListDefinition, where: frozenset[tuple[str, str]]) -> Desired:
        entries = [e for e in self.snapshot.entries.values() if self.reaches(e, definition, where)]
        selectors: dict[str, set[str]] = defaultdict(set)
        for host, text in where:
            selectors[host].add(text)
        available = {entry.key: offers(entry, definition, selectors[entry.key.vault]) for entry in entries}
        lasting = frozenset(
            refusal.sha256
            for host, refusal in self._refusals
            if refusal.list == definition.name and (host, refusal.clusters) in where
        )
        chosen, said = choose(available, lasting)
        by_crl = revoked_certificates(chosen)
        revoked = _union(by_crl) | lasting
        files: dict[str, WantedFile] = {}
        left: dict[str, Proof] = {}
        for key, offer in chosen.items():
            for name, item in offer.files:
                if item.sha256 in revoked:
                    left[name] = Proof.REVOKED
                    said[key].append(Finding(Code.REVOKED, f"{name}: {item.sha256[:16]}", file=name))
                elif not offer.candidate.enabled:
                    left[name] = Proof.DISABLED
                else:
                    files[name] = _wanted(name, item, offer)
        versions = {key: offer.candidate.version for key, offer in chosen.items()}
        gone = self._gone(files, left, chosen, set(available))
        findings = {key: tuple(found) for key, found in said.items()}
        return Desired(files, gone, versions, findings, by_crl, digest_of(files))

    def _gone(
        self,
        files: Mapping[str, WantedFile],
        left: Mapping[str, Proof],
        chosen: Chosen,
        reached: set[SecretKey],
    ) -> dict[str, Proof]:
        gone: dict[str, Proof] = {}
        for name, owners in self._owners.items():
            if name in files:
                continue
            proofs = [self._proof(entry, name, left, chosen, reached) for entry in owners]
            first = proofs[0]
            if first is not None and None not in proofs:
                gone[name] = first
        return gone

    def _proof(
        self, entry: Entry, name: str, left: Mapping[str, Proof], chosen: Chosen, reached: set[SecretKey]
    ) -> Proof | None:
        """The proof that this secret does not put the file there; None where it has none (law 4)."""
        if entry.gone:
            return Proof.DELETED
        if not entry.assignment.lists:
            return Proof.UNASSIGNED
        if self.configuration.vault(entry.key.vault) is None:
            return None
        if entry.key not in reached:
            return Proof.ELSEWHERE
        offer = chosen.get(entry.key)
        if offer is None:
            return None
        if name in {n for n, _ in offer.files}:
            return left.get(name)
        return Proof.REPLACED if offer.candidate.enabled else Proof.DISABLED


def _wanted(name: str, item: Item, offer: Offer) -> WantedFile:
    data = content(name, item)
    sha = hashlib.sha256(data).hexdigest()
    return WantedFile(name, data, sha, offer.entry.key, offer.candidate.version, offer.since[name])


def digest_of(files: Mapping[str, WantedFile]) -> str:
    """The digest of the content that the files make."""
    return content_digest({name: file.sha256 for name, file in files.items()})
