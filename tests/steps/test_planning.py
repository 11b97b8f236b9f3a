"""Planning: who is asked for, from a few facts of each status, and that one that cannot be asked for stops no other."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sync.adapters.storage.table import Operation
from sync.bootstrap import PUSH_WORKERS, side_by_side
from sync.commands.preview import preview_cluster
from sync.errors import Unreachable
from sync.fleet.clusters import Mode
from sync.ports.stored import ANYTHING
from sync.ports.work import ClusterWork
from sync.reconcile.status import State
from sync.steps.planning import plan_fleet, request_pushes
from tests.support.certs import ca, server
from tests.support.fleet import CONFIGURATION, TRUST, Fleet, registration
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
    stored = there(fleet.statuses.get(name, "trust"))
    fleet.statuses.put(replace(stored.value, **changes), stored.unchanged)


def test_a_list_that_moves_to_another_object_is_there_with_the_next_minute(fleet: Fleet) -> None:
    fleet.sweep()
    moved = replace(TRUST, object="other-list")
    fleet.runtime = replace(fleet.runtime, configured=replace(CONFIGURATION, lists=(moved,)))
    before = fleet.files("edge-1")
    fleet.sweep()
    assert fleet.files("edge-1", moved) == before == fleet.files("edge-1", TRUST) != {}
    assert fleet.status("edge-1").state is State.IN_SYNC


def test_a_file_in_the_object_that_a_list_moves_to_is_not_ours(
    fleet: Fleet,
) -> None:
    moved = replace(TRUST, object="other-list")
    (name, data), *_ = fleet.files("edge-1").items()
    fleet.clusters["edge-1"].state.edit(moved.namespace, moved.object, {name: data})
    fleet.vault.delete("plc")
    fleet.runtime = replace(fleet.runtime, configured=replace(CONFIGURATION, lists=(moved,)))
    fleet.sweep()
    assert fleet.files("edge-1", moved) == {name: data}


@pytest.mark.parametrize("anew", [{"host": "rebuilt:6443"}, {"ca_sha256": "2" * 64}], ids=["host", "CA"])
def test_a_file_on_another_server_of_the_same_name_is_not_ours(fleet: Fleet, anew: dict[str, Any]) -> None:
    """Law 6: what a push remembers is of one machine; a plan that is only shown says the same."""
    fleet.upload("other", server(name="other").pem, TAGS)
    fleet.sweep()
    theirs = dict.fromkeys(fleet.files("edge-1"), b"theirs")
    rebuilt = fleet.clusters["edge-1"] = MemoryCluster()
    rebuilt.state.edit(TRUST.namespace, TRUST.object, theirs)
    fleet.register(replace(registration("edge-1"), **anew))
    fleet.vault.delete("other")
    (preview,) = preview_cluster(fleet.runtime, "edge-1")
    fleet.sweep()
    assert fleet.files("edge-1") == theirs != {}
    assert preview.plan is not None
    assert not preview.plan.writes
    assert fleet.status("edge-1").state is State.CONFLICT


def test_nothing_is_told_of_another_machine_of_the_name_because_the_old_one_was_seen(fleet: Fleet) -> None:
    """Law 10: not when it was verified, nor what it holds; and what it waited for does not keep the new one waiting."""
    fleet.clusters["edge-1"] = Unanswering()
    fleet.runtime.work.set_cluster("edge-1", ClusterWork(None, fleet.clock.now), ANYTHING)
    fleet.sweep()
    before = fleet.status("edge-1")
    assert (before.state, len(before.thumbprints)) == (State.OFFLINE, 1)
    fleet.register(replace(registration("edge-1"), host="rebuilt:6443"))
    assert planned(fleet) == ["edge-1"]
    fleet.work_off()
    after = fleet.status("edge-1")
    assert (after.state, after.verified, after.applied, after.thumbprints) == (State.OFFLINE, None, {}, {})


def test_a_cluster_that_is_registered_anew_for_the_same_machine_is_not_asked_for(fleet: Fleet) -> None:
    """Law 5."""
    fleet.register(registration("edge-1", site="hamburg"))
    assert planned(fleet) == []


def test_a_fleet_in_sync_is_asked_for_nothing_and_no_list_of_files_is_read(fleet: Fleet) -> None:
    """Law 5."""
    labels = steps(fleet)
    assert planned(fleet) == []
    assert labels == ["scan status status"]


def test_a_file_that_is_ours_beyond_the_desired_is_asked_for_once_it_has_a_proof(fleet: Fleet) -> None:
    """Law 4: unaccounted files stay; the secret that accounts for one may be known, and deleted, only later."""
    rewrite(fleet, "edge-2", applied={**fleet.status("edge-2").applied, "gone.der": "0" * 64})
    assert planned(fleet) == []
    version = fleet.upload("gone", ca().pem, TAGS)
    fleet.work_off()
    fleet.vault.set_enabled("gone", version, enabled=False)
    fleet.sweep()
    rewrite(fleet, "edge-2", applied={**fleet.status("edge-2").applied, "gone.der": "0" * 64})
    fleet.clock.move(timedelta(minutes=2))
    labels = steps(fleet)
    assert planned(fleet) == ["edge-2"]
    assert [label for label in labels if label.startswith("read")] == ["read status status edge-2|trust"]


def test_a_status_of_before_the_few_facts_is_asked_for(fleet: Fleet) -> None:
    table = fleet.statuses.table
    columns = {k: v for k, v in there(table.get("status", "edge-1|trust")).value.items() if k != "brief"}
    table.write("status", Operation("edge-1|trust", columns, ANYTHING))
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
