"""What the steps of the protocol work with: the ports, the clock, the settings that they obey."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

from sync.catalogue.snapshot import Head, Stamp
from sync.clock import utc_now
from sync.desired.state import DesiredState
from sync.reconcile.holds import Limits
from sync.reconcile.intervals import Intervals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sync.catalogue.snapshot import Snapshot
    from sync.fleet.configuration import Configuration
    from sync.ports.clusters import Clusters
    from sync.ports.decisions import Decisions
    from sync.ports.queues import Queues
    from sync.ports.statuses import Statuses
    from sync.ports.vault import Vault
    from sync.ports.work import Work

T = TypeVar("T")


class ForEach(Protocol):
    """Does one thing for every name, and gives what came of it, in their order."""

    def __call__(self, action: Callable[[str], T], names: Iterable[str], /) -> Iterable[T]:
        """Do it; an error of the action is raised when its result is taken."""
        ...


def random_token() -> str:
    """A new head's token: 128 random bits."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Runtime:
    """The ports and settings of one running trustcast.

    Attributes:
        configured: VAULTS and LISTS as the environment has them now; those in force are in the decisions.
        stamp: which of two processes' settings are later.
        vaults: the watched vaults by host.
        push_timeout: seconds that the push of one cluster may take as a whole.
        expiry_warning: how long before its end a certificate is called expiring.
        history: how long what a CA revoked is remembered once nothing of the CA is in the catalogue.
        for_each: one after the other by default; the running app does several at a time.
        clock, token: time and randomness, replaced in tests.
    """

    decisions: Decisions
    work: Work
    statuses: Statuses
    queues: Queues
    vaults: Mapping[str, Vault]
    clusters: Clusters
    configured: Configuration
    stamp: Stamp = field(default_factory=Stamp)
    limits: Limits = field(default_factory=Limits)
    intervals: Intervals = field(default_factory=Intervals)
    push_timeout: float = 30.0
    expiry_warning: timedelta = timedelta(days=30)
    history: timedelta = timedelta(days=400)
    for_each: ForEach = map
    clock: Callable[[], datetime] = utc_now
    token: Callable[[], str] = random_token
    _desired_states: dict[str, DesiredState] = field(default_factory=dict)

    def desired_state(self, snapshot: Snapshot) -> DesiredState:
        """The desired lists of a snapshot; those of the latest head are kept, as every push asks for them."""
        kept = self._desired_states.get(snapshot.head.token)
        if kept is not None and kept.snapshot is snapshot:
            return kept
        new = DesiredState(snapshot, self.in_force(snapshot))
        self._desired_states.clear()
        self._desired_states[snapshot.head.token] = new
        return new

    def in_force(self, snapshot: Snapshot) -> Configuration:
        """The configuration that decides: the stored one, or the environment's before the first was stored."""
        return snapshot.configuration or self.configured

    def next_head(self, head: Head) -> Head:
        """The head that replaces this one."""
        now = self.clock()
        return Head(self.token(), now, head.moved, head.begun if head.token else now)
