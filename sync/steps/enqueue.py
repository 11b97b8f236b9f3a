"""Asking for a plan or a push: the marks that coalesce bursts, and the delays (step `request_…` of the protocol).

A mark says that a message is on its way. It is set before the message is sent, by test and set, and cleared by the
receiver before it reads anything; so a change that finds a fresh mark is read by the receiver of that message.
Redelivered messages and admissions that found nothing new pass `force`: the sender before them may have died
between the mark and the message.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sync.errors import Changed
from sync.ports.messages import PlanFleet, PushCluster
from sync.ports.stored import as_read
from sync.ports.work import ClusterWork, PlanMark

if TYPE_CHECKING:
    from datetime import datetime

    from sync.catalogue.snapshot import Head
    from sync.steps.runtime import Runtime

FRESH = timedelta(seconds=60)
SHORTEST_DELAY = 2.0
LONGEST_DELAY = 16.0
LOST_MESSAGE = timedelta(minutes=2)
"""A push whose message was lost is asked for again after this time, by its due time."""

TRIES = 4


def fresh(at: datetime | None, now: datetime) -> bool:
    """Whether a mark is 0 to 60 s old; one from the future (a clock that was off) is not."""
    return at is not None and timedelta(0) <= now - at <= FRESH


def delay(head: Head, mark: PlanMark, quiet_period: timedelta) -> float:
    """Seconds to wait before planning: none after the quiet period, else 2, doubling to 16 in a burst."""
    if head.before is None or head.moved is None or not timedelta(0) <= head.moved - head.before < quiet_period:
        return 0.0
    return min(LONGEST_DELAY, max(SHORTEST_DELAY, 2 * mark.delay))


def request_plan(runtime: Runtime, head: Head, reason: str, *, force: bool = False) -> None:
    """See to it that a plan message is on its way that will read what is stored now; `head` as just read."""
    for _ in range(TRIES):
        stored = runtime.work.plan_mark()
        mark = stored.value if stored else PlanMark()
        now = runtime.clock()
        if fresh(mark.at, now) and not force:
            return
        wait = delay(head, mark, runtime.intervals.quiet_period)
        try:
            runtime.work.set_plan_mark(PlanMark(now, wait), as_read(stored))
        except Changed:
            continue
        runtime.queues.send_plan(PlanFleet(reason), wait)
        return
    runtime.queues.send_plan(PlanFleet(reason), SHORTEST_DELAY)


def request_push(runtime: Runtime, cluster: str, reason: str, *, force: bool = False) -> None:
    """See to it that a push message for the cluster is on its way that will read what is stored now."""
    for _ in range(TRIES):
        stored = runtime.work.cluster(cluster)
        now = runtime.clock()
        if stored and fresh(stored.value.mark, now) and not force:
            return
        try:
            runtime.work.set_cluster(cluster, ClusterWork(now, now + LOST_MESSAGE), as_read(stored))
        except Changed:
            continue
        break
    runtime.queues.send_push(PushCluster(cluster, reason))
