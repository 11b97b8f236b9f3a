"""Timer triggers: run a function on schedule, never twice at once in one host.

Azure runs a timer on one instance only, using a lease on a blob; here every host runs its timers.
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

    A moment that passes while the function is still running is skipped, as in Azure.
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
    """The next due moment after now and after the last one: a clock may wake us slightly early."""
    return schedule.next_after(max(now, last))


def timer_data(last: datetime | None = None, due: datetime | None = None) -> TriggerData:
    """What a timer's function receives; both moments are None when an operator runs it."""
    status = {"Last": _iso(last), "Next": _iso(due), "LastUpdated": _iso(last)}
    data = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": False}
    return TriggerData(json.dumps(data), "json")


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  a timer is where time enters
