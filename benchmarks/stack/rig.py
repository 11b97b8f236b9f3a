"""The service in this process as a worker runs it: real SDKs, real HTTP, handlers in a pool of the worker's size.

Messages go to the storage's queue like in Azure, and their handler begins at once beside that: what a message waits in
a queue, and the delay that coalesces bursts, are kept apart (`Relay.delays`).
"""

from __future__ import annotations

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self, TypeVar

from benchmarks.stack.world import World
from local.storage import Azurite
from sync.bootstrap import connect
from sync.catalogue.rows import ClusterRow
from sync.clock import utc_now
from sync.fleet.clusters import Access, AccessKind, Registration
from sync.ports.decisions import Write
from sync.ports.messages import encode
from sync.ports.stored import ANYTHING
from sync.settings import settings
from sync.steps.configuration import adopt_configuration
from sync.triggers import handle_event, handle_plan, handle_push
from tests.support.certs import NOW, YEAR, Built, server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sync.ports.messages import PlanFleet, PushCluster
    from sync.ports.queues import Queues
    from sync.steps.runtime import ForEach, Runtime

T = TypeVar("T")

THREADS = min(32, (os.cpu_count() or 1) + 4)
"""Of a Functions worker, by default."""

TRUST_ONLY = '[{"name": "trust", "role": "trust", "object": "aio-opc-ua-broker-trust-list"}]'
TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}

doing: ContextVar[str] = ContextVar("doing", default="")
"""What the current thread works on: `event`, `plan`, `plan NAME`, `push NAME`."""


def certificate(name: str, renewal: int = 0) -> Built:
    """An OPC UA server's certificate that is in force for years."""
    return server(name=name, key_name=f"{name}/{renewal}", not_before=NOW - YEAR, not_after=NOW + 9 * YEAR)


def event(vault: str, name: str, version: str) -> str:
    """The Event Grid event of a new version."""
    host = vault.removeprefix("https://")
    what = {"Id": f"https://{host}/secrets/{name}/{version}", "ObjectType": "Secret", "ObjectName": name}
    kind = "Microsoft.KeyVault.SecretNewVersionCreated"
    return json.dumps([{"id": version, "subject": name, "eventType": kind, "data": what, "dataVersion": "1"}])


def _told_apart(each: ForEach) -> ForEach:
    """What is done for one name is labelled with it too, on whichever thread it is done: `plan c0001`."""

    def labelled(action: Callable[[str], T], names: Iterable[str]) -> Iterable[T]:
        label = doing.get()

        def act(name: str) -> T:
            before = doing.set(f"{label} {name}")
            try:
                return action(name)
            finally:
                doing.reset(before)

        return each(act, names)

    return labelled


@dataclass
class Relay:
    """`ports.Queues`: sends for real, and hands the message to the pool, at once or after its delay."""

    real: Queues
    pool: ThreadPoolExecutor
    handle: dict[str, Callable[[str], None]] = field(default_factory=dict)
    keeps_delays: bool = False
    held: list[tuple[str, str]] | None = None
    delays: list[float] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._open = 0
        self._changed = threading.Condition()

    def send_plan(self, message: PlanFleet, delay: float = 0.0) -> None:
        self.real.send_plan(message, delay)
        self.delays.append(delay)
        self.begin("plan", encode(message), delay)

    def send_push(self, message: PushCluster, delay: float = 0.0) -> None:
        self.real.send_push(message, delay)
        self.begin(f"push {message.cluster}", encode(message), delay)

    def begin(self, label: str, text: str, delay: float = 0.0) -> None:
        """Have the pool handle it; pushes are only gathered while `held` is a list."""
        if self.held is not None and label.startswith("push"):
            self.held.append((label, text))
            return
        with self._changed:
            self._open += 1
        if delay and self.keeps_delays:
            timer = threading.Timer(delay, self.pool.submit, (self._run, label, text))
            timer.daemon = True
            timer.start()
        else:
            self.pool.submit(self._run, label, text)

    def _run(self, label: str, text: str) -> None:
        doing.set(label)
        try:
            self.handle[label.partition(" ")[0]](text)
        except Exception as error:  # noqa: BLE001  a benchmark that fails says so
            self.failures.append(error)
        finally:
            doing.set("")
            with self._changed:
                self._open -= 1
                self._changed.notify_all()

    def release(self) -> float:
        """Have the pool handle the pushes that were gathered; seconds until all have ended."""
        gathered, self.held = self.held or [], None
        began = time.perf_counter()
        for label, text in gathered:
            self.begin(label, text)
        self.prune()
        return time.perf_counter() - began

    def prune(self, seconds: float = 300) -> None:
        """Wait until everything begun, and what follows from it, has ended."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._open == 0, seconds):
                raise TimeoutError("the benchmark does not come to an end")
        if self.failures:
            raise self.failures[0]


class Rig:
    """World, storage and service, inside a `with` block.

    Args:
        clusters: how many are registered.
        lists: TRUSTCAST_LISTS; None is the default's two.
    """

    def __init__(self, clusters: int, *, lists: str | None = TRUST_ONLY, spare: int = 0) -> None:
        self._sizes, self._lists = (clusters, spare), lists
        self._open = ExitStack()

    def __enter__(self) -> Self:
        enter = self._open.enter_context
        registered, spare = self._sizes
        self.azurite = enter(Azurite())
        self.world = enter(World(registered + spare))
        facts = self.world.facts
        self.doors, self.spare = facts.doors[:registered], facts.doors[registered:]
        os.environ |= {
            **facts.environment,
            "AzureWebJobsStorage": self.azurite.connection_string,
            "TRUSTCAST_VAULTS": json.dumps([{"url": facts.vault}]),
            "TRUSTCAST_CREDENTIALS_VAULT": facts.credentials,
            **({"TRUSTCAST_LISTS": self._lists} if self._lists else {}),
        }
        settings.cache_clear()  # another rig of this process had other addresses
        wired = connect(settings(), utc_now())
        self.pool = enter(ThreadPoolExecutor(THREADS))
        self.relay = Relay(wired.queues, self.pool)
        self.runtime: Runtime = replace(wired, queues=self.relay, for_each=_told_apart(wired.for_each))
        self.relay.handle = {
            "event": lambda text: handle_event(self.runtime, text),
            "plan": lambda text: handle_plan(self.runtime, text, 1),
            "push": lambda text: handle_push(self.runtime, text, 1),
        }
        adopt_configuration(self.runtime)
        self._register()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _register(self) -> None:
        rows = [
            Registration(
                d.name,
                {},
                Access(AccessKind.KUBECONFIG, f"{d.name}-kubeconfig"),
                (),
                host=d.host,
                ca_sha256=d.ca_sha256,
            )
            for d in self.doors
        ]
        for start in range(0, len(rows), 90):
            writes = [Write(ClusterRow(row.name), row, ANYTHING) for row in rows[start : start + 90]]
            self.runtime.decisions.commit(writes, head=self.runtime.next_head(self.runtime.decisions.head().value))

    def upload(self, secrets: dict[str, str]) -> list[str]:
        """Set secrets in the vault; the events that say so."""
        versions = self.world.set_secrets(secrets, TAGS)
        return [event(self.world.facts.vault, name, version) for name, version in versions.items()]

    def change(self, secrets: dict[str, str]) -> None:
        """Set secrets and wait until all that follows has ended."""
        self.deliver(self.upload(secrets))
        self.relay.prune()

    def deliver(self, events: Iterable[str]) -> None:
        """Hand events to the pool."""
        for text in events:
            self.relay.begin("event", text)
