"""Azure Table Storage as the tables that the stores need: the only importer of azure.data.tables."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableServiceClient, TransactionOperation, UpdateMode

from sync.adapters.azure_errors import translated
from sync.adapters.storage.decisions import TableDecisions
from sync.adapters.storage.statuses import TableStatuses
from sync.adapters.storage.work import TableWork
from sync.errors import Changed, Invalid, NotFound
from sync.ports.stored import Absent, Anything, Expect, Stored, Unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from azure.core.credentials import TokenCredential
    from azure.data.tables import TableClient

    from sync.adapters.storage.table import Operation

R = TypeVar("R")

BOUNDED = {
    "retry_total": 2,
    "retry_connect": 1,
    "retry_read": 0,
    "retry_status": 2,
    "retry_backoff_factor": 0.2,
    "retry_backoff_max": 2,
}
"""Retries of the SDK: few and quick, as callers have time limits and redeliveries of their own."""


STATUSES_A_PAGE = 100
"""A status of a long list takes 100 KiB, and the SDK holds a page several times over while it decodes it."""


class AzureTable:
    """One table of a storage account (`table_stores.Table`); created when first written to.

    Args:
        client: the SDK's.
        page: rows asked for at once by a scan of all columns; None is the server's 1,000.
    """

    def __init__(self, client: TableClient, *, page: int | None = None) -> None:
        self._client = client
        self._page = page
        self._what = f"table {client.table_name}"

    def get(self, partition: str, key: str) -> Stored[Mapping[str, Any]] | None:
        """One row, or None."""
        with translated(f"reading {self._what}"):
            try:
                return _stored(self._client.get_entity(partition, key))
            except ResourceNotFoundError:
                return None

    def scan(
        self, partition: str, *, prefix: str = "", due_by: datetime | None = None, only: Sequence[str] = ()
    ) -> Iterator[tuple[str, Stored[Mapping[str, Any]]]]:
        """Rows of the partition by key, all pages."""
        words, values = _filter(partition, prefix, due_by)
        chosen = {"select": ["RowKey", *only]} if only else {"results_per_page": self._page}
        with translated(f"scanning {self._what}"):
            try:
                for entity in self._client.query_entities(words, parameters=values, **chosen):
                    yield entity["RowKey"], _stored(entity)
            except ResourceNotFoundError:
                return

    def write(self, partition: str, operation: Operation) -> str:
        """Change one row; gives its new ETag."""
        return self._conditionally(lambda: self._write(partition, operation), f"{operation.key} in {self._what}")

    def transact(self, partition: str, operations: Sequence[Operation]) -> None:
        """Make all changes or none."""
        batch = [_in_transaction(partition, operation) for operation in operations]
        self._conditionally(lambda: self._client.submit_transaction(batch), f"rows in {self._what}")

    def _write(self, partition: str, operation: Operation) -> str:
        if operation.columns is None:
            self._client.delete_entity(partition, operation.key, **_conditions(operation.expect))
            return ""
        entity = _entity(partition, operation)
        match operation.expect:
            case Absent():
                answer = self._client.create_entity(entity)
            case Anything():
                answer = self._client.upsert_entity(entity, mode=UpdateMode.REPLACE)
            case Unchanged():
                conditions = _conditions(operation.expect)
                answer = self._client.update_entity(entity, mode=UpdateMode.REPLACE, **conditions)
        return str(answer["etag"])

    def _conditionally(self, action: Callable[[], R], what: str) -> R:
        try:
            with translated(f"writing {what}"):
                return self._creating(action)
        except NotFound as cause:
            raise Changed(f"writing {what}: the row is gone") from cause

    def _creating(self, action: Callable[[], R]) -> R:
        """Not found is the row or the table, and the SDK does not always say which: the table is made to be there."""
        try:
            return action()
        except HttpResponseError as error:
            if error.status_code != HTTPStatus.NOT_FOUND:
                raise
        with suppress(ResourceExistsError):
            self._client.create_table()
        return action()


def _stored(entity: Mapping[str, Any]) -> Stored[Mapping[str, Any]]:
    return Stored(entity, entity.metadata["etag"])  # type: ignore[attr-defined]


def _filter(partition: str, prefix: str, due_by: datetime | None) -> tuple[str, dict[str, Any]]:
    words = "PartitionKey eq @partition"
    values: dict[str, Any] = {"partition": partition}
    if prefix:
        words += " and RowKey ge @first and RowKey lt @after"
        values |= {"first": prefix, "after": prefix[:-1] + chr(ord(prefix[-1]) + 1)}
    if due_by is not None:
        words += " and due le @due"
        values["due"] = due_by
    return words, values


def _entity(partition: str, operation: Operation) -> dict[str, Any]:
    return {"PartitionKey": partition, "RowKey": operation.key, **(operation.columns or {})}


def _conditions(expect: Expect) -> dict[str, Any]:
    """The SDK's conditions for changing or deleting a row.

    Raises:
        Invalid: the ETag is empty.
    """
    match expect:
        case Absent() | Anything():
            return {}
        case Unchanged("" as etag):
            raise Invalid(f"'{etag}' is not the ETag of a row")
        case Unchanged(etag):
            return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


def _in_transaction(
    partition: str, operation: Operation
) -> tuple[TransactionOperation, dict[str, Any], dict[str, Any]]:
    entity, conditions = _entity(partition, operation), _conditions(operation.expect)
    if operation.columns is None:
        return TransactionOperation.DELETE, entity, conditions
    match operation.expect:
        case Absent():
            return TransactionOperation.CREATE, entity, {}
        case Anything():
            return TransactionOperation.UPSERT, entity, {"mode": UpdateMode.REPLACE}
        case Unchanged():
            return TransactionOperation.UPDATE, entity, {"mode": UpdateMode.REPLACE, **conditions}


@dataclass(frozen=True, slots=True)
class Tables:
    """The three stores over one account's tables, and what closes their connections."""

    decisions: TableDecisions
    work: TableWork
    statuses: TableStatuses
    close: Callable[[], None]


def connect_tables(
    account: str, credential: TokenCredential | None = None, *, call_timeout: float, prefix: str = "trustcast"
) -> Tables:
    """The stores of a storage account; nothing is contacted before they are used.

    Args:
        account: a connection string; or, with a credential, the URL of the account's table service.
        credential: whose token opens the account; None with a connection string.
        call_timeout: seconds to wait for a connection, and for an answer.
        prefix: letters and digits that the tables' names begin with.
    """
    options: dict[str, Any] = {**BOUNDED, "connection_timeout": call_timeout, "read_timeout": call_timeout}
    if credential is None:
        service = TableServiceClient.from_connection_string(account, **options)
    else:
        service = TableServiceClient(account, credential=credential, **options)
    decisions, work = (AzureTable(service.get_table_client(prefix + name)) for name in ("decisions", "work"))
    status = AzureTable(service.get_table_client(prefix + "status"), page=STATUSES_A_PAGE)
    return Tables(TableDecisions(decisions), TableWork(work), TableStatuses(status), service.close)
