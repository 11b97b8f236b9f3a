"""What is to be said of one secret now: the verdict, and every finding with it (pure; the same for CLI and pages)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sync.findings import Code, Finding, Severity
from sync.rules import ageing, verdict
from sync.x509_items import Certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from sync.catalogue import Candidate, Entry
    from sync.desired import Desired, Desires


class Standing(StrEnum):
    """How a secret stands."""

    IN_FORCE = "in force"
    LAST_STAYS = "newest rejected, the last one stays"
    REJECTED = "rejected"
    WAITS = "waits"
    DISABLED = "disabled"
    UNASSIGNED = "unassigned"
    DELETED = "deleted"
    HELD = "removal held"


@dataclass(frozen=True, slots=True)
class SecretVerdict:
    """A secret's standing and what is found about it, rejecting findings first."""

    standing: Standing
    findings: tuple[Finding, ...]


def secret_verdict(entry: Entry, desires: Desires, *, now: datetime, expiry_warning: timedelta) -> SecretVerdict:
    """How the secret stands on the lists that it is assigned to, everywhere."""
    wanted = tuple(_wanted(entry, desires))
    versions = {v for desired in wanted if (v := desired.chosen.get(entry.key)) is not None}
    found = [
        *(f for rejected in entry.rejected[:1] for f in rejected.findings if _is_newest(entry, rejected.version)),
        *_alone(entry, desires),
        *(f for desired in wanted for f in desired.findings.get(entry.key, ())),
        *entry.notes,
        *_about_the_catalogue(entry, desires, reached=bool(wanted)),
        *_by_time(entry, versions, now, expiry_warning),
    ]
    ordered = sorted(dict.fromkeys(found), key=lambda f: f.code.severity is not Severity.REJECT)
    return SecretVerdict(_standing(entry, versions), tuple(ordered))


def _standing(entry: Entry, versions: set[str]) -> Standing:
    newest = entry.newest.version if entry.newest else ""
    if entry.held:
        return Standing.HELD
    if entry.gone:
        return Standing.DELETED
    if not entry.assignment.lists:
        return Standing.UNASSIGNED
    enabled = {c.version for c in entry.candidates if c.enabled}
    if versions - enabled:
        return Standing.DISABLED
    if newest in versions or (versions and entry.candidates[0].version in versions and not entry.rejected):
        return Standing.IN_FORCE
    if versions:
        return Standing.LAST_STAYS
    return Standing.WAITS if entry.candidates and not _is_newest_rejected(entry) else Standing.REJECTED


def _is_newest(entry: Entry, version: str) -> bool:
    return entry.newest is not None and entry.newest.version == version


def _is_newest_rejected(entry: Entry) -> bool:
    return any(_is_newest(entry, rejected.version) for rejected in entry.rejected)


def _wanted(entry: Entry, desires: Desires) -> Iterator[Desired]:
    """The lists that the secret reaches, wherever it does."""
    for registration in desires.snapshot.clusters.values():
        where = desires.reach(registration.labels)
        for definition in registration.definitions(desires.configuration):
            if desires.reaches(entry, definition, where):
                yield desires.of(registration, definition)


def _alone(entry: Entry, desires: Desires) -> Iterator[Finding]:
    """What the newest candidate alone is found to have, on the lists that it is assigned to."""
    for name in entry.assignment.lists:
        definition = desires.configuration.definition(name)
        newest: Candidate | None = next(iter(entry.candidates), None)
        if definition is not None and newest is not None:
            accept = definition.policy.accept & entry.assignment.accept
            found = verdict(newest.findings, definition.role, accept=accept, reject=definition.policy.reject)
            yield from found.findings


def _about_the_catalogue(entry: Entry, desires: Desires, *, reached: bool) -> Iterator[Finding]:
    if not entry.assigned:
        return
    if not reached:
        yield Finding(Code.NO_CLUSTER_MATCHES, f"selector {entry.assignment.clusters}")
    own = [c for c in _certificates(entry) if not c.self_issued]
    others = [e for e in desires.snapshot.entries.values() if e.assigned]
    subjects = {c.subject_name for e in others for c in _certificates(e)} if own else set()
    for certificate in own:
        if certificate.issuer_name not in subjects:
            yield Finding(Code.ISSUER_MISSING, f"issuer {certificate.issuer}")
    shas = {c.sha256 for c in _certificates(entry)}
    for other in others:
        if other.key != entry.key and shas & {c.sha256 for c in _certificates(other)}:
            yield Finding(Code.DUPLICATE, f"also in {other.key}")


def _certificates(entry: Entry) -> Iterator[Certificate]:
    for candidate in entry.candidates[:1]:
        for stored in candidate.items:
            if isinstance(item := stored.item, Certificate):
                yield item


def _by_time(entry: Entry, versions: set[str], now: datetime, expiry_warning: timedelta) -> Iterator[Finding]:
    """What time does to what is in force; it removes nothing."""
    for candidate in entry.candidates:
        if candidate.version in versions:
            items = tuple(stored.item for stored in candidate.items)
            yield from ageing(items, now=now, expiry_warning=expiry_warning)
