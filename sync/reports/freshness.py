"""Whether lists are in sync, and verified recently enough to say so (law 10)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sync.reconcile.status import ListStatus, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from sync.fleet.clusters import Registration
    from sync.fleet.configuration import Configuration


@dataclass(frozen=True, slots=True)
class Freshness:
    """When a verification counts as stale: the time, and the stated bound."""

    now: datetime
    bound: timedelta

    def stale(self, status: ListStatus) -> bool:
        """Whether the list was not verified within the bound; a paused one need not be."""
        return status.state is not State.PAUSED and status.overdue(self.now, self.bound)

    def fine(self, status: ListStatus) -> bool:
        """Whether there is nothing to do about the list."""
        return status.state is State.PAUSED or (status.state is State.IN_SYNC and not self.stale(status))


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The lists of some clusters as last recorded, and what waits beside them.

    Attributes:
        lists: those that were pushed, the ones that are not fine first.
        not_pushed: cluster and list of those that never were; paused clusters are left out.
        secrets: how many secrets are rejected, wait or are held, by state, as text; empty where all are in force.
        questions: how many changes wait for a person.
        freshness: by what lists are judged.
    """

    lists: tuple[ListStatus, ...]
    not_pushed: tuple[tuple[str, str], ...]
    secrets: Mapping[str, int]
    questions: int
    freshness: Freshness

    @property
    def in_sync(self) -> bool:
        """Whether all is as it should be."""
        return not (self.not_pushed or self.secrets or self.questions) and all(map(self.freshness.fine, self.lists))

    @property
    def counts(self) -> Mapping[str, int]:
        """How many lists are in each state, the most first; never pushed ones and stale ones counted apart."""
        states = Counter(status.state.value for status in self.lists)
        stale = sum(self.freshness.stale(s) for s in self.lists)
        found = dict(states.most_common())
        return {**found, **({"stale": stale} if stale else {}), **_counted("not pushed yet", len(self.not_pushed))}


def _counted(name: str, count: int) -> dict[str, int]:
    return {name: count} if count else {}


def status_report(
    statuses: Iterable[ListStatus],
    registrations: Sequence[Registration],
    configuration: Configuration,
    freshness: Freshness,
    *,
    secrets: Mapping[str, int],
    questions: int,
) -> StatusReport:
    """The report about every list of these clusters, and places that no definition names any more."""
    known = {s.place: s for s in as_called_now(statuses, registrations, configuration)}
    named = {r.place(d): (r.name, d.name) for r in registrations for d in r.definitions(configuration)}
    lists = [s for place, s in known.items() if place in named or s.files]
    paused = {registration.name for registration in registrations if registration.paused}
    not_pushed = [called for place, called in named.items() if place not in known and called[0] not in paused]
    lists.sort(key=lambda s: (freshness.fine(s), s.cluster, s.list))
    return StatusReport(tuple(lists), tuple(sorted(not_pushed)), dict(secrets), questions, freshness)


def as_called_now(
    statuses: Iterable[ListStatus], registrations: Iterable[Registration], configuration: Configuration
) -> tuple[ListStatus, ...]:
    """The statuses of these clusters under present names: each says how cluster and list were called when pushed."""
    clusters = {r.server: r.name for r in registrations}
    names = {r.place(d): (r.name, d.name) for r in registrations for d in r.definitions(configuration)}
    known = ((s, *names.get(s.place, (clusters[s.server], s.list))) for s in statuses if s.server in clusters)
    return tuple(replace(status, cluster=cluster, list=list_name) for status, cluster, list_name in known)
