"""When a verification counts as stale (law 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.reconcile.status import ListStatus, State

if TYPE_CHECKING:
    from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Freshness:
    """By what a verification counts as stale (law 10): the time, and the stated bound."""

    now: datetime
    bound: timedelta

    def stale(self, status: ListStatus) -> bool:
        """Whether the list was not verified within the bound; a paused one need not be."""
        return status.state is not State.PAUSED and status.overdue(self.now, self.bound)

    def fine(self, status: ListStatus) -> bool:
        """Whether there is nothing to do about the list."""
        return status.state is State.PAUSED or (status.state is State.IN_SYNC and not self.stale(status))
