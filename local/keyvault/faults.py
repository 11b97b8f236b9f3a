"""Trouble on demand, and counts of what was asked of a stand-in vault."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Literal

import msgspec

Kind = Literal["value", "versions", "listing", "set", "update", "delete", "deleted", "recover", "purge"]
"""What a request is for: one value, a page of a secret's versions, a page of the vault's listing, …"""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong, and for which requests; every absent condition holds for all.

    Attributes:
        kind, name, page: the requests concerned; a name in any case, a page counted from 1.
        times: how often it strikes before it is over; None: until it is cleared.
        latency: seconds before anything is answered.
        status: what is answered instead of the real answer; None only delays.
        code: the error's code in Azure's error shape.
        headers: beside it (`Retry-After`, `Location`).
        body: sent as it is in place of the error shape.
    """

    kind: Kind | None = None
    name: str | None = None
    page: int | None = None
    times: int | None = None
    latency: float = 0.0
    status: int | None = None
    code: str = "Fault"
    headers: dict[str, str] = {}
    body: str | None = None

    def strikes(self, kind: Kind, name: str, page: int) -> bool:
        """Whether it concerns this request."""
        return (
            self.kind in (None, kind)
            and (self.name is None or self.name.casefold() == name.casefold())
            and self.page in (None, page)
        )


class Faults:
    """The faults of one vault, and the count of its requests; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[tuple[Fault, int | None]] = []
        self._counts: Counter[tuple[Kind, str]] = Counter()

    def add(self, fault: Fault) -> None:
        """Let it strike from the next request on; the first of several that concern a request does."""
        with self._lock:
            self._faults.append((fault, fault.times))

    def clear(self) -> None:
        """No more faults."""
        with self._lock:
            self._faults.clear()

    def meet(self, kind: Kind, name: str = "", page: int = 1) -> Fault | None:
        """Count a request, and give the fault that strikes it."""
        with self._lock:
            self._counts[kind, name.casefold()] += 1
            for index, (fault, left) in enumerate(self._faults):
                if fault.strikes(kind, name, page):
                    self._spend(index, fault, left)
                    return fault
        return None

    def count(self, kind: Kind, name: str | None = None) -> int:
        """How many requests of that kind came, faulty answers included; of one secret or of all."""
        with self._lock:
            return sum(n for (k, of), n in self._counts.items() if k == kind and name in (None, of))

    def counts(self) -> dict[str, int]:
        """How many requests of each kind came."""
        with self._lock:
            totals: Counter[str] = Counter()
            for (kind, _), n in self._counts.items():
                totals[kind] += n
        return dict(totals)

    def reset_counts(self) -> None:
        """Count from zero."""
        with self._lock:
            self._counts.clear()

    def _spend(self, index: int, fault: Fault, left: int | None) -> None:
        if left is None:
            return
        if left > 1:
            self._faults[index] = (fault, left - 1)
        else:
            del self._faults[index]
