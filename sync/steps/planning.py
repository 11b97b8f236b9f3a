"""Step `plan_fleet`: which clusters differ from what they should hold; each gets a push message of its own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sync.errors import TrustcastError
from sync.fleet.clusters import Mode
from sync.ports.work import PlanMark
from sync.reconcile.status import State
from sync.steps.enqueue import request_push

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sync.desired.state import Desired, Desires
    from sync.fleet.clusters import Registration
    from sync.reconcile.status import Standing
    from sync.steps.runtime import Service

log = logging.getLogger("trustcast.plan")


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
    standings = service.statuses.standings()
    fleet = snapshot.clusters.values()
    differing = [each.name for each in fleet if not planned or needs_push(service, each, desires, standings)]
    request_pushes(service, differing, "plan", regardless=not first_delivery)
    service.work.set_planned(head.token)


def request_pushes(service: Service, clusters: Iterable[str], reason: str, *, regardless: bool = False) -> None:
    """Ask for a push of each, several at a time; one that cannot be asked for stops no other (law 8).

    Raises:
        TrustcastError: the first that went wrong, once all were tried.
    """

    def ask(cluster: str) -> TrustcastError | None:
        try:
            request_push(service, cluster, reason, regardless=regardless)
        except TrustcastError as error:
            log.warning("a push of %s could not be asked for: %s", cluster, error)
            return error
        return None

    if failures := [failure for failure in service.each(ask, clusters) if failure]:
        raise failures[0]


def _clear_mark(service: Service) -> None:
    stored = service.work.plan_mark()
    if stored and stored.value.at is not None:
        service.work.set_plan_mark(PlanMark(None, stored.value.delay), "*")


def needs_push(
    service: Service, registration: Registration, desires: Desires, standings: Mapping[tuple[str, str], Standing]
) -> bool:
    """Whether any list of the cluster is not as its status last knew it; offline ones wait for their due time."""
    now = service.clock()
    for definition in registration.definitions(desires.configuration):
        where = (registration.name, definition.name)
        standing = standings.get(where)
        if standing is None or standing.place != registration.place(definition):
            return True
        if registration.paused:
            if standing.state is not State.PAUSED:
                return True
            continue
        waits = standing.state is State.OFFLINE and standing.due is not None and standing.due > now
        desired = desires.of(registration, definition)
        if not waits and (
            differs(standing, desired, held=where in desires.held)
            or (standing.state is State.DRIFTED and registration.mode is Mode.REPAIR)
            or (standing.applied != desired.digest and _remembers_leaving(service, where, desired))
        ):
            return True
    return False


def differs(standing: Standing, desired: Desired, *, held: bool) -> bool:
    """Whether the list stood otherwise than desired when it was last looked at."""
    return (
        standing.digest != desired.digest
        or standing.state is State.PAUSED
        or held != (standing.state is State.REMOVAL_HELD)
    )


def _remembers_leaving(service: Service, where: tuple[str, str], desired: Desired) -> bool:
    """Whether a file that must leave is ours there; asked of the few lists that hold something else than desired."""
    stored = service.statuses.get(*where) if desired.gone else None
    applied = stored.value.applied if stored else {}
    return any(name in desired.gone for name in applied if name not in desired.files)
