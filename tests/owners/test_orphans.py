"""Files without owner: kept, listed, taken over on equal bytes, or removed by a person."""

from __future__ import annotations

from sync.commands.orphans import forget_vault, orphans, remove_orphans
from sync.fleet.configuration import Configuration
from tests.owners.plant import BOTH, DAY, A, B, Plant, server

ONLY_B = Configuration(BOTH.vaults[1:], BOTH.lists)


def test_a_forgotten_vaults_files_are_orphans_and_leave_when_a_person_says_so() -> None:
    plant = Plant.of()
    plant.fill(3)
    plant.reconfigure(ONLY_B)
    forget_vault(plant.runtime, A)
    plant.settle(3)
    found = orphans(plant.statuses.all())
    assert {each.file for each in found} == {"s00.der", "s01.der", "s02.der"}
    assert {each.was for each in found} == {f"{A}/s00", f"{A}/s01", f"{A}/s02"}
    remove_orphans(plant.runtime, found[0].sha256)
    plant.settle(2)
    assert plant.names() == {"s01.der", "s02.der"}


def test_a_forgotten_vaults_file_is_taken_over_on_equal_bytes_and_on_no_others() -> None:
    plant = Plant.of()
    plant.fill(2)
    plant.reconfigure(ONLY_B)
    forget_vault(plant.runtime, A)
    plant.put("s00", server("s00"), host=B)
    plant.put("s01", server("different"), host=B)
    plant.settle(3)
    assert plant.files("edge") == {"s00.der": server("s00").der, "s01.der": server("s01").der}
    owner = plant.status("edge").files["s00.der"].owner
    assert owner is not None
    assert owner.vault == B


def test_what_a_vault_that_comes_back_after_being_forgotten_gave_is_its_again() -> None:
    plant = Plant.of()
    plant.fill(2)
    plant.reconfigure(ONLY_B)
    forget_vault(plant.runtime, A)
    plant.settle(2)
    plant.reconfigure(BOTH)
    plant.clock.move(DAY)
    plant.delete("s00")
    assert plant.names() == {"s01.der"}
