"""The one place that asks the system's clock; everywhere else time is an argument."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time of the entry points."""
    return datetime.now(UTC)  # noqa: TID251  the one place
