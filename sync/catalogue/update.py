"""From a look at one secret to its new entry: pure, and the same for an event, the sweep and a command."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sync.catalogue.assignment import NOWHERE
from sync.catalogue.claims import claims_after, first_given, former_names, still_given
from sync.catalogue.eligibility import files_of
from sync.catalogue.entry import KNOWN_VERSIONS, SECOND_LOOK, Candidate, Entry, Rejected
from sync.catalogue.reading import Stop, next_read, readings_of
from sync.findings import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
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
    if not look.versions:
        new = fallback.without_secret(look.at)
        return replace(new, former=former_names(fallback, new))
    assignment = assigned.assignment or fallback.assignment
    ended = next_read(entry, look, assignment, configuration)
    stop = ended.version if isinstance(ended, Stop) else None
    readings = readings_of(entry, look) if assignment.lists else {}
    candidates = _candidates(look.versions, readings)
    newest = look.versions[0]
    nothing_kept = [r for v in look.versions if isinstance(r := readings.get(v.version), Rejected)]
    new = replace(
        fallback,
        name=newest.name,
        newest=newest,
        deleted=False,
        assignment=assignment,
        candidates=candidates,
        rejected=tuple(r for r in nothing_kept if r not in fallback.passed)[:KNOWN_VERSIONS],
        passed=tuple(r for r in nothing_kept if r in fallback.passed),
        secret_findings=(*assigned.findings, *_secret_findings(entry, look, candidates)),
        known=tuple(v.version for v in look.versions[:KNOWN_VERSIONS]),
        stop=stop,
        looked=look.at,
        reread_at=_reread_at(fallback, look, candidates),
        needs_second_look=_needs_second_look(look, assignment, readings, stop),
        held=None,
        held_candidates=(),
    )
    since = look.at if entry else first_given(look, assignment)
    return replace(new, former=former_names(fallback, new), claims=claims_after(fallback, new, since, configuration))


def _candidates(versions: tuple[VersionProperties, ...], readings: Mapping[str, Reading]) -> tuple[Candidate, ...]:
    enabled = {v.version: v.enabled for v in versions}
    order = {v.version: i for i, v in enumerate(versions)}
    kept = [r for r in readings.values() if isinstance(r, Candidate) and r.version in enabled]
    kept.sort(key=lambda c: order[c.version])
    return tuple(replace(c, enabled=enabled[c.version]) for c in kept)


def prune(entry: Entry, in_force: Collection[str]) -> Entry:
    """Drop the candidates that can no longer come into force.

    Those older than the oldest in force cannot: what was replaced never returns. Where none is in force (every list
    rejects them) the newest two of each kind of fault stay, since one of them may still be the last in force. Of the
    others only the findings stay, so that none is read twice (law 11).
    """
    at = [i for i, c in enumerate(entry.candidates) if c.version in in_force]
    kept = entry.candidates[: max(at) + 1] if at else _newest_of_each_kind(entry.candidates)
    left = tuple(Rejected(c.version, c.created, c.findings) for c in entry.candidates if c not in kept)
    new = replace(entry, candidates=kept, passed=(*left, *entry.passed)[:KNOWN_VERSIONS])
    names = {name for candidate in kept for name, _ in files_of(entry, candidate)}
    return replace(
        new, former=former_names(entry, new), claims=still_given(entry.claims, lambda file: file[1] in names)
    )


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
    others = [r for version, r in readings.items() if version != newest and isinstance(r, Candidate)]
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
