"""Rows of tables, whatever keeps the tables: what a table is asked, and the work and the statuses in theirs.

    table       partition   key                     row
    decisions   decisions   head                    the head
                            secret|vault|name, …    what decides, by `catalogue.rows`
    work        plan        mark, planned           the plan's mark, the head last planned
                cluster     name                    a cluster's mark and due time (a column of its own, to ask by it)
                vault       host                    a vault's due time and lease
    status      status      cluster|list            what pushes found (what planning compares: a column of its own)

`Table` is what is asked of a table; Azure Table Storage fulfils it, and so does a double in tests.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from sync.errors import Invalid
from sync.ports.stored import ANYTHING, Expect, Stored, Unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sync.adapters.storage.rows import JsonRows

T = TypeVar("T")

log = logging.getLogger("trustcast.store")


@dataclass(frozen=True, slots=True)
class Operation:
    """One change of one row.

    Attributes:
        key: of the row.
        columns: its new content; None deletes it.
        expect: what the change must find.
    """

    key: str
    columns: Mapping[str, Any] | None
    expect: Expect


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
        """Change one row; returns its new ETag, empty for a deletion. One that expects anything may find nothing.

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
class TypedRows(Generic[T]):
    """One table's rows of one partition, as values of one type.

    A damaged row reads as the `blank` value for its key. Logged; the next write repairs it.
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

    def put(
        self, key: str, value: T, expect: Expect, *, due: datetime | None = None, brief: object = None
    ) -> Unchanged:
        """Write the row; returns what the next write expects."""
        columns = self.rows.encode(value, due=due, brief=brief)
        return Unchanged(self.table.write(self.partition, Operation(key, columns, expect)))

    def delete(self, key: str) -> None:
        """Delete the row if it is there."""
        self.table.write(self.partition, Operation(key, None, ANYTHING))

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
