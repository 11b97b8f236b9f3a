"""A row as read, with the ETag to name when writing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A row as read: its value, and the ETag to name when writing it."""

    value: T
    etag: str
