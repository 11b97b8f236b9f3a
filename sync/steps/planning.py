"""Step `plan_fleet`: which clusters differ from what they should hold; each gets a push message of its own."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING

from sync.desired.reasons import KeptReason, Leaves, Stays
from sync.errors import TrustcastError
from sync.fleet.clusters import Mode
from sync.ports.stored import ANYTHING
from sync.ports.work import PlanMark
from sync.reconcile.context import ListContext
from sync.reconcile.outcome import fact_of
from sync.reconcile.status import State
from sync.steps.enqueue import request_push

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sync.desired.state import DesiredState
    from sync.fleet.clusters import Registration
    from sync.fleet.lists import ListDefinition
    from sync.reconcile.status import KeptFact, ListSummary
    from sync.steps.runtime import Runtime

log = logging.getLogger("trustcast.plan")

CONTESTED = frozenset({KeptReason.OLDER.value, KeptReason.NOT_WHOLE.value})
"""Why a file stays that only the list itself tells; it is looked at again with whatever its digest covers."""


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
    by_server: dict[str, dict[str, ListSummary]] = defaultdict(dict)
    for place, summary in runtime.statuses.summaries().items():
        by_server[place.rsplit("/", 2)[0]][place] = summary
    fleet = snapshot.clusters.values()
    differing = [
        each.name for each in fleet if not planned or needs_push(runtime, each, desired_state, by_server[each.server])
    ]
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
    runtime: Runtime, registration: Registration, state: DesiredState, summaries: Mapping[str, ListSummary]
) -> bool:
    """Whether any list of the cluster is not as its status last knew it; offline ones wait for their due time.

    Args:
        runtime: ports and settings.
        registration: the cluster.
        state: what its lists should hold.
        summaries: of the places of its API server.
    """
    named = {registration.place(each): each for each in registration.definitions(state.configuration)}
    unnamed = (place for place, summary in summaries.items() if place not in named and summary.holds)
    left = (place for place in unnamed if state.looked_after_by(registration, place))
    return any(
        _differs(runtime, registration, state, place, named.get(place), summaries.get(place))
        for place in (*named, *left)
    )


def _differs(
    runtime: Runtime,
    registration: Registration,
    state: DesiredState,
    place: str,
    definition: ListDefinition | None,
    summary: ListSummary | None,
) -> bool:
    """Whether the list stood otherwise than desired when it was last looked at."""
    if summary is None or summary.cluster != registration.name:
        return True
    if registration.paused or summary.state is State.PAUSED:
        return registration.paused != (summary.state is State.PAUSED)
    now = runtime.clock()
    if summary.state is State.OFFLINE and summary.due is not None and summary.due > now:
        return False
    context = ListContext(state, registration, definition, place, now, runtime.limits)
    return (
        summary.digest != context.desired.digest
        or (summary.state is State.DRIFTED and registration.mode is Mode.REPAIR)
        or summary.many
        or any(_is_otherwise(context, kept) for kept in summary.kept)
    )


def _is_otherwise(context: ListContext, kept: KeptFact) -> bool:
    """Whether a file that was kept stands otherwise now: another reason, or a person's consent."""
    said = context.reason_of(kept.owner, kept.version, kept.file)
    match said:
        case Leaves():
            return kept.fact != fact_of(said, "") or context.approved(kept.owner, said)
        case Stays(why):
            return kept.fact not in {why.value, *CONTESTED}
