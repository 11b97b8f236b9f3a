"""The decisions as rows of one partition of a table, with a snapshot cached by the head."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import msgspec

from sync.adapters.storage.rows import JsonRows, row_key, unescape
from sync.adapters.storage.table import Operation, TypedRows
from sync.catalogue.authorities import Authority
from sync.catalogue.entry import Entry
from sync.catalogue.revocation import Clearance
from sync.catalogue.rows import (
    ApprovalRow,
    AuthorityRow,
    ClearanceRow,
    ClusterProposal,
    ClusterRow,
    ConfigurationProposal,
    ConfigurationRow,
    IssuerRow,
    LossesRow,
    ProposalRow,
    RowKey,
    SecretRow,
)
from sync.catalogue.secret import SecretKey
from sync.catalogue.snapshot import Approval, Head, Issuer, Losses, Proposal, Snapshot
from sync.errors import Invalid
from sync.fleet.clusters import Registration
from sync.fleet.configuration import Configuration
from sync.ports.decisions import Damaged
from sync.ports.stored import ANYTHING, Expect, Stored
from sync.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sync.adapters.storage.table import Table
    from sync.ports.decisions import Row, Write

log = logging.getLogger("trustcast.store")

MOST_WRITES = 98
"""Table Storage takes 100 operations in one transaction; one is the head's."""

HEAD = "head"
ROW_TYPES: dict[type[RowKey], type[Row]] = {
    SecretRow: Entry,
    ClusterRow: Registration,
    ConfigurationRow: Configuration,
    ClusterProposal: Proposal,
    ConfigurationProposal: Proposal,
    ApprovalRow: Approval,
    LossesRow: Losses,
    AuthorityRow: Authority,
    IssuerRow: Issuer,
    ClearanceRow: Clearance,
}


class TableDecisions:
    """`ports.Decisions` over a table. Threads share it; each process has its own, and so its own cached snapshot."""

    def __init__(self, table: Table, rows: JsonRows | None = None) -> None:
        self._table = table
        self._rows = rows or JsonRows()
        self._head = TypedRows(table, self._rows, "decisions", Head, lambda _: Head())
        self._cached = Snapshot()
        self._read: dict[str, Stored[Row]] = {}
        self._reading = threading.RLock()

    def head(self) -> Stored[Head]:
        """The head; its ETag is empty while it was never written."""
        return self._head.get(HEAD) or Stored(Head(), "")

    def row(self, row: RowKey) -> Stored[Row] | None:
        """One row, or None."""
        key = storage_key(row)
        found = self._table.get("decisions", key)
        return self._decoded(key, found) if found else None

    def snapshot(self, *, fresh: bool = False) -> Snapshot:
        """Everything, the head read before the rows; rows are read if the head is not the cached one, or `fresh`."""
        if not fresh and (known := self._cached_under(self.head())):
            return known
        with self._reading:
            head = self.head()
            if not fresh and (known := self._cached_under(head)):
                return known
            self._cached = self._gathered(head)
            return self._cached

    def commit(self, writes: Sequence[Write], *, head: Head | None, on_head: Expect = ANYTHING) -> None:
        """Write all or nothing, and the new head with it; see `ports.Decisions`.

        Raises:
            Changed: a row or the head is not what was read; nothing was written.
            Invalid: more than 98 writes, or values too large.
        """
        if len(writes) > MOST_WRITES:
            raise Invalid(f"{len(writes)} changes at once: make them in portions of {MOST_WRITES}")
        operations = [self._operation(storage_key(w.row), w.value, w.expect) for w in writes]
        if head is not None:
            operations.append(self._operation(HEAD, head, on_head))
        if operations:
            self._table.transact("decisions", operations)

    def _cached_under(self, head: Stored[Head]) -> Snapshot | None:
        token, cached = head.value.token, self._cached
        return cached if token and cached.head.token == token else None

    def _gathered(self, head: Stored[Head]) -> Snapshot:
        read = {key: self._decoded(key, found) for key, found in self._table.scan("decisions") if key != HEAD}
        self._read = read
        return snapshot_of(head, ((key, stored.value) for key, stored in read.items()))

    def _decoded(self, key: str, found: Stored[Mapping[str, Any]]) -> Stored[Row]:
        known = self._read.get(key)
        if known and known.etag == found.etag:
            return known
        try:
            kind = ROW_TYPES[type(parsed_key(key))]
            return Stored(self._rows.decode(found.value, kind, key), found.etag)
        except Invalid as error:
            log.warning("left out: %s", error)
            return Stored(Damaged(str(error)), found.etag)

    def _operation(self, key: str, value: object | None, expect: Expect) -> Operation:
        return Operation(key, None if value is None else self._rows.encode(value), expect)


def snapshot_of(head: Stored[Head], rows: Iterable[tuple[str, Row]]) -> Snapshot:
    """The snapshot that rows make, by their keys."""
    entries: dict[SecretKey, Entry] = {}
    clusters: dict[str, Registration] = {}
    proposals: dict[ProposalRow, Proposal] = {}
    approvals: dict[str, Approval] = {}
    losses: dict[LossesRow, Losses] = {}
    authorities: dict[AuthorityRow, Authority] = {}
    clearances: dict[str, Clearance] = {}
    configuration: Configuration | None = None
    for key, row in rows:
        match row:
            case Entry():
                entries[row.key] = row
            case Registration():
                clusters[row.name] = row
            case Configuration():
                configuration = row
            case Proposal() if isinstance(name := parsed_key(key), ProposalRow):
                proposals[name] = row
            case Approval():
                approvals[row.digest] = row
            case Losses() if isinstance(name := parsed_key(key), LossesRow):
                losses[name] = row
            case Authority() if isinstance(name := parsed_key(key), AuthorityRow):
                authorities[name] = row
            case Clearance():
                clearances[row.sha256] = row
    return Snapshot(head.value, configuration, entries, clusters, proposals, approvals, losses, authorities, clearances)


_WORDS: dict[type[RowKey], tuple[str, ...]] = {
    ClusterRow: ("cluster",),
    ConfigurationRow: ("configuration", ""),
    ClusterProposal: ("proposal", "cluster"),
    ConfigurationProposal: ("proposal", "configuration"),
    ApprovalRow: ("approval",),
    LossesRow: ("losses",),
    AuthorityRow: ("authority",),
    IssuerRow: ("issuer",),
    ClearanceRow: ("clearance",),
}
"""What a key begins with, before the row's fields; a secret's is not among them, since its names are folded."""


def storage_key(row: RowKey) -> str:
    """The key that the row has in the table."""
    if isinstance(row, SecretRow):
        return row_key("secret", row.key.vault.casefold(), row.key.name.casefold())
    return row_key(*_WORDS[type(row)], *msgspec.structs.astuple(row))


def parsed_key(key: str) -> RowKey:
    """The row that has this key in the table.

    Raises:
        Invalid: there is no such kind of row.
    """
    parts = tuple(unescape(part) for part in key.split("|"))
    match parts:
        case ("secret", vault, name):
            return SecretRow(SecretKey(vault, name))
    for kind, words in _WORDS.items():
        fields = parts[len(words) :]
        if parts[: len(words)] == words and len(fields) == len(kind.__struct_fields__):
            row: Callable[..., RowKey] = kind
            return row(*fields)
    raise Invalid(f"row {printable(key)} is of no kind that this version knows")
