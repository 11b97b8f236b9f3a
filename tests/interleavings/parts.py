"""The parts of the explorer's world: each is one in-memory double, put into a state, asked once, and read out again.

So the very doubles that the contract suites hold to the real stores, vault and cluster decide what every step does. A
process sees them through the `Remote…` ports, each call of which is one atomic step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from local.kubernetes.cluster import Cluster
from sync.adapters.storage.decisions import HEAD, TableDecisions
from sync.errors import TrustcastError
from sync.ports.messages import PlanFleet, PushCluster, encode
from tests.interleavings.cells import FIRST, spelt
from tests.support.memory import MemoryCluster, MemoryTable, MemoryVault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sync.adapters.storage.table import Operation
    from sync.catalogue.snapshot import Snapshot

SETTINGS = "settings|"
"""How the keys of the settings in force, and of those that wait, begin."""

Ask = Callable[[str, str, tuple[Any, ...]], Any]
"""Asks a part, by name, for a method with arguments, as one step."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The step ended with this error."""

    error: TrustcastError


def _outcome(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except TrustcastError as error:
        return Refused(error)


class TablePart:
    """A table; its state is its rows, sorted."""

    def __init__(self, name: str) -> None:
        self.name = name

    def table(self, state: Sequence[tuple[str, str, Any]], fresh: int = 0) -> MemoryTable:
        """The double in this state; its next ETag is the token `fresh`."""
        table = MemoryTable(self.name)
        for partition, key, stored in state:
            table.partitions.setdefault(partition, {})[key] = stored
        table._writes = FIRST + fresh - 1
        return table

    def run(self, state: Any, fresh: int, method: str, arguments: tuple[Any, ...]) -> tuple[Any, Any]:
        table = self.table(state, fresh)
        step = partial(_STEPS[method], table) if method in _STEPS else getattr(table, method)
        result = _outcome(lambda: step(*arguments))
        return self.rows(table), result

    def rows(self, table: MemoryTable) -> Any:
        """The state of the double."""
        rows = ((p, key, stored) for p, rows in table.partitions.items() for key, stored in rows.items())
        return tuple(sorted(rows, key=lambda row: row[:2]))


def _rows(table: MemoryTable, partition: str, prefix: str, due_by: Any) -> list[Any]:
    return list(table.scan(partition, prefix=prefix, due_by=due_by))


def _page(table: MemoryTable, partition: str, after: str, size: int) -> list[Any]:
    return [row for row in table.scan(partition) if row[0] > after][:size]


_STEPS = {"rows": _rows, "page": _page}


class ClusterPart:
    """A cluster; its state is its Secrets, sorted."""

    def cluster(self, state: Sequence[Any], fresh: int = 0) -> Cluster:
        """The double in this state; its next resourceVersion is the token `fresh`."""
        cluster = Cluster("memory", clock=lambda: "2026-06-01T00:00:00Z")
        cluster._secrets = {(each.namespace, each.name): each for each in state}
        cluster._version = FIRST + fresh - 1
        return cluster

    def run(self, state: Any, fresh: int, method: str, arguments: tuple[Any, ...]) -> tuple[Any, Any]:
        cluster = self.cluster(state, fresh)
        *place, named = arguments
        result = _outcome(lambda: getattr(MemoryCluster(cluster), method)(*place, **named))
        return tuple(secret for _, secret in sorted(cluster._secrets.items())), result


@dataclass
class VaultPart:
    """The vault as its owner's script leaves it; its state is how many lines of the script are done."""

    stages: list[MemoryVault] = field(default_factory=list)

    def run(self, state: Any, fresh: int, method: str, arguments: tuple[Any, ...]) -> tuple[Any, Any]:  # noqa: ARG002
        return state, _outcome(lambda: getattr(self.stages[state], method)(*arguments))


class TokenPart:
    """Gives tokens that nobody has."""

    def run(self, state: Any, fresh: int, method: str, arguments: tuple[Any, ...]) -> tuple[Any, Any]:  # noqa: ARG002
        return state, spelt(fresh)


@dataclass
class RemoteTable:
    """`table_stores.Table`, each call one step.

    Attributes:
        page: how many rows of a scan are one step; all if 0.
        snapshotting: the caller is `snapshot`, which reads the head twice in a row before the rows: to compare it with
            that of the cached rows, and the same under its lock. Tokens never return, so once it is not the cached one
            it never will be, and only the last of these readings matters: they are one step. After the rows it is read
            once more.
    """

    name: str
    ask: Ask
    page: int = 0
    snapshotting: bool = False
    _read: Any = None

    def get(self, partition: str, key: str) -> Any:
        if not (self.snapshotting and key == HEAD):
            return self.ask(self.name, "get", (partition, key))
        if self._read is None:
            self._read = (self.ask(self.name, "get", (partition, key)),)
        return self._read[0]

    def scan(self, partition: str, *, prefix: str = "", due_by: Any = None, only: Sequence[str] = ()) -> Any:  # noqa: ARG002  rows are whole
        self._read = None
        if self.page:
            return self._pages(partition)
        return iter(self.ask(self.name, "rows", (partition, prefix, due_by)))

    def _pages(self, partition: str) -> Iterator[Any]:
        after = ""
        while page := self.ask(self.name, "page", (partition, after, self.page)):
            yield from page
            after = page[-1][0]

    def write(self, partition: str, operation: Operation) -> Any:
        return self.ask(self.name, "write", (partition, operation))

    def transact(self, partition: str, operations: Sequence[Operation]) -> Any:
        return self.ask(self.name, "transact", (partition, tuple(operations)))


class RemoteDecisions(TableDecisions):
    """The real decisions; see `RemoteTable.snapshotting`."""

    def __init__(self, table: RemoteTable) -> None:
        super().__init__(table)
        self._remote = table

    def snapshot(self, *, fresh: bool = False) -> Snapshot:
        self._remote.snapshotting, self._remote._read = True, None
        try:
            return super().snapshot(fresh=fresh)
        finally:
            self._remote.snapshotting = False


@dataclass
class RemoteQueues:
    """`ports.Queues`; the reasons, which are for logs, are left out."""

    ask: Ask

    def send_plan(self, message: PlanFleet, delay: float = 0.0) -> None:  # noqa: ARG002
        self.ask("queue", "send", ("plan", encode(PlanFleet(""))))

    def send_push(self, message: PushCluster, delay: float = 0.0) -> None:  # noqa: ARG002
        self.ask("queue", "send", ("push", encode(PushCluster(message.cluster, ""))))


@dataclass
class RemoteVault:
    """`ports.Vault`."""

    ask: Ask

    def versions(self, name: str) -> Any:
        return self.ask("vault", "versions", (name,))

    def read(self, name: str, version: str | None) -> Any:
        return self.ask("vault", "read", (name, version))

    def listing(self) -> Any:
        return self.ask("vault", "listing", ())


@dataclass
class RemoteTargets:
    """`ports.Clusters` and `ports.Target` of a cluster."""

    ask: Ask
    cluster: str = ""

    def connect(self, registration: Any, deadline: Any, *, renew: bool = False) -> RemoteTargets:  # noqa: ARG002
        return RemoteTargets(self.ask, registration.name)

    def observe(self, namespace: str, name: str) -> Any:
        return self._ask("observe", namespace, name)

    def create_empty(self, namespace: str, name: str) -> Any:
        return self._ask("create_empty", namespace, name)

    def remove_keys(self, namespace: str, name: str, keys: Any, **version: str) -> Any:
        return self._ask("remove_keys", namespace, name, tuple(keys), **version)

    def apply(self, namespace: str, name: str, files: Mapping[str, bytes], **version: str) -> Any:
        return self._ask("apply", namespace, name, dict(files), **version)

    def _ask(self, method: str, *arguments: Any, **version: str) -> Any:
        return self.ask(f"cluster {self.cluster}", method, (*arguments, version))


def touched(
    part: str, method: str, arguments: tuple[Any, ...], clusters: Sequence[str], *, constant: bool
) -> tuple[set[str], set[str]]:
    """What a step reads and what it writes, by name; two steps commute where neither writes what the other touches.

    `decisions` are one thing, as rows and head change together; but the settings, where they are constant, are none.
    """
    if part in {"token", "queue"}:
        return set(), set()
    if part == "vault":
        return {"vault"}, set()
    if part.startswith("cluster "):
        return ({part}, set()) if method == "observe" else ({part}, {part})
    if part == "decisions":
        if constant and method == "get" and arguments[1].startswith(SETTINGS):
            return set(), set()
        keys = [operation.key for operation in arguments[1]] if method == "transact" else []
        if constant and any(key.startswith(SETTINGS) for key in keys):
            raise AssertionError("the settings change: the case says that they are constant")
        return {"decisions"}, {"decisions"} if keys else set()
    return _touched_rows(part, method, arguments, clusters)


def _touched_rows(
    part: str, method: str, arguments: tuple[Any, ...], clusters: Sequence[str]
) -> tuple[set[str], set[str]]:
    of_clusters = arguments[0] in {"cluster", "place"}
    if method == "rows":
        wanted = [arguments[1].rstrip("|")] if arguments[1] else clusters
        return {f"{part} {name}" for name in wanted} if of_clusters else {part}, set()
    key = arguments[1] if method == "get" else arguments[1].key
    row = f"{part} {key.split('|')[0]}" if of_clusters else f"{part} {arguments[0]} {key}"
    return {row}, set() if method == "get" else {row}
