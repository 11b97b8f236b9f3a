"""From a look at one secret to its new entry: pure, and the same for an event, the sweep and a command."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sync.catalogue.assignment import NOWHERE
from sync.catalogue.entry import KNOWN_VERSIONS, SECOND_LOOK, Candidate, Entry, ListedVersion, Rejected
from sync.catalogue.reading import Stop, next_read, passes, readings_of, waits_for_time
from sync.certificates.checks import healed
from sync.certificates.items import Kind
from sync.findings import OF_TIME, Code, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from sync.catalogue.assignment import Assigned, Assignment
    from sync.catalogue.entry import Reading
    from sync.catalogue.reading import VaultReading
    from sync.catalogue.secret import SecretKey, VersionProperties
    from sync.fleet.configuration import Configuration


def update_entry(
    entry: Entry | None, key: SecretKey, look: VaultReading, assigned: Assigned, configuration: Configuration
) -> Entry:
    """The entry as this look makes it; `entry` is what the catalogue had, or None."""
    fallback = entry or Entry.unseen(key, key.name, assigned.assignment or NOWHERE, look.at)
    judged = replace(fallback, looked=look.at, judged=configuration.digest)
    if not look.versions:
        return replace(judged.without_secret(look.at), judged=configuration.digest)
    assignment = assigned.assignment or fallback.assignment
    ended = next_read(entry, look, assignment, configuration)
    stop = ended.version if isinstance(ended, Stop) else None
    readings = readings_of(entry, look) if assignment.lists else {}
    candidates = _candidates(look.versions, readings, look.at)
    nothing_kept = [r for v in look.versions if isinstance(r := readings.get(v.version), Rejected)]
    return replace(
        judged,
        name=look.versions[0].name,
        newest=look.versions[0],
        assignment=assignment,
        assigned_at=fallback.assigned_at if _goes_alike(assignment, fallback.assignment) else look.at,
        admitted=_admitted(entry, look, assignment),
        deleted_at=None,
        candidates=candidates,
        versions=tuple(_listed(v, fallback) for v in look.versions[:KNOWN_VERSIONS]),
        complete=look.complete and len(look.versions) <= KNOWN_VERSIONS,
        stop=stop,
        waiting=None,
        rejected=tuple(r for r in nothing_kept if r not in fallback.passed)[:KNOWN_VERSIONS],
        passed=tuple(r for r in nothing_kept if r in fallback.passed),
        secret_findings=(*assigned.findings, *_secret_findings(entry, look, candidates)),
        reread_at=_reread_at(fallback, look, candidates),
        needs_second_look=_needs_second_look(look, assignment, readings, stop),
    )


def _listed(version: VersionProperties, before: Entry) -> ListedVersion:
    """The version as listed; one that stays disabled is so since it was first found, whatever is edited on it."""
    known = before.listed(version.version)
    same = known is not None and not known.enabled and not version.enabled
    updated = known.updated if known is not None and same else version.updated
    return ListedVersion(version.version, version.created, updated, version.enabled)


def _goes_alike(one: Assignment, other: Assignment) -> bool:
    """Whether both go to the same lists and clusters; where no tags say so, settings do, and not the vault's people."""
    return (one.lists, one.clusters) == (other.lists, other.clusters) or not (one.version or other.version)


def _admitted(entry: Entry | None, look: VaultReading, assignment: Assignment) -> datetime | None:
    """Since when it gives files; of a catalogue that is rebuilt, since its oldest version was created (law 1)."""
    if entry is not None and not entry.deleted and (entry.assignment.lists or not assignment.lists):
        return entry.admitted
    oldest = min(version.created for version in look.versions)
    return oldest if look.rebuilt is not None and oldest <= look.rebuilt else look.at


def _candidates(
    versions: tuple[VersionProperties, ...], readings: Mapping[str, Reading], now: datetime
) -> tuple[Candidate, ...]:
    """The versions whose bytes are kept; a rejection by time that holds no more is dropped."""
    enabled = {v.version: v.enabled for v in versions}
    order = {v.version: i for i, v in enumerate(versions)}
    kept = [r for r in readings.values() if isinstance(r, Candidate) and r.version in enabled]
    kept.sort(key=lambda c: order[c.version])
    return tuple(
        replace(c, enabled=enabled[c.version], findings=healed(c.findings, [s.item for s in c.items], now=now))
        for c in kept
    )


def prune(entry: Entry, configuration: Configuration, proven: Callable[[Candidate], bool]) -> Entry:
    """Drop the candidates that can no longer come into force.

    Of each assigned list stay the newest that passes there and the one before it, which may be in force while a rule
    about the set rejects the newest; of CRLs that is the newest one before it that is `proven`. Where none passes, the
    newest two of each kind of fault stay, since one of them may still be the last in force. The newest that time alone
    rejects stays, since it may come into force; the newest of all, to say what is wrong with it. Of the others only the
    findings stay, so that none is read twice (law 11).
    """
    kept = {version for name in entry.assignment.lists for version in _kept_on(entry, name, configuration, proven)}
    if not kept:
        kept = {candidate.version for candidate in _newest_of_each_kind(entry.candidates)}
    kept |= {candidate.version for candidate in entry.candidates[:1]}
    kept |= {version for name in entry.assignment.lists for version in _waiting_on(entry, name, configuration)}
    left = tuple(Rejected(c.version, c.created, c.findings) for c in entry.candidates if c.version not in kept)
    candidates = tuple(c for c in entry.candidates if c.version in kept)
    return replace(entry, candidates=candidates, passed=(*left, *entry.passed)[:KNOWN_VERSIONS])


def _kept_on(
    entry: Entry, list_name: str, configuration: Configuration, proven: Callable[[Candidate], bool]
) -> Iterator[str]:
    passing = [c for c in entry.candidates if passes(c, list_name, entry.assignment, configuration)]
    yield from (candidate.version for candidate in passing[:2])
    last_proven = (c for c in passing[1:] if any(i.kind is Kind.CRL for i in c.items) and proven(c))
    yield from (candidate.version for candidate in [next(last_proven, None)] if candidate)


def _waiting_on(entry: Entry, list_name: str, configuration: Configuration) -> list[str]:
    """The newest version that time alone rejects on the list, if no newer one passes there."""
    for candidate in entry.candidates:
        if passes(candidate, list_name, entry.assignment, configuration):
            break
        if waits_for_time(candidate, list_name, entry.assignment, configuration):
            return [candidate.version]
    return []


def _newest_of_each_kind(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    seen: dict[frozenset[tuple[str, ...]], int] = {}
    kept = []
    for candidate in candidates:
        kind = candidate.kinds_of_fault
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= 2:  # noqa: PLR2004  the newest and the one before it
            kept.append(candidate)
    return tuple(kept)


def _reread_at(entry: Entry, look: VaultReading, candidates: tuple[Candidate, ...]) -> datetime | None:
    if not candidates:
        return None
    return look.at if candidates[0].version in look.readings else entry.reread_at


def _needs_second_look(
    look: VaultReading, assignment: Assignment, readings: Mapping[str, Reading], stop: str | None
) -> bool:
    """Whether the vault's listing, which shows only the newest version, would miss a change that matters."""
    newest = look.versions[0].version
    if look.at - look.versions[0].updated < SECOND_LOOK or not {assignment.version, stop or ""} <= {"", newest}:
        return True
    kept = [r for r in readings.values() if isinstance(r, Candidate)]
    others = [r for r in kept if r.version != newest or any(finding.code in OF_TIME for finding in r.findings)]
    return bool(assignment.lists) and (newest not in readings or bool(others))


def _secret_findings(entry: Entry | None, look: VaultReading, candidates: tuple[Candidate, ...]) -> tuple[Finding, ...]:
    secret_findings = []
    newest = look.versions[0]
    if not newest.enabled and newest.version not in {c.version for c in candidates}:
        secret_findings.append(Finding(Code.HEAD_DISABLED, f"version {newest.version}"))
    before = {c.version: c.items for c in entry.candidates} if entry else {}
    secret_findings += [
        Finding(Code.CATALOGUE_TAMPERED, f"version {c.version}")
        for c in candidates
        if c.version in look.readings and before.get(c.version, c.items) != c.items
    ]
    return tuple(secret_findings)
