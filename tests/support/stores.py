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
from sync.catalogue.entry import Candidate, Claim, Entry, Held, Loss, Rejected, StoredItem
from sync.catalogue.revocation import Clearance
from sync.catalogue.rows import (
    ApprovalRow,
    AuthorityRow,
    ClearanceRow,
    ClusterProposal,
    ClusterRow,
    ConfigurationRow,
    IssuerRow,
    LossesRow,
    SecretRow,
)
from sync.catalogue.secret import SecretKey, VersionProperties
from sync.catalogue.snapshot import Approval, Head, Issuer, Losses, Proposal
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


def held() -> Held:
    return Held("d" * 64, "it was unassigned", NOW, (Loss("trust", ("a.der",), ("plant-1",), 9),))


def full_entry() -> Entry:
    found = Finding(Code.EXPIRED, "it expired on 2020-01-01", (Role.TRUST,), "a.der")
    item = StoredItem(Kind.CERTIFICATE, bytes(range(256)))
    return entry(
        candidates=(Candidate("2" * 32, NOW, True, (item,), (found,)),),
        rejected=(Rejected("3" * 32, NOW, (found,)),),
        secret_findings=(found,),
        known=("2" * 32, "3" * 32),
        former=("old.der",),
        claims=(Claim(NOW, "*", (("trust", "a.der"),)),),
        held=held(),
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
    return Registration(name=name, labels={"site": "ham"}, access=access, host="h:6443", ca_sha256="c" * 64)


def configuration() -> Configuration:
    vault = WatchedVault("https://kv1.vault.azure.net", ("trust",), "site=ham", Default(("trust",), "*"))
    return Configuration((vault,), DEFAULT_LISTS)


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


SECRET = SecretRow(SecretKey("kv1.vault.azure.net", "corp-root"))
APPROVAL = ApprovalRow("a" * 64)
AUTHORITY = AuthorityRow("b" * 64, "f" * 64)
CLEARANCE = ClearanceRow("a" * 64)
LOSSES = LossesRow("2026-06-01T12:00:00.123456+00:00", "f00d")
ROWS: dict[RowKey, Row] = {
    SECRET: full_entry(),
    ClusterRow("plant-1"): registration(),
    ConfigurationRow(): configuration(),
    ClusterProposal("plant-1"): Proposal(held(), registration(), configuration()),
    APPROVAL: Approval("a" * 64, NOW),
    LOSSES: Losses(NOW, (Loss("trust", ("a.der", "b.der"), ("plant-1",), 9),)),
    AUTHORITY: authority(),
    IssuerRow("b" * 64): Issuer("random"),
    CLEARANCE: Clearance("a" * 64, NOW),
}


def insert(decisions: Decisions, *names: RowKey, token: str = "token") -> None:
    decisions.commit([Write(name, ROWS[name], ABSENT) for name in names], head=head(token))


def put(decisions: Decisions, value: Row | None, expect: Expect, token: str = "token") -> None:
    decisions.commit([Write(SECRET, value, expect)], head=head(token))


def status(cluster: str = "plant-1", list_name: str = "trust", **changes: Any) -> ListStatus:
    return ListStatus(cluster, list_name, **changes)


def damage(store: TableDecisions | TableStatuses, partition: str, key: str) -> None:
    store._table.write(partition, Operation(key, {"schema": 1, "zlib": False, "body0": b"}{"}, ANYTHING))
