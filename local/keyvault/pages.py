"""Pages of a stand-in vault's listings: as in Key Vault in no particular order, and some are empty."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Generic, TypeVar

from local.keyvault.secrets import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
PAGE_SIZE = 25
_EMPTY_ONE_IN = 3


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a listing continues.

    Attributes:
        page: number of the page asked for, from 1.
        after: rank of the last item returned; empty before the first.
        skipped: an empty page was just returned here.
    """

    page: int = 1
    after: str = ""
    skipped: bool = False

    def __str__(self) -> str:
        """The skip token of a next link."""
        return f"{self.page}.{self.after}.{int(self.skipped)}"

    @classmethod
    def parse(cls, token: str | None) -> Cursor:
        """The cursor of a skip token; the beginning without one."""
        if not token:
            return cls()
        try:
            page, after, skipped = token.split(".")
            return cls(int(page), after, skipped == "1")
        except ValueError:
            raise Refused(400, "BadParameter", "The skip token is invalid.") from None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and where the listing continues; None at the end."""

    items: tuple[T, ...]
    following: Cursor | None


def page_of(
    items: Iterable[T], cursor: Cursor, *, identity: Callable[[T], str], seed: object, size: int = PAGE_SIZE
) -> Page[T]:
    """The page at that cursor.

    The order is a hash of each item's identity: unrelated to age or name, but stable, so that no item is
    repeated or missed when others are added between two pages.
    """
    ranked = sorted(((_rank(seed, identity(item)), item) for item in items), key=itemgetter(0))
    rest = [(rank, item) for rank, item in ranked if rank > cursor.after]
    if not cursor.skipped and _gives_empty_page(seed, cursor.after):
        return Page((), Cursor(cursor.page + 1, cursor.after, skipped=True))
    given = rest[:size]
    more = len(rest) > size or (bool(given) and _gives_empty_page(seed, given[-1][0]))
    following = Cursor(cursor.page + 1, given[-1][0]) if more else None
    return Page(tuple(item for _, item in given), following)


def _rank(seed: object, identity: str) -> str:
    return hashlib.sha256(f"{seed}/{identity}".encode()).hexdigest()


def _gives_empty_page(seed: object, after: str) -> bool:
    return int(_rank(seed, f"page after {after}"), 16) % _EMPTY_ONE_IN == 0
