"""Faults on demand, and request counts, of a stand-in vault."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Literal

import msgspec

Kind = Literal["value", "versions", "listing", "set", "update", "delete", "deleted", "recover", "purge"]
"""What a request asks for: one value, a page of a secret's versions, a page of the vault's listing, …"""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong, and for which requests; an absent condition matches all.

    Attributes:
        kind, name, page: the requests that it strikes; names ignore case, pages count from 1.
        times: how often it strikes; None: until it is cleared.
        latency: seconds before anything is answered.
        status: answered in place of the real answer; None: only delay it.
        code: the error's code in Azure's error shape.
        headers: sent with it (`Retry-After`, `Location`).
        body: sent verbatim instead of the error shape.
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
        """Whether it strikes this request."""
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
        """Let it strike from the next request on; if several match a request, the first strikes."""
        with self._lock:
            self._faults.append((fault, fault.times))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    def meet(self, kind: Kind, name: str = "", page: int = 1) -> Fault | None:
        """Count a request and return the fault that strikes it."""
        with self._lock:
            self._counts[kind, name.casefold()] += 1
            for index, (fault, left) in enumerate(self._faults):
                if fault.strikes(kind, name, page):
                    self._spend(index, fault, left)
                    return fault
        return None

    def count(self, kind: Kind, name: str | None = None) -> int:
        """The number of requests of that kind, including those struck by faults; for one secret or all."""
        with self._lock:
            return sum(n for (k, of), n in self._counts.items() if k == kind and name in (None, of))

    def counts(self) -> dict[str, int]:
        """The number of requests of each kind."""
        with self._lock:
            totals: Counter[str] = Counter()
            for (kind, _), n in self._counts.items():
                totals[kind] += n
        return dict(totals)

    def reset_counts(self) -> None:
        """Reset all counts to zero."""
        with self._lock:
            self._counts.clear()

    def _spend(self, index: int, fault: Fault, left: int | None) -> None:
        if left is None:
            return
        if left > 1:
            self._faults[index] = (fault, left - 1)
        else:
            del self._faults[index]
