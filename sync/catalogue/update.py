"""From a look at one secret to its new entry: pure, and the same for an event, the sweep and a command.

The walk goes through the versions from the newest to the oldest:

    read and passing on every assigned list    done: nothing older matters
    enabled, not read yet                      its value is read, then the walk goes on
    disabled, newer than anything in force     never was in force: passed over (`head-disabled`)
    disabled or expired, with nothing newer    may have been in force before this catalogue knew of it: the walk
    known to have been in force                stops there, adds nothing and removes nothing (law 1)
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sync.catalogue.assignment import CLUSTERS_TAG, FILE_TAG, LISTS_TAG, NOWHERE
from sync.catalogue.eligibility import eligible_versions, files_of, names_of
from sync.catalogue.entry import (
    CLAIMS,
    FORMER_NAMES,
    KNOWN_VERSIONS,
    REREAD_INTERVAL,
    SECOND_LOOK,
    Candidate,
    Claim,
    Entry,
    Reading,
    Rejected,
)
from sync.findings import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from sync.catalogue.assignment import Assigned, Assignment
    from sync.catalogue.secret import SecretKey, VersionProperties
    from sync.fleet.configuration import Configuration
    from sync.fleet.policy import Verdict


@dataclass(frozen=True, slots=True)
class VaultReading:
    """One fresh look at a secret.

    Attributes:
        at: when it began (UTC).
        versions: newest first; empty: the vault has no such secret.
        readings: what was read in this look, by version.
        rebuilt: while an emptied catalogue is rebuilt, when that began (UTC).
    """

    at: datetime
    versions: tuple[VersionProperties, ...]
    readings: Mapping[str, Reading]
    rebuilt: datetime | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a walk ended: the version whose value is wanted next, or the version that stopped a rebuild."""

    wants: VersionProperties | None = None
    stop: str | None = None


def walk(entry: Entry | None, look: VaultReading, assignment: Assignment, configuration: Configuration) -> Walk:
    """Go from the newest version to the oldest, as far as the module's table says and as the catalogue remembers."""
    known = _known(entry, look)
    in_force_since = _last_in_force(entry, assignment, configuration)
    open_lists = set(assignment.lists)
    for version in look.versions[:KNOWN_VERSIONS] if open_lists else ():
        reading = known.get(version.version)
        verdicts = _verdicts(reading, assignment, configuration) if reading else {}
        passed = {name for name, verdict in verdicts.items() if verdict.passes}
        if isinstance(reading, Rejected) and version.version not in look.readings:
            reading = None if passed & open_lists else reading  # its bytes were not kept, and are wanted after all
        maybe_once_in_force = in_force_since is None or version.created < in_force_since
        if reading is None and version.enabled:
            return Walk(wants=version)
        if reading is None and maybe_once_in_force:
            return Walk(stop=version.version)
        if isinstance(reading, Candidate):
            open_lists -= passed
            if maybe_once_in_force and any(verdicts[name].expired for name in open_lists & verdicts.keys()):
                return Walk(stop=version.version)
        if not open_lists:
            return Walk()
    return Walk()


def reread_due(entry: Entry | None, now: datetime) -> str | None:
    """The version in force whose value has not been read for a day, if any (law 11)."""
    if entry is None or not entry.candidates or entry.reread_at is None or now - entry.reread_at < REREAD_INTERVAL:
        return None
    newest = entry.candidates[0]
    return newest.version if newest.enabled else None


def update_entry(
    entry: Entry | None, key: SecretKey, look: VaultReading, assigned: Assigned, configuration: Configuration
) -> Entry:
    """The entry as this look makes it; `entry` is what the catalogue had, or None."""
    fallback = entry or Entry(key, key.name, None, assigned.assignment or NOWHERE, look.at)
    if not look.versions:
        return _deleted(fallback, look.at)
    assignment = assigned.assignment or fallback.assignment
    ended = walk(entry, look, assignment, configuration)
    readings = _known(entry, look) if assignment.lists else {}
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
        stop=ended.stop,
        looked=look.at,
        reread_at=_reread_at(fallback, look, candidates),
        needs_second_look=_needs_second_look(look, assignment, readings, ended.stop),
        held=None,
        held_candidates=(),
    )
    since = look.at if entry else _first_given(look, assignment)
    return replace(new, former=_former(fallback, new), claims=_claims(fallback, new, since, configuration))


def _known(entry: Entry | None, look: VaultReading) -> dict[str, Reading]:
    """Every version's reading that is still of use; what was read just now wins over what was kept."""
    before: list[Reading] = [*entry.held_candidates, *entry.candidates, *entry.rejected, *entry.passed] if entry else []
    known: dict[str, Reading] = {reading.version: reading for reading in before}
    for version, reading in look.readings.items():
        old = known.get(version)
        same = isinstance(old, Candidate) and isinstance(reading, Candidate) and old.items == reading.items
        if not same:
            known[version] = reading
    return known


def _last_in_force(entry: Entry | None, assignment: Assignment, configuration: Configuration) -> datetime | None:
    """When the newest version was created that passes on some list, so that it is known to have been in force."""
    passing = (
        candidate.created
        for candidate in (entry.candidates if entry else ())
        if any(verdict.passes for verdict in _verdicts(candidate, assignment, configuration).values())
    )
    return max(passing, default=None)


def _verdicts(reading: Reading, assignment: Assignment, configuration: Configuration) -> dict[str, Verdict]:
    """What the version amounts to on each list that it is assigned to; none for a list that is not defined."""
    definitions = (configuration.definition(name) for name in assignment.lists)
    return {d.name: d.verdict(reading.findings, assignment.accept) for d in definitions if d is not None}


def _candidates(versions: tuple[VersionProperties, ...], readings: Mapping[str, Reading]) -> tuple[Candidate, ...]:
    enabled = {v.version: v.enabled for v in versions}
    order = {v.version: i for i, v in enumerate(versions)}
    kept = [r for r in readings.values() if isinstance(r, Candidate) and r.version in enabled]
    kept.sort(key=lambda c: order[c.version])
    return tuple(replace(c, enabled=enabled[c.version]) for c in kept)


def prune(entry: Entry, in_force: Collection[str]) -> Entry:
    """Forget the candidates that can no longer come into force.

    Older ones than the oldest in force can not, so that what once was replaced never returns. Where none is in force
    (every list refuses them) the newest two of each kind of fault stay: one of them may yet be the last in force.
    Of the others only the findings stay, so that none is read twice (law 11).
    """
    at = [i for i, c in enumerate(entry.candidates) if c.version in in_force]
    kept = entry.candidates[: max(at) + 1] if at else _newest_of_each_kind(entry.candidates)
    left = tuple(Rejected(c.version, c.created, c.findings) for c in entry.candidates if c not in kept)
    new = replace(entry, candidates=kept, passed=(*left, *entry.passed)[:KNOWN_VERSIONS])
    names = {name for candidate in kept for name, _ in files_of(entry, candidate)}
    return replace(new, former=_former(entry, new), claims=_still_given(entry.claims, lambda file: file[1] in names))


def _newest_of_each_kind(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    seen: dict[frozenset[tuple[str, ...]], int] = {}
    kept = []
    for candidate in candidates:
        kind = candidate.kinds_of_fault
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= 2:  # noqa: PLR2004  the newest and the one before it
            kept.append(candidate)
    return tuple(kept)


def _deleted(entry: Entry, at: datetime) -> Entry:
    new = replace(
        entry,
        newest=None,
        deleted=True,
        candidates=(),
        rejected=(),
        passed=(),
        secret_findings=(),
        known=(),
        stop=None,
        claims=(),
        looked=at,
        reread_at=None,
        needs_second_look=False,
        held=None,
        held_candidates=(),
    )
    return replace(new, former=_former(entry, new))


def _former(old: Entry, new: Entry) -> tuple[str, ...]:
    """Names that the entry had and has no more, the last ones first; of those that left before, so many are kept."""
    now = names_of(replace(new, former=()))
    left = names_of(replace(old, former=())) - now
    before = [name for name in old.former if name not in now | left]
    return (*sorted(left), *before[: max(0, FORMER_NAMES - len(left))])


def _claims(old: Entry, new: Entry, since: datetime, configuration: Configuration) -> tuple[Claim, ...]:
    """What it gave before and still does, and above that what it gives anew: other files, or to other clusters.

    A version that is rejected alone gives nothing, so it reserves no name either.
    """
    definitions = [d for name in new.assignment.lists if (d := configuration.definition(name)) is not None]
    given = {(d.name, name) for d in definitions for offer in eligible_versions(new, d) for name, _ in offer.files}
    kept = _still_given(old.claims, given.__contains__)[: CLAIMS - 1]
    if new.assignment.clusters == old.assignment.clusters:
        given -= {file for claim in kept for file in claim.files}
    return (Claim(since, new.assignment.clusters, tuple(sorted(given))), *kept) if given else kept


def _still_given(claims: tuple[Claim, ...], given: Callable[[tuple[str, str]], bool]) -> tuple[Claim, ...]:
    left = [replace(claim, files=tuple(filter(given, claim.files))) for claim in claims]
    return tuple(claim for claim in left if claim.files)


def _first_given(look: VaultReading, assignment: Assignment) -> datetime:
    """Since when a secret that the catalogue does not know gives its files.

    That is now, since a file in force gives way to no older secret that is only found later. In a rebuild it is when
    the first of the versions was created that bear the tags in force, so that the names stay with who had them.
    """
    tagged = [v for v in look.versions if LISTS_TAG in v.tags] if assignment.version else list(look.versions)
    if look.rebuilt is None or not tagged:
        return look.at
    *_, first = itertools.takewhile(lambda v: _where(v) == _where(tagged[0]), tagged)
    return first.created if first.created <= look.rebuilt else look.at


def _where(version: VersionProperties) -> tuple[str | None, ...]:
    return tuple(version.tags.get(tag) for tag in (LISTS_TAG, CLUSTERS_TAG, FILE_TAG))


def _reread_at(entry: Entry, look: VaultReading, candidates: tuple[Candidate, ...]) -> datetime | None:
    if not candidates:
        return None
    return look.at if candidates[0].version in look.readings else entry.reread_at


def _needs_second_look(
    look: VaultReading, assignment: Assignment, readings: Mapping[str, Reading], stop: str | None
) -> bool:
    """Whether the vault's listing, which shows the newest version alone, would miss a change that matters."""
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
