"""What every store of decisions, work and statuses must do: over Azure tables (Azurite) and in memory."""

import itertools
import os
import random
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from sync.assignment import Assignment
from sync.catalogue import Candidate, Entry, Held, Loss, Rejected, StoredItem
from sync.clusters import Access, AccessKind, Registration
from sync.errors import Changed, Invalid, Permanent, Unauthorized, Unreachable
from sync.findings import Code, Finding, Role
from sync.lists import DEFAULT_LISTS, Configuration, Default, WatchedVault
from sync.ports import (
    Approval,
    ClusterWork,
    Damaged,
    Decisions,
    Head,
    Losses,
    PlanMark,
    Proposal,
    RowKind,
    RowName,
    Statuses,
    VaultWork,
    Work,
    Write,
)
from sync.secret import SecretKey, VersionProperties
from sync.status import ListStatus, State
from sync.table_stores import Operation
from sync.tables import connect_tables
from sync.x509_items import Kind
from tests.memory import MemoryDecisions, MemoryStatuses, MemoryTable, MemoryWork

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

    decisions: Decisions
    work: Work
    statuses: Statuses
    elsewhere: Decisions


@contextmanager
def in_azurite(request):
    account = request.getfixturevalue("azurite").connection_string
    prefix = f"t{os.getpid()}x{next(_prefixes)}"
    tables, others = (connect_tables(account, call_timeout=30, prefix=prefix) for _ in range(2))
    yield Stores(tables.decisions, tables.work, tables.statuses, others.decisions)
    tables.close()
    others.close()


@contextmanager
def in_memory(_, *, strict=True):
    decisions = MemoryDecisions(strict=strict)
    elsewhere = MemoryDecisions(table=decisions.table)
    yield Stores(decisions, MemoryWork(strict=strict), MemoryStatuses(strict=strict), elsewhere)


@contextmanager
def as_objects(request):
    with in_memory(request, strict=False) as stores:
        yield stores


OPENERS = {"azurite": in_azurite, "memory": in_memory, "memory-objects": as_objects}


@pytest.fixture(params=OPENERS)
def stores(request):
    with OPENERS[request.param](request) as opened:
        yield opened


@pytest.fixture
def decisions(stores):
    return stores.decisions


@pytest.fixture
def work(stores):
    return stores.work


@pytest.fixture
def statuses(stores):
    return stores.statuses


def head(token="token"):
    return Head(token, NOW, NOW - timedelta(seconds=1))


def entry(name="corp-root", **changes):
    key = SecretKey("kv1.vault.azure.net", name)
    newest = VersionProperties(name, "1" * 32, NOW, NOW, tags={"trustcast-lists": "trust"})
    return Entry(key, name, newest, Assignment(("trust",), "*"), NOW, **changes)


def full_entry():
    found = Finding(Code.EXPIRED, "it expired on 2020-01-01", (Role.TRUST,), "a.der")
    item = StoredItem(Kind.CERTIFICATE, bytes(range(256)))
    held = Held("d" * 64, "it was unassigned", NOW, (Loss("trust", ("a.der",), ("plant-1",), 9),))
    return entry(
        candidates=(Candidate("2" * 32, NOW, True, (item,), (found,)),),
        rejected=(Rejected("3" * 32, NOW, (found,)),),
        notes=(found,),
        known=("2" * 32, "3" * 32),
        former=("old.der",),
        since=NOW,
        held=held,
    )


def large_entry():
    noise = random.Random(1).randbytes
    return entry(
        candidates=tuple(
            Candidate(str(n) * 32, NOW, True, (StoredItem(Kind.CERTIFICATE, noise(25_000)),), ()) for n in range(4)
        )
    )


def registration(name="plant-1"):
    access = Access(AccessKind.KUBECONFIG, "plant-1-kubeconfig")
    return Registration(name=name, labels={"site": "ham"}, access=access, host="h:6443", ca_sha256="c" * 64)


def configuration():
    vault = WatchedVault("https://kv1.vault.azure.net", ("trust",), "site=ham", Default(("trust",), "*"))
    return Configuration((vault,), DEFAULT_LISTS)


SECRET = RowName.secret(SecretKey("kv1.vault.azure.net", "corp-root"))
APPROVAL = RowName(RowKind.APPROVAL, "a" * 64)
LOSSES = RowName(RowKind.LOSSES, "2026-06-01T12:00:00.123456+00:00|f00d")
ROWS = {
    SECRET: full_entry(),
    RowName(RowKind.CLUSTER, "plant-1"): registration(),
    RowName(RowKind.CONFIGURATION): configuration(),
    RowName(RowKind.PROPOSAL, "cluster|plant-1"): Proposal(full_entry().held, registration(), configuration()),
    APPROVAL: Approval("a" * 64, NOW),
    LOSSES: Losses(NOW, (Loss("trust", ("a.der", "b.der"), ("plant-1",), 9),)),
}


def insert(decisions, *names, token="token"):
    decisions.commit([Write(name, ROWS[name], None) for name in names], head=head(token))


def put(decisions, value, etag, token="token"):
    decisions.commit([Write(SECRET, value, etag)], head=head(token))


# The decisions: rows


def test_before_the_first_change_there_is_nothing(decisions):
    assert decisions.head().value == Head()
    assert decisions.head().etag == ""
    assert decisions.row(SECRET) is None
    assert decisions.snapshot().entries == {}


@pytest.mark.parametrize("name", ROWS, ids=lambda name: name.kind)
def test_a_row_of_every_kind_is_read_as_it_was_written(decisions, name):
    insert(decisions, name)
    assert decisions.row(name).value == ROWS[name]
    assert decisions.row(name).etag


def test_a_row_that_must_not_exist_and_does_is_changed(decisions):
    insert(decisions, SECRET)
    with pytest.raises(Changed):
        put(decisions, entry(former=("x",)), None)
    assert decisions.row(SECRET).value == full_entry()


def test_a_row_is_replaced_on_its_etag_and_has_a_new_one(decisions):
    insert(decisions, SECRET)
    first = decisions.row(SECRET).etag
    put(decisions, entry(), first)
    assert decisions.row(SECRET).value == entry()
    assert decisions.row(SECRET).etag != first


def test_a_row_written_since_it_was_read_is_changed(decisions):
    """Law 7: an old look never overwrites a newer one."""
    insert(decisions, SECRET)
    read = decisions.row(SECRET).etag
    put(decisions, entry(former=("newer",)), read)
    with pytest.raises(Changed):
        put(decisions, entry(former=("older",)), read)
    assert decisions.row(SECRET).value.former == ("newer",)


def test_the_same_content_written_again_is_a_change_all_the_same(decisions):
    insert(decisions, SECRET)
    read = decisions.row(SECRET).etag
    put(decisions, full_entry(), read)
    with pytest.raises(Changed):
        put(decisions, entry(), read)


def test_a_row_deleted_since_it_was_read_is_changed_for_write_and_delete(decisions):
    insert(decisions, SECRET)
    read = decisions.row(SECRET).etag
    put(decisions, None, read)
    assert decisions.row(SECRET) is None
    for value in (entry(), None):
        with pytest.raises(Changed):
            put(decisions, value, read)


def test_a_row_deleted_on_a_stale_etag_stays(decisions):
    insert(decisions, SECRET)
    read = decisions.row(SECRET).etag
    put(decisions, entry(), read)
    with pytest.raises(Changed):
        put(decisions, None, read)
    assert decisions.row(SECRET).value == entry()


def test_a_star_writes_whatever_is_there(decisions):
    put(decisions, entry(former=("a",)), "*")
    put(decisions, entry(former=("b",)), "*")
    assert decisions.row(SECRET).value.former == ("b",)


def test_a_star_deletes_what_is_there_and_nothing_else(decisions):
    insert(decisions, SECRET)
    put(decisions, None, "*")
    assert decisions.row(SECRET) is None
    with pytest.raises(Changed):
        put(decisions, None, "*")


def test_a_deleted_row_can_be_inserted_again(decisions):
    insert(decisions, SECRET)
    put(decisions, None, "*")
    insert(decisions, SECRET)
    assert decisions.row(SECRET).value == full_entry()


def test_a_secret_is_one_row_in_any_case(decisions):
    insert(decisions, SECRET)
    with pytest.raises(Changed):
        decisions.commit([Write(RowName(RowKind.SECRET, SECRET.rest.upper()), entry(), None)], head=head())
    assert decisions.row(RowName(RowKind.SECRET, SECRET.rest.upper())).value == full_entry()


def test_names_of_any_characters_are_rows_of_their_own(decisions):
    names = [RowName(RowKind.APPROVAL, name) for name in ODD_NAMES]
    decisions.commit([Write(name, Approval(name.rest, NOW), None) for name in names], head=head())
    assert [decisions.row(name).value.digest for name in names] == ODD_NAMES
    assert set(decisions.snapshot().approvals) == set(ODD_NAMES)


def test_a_name_too_long_for_a_key_is_refused_in_words(decisions):
    with pytest.raises(Invalid, match="too long"):
        decisions.row(RowName(RowKind.APPROVAL, "é" * 200))


def test_an_entry_far_larger_than_one_property_is_read_as_it_was_written(decisions):
    """Four candidates of the most that a secret's value may hold."""
    put(decisions, large_entry(), None)
    assert decisions.row(SECRET).value == large_entry()


@pytest.mark.parametrize("star", [False, True])
def test_a_row_that_shrinks_leaves_nothing_of_the_larger_behind(decisions, star):
    put(decisions, large_entry(), None)
    put(decisions, entry(), "*" if star else decisions.row(SECRET).etag)
    assert decisions.row(SECRET).value == entry()
    assert decisions.snapshot().entries == {entry().key: entry()}


# The decisions: the head


def test_the_head_is_read_as_it_was_written(decisions):
    insert(decisions, SECRET)
    assert decisions.head().value == head()


def test_the_head_may_be_required_not_to_exist(decisions):
    decisions.commit([], head=head("first"), on_head="")
    with pytest.raises(Changed):
        decisions.commit([Write(SECRET, entry(), None)], head=head("second"), on_head="")
    assert decisions.head().value.token == "first"
    assert decisions.row(SECRET) is None


def test_the_head_may_be_required_to_be_the_one_that_was_read(decisions):
    """Law 4: a removal is judged under one head, and written only if it still is the head."""
    insert(decisions, SECRET, token="first")
    read = decisions.head().etag
    decisions.commit([Write(APPROVAL, ROWS[APPROVAL], None)], head=head("second"), on_head=read)
    with pytest.raises(Changed):
        decisions.commit([Write(SECRET, None, "*")], head=head("third"), on_head=read)
    assert decisions.head().value.token == "second"
    assert decisions.row(SECRET) is not None


def test_a_head_that_was_read_and_is_gone_is_changed(decisions):
    insert(decisions, SECRET)
    with pytest.raises(Changed):
        decisions.commit([], head=head("x"), on_head=decisions.row(SECRET).etag)


def test_without_a_requirement_the_head_is_replaced_whatever_it_is(decisions):
    for token in ("first", "second"):
        decisions.commit([], head=head(token))
    assert decisions.head().value.token == "second"


def test_rows_that_decide_nothing_leave_the_head(decisions):
    insert(decisions, SECRET)
    before = decisions.head()
    decisions.commit([Write(SECRET, entry(), "*")], head=None)
    assert decisions.head() == before
    assert decisions.row(SECRET).value == entry()


def test_nothing_to_write_is_no_error(decisions):
    decisions.commit([], head=None)
    assert decisions.head().etag == ""


# The decisions: transactions


@pytest.mark.parametrize("failing", ["exists", "stale", "gone", "head"])
def test_one_failing_write_leaves_nothing_of_the_others(decisions, failing):
    """Law 7: a row and the head change together or not at all."""
    insert(decisions, SECRET, token="first")
    stale = decisions.row(SECRET).etag
    put(decisions, entry(), stale, token="second")
    other = Write(APPROVAL, ROWS[APPROVAL], None)
    last = {
        "exists": Write(SECRET, full_entry(), None),
        "stale": Write(SECRET, full_entry(), stale),
        "gone": Write(LOSSES, None, "*"),
        "head": Write(LOSSES, ROWS[LOSSES], None),
    }[failing]
    with pytest.raises(Changed):
        decisions.commit([other, last], head=head("third"), on_head=stale if failing == "head" else None)
    assert decisions.head().value.token == "second"
    assert decisions.row(APPROVAL) is None
    assert decisions.row(LOSSES) is None
    assert decisions.row(SECRET).value == entry()


def many(count, **changes):
    return [Write(RowName.secret(e.key), e, None) for e in (entry(f"s{n:05}", **changes) for n in range(count))]


def test_98_writes_go_with_a_head_and_one_more_is_refused(decisions):
    with pytest.raises(Invalid, match="98"):
        decisions.commit(many(99), head=head())
    assert decisions.head().etag == ""
    decisions.commit(many(98), head=head(), on_head="")
    assert len(decisions.snapshot().entries) == 98


def test_one_row_twice_in_a_transaction_is_refused(decisions):
    with pytest.raises(Invalid):
        decisions.commit([Write(SECRET, entry(), "*")] * 2, head=head())
    assert decisions.head().etag == ""


# The decisions: snapshots


def test_a_snapshot_has_every_row_by_its_kind(decisions):
    insert(decisions, *ROWS)
    found = decisions.snapshot()
    assert found.head == head()
    assert found.head_etag == decisions.head().etag
    assert found.configuration == configuration()
    assert found.entries == {full_entry().key: full_entry()}
    assert found.clusters == {"plant-1": registration()}
    assert found.proposals == {"cluster|plant-1": ROWS[RowName(RowKind.PROPOSAL, "cluster|plant-1")]}
    assert found.approvals == {"a" * 64: ROWS[APPROVAL]}
    assert found.losses == {LOSSES.rest: ROWS[LOSSES]}


def test_a_snapshot_has_all_pages(decisions):
    writes = many(1100)
    for start in range(0, len(writes), 98):
        decisions.commit(writes[start : start + 98], head=head(str(start)))
    found = decisions.snapshot()
    assert [e.name for e in sorted(found.entries.values(), key=lambda e: e.name)] == [w.value.name for w in writes]


def test_under_the_same_head_the_snapshot_is_the_same(decisions):
    insert(decisions, SECRET)
    assert decisions.snapshot() is decisions.snapshot()


def test_times_of_looking_are_in_a_fresh_snapshot_only(decisions):
    insert(decisions, SECRET)
    before = decisions.snapshot()
    decisions.commit([Write(SECRET, entry(), "*")], head=None)
    assert decisions.snapshot() is before
    assert decisions.snapshot(fresh=True).entries == {entry().key: entry()}
    assert decisions.snapshot().entries == {entry().key: entry()}


def test_a_change_of_another_process_is_seen_by_its_head(stores):
    """Law 2: every handler reads state anew."""
    insert(stores.decisions, SECRET, token="first")
    assert stores.decisions.snapshot().entries
    stores.elsewhere.commit([Write(SECRET, None, "*")], head=head("second"))
    assert stores.decisions.snapshot().entries == {}
    assert stores.decisions.snapshot().head.token == "second"


def test_a_snapshot_under_no_head_is_never_trusted_again(stores):
    """The table was emptied, and rows came back without a head."""
    assert stores.decisions.snapshot().entries == {}
    stores.elsewhere.commit([Write(SECRET, entry(), None)], head=None)
    assert len(stores.decisions.snapshot().entries) == 1


def test_rows_that_did_not_change_are_not_decoded_again(decisions):
    decisions.commit(many(2), head=head("first"))
    before = decisions.snapshot().entries
    first, second = before
    decisions.commit([Write(RowName.secret(first), entry("s00000", gone=True), "*")], head=head("second"))
    after = decisions.snapshot().entries
    assert after[first].gone
    assert after[second] is before[second]


# The decisions: threads


def test_sixteen_writers_lose_no_row(stores):
    """Law 7, with the head replaced by all of them at once."""

    def write(number):
        for turn in range(3):
            each = entry(f"w{number}-{turn}")
            stores.decisions.commit([Write(RowName.secret(each.key), each, None)], head=head(f"{number}-{turn}"))
            assert each.key in stores.decisions.snapshot().entries

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(write, range(16)))
    assert len(stores.elsewhere.snapshot().entries) == 48
    assert stores.decisions.snapshot().entries == stores.elsewhere.snapshot().entries


def test_sixteen_writers_of_one_row_lose_no_update(decisions):
    def add(number):
        while True:
            stored = decisions.row(SECRET)
            grown = replace(stored.value, known=(*stored.value.known, str(number)))
            try:
                return put(decisions, grown, stored.etag, token=str(number))
            except Changed:
                continue

    put(decisions, entry(), None)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(add, range(16)))
    assert sorted(decisions.row(SECRET).value.known, key=int) == [str(n) for n in range(16)]


# The work


def test_work_that_was_never_set_is_none(work):
    assert work.plan_mark() is None
    assert work.planned() == ""
    assert work.cluster("plant-1") is None
    assert work.vault("kv1.vault.azure.net") is None
    assert work.due(NOW) == ()


SETTERS = {
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
def test_work_is_written_by_test_and_set(work, kind):
    write, read, one, other = SETTERS[kind]
    first = write(work, one, None)
    assert (read(work).value, read(work).etag) == (one, first)
    with pytest.raises(Changed):
        write(work, other, None)
    second = write(work, other, first)
    assert (read(work).value, read(work).etag) == (other, second)
    with pytest.raises(Changed):
        write(work, one, first)
    assert read(work).etag == write(work, one, "*") or read(work).value == one


def test_the_planned_head_is_replaced(work):
    for token in ("first", "second"):
        work.set_planned(token)
        assert work.planned() == token


def test_a_forgotten_clusters_work_is_gone_and_forgetting_again_is_nothing(work):
    etag = work.set_cluster("plant-1", ClusterWork(due=NOW), None)
    for _ in range(2):
        work.forget_cluster("plant-1")
    assert work.cluster("plant-1") is None
    assert work.due(NOW) == ()
    with pytest.raises(Changed):
        work.set_cluster("plant-1", ClusterWork(), etag)


def test_clusters_are_due_at_their_time_to_the_microsecond(work):
    dues = {
        "long ago": NOW - timedelta(days=400),
        "just before": NOW - MICROSECOND,
        "now": NOW,
        "just after": NOW + MICROSECOND,
        "tomorrow": NOW + timedelta(days=1),
        "never": None,
    }
    for name, due in dues.items():
        work.set_cluster(name, ClusterWork(None, due), None)
    assert sorted(work.due(NOW)) == ["just before", "long ago", "now"]


@pytest.mark.parametrize("star", [False, True])
def test_a_due_time_that_is_taken_back_is_no_longer_due(work, star):
    etag = work.set_cluster("plant-1", ClusterWork(due=NOW), None)
    work.set_cluster("plant-1", ClusterWork(), "*" if star else etag)
    assert work.due(NOW) == ()


def test_clusters_of_any_name_have_work_of_their_own(work):
    for number, name in enumerate(ODD_NAMES):
        work.set_cluster(name, ClusterWork(None, NOW - timedelta(seconds=number)), None)
    assert sorted(work.due(NOW)) == sorted(ODD_NAMES)
    assert [work.cluster(name).value.due for name in ODD_NAMES] == [
        NOW - timedelta(seconds=number) for number in range(len(ODD_NAMES))
    ]


# The statuses


def status(cluster="plant-1", list_name="trust", **changes):
    return ListStatus(cluster, list_name, **changes)


def test_a_status_is_written_by_test_and_set(statuses):
    full = status(
        state=State.IN_SYNC,
        detail="ünï <b>",
        applied={"a.der": "0" * 64},
        thumbprints={"a.der": ("1" * 64,)},
        unaccounted=("b.der",),
        verified=NOW,
        failures=3,
        due=NOW,
    )
    assert statuses.get("plant-1", "trust") is None
    first = statuses.put(full, None)
    assert (statuses.get("plant-1", "trust").value, statuses.get("plant-1", "trust").etag) == (full, first)
    with pytest.raises(Changed):
        statuses.put(status(), None)
    statuses.put(status(), first)
    with pytest.raises(Changed):
        statuses.put(full, first)
    assert statuses.get("plant-1", "trust").value == status()


def test_all_statuses_are_found_whatever_their_names(statuses):
    pairs = sorted(itertools.product(ODD_NAMES, ["trust", "is|suer"]))
    for cluster, list_name in pairs:
        statuses.put(status(cluster, list_name), None)
    assert sorted((s.cluster, s.list) for s in statuses.all()) == pairs


def test_a_forgotten_cluster_takes_its_own_statuses_only(statuses):
    names = ["plant", "plant-1", "plant|", "plant.", "plan", "Plant", "plant~"]
    for name in names:
        for list_name in ("trust", "issuer"):
            statuses.put(status(name, list_name), None)
    for _ in range(2):
        statuses.forget_cluster("plant")
    assert sorted({s.cluster for s in statuses.all()}) == sorted(set(names) - {"plant"})
    assert len(statuses.all()) == 12


def test_a_status_of_a_thousand_files_is_read_as_it_was_written(statuses):
    noise = random.Random(1)
    applied = {f"file-{number}.der": noise.randbytes(32).hex() for number in range(1000)}
    statuses.put(status(applied=applied), None)
    assert statuses.get("plant-1", "trust").value.applied == applied


def test_lists_that_hold_alike_are_told_apart_where_they_do_not(statuses):
    held = {"a.der": "0" * 64}
    for cluster, applied in (("c1", held), ("c2", dict(held)), ("c3", {"a.der": "1" * 64}), ("c4", {})):
        statuses.put(status(cluster, applied=applied), None)
    found = {s.cluster: s.applied for s in statuses.all()}
    assert found == {"c1": held, "c2": held, "c3": {"a.der": "1" * 64}, "c4": {}}


# Damage


@pytest.fixture(params=[in_azurite, in_memory])
def tables(request):
    with request.param(request) as opened:
        yield opened


def damage(store, partition, key):
    store._table.write(partition, Operation(key, {"schema": 1, "zlib": False, "body0": b"}{"}, "*"))


def test_a_damaged_row_is_left_out_and_blocks_no_other(tables):
    """Law 8: one bad row blocks nothing else."""
    decisions = tables.decisions
    insert(decisions, *ROWS, token="first")
    damage(decisions, "decisions", "secret|kv1.vault.azure.net|corp-root")
    found = decisions.snapshot(fresh=True)
    assert found.entries == {}
    assert found.clusters == {"plant-1": registration()}


def test_a_damaged_row_is_mended_on_its_etag(tables):
    """Law 1: the catalogue is rebuilt from the vault."""
    decisions = tables.decisions
    insert(decisions, SECRET)
    damage(decisions, "decisions", "secret|kv1.vault.azure.net|corp-root")
    stored = decisions.row(SECRET)
    assert isinstance(stored.value, Damaged)
    put(decisions, full_entry(), stored.etag)
    assert decisions.row(SECRET).value == full_entry()


def test_what_a_newer_trustcast_wrote_stops_the_reader(tables):
    insert(tables.decisions, SECRET)
    newer = Operation("secret|kv1.vault.azure.net|corp-root", {"schema": 2, "body0": b"{}"}, "*")
    tables.decisions._table.write("decisions", newer)
    with pytest.raises(Permanent, match="schema 2"):
        tables.decisions.snapshot(fresh=True)


def test_a_damaged_status_is_as_if_the_list_was_never_looked_at(tables):
    tables.statuses.put(status(failures=3), None)
    tables.statuses.put(status("plant-2", failures=4), None)
    damage(tables.statuses, "status", "plant-1|trust")
    assert [s.failures for s in tables.statuses.all()] == [0, 4]
    stored = tables.statuses.get("plant-1", "trust")
    assert stored.value == status()
    tables.statuses.put(status(failures=1), stored.etag)
    assert tables.statuses.get("plant-1", "trust").value.failures == 1


def test_a_cluster_whose_due_time_is_damaged_is_due(tables):
    """Law 10: it is not forgotten."""
    work = tables.work
    work.set_cluster("plant-1", ClusterWork(NOW, NOW), None)
    columns = {"schema": 1, "zlib": False, "body0": b"}{", "due": NOW}
    work._table.write("cluster", Operation("plant-1", columns, "*"))
    assert work.due(NOW) == ("plant-1",)
    assert work.cluster("plant-1").value == ClusterWork()


# What only one of them can show


def test_a_scan_may_see_what_was_written_between_its_pages():
    """So rows may be newer than the head that was read before them, never older."""
    table = MemoryTable("rows", page=1)
    decisions = MemoryDecisions(table=table)
    decisions.commit(many(2), head=head("first"))
    scans = []

    def write_once(label):
        if label.startswith("scan"):
            scans.append(label)
            if len(scans) == 2:
                MemoryDecisions(table=table).commit(
                    [Write(RowName.secret(entry("s00001").key), entry("s00001", gone=True), "*")], head=head("second")
                )

    table.pause = write_once
    found = decisions.snapshot()
    assert found.head.token == "first"
    assert decisions.snapshot().head.token == "second"
    assert decisions.snapshot().entries[entry("s00001").key].gone


def test_an_account_that_does_not_answer_is_unreachable(azurite):
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
def test_a_wrong_key_is_unauthorized_and_not_shown(azurite):
    account = ";".join(
        "AccountKey=c2VjcmV0c2VjcmV0" if part.startswith("AccountKey") else part
        for part in azurite.connection_string.split(";")
    )
    tables = connect_tables(account, call_timeout=5)
    with pytest.raises(Unauthorized) as caught:
        tables.work.set_planned("x")
    assert "c2Vjcm" not in str(caught.value)
    tables.close()
