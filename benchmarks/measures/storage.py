"""Storage operations of one change and of an idle hour, as the fleet grows: simulated, every operation counted.

The doubles make the same operations as the adapters (one contract suite holds both); at 10 clusters the requests of the
Azure SDK are counted beside them, to show it. What Azure charges is operations, so the table has an idle fleet's price.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta

from benchmarks.figures import Figure, Report
from benchmarks.stack.rig import Rig, certificate
from benchmarks.stack.traffic import Traffic
from sync.steps.drift import check_drift
from tests.support.certs import server
from tests.support.fleet import Fleet, registration
from tests.support.memory import MemoryCluster

SIZES = (10, 100, 1000)
LARGEST = 10_000
SECRETS = 24
TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
PRICE = 0.036
"""USD for a million operations; see the note on it."""


def run() -> Report:
    changes: dict[int, float] = {}
    hours: dict[int, float] = {}
    seconds: dict[int, float] = {}
    for size in (*SIZES, LARGEST):
        counted = _Counted(size)
        changes[size], seconds[size] = counted.change()
        hours[size] = counted.idle_hour()
    real = _real_change(SIZES[0])
    rows = [
        Figure(
            f"storage operations per change, {size:,} clusters",
            f"{_fewest_change(size):,}",
            f"{changes[size]:,.0f}",
            f"{changes[size] / _fewest_change(size):.2f}",
        )
        for size in (*SIZES, LARGEST)
    ]
    rows += [
        Figure(
            f"storage operations per idle hour, {size:,} clusters",
            f"{_fewest_hour(size):,}",
            f"{hours[size]:,.0f}",
            f"{hours[size] / _fewest_hour(size):.2f}",
            f"stated; ≈ {hours[size] * 24 * 30 * PRICE / 1e6:.2f} USD a month",
        )
        for size in (*SIZES, LARGEST)
    ]
    return Report(
        "storage",
        tuple(rows),
        (
            f"At {SIZES[0]} clusters the SDKs sent {real} requests a change; the simulation counts {changes[10]:.0f}.",
            (
                "The fewest of a change, on paper: 11 to admit it (5 reads of row, heads and configuration, the "
                "transaction; head, planned, mark, mark written, message), 7 to plan beside the pages of catalogue and "
                "statuses; per cluster 3 to ask for its push (mark read, mark written, message) and 8 to push one list "
                "(mark read and cleared; head before, between observing and deciding, and last; status read and "
                "written; due time). Of an idle hour: 9 a minute, and those 11 for each of 2 verifications, the number "
                "in the hour counted; they are 24 to 30 minutes apart, so that an average hour has 2.2."
            ),
            "Not counted: what the host polls by itself (up to one read a second and queue).",
            (
                "The price is not measured: 0.036 USD for a million operations, from Azure's page “Azure Table Storage "
                "pricing” (LRS, region East US), as known 2025/26; it differs by region and redundancy. Messages, one "
                "in eleven of an idle fleet's operations, are counted at the same price, though “Azure Queue Storage "
                "pricing” lists them apart and dearer."
            ),
        ),
        {
            "storage operations per change": changes,
            "storage operations per idle hour": hours,
            "seconds of one core per change": seconds,
        },
    )


def _pages(rows: int) -> int:
    """A scan reads 1,000 rows at a time."""
    return max(1, -(-rows // 1000))


def _fewest_change(clusters: int) -> int:
    return 18 + 11 * clusters + _pages(clusters + SECRETS) + _pages(clusters)


def _fewest_hour(clusters: int) -> int:
    return 60 * 9 + 11 * 2 * clusters


class _Counted:
    """A fleet in memory, its operations counted."""

    def __init__(self, clusters: int) -> None:
        self.fleet = Fleet()
        for start in range(0, clusters, 90):
            self.fleet.register(*(registration(f"c{number:05}") for number in range(start, min(clusters, start + 90))))
        for number in range(SECRETS):
            self.fleet.upload(f"plc{number:02}", server(name=f"plc{number:02}").pem, TAGS)
        self.fleet.work_off()
        check_drift(self.fleet.runtime)
        self.fleet.work_off()
        self.operations: Counter[str] = Counter()
        for store in (self.fleet.decisions, self.fleet.work, self.fleet.statuses):
            store.table.pause = self._count
        self.fleet.queues.pause = self._count

    def _count(self, label: str) -> None:
        self.operations[label.split(" ", 1)[0]] += 1

    def change(self) -> tuple[int, float]:
        """Operations, and seconds that all of it took one core, doubles included."""
        fleet = self.fleet
        fleet.clock.move(timedelta(minutes=1))
        self.operations.clear()
        began = time.process_time()
        fleet.upload("plc00", server(name="plc00", key_name="renewed").pem, TAGS)
        while fleet.deliver_event() or fleet.deliver("plan") or fleet.deliver("push"):
            pass
        took = time.process_time() - began
        assert all(each.state.requests["apply"] for each in fleet.clusters.values() if isinstance(each, MemoryCluster))
        return self.operations.total(), took

    def idle_hour(self) -> int:
        """Operations of an hour that begins half an hour after the last change; half of one for the largest."""
        minute = timedelta(minutes=1)
        for _ in range(31):
            self.fleet.sweep(minute)
        self.operations.clear()
        halves = 1 if len(self.fleet.clusters) == LARGEST else 2
        for _ in range(30 * halves):
            self.fleet.sweep(minute)
        return self.operations.total() * 2 // halves


def _real_change(clusters: int) -> int:
    with Rig(clusters) as rig:
        rig.change({f"plc{n:02}": certificate(f"plc{n:02}").pem for n in range(SECRETS)})
        time.sleep(1.1)
        rig.change({"plc01": certificate("plc01", 1).pem})
        with Traffic() as traffic:
            rig.change({"plc00": certificate("plc00", 1).pem})
        return traffic.storage()
