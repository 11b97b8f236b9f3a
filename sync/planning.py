"""Step `plan_fleet`: which clusters differ from what they should hold; each gets a push message of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.ports import PlanMark
from sync.requests import request_push
from sync.status import ListStatus, State

if TYPE_CHECKING:
    from datetime import datetime

    from sync.clusters import Registration
    from sync.desired import Desired, Desires
    from sync.service import Service


def plan_fleet(service: Service, *, first_delivery: bool = True) -> None:
    """Ask for a push of every cluster whose lists differ; the head counts as planned only after the last request.

    Where nothing was ever planned, or the table that tells was emptied, no cluster has a due time: every one is pushed.

    Args:
        service: ports and settings.
        first_delivery: False for a redelivered message, which does its work whatever marks and `planned` say.

    Raises:
        TrustcastError: the storage failed; the message comes back.
    """
    _clear_mark(service)
    head, planned = service.decisions.head().value, service.work.planned()
    if first_delivery and planned == head.token:
        return
    snapshot = service.decisions.snapshot()
    desires = service.desires(snapshot)
    statuses = {(s.cluster, s.list): s for s in service.statuses.all()}
    now = service.clock()
    for registration in snapshot.clusters.values():
        if not planned or needs_push(registration, desires, statuses, now):
            request_push(service, registration.name, "plan", regardless=not first_delivery)
    service.work.set_planned(head.token)


def _clear_mark(service: Service) -> None:
    stored = service.work.plan_mark()
    if stored and stored.value.at is not None:
        service.work.set_plan_mark(PlanMark(None, stored.value.delay), "*")


def needs_push(
    registration: Registration,
    desires: Desires,
    statuses: dict[tuple[str, str], ListStatus],
    now: datetime,
) -> bool:
    """Whether any list of the cluster is not as its status last knew it; offline ones wait for their due time."""
    for definition in registration.definitions(desires.configuration):
        status = statuses.get((registration.name, definition.name))
        if status is None:
            return True
        if registration.paused:
            if status.state is not State.PAUSED:
                return True
            continue
        waits = status.state is State.OFFLINE and status.due is not None and status.due > now
        held = (registration.name, definition.name) in desires.held
        if not waits and differs(status, desires.of(registration, definition), held=held):
            return True
    return False


def differs(status: ListStatus, desired: Desired, *, held: bool) -> bool:
    """Whether the status is of other content than desired, or remembers a file that must leave."""
    leaving = any(name in desired.gone for name in status.applied if name not in desired.files)
    return (
        status.digest != desired.digest
        or leaving
        or status.state is State.PAUSED
        or held != (status.state is State.REMOVAL_HELD)
    )
