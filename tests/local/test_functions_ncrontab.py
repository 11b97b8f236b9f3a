"""The schedules of timer triggers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.functions.ncrontab import Schedule
from local.functions.timer import next_due

NOW = datetime(2026, 11, 23, 20, 4, 38, 500, tzinfo=UTC)  # a Monday


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("* * * * * *", at(2026, 11, 23, 20, 4, 39)),
        ("*/2 * * * * *", at(2026, 11, 23, 20, 4, 40)),
        ("0 * * * * *", at(2026, 11, 23, 20, 5)),
        ("0 */5 * * * *", at(2026, 11, 23, 20, 5)),
        ("30 4 20 * * *", at(2026, 11, 24, 20, 4, 30)),
        ("38 4 20 * * *", at(2026, 11, 24, 20, 4, 38)),
        ("39 4 20 * * *", at(2026, 11, 23, 20, 4, 39)),
        ("0 0 0 1 1 *", at(2027, 1, 1)),
        ("0 0 12 * * Mon-Fri", at(2026, 11, 24, 12)),
        ("0 0 12 * * sun", at(2026, 11, 29, 12)),
        ("0 0 12 1,15 Dec *", at(2026, 12, 1, 12)),
        ("0 0 9 13 * 5", at(2027, 8, 13, 9)),
        ("0 10/20 * * * *", at(2026, 11, 23, 20, 10)),
        ("0 0 0 29 2 *", at(2028, 2, 29)),
    ],
)
def test_the_next_due_moment(text: str, due: datetime) -> None:
    assert Schedule.parse(text).next_after(NOW) == due


@pytest.mark.parametrize(
    "text",
    [
        "* * * * *",
        "60 * * * * *",
        "* * 24 * * *",
        "* * * 0 * *",
        "* * * * 13 *",
        "* * * * * 7",
        "*/0 * * * * *",
        "5-1 * * * * *",
        "x * * * * *",
        "0 0 0 30 2 *",
        "00:05:00",
        "",
    ],
)
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Schedule.parse(text)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC)))  # noqa: DTZ001
def test_no_due_second_is_missed_and_none_comes_twice(moment: datetime) -> None:
    schedule = Schedule.parse("*/7 1-59/2 * * * *")
    due = schedule.next_after(moment)
    seconds = range(1, 240)
    expected = next(
        later
        for later in (moment.replace(microsecond=0) + timedelta(seconds=n) for n in seconds)
        if later.second % 7 == 0 and later.minute % 2 == 1
    )
    assert due == expected


def test_a_moment_that_was_run_a_little_early_is_not_due_again() -> None:
    schedule, due = Schedule.parse("0 * * * * *"), at(2026, 11, 23, 20, 5)
    assert next_due(schedule, due - timedelta(milliseconds=3), due) == at(2026, 11, 23, 20, 6)
    assert next_due(schedule, due + timedelta(minutes=5, seconds=1), due) == at(2026, 11, 23, 20, 11)
