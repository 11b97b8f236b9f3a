"""The statuses in a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sync.adapters.storage.rows import BRIEF, JsonRows, row_key, unescape
from sync.adapters.storage.table import Table, TypedRows
from sync.reconcile.status import ListStatus, ListSummary, unknown_status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sync.ports.stored import Expect, Stored, Unchanged


PARTITION = "place"


class TableStatuses:
    """`ports.Statuses` over a table."""

    def __init__(self, table: Table, rows: JsonRows | None = None) -> None:
        self._table = table
        self._rows = rows or JsonRows()
        self._statuses = TypedRows(table, self._rows, PARTITION, ListStatus, _unknown)

    def get(self, place: str) -> Stored[ListStatus] | None:
        """The status of the list at a place, or None."""
        return self._statuses.get(_key(place))

    def put(self, status: ListStatus, expect: Expect) -> Unchanged:
        """Write a status where it finds what is expected."""
        return self._statuses.put(_key(status.place), status, expect, brief=status.summary)

    def of_server(self, server: str) -> tuple[ListStatus, ...]:
        """The statuses of an API server's places."""
        found = self._table.scan(PARTITION, prefix=row_key(server) + "|")
        return tuple(self._rows.decode(row.value, ListStatus, key) for key, row in found)

    def all(self) -> tuple[ListStatus, ...]:
        """All statuses, by place. Lists that hold alike share their mappings: fleets mostly hold alike."""
        shared: dict[object, Any] = {}
        return tuple(_sharing(status, shared) for _, status in self._statuses.items())

    def summaries(self) -> Mapping[str, ListSummary]:
        """What planning compares of all statuses; the lists of files stay in the table."""
        found = self._table.scan(PARTITION, only=("schema", BRIEF))
        return {_place(key): self._rows.brief(row.value, ListSummary, key) or ListSummary() for key, row in found}

    def forget(self, place: str) -> None:
        """Delete the status of the list at a place, if there is one."""
        self._statuses.delete(_key(place))


def _key(place: str) -> str:
    return row_key(*place.rsplit("/", 2))


def _place(key: str) -> str:
    return "/".join(map(unescape, key.split("|")))


def _unknown(key: str) -> ListStatus:
    return unknown_status(_place(key), "")


def _sharing(status: ListStatus, shared: dict[object, Any]) -> ListStatus:
    files, thumbprints = (
        shared.setdefault(tuple(mapping.items()), mapping) for mapping in (status.files, status.thumbprints)
    )
    return replace(status, files=files, thumbprints=thumbprints)
