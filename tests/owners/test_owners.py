"""A file on a list knows whose it is: what leaves, and what stays, by its owner alone (law 4)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sync.fleet.configuration import Configuration
from sync.reconcile.status import State
from tests.owners.plant import BOTH, DAY, TO_TRUST, A, B, Plant, server
from tests.support import certs

ONLY_B = Configuration(BOTH.vaults[1:], BOTH.lists)


def test_a_file_is_written_with_its_owner_on_the_object_and_in_the_status() -> None:
    plant = Plant.of()
    version = plant.put("plc7", server("plc7"))
    owned = plant.status("edge").files["plc7.der"]
    assert (owned.owner, owned.version) == (plant.entry("plc7").key, version)
    seen = plant.clusters["edge"].observe("azure-iot-operations", "trust-list")
    assert seen.owners.files["plc7.der"] == owned
    assert seen.owners.place == "edge/azure-iot-operations/trust-list"
    writes = plant.clusters["edge"].state.requests["apply"]
    plant.settle(3)
    assert plant.clusters["edge"].state.requests["apply"] == writes


def test_a_deleted_secret_takes_its_file() -> None:
    plant = Plant.of()
    plant.put("plc7", server("plc7"))
    plant.delete("plc7")
    assert plant.names() == set()
    assert plant.status("edge").state is State.IN_SYNC


def test_1_twins_in_another_vault_do_not_keep_or_take_files_of_a_vault_that_left() -> None:
    """A leaves the settings; B's secrets of the same names are deleted, revoked, disabled, unassigned."""
    plant = Plant.of()
    plant.fill(4, A, "s")
    for number in range(4):
        plant.put(f"s{number:02}", server(f"other{number}"), host=B)
    plant.reconfigure(ONLY_B)
    plant.clock.move(2 * DAY)
    plant.delete("s00", host=B)
    plant.tag("s01", {"trustcast-lists": "none"}, host=B)
    assert plant.names() == {f"s{number:02}.der" for number in range(4)}
    assert all("vault" in why for why in plant.kept().values())
    assert len(plant.kept()) == 4


@pytest.mark.parametrize("host", [A, B])
def test_2_a_second_secret_of_the_name_that_is_not_in_force_keeps_no_file(host: str) -> None:
    plant = Plant.of()
    version = plant.put("first", server("plc"), {**TO_TRUST, "trustcast-file": "plc.der"})
    expired = certs.server(name="old", not_after=certs.NOW - DAY)
    plant.put("second", expired, {**TO_TRUST, "trustcast-file": "plc.der"}, host)
    plant.vaults[A].set_enabled("first", version, enabled=False)
    plant.settle()
    assert plant.names() == set()


def test_3_the_tables_are_lost_while_one_of_two_vaults_is_away() -> None:
    """Two vaults, the same secret names for two sites."""
    plant = Plant.of("hamburg", "lyon")
    for host, site in ((A, "hamburg"), (B, "lyon")):
        for number in range(4):
            tags = {"trustcast-lists": "trust", "trustcast-clusters": f"site={site}"}
            plant.put(f"s{number}", server(f"{site}{number}"), tags, host)
    before = {name: plant.files(name) for name in ("hamburg", "lyon")}
    assert len(before["lyon"]) == 4
    clusters = [*plant.decisions.snapshot(fresh=True).clusters.values()]
    plant.vaults[B].away = True
    plant.lose_tables()
    plant.register(*clusters)
    plant.settle(3)
    assert {name: plant.files(name) for name in ("hamburg", "lyon")} == before
    plant.vaults[B].away = False
    plant.settle(3)
    assert {name: plant.files(name) for name in ("hamburg", "lyon")} == before
    assert {s.state for s in plant.statuses.all() if s.list == "trust"} == {State.IN_SYNC}


def test_4_a_list_is_renamed_and_keeps_its_object() -> None:
    plant = Plant.of("one", "two", "three", "four", "five")
    files = plant.fill(12)
    renamed = replace(BOTH, lists=(replace(BOTH.lists[0], name="trusted"), BOTH.lists[1]))
    plant.reconfigure(renamed)
    plant.settle(3)
    assert all(plant.names(name) == set(files) for name in plant.clusters)
    assert {*plant.kept("one").values()} == {"its secret names a list that is not defined"}
