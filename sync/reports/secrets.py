"""The state of each secret and every finding about it (pure; the same for all surfaces)."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from sync.catalogue.delivery import delivery_findings
from sync.catalogue.eligibility import files_of
from sync.catalogue.entry import Candidate
from sync.catalogue.revocation import warnings_about
from sync.certificates.checks import ageing
from sync.certificates.items import Certificate
from sync.desired.capacity import over_limit
from sync.desired.reach import assignment_in_force
from sync.findings import Code, Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime, timedelta

    from sync.catalogue.entry import Entry, Reading
    from sync.catalogue.secret import SecretKey
    from sync.certificates.items import Item
    from sync.desired.reach import Reach
    from sync.desired.state import DesiredList, DesiredState
    from sync.fleet.lists import ListDefinition


HEALING = frozenset({Code.CRL_WITHOUT_ISSUER, Code.LIST_TOO_LARGE, Code.NOT_YET_VALID})
"""Rejections that end by themselves, with time or when another secret arrives or leaves: the secret waits."""


class SecretState(StrEnum):
    """The states of a secret."""

    IN_FORCE = "in force"
    LAST_STAYS = "newest rejected, the last one stays"
    REJECTED = "rejected"
    WAITS = "waits"
    DISABLED = "disabled"
    UNASSIGNED = "unassigned"
    DELETED = "deleted"
    HELD = "assignment held"


ATTENTION = frozenset({SecretState.LAST_STAYS, SecretState.REJECTED, SecretState.WAITS, SecretState.HELD})
"""States that are not as they should be."""

WORST_FIRST = (
    SecretState.REJECTED,
    SecretState.LAST_STAYS,
    SecretState.WAITS,
    SecretState.DISABLED,
    SecretState.IN_FORCE,
)
"""The states of a secret on one list; that of the secret is the worst."""


@dataclass(frozen=True, slots=True)
class SecretReport:
    """What is said of a secret.

    Attributes:
        state: of the secret as a whole: the worst of its lists.
        findings: about it, rejecting ones first.
        lists: its state on each list that it goes to, by the list's name.
    """

    state: SecretState
    findings: tuple[Finding, ...]
    lists: Mapping[str, SecretState]

    @property
    def differs(self) -> bool:
        """Whether it stands otherwise on one list than on another."""
        return len({*self.lists.values()}) > 1


@dataclass(frozen=True)
class ListView:
    """One list as it should be on clusters with the same reach."""

    definition: ListDefinition
    desired: DesiredList
    items: Mapping[SecretKey, tuple[Item, ...]]

    @cached_property
    def holders(self) -> Mapping[str, tuple[SecretKey, ...]]:
        """The secrets that give each certificate or CRL, by its SHA-256."""
        holders: dict[str, list[SecretKey]] = defaultdict(list)
        for key, items in self.items.items():
            for item in items:
                holders[item.sha256].append(key)
        return {sha: tuple(sorted(keys)) for sha, keys in holders.items()}

    @cached_property
    def over_limit(self) -> Mapping[SecretKey, tuple[str, ...]]:
        """The files that do not fit into one object, by secret, as a plan for an empty cluster finds."""
        over: dict[SecretKey, list[str]] = defaultdict(list)
        for wanted in over_limit(self.desired.files.values(), present={}):
            over[wanted.key].append(wanted.name)
        return {key: tuple(names) for key, names in over.items()}

    @cached_property
    def givers(self) -> frozenset[SecretKey]:
        """The secrets that give the list a file, be it only where it is already, and those disabled in force."""
        over = {name for names in self.over_limit.values() for name in names}
        first = (claims[0] for name, claims in self.desired.claims.items() if name not in over)
        giving = {claim.key for claim in first if claim.file is not None}
        return frozenset(giving | (self.desired.in_force.keys() - self.items.keys()))


@dataclass(frozen=True)
class ClusterGroup:
    """Clusters with the same lists and the same reach."""

    reach: Reach
    views: tuple[ListView, ...]

    @cached_property
    def subjects(self) -> frozenset[bytes]:
        """The names of all certificates on its lists."""
        return frozenset(
            item.subject_name
            for view in self.views
            for items in view.items.values()
            for item in items
            if isinstance(item, Certificate)
        )


class Verdicts:
    """The reports of one snapshot's secrets; what they share is computed once.

    Args:
        desired_state: of the snapshot.
        now: UTC.
        expiry_warning: how long before its end a certificate counts as expiring.
    """

    def __init__(self, desired_state: DesiredState, *, now: datetime, expiry_warning: timedelta) -> None:
        self._desired_state = desired_state
        self._now = now
        self._expiry_warning = expiry_warning

    def of(self, entry: Entry) -> SecretReport:
        """The secret's report over all lists that it is assigned to, on all clusters."""
        reached = [(group, view) for group in self._groups for view in self._reached(entry, group)]
        lists = {name: ListFindings(tuple(self._alone(entry, name))) for name in self._lists(entry)}
        for _, view in reached:
            lists[view.definition.name] = lists[view.definition.name].on(entry.key, view)
        in_force = {version for each in lists.values() for version in each.in_force}
        everywhere = [
            *(f for rejected in entry.rejected[:1] for f in rejected.findings if _is_newest(entry, rejected.version)),
            *entry.secret_findings,
        ]
        found = [
            *(finding for each in lists.values() for finding in each.found),
            *everywhere,
            *(f for group, view in reached for f in _issuer_missing(entry.key, group, view)),
            *(self._no_cluster_matches(entry) if entry.assigned and not reached else ()),
            *self._by_time(entry, in_force),
            *self._about_revocations(entry, in_force),
        ]
        ordered = sorted(dict.fromkeys(found), key=lambda f: f.severity is not Severity.REJECT)
        states = {
            name: _state_on(entry, each.in_force, [*each.found, *everywhere])
            for name, each in lists.items()
            if each.reached or not reached or _rejects(each.found)
        }
        return SecretReport(_state(entry, states, ordered), tuple(ordered), states)

    def _lists(self, entry: Entry) -> tuple[str, ...]:
        """The lists that it goes to, as the settings in force define them."""
        configuration = self._desired_state.configuration
        lists = () if entry.deleted else assignment_in_force(entry, configuration).lists
        return tuple(name for name in lists if configuration.definition(name))

    def not_as_they_should_be(self) -> Mapping[str, int]:
        """How many secrets of watched vaults are rejected, wait or are held, by state."""
        watched = self._desired_state.configuration.vault
        entries = (e for e in self._desired_state.snapshot.entries.values() if watched(e.key.vault) is not None)
        states = (self.of(entry).state for entry in entries)
        return dict(Counter(state.value for state in states if state in ATTENTION))

    @cached_property
    def _groups(self) -> tuple[ClusterGroup, ...]:
        """The distinct kinds of clusters: a fleet of a thousand has a handful."""
        desired_state, groups = self._desired_state, {}
        for registration in desired_state.snapshot.clusters.values():
            reach = desired_state.reach_of(registration.labels)
            definitions = registration.definitions(desired_state.configuration)
            if (reach, definitions) not in groups:
                views = tuple(self._view(d, desired_state.of(registration, d)) for d in definitions)
                groups[reach, definitions] = ClusterGroup(reach, views)
        return tuple(groups.values())

    def _view(self, definition: ListDefinition, desired: DesiredList) -> ListView:
        entries = self._desired_state.snapshot.entries
        in_force = {key: _version(entries[key], found.version) for key, found in desired.in_force.items()}
        items = {k: tuple(s.item for s in c.items) for k, c in in_force.items() if c is not None and c.enabled}
        return ListView(definition, desired, items)

    def _reached(self, entry: Entry, group: ClusterGroup) -> Iterator[ListView]:
        return (s for s in group.views if self._desired_state.reaches(entry, s.definition, group.reach))

    def _alone(self, entry: Entry, list_name: str) -> Iterator[Finding]:
        """The findings about the newest version that was read by itself, on a list that it is assigned to."""
        newest = _newest_read(entry)
        definition = self._desired_state.configuration.definition(list_name)
        if definition is None or newest is None or newest in entry.rejected:
            return
        yield from definition.verdict(newest.findings, entry.assignment.accept).findings
        if isinstance(newest, Candidate):
            yield from delivery_findings(files_of(entry, newest), newest.pem, definition.delivery)

    def _no_cluster_matches(self, entry: Entry) -> Iterator[Finding]:
        vault = self._desired_state.configuration.vault(entry.key.vault)
        ceiling = f" within the vault's ceiling {vault.clusters}" if vault and vault.clusters != "*" else ""
        yield Finding(Code.NO_CLUSTER_MATCHES, f"selector {entry.assignment.clusters}{ceiling}")

    def _by_time(self, entry: Entry, in_force: set[str]) -> Iterator[Finding]:
        """The findings that time brings to what is in force; they remove nothing."""
        for candidate in entry.candidates:
            if candidate.version in in_force:
                items = tuple(stored.item for stored in candidate.items)
                yield from ageing(items, now=self._now, expiry_warning=self._expiry_warning)

    def _about_revocations(self, entry: Entry, in_force: set[str]) -> Iterator[Finding]:
        """What is shown beside certificates in force and removes nothing: what CAs revoked around them, or of them."""
        revocations = self._desired_state.snapshot.revocations
        for candidate in entry.candidates:
            for item in _certificates(candidate) if candidate.version in in_force else ():
                yield from warnings_about(item, self._authorities.get(item.issuer_name, ()), revocations)
                if (date := revocations.cleared(item)) is not None:
                    yield Finding(Code.ACCEPTED_RISK, f"{item.subject} was revoked on {date:%Y-%m-%d} and cleared")

    @cached_property
    def _authorities(self) -> Mapping[bytes, tuple[Certificate, ...]]:
        """The CA certificates of the catalogue, by name."""
        found: dict[bytes, dict[str, Certificate]] = defaultdict(dict)
        for entry in self._desired_state.snapshot.entries.values():
            for item in (item for candidate in entry.candidates for item in _certificates(candidate)):
                if item.is_ca:
                    found[item.subject_name][item.sha256] = item
        return {name: tuple(cas.values()) for name, cas in found.items()}


@dataclass(frozen=True, slots=True)
class ListFindings:
    """What is found of one secret on one list, on whatever clusters.

    Attributes:
        found: about it there.
        in_force: its versions that are.
        reached: some cluster that it goes to has the list.
    """

    found: tuple[Finding, ...]
    in_force: frozenset[str] = frozenset()
    reached: bool = False

    def on(self, key: SecretKey, view: ListView) -> ListFindings:
        """With what is found on clusters of one more kind."""
        given = {view.desired.in_force[key].version} if key in view.givers else set()
        return ListFindings((*self.found, *_on_list(key, view)), self.in_force | given, reached=True)


def secret_report(entry: Entry, desired: DesiredState, *, now: datetime, expiry_warning: timedelta) -> SecretReport:
    """The report of one secret; for many, keep a `Verdicts`."""
    return Verdicts(desired, now=now, expiry_warning=expiry_warning).of(entry)


def _version(entry: Entry, version: str) -> Candidate | None:
    return next((candidate for candidate in entry.candidates if candidate.version == version), None)


def _on_list(key: SecretKey, view: ListView) -> Iterator[Finding]:
    """The findings that need the whole list: rules about the set, its size, duplicates."""
    yield from view.desired.findings.get(key, ())
    for name in view.over_limit.get(key, ()):
        yield Finding(Code.LIST_TOO_LARGE, f"{name} waits for room on the list '{view.definition.name}'", file=name)
    for item in view.items.get(key, ()):
        others = [other for other in view.holders[item.sha256] if other != key]
        if others:
            yield Finding(Code.DUPLICATE, f"also in {others[0]}")


def _issuer_missing(key: SecretKey, group: ClusterGroup, view: ListView) -> Iterator[Finding]:
    for item in view.items.get(key, ()):
        if isinstance(item, Certificate) and not item.self_issued and item.issuer_name not in group.subjects:
            yield Finding(Code.ISSUER_MISSING, f"issuer {item.issuer}")


def _state(entry: Entry, lists: Mapping[str, SecretState], found: list[Finding]) -> SecretState:
    if entry.waiting:
        return SecretState.HELD
    if entry.deleted:
        return SecretState.DELETED
    if not lists:
        return SecretState.REJECTED if _rejects(found) else SecretState.UNASSIGNED
    return min(lists.values(), key=WORST_FIRST.index)


def _state_on(entry: Entry, in_force: frozenset[str], found: list[Finding]) -> SecretState:
    newest = _newest_read(entry)
    if in_force - {c.version for c in entry.candidates if c.enabled}:
        return SecretState.DISABLED
    if newest is not None and newest.version in in_force:
        return SecretState.IN_FORCE
    if in_force:
        return SecretState.LAST_STAYS
    return SecretState.REJECTED if _rejects(found) else SecretState.WAITS


def _rejects(found: Iterable[Finding]) -> bool:
    """Whether a finding rejects, and not just until another secret arrives or leaves."""
    return any(f.severity is Severity.REJECT and f.code not in HEALING for f in found)


def _certificates(candidate: Candidate) -> Iterator[Certificate]:
    return (stored.item for stored in candidate.items if isinstance(stored.item, Certificate))


def _newest_read(entry: Entry) -> Reading | None:
    """The newest version whose value was read, whatever is kept of it."""
    readings: tuple[Reading, ...] = (*entry.candidates, *entry.rejected, *entry.passed)
    return min(readings, key=lambda reading: entry.age(reading.version), default=None)


def _is_newest(entry: Entry, version: str) -> bool:
    return entry.newest is not None and entry.newest.version == version
