"""Sending messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sync.ports.messages import PlanFleet, PushCluster


class Queues(Protocol):
    """Sends messages; they carry names and a reason, never content. Delays are seconds."""

    def send_plan(self, message: PlanFleet, delay: float = 0.0) -> None:
        """Send a plan message."""
        ...

    def send_push(self, message: PushCluster, delay: float = 0.0) -> None:
        """Send a push message."""
        ...
