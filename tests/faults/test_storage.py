"""Faults of the storage: it fails, answers nothing, is emptied or altered, at every step; nothing is lost by it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from sync.catalogue.entry import Entry, StoredItem
from sync.catalogue.rows import SecretRow
from sync.catalogue.secret import SecretKey
from sync.certificates.items import Kind
from sync.errors import Changed, Unreachable
from sync.findings import Code
from sync.ports.messages import PushCluster, encode
from sync.reconcile.status import State
from sync.steps.planning import request_pushes
from sync.triggers import record_failure
from tests.support.certs import server
from tests.support.fleet import HOST, TRUST, Fleet, registration

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.memory import MemoryTable

MINUTE = timedelta(minutes=1)
EVERYWHERE = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
FIRST, SECOND = server(name="plc1"), server(name="plc1", key_name="renewed")
BY_HAND = b"by hand"
STEADY = server(name="steady")
KEY = SecretKey(HOST, "plc1-der")
CLUSTERS = (NORTH, SOUTH, AWAY) = (
    registration("north", site="a"),
    registration("south", site="a"),
    registration("away", site="b"),
)
SITE_A = EVERYWHERE | {"trustcast-clusters": "site=a"}
"""The change is of a secret that the third cluster does not get: no plan has reason to push that one."""

BEFORE = {"plc1.der": FIRST.der, "steady.der": STEADY.der}
AFTER = {"plc1.der": SECOND.der, "steady.der": STEADY.der}


def fleet_in_sync() -> Fleet:
    """Three clusters in sync, two of them with two certificates."""
    fleet = Fleet()
    fleet.register(*CLUSTERS)
    fleet.upload("plc1-der", FIRST.pem, SITE_A)
    fleet.upload("steady-der", STEADY.pem, EVERYWHERE)
    fleet.work_off()
    fleet.sweep()
    assert_holds(fleet, BEFORE)
    return fleet


def assert_holds(fleet: Fleet, files: dict[str, bytes], told: str = "") -> None:
    """The first two clusters hold these files, the third the steady one."""
    assert fleet.files("north") == fleet.files("south") == files, told
    assert fleet.files("away") == {"steady.der": STEADY.der}, told


def tables(fleet: Fleet) -> dict[str, MemoryTable]:
    return {"decisions": fleet.decisions.table, "work": fleet.work.table, "status": fleet.statuses.table}


@dataclass
class Disturbance:
    """Counts every operation on storage, and does something about the one of a given number.

    Attributes:
        number: which; counted from 0.
        act: before it.
        after: it is carried out, and then fails all the same: its answer is lost.
    """

    fleet: Fleet
    number: int
    act: Callable[[], None] = lambda: None
    fails: bool = False
    after: bool = False
    count: int = 0
    struck: str = ""
    _lost: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for table in tables(self.fleet).values():
            table.pause = self.before
            for name in ("write", "transact"):
                setattr(table, name, self._answering(getattr(table, name)))
        self.fleet.queues.pause = self.before
        self.fleet.queues._send = self._answering(self.fleet.queues._send)  # type: ignore[method-assign]

    def before(self, label: str) -> None:
        for cluster in CLUSTERS:
            files = self.fleet.files(cluster.name)
            assert files["steady.der"] in {STEADY.der, BY_HAND}
            assert files.get("plc1.der") in ({FIRST.der, SECOND.der} if cluster is not AWAY else {None})
        self.count += 1
        if self.count - 1 == self.number:
            self.struck = label
            self.act()
            if self.fails and self.after:
                self._lost.append(label)
            elif self.fails:
                raise Unreachable("planted: the storage is away")

    def _answering(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def answering(*arguments: Any, **options: Any) -> Any:
            result = method(*arguments, **options)
            if self._lost:
                self._lost.clear()
                raise Unreachable("planted: the answer is lost")
            return result

        return answering


def change(fleet: Fleet) -> None:
    """A new version, its event, and all that follows within six minutes."""
    fleet.upload("plc1-der", SECOND.pem, SITE_A)
    fleet.work_off()
    for _ in range(6):
        sweep(fleet)


def sweep(fleet: Fleet) -> None:
    """The timer's next run; one that fails is begun anew a minute later."""
    with suppress(Unreachable):
        fleet.sweep(MINUTE)
    fleet.work_off()


def steps() -> int:
    """How many operations on storage the change takes where nothing goes wrong."""
    fleet = fleet_in_sync()
    counted = Disturbance(fleet, -1)
    change(fleet)
    return counted.count


def assert_settled(fleet: Fleet, struck: str) -> None:
    assert_holds(fleet, AFTER, struck)
    for cluster in CLUSTERS:
        assert fleet.status(cluster.name).state is State.IN_SYNC, struck
        work = fleet.work.cluster(cluster.name)
        assert work, struck
        assert work.value.due is not None, struck
    assert fleet.work.planned() == fleet.decisions.head().value.token, struck
    assert not any(fleet.queues.waiting.values()), struck
    assert not fleet.queues.taken, struck


@pytest.mark.parametrize("after", [False, True], ids=["fails", "answers nothing"])
def test_storage_that_fails_once_at_any_step(after: bool) -> None:
    """Any single operation fails, or is carried out and its answer lost → within six minutes everything is as if it
    had not, and at no moment did a list lack a file.
    """
    for number in range(steps()):
        fleet = fleet_in_sync()
        disturbed = Disturbance(fleet, number, fails=True, after=after)
        change(fleet)
        assert_settled(fleet, disturbed.struck)


@pytest.mark.parametrize("which", ["decisions", "work", "status", "all"])
def test_tables_emptied_at_any_step(which: str) -> None:
    """Tables emptied under way, at any step → no file leaves a cluster, the catalogue comes back from the vault, every
    list is right again and goes on being verified. Registrations are an operator's: they are given anew.
    """
    for number in range(steps()):
        fleet = fleet_in_sync()
        disturbed = Disturbance(fleet, number, act=partial(empty, fleet, which))
        change(fleet)
        if which in {"decisions", "all"}:
            fleet.register(*CLUSTERS)
            request_pushes(fleet.runtime, [each.name for each in CLUSTERS], "registered")
        assert_goes_on_being_verified(fleet, disturbed.struck)
        assert_settled(fleet, disturbed.struck)


def empty(fleet: Fleet, which: str) -> None:
    for name, table in tables(fleet).items():
        if which in {name, "all"}:
            table.partitions.clear()


def assert_goes_on_being_verified(fleet: Fleet, struck: str) -> None:
    """Law 10: within the stated bound every list was looked at, and so an edit by hand, of which nobody tells, is found
    within another.
    """
    pass_by(fleet, fleet.intervals.bound)
    for each in CLUSTERS:
        fleet.clusters[each.name].state.edit(TRUST.namespace, TRUST.object, {"steady.der": BY_HAND})
    pass_by(fleet, fleet.intervals.bound)
    assert all(fleet.files(each.name)["steady.der"] == STEADY.der for each in CLUSTERS), struck


def pass_by(fleet: Fleet, span: timedelta) -> None:
    for _ in range(3):
        fleet.sweep(span / 3)


def test_tables_emptied_cost_no_write() -> None:
    """Everything emptied while nothing changes → lists are read, found right and not written."""
    fleet = fleet_in_sync()
    empty(fleet, "all")
    for each in CLUSTERS:
        fleet.clusters[each.name].state.requests.clear()
    fleet.sweep(MINUTE)
    fleet.register(*CLUSTERS)
    fleet.sweep(MINUTE)
    for each in CLUSTERS:
        assert set(fleet.clusters[each.name].state.requests) == {"get"}
    assert_holds(fleet, BEFORE)


def test_an_altered_row_is_found_within_a_day_and_the_vault_wins() -> None:
    """A catalogue row's bytes replaced in the table → the daily reading finds `catalogue-tampered`, and every list has
    what the vault says.
    """
    fleet = fleet_in_sync()
    alter(fleet, server(name="evil").der)
    fleet.decisions.commit([], head=fleet.runtime.next_head(fleet.decisions.head().value))
    fleet.sweep(MINUTE)
    assert fleet.files("north")["plc1.der"] == server(name="evil").der, "nobody can know yet"
    fleet.vault.reads.clear()
    fleet.sweep(timedelta(days=1))
    stored = fleet.decisions.row(SecretRow(KEY))
    assert stored
    assert isinstance(stored.value, Entry)
    assert Code.CATALOGUE_TAMPERED in {note.code for note in stored.value.secret_findings}
    assert len(fleet.vault.reads) == 2, "one a secret"
    assert_holds(fleet, BEFORE)


def alter(fleet: Fleet, der: bytes) -> None:
    """What somebody with access to the storage account does: no ETag, no head."""
    stored = fleet.decisions.row(SecretRow(KEY))
    assert stored
    assert isinstance(stored.value, Entry)
    first = replace(stored.value.candidates[0], items=(StoredItem(Kind.CERTIFICATE, der),))
    columns = fleet.decisions.table.rows.encode(replace(stored.value, candidates=(first,)))
    rows = fleet.decisions.table.partitions["decisions"]
    (key,) = [key for key in rows if "plc1" in key]
    rows[key] = replace(rows[key], value=columns, etag='W/"altered"')


@pytest.mark.parametrize("body", [b"", b"{}", b"[", bytes(100)], ids=["empty", "no fields", "cut", "zeros"])
def test_a_row_beyond_reading_takes_nothing_away_and_is_written_anew(body: bytes) -> None:
    """A catalogue row that is damaged → the lists stay, the others go on, and the next listing writes it anew."""
    fleet = fleet_in_sync()
    rows = fleet.decisions.table.partitions["decisions"]
    (key,) = [key for key in rows if "plc1" in key]
    rows[key] = replace(rows[key], value={"schema": 1, "zlib": False, "body0": body}, etag='W/"damaged"')
    fleet.upload("other-der", server(name="other").pem, EVERYWHERE)
    fleet.work_off()
    assert fleet.files("north") == BEFORE | {"other.der": server(name="other").der}
    fleet.sweep(MINUTE)
    stored = fleet.decisions.row(SecretRow(KEY))
    assert stored
    assert isinstance(stored.value, Entry)
    fleet.upload("plc1-der", SECOND.pem, SITE_A)
    fleet.work_off()
    assert fleet.files("north")["plc1.der"] == SECOND.der


def test_a_push_that_failed_for_good_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status table is away for five deliveries → the poison handler sets a due time, also where storage fails it
    too; the list catches up by itself.
    """
    fleet = fleet_in_sync()
    monkeypatch.setattr(fleet.statuses.table, "pause", _away)
    fleet.upload("plc1-der", SECOND.pem, SITE_A)
    fleet.work_off()
    record_failure(fleet.runtime, encode(PushCluster("north", "plan")))
    monkeypatch.setattr(fleet.work.table, "pause", _away)
    record_failure(fleet.runtime, encode(PushCluster("south", "plan")))
    monkeypatch.undo()
    assert fleet.files("north") == BEFORE
    for _ in range(6):
        fleet.sweep(MINUTE)
    assert_settled(fleet, "poison")


def _away(_: str) -> None:
    raise Unreachable("planted: the storage is away")


def test_rows_that_always_change_end_a_push_for_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status row moves under every write → a few tries, then due again; quiet again, the list is right."""
    fleet = fleet_in_sync()

    def moved(*_: Any) -> str:
        raise Changed("planted: somebody was faster")

    monkeypatch.setattr(fleet.statuses.table, "write", moved)
    for each in CLUSTERS:
        fleet.clusters[each.name].state.requests.clear()
    fleet.upload("plc1-der", SECOND.pem, SITE_A)
    fleet.work_off()
    assert all(fleet.clusters[each.name].state.requests["get"] <= 4 for each in CLUSTERS)
    monkeypatch.undo()
    fleet.sweep(MINUTE)
    assert_settled(fleet, "412")
