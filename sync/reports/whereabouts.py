"""Where a certificate is, as last observed: in our files and others', on offline clusters too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sync.reconcile.status import ListStatus

SHORTEST_THUMBPRINT = 8
"""Hexadecimal digits; fewer are too easily mistaken."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file that holds the certificate, and the list that it is on."""

    status: ListStatus
    file: str

    @property
    def ours(self) -> bool:
        """Whether we wrote the file."""
        return self.file in self.status.files


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a certificate is.

    Attributes:
        places: by cluster, list and file.
        not_searched: lists with so many files of others that some were not looked into.
    """

    places: tuple[Place, ...]
    not_searched: tuple[ListStatus, ...]

    @property
    def anywhere(self) -> bool:
        """Whether any list holds it."""
        return bool(self.places)


def find_certificate(statuses: Iterable[ListStatus], thumbprint: str) -> Whereabouts:
    """The places of a certificate by its thumbprint: SHA-256 or SHA-1, colons or not, or its first digits.

    Raises:
        Invalid: it is not a thumbprint, nor the beginning of one.
    """
    wanted = "".join(thumbprint.replace(":", "").split()).lower()
    if len(wanted) < SHORTEST_THUMBPRINT or set(wanted) - set("0123456789abcdef"):
        raise Invalid(
            f"a thumbprint is SHA-256 or SHA-1 in hexadecimal, at least its first {SHORTEST_THUMBPRINT} digits"
        )
    ordered = sorted(statuses, key=lambda status: (status.cluster, status.list))
    places = tuple(
        Place(status, file)
        for status in ordered
        for file, prints in sorted(status.thumbprints.items())
        if any(each.startswith(wanted) for each in prints)
    )
    return Whereabouts(places, tuple(status for status in ordered if status.unlisted))
