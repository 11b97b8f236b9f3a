"""A push of one cluster beside others that change the same row, or share its API server."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from sync.commands.clusters import RegistrationRequest, register, unregister
from sync.errors import Unreachable
from sync.fleet.clusters import ListOverride
from sync.ports.stored import ANYTHING
from sync.ports.work import ClusterWork
from sync.reconcile.status import State
from sync.steps.push import push_cluster
from tests.support.certs import server
from tests.support.failing import failing
from tests.support.fleet import CONFIGURATION, TRUST, Fleet, Targets, registration
from tests.support.stores import there

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}


@pytest.fixture
def fleet() -> Fleet:
    """One cluster in sync with one secret."""
    fleet = Fleet()
    fleet.register(registration("edge"))
    fleet.upload("plc", server().pem, TAGS)
    fleet.work_off()
    return fleet


def rewritten_before_every_write(fleet: Fleet, due: timedelta, times: int) -> None:
    """Somebody else sets the cluster's due time right before each of the next writes of it."""
    left = iter(range(times))

    def pause(label: str) -> None:
        if label == "write work cluster edge" and next(left, None) is not None:
            fleet.work.table.pause = lambda _: None
            fleet.work.set_cluster("edge", ClusterWork(None, fleet.clock.now + due), ANYTHING)
            fleet.work.table.pause = pause

    fleet.work.table.pause = pause


@pytest.mark.parametrize("times", [4, 7, 8, 9])
def test_a_push_whose_row_changes_all_the_time_ends_and_keeps_the_earlier_due_time(fleet: Fleet, times: int) -> None:
    soon = timedelta(seconds=90)
    rewritten_before_every_write(fleet, soon, times)
    (status,) = push_cluster(fleet.runtime, "edge")
    assert status.state is State.IN_SYNC
    assert there(fleet.work.cluster("edge")).value.due == fleet.clock.now + soon


@pytest.mark.parametrize("times", [1, 3, 4, 5, 6])
def test_a_push_whose_row_keeps_changing_sets_its_due_time_where_it_is_earlier(fleet: Fleet, times: int) -> None:
    rewritten_before_every_write(fleet, timedelta(days=1), times)
    (status,) = push_cluster(fleet.runtime, "edge")
    assert there(fleet.work.cluster("edge")).value.due == status.due


def test_law8_two_clusters_of_one_api_server_leave_each_others_lists_alone() -> None:
    """A place that another registration names is that one's to push; only what no definition names is emptied."""
    other = replace(TRUST, name="other", object="other-list")
    fleet = Fleet(replace(CONFIGURATION, lists=(TRUST, other)))
    for name, list_name in (("first", "trust"), ("second", "other")):
        lists = (ListOverride(list_name),)
        fleet.register(replace(registration(name), host="shared:6443", server_id="shared", lists=lists))
    fleet.clusters["second"] = fleet.clusters["first"]
    fleet.upload("plc", server().pem, {**TAGS, "trustcast-lists": "trust,other"})
    fleet.work_off()
    requests = fleet.clusters["first"].state.requests
    writes = requests["apply"] + requests["merge"]
    assert fleet.files("first", TRUST) == fleet.files("first", other) != {}
    for _ in range(20):
        fleet.sweep()
    assert fleet.files("first", TRUST) == fleet.files("first", other) != {}
    assert requests["apply"] + requests["merge"] == writes
    assert {(s.cluster, s.list) for s in fleet.statuses.all()} == {("first", "trust"), ("second", "other")}


@dataclass
class Doors(Targets):
    """Open clusters, of which each says where it is."""

    def endpoint(self, cluster: str, secret: str) -> Any:  # noqa: ARG002
        return registration(cluster)


def test_law10_a_cluster_removed_and_back_within_a_day_goes_on_being_verified(fleet: Fleet) -> None:
    """What is known of its places was kept, so that no plan has reason to push it."""
    fleet.runtime = replace(fleet.runtime, clusters=Doors(fleet.clusters))
    unregister(fleet.runtime, "edge")
    fleet.work_off()
    assert fleet.work.cluster("edge") is None
    register(fleet.runtime, RegistrationRequest("edge", "edge"))
    fleet.work_off()
    assert there(fleet.work.cluster("edge")).value.due is not None
    fleet.clusters["edge"].state.edit(TRUST.namespace, TRUST.object, {"plc.der": b"by hand"})
    fleet.sweep(fleet.intervals.bound)
    assert fleet.files("edge") == {"plc.der": server().der}


def test_law12_an_offline_cluster_is_tried_at_once_at_an_address_that_is_confirmed(fleet: Fleet) -> None:
    open_cluster = fleet.clusters["edge"]
    fleet.clusters["edge"] = failing(open_cluster, Unreachable("no answer"))
    for _ in range(3):
        fleet.sweep(fleet.intervals.bound)
    assert fleet.status("edge").state is State.OFFLINE
    fleet.clusters["edge"] = open_cluster
    fleet.runtime = replace(fleet.runtime, clusters=Doors(fleet.clusters))
    register(fleet.runtime, RegistrationRequest("edge", confirm=True))
    fleet.work_off()
    assert fleet.status("edge").state is State.IN_SYNC
