"""Servers and processes that run for the length of a `with` block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Running(ABC):
    """Started when its `with` block begins, stopped when it ends."""

    @abstractmethod
    def start(self) -> Self:
        """Start; returns once it answers."""

    @abstractmethod
    def stop(self) -> None:
        """Stop. May be called twice."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
