"""In-memory doubles of every port, held to the real things by the contract suites under `tests/contract/`.

The stores are the real ones over a table in memory. Each atomic step first calls `pause(label)`, where interleaving
tests switch to another worker or let this one die. A second process over the same state: `MemoryDecisions(table=…)`.
"""

from __future__ import annotations

import base64
import json
import math
import re
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from local.keyvault.secrets import Properties, Secrets, Version, _check_name
from local.keyvault.secrets import Refused as RefusedByVault
from local.kubernetes.cluster import Cluster
from local.kubernetes.status import Refused as RefusedByCluster
from sync.adapters.keyvault.vault import Disabled, Versions
from sync.adapters.kubernetes.wire import Call, observed, proves_absence, refusal
from sync.adapters.storage.decisions import TableDecisions
from sync.adapters.storage.rows import BRIEF, KEY_LENGTH, PROPERTY_BYTES, SCHEMA, JsonRows
from sync.adapters.storage.statuses import TableStatuses
from sync.adapters.storage.work import TableWork
from sync.catalogue.secret import ListedSecret, SecretValue, VersionProperties
from sync.errors import Changed, Invalid, NotFound, Unauthorized, Unreachable
from sync.ports.messages import PlanFleet, PushCluster, encode
from sync.ports.stored import ANYTHING, Absent, Anything, Stored, Unchanged
from sync.reconcile.observed import FIELD_MANAGER, MISSING
from sync.reconcile.ownership import OWNERS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from sync.adapters.storage.table import Operation
    from sync.reconcile.observed import Observed

    Pause = Callable[[str], None]

P = ParamSpec("P")
T = TypeVar("T")

FORBIDDEN = re.compile(r"[/\\#?%\x00-\x1f\x7f-\x9f]")
ETAG = re.compile(r'W/"[^"]+"')
ENTITY_BYTES = 1024 * 1024
TRANSACTION_BYTES = 4 * ENTITY_BYTES
TRANSACTION_OPERATIONS = 100
MOST_ROWS = 1000
"""Of a page, as Table Storage answers."""


def go_on(_: str) -> None:
    """Pause nowhere."""


class KeptRows(JsonRows):
    """Values kept as they are: quicker, and blind to what cannot be serialised."""

    def encode(self, value: object, *, due: datetime | None = None, brief: object = None) -> dict[str, Any]:
        return {"value": value, "due": due, "schema": SCHEMA, BRIEF: brief}

    def decode(self, columns: Mapping[str, Any], kind: type[T], row: str) -> T:  # noqa: ARG002
        value: T = columns["value"]
        return value

    def brief(self, columns: Mapping[str, Any], kind: type[T], row: str) -> T | None:  # noqa: ARG002
        brief: T | None = columns[BRIEF]
        return brief


class MemoryTable:
    """`table_stores.Table` in memory, with Table Storage's limits unless `strict` is off.

    Args:
        name: for the labels.
        pause: called before every atomic step; a scan's pages are one step each.
        strict: rows go through JSON and back.
        page: rows of a page of all columns.
    """

    def __init__(self, name: str, pause: Pause = go_on, *, strict: bool = True, page: int = MOST_ROWS) -> None:
        self.name, self.pause, self.strict, self.page = name, pause, strict, page
        self.rows = JsonRows() if strict else KeptRows()
        self.partitions: dict[str, dict[str, Stored[Mapping[str, Any]]]] = {}
        self._writes = 0
        self._lock = threading.Lock()

    def get(self, partition: str, key: str) -> Stored[Mapping[str, Any]] | None:
        self.pause(f"read {self.name} {partition} {key}")
        return self._partition(partition).get(key)

    def scan(
        self, partition: str, *, prefix: str = "", due_by: datetime | None = None, only: Sequence[str] = ()
    ) -> Iterator[tuple[str, Stored[Mapping[str, Any]]]]:
        after, more, size = "", True, MOST_ROWS if only else self.page
        while more:
            self.pause(f"scan {self.name} {partition}")
            rows = self._partition(partition)
            keys = sorted(
                key for key in tuple(rows) if key > after and key.startswith(prefix) and _due(rows[key], due_by)
            )
            page = [(key, _chosen(rows[key], only)) for key in keys[:size]]
            more = len(keys) > size
            yield from page
            after = page[-1][0] if page else after

    def write(self, partition: str, operation: Operation) -> str:
        self.pause(f"write {self.name} {partition} {operation.key}")
        with self._lock:
            if (
                operation.columns is None
                and operation.expect == ANYTHING
                and operation.key not in self._partition(partition)
            ):
                return ""
            self._check(partition, operation)
            return self._do(partition, operation)

    def transact(self, partition: str, operations: Sequence[Operation]) -> None:
        self.pause(f"transact {self.name} {' '.join(operation.key for operation in operations)}")
        if len(operations) > TRANSACTION_OPERATIONS or len({o.key for o in operations}) < len(operations):
            raise Invalid("too many operations, or two on one row")
        if self.strict and sum(_size(o.columns) for o in operations) > TRANSACTION_BYTES:
            raise Invalid("the transaction is too large")
        with self._lock:
            for operation in operations:
                self._check(partition, operation)
            for operation in operations:
                self._do(partition, operation)

    def _partition(self, partition: str) -> dict[str, Stored[Mapping[str, Any]]]:
        return self.partitions.setdefault(partition, {})

    def _check(self, partition: str, operation: Operation) -> None:
        if self.strict:
            _check_limits(operation)
        if isinstance(operation.expect, Unchanged) and not ETAG.fullmatch(operation.expect.etag):
            raise Invalid(f"no ETag: {operation.expect.etag}")
        there = self._partition(partition).get(operation.key)
        match operation.expect:
            case Absent():
                fits = there is None
            case Anything():
                fits = operation.columns is not None or there is not None
            case Unchanged(etag):
                fits = there is not None and there.etag == etag
        if not fits:
            raise Changed(f"{operation.key} in table {self.name} is not what was read")

    def _do(self, partition: str, operation: Operation) -> str:
        rows = self._partition(partition)
        if operation.columns is None:
            del rows[operation.key]
            return ""
        self._writes += 1
        rows[operation.key] = Stored(operation.columns, f'W/"{self._writes}"')
        return rows[operation.key].etag


def _chosen(row: Stored[Mapping[str, Any]], only: Sequence[str]) -> Stored[Mapping[str, Any]]:
    return Stored({name: row.value[name] for name in only if name in row.value}, row.etag) if only else row


def _due(row: Stored[Mapping[str, Any]], due_by: datetime | None) -> bool:
    return due_by is None or ((due := row.value.get("due")) is not None and due <= due_by)


def _size(columns: Mapping[str, Any] | None) -> int:
    return sum(len(value) for value in (columns or {}).values() if isinstance(value, bytes))


def _check_limits(operation: Operation) -> None:
    if FORBIDDEN.search(operation.key) or len(operation.key) > KEY_LENGTH:
        raise Invalid(f"no key: {operation.key}")
    values = (operation.columns or {}).values()
    if any(len(value) > PROPERTY_BYTES for value in values if isinstance(value, bytes)):
        raise Invalid("a property is too large")
    if _size(operation.columns) > ENTITY_BYTES:
        raise Invalid("the row is too large")


class MemoryDecisions(TableDecisions):
    def __init__(self, *, table: MemoryTable | None = None, pause: Pause = go_on, strict: bool = True) -> None:
        self.table = table or MemoryTable("decisions", pause, strict=strict)
        super().__init__(self.table, self.table.rows)


class MemoryWork(TableWork):
    def __init__(self, *, table: MemoryTable | None = None, pause: Pause = go_on, strict: bool = True) -> None:
        self.table = table or MemoryTable("work", pause, strict=strict)
        super().__init__(self.table, self.table.rows)


class MemoryStatuses(TableStatuses):
    def __init__(self, *, table: MemoryTable | None = None, pause: Pause = go_on, strict: bool = True) -> None:
        self.table = table or MemoryTable("status", pause, strict=strict)
        super().__init__(self.table, self.table.rows)


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it lies in a queue; `dequeued` counts how often it was taken."""

    id: int
    text: str
    visible: datetime | None
    dequeued: int = 0


@dataclass
class MemoryQueues:
    """At-least-once queues named `plan` and `push`.

    Attributes:
        pause: called before every send.
        clock: where given, a delayed message is hidden until its time; else delays are only remembered.
        waiting: messages that may be taken, oldest first.
        taken: messages being worked on; `done` ends one, `give_back` has it delivered again.
        delays: of every message sent, in order.
    """

    pause: Pause = go_on
    clock: Callable[[], datetime] | None = None
    waiting: dict[str, list[Message]] = field(default_factory=lambda: {"plan": [], "push": []})
    taken: dict[int, tuple[str, Message]] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)

    def send_plan(self, message: PlanFleet, delay: float = 0.0) -> None:
        self._send("plan", encode(message), delay)

    def send_push(self, message: PushCluster, delay: float = 0.0) -> None:
        self._send("push", encode(message), delay)

    def take(self, queue: str) -> Message | None:
        """The oldest visible message, hidden from now on; None if there is none."""
        for message in self.waiting[queue]:
            if self.clock is None or message.visible is None or message.visible <= self.clock():
                self.waiting[queue].remove(message)
                message = replace(message, dequeued=message.dequeued + 1)  # noqa: PLW2901
                self.taken[message.id] = queue, message
                return message
        return None

    def done(self, message: Message) -> None:
        """Delete a message that was taken."""
        self.taken.pop(message.id, None)

    def give_back(self, message: Message) -> None:
        """Let a message that was taken be taken again, as after a failure or a crash."""
        queue, message = self.taken.pop(message.id)
        self.waiting[queue].append(message)

    def _send(self, queue: str, text: str, delay: float) -> None:
        self.pause(f"send {queue}")
        visible = self.clock() + timedelta(seconds=math.ceil(delay)) if self.clock else None
        self.delays.append(delay)
        self.waiting[queue].append(Message(len(self.delays), text, visible))


class MemoryVault:
    """`ports.Vault` over the stand-in's rules, without HTTP; also what owners do to a vault.

    Args:
        clock: what the vault's times are taken from.
        pause: called before every call of the port.
        seed: decides the versions' identifiers.

    Attributes:
        most_versions: how many of a secret's versions are looked through.
        refuses_values: whoever asks for a value is not allowed to (403).
        away: nothing answers.
    """

    most_versions = 2500
    refuses_values = False
    away = False

    def __init__(self, *, clock: Callable[[], datetime] | None = None, pause: Pause = go_on, seed: object = 0) -> None:
        self.pause = pause
        self.secrets = Secrets(clock=lambda: clock().timestamp(), seed=seed) if clock else Secrets(seed=seed)
        self.reads: list[tuple[str, str]] = []

    def set(
        self,
        name: str,
        value: str,
        *,
        content_type: str | None = None,
        tags: Mapping[str, str] | None = None,
        enabled: bool = True,
    ) -> str:
        """A new version, as its owner uploads it; gives its identifier."""
        properties = Properties(content_type=content_type, tags=tags, enabled=enabled)
        return self.secrets.set(name, value, properties).id

    def set_enabled(self, name: str, version: str, enabled: bool) -> None:
        self.secrets.update(name, version, Properties(enabled=enabled))

    def delete(self, name: str) -> None:
        self.secrets.delete(name)

    def recover(self, name: str) -> None:
        self.secrets.recover(name)

    def versions(self, name: str, *, at_most: int | None = None) -> Versions:
        self.pause(f"versions {name}")
        self._answer()
        _in_vault(_check_name, name)
        most = self.most_versions if at_most is None else at_most
        every = [_properties(version) for version in self.secrets.versions(name)]
        found = sorted(every[:most], key=lambda v: (v.created, v.version), reverse=True)
        return Versions(tuple(found), len(every) <= most)

    def read(self, name: str, version: str | None) -> SecretValue:
        self.pause(f"value {name}")
        self._answer()
        if self.refuses_values:
            raise Unauthorized(f"reading {name}: 403")
        _in_vault(_check_name, name)
        found = _in_vault(self.secrets.read, name, version or "")
        self.reads.append((found.name, found.id))
        return SecretValue(_properties(found), found.value, found.key_id)

    def listing(self) -> tuple[ListedSecret, ...]:
        self.pause("listing")
        self._answer()
        return tuple(_listed(version) for version in self.secrets.newest())

    def _answer(self) -> None:
        if self.away:
            raise Unreachable("the vault does not answer")

    def update(self, name: str, version: str, *, tags: Mapping[str, str]) -> VersionProperties:
        self.pause(f"tag {name}")
        _in_vault(_check_name, name)
        return _properties(_in_vault(self.secrets.update, name, version, Properties(tags=dict(tags))))


def _in_vault(action: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    try:
        return action(*arguments, **options)
    except RefusedByVault as refused:
        kinds = {400: Invalid, 403: Disabled, 404: NotFound, 409: Changed}
        raise kinds[refused.status](refused.code) from refused


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _properties(version: Version) -> VersionProperties:
    return VersionProperties(
        version.name,
        version.id,
        _utc(version.created),
        _utc(version.updated),
        version.enabled,
        version.content_type,
        MappingProxyType(dict(version.tags or {})),
        version.managed,
    )


def _listed(version: Version) -> ListedSecret:
    of = _properties(version)
    return ListedSecret(of.name, of.updated, of.enabled, of.content_type, of.tags, of.managed)


class MemoryCluster:
    """`ports.Target` over the stand-in's rules, without HTTP. `state` is what people and other writers change.

    Args:
        state: of the cluster; several doubles may share one.
        pause: called before every call of the port.
    """

    def __init__(self, state: Cluster | None = None, *, pause: Pause = go_on) -> None:
        self.state = state or Cluster("memory", clock=lambda: "2026-06-01T00:00:00Z")
        self.pause = pause

    def observe(self, namespace: str, name: str) -> Observed:
        call = Call("get", namespace, name)
        return self._ask(call, "get", lambda: self.state.get(namespace, name))

    def create_empty(self, namespace: str, name: str) -> Observed:
        body = {"metadata": {"name": name, "namespace": namespace}, "type": "Opaque"}
        call = Call("create", namespace, name)
        return self._ask(call, "create", lambda: self.state.create(namespace, body, FIELD_MANAGER))

    def remove_keys(
        self, namespace: str, name: str, keys: Collection[str], *, uid: str, resource_version: str
    ) -> Observed:
        patch = {"metadata": {"uid": uid, "resourceVersion": resource_version}, "data": dict.fromkeys(keys)}
        call = Call("patch", namespace, name)
        return self._ask(call, "merge", lambda: self.state.merge(namespace, name, patch, FIELD_MANAGER))

    def apply(
        self, namespace: str, name: str, files: Mapping[str, bytes], *, owners: str, uid: str, resource_version: str
    ) -> Observed:
        annotations = {"annotations": {OWNERS_ANNOTATION: owners}} if owners else {}
        metadata = {"name": name, "uid": uid, "resourceVersion": resource_version, **annotations}
        config = {"metadata": metadata, "data": {key: _base64(content) for key, content in files.items()}}
        return self._ask(
            Call("patch", namespace, name),
            "apply",
            lambda: self.state.apply(namespace, name, config, FIELD_MANAGER, force=True),
        )

    def _ask(self, call: Call, verb: str, action: Callable[[], Any]) -> Observed:
        self.pause(f"{verb} {call.namespace}/{call.name} on {self.state.name}")
        self.state.requests[verb] += 1
        try:
            return observed(json.dumps(action().body()).encode())
        except RefusedByCluster as refused:
            body = json.dumps(refused.status).encode()
            if verb == "get" and proves_absence(body, call):
                return MISSING
            raise refusal(refused.code, {}, body, call, token="-") from refused


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
