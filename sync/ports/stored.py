"""Rows as they are read, and what a write expects to find in their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Absent(msgspec.Struct, frozen=True):
    """The row must not exist."""


class Anything(msgspec.Struct, frozen=True):
    """Whatever is there is replaced; a deletion within a transaction needs a row all the same."""


class Unchanged(msgspec.Struct, frozen=True):
    """The row must still have the ETag that was read."""

    etag: str


Expect = Absent | Anything | Unchanged
"""What a write must find; `Changed` is raised where it finds something else."""

ABSENT, ANYTHING = Absent(), Anything()


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A row as read: its value and its ETag; empty where the row was never written and `value` is a default."""

    value: T
    etag: str

    @property
    def unchanged(self) -> Expect:
        """What a write expects that must find the row as it was read."""
        return Unchanged(self.etag) if self.etag else ABSENT


def as_read(stored: Stored[T] | None) -> Expect:
    """What a write expects that must find the row, or its absence, as it was read."""
    return stored.unchanged if stored else ABSENT
