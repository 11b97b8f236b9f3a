"""The plan of a cluster's lists, read and not carried out: the same path as a push, up to the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.deadline import Deadline
from sync.errors import NotFound, TrustcastError
from sync.reconcile.context import ListContext
from sync.reconcile.memory import NO_MEMORY
from sync.reconcile.plan import Plan, make_plan, writable
from sync.reconcile.sharing import refuse_shared
from sync.reconcile.status import State
from sync.steps.push import places_of

if TYPE_CHECKING:
    from sync.fleet.clusters import Registration
    from sync.reconcile.observed import Observed
    from sync.steps.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Preview:
    """One list's plan, or why it has none.

    Attributes:
        cluster, list: which.
        plan: None where the list could not be read.
        error: why not.
        withheld: why a push would not carry out the plan's writes; empty where it would.
    """

    cluster: str
    list: str
    plan: Plan | None
    error: TrustcastError | None = None
    withheld: str = ""


def preview_cluster(runtime: Runtime, name: str) -> tuple[Preview, ...]:
    """What a push of the cluster would do now.

    Raises:
        NotFound: no such cluster is registered.
    """
    snapshot = runtime.decisions.snapshot()
    registration = snapshot.clusters.get(name)
    if registration is None:
        raise NotFound(f"no cluster {name} is registered; see `trustcast clusters list`")
    state = runtime.desired_state(snapshot)
    named = {registration.place(each): each for each in registration.definitions(state.configuration)}
    contexts = (
        ListContext(state, registration, named.get(place), place, runtime.clock(), runtime.limits)
        for place in places_of(runtime, snapshot, registration)
    )
    return tuple(_preview(runtime, context) for context in contexts)


def _preview(runtime: Runtime, context: ListContext) -> Preview:
    stored = runtime.statuses.get(context.place)
    cluster = context.registration
    try:
        target = runtime.clusters.connect(cluster, Deadline.after(runtime.push_timeout))
        observed = target.observe(*context.place.rsplit("/", 2)[1:])
        refuse_shared(context.state, cluster, context.place, observed)
    except TrustcastError as error:
        return Preview(cluster.name, context.list_name, None, error)
    plan = make_plan(observed, stored.value.memory if stored else NO_MEMORY, context)
    return Preview(cluster.name, context.list_name, plan, withheld=_withheld(cluster, observed, plan))


def _withheld(registration: Registration, observed: Observed, plan: Plan) -> str:
    if registration.paused:
        return "the cluster is paused"
    if not plan.writes or writable(observed, registration, plan):
        return ""
    if not registration.mode.writes:
        return "the cluster is in mode report: nothing is written"
    return State.SSE_MANAGED.sentence if observed.sse_managed else "the Secret is immutable: delete it on the cluster"
