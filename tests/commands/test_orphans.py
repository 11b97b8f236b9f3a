"""Files whose secret is not known, and vaults that are gone: what a person says about them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from sync.commands.clusters import unregister
from sync.commands.orphans import find_orphans, forget_vault, remove_orphans, waive_vault
from sync.errors import Invalid, NotFound
from sync.fleet.configuration import Configuration
from sync.reconcile.status import State
from tests.owners.plant import BOTH, A, B, Plant, server

if TYPE_CHECKING:
    from sync.fleet.clusters import Registration

ONLY_B = Configuration(BOTH.vaults[1:], BOTH.lists)


@pytest.fixture
def orphaned() -> Plant:
    """Two clusters with three files of a vault that was declared gone."""
    plant = Plant.of("hamburg", "lyon")
    plant.fill(3)
    plant.reconfigure(ONLY_B)
    forget_vault(plant.runtime, A)
    plant.settle()
    return plant


def digest_of(plant: Plant, name: str) -> str:
    return hashlib.sha256(plant.files("hamburg")[name]).hexdigest()


def test_equal_files_of_several_clusters_are_one_orphan(orphaned: Plant) -> None:
    found = find_orphans(orphaned.runtime)
    assert [(each.list, each.file, each.was) for each in found] == [
        ("trust", f"s{number:02}.der", f"{A}/s{number:02}") for number in range(3)
    ]
    assert {each.clusters for each in found} == {("hamburg", "lyon")}
    assert found[0].sha256 == digest_of(orphaned, "s00.der")


def test_a_removed_clusters_files_are_nobodys_concern(orphaned: Plant) -> None:
    unregister(orphaned.runtime, "lyon")
    assert {each.clusters for each in find_orphans(orphaned.runtime)} == {("hamburg",)}


def test_an_orphan_leaves_every_cluster_and_the_others_stay(orphaned: Plant) -> None:
    removed = remove_orphans(orphaned.runtime, digest_of(orphaned, "s01.der").upper()[:8])
    assert [(each.file, each.clusters) for each in removed] == [("s01.der", ("hamburg", "lyon"))]
    orphaned.work_off()
    assert orphaned.names("hamburg") == orphaned.names("lyon") == {"s00.der", "s02.der"}


@pytest.mark.parametrize(
    ("sha256", "error", "word"),
    [
        ("", Invalid, "at least the first 8"),
        ("0123456", Invalid, "at least the first 8"),
        ("0" * 64, NotFound, "orphans list"),
    ],
)
def test_an_orphan_that_there_is_not_is_said(
    orphaned: Plant, sha256: str, error: type[Invalid | NotFound], word: str
) -> None:
    with pytest.raises(error, match=word):
        remove_orphans(orphaned.runtime, sha256)


def test_a_file_whose_secret_is_known_is_no_orphan_and_is_not_removed() -> None:
    plant = Plant.of("hamburg")
    plant.fill(1)
    with pytest.raises(NotFound):
        remove_orphans(plant.runtime, digest_of(plant, "s00.der"))


@pytest.mark.parametrize(
    ("host", "error", "word"),
    [(A, Invalid, "out of TRUSTCAST_VAULTS first"), ("never.vault.azure.net", NotFound, "nothing is known of a vault")],
)
def test_a_vault_that_cannot_be_forgotten_is_said(host: str, error: type[Invalid | NotFound], word: str) -> None:
    with pytest.raises(error, match=word):
        forget_vault(Plant.of().runtime, host)


def test_secrets_of_a_forgotten_vault_leave_no_list_by_themselves(orphaned: Plant) -> None:
    orphaned.settle(5)
    assert len(orphaned.names("hamburg")) == 3
    assert set(orphaned.kept("hamburg").values()) == {
        "no secret is known to have given it; see `trustcast orphans list`"
    }


@pytest.fixture
def awaiting() -> Plant:
    """The tables were lost while one vault is away, and the other has a new secret."""
    plant = Plant.of()
    plant.fill(2)
    clusters: list[Registration] = [*plant.decisions.snapshot(fresh=True).clusters.values()]
    plant.vaults[B].away = True
    plant.lose_tables()
    plant.register(*clusters)
    plant.settle(3)
    plant.put("new", server("new"))
    return plant


def test_law1_a_list_gains_nothing_while_a_vault_is_awaited_and_says_how_to_end_that(awaiting: Plant) -> None:
    status = awaiting.status("edge")
    assert (status.state, awaiting.names()) == (State.PENDING, {"s00.der", "s01.der"})
    assert status.detail == f"new.der: waits until {B} was gone through once (`trustcast vaults waive` ends the wait)"


def test_law1_a_person_may_waive_a_vault_that_is_awaited(awaiting: Plant) -> None:
    waive_vault(awaiting.runtime, B)
    awaiting.settle()
    assert awaiting.names() == {"new.der", "s00.der", "s01.der"}
    assert awaiting.status("edge").state is State.IN_SYNC


def test_a_vault_that_is_not_watched_cannot_be_waived() -> None:
    with pytest.raises(NotFound, match="not a watched vault"):
        waive_vault(Plant.of().runtime, "other.vault.azure.net")
