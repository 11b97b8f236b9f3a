"""Holding removals, for changes of secrets, registrations and the configuration alike (law 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.ports import Losses, RowKind, RowName, Write
from sync.removals import too_much, too_wide

if TYPE_CHECKING:
    from datetime import datetime

    from sync.catalogue import Held, Loss
    from sync.desired import Desires
    from sync.ports import Snapshot
    from sync.service import Service


def must_wait(
    service: Service, after: Desires, lost: tuple[Loss, ...], *, now: datetime, steered: bool, held: bool
) -> bool:
    """Whether losing these files is more than may happen without a person, or was before: time approves nothing.

    Args:
        service: for the limits.
        after: the lists as the change would make them, with the losses of the last 24 hours in its snapshot.
        lost: what the change takes.
        now: UTC.
        steered: the change is one of selectors, labels or registrations.
        held: this change waits for a person already.
    """
    if held and lost:
        return True
    history = after.snapshot.losses.values()
    return too_much(lost, history, after, now=now, limits=service.limits) or (
        steered and too_wide(lost, after, service.limits)
    )


def removal_rows(service: Service, snapshot: Snapshot, what: Held) -> tuple[Write, ...]:
    """The rows that go with a removal: its memory for 24 hours, and its approval, which is used once."""
    if not what.losses:
        return ()
    now = service.clock()
    name = RowName(RowKind.LOSSES, f"{now:%Y%m%dT%H%M%S}|{service.token()[:8]}")
    memory = Write(name, Losses(now, what.losses), None)
    used = Write(RowName(RowKind.APPROVAL, what.digest), None, "*")
    return (memory, used) if what.digest in snapshot.approvals else (memory,)
