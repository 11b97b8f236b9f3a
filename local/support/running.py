"""What runs for as long as a `with` block lasts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Running(ABC):
    """Started at the beginning of its `with` block, stopped at its end."""

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
