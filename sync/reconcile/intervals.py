"""When things are due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Intervals:
    """When things are due; all spans are positive.

    Attributes:
        vault_interval: between two listings of a vault.
        verify_interval: within which every list is verified (law 10).
        offline_first, offline_most: first and longest wait for a cluster that cannot be reached (law 12).
        quiet_period: after this time without a change the next one is planned at once; until then, changes gather.
    """

    vault_interval: timedelta = timedelta(seconds=60)
    verify_interval: timedelta = timedelta(minutes=30)
    offline_first: timedelta = timedelta(seconds=30)
    offline_most: timedelta = timedelta(hours=1)
    quiet_period: timedelta = timedelta(seconds=5)

    @property
    def bound(self) -> timedelta:
        """The bound of law 10: an older verification is stale. One message may be lost and sent again."""
        return self.verify_interval + timedelta(minutes=3)
