"""Whether lists are in sync, and verified recently enough to say so (law 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.reconcile.status import ListStatus, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
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
    """The lists of some clusters as last recorded.

    Attributes:
        lists: those that were pushed, the ones that are not fine first.
        not_pushed: cluster and list of those that never were; paused clusters are left out.
        freshness: by what they are judged.
    """

    lists: tuple[ListStatus, ...]
    not_pushed: tuple[tuple[str, str], ...]
    freshness: Freshness

    @property
    def in_sync(self) -> bool:
        """Whether there is nothing to do about any list."""
        return not self.not_pushed and all(map(self.freshness.fine, self.lists))


def status_report(
    statuses: Iterable[ListStatus],
    registrations: Sequence[Registration],
    configuration: Configuration,
    freshness: Freshness,
) -> StatusReport:
    """The report about every list of these clusters."""
    known = {(s.cluster, s.list): s for s in statuses}
    wanted = [(r, (r.name, d.name)) for r in registrations for d in r.definitions(configuration)]
    lists = [known[key] for _, key in wanted if key in known]
    not_pushed = [key for registration, key in wanted if key not in known and not registration.paused]
    lists.sort(key=lambda s: (freshness.fine(s), s.cluster, s.list))
    return StatusReport(tuple(lists), tuple(sorted(not_pushed)), freshness)
