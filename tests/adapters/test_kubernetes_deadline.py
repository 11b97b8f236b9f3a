"""The deadline that the calls of one push share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable


def clock_at(*moments: float) -> Callable[[], float]:
    return iter(moments).__next__


def test_what_is_left_shrinks_and_never_turns_negative() -> None:
    deadline = Deadline.after(30, clock_at(100, 100, 129, 130, 131))
    assert [deadline.left() for _ in range(4)] == [30, 1, 0, 0]


def test_a_call_gets_its_own_time_out_or_what_is_left() -> None:
    deadline = Deadline.after(30, clock_at(100, 110, 128))
    assert [deadline.allowance(5), deadline.allowance(5)] == [5, 2]
