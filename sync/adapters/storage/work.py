"""Marks, due times and leases in a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.adapters.storage.rows import JsonRows, row_key, unescape
from sync.adapters.storage.table import Table, TypedRows
from sync.ports.stored import ANYTHING, Expect, Unchanged
from sync.ports.work import ClusterWork, PlanMark, VaultWork

if TYPE_CHECKING:
    from datetime import datetime

    from sync.ports.stored import Stored


@dataclass(frozen=True, slots=True)
class Planned:
    """The head that was planned last."""

    token: str


class TableWork:
    """`ports.Work` over a table."""

    def __init__(self, table: Table, rows: JsonRows | None = None) -> None:
        rows = rows or JsonRows()
        self._table = table
        self._mark = TypedRows(table, rows, "plan", PlanMark, lambda _: PlanMark())
        self._planned = TypedRows(table, rows, "plan", Planned, lambda _: Planned(""))
        self._clusters = TypedRows(table, rows, "cluster", ClusterWork, lambda _: ClusterWork())
        self._vaults = TypedRows(table, rows, "vault", VaultWork, lambda _: VaultWork())

    def plan_mark(self) -> Stored[PlanMark] | None:
        """The mark, or None if there never was one."""
        return self._mark.get("mark")

    def set_plan_mark(self, mark: PlanMark, expect: Expect) -> Unchanged:
        """Write the mark where it finds what is expected."""
        return self._mark.put("mark", mark, expect)

    def planned(self) -> str:
        """Token of the head that was planned last; empty before the first."""
        stored = self._planned.get("planned")
        return stored.value.token if stored else ""

    def set_planned(self, token: str) -> None:
        """Remember the head that was planned last."""
        self._planned.put("planned", Planned(token), ANYTHING)

    def cluster(self, name: str) -> Stored[ClusterWork] | None:
        """A cluster's work, or None."""
        return self._clusters.get(row_key(name))

    def set_cluster(self, name: str, work: ClusterWork, expect: Expect) -> Unchanged:
        """Write a cluster's work where it finds what is expected."""
        return self._clusters.put(row_key(name), work, expect, due=work.due)

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

    def set_vault(self, host: str, work: VaultWork, expect: Expect) -> Unchanged:
        """Write a vault's work where it finds what is expected."""
        return self._vaults.put(row_key(host.casefold()), work, expect)
