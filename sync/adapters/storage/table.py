"""Rows of tables, whatever keeps the tables: what a table is asked, and the work and the statuses in theirs.

    table       partition   key                     row
    decisions   decisions   head                    the head
                            secret|vault|name, …    what decides, by `RowName`
    work        plan        mark, planned           the plan's mark, the head last planned
                cluster     name                    a cluster's mark and due time (a column of its own, to ask by it)
                vault       host                    a vault's due time and lease
    status      status      cluster|list            what pushes found (what planning compares: a column of its own)

`Table` is what is asked of a table; Azure Table Storage fulfils it, and so does a double in tests.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from sync.adapters.storage.rows import BRIEF, JsonRows, row_key, unescape
from sync.errors import Invalid
from sync.ports.decisions import ClusterWork, PlanMark, Stored, VaultWork
from sync.reconcile.status import ListStatus, Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

T = TypeVar("T")

log = logging.getLogger("trustcast.store")


@dataclass(frozen=True, slots=True)
class Operation:
    """One change of one row.

    Attributes:
        key: of the row.
        columns: its new content; None deletes it.
        etag: of the row as read; None: it must not exist; "*": whatever it is.
    """

    key: str
    columns: Mapping[str, Any] | None
    etag: str | None


class Table(Protocol):
    """One table. Rows have a partition, a key, columns and an ETag that every write replaces."""

    def get(self, partition: str, key: str) -> Stored[Mapping[str, Any]] | None:
        """One row, or None."""
        ...

    def scan(
        self, partition: str, *, prefix: str = "", due_by: datetime | None = None, only: Sequence[str] = ()
    ) -> Iterator[tuple[str, Stored[Mapping[str, Any]]]]:
        """Rows of the partition with their keys, in the order of the keys, all pages.

        Args:
            partition: which.
            prefix: only rows whose key begins so.
            due_by: only rows whose column `due` is this time or earlier.
            only: the columns to read, where a row has them; none means all.
        """
        ...

    def write(self, partition: str, operation: Operation) -> str:
        """Change one row and give its new ETag, empty for a deletion. A deletion with "*" may find nothing.

        Raises:
            Changed: the row is not what the operation names.
        """
        ...

    def transact(self, partition: str, operations: Sequence[Operation]) -> None:
        """Make all changes or none.

        Raises:
            Changed: a row is not what its operation names, or one to delete is not there.
        """
        ...


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """One table's rows of one partition, as values of one type.

    A row that is damaged reads as the `blank` value for its key, is told, and mended by the next write.
    """

    table: Table
    rows: JsonRows
    partition: str
    kind: type[T]
    blank: Callable[[str], T]

    def get(self, key: str) -> Stored[T] | None:
        """The row's value with its ETag, or None."""
        found = self.table.get(self.partition, key)
        return Stored(self._value(key, found), found.etag) if found else None

    def put(self, key: str, value: T, etag: str | None, *, due: datetime | None = None, brief: object = None) -> str:
        """Write the row on its ETag; gives the new one."""
        columns = self.rows.encode(value, due=due, brief=brief)
        return self.table.write(self.partition, Operation(key, columns, etag))

    def delete(self, key: str) -> None:
        """Delete the row if it is there."""
        self.table.write(self.partition, Operation(key, None, "*"))

    def items(self, *, due_by: datetime | None = None) -> Iterator[tuple[str, T]]:
        """Keys and values of all rows, or of those due about then: servers may compare less than microseconds."""
        found = self.table.scan(self.partition, due_by=due_by)
        return ((key, self._value(key, stored)) for key, stored in found)

    def _value(self, key: str, found: Stored[Mapping[str, Any]]) -> T:
        try:
            return self.rows.decode(found.value, self.kind, f"{self.partition} {key}")
        except Invalid as error:
            log.warning("counts as empty: %s", error)
            return self.blank(key)


@dataclass(frozen=True, slots=True)
class Planned:
    """The head that was planned last."""

    token: str


class TableWork:
    """`ports.Work` over a table."""

    def __init__(self, table: Table, rows: JsonRows | None = None) -> None:
        rows = rows or JsonRows()
        self._table = table
        self._mark = Kept(table, rows, "plan", PlanMark, lambda _: PlanMark())
        self._planned = Kept(table, rows, "plan", Planned, lambda _: Planned(""))
        self._clusters = Kept(table, rows, "cluster", ClusterWork, lambda _: ClusterWork())
        self._vaults = Kept(table, rows, "vault", VaultWork, lambda _: VaultWork())

    def plan_mark(self) -> Stored[PlanMark] | None:
        """The mark, or None if there never was one."""
        return self._mark.get("mark")

    def set_plan_mark(self, mark: PlanMark, etag: str | None) -> str:
        """Write the mark on its ETag."""
        return self._mark.put("mark", mark, etag)

    def planned(self) -> str:
        """Token of the head that was planned last; empty before the first."""
        stored = self._planned.get("planned")
        return stored.value.token if stored else ""

    def set_planned(self, token: str) -> None:
        """Remember the head that was planned last."""
        self._planned.put("planned", Planned(token), "*")

    def cluster(self, name: str) -> Stored[ClusterWork] | None:
        """A cluster's work, or None."""
        return self._clusters.get(row_key(name))

    def set_cluster(self, name: str, work: ClusterWork, etag: str | None) -> str:
        """Write a cluster's work on its ETag."""
        return self._clusters.put(row_key(name), work, etag, due=work.due)

    def forget_cluster(self, name: str) -> None:
        """Delete a cluster's work if there is any."""
        self._clusters.delete(row_key(name))

    def due(self, now: datetime) -> tuple[str, ...]:
        """Names of the clusters whose due time is `now` or earlier, or lost with a damaged row."""
        found = self._clusters.items(due_by=now)
        return tuple(unescape(key) for key, work in found if work.due is None or work.due <= now)

    def vault(self, host: str) -> Stored[VaultWork] | None:
        """A vault's work, or None."""
        return self._vaults.get(row_key(host.casefold()))

    def set_vault(self, host: str, work: VaultWork, etag: str | None) -> str:
        """Write a vault's work on its ETag."""
        return self._vaults.put(row_key(host.casefold()), work, etag)


class TableStatuses:
    """`ports.Statuses` over a table."""

    def __init__(self, table: Table, rows: JsonRows | None = None) -> None:
        self._table = table
        self._rows = rows or JsonRows()
        self._statuses = Kept(table, self._rows, "status", ListStatus, _unknown)

    def get(self, cluster: str, list_name: str) -> Stored[ListStatus] | None:
        """The status of a list on a cluster, or None."""
        return self._statuses.get(row_key(cluster, list_name))

    def put(self, status: ListStatus, etag: str | None) -> str:
        """Write a status on its ETag."""
        return self._statuses.put(row_key(status.cluster, status.list), status, etag, brief=status.standing)

    def all(self) -> tuple[ListStatus, ...]:
        """All statuses, by cluster and list. Lists that hold alike share their mappings: fleets mostly hold alike."""
        shared: dict[object, Any] = {}
        return tuple(_sharing(status, shared) for _, status in self._statuses.items())

    def standings(self) -> Mapping[tuple[str, str], Standing]:
        """What planning compares of all statuses; the lists of files stay in the table."""
        found = self._table.scan("status", only=("schema", BRIEF))
        return {_names(key): self._rows.brief(row.value, Standing, key) or Standing() for key, row in found}

    def forget_cluster(self, cluster: str) -> None:
        """Delete the statuses of a cluster's lists."""
        for key in [key for key, _ in self._table.scan("status", prefix=row_key(cluster) + "|", only=("schema",))]:
            self._statuses.delete(key)


def _names(key: str) -> tuple[str, str]:
    cluster, list_name = map(unescape, key.split("|"))
    return cluster, list_name


def _unknown(key: str) -> ListStatus:
    return ListStatus(*_names(key))


def _sharing(status: ListStatus, shared: dict[object, Any]) -> ListStatus:
    applied, thumbprints = (
        shared.setdefault(tuple(mapping.items()), mapping) for mapping in (status.applied, status.thumbprints)
    )
    return replace(status, applied=applied, thumbprints=thumbprints)
