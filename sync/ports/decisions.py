"""What the sequencing needs of the outside world, as protocols that the adapters fulfil.

Everything that decides is in one table partition behind `Decisions`, so that a row and the head change in one
transaction. Marks, due times and leases are in `Work`, what pushes found in `Statuses`. Every write names the ETag of
what was read, and raises `Changed` when that has moved on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sync.catalogue.authorities import Authority
from sync.catalogue.entry import Entry
from sync.catalogue.revocation import Clearance
from sync.catalogue.rows import RowKey
from sync.catalogue.snapshot import (
    Answer,
    ApiServer,
    Deletions,
    Head,
    Issuer,
    Settings,
    SettingsProposal,
    Snapshot,
    VaultFacts,
)
from sync.fleet.clusters import Registration
from sync.ports.stored import ANYTHING, Expect, Stored

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Damaged:
    """A row that cannot be read; its ETag is known, so that it can be derived again and written."""

    reason: str


Row = (
    Entry
    | Registration
    | ApiServer
    | VaultFacts
    | Settings
    | SettingsProposal
    | Deletions
    | Answer
    | Authority
    | Issuer
    | Clearance
    | Damaged
)
"""What a row of the decisions holds, by the class of its key: see `catalogue.rows`."""


@dataclass(frozen=True, slots=True)
class Write:
    """One change within a transaction.

    Attributes:
        row: which row.
        value: its new content; None deletes it.
        expect: what the write must find.
    """

    row: RowKey
    value: Row | None
    expect: Expect


class Decisions(Protocol):
    """The one partition of all that decides."""

    def head(self) -> Stored[Head]:
        """The head; its ETag is empty while it was never written."""
        ...

    def row(self, row: RowKey) -> Stored[Row] | None:
        """One row, or None."""
        ...

    def snapshot(self, *, fresh: bool = False) -> Snapshot:
        """Everything: the head is read first, rows only if the head is not the cached one.

        Args:
            fresh: read the rows all the same: the times of looking are written without moving the head.
        """
        ...

    def commit(self, writes: Sequence[Write], *, head: Head | None, on_head: Expect = ANYTHING) -> None:
        """Write all or nothing, and the new head with it.

        Args:
            writes: at most 98.
            head: the new head; None writes rows that decide nothing.
            on_head: what the new head must find.

        Raises:
            Changed: a row or the head is not what was read; nothing was written.
        """
        ...
