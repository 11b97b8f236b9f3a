"""Steps `push_cluster` and `push_list`: observe, plan, apply, record; one list after the other.

`push_cluster` clears the cluster's mark before it reads anything, pushes each list, and sets the next due time last.
`push_list`:

    1  read the list's status, with its ETag
    2  observe the object on the cluster
    3  read the head, and what decides
    4  plan: what must change (pure)
    5  carry the plan out, on the uid and resourceVersion that were observed
    6  write the status on its ETag, with the head of step 3; where anything changed meanwhile, begin again at 1
    7  if the head has moved since, ask for another push: the very last act, in sync or not

Any other order lets an old list stand (tests/laws/test_law07_*).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sync.deadline import Deadline
from sync.errors import Changed, Invalid, TokenRejected, TrustcastError
from sync.ports.stored import ABSENT, Expect, as_read
from sync.ports.work import ClusterWork
from sync.reconcile.context import ListContext
from sync.reconcile.outcome import PushResult, contended, failed, paused, status_after
from sync.reconcile.plan import Plan, after, make_plan, writable
from sync.reconcile.sharing import refuse_shared
from sync.reconcile.status import ListStatus, State, unknown_status
from sync.steps.enqueue import request_push

if TYPE_CHECKING:
    from datetime import datetime

    from sync.catalogue.snapshot import Snapshot
    from sync.fleet.clusters import Registration
    from sync.fleet.lists import ListDefinition
    from sync.ports.clusters import Target
    from sync.reconcile.observed import Observed
    from sync.steps.runtime import Runtime

log = logging.getLogger("trustcast.push")

TRIES = 4
"""How often one push tries a list again when the object or a row changed meanwhile."""


def push_cluster(runtime: Runtime, name: str, *, redelivered: bool = False) -> tuple[ListStatus, ...]:
    """Bring one cluster's lists to what they should hold and record what came of it.

    Args:
        runtime: ports and settings.
        name: the cluster's name; one that is not registered any more is forgotten.
        redelivered: the message was delivered before.

    Returns:
        The statuses as written, one per list.

    Raises:
        TrustcastError: the storage failed; the message comes back. A cluster's failure never raises.
    """
    cleared = _clear_mark(runtime, name)
    snapshot = runtime.decisions.snapshot()
    registration = snapshot.clusters.get(name)
    if registration is None:
        runtime.work.forget_cluster(name)
        return ()
    deadline = Deadline.after(runtime.push_timeout)
    outcomes = [
        _push_one(runtime, PushTask(name, place, deadline), snapshot, redelivered)
        for place in places_of(runtime, snapshot, registration)
    ]
    due = min((s.due for s in outcomes if s.due is not None), default=None)
    _set_due(runtime, name, due, cleared)
    return tuple(outcomes)


def places_of(runtime: Runtime, snapshot: Snapshot, registration: Registration) -> tuple[str, ...]:
    """The places of a cluster: of its lists, then those that no definition names any more and that hold ours yet."""
    state = runtime.desired_state(snapshot)
    known = runtime.statuses.of_server(registration.server)
    left = (status.place for status in known if status.files and state.looked_after_by(registration, status.place))
    return tuple(dict.fromkeys((*registration.places(state.configuration), *left)))


def _clear_mark(runtime: Runtime, name: str) -> Expect | None:
    """Clear the mark before anything is read; the due time stays, so that a push that dies is sent again.

    Returns:
        The row as the clearing left it; None where it changes too fast: its writer asks for a push.
    """
    for _ in range(TRIES):
        stored = runtime.work.cluster(name)
        if stored is None:
            return ABSENT
        try:
            return runtime.work.set_cluster(name, ClusterWork(None, stored.value.due), stored.unchanged)
        except Changed:
            continue
    return None


def _set_due(runtime: Runtime, name: str, due: datetime | None, cleared: Expect | None) -> None:
    """Set when the cluster is due again; where it was asked for or pushed meanwhile, the earlier time holds.

    A push that ended in between knows nothing of what this one met: its later time would make a list that is due now,
    or an offline cluster, wait for the next verification.
    """
    wanted = _DueTime(ClusterWork(None, due), cleared) if cleared else _earlier(runtime, name, due)
    for _ in range(TRIES):
        if wanted is None:
            return
        try:
            runtime.work.set_cluster(name, wanted.work, wanted.expect)
        except Changed:
            wanted = _earlier(runtime, name, due)
        else:
            return
    log.debug("%s changes too fast; its writer sets the due time", name)


@dataclass(frozen=True, slots=True)
class _DueTime:
    """A cluster's work with the due time to write, and the row that it must find."""

    work: ClusterWork
    expect: Expect


def _earlier(runtime: Runtime, name: str, due: datetime | None) -> _DueTime | None:
    """The due time to write over the present one; None where that is earlier, or there is no row."""
    stored = runtime.work.cluster(name)
    if stored is None or due is None or (stored.value.due is not None and stored.value.due <= due):
        return None
    return _DueTime(ClusterWork(stored.value.mark, due), stored.unchanged)


@dataclass(frozen=True, slots=True)
class PushTask:
    """One place of one cluster to push, within the time of the cluster's push."""

    cluster: str
    place: str
    deadline: Deadline


def _push_one(runtime: Runtime, task: PushTask, known: Snapshot, redelivered: bool) -> ListStatus:
    """Push one list; whether the head has moved is asked last, in sync or not."""
    status, head = push_list(runtime, task, known)
    if runtime.decisions.head().value.token != head:  # 7
        request_push(runtime, task.cluster, "the head moved", force=redelivered)
    return status


def push_list(runtime: Runtime, task: PushTask, known: Snapshot) -> tuple[ListStatus, str]:
    """One list of one cluster: the status as written, and the head that decided it.

    What changes under way is tried again, a few times; then the list asks for a look now. `known` says where the
    cluster is; what decides is read after the list was observed.
    """
    for _ in range(TRIES):
        stored = runtime.statuses.get(task.place)  # 1
        status = stored.value if stored else unknown_status(task.place, task.cluster)
        try:
            new = _attempt(runtime, task, status, known)  # 2 to 5
            if new != status:
                new = _recorded(runtime, status, new, as_read(stored))  # 6
        except Changed:
            known = runtime.decisions.snapshot()
            continue
        _log_change(status, new)
        return new, new.head
    return _given_up(runtime, task), runtime.decisions.head().value.token


def _recorded(runtime: Runtime, before: ListStatus, status: ListStatus, expect: Expect) -> ListStatus:
    """The status as written; if the storage refuses it, the previous one with the reason: no other list waits."""
    try:
        runtime.statuses.put(status, expect)
    except Invalid as error:
        known = replace(before, changed=status.changed)
        reason = Invalid(f"{error}: what the object holds cannot be remembered; remove keys from it on the cluster")
        status = failed(known, reason, runtime.clock(), runtime.intervals, status.head)
        runtime.statuses.put(status, expect)
    return status


def _given_up(runtime: Runtime, task: PushTask) -> ListStatus:
    """The list changed under every try: it is pending, and due now."""
    stored = runtime.statuses.get(task.place)
    before = stored.value if stored else unknown_status(task.place, task.cluster)
    status = contended(before, runtime.clock())
    try:
        runtime.statuses.put(status, as_read(stored))
    except Changed:
        log.debug("%s: somebody else recorded it meanwhile", task.place)
    return status


def _attempt(runtime: Runtime, task: PushTask, previous: ListStatus, before: Snapshot) -> ListStatus:
    """Observe, then read what decides, then write what differs.

    Raises:
        Changed: the object, the registration or the list's definition changed under way.
    """
    now = runtime.clock()
    place = _place_of(runtime, before, task)
    previous = replace(previous, cluster=task.cluster, list=place.list)
    if place.registration.paused:
        latest = runtime.decisions.snapshot()
        if _place_of(runtime, latest, task).registration.paused:
            return paused(previous, latest.head.token)
        raise Changed(f"{task.cluster} was resumed")
    try:
        open_list = _observe(runtime, place, task.deadline)  # 2
        desired_state = runtime.desired_state(runtime.decisions.snapshot())  # 3
        if _place_of(runtime, desired_state.snapshot, task) != place:
            raise Changed(f"{task.cluster} was registered again")  # noqa: TRY301  translated like the adapters' own
        refuse_shared(desired_state, place.registration, task.place, open_list.observed)
        context = ListContext(desired_state, place.registration, place.definition, task.place, now, runtime.limits)
        return _execute(runtime, open_list, context, previous)
    except Changed:
        raise
    except TrustcastError as error:
        return failed(previous, error, now, runtime.intervals, runtime.decisions.head().value.token)


@dataclass(frozen=True, slots=True)
class OpenPlace:
    """A place with its cluster, and its list; None where no definition names it any more."""

    registration: Registration
    definition: ListDefinition | None
    id: str

    @property
    def object(self) -> tuple[str, str]:
        """Namespace and name."""
        _, namespace, name = self.id.rsplit("/", 2)
        return namespace, name

    @property
    def list(self) -> str:
        """The list's name; that of the object where no definition names it."""
        return self.definition.name if self.definition else self.object[1]


def _place_of(runtime: Runtime, snapshot: Snapshot, task: PushTask) -> OpenPlace:
    registration = snapshot.clusters.get(task.cluster)
    if registration is None or not task.place.startswith(f"{registration.server}/"):
        raise Changed(f"{task.place} is no longer a place of {task.cluster}")
    named = {registration.place(each): each for each in registration.definitions(runtime.in_force(snapshot))}
    return OpenPlace(registration, named.get(task.place), task.place)


@dataclass(frozen=True, slots=True)
class OpenList:
    """An open cluster and one list on it as observed."""

    target: Target
    observed: Observed


def _execute(runtime: Runtime, open_list: OpenList, context: ListContext, previous: ListStatus) -> ListStatus:
    """Carry the plan out and say what came of it."""
    observed, wrote, memory = open_list.observed, False, previous.memory
    plan = make_plan(observed, memory, context)  # 4
    if writable(observed, context.registration, plan):
        observed, wrote = _carry_out(open_list, context.place, plan), True  # 5
        plan = make_plan(observed, after(plan, memory), context)
    facts = PushResult(observed, plan, wrote, context.desired.digest, context.state.snapshot.head.token, context.now)
    return status_after(previous, facts, runtime.intervals)


def _observe(runtime: Runtime, place: OpenPlace, deadline: Deadline) -> OpenList:
    """Read the object; on a 401 the credential is read again, once."""
    target = runtime.clusters.connect(place.registration, deadline)
    try:
        return OpenList(target, target.observe(*place.object))
    except TokenRejected:
        pass
    target = runtime.clusters.connect(place.registration, deadline, renew=True)
    return OpenList(target, target.observe(*place.object))


def _carry_out(open_list: OpenList, place: str, plan: Plan) -> Observed:
    """Send the plan's writes, the merge patch first (law 6); the object as it is afterwards."""
    seen, target = open_list.observed, open_list.target
    _, namespace, name = place.rsplit("/", 2)
    if plan.create:
        seen = target.create_empty(namespace, name)
    if plan.remove_first:
        seen = target.remove_keys(namespace, name, plan.remove_first, **_version(seen))
    if plan.files is not None:
        seen = target.apply(namespace, name, plan.files, owners=plan.annotation, **_version(seen))
    return seen


def _version(observed: Observed) -> dict[str, str]:
    """What every write names, so that it only ever changes what was read."""
    return {"uid": observed.uid or "", "resource_version": observed.resource_version or ""}


def _log_change(previous: ListStatus, status: ListStatus) -> None:
    if status.state is not previous.state or status.changed != previous.changed:
        level = logging.INFO if status.state in {State.IN_SYNC, State.PAUSED} else logging.WARNING
        log.log(level, "%s/%s: %s %s", status.cluster, status.list, status.state.value, status.detail)
