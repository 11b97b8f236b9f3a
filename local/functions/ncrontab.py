"""NCRONTAB, the schedules of timer triggers: six fields starting with the seconds, in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import product

_FIELD = re.compile(r"(?P<first>\*|\w+)(-(?P<last>\w+))?(/(?P<step>\d+))?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES = {name: number for number, name in enumerate(_MONTHS, 1)} | {name: number for number, name in enumerate(_DAYS)}
_RANGES = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_HORIZON = timedelta(days=366 * 41)  # the 29th of February falls on a given weekday every 40 years at worst


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a timer is due: the moments that match all six fields, both day and weekday."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read an expression such as `0 */5 * * * *`.

        Raises:
            ValueError: it does not have six fields, a field is out of range, or no day ever matches.
        """
        fields = text.split()
        if len(fields) != len(_RANGES):
            raise ValueError(f"{text!r} has {len(fields)} fields, not six (the first is the seconds)")
        schedule = cls(*(_values(field, *range_) for field, range_ in zip(fields, _RANGES, strict=True)))
        schedule.next_after(datetime(2000, 1, 1, tzinfo=UTC))
        return schedule

    def next_after(self, moment: datetime) -> datetime:
        """The first due moment after this one (aware, UTC).

        Raises:
            ValueError: no moment matches, as with the 30th of February.
        """
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        if self._falls_on(start) and (due := self._first_from(start.time())):
            return datetime.combine(start, due, UTC)
        midnight = time(self.hours[0], self.minutes[0], self.seconds[0])
        for days in range(1, _HORIZON.days):
            day = start + timedelta(days=days)
            if self._falls_on(day):
                return datetime.combine(day, midnight, UTC)
        raise ValueError("no day ever matches the schedule")

    def _falls_on(self, day: datetime) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def _first_from(self, start: time) -> time | None:
        hours = (hour for hour in self.hours if hour >= start.hour)
        times = (time(*parts) for parts in product(hours, self.minutes, self.seconds))
        return next((found for found in times if found >= start), None)


def _values(field: str, lowest: int, highest: int) -> tuple[int, ...]:
    found: set[int] = set()
    for part in field.split(","):
        found.update(_part(part, lowest, highest))
    return tuple(sorted(found))


def _part(part: str, lowest: int, highest: int) -> range:
    match = _FIELD.fullmatch(part.lower())
    if not match:
        raise ValueError(f"{part!r} is not a field of a schedule")
    first = lowest if match["first"] == "*" else _number(match["first"])
    open_ended = match["first"] == "*" or match["step"]
    last = _number(match["last"]) if match["last"] else highest if open_ended else first
    step = int(match["step"] or 1)
    if not (lowest <= first <= last <= highest and step):
        raise ValueError(f"{part!r} is not within {lowest}-{highest}")
    return range(first, last + 1, step)


def _number(word: str) -> int:
    if word.isdecimal():
        return int(word)
    if word not in _NAMES:
        raise ValueError(f"{word!r} is not a number, month or weekday")
    return _NAMES[word]
