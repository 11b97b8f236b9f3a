"""How long work may still take: one value passed through a whole push; its calls share the time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on a monotonic clock, unaffected by clock changes.

    Attributes:
        at: the moment, in the clock's seconds.
        clock: returns the seconds now; tests pass their own.
    """

    at: float
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Deadline:
        """The deadline that many seconds from now."""
        return cls(clock() + seconds, clock)

    def left(self) -> float:
        """Seconds until then; never negative."""
        return max(0.0, self.at - self.clock())

    def allowance(self, call_timeout: float) -> float:
        """Seconds that one call may take: its own time-out, or what is left if that is less."""
        return min(call_timeout, self.left())
