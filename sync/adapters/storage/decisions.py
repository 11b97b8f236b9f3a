"""The decisions as rows of one partition of a table, with a snapshot cached by the head."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from sync.adapters.storage.rows import JsonRows, row_key, unescape
from sync.adapters.storage.table import Operation, TypedRows
from sync.catalogue.authorities import Authority
from sync.catalogue.entry import Entry
from sync.catalogue.revocation import Clearance
from sync.catalogue.rows import (
    AnswerRow,
    AuthorityRow,
    ClearanceRow,
    ClusterRow,
    ConfigurationRow,
    DeletionsRow,
    IssuerRow,
    RowKey,
    SecretRow,
    ServerRow,
    SettingsProposalRow,
    VaultRow,
)
from sync.catalogue.secret import SecretKey
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
from sync.errors import Invalid, Temporary
from sync.fleet.clusters import Registration
from sync.ports.decisions import Damaged
from sync.ports.stored import ANYTHING, Expect, Stored
from sync.text import printable
from sync.typed_json import converted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sync.adapters.storage.table import Table
    from sync.ports.decisions import Row, Write

log = logging.getLogger("trustcast.store")

MOST_WRITES = 98
"""Table Storage takes 100 operations in one transaction; one is the head's."""

HEAD = "head"

WHOLE_TRIES = 6
"""How often all rows are read until none changed meanwhile."""

ROW_TYPES: dict[type[RowKey], type[Row]] = {
    SecretRow: Entry,
    ClusterRow: Registration,
    ServerRow: ApiServer,
    VaultRow: VaultFacts,
    ConfigurationRow: Settings,
    SettingsProposalRow: SettingsProposal,
    DeletionsRow: Deletions,
    AnswerRow: Answer,
    AuthorityRow: Authority,
    IssuerRow: Issuer,
    ClearanceRow: Clearance,
}

OF_SCHEMA_2 = ("losses|", "proposal|", "approval|", "configuration|")
"""Kinds of rows that a version before wrote: what waited then is found again, and the timer adopts the settings."""


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
        """Every row under one head: it is read again after the last row, and all of them where it has moved."""
        for _ in range(WHOLE_TRIES):
            read = {key: self._decoded(key, found) for key, found in self._table.scan("decisions") if _is_ours(key)}
            self._read = read
            again = self.head()
            if again.value.token == head.value.token:
                return snapshot_of(head, ((key, stored.value) for key, stored in read.items()))
            head = again
        raise Temporary("what decides changes faster than it can be read; it is read again")

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


def _is_ours(key: str) -> bool:
    return key != HEAD and not key.startswith(OF_SCHEMA_2)


def snapshot_of(head: Stored[Head], rows: Iterable[tuple[str, Row]]) -> Snapshot:
    """The snapshot that rows make, by their keys."""
    kinds: dict[type[RowKey], dict[Any, Any]] = defaultdict(dict)
    for key, row in rows:
        if not isinstance(row, Damaged):
            name = parsed_key(key)
            kinds[type(name)][name] = row
    settings: Settings | None = kinds[ConfigurationRow].get(ConfigurationRow())
    proposal: SettingsProposal | None = kinds[SettingsProposalRow].get(SettingsProposalRow())
    return Snapshot(
        head.value,
        settings,
        {name.key: entry for name, entry in kinds[SecretRow].items()},
        {name.name: registration for name, registration in kinds[ClusterRow].items()},
        {name.id: server for name, server in kinds[ServerRow].items()},
        {name.host: facts for name, facts in kinds[VaultRow].items()},
        proposal,
        {name.vault: deletions for name, deletions in kinds[DeletionsRow].items()},
        {name.digest: answer for name, answer in kinds[AnswerRow].items()},
        kinds[AuthorityRow],
        {name.sha256: clearance for name, clearance in kinds[ClearanceRow].items()},
    )


def storage_key(row: RowKey) -> str:
    """The key that the row has in the table."""
    match row:
        case SecretRow(key):
            return row_key("secret", key.vault.casefold(), key.name.casefold())
        case ConfigurationRow():
            return row_key("settings", "")
        case SettingsProposalRow():
            return row_key("settings", "proposed")
    return row_key(_KIND[type(row)], *msgspec.structs.astuple(row))


def parsed_key(key: str) -> RowKey:
    """The row that has this key in the table.

    Raises:
        Invalid: there is no such kind of row.
    """
    match [unescape(part) for part in key.split("|")]:
        case ["secret", vault, name]:
            return SecretRow(SecretKey(vault, name))
        case ["settings", ""]:
            return ConfigurationRow()
        case ["settings", "proposed"]:
            return SettingsProposalRow()
        case [kind, *names] if kind in _OF_KIND and len(names) == len(_OF_KIND[kind].__struct_fields__):
            return converted(dict(zip(_OF_KIND[kind].__struct_fields__, names, strict=True)), _OF_KIND[kind])
    raise Invalid(f"row {printable(key)} is of no kind that this version knows")


_OF_KIND: dict[str, type[RowKey]] = {
    "cluster": ClusterRow,
    "server": ServerRow,
    "vault": VaultRow,
    "deletions": DeletionsRow,
    "answer": AnswerRow,
    "authority": AuthorityRow,
    "issuer": IssuerRow,
    "clearance": ClearanceRow,
}
_KIND = {row: kind for kind, row in _OF_KIND.items()}
