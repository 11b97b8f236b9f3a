"""Stores that the contract suites are run against: Azure tables (Azurite), in memory, and in memory as objects."""

from __future__ import annotations

import itertools
import os
import random
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from sync.adapters.storage.azure_tables import connect_tables
from sync.adapters.storage.table import Operation
from sync.catalogue.assignment import Assignment
from sync.catalogue.authorities import MOST_CARRIED, MOST_CRLS, Authority, ProvenCrl
from sync.catalogue.entry import Candidate, Entry, ListedVersion, Rejected, StoredItem, WaitingAssignment
from sync.catalogue.revocation import Clearance
from sync.catalogue.rows import (
    AnswerRow,
    AuthorityRow,
    ClearanceRow,
    ClusterRow,
    ConfigurationRow,
    DeletionsRow,
    IssuerRow,
    SecretRow,
    ServerRow,
    SettingsProposalRow,
    VaultRow,
)
from sync.catalogue.secret import SecretKey, VersionProperties
from sync.catalogue.snapshot import (
    Answer,
    ApiServer,
    Deletions,
    Head,
    Issuer,
    Removal,
    Settings,
    SettingsProposal,
    Stamp,
    VaultFacts,
)
from sync.certificates.items import Kind
from sync.findings import Code, Finding, Role
from sync.fleet.clusters import Access, AccessKind, Registration
from sync.fleet.configuration import Configuration
from sync.fleet.lists import DEFAULT_LISTS
from sync.fleet.vaults import Default, WatchedVault
from sync.ports.decisions import Write
from sync.ports.stored import ABSENT, ANYTHING
from sync.reconcile.status import ListStatus
from tests.support.memory import MemoryDecisions, MemoryStatuses, MemoryWork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import pytest

    from sync.adapters.storage.decisions import TableDecisions
    from sync.adapters.storage.statuses import TableStatuses
    from sync.adapters.storage.work import TableWork
    from sync.catalogue.rows import RowKey
    from sync.ports.decisions import Decisions, Row
    from sync.ports.stored import Expect, Stored

T = TypeVar("T")

NOW = datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
ODD_NAMES = [
    "plain",
    "with/slash",
    r"back\slash",
    "#?%=|'\"",
    "ünï→漢🔒",
    "line\nand\x7f\x00",
    " blank ",
    "%2F",
    "=2F",
    ".",
]
_prefixes = itertools.count()


@dataclass(frozen=True)
class Stores:
    """One set of stores, and the decisions as another process of the service sees them."""

    decisions: TableDecisions
    work: TableWork
    statuses: TableStatuses
    elsewhere: TableDecisions


@contextmanager
def in_azurite(request: pytest.FixtureRequest) -> Iterator[Stores]:
    account = request.getfixturevalue("azurite").connection_string
    prefix = f"t{os.getpid()}x{next(_prefixes)}"
    tables, others = (connect_tables(account, call_timeout=30, prefix=prefix) for _ in range(2))
    yield Stores(tables.decisions, tables.work, tables.statuses, others.decisions)
    tables.close()
    others.close()


@contextmanager
def in_memory(_: pytest.FixtureRequest, *, strict: bool = True) -> Iterator[Stores]:
    decisions = MemoryDecisions(strict=strict)
    elsewhere = MemoryDecisions(table=decisions.table)
    yield Stores(decisions, MemoryWork(strict=strict), MemoryStatuses(strict=strict), elsewhere)


@contextmanager
def as_objects(request: pytest.FixtureRequest) -> Iterator[Stores]:
    with in_memory(request, strict=False) as stores:
        yield stores


OPENERS: dict[str, Callable[[pytest.FixtureRequest], AbstractContextManager[Stores]]] = {
    "azurite": in_azurite,
    "memory": in_memory,
    "memory-objects": as_objects,
}


def there(stored: Stored[T] | None) -> Stored[T]:
    """A row that must be there."""
    assert stored is not None
    return stored


def head(token: str = "token") -> Head:
    return Head(token, NOW, NOW - timedelta(seconds=1))


def entry(name: str = "corp-root", **changes: Any) -> Entry:
    key = SecretKey("kv1.vault.azure.net", name)
    newest = VersionProperties(name, "1" * 32, NOW, NOW, tags={"trustcast-lists": "trust"})
    return Entry(key, name, newest, Assignment(("trust",), "*"), NOW, **changes)


def listed(version: str, *, enabled: bool = True) -> ListedVersion:
    return ListedVersion(version, NOW, NOW + MICROSECOND, enabled)


def full_entry() -> Entry:
    found = Finding(Code.EXPIRED, "it expired on 2020-01-01", (Role.TRUST,), "a.der")
    item = StoredItem(Kind.CERTIFICATE, bytes(range(256)))
    return entry(
        candidates=(Candidate("2" * 32, NOW, True, (item,), (found,)),),
        rejected=(Rejected("3" * 32, NOW, (found,)),),
        secret_findings=(found,),
        assigned_at=NOW,
        admitted=NOW - MICROSECOND,
        versions=(listed("3" * 32), listed("2" * 32, enabled=False)),
        complete=True,
        stop="2" * 32,
        waiting=WaitingAssignment(Assignment(("issuer",), "env=prod"), NOW, ("plant-1", "plant-2")),
        judged="d" * 64,
        passed=(Rejected("4" * 32, NOW, (found,)),),
        reread_at=NOW,
        needs_second_look=True,
    )


def large_entry() -> Entry:
    noise = random.Random(1).randbytes
    return entry(
        candidates=tuple(
            Candidate(str(n) * 32, NOW, True, (StoredItem(Kind.CERTIFICATE, noise(25_000)),), ()) for n in range(4)
        )
    )


def registration(name: str = "plant-1") -> Registration:
    access = Access(AccessKind.KUBECONFIG, "plant-1-kubeconfig")
    return Registration(name, {"site": "ham"}, access, host="h:6443", ca_sha256="c" * 64, server_id=f"{name}-id")


def configuration() -> Configuration:
    vault = WatchedVault("https://kv1.vault.azure.net", ("trust",), "site=ham", Default(("trust",), "*"))
    return Configuration((vault,), DEFAULT_LISTS)


def settings() -> Settings:
    return Settings(configuration(), Stamp("2026-06-01T11:00:00Z", "2026-06-01T12:00:00.000001Z"))


def answer(digest: str = "a" * 64) -> Answer:
    removal = Removal(SecretKey("kv1.vault.azure.net", "corp-root"), "DELETED", "2026-06-01T12:00:00Z", "trust")
    orphan = Removal(None, "ORPHANED", "e" * 64, "*")
    return Answer(digest, NOW, True, (removal, orphan), ("corp-root",), "kv1.vault.azure.net")


def authority(*crls: ProvenCrl) -> Authority:
    found = crls or (ProvenCrl("", 2**159, NOW, {2**159 + 1: NOW, 0: NOW, -1: NOW}, (0,), "e" * 64, "kv1/crl"),)
    return Authority(b"2.5.4.3=root\x1e2.5.4.10=\xc3\xbc", "f" * 64, bytes(range(256)), NOW, found, NOW - MICROSECOND)


def large_authority() -> Authority:
    """As many CRLs as are kept, each as large as a value can be, with serial numbers of 20 octets and any dates."""
    noise = random.Random(1)
    began = NOW.replace(microsecond=0)

    def listed() -> dict[int, datetime]:
        seconds = (timedelta(seconds=noise.randrange(10**9)) for _ in range(490 + MOST_CARRIED))
        return {noise.getrandbits(159): began - before for before in seconds}

    lists = [listed() for _ in range(MOST_CRLS)]
    return authority(
        *(ProvenCrl(f"{n:064}", n, NOW, e, tuple(e)[:MOST_CARRIED], "e" * 64, "kv1/crl") for n, e in enumerate(lists))
    )


VAULT = "kv1.vault.azure.net"
SECRET = SecretRow(SecretKey(VAULT, "corp-root"))
ANSWER = AnswerRow("a" * 64)
AUTHORITY = AuthorityRow("b" * 64, "f" * 64)
CLEARANCE = ClearanceRow("a" * 64)
DELETIONS = DeletionsRow(VAULT)
ROWS: dict[RowKey, Row] = {
    SECRET: full_entry(),
    ClusterRow("plant-1"): registration(),
    ServerRow("plant-1-id"): ApiServer("plant-1-id", "h:6443", "c" * 64),
    VaultRow(VAULT): VaultFacts(NOW, NOW + MICROSECOND, NOW),
    ConfigurationRow(): settings(),
    SettingsProposalRow(): SettingsProposal(settings(), NOW, ("plant-1",), (SECRET.key,)),
    DELETIONS: Deletions(NOW, ("corp-root", "corp-sub")),
    ANSWER: answer(),
    AUTHORITY: authority(),
    IssuerRow("b" * 64): Issuer("random"),
    CLEARANCE: Clearance("a" * 64, NOW),
}


def insert(decisions: Decisions, *names: RowKey, token: str = "token") -> None:
    decisions.commit([Write(name, ROWS[name], ABSENT) for name in names], head=head(token))


def put(decisions: Decisions, value: Row | None, expect: Expect, token: str = "token") -> None:
    decisions.commit([Write(SECRET, value, expect)], head=head(token))


def status(cluster: str = "plant-1", list_name: str = "trust", **changes: Any) -> ListStatus:
    return ListStatus(place(cluster, list_name), cluster, list_name, **changes)


def place(cluster: str = "plant-1", list_name: str = "trust") -> str:
    return f"{cluster}/opc-ua/{list_name}"


def damage(store: TableDecisions | TableStatuses, partition: str, key: str) -> None:
    store._table.write(partition, Operation(key, {"schema": 1, "zlib": False, "body0": b"}{"}, ANYTHING))
