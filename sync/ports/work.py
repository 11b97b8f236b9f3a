"""Marks, due times and leases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sync.ports.stored import Expect, Stored, Unchanged


@dataclass(frozen=True, slots=True)
class PlanMark:
    """Says that a plan message is on its way.

    Attributes:
        at: when it was set; None once cleared.
        delay: seconds that its message was delayed, for doubling in a burst.
    """

    at: datetime | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class ClusterWork:
    """The work that a cluster has before it.

    Attributes:
        mark: when a push message was sent; None once one is being worked on.
        due: when it is due for the next push.
    """

    mark: datetime | None = None
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class VaultWork:
    """When a vault's listing is due, and until when somebody works on it."""

    due: datetime | None = None
    leased_until: datetime | None = None


class Work(Protocol):
    """Marks, due times and leases. Writes return what the next write of the same writer expects."""

    def plan_mark(self) -> Stored[PlanMark] | None:
        """The plan's mark, or None before the first."""
        ...

    def set_plan_mark(self, mark: PlanMark, expect: Expect) -> Unchanged:
        """Write the plan's mark; `Changed` if it moved on."""
        ...

    def planned(self) -> str:
        """The head that was planned last; empty before the first."""
        ...

    def set_planned(self, token: str) -> None:
        """Record the head as planned, whatever it was before."""
        ...

    def cluster(self, name: str) -> Stored[ClusterWork] | None:
        """A cluster's work, or None."""
        ...

    def set_cluster(self, name: str, work: ClusterWork, expect: Expect) -> Unchanged:
        """Write a cluster's work; `Changed` if it moved on."""
        ...

    def forget_cluster(self, name: str) -> None:
        """Delete a cluster's work, if there is any."""
        ...

    def due(self, now: datetime) -> tuple[str, ...]:
        """Names of the clusters whose due time is `now` or earlier."""
        ...

    def vault(self, host: str) -> Stored[VaultWork] | None:
        """A vault's work, or None."""
        ...

    def set_vault(self, host: str, work: VaultWork, expect: Expect) -> Unchanged:
        """Write a vault's work; `Changed` if it moved on."""
        ...
