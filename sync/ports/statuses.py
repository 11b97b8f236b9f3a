"""What pushes found, one row per list and cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sync.ports.stored import Expect, Stored, Unchanged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sync.reconcile.status import ListStatus, ListSummary


class Statuses(Protocol):
    """What pushes found, one row per list and cluster."""

    def get(self, cluster: str, list_name: str) -> Stored[ListStatus] | None:
        """One list's status, or None."""
        ...

    def put(self, status: ListStatus, expect: Expect) -> Unchanged:
        """Write one list's status; `Changed` if it moved on."""
        ...

    def all(self) -> tuple[ListStatus, ...]:
        """Every status."""
        ...

    def summaries(self) -> Mapping[tuple[str, str], ListSummary]:
        """What planning compares of every status, by cluster and list; `ListSummary()` where the row does not tell."""
        ...

    def forget_cluster(self, cluster: str) -> None:
        """Delete a cluster's statuses."""
        ...
