"""The states that were met, and the steps between them."""

from __future__ import annotations

import hashlib
import marshal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.interleavings.cells import Cell

Place = tuple[int, tuple[int, ...]]
"""A process: the number of its node, and the tokens that it has read, oldest first."""

State = tuple[int, tuple["Cell", ...], tuple[Place, ...]]
"""Crashes left, the parts' states, the processes."""


@dataclass(slots=True)
class Graph:
    """The states that were met, by number, and the steps between them.

    Attributes:
        came: of a state, the state that it was first met from, and by which step.
        after: of a state, those that follow it.
        left_by_one: states that were left by one step alone, and whose.
        wrong: the schedule that first led to each wrong state.
    """

    numbers: dict[bytes, int] = field(default_factory=dict)
    came: list[tuple[int, str]] = field(default_factory=list)
    after: list[list[int]] = field(default_factory=list)
    left_by_one: list[tuple[int, State, int]] = field(default_factory=list)
    wrong: dict[str, tuple[str, ...]] = field(default_factory=dict)
    steps: int = 0
    ends: int = 0

    def found(self, state: State, came: tuple[int, str] = (0, "")) -> int:
        """The number of a state, a new one where it was not met before."""
        number = self.numbers.setdefault(_digest(state), len(self.came))
        if number == len(self.came):
            self.came.append(came)
            self.after.append([])
        return number

    def reached(self, number: int, label: str, state: State) -> int | None:
        """A step; the number of the state that it leads to, None if that was met before."""
        self.steps += 1
        known = len(self.came)
        at = self.found(state, (number, label))
        self.after[number].append(at)
        return at if at == known else None

    def judged(self, number: int, complaint: str | None, *, at_end: bool) -> None:
        """Keep what is wrong with a state."""
        self.ends += at_end
        if complaint:
            self.wrong.setdefault(complaint, self.schedule(number))

    def judge_endless(self) -> None:
        """Find a run that comes back to where it was: what stays once all states without a step left are taken out."""
        before: list[list[int]] = [[] for _ in self.after]
        for number, following in enumerate(self.after):
            for each in following:
                before[each].append(number)
        left = [len(following) for following in self.after]
        out = [number for number, count in enumerate(left) if not count]
        while out:
            for each in before[out.pop()]:
                left[each] -= 1
                if not left[each]:
                    out.append(each)
        if endless := next((number for number, count in enumerate(left) if count), None):
            self.wrong["it never ends"] = self.schedule(endless)

    def schedule(self, number: int) -> tuple[str, ...]:
        """The steps that first led to a state."""
        labels = []
        while number:
            number, label = self.came[number]
            labels.append(label)
        return tuple(labels[::-1])

    def over(self, limit: int, *, first: bool) -> bool:
        """Whether to look no further."""
        return len(self.came) > limit or (first and bool(self.wrong))


def renamed(cell: Cell, names: dict[int, int]) -> Cell:
    """The cell with its tokens numbered by first appearance."""
    return cell[0], tuple([names.setdefault(token, len(names)) for token in cell[1]])


def largest(state: State) -> int:
    return max((t for cells in state[1:] for _, tokens in cells for t in tokens), default=-1)


def canonical(state: State) -> State:
    """The state with tokens numbered by first appearance: one for all that differ in their names alone."""
    crashes, parts, processes = state
    names: dict[int, int] = {}
    parts = tuple([renamed(cell, names) for cell in parts])
    ordered = sorted(processes, key=lambda place: (place[0], [names.get(token, 1 << 30) for token in place[1]]))
    return crashes, parts, tuple([renamed(place, names) for place in ordered])


def _digest(state: State) -> bytes:
    return hashlib.blake2b(marshal.dumps(state, 2), digest_size=16).digest()
