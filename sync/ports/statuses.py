"""What pushes found, one row per place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sync.ports.stored import Expect, Stored, Unchanged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sync.reconcile.status import ListStatus, ListSummary


class Statuses(Protocol):
    """What pushes found, one row per place."""

    def get(self, place: str) -> Stored[ListStatus] | None:
        """The status of the list at a place, or None."""
        ...

    def put(self, status: ListStatus, expect: Expect) -> Unchanged:
        """Write one list's status; `Changed` if it moved on."""
        ...

    def of_server(self, server: str) -> tuple[ListStatus, ...]:
        """The statuses of an API server's places."""
        ...

    def all(self) -> tuple[ListStatus, ...]:
        """Every status."""
        ...

    def summaries(self) -> Mapping[str, ListSummary]:
        """What planning compares of every status, by place; `ListSummary()` where the row does not tell."""
        ...

    def forget(self, place: str) -> None:
        """Delete the status of the list at a place, if there is one."""
        ...
