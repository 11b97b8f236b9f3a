"""The plan of a cluster's lists, read and not carried out: the same path as a push, up to the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.deadline import Deadline
from sync.errors import NotFound, TrustcastError
from sync.reconcile.plan import Plan, make_plan, writable
from sync.reconcile.status import State

if TYPE_CHECKING:
    from sync.desired.state import DesiredState
    from sync.fleet.clusters import Registration
    from sync.fleet.lists import ListDefinition
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
    desired_state = runtime.desired_state(snapshot)
    definitions = registration.definitions(desired_state.configuration)
    return tuple(_preview(runtime, desired_state, registration, definition) for definition in definitions)


def _preview(
    runtime: Runtime, desired_state: DesiredState, registration: Registration, definition: ListDefinition
) -> Preview:
    stored = runtime.statuses.get(registration.name, definition.name)
    remembered = stored.value.at(registration.place(definition)).applied if stored else {}
    try:
        target = runtime.clusters.connect(registration, Deadline.after(runtime.push_timeout))
        observed = target.observe(definition.namespace, definition.object)
    except TrustcastError as error:
        return Preview(registration.name, definition.name, None, error)
    plan = make_plan(observed, remembered, desired_state.of(registration, definition), desired_state.accounted)
    return Preview(registration.name, definition.name, plan, withheld=_withheld(registration, observed, plan))


def _withheld(registration: Registration, observed: Observed, plan: Plan) -> str:
    if registration.paused:
        return "the cluster is paused"
    if not plan.writes or writable(observed, registration, plan):
        return ""
    if not registration.mode.writes:
        return "the cluster is in mode report: nothing is written"
    return State.SSE_MANAGED.sentence if observed.sse_managed else "the Secret is immutable: delete it on the cluster"
