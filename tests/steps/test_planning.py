"""Planning: who is asked for, from a few facts of each status, and that one that cannot be asked for stops no other."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sync.adapters.storage.statuses import PARTITION
from sync.adapters.storage.table import Operation
from sync.bootstrap import PUSH_WORKERS, side_by_side
from sync.catalogue.rows import AnswerRow
from sync.catalogue.secret import SecretKey
from sync.catalogue.snapshot import Answer, Removal
from sync.commands.preview import preview_cluster
from sync.desired.reasons import KeptReason
from sync.errors import Unreachable
from sync.fleet.clusters import ListOverride, Mode
from sync.ports.decisions import Write
from sync.ports.stored import ANYTHING
from sync.ports.work import ClusterWork
from sync.reconcile.holds import SCOPE
from sync.reconcile.status import KeptFile, State
from sync.steps.planning import plan_fleet, request_pushes
from tests.support.certs import ca, server
from tests.support.fleet import CONFIGURATION, HOST, TRUST, Fleet, registration
from tests.support.memory import MemoryCluster
from tests.support.stores import there

if TYPE_CHECKING:
    from sync.reconcile.observed import Observed
    from sync.steps.runtime import ForEach


TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
NAMES = ("edge-1", "edge-2", "edge-3")


class Unanswering(MemoryCluster):
    """Reached by no request."""

    def observe(self, namespace: str, name: str) -> Observed:
        raise Unreachable(f"no answer for {namespace}/{name}")


@pytest.fixture
def fleet() -> Fleet:
    """Three clusters in sync with one secret."""
    fleet = Fleet()
    fleet.register(*(registration(name) for name in NAMES))
    fleet.upload("plc", server().pem, TAGS)
    fleet.work_off()
    fleet.clock.move(timedelta(minutes=2))
    return fleet


def planned(fleet: Fleet) -> list[str]:
    """The clusters that a plan of a new head asks for."""
    fleet.work.set_planned("another head")
    plan_fleet(fleet.runtime)
    return sorted(name for name in NAMES if f'"{name}"' in "".join(m.text for m in fleet.queues.waiting["push"]))


def steps(fleet: Fleet) -> list[str]:
    """The steps on the table of statuses from now on."""
    labels: list[str] = []
    fleet.statuses.table.pause = labels.append
    return labels


def rewrite(fleet: Fleet, name: str, **changes: Any) -> None:
    stored = there(fleet.statuses.get(f"{name}/{TRUST.namespace}/{TRUST.object}"))
    fleet.statuses.put(replace(stored.value, **changes), stored.unchanged)


def test_a_list_that_moves_to_another_object_is_there_with_the_next_minute(fleet: Fleet) -> None:
    """The object that no definition names any more is pushed too, and wants nothing."""
    fleet.sweep()
    moved = replace(TRUST, object="other-list")
    before = fleet.files("edge-1")
    fleet.start(replace(CONFIGURATION, lists=(moved,)))
    fleet.sweep()
    assert fleet.files("edge-1", moved) == before != {}
    assert fleet.files("edge-1", TRUST) == {}
    assert fleet.status("edge-1", moved).state is State.IN_SYNC


def test_law4_what_a_moved_list_leaves_behind_is_held_where_it_is_too_much(fleet: Fleet) -> None:
    """What definitions take is no vault's doing and counts for the place as one; the new object gets all of it."""
    for number in range(4):
        fleet.upload(f"more{number}", server(name=f"more{number}").pem, TAGS)
    fleet.sweep()
    moved = replace(TRUST, object="other-list")
    before = fleet.files("edge-1")
    fleet.start(replace(CONFIGURATION, lists=(moved,)))
    fleet.sweep()
    assert fleet.files("edge-1", moved) == fleet.files("edge-1", TRUST) == before != {}
    assert fleet.status("edge-1", TRUST).state is State.REMOVAL_HELD
    assert {each.group for each in fleet.status("edge-1", TRUST).held} == {SCOPE}


def test_a_list_that_a_cluster_no_longer_has_is_emptied_with_the_next_plan(fleet: Fleet) -> None:
    """A place that no definition names any more is still pushed, until nothing of ours is on it."""
    other = replace(TRUST, name="other", object="other-list")
    fleet.start(replace(CONFIGURATION, lists=(TRUST, other)))
    fleet.upload("plc", server().pem, {**TAGS, "trustcast-lists": "trust,other"})
    for _ in range(2):
        fleet.sweep()
    assert fleet.files("edge-1", other) != {}
    fleet.register(replace(registration("edge-1"), lists=(ListOverride("trust"),)))
    assert planned(fleet) == ["edge-1"]
    fleet.work_off()
    assert fleet.files("edge-1", other) == {}
    assert fleet.files("edge-1") == fleet.files("edge-2", other) != {}
    fleet.clock.move(timedelta(minutes=2))
    assert planned(fleet) == []


def test_a_file_in_the_object_that_a_list_moves_to_is_not_ours(
    fleet: Fleet,
) -> None:
    moved = replace(TRUST, object="other-list")
    (name, data), *_ = fleet.files("edge-1").items()
    fleet.clusters["edge-1"].state.edit(moved.namespace, moved.object, {name: data})
    fleet.vault.delete("plc")
    fleet.start(replace(CONFIGURATION, lists=(moved,)))
    fleet.sweep()
    assert fleet.files("edge-1", moved) == {name: data}


ANOTHER: dict[str, Any] = {"host": "rebuilt:6443", "server_id": "edge-1-2"}
"""Removed, and registered again: another machine of the name has an id of its own."""


def test_a_file_on_another_server_of_the_same_name_is_not_ours(fleet: Fleet) -> None:
    """Law 6: what a push remembers is of one machine; a plan that is only shown says the same."""
    fleet.upload("other", server(name="other").pem, TAGS)
    fleet.sweep()
    theirs = dict.fromkeys(fleet.files("edge-1"), b"theirs")
    rebuilt = fleet.clusters["edge-1"] = MemoryCluster()
    rebuilt.state.edit(TRUST.namespace, TRUST.object, theirs)
    fleet.register(replace(registration("edge-1"), **ANOTHER))
    fleet.vault.delete("other")
    (preview,) = preview_cluster(fleet.runtime, "edge-1")
    fleet.sweep()
    assert fleet.files("edge-1") == theirs != {}
    assert preview.plan is not None
    assert not preview.plan.writes
    assert there(fleet.statuses.get(f"edge-1-2/{TRUST.namespace}/{TRUST.object}")).value.state is State.CONFLICT


@pytest.mark.parametrize("anew", [{"host": "moved:6443"}, {"ca_sha256": "2" * 64}], ids=["host", "CA"])
def test_what_is_remembered_of_a_list_stays_where_another_host_or_ca_is_confirmed(
    fleet: Fleet, anew: dict[str, Any]
) -> None:
    """A place keeps its id: what was ours there and was edited is forced back, what is not wanted stays another's."""
    fleet.upload("other", server(name="other").pem, TAGS)
    fleet.sweep()
    wanted = fleet.files("edge-1")["plc.der"]
    fleet.clusters["edge-1"].state.edit(TRUST.namespace, TRUST.object, dict.fromkeys(fleet.files("edge-1"), b"edited"))
    fleet.register(replace(registration("edge-1"), **anew))
    fleet.vault.delete("other")
    fleet.sweep()
    assert fleet.files("edge-1") == {"plc.der": wanted, "other.der": b"edited"}
    assert fleet.status("edge-1").unmanaged.keys() == {"other.der"}


def test_nothing_is_told_of_another_machine_of_the_name_because_the_old_one_was_seen(fleet: Fleet) -> None:
    """Law 10: not when it was verified, nor what it holds; and what it waited for does not keep the new one waiting."""
    fleet.clusters["edge-1"] = Unanswering()
    fleet.runtime.work.set_cluster("edge-1", ClusterWork(None, fleet.clock.now), ANYTHING)
    fleet.sweep()
    before = fleet.status("edge-1")
    assert (before.state, len(before.thumbprints)) == (State.OFFLINE, 1)
    fleet.register(replace(registration("edge-1"), **ANOTHER))
    assert planned(fleet) == ["edge-1"]
    fleet.work_off()
    after = there(fleet.statuses.get(f"edge-1-2/{TRUST.namespace}/{TRUST.object}")).value
    assert (after.state, after.verified, after.files, after.thumbprints) == (State.OFFLINE, None, {}, {})


def test_a_cluster_that_is_registered_anew_for_the_same_machine_is_not_asked_for(fleet: Fleet) -> None:
    """Law 5."""
    fleet.register(registration("edge-1", site="hamburg"))
    assert planned(fleet) == []


def test_a_fleet_in_sync_is_asked_for_nothing_and_no_list_of_files_is_read(fleet: Fleet) -> None:
    """Law 5."""
    labels = steps(fleet)
    assert planned(fleet) == []
    assert labels == ["scan status place"]


def test_a_file_that_is_kept_is_asked_for_once_its_owner_gives_a_reason(fleet: Fleet) -> None:
    """Law 4: the secret that a file came from may be known, and disabled, only later; no list of files is read."""
    gone = SecretKey(HOST, "gone")
    kept = (KeptFile("gone.der", gone, "", KeptReason.NOT_CATALOGUED.value, "its vault's next sweep looks at it"),)
    rewrite(fleet, "edge-2", kept=kept)
    assert planned(fleet) == []
    version = fleet.upload("gone", ca().pem, TAGS)
    fleet.work_off()
    fleet.vault.set_enabled("gone", version, enabled=False)
    fleet.sweep()
    rewrite(fleet, "edge-2", kept=kept)
    fleet.clock.move(timedelta(minutes=2))
    labels = steps(fleet)
    assert planned(fleet) == ["edge-2"]
    assert labels == ["scan status place"]


def test_a_file_that_is_held_is_asked_for_once_a_person_consents(fleet: Fleet) -> None:
    """The reason stays the same: what an approval names decides beside it."""
    for number in range(4):
        fleet.upload(f"more{number}", server(name=f"more{number}").pem, TAGS)
    fleet.sweep()
    moved = replace(TRUST, object="other-list")
    fleet.start(replace(CONFIGURATION, lists=(moved,)))
    fleet.sweep()
    fleet.clock.move(timedelta(minutes=2))
    assert planned(fleet) == []
    held = fleet.status("edge-1", TRUST).held
    removals = tuple(Removal(each.owner, each.reason.name, each.since, "*") for each in held)
    answer = Answer("a" * 64, fleet.clock.now, approved=True, removals=removals)
    head = fleet.runtime.next_head(fleet.decisions.head().value)
    fleet.decisions.commit([Write(AnswerRow(answer.digest), answer, ANYTHING)], head=head)
    assert planned(fleet) == [*NAMES]


def test_a_status_of_before_the_few_facts_is_asked_for(fleet: Fleet) -> None:
    table = fleet.statuses.table
    key = f"edge-1|{TRUST.namespace}|{TRUST.object}"
    columns = {k: v for k, v in there(table.get(PARTITION, key)).value.items() if k != "brief"}
    table.write(PARTITION, Operation(key, columns, ANYTHING))
    assert planned(fleet) == ["edge-1"]
    fleet.work_off()
    fleet.clock.move(timedelta(minutes=2))
    assert planned(fleet) == []


def test_a_cluster_that_may_be_repaired_now_is_asked_for(fleet: Fleet) -> None:
    fleet.register(replace(registration("edge-3"), mode=Mode.REPORT))
    rewrite(fleet, "edge-3", state=State.DRIFTED)
    assert planned(fleet) == []
    fleet.register(registration("edge-3"))
    assert planned(fleet) == ["edge-3"]


@pytest.mark.parametrize("for_each", [map, side_by_side])
def test_a_cluster_that_cannot_be_asked_for_stops_no_other(fleet: Fleet, for_each: ForEach) -> None:
    """Law 8; and law 7: only when all were asked for does the head count as planned."""
    fleet.upload("other", server(name="other").pem, TAGS)
    fleet.deliver_event()

    def broken(label: str) -> None:
        if label == "write work cluster edge-1":
            raise Unreachable("the storage does not answer")

    fleet.work.table.pause = broken
    fleet.runtime = replace(fleet.runtime, for_each=for_each)
    fleet.work.set_planned("another head")
    with pytest.raises(Unreachable):
        plan_fleet(fleet.runtime)
    assert {m.text.count("edge-2") + m.text.count("edge-3") for m in fleet.queues.waiting["push"]} == {1}
    assert len(fleet.queues.waiting["push"]) == 2
    assert fleet.work.planned() == "another head"
    fleet.work.table.pause = lambda _: None
    plan_fleet(fleet.runtime, redelivered=True)
    assert fleet.work.planned() == fleet.decisions.head().value.token
    assert any("edge-1" in m.text for m in fleet.queues.waiting["push"])


def test_several_are_done_at_a_time_and_answers_keep_their_order() -> None:
    together = threading.Barrier(PUSH_WORKERS, timeout=20)

    def meet(name: str) -> str:
        together.wait()
        return name.upper()

    names = [f"c{number:03}" for number in range(3 * PUSH_WORKERS)]
    assert list(side_by_side(meet, names)) == [name.upper() for name in names]


def test_nobody_is_asked_for_where_nothing_is_due(fleet: Fleet) -> None:
    request_pushes(fleet.runtime, (), "due")
    assert fleet.queues.waiting["push"] == []
