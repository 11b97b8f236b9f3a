"""Timer triggers: one function at the moments of its schedule, never twice at once in one host.

Azure runs a timer on one instance only, by a lease on a blob; here every host runs its timers.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from local.functions.worker_api import TriggerData

if TYPE_CHECKING:
    from local.functions.invocations import Runs
    from local.functions.ncrontab import Schedule
    from local.functions.triggers import TimerTrigger


async def run_timer(trigger: TimerTrigger, runs: Runs) -> None:
    """Run the function whenever it is due, until the host stops.

    A moment that passes while the function still runs is left out, as in Azure.
    """
    last = _now()
    if trigger.at_start:
        await runs.run(trigger.function, timer_data(), "start")
    while True:
        due = next_due(trigger.schedule, _now(), last)
        if await runs.stops_within((due - _now()).total_seconds()):
            return
        await runs.run(trigger.function, timer_data(last, due), "timer")
        last = due


def next_due(schedule: Schedule, now: datetime, last: datetime) -> datetime:
    """When a timer is due next, whose last due moment is known: a clock may wake us a little before it."""
    return schedule.next_after(max(now, last))


def timer_data(last: datetime | None = None, due: datetime | None = None) -> TriggerData:
    """What a timer's function is told; by an operator's hand it is never late."""
    status = {"Last": _iso(last), "Next": _iso(due), "LastUpdated": _iso(last)}
    told = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": False}
    return TriggerData(json.dumps(told), "json")


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  a timer is where time enters
