"""Step `plan_fleet`: which clusters differ from what they should hold; each gets a push message of its own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sync.errors import TrustcastError
from sync.fleet.clusters import Mode
from sync.ports.stored import ANYTHING
from sync.ports.work import PlanMark
from sync.reconcile.status import State
from sync.steps.enqueue import request_push

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sync.desired.state import DesiredList, DesiredState
    from sync.fleet.clusters import Registration
    from sync.reconcile.status import ListSummary
    from sync.steps.runtime import Runtime

log = logging.getLogger("trustcast.plan")


def plan_fleet(runtime: Runtime, *, redelivered: bool = False) -> None:
    """Ask for a push of every cluster whose lists differ; the head counts as planned only after the last request.

    Where nothing was planned yet, or the table that records it was emptied, no cluster has a due time: all are pushed.

    Args:
        runtime: ports and settings.
        redelivered: the message was delivered before, which does its work whatever marks and `planned` say.

    Raises:
        TrustcastError: the storage failed; the message comes back.
    """
    _clear_mark(runtime)
    head, planned = runtime.decisions.head().value, runtime.work.planned()
    if not redelivered and planned == head.token:
        return
    snapshot = runtime.decisions.snapshot()
    desired_state = runtime.desired_state(snapshot)
    summaries = runtime.statuses.summaries()
    fleet = snapshot.clusters.values()
    differing = [each.name for each in fleet if not planned or needs_push(runtime, each, desired_state, summaries)]
    request_pushes(runtime, differing, "plan", force=redelivered)
    runtime.work.set_planned(head.token)


def request_pushes(runtime: Runtime, clusters: Iterable[str], reason: str, *, force: bool = False) -> None:
    """Ask for a push of each, several at a time; one that cannot be asked for stops no other (law 8).

    Raises:
        TrustcastError: the first that went wrong, once all were tried.
    """

    def ask(cluster: str) -> TrustcastError | None:
        try:
            request_push(runtime, cluster, reason, force=force)
        except TrustcastError as error:
            log.warning("a push of %s could not be asked for: %s", cluster, error)
            return error
        return None

    if failures := [failure for failure in runtime.for_each(ask, clusters) if failure]:
        raise failures[0]


def _clear_mark(runtime: Runtime) -> None:
    stored = runtime.work.plan_mark()
    if stored and stored.value.at is not None:
        runtime.work.set_plan_mark(PlanMark(None, stored.value.delay), ANYTHING)


def needs_push(
    runtime: Runtime,
    registration: Registration,
    desired_state: DesiredState,
    summaries: Mapping[tuple[str, str], ListSummary],
) -> bool:
    """Whether any list of the cluster is not as its status last knew it; offline ones wait for their due time."""
    now = runtime.clock()
    for definition in registration.definitions(desired_state.configuration):
        list_key = (registration.name, definition.name)
        summary = summaries.get(list_key)
        if summary is None or summary.place != registration.place(definition):
            return True
        if registration.paused:
            if summary.state is not State.PAUSED:
                return True
            continue
        waits = summary.state is State.OFFLINE and summary.due is not None and summary.due > now
        desired = desired_state.of(registration, definition)
        if not waits and (
            differs(summary, desired, held=list_key in desired_state.held)
            or (summary.state is State.DRIFTED and registration.mode is Mode.REPAIR)
            or (summary.applied != desired.digest and _remembers_leaving(runtime, list_key, desired))
        ):
            return True
    return False


def differs(summary: ListSummary, desired: DesiredList, *, held: bool) -> bool:
    """Whether the list stood otherwise than desired when it was last looked at."""
    return (
        summary.digest != desired.digest
        or summary.state is State.PAUSED
        or held != (summary.state is State.REMOVAL_HELD)
    )


def _remembers_leaving(runtime: Runtime, list_key: tuple[str, str], desired: DesiredList) -> bool:
    """Whether a file that must leave is ours there; asked of the few lists that hold something else than desired."""
    stored = runtime.statuses.get(*list_key) if desired.to_remove else None
    applied = stored.value.applied if stored else {}
    return any(name in desired.to_remove for name in applied if name not in desired.files)
