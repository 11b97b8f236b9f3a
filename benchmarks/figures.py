"""What a benchmark reports: one row of the table, and the arithmetic behind it."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """One row: what was measured, its floor, the goal, whether it was met (None where a figure is only stated)."""

    bench: str
    floor: str
    ours: str
    ratio: str = ""
    goal: str = "stated"
    met: bool | None = None


class Report(msgspec.Struct, frozen=True):
    """What one benchmark found: rows, sentences beside them, and series for the plot (name to size to value)."""

    name: str
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()
    growth: dict[str, dict[int, float]] = {}
    seconds: float = 0.0


def quantiles(samples: list[float]) -> tuple[float, float, float]:
    """The 50th, 95th and 99th percentile: values that were measured, none in between."""
    ordered = sorted(samples)
    return tuple(ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99))  # type: ignore[return-value]


def milliseconds(samples: list[float]) -> str:
    """p50 / p95 / p99 of seconds, in milliseconds."""
    return " / ".join(f"{value * 1000:.0f}" for value in quantiles(samples)) + " ms"


def ratios(ours: list[float], floor: list[float]) -> tuple[float, ...]:
    """Ours by the floor, percentile by percentile."""
    return tuple(a / b for a, b in zip(quantiles(ours), quantiles(floor), strict=True))


def typical(samples: list[float]) -> float:
    """The median."""
    return median(samples)


def machine() -> str:
    """What it was measured on, without naming the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def today() -> str:
    """The date of the run."""
    return f"{datetime.now(UTC):%Y-%m-%d}"  # noqa: TID251  a report says when it was made


def memory_of(field: str) -> float:
    """This process's memory in MiB: `VmRSS` now, `VmHWM` at its peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise LookupError(field)
