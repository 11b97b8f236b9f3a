"""The statuses in a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sync.adapters.storage.rows import BRIEF, JsonRows, row_key, unescape
from sync.adapters.storage.table import Table, TypedRows
from sync.reconcile.status import ListStatus, ListSummary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sync.ports.stored import Expect, Stored, Unchanged


class TableStatuses:
    """`ports.Statuses` over a table."""

    def __init__(self, table: Table, rows: JsonRows | None = None) -> None:
        self._table = table
        self._rows = rows or JsonRows()
        self._statuses = TypedRows(table, self._rows, "status", ListStatus, _unknown)

    def get(self, cluster: str, list_name: str) -> Stored[ListStatus] | None:
        """The status of a list on a cluster, or None."""
        return self._statuses.get(row_key(cluster, list_name))

    def put(self, status: ListStatus, expect: Expect) -> Unchanged:
        """Write a status where it finds what is expected."""
        return self._statuses.put(row_key(status.cluster, status.list), status, expect, brief=status.summary)

    def all(self) -> tuple[ListStatus, ...]:
        """All statuses, by cluster and list. Lists that hold alike share their mappings: fleets mostly hold alike."""
        shared: dict[object, Any] = {}
        return tuple(_sharing(status, shared) for _, status in self._statuses.items())

    def summaries(self) -> Mapping[tuple[str, str], ListSummary]:
        """What planning compares of all statuses; the lists of files stay in the table."""
        found = self._table.scan("status", only=("schema", BRIEF))
        return {_names(key): self._rows.brief(row.value, ListSummary, key) or ListSummary() for key, row in found}

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
