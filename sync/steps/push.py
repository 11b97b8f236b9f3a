"""Steps `push_cluster` and `push_list`: observe, plan, apply, record; one list after the other.

The status row is read first and written on its ETag last, with the head that decided; the head is compared once more
after that, as the very last act, in sync or not. Any other order was shown to let an old list stand.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sync.deadline import Deadline
from sync.errors import Changed, Invalid, TrustcastError, Unauthorized
from sync.ports.work import ClusterWork
from sync.reconcile.outcome import Pushed, failed, paused, pushed, unsettled
from sync.reconcile.plan import Plan, make_plan, writable
from sync.reconcile.status import ListStatus, State
from sync.steps.enqueue import request_push

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sync.catalogue.snapshot import Snapshot
    from sync.desired.state import Desired, Desires
    from sync.fleet.clusters import Registration
    from sync.fleet.lists import ListDefinition
    from sync.ports.clusters import Target
    from sync.reconcile.observed import Observed
    from sync.steps.runtime import Service

log = logging.getLogger("trustcast.push")

TRIES = 4
"""How often a list is begun anew within one push when the object or a row changed meanwhile."""


def push_cluster(service: Service, name: str, *, first_delivery: bool = True) -> tuple[ListStatus, ...]:
    """Bring one cluster's lists to what they should hold and record what came of it.

    Args:
        service: ports and settings.
        name: the cluster's name; one that is not registered any more is forgotten.
        first_delivery: False for a redelivered message.

    Returns:
        The statuses as written, one per list.

    Raises:
        TrustcastError: the storage failed; the message comes back. A cluster's failure never raises.
    """
    cleared = _clear_mark(service, name)
    snapshot = service.decisions.snapshot()
    registration = snapshot.clusters.get(name)
    if registration is None:
        service.work.forget_cluster(name)
        service.statuses.forget_cluster(name)
        return ()
    deadline = Deadline.after(service.push_timeout)
    lists = [definition.name for definition in registration.definitions(service.in_force(snapshot))]
    outcomes = [_push_one(service, Task(name, list_name, deadline), snapshot, first_delivery) for list_name in lists]
    due = min((s.due for s in outcomes if s.due is not None), default=None)
    _set_due(service, name, due, cleared)
    return tuple(outcomes)


@dataclass(frozen=True, slots=True)
class Cleared:
    """The cluster's row as the clearing of its mark left it; an ETag of None: there is no row."""

    etag: str | None


def _clear_mark(service: Service, name: str) -> Cleared | None:
    """Clear the mark before anything is read; the due time stays, so that a push that dies is sent again.

    Returns:
        None where the row changes too fast; whoever changes it asks for a push.
    """
    for _ in range(TRIES):
        stored = service.work.cluster(name)
        if stored is None:
            return Cleared(None)
        try:
            return Cleared(service.work.set_cluster(name, ClusterWork(None, stored.value.due), stored.etag))
        except Changed:
            continue
    return None


def _set_due(service: Service, name: str, due: datetime | None, cleared: Cleared | None) -> None:
    """Set when the cluster is due again; where it was asked for or pushed meanwhile, the earlier time holds.

    Another push that ended in between knows nothing of what this one met: its later time would leave a list that asks
    to be looked at now, or a cluster that is offline, to wait for the next verification.
    """
    row = _Due(ClusterWork(None, due), cleared.etag) if cleared else _earlier(service, name, due)
    for _ in range(TRIES):
        if row is None:
            return
        try:
            service.work.set_cluster(name, row.work, row.etag)
        except Changed:
            row = _earlier(service, name, due)
        else:
            return
    log.debug("%s changes too fast, and whoever changes it sets its due time", name)


@dataclass(frozen=True, slots=True)
class _Due:
    """What is written to set a due time, and on which ETag."""

    work: ClusterWork
    etag: str | None


def _earlier(service: Service, name: str, due: datetime | None) -> _Due | None:
    """The due time to write over what is there now; None where that is earlier, or there is no row."""
    stored = service.work.cluster(name)
    if stored is None or due is None or (stored.value.due is not None and stored.value.due <= due):
        return None
    return _Due(ClusterWork(stored.value.mark, due), stored.etag)


@dataclass(frozen=True, slots=True)
class Task:
    """One list of one cluster to push, by names, within the time of the cluster's push."""

    cluster: str
    list: str
    deadline: Deadline


def _push_one(service: Service, task: Task, known: Snapshot, first_delivery: bool) -> ListStatus:
    """Push one list; whether the head has moved on is the last thing asked, in sync or not."""
    status, head = push_list(service, task, known)
    if service.decisions.head().value.token != head:
        request_push(service, task.cluster, "the head moved", regardless=not first_delivery)
    return status


def push_list(service: Service, task: Task, known: Snapshot) -> tuple[ListStatus, str]:
    """One list of one cluster: the status as written, and the head that decided it.

    What changes under way is begun anew, a few times; then the list asks to be looked at now. `known` says where the
    cluster is; what decides is read after the list was observed.
    """
    for _ in range(TRIES):
        stored = service.statuses.get(task.cluster, task.list)
        status = stored.value if stored else ListStatus(task.cluster, task.list)
        try:
            new = _attempt(service, task, status, known)
            if new != status:
                new = _recorded(service, status, new, stored.etag if stored else None)
        except Changed:
            known = service.decisions.snapshot()
            continue
        _tell(status, new)
        return new, new.head
    return _given_up(service, task), service.decisions.head().value.token


def _recorded(service: Service, before: ListStatus, status: ListStatus, etag: str | None) -> ListStatus:
    """The status as written; where the storage refuses it, as it was before and saying so, and no other list waits."""
    try:
        service.statuses.put(status, etag)
    except Invalid as error:
        known = replace(before.at(status.place), changed=status.changed)
        reason = Invalid(f"{error}: what the object holds cannot be remembered; remove keys from it on the cluster")
        status = failed(known, reason, service.clock(), service.rhythm, status.head)
        service.statuses.put(status, etag)
    return status


def _given_up(service: Service, task: Task) -> ListStatus:
    """The list changed under every try: it is said to be pending, and asks to be looked at now."""
    stored = service.statuses.get(task.cluster, task.list)
    before = stored.value if stored else ListStatus(task.cluster, task.list)
    status = unsettled(before, service.clock())
    try:
        service.statuses.put(status, stored.etag if stored else None)
    except Changed:
        log.debug("%s/%s: somebody else recorded it meanwhile", task.cluster, task.list)
    return status


def _attempt(service: Service, task: Task, previous: ListStatus, before: Snapshot) -> ListStatus:
    """Observe, then read what decides, then write what differs.

    Raises:
        Changed: the object, the registration or the list's definition changed under way.
    """
    now = service.clock()
    registration, definition = _task_of(service, before, task)
    previous = previous.at(registration.place(definition))
    if registration.paused:
        latest = service.decisions.snapshot()
        if _task_of(service, latest, task)[0].paused:
            return paused(previous, latest.head.token)
        raise Changed(f"{task.cluster} was resumed")
    try:
        sight = _observe(service, registration, definition, task.deadline)
        desires = service.desires(service.decisions.snapshot())
        if _task_of(service, desires.snapshot, task) != (registration, definition):
            raise Changed(f"{task.cluster} was registered anew")  # noqa: TRY301  translated like the adapters' own
        return _settled(service, Found(sight, registration, definition, desires), previous, now)
    except Changed:
        raise
    except TrustcastError as error:
        return failed(previous, error, now, service.rhythm, service.decisions.head().value.token)


def _task_of(service: Service, snapshot: Snapshot, task: Task) -> tuple[Registration, ListDefinition]:
    registration = snapshot.clusters.get(task.cluster)
    if registration is not None:
        for definition in registration.definitions(service.in_force(snapshot)):
            if definition.name == task.list:
                return registration, definition
    raise Changed(f"{task.list} is no list of {task.cluster} any more")


@dataclass(frozen=True, slots=True)
class Sight:
    """An open cluster and one list on it as observed."""

    target: Target
    observed: Observed


@dataclass(frozen=True, slots=True)
class Found:
    """One list as observed, and what decides what it should hold."""

    sight: Sight
    registration: Registration
    definition: ListDefinition
    desires: Desires

    @property
    def want(self) -> Desired:
        """What the list should hold."""
        return self.desires.of(self.registration, self.definition)

    def plan(self, observed: Observed, ours: Mapping[str, str]) -> Plan:
        """What must change on the list as observed."""
        return make_plan(observed, ours, self.want, self.desires.accounted)


def _settled(service: Service, found: Found, previous: ListStatus, now: datetime) -> ListStatus:
    """Carry the plan out and say what came of it."""
    plan = found.plan(found.sight.observed, previous.applied)
    observed, wrote = found.sight.observed, False
    if writable(observed, found.registration, plan):
        observed, wrote = _carry_out(found.sight, found.definition, plan), True
        plan = found.plan(observed, plan.ours)
    held = (found.registration.name, found.definition.name) in found.desires.held
    facts = Pushed(observed, plan, wrote, found.want.digest, found.desires.snapshot.head.token, held, now)
    return pushed(previous, facts, service.rhythm)


def _observe(service: Service, registration: Registration, definition: ListDefinition, deadline: Deadline) -> Sight:
    """Read the object; on a 401 the credential is read again, once."""
    target = service.clusters.connect(registration, deadline)
    try:
        return Sight(target, target.observe(definition.namespace, definition.object))
    except Unauthorized as error:
        if getattr(error, "status", None) != 401:  # noqa: PLR2004  Unauthorized: the token itself is refused
            raise
    target = service.clusters.connect(registration, deadline, renew=True)
    return Sight(target, target.observe(definition.namespace, definition.object))


def _carry_out(sight: Sight, definition: ListDefinition, plan: Plan) -> Observed:
    """Send the plan's writes, the merge patch first (law 6); the object as it is afterwards."""
    seen, target = sight.observed, sight.target
    where = (definition.namespace, definition.object)
    if plan.create:
        seen = target.create_empty(*where)
    if plan.null:
        seen = target.remove_keys(*where, plan.null, **_version(seen))
    if plan.files is not None:
        seen = target.apply(*where, plan.files, **_version(seen))
    return seen


def _version(observed: Observed) -> dict[str, str]:
    """What every write names, so that it only ever changes what was read."""
    return {"uid": observed.uid or "", "resource_version": observed.resource_version or ""}


def _tell(previous: ListStatus, status: ListStatus) -> None:
    if status.state is not previous.state or status.changed != previous.changed:
        level = logging.INFO if status.state in {State.IN_SYNC, State.PAUSED} else logging.WARNING
        log.log(level, "%s/%s: %s %s", status.cluster, status.list, status.state.value, status.detail)
