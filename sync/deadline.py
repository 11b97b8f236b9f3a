"""How long work may still take: one value handed down a whole push, so that its calls share the time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on a monotonic clock, which no clock change moves.

    Attributes:
        at: the moment, in the clock's seconds.
        clock: gives the seconds now; tests hand in their own.
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
        """Seconds that one call may take: its own time-out, or what is left where that is less."""
        return min(call_timeout, self.left())
