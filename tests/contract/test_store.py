"""What every store of work and statuses must do; and how the account's failures are told."""

from __future__ import annotations

import itertools
import random
import socket
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sync.adapters.storage.azure_tables import connect_tables
from sync.adapters.storage.rows import SCHEMA
from sync.adapters.storage.statuses import PARTITION
from sync.adapters.storage.table import Operation
from sync.catalogue.secret import SecretKey
from sync.desired.reasons import RemovalReason
from sync.errors import Changed, Invalid, Permanent, Unauthorized, Unreachable
from sync.ports.stored import ABSENT, ANYTHING, Unchanged
from sync.ports.work import ClusterWork, PlanMark, VaultWork
from sync.reconcile.holds import SCOPE, Leaving, Left
from sync.reconcile.ownership import OwnedFile
from sync.reconcile.status import KeptFile, ListSummary, State, unknown_status
from tests.support.stores import MICROSECOND, NOW, ODD_NAMES, damage, place, status, there

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.storage import Azurite
    from sync.ports.statuses import Statuses
    from sync.ports.stored import Expect, Stored
    from sync.ports.work import Work
    from tests.support.stores import Stores


OWNER = SecretKey("kv1.vault.azure.net", "corp-root")
OURS = OwnedFile("0" * 64, OWNER, "1" * 32)
KEY = "plant-1|opc-ua|trust"


def leaving() -> Leaving:
    reason = RemovalReason.DELETED
    return Leaving("a.der", OWNER, "1" * 32, reason, "2026-06-01T12:00:00Z", True, True, "CN=a", NOW, "0" * 64)


@pytest.fixture
def work(stores: Stores) -> Work:
    return stores.work


@pytest.fixture
def statuses(stores: Stores) -> Statuses:
    return stores.statuses


# The work


def test_work_that_was_never_set_is_none(work: Work) -> None:
    assert work.plan_mark() is None
    assert work.planned() == ""
    assert work.cluster("plant-1") is None
    assert work.vault("kv1.vault.azure.net") is None
    assert work.due(NOW) == ()


Setter = tuple[
    "Callable[[Work, Any, Expect], Unchanged]",
    "Callable[[Work], Stored[Any] | None]",
    "PlanMark | ClusterWork | VaultWork",
    "PlanMark | ClusterWork | VaultWork",
]
"""How a row is written and read, and two values of it."""

SETTERS: dict[str, Setter] = {
    "plan mark": (lambda w, v, e: w.set_plan_mark(v, e), lambda w: w.plan_mark(), PlanMark(NOW, 4.0), PlanMark()),
    "cluster": (
        lambda w, v, e: w.set_cluster("plant-1", v, e),
        lambda w: w.cluster("plant-1"),
        ClusterWork(NOW, NOW + timedelta(minutes=2)),
        ClusterWork(),
    ),
    "vault": (
        lambda w, v, e: w.set_vault("kv1.vault.azure.net", v, e),
        lambda w: w.vault("kv1.vault.azure.net"),
        VaultWork(NOW, NOW),
        VaultWork(),
    ),
}


@pytest.mark.parametrize("kind", SETTERS)
def test_work_is_written_by_test_and_set(work: Work, kind: str) -> None:
    write, read, one, other = SETTERS[kind]
    first = write(work, one, ABSENT)
    assert (there(read(work)).value, there(read(work)).unchanged) == (one, first)
    with pytest.raises(Changed):
        write(work, other, ABSENT)
    second = write(work, other, first)
    assert (there(read(work)).value, there(read(work)).unchanged) == (other, second)
    with pytest.raises(Changed):
        write(work, one, first)
    assert there(read(work)).unchanged == write(work, one, ANYTHING) or there(read(work)).value == one


@pytest.mark.parametrize("etag", ["none: the row changes too fast", "", "7"])
@pytest.mark.parametrize("kind", SETTERS)
def test_an_etag_that_is_none_is_refused_and_writes_nothing(work: Work, kind: str, etag: str) -> None:
    """It says something else than that the row has changed: the caller is wrong, and trying again mends nothing."""
    write, read, one, other = SETTERS[kind]
    write(work, one, ABSENT)
    with pytest.raises(Invalid):
        write(work, other, Unchanged(etag))
    assert there(read(work)).value == one


def test_the_planned_head_is_replaced(work: Work) -> None:
    for token in ("first", "second"):
        work.set_planned(token)
        assert work.planned() == token


def test_a_forgotten_clusters_work_is_gone_and_forgetting_again_is_nothing(work: Work) -> None:
    etag = work.set_cluster("plant-1", ClusterWork(due=NOW), ABSENT)
    for _ in range(2):
        work.forget_cluster("plant-1")
    assert work.cluster("plant-1") is None
    assert work.due(NOW) == ()
    with pytest.raises(Changed):
        work.set_cluster("plant-1", ClusterWork(), etag)


def test_clusters_are_due_at_their_time_to_the_microsecond(work: Work) -> None:
    dues = {
        "long ago": NOW - timedelta(days=400),
        "just before": NOW - MICROSECOND,
        "now": NOW,
        "just after": NOW + MICROSECOND,
        "tomorrow": NOW + timedelta(days=1),
        "never": None,
    }
    for name, due in dues.items():
        work.set_cluster(name, ClusterWork(None, due), ABSENT)
    assert sorted(work.due(NOW)) == ["just before", "long ago", "now"]


@pytest.mark.parametrize("star", [False, True])
def test_a_due_time_that_is_taken_back_is_no_longer_due(work: Work, star: bool) -> None:
    etag = work.set_cluster("plant-1", ClusterWork(due=NOW), ABSENT)
    work.set_cluster("plant-1", ClusterWork(), ANYTHING if star else etag)
    assert work.due(NOW) == ()


def test_clusters_of_any_name_have_work_of_their_own(work: Work) -> None:
    for number, name in enumerate(ODD_NAMES):
        work.set_cluster(name, ClusterWork(None, NOW - timedelta(seconds=number)), ABSENT)
    assert sorted(work.due(NOW)) == sorted(ODD_NAMES)
    assert [there(work.cluster(name)).value.due for name in ODD_NAMES] == [
        NOW - timedelta(seconds=number) for number in range(len(ODD_NAMES))
    ]


# The statuses


def test_a_status_is_written_by_test_and_set(statuses: Statuses) -> None:
    full = status(
        state=State.IN_SYNC,
        detail="ünï <b>",
        digest="d" * 64,
        files={"a.der": OURS, "b.der": OwnedFile("2" * 64, None), "c.der": replace(OURS, shared=True)},
        reserved={"gone.der": OWNER},
        left=(Left("left.der", OWNER.vault, NOW), Left("moved.der", SCOPE, NOW)),
        held=(leaving(),),
        kept=(KeptFile("b.der", None, "", "fact", "no secret is known to have given it"),),
        thumbprints={"a.der": ("1" * 64,)},
        unmanaged={"theirs.der": "4" * 64},
        verified=NOW,
        failures=3,
        due=NOW,
    )
    assert statuses.get(place()) is None
    first = statuses.put(full, ABSENT)
    read = there(statuses.get(place()))
    assert (read.value, read.unchanged) == (full, first)
    with pytest.raises(Changed):
        statuses.put(status(), ABSENT)
    statuses.put(status(), first)
    with pytest.raises(Changed):
        statuses.put(full, first)
    assert there(statuses.get(place())).value == status()


def test_all_statuses_are_found_whatever_their_names(statuses: Statuses) -> None:
    pairs = sorted(itertools.product(ODD_NAMES, ["trust", "is|suer"]))
    for cluster, list_name in pairs:
        statuses.put(status(cluster, list_name), ABSENT)
    assert sorted((s.cluster, s.list) for s in statuses.all()) == pairs
    assert all(there(statuses.get(place(*pair))).value == status(*pair) for pair in pairs)


def test_what_planning_compares_is_told_of_every_status_as_it_was_written(statuses: Statuses) -> None:
    many = {f"file-{number}.der": OwnedFile(f"{number:064}", OWNER) for number in range(1000)}
    kept = tuple(KeptFile(file, OWNER, "1" * 32, "DELETED", "its secret was deleted") for file in many)
    written = [
        status(name, list_name, state=State.OFFLINE, digest="d" * 64, files=files, kept=stays, due=NOW)
        for name, (files, stays) in zip(
            ODD_NAMES, [(many, kept), ({}, ()), *[({"a.der": OURS}, kept[:1])] * 8], strict=True
        )
        for list_name in ("trust", "is|suer")
    ]
    for each in written:
        statuses.put(each, ABSENT)
    assert statuses.summaries() == {each.place: each.summary for each in written}
    changed = status(ODD_NAMES[0], state=State.IN_SYNC)
    statuses.put(changed, there(statuses.get(place(ODD_NAMES[0]))).unchanged)
    assert statuses.summaries()[place(ODD_NAMES[0])] == changed.summary


NEIGHBOURS = ["plant", "plant-1", "plant|", "plant.", "plan", "Plant", "plant~", "plant/opc-ua", "x/plant"]


def test_the_statuses_of_a_server_are_those_of_its_places_only(statuses: Statuses) -> None:
    for name in NEIGHBOURS:
        for list_name in ("trust", "issuer"):
            statuses.put(status(name, list_name), ABSENT)
    for name in NEIGHBOURS:
        assert {s.place for s in statuses.of_server(name)} == {place(name, "trust"), place(name, "issuer")}
    assert statuses.of_server("none") == ()


def test_a_forgotten_place_takes_its_own_status_only(statuses: Statuses) -> None:
    for name in NEIGHBOURS:
        for list_name in ("trust", "issuer"):
            statuses.put(status(name, list_name), ABSENT)
    for _ in range(2):
        statuses.forget(place("plant"))
    left = {place(name, list_name) for name in NEIGHBOURS for list_name in ("trust", "issuer")} - {place("plant")}
    assert {s.place for s in statuses.all()} == left == set(statuses.summaries())


def test_a_status_stays_where_cluster_and_list_are_renamed(statuses: Statuses) -> None:
    """A place has an id that outlives names: what is remembered of the object lies under it."""
    first = statuses.put(status(files={"a.der": OURS}), ABSENT)
    renamed = replace(status(files={"a.der": OURS}), cluster="renamed", list="trusted")
    statuses.put(renamed, first)
    assert statuses.all() == (renamed,)
    assert there(statuses.get(place())).value == renamed


def test_a_status_of_a_thousand_files_is_read_as_it_was_written(statuses: Statuses) -> None:
    noise = random.Random(1)
    versions = [noise.randbytes(16).hex() for _ in range(1000)]
    files = {f"file-{n}.der": OwnedFile(noise.randbytes(32).hex(), OWNER, versions[n]) for n in range(1000)}
    statuses.put(status(files=files), ABSENT)
    assert there(statuses.get(place())).value.files == files


def test_lists_that_hold_alike_are_told_apart_where_they_do_not(statuses: Statuses) -> None:
    held, other = {"a.der": OURS}, {"a.der": replace(OURS, owner=None)}
    for cluster, files in (("c1", held), ("c2", dict(held)), ("c3", other), ("c4", {})):
        statuses.put(status(cluster, files=files), ABSENT)
    found = {s.cluster: s.files for s in statuses.all()}
    assert found == {"c1": held, "c2": held, "c3": other, "c4": {}}


# Damage


def test_a_damaged_status_is_as_if_the_list_was_never_looked_at(tables: Stores) -> None:
    tables.statuses.put(status(failures=3), ABSENT)
    tables.statuses.put(status("plant-2", failures=4), ABSENT)
    damage(tables.statuses, PARTITION, KEY)
    assert [s.failures for s in tables.statuses.all()] == [0, 4]
    stored = there(tables.statuses.get(place()))
    assert stored.value == unknown_status(place(), "")
    assert not stored.value.memory.known
    tables.statuses.put(status(failures=1), stored.unchanged)
    assert there(tables.statuses.get(place())).value.failures == 1


@pytest.mark.parametrize("brief", [None, b"}{", b"[]", "text"], ids=["absent", "damaged", "of another type", "text"])
def test_a_status_that_does_not_say_what_planning_compares_must_be_looked_at(
    tables: Stores, brief: bytes | str | None
) -> None:
    """A row of an earlier trustcast, or a damaged one: it stands for nothing, and its value is read all the same."""
    tables.statuses.put(status(failures=3, digest="d" * 64), ABSENT)
    known = there(tables.statuses._table.get(PARTITION, KEY))
    columns = {name: known.value[name] for name in ("schema", "zlib", "body0")}
    columns |= {} if brief is None else {"brief": brief}
    tables.statuses._table.write(PARTITION, Operation(KEY, columns, ANYTHING))
    assert tables.statuses.summaries() == {place(): ListSummary()}
    assert there(tables.statuses.get(place())).value.failures == 3


def test_what_a_newer_trustcast_wrote_is_not_planned_by(tables: Stores) -> None:
    columns = {"schema": SCHEMA + 1, "zlib": False, "body0": b"{}", "brief": b"{}"}
    tables.statuses._table.write(PARTITION, Operation(KEY, columns, ABSENT))
    with pytest.raises(Permanent, match="deploy the newer version"):
        tables.statuses.summaries()


def test_a_cluster_whose_due_time_is_damaged_is_due(tables: Stores) -> None:
    """Law 10: it is not forgotten."""
    work = tables.work
    work.set_cluster("plant-1", ClusterWork(NOW, NOW), ABSENT)
    columns = {"schema": 1, "zlib": False, "body0": b"}{", "due": NOW}
    work._table.write("cluster", Operation("plant-1", columns, ANYTHING))
    assert work.due(NOW) == ("plant-1",)
    assert there(work.cluster("plant-1")).value == ClusterWork()


# The account


def test_an_account_that_does_not_answer_is_unreachable(azurite: Azurite) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        account = ";".join(
            f"TableEndpoint=http://127.0.0.1:{port}/devstoreaccount1" if part.startswith("TableEndpoint") else part
            for part in azurite.connection_string.split(";")
        )
        tables = connect_tables(account, call_timeout=0.1)
        with pytest.raises(Unreachable):
            tables.decisions.head()
        with pytest.raises(Unreachable):
            tables.decisions.snapshot(fresh=True)
        tables.close()


@pytest.mark.filterwarnings("ignore:Testing an element:DeprecationWarning:azure")  # the SDK reads XML so
def test_a_wrong_key_is_unauthorized_and_not_shown(azurite: Azurite) -> None:
    account = ";".join(
        "AccountKey=c2VjcmV0c2VjcmV0" if part.startswith("AccountKey") else part
        for part in azurite.connection_string.split(";")
    )
    tables = connect_tables(account, call_timeout=5)
    with pytest.raises(Unauthorized) as caught:
        tables.work.set_planned("x")
    assert "c2Vjcm" not in str(caught.value)
    tables.close()
