"""One look at a secret: what was read, and which version's value is read next.

The versions are visited from the newest to the oldest:

    read and passing on every assigned list    done: nothing older matters
    enabled, not read yet                      its value is read next
    disabled, newer than anything in force     never was in force: passed over (`head-disabled`)
    disabled or expired, of before the tables,
    with nothing newer                         may have been in force before this catalogue knew of it: the look
    known to have been in force                stops there, adds nothing and removes nothing (law 1)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from sync.catalogue.entry import KNOWN_VERSIONS, Candidate, Rejected
from sync.catalogue.secret import VersionProperties
from sync.findings import OF_TIME, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sync.catalogue.assignment import Assignment
    from sync.catalogue.entry import Entry, Reading
    from sync.fleet.configuration import Configuration
    from sync.fleet.policy import Verdict


CLOCKS_DIFFER = timedelta(hours=1)
"""How far a vault's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class VaultReading:
    """One fresh look at a secret.

    Attributes:
        at: when it began (UTC).
        versions: newest first; empty: the vault has no such secret.
        readings: what this look read, by version.
        rebuilt: while an emptied catalogue is rebuilt, when the rebuild began (UTC).
        complete: `versions` are all that the secret has.
        begun: when the catalogue began; a version created later was never in force unknown to it. None: not known.
    """

    at: datetime
    versions: tuple[VersionProperties, ...]
    readings: Mapping[str, Reading]
    rebuilt: datetime | None = None
    complete: bool = True
    begun: datetime | None = None


class Read(msgspec.Struct, frozen=True):
    """The value of this version is wanted next."""

    version: VersionProperties


class Stop(msgspec.Struct, frozen=True):
    """A rebuild goes no further than the version of this name (law 1)."""

    version: str


class Done(msgspec.Struct, frozen=True):
    """Nothing more needs to be read."""


def next_read(
    entry: Entry | None, look: VaultReading, assignment: Assignment, configuration: Configuration
) -> Read | Stop | Done:
    """What to read next, by the module's table and by what the catalogue remembers."""
    known = readings_of(entry, look)
    in_force_since = _last_in_force(entry, assignment, configuration)
    open_lists = set(assignment.lists)
    for version in look.versions[:KNOWN_VERSIONS]:
        if not open_lists:
            break
        reading = known.get(version.version)
        verdicts = _verdicts(reading, open_lists, assignment, configuration) if reading else {}
        passed = {name for name, verdict in verdicts.items() if verdict.passes}
        if isinstance(reading, Rejected) and passed and version.version not in look.readings:
            reading = None  # it passes under today's policy, but its bytes were not kept
        known_since = look.begun is not None and version.created > look.begun + CLOCKS_DIFFER
        maybe_once_in_force = not known_since and (in_force_since is None or version.created < in_force_since)
        match reading:
            case None if version.enabled:
                return Read(version)
            case None if maybe_once_in_force:
                return Stop(version.version)
            case Candidate() if maybe_once_in_force and any(verdict.expired for verdict in verdicts.values()):
                return Stop(version.version)
            case Candidate():
                open_lists -= passed
    return Done()


def readings_of(entry: Entry | None, look: VaultReading) -> dict[str, Reading]:
    """The reading of each version, kept or fresh; a fresh one wins unless it holds the same items."""
    before: list[Reading] = [*entry.candidates, *entry.rejected, *entry.passed] if entry else []
    known: dict[str, Reading] = {reading.version: reading for reading in before}
    for version, reading in look.readings.items():
        old = known.get(version)
        same = isinstance(old, Candidate) and isinstance(reading, Candidate) and old.items == reading.items
        if not same:
            known[version] = reading
    return known


def passes(candidate: Candidate, list_name: str, assignment: Assignment, configuration: Configuration) -> bool:
    """Whether the version passes by itself on the list."""
    return any(v.passes for v in _verdicts(candidate, (list_name,), assignment, configuration).values())


def waits_for_time(candidate: Candidate, list_name: str, assignment: Assignment, configuration: Configuration) -> bool:
    """Whether time alone rejects the version on the list."""
    verdicts = _verdicts(candidate, (list_name,), assignment, configuration).values()
    rejecting = {f.code for v in verdicts for f in v.findings if f.severity is Severity.REJECT}
    return bool(rejecting) and rejecting <= OF_TIME


def _last_in_force(entry: Entry | None, assignment: Assignment, configuration: Configuration) -> datetime | None:
    """When the newest version known to have been in force was created: the newest that passes on some list."""
    passing = (
        candidate.created
        for candidate in (entry.candidates if entry else ())
        if any(v.passes for v in _verdicts(candidate, assignment.lists, assignment, configuration).values())
    )
    return max(passing, default=None)


def _verdicts(
    reading: Reading, lists: Iterable[str], assignment: Assignment, configuration: Configuration
) -> dict[str, Verdict]:
    """What the version amounts to on each of the lists; an undefined one has no verdict."""
    definitions = (configuration.definition(name) for name in lists)
    return {d.name: d.verdict(reading.findings, assignment.accept) for d in definitions if d is not None}
