"""The tables are lost while a vault is away: lists gain nothing until it was gone through (laws 1 and 13)."""

from __future__ import annotations

import pytest

from sync.errors import Unreachable
from sync.reconcile.status import State
from tests.owners.plant import TO_TRUST, A, B, Plant, server

NAMED_X = {**TO_TRUST, "trustcast-file": "x.der"}


def lost(*, twin_before: bool) -> Plant:
    """A disabled `x.der`, whose name it keeps; B's people give a file of that name. Then the tables are lost."""
    plant = Plant.of()
    version = plant.put("x", server("x"), NAMED_X)
    plant.put("other", server("other"), host=B)
    plant.vaults[A].set_enabled("x", version, enabled=False)
    plant.settle()
    if twin_before:
        plant.put("twin", server("twin"), NAMED_X, B)
    assert plant.names() == {"other.der"}
    clusters = [*plant.decisions.snapshot(fresh=True).clusters.values()]
    plant.vaults[A].away = True
    plant.lose_tables()
    plant.register(*clusters)
    return plant


def out_of_reach(_: str) -> None:
    raise Unreachable("no answer")


@pytest.mark.parametrize("offline", [False, True], ids=["reached at once", "offline at first"])
def test_law13_no_other_vault_takes_a_name_before_its_owners_was_gone_through(offline: bool) -> None:
    plant = lost(twin_before=True)
    edge = plant.clusters["edge"]
    reach = edge.pause
    if offline:
        edge.pause = out_of_reach
        plant.settle(2)
        assert plant.status("edge").state is State.OFFLINE
        edge.pause = reach
    plant.settle(3)
    assert plant.names() == {"other.der"}
    assert A in plant.status("edge").detail
    plant.clock.move(plant.intervals.verify_interval)
    plant.settle(2)
    assert plant.names() == {"other.der"}
    plant.vaults[A].away = False
    plant.settle(2)
    plant.clock.move(plant.intervals.verify_interval)
    plant.settle(2)
    assert plant.names() == {"other.der"}


def test_law1_a_list_that_was_as_it_should_be_gains_nothing_later_either() -> None:
    plant = lost(twin_before=False)
    plant.settle(2)
    assert plant.status("edge").state is State.IN_SYNC
    plant.put("twin", server("twin"), NAMED_X, B)
    plant.put("new", server("new"), host=B)
    assert plant.names() == {"other.der"}
    plant.vaults[A].away = False
    plant.settle(2)
    plant.clock.move(plant.intervals.verify_interval)
    plant.settle(2)
    assert plant.names() == {"other.der", "new.der"}
