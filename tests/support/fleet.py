"""A service over the in-memory doubles: one vault, some clusters, a clock that moves only when told."""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sync.adapters.storage.decisions import MOST_WRITES
from sync.catalogue.rows import ClusterRow
from sync.catalogue.snapshot import Stamp
from sync.errors import TrustcastError
from sync.findings import Role
from sync.fleet.clusters import Access, AccessKind, Registration
from sync.fleet.configuration import Configuration
from sync.fleet.lists import CONNECTOR_NAMESPACE, ListDefinition
from sync.fleet.vaults import WatchedVault
from sync.ports.decisions import Write
from sync.ports.stored import ANYTHING
from sync.reconcile.intervals import Intervals
from sync.steps.drift import check_drift
from sync.steps.runtime import Runtime
from sync.triggers import handle_event, handle_plan, handle_push
from tests.support.certs import NOW
from tests.support.memory import MemoryCluster, MemoryDecisions, MemoryQueues, MemoryStatuses, MemoryVault, MemoryWork

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sync.deadline import Deadline
    from sync.fleet.kubeconfig import Endpoint
    from sync.ports.clusters import Target
    from sync.ports.vault import Vault
    from sync.reconcile.status import ListStatus

HOST = "kv.vault.azure.net"
TRUST = ListDefinition("trust", Role.TRUST, CONNECTOR_NAMESPACE, "trust-list")
CONFIGURATION = Configuration((WatchedVault(f"https://{HOST}"),), (TRUST,))
MOST_DELIVERIES = 5


def registration(name: str, **labels: str) -> Registration:
    """A registered cluster."""
    return Registration(name, labels, Access(AccessKind.KUBECONFIG, name), host=f"{name}:6443", ca_sha256="0" * 64)


def event(name: str, version: str, host: str = HOST) -> str:
    """The Event Grid event of a new version."""
    what = {"Id": f"https://{host}/secrets/{name}/{version}", "ObjectType": "Secret", "ObjectName": name}
    kind = "Microsoft.KeyVault.SecretNewVersionCreated"
    return json.dumps([{"id": version, "subject": name, "eventType": kind, "data": what, "dataVersion": "1"}])


@dataclass
class Targets:
    """`ports.Clusters`: every registered cluster is open."""

    clusters: Mapping[str, Target]

    def endpoint(self, cluster: str, secret: str) -> Endpoint:
        raise NotImplementedError(f"credential {secret} of {cluster}: registrations are registered as they are")

    def connect(self, registration: Registration, deadline: Deadline, *, renew: bool = False) -> Target:  # noqa: ARG002
        return self.clusters[registration.name]


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, span: timedelta) -> None:
        self.now += span


def tokens(first: int = 0) -> itertools.count[int]:
    """What heads are numbered by instead of at random."""
    return itertools.count(first)


@dataclass
class Fleet:
    """A whole service in memory, with what its owners do to vault and clusters.

    Attributes:
        rhythm: when things are due.
        configured: VAULTS and LISTS as the environment has them.
        events: raised and not delivered yet, oldest first.
    """

    configured: Configuration = CONFIGURATION
    stamp: Stamp = field(default_factory=Stamp)
    intervals: Intervals = field(default_factory=Intervals)
    clock: Clock = field(default_factory=Clock)
    events: list[str] = field(default_factory=list)
    clusters: dict[str, MemoryCluster] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.vaults = {each.host: MemoryVault(clock=self.clock, seed=each.host) for each in self.configured.vaults}
        self.vault = next(iter(self.vaults.values()))
        self.queues = MemoryQueues(clock=self.clock)
        self.work, self.statuses = MemoryWork(), MemoryStatuses()
        self._tokens = tokens()
        self.lose_decisions()

    def lose_decisions(self) -> None:
        """The table of decisions is empty, and the process is a new one."""
        self.decisions = MemoryDecisions()
        self.start()

    def lose_tables(self) -> None:
        """Every table is empty, and the process is a new one."""
        self.work, self.statuses = MemoryWork(), MemoryStatuses()
        self.lose_decisions()

    def start(self, configured: Configuration | None = None, stamp: Stamp | None = None) -> None:
        """A new process, with other settings where they are given."""
        self.configured = configured or self.configured
        self.stamp = stamp or self.stamp
        for watched in self.configured.vaults:
            self.vaults.setdefault(watched.host, MemoryVault(clock=self.clock, seed=watched.host))
        vaults: dict[str, Vault] = {each.host: self.vaults[each.host] for each in self.configured.vaults}
        self.runtime = Runtime(
            self.decisions,
            self.work,
            self.statuses,
            self.queues,
            vaults,
            Targets(self.clusters),
            self.configured,
            stamp=self.stamp,
            intervals=self.intervals,
            clock=self.clock,
            token=lambda: f"{next(self._tokens):08}head",
        )

    def register(self, *registrations: Registration) -> None:
        """Write registrations as they are, without asking what they take."""
        writes = [Write(ClusterRow(each.name), each, ANYTHING) for each in registrations]
        for start in range(0, len(writes), MOST_WRITES):
            portion = writes[start : start + MOST_WRITES]
            self.decisions.commit(portion, head=self.runtime.next_head(self.decisions.head().value))
        for each in registrations:
            self.clusters.setdefault(each.name, MemoryCluster())

    def upload(
        self, name: str, value: str, tags: Mapping[str, str] | None = None, *, enabled: bool = True, host: str = ""
    ) -> str:
        """A new version of a secret, and its event; gives the version. The first vault is meant where none is named."""
        host = host or next(iter(self.vaults))
        version = self.vaults[host].set(name, value, tags=dict(tags) if tags else None, enabled=enabled)
        self.events.append(event(name, version, host))
        return version

    def files(self, cluster: str, definition: ListDefinition = TRUST) -> dict[str, bytes]:
        """What a list holds on a cluster."""
        return self.clusters[cluster].state.files(definition.namespace, definition.object)

    def status(self, cluster: str, definition: ListDefinition = TRUST) -> ListStatus:
        """The list's status row."""
        stored = self.statuses.get(f"{cluster}/{definition.namespace}/{definition.object}")
        assert stored is not None
        return stored.value

    def work_off(self) -> None:
        """Deliver every event and message until there are no more; hidden ones are waited for."""
        while self.deliver_event() or self.deliver("plan") or self.deliver("push") or self._wait():
            pass

    def deliver_event(self) -> bool:
        """The oldest event, kept for later where it failed for the moment."""
        if not self.events:
            return False
        text = self.events.pop(0)
        with suppress(TrustcastError):
            handle_event(self.runtime, text)
        return True

    def deliver(self, queue: str) -> bool:
        """The oldest message of a queue, given back where it failed; False if there was none."""
        message = self.queues.take(queue)
        if message is None:
            return False
        handle = handle_plan if queue == "plan" else handle_push
        try:
            handle(self.runtime, message.text, message.dequeued)
        except TrustcastError:
            if message.dequeued < MOST_DELIVERIES:
                self.queues.give_back(message)
                return True
        self.queues.done(message)
        return True

    def _wait(self) -> bool:
        """Move the clock to the next hidden message, if there is one."""
        hidden = [m.visible for waiting in self.queues.waiting.values() for m in waiting if m.visible]
        if hidden:
            self.clock.now = max(self.clock.now, min(hidden))
        return bool(hidden)

    def sweep(self, after: timedelta = timedelta(minutes=1)) -> None:
        """The timer's next run, so long after, and all that follows from it."""
        self.clock.move(after)
        check_drift(self.runtime)
        self.work_off()
