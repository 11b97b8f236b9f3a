"""Doubles that fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


@dataclass
class Failing:
    """A vault's or a cluster's double on which some calls fail.

    Attributes:
        fails: whether a call (its method's name and arguments) fails.
    """

    real: Any
    error: Exception
    fails: Callable[..., bool] = lambda *_: True

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if self.fails(method, *arguments):
                raise self.error
            return getattr(self.real, method)(*arguments, **options)

        return call


def failing(real: T, error: Exception, fails: Callable[..., bool] = lambda *_: True) -> T:
    """`Failing` in the place of the double that it is made of."""
    return cast("T", Failing(real, error, fails))
