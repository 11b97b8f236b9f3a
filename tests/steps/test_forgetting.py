"""What people never see again is let go once an hour, and nothing that decides with it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sync.catalogue.rows import AnswerRow, ClusterRow, SecretRow, ServerRow
from sync.catalogue.snapshot import Answer, ApiServer, Removal
from sync.ports.decisions import Write
from sync.ports.stored import ANYTHING
from sync.reconcile.status import State
from sync.steps.forgetting import forget_what_is_past
from tests.owners.plant import DAY, HOUR, TO_ISSUER, Plant, server
from tests.support import certs

if TYPE_CHECKING:
    from collections.abc import Callable

    from sync.catalogue.rows import RowKey
    from sync.ports.decisions import Row

ROOT = certs.ca(name="Root")
REVOKED = certs.server(name="revoked", issuer=ROOT)


@pytest.fixture
def plant() -> Plant:
    """Two clusters with one certificate."""
    plant = Plant.of("edge", "other")
    plant.put("plc7", server("plc7"))
    return plant


def pass_by(plant: Plant, span: timedelta) -> None:
    """So long passes, to the next full hour."""
    plant.clock.move(span)
    plant.clock.now = plant.clock.now.replace(minute=0) + HOUR
    forget_what_is_past(plant.runtime)


def write(plant: Plant, row: RowKey, value: Row | None) -> None:
    head = plant.runtime.next_head(plant.decisions.head().value)
    plant.decisions.commit([Write(row, value, ANYTHING)], head=head)


def test_a_full_hour_changes_nothing_of_a_fleet_in_sync(plant: Plant) -> None:
    before, statuses = plant.decisions.snapshot(fresh=True), plant.statuses.all()
    pass_by(plant, timedelta())
    assert plant.decisions.snapshot(fresh=True) == before
    assert plant.statuses.all() == statuses


def test_a_removed_cluster_is_forgotten_after_a_day_with_its_server(plant: Plant) -> None:
    """Law 4: until then what left its lists still counts, if it is registered again."""
    write(plant, ServerRow("other"), ApiServer("other", "other:6443", "0" * 64))
    write(plant, ClusterRow("other"), None)
    pass_by(plant, 20 * HOUR)
    assert {s.cluster for s in plant.statuses.all()} == {"edge", "other"}
    head = plant.decisions.head()
    pass_by(plant, 10 * HOUR)
    assert {s.cluster for s in plant.statuses.all()} == {"edge"}
    assert plant.decisions.snapshot(fresh=True).servers == {}
    assert plant.decisions.head() == head


def test_a_deleted_secret_is_forgotten_after_a_month(plant: Plant) -> None:
    plant.delete("plc7")
    pass_by(plant, 29 * DAY)
    assert plant.entry("plc7").deleted
    pass_by(plant, 2 * DAY)
    assert plant.decisions.snapshot(fresh=True).entries == {}


def test_law4_a_deleted_secret_is_remembered_as_long_as_a_file_came_from_it(plant: Plant) -> None:
    """An offline cluster still holds the file, and it leaves only for what the catalogue says of its owner."""
    plant.vaults[plant.entry("plc7").key.vault].delete("plc7")
    write(plant, SecretRow(plant.entry("plc7").key), plant.entry("plc7").without_secret(plant.clock.now))
    pass_by(plant, 60 * DAY)
    assert plant.entry("plc7").deleted


@pytest.mark.parametrize(("stands", "left"), [(True, 1), (False, 0)])
def test_an_approval_is_forgotten_once_nothing_is_as_it_names_it(plant: Plant, stands: bool, left: int) -> None:
    entry = plant.entry("plc7")
    since = f"{entry.assigned_at:%Y-%m-%dT%H:%M:%SZ}" if stands else "2020-01-01T00:00:00Z"
    answer = Answer("a" * 64, plant.clock.now, True, (Removal(entry.key, "ELSEWHERE", since, "*"),))
    write(plant, AnswerRow(answer.digest), answer)
    pass_by(plant, 2 * HOUR)
    assert len(plant.decisions.snapshot(fresh=True).answers) == 1
    pass_by(plant, 2 * DAY)
    assert len(plant.decisions.snapshot(fresh=True).answers) == left


def revoke(plant: Plant) -> None:
    plant.put("root", ROOT, TO_ISSUER)
    plant.put("crl", certs.crl(ROOT, revoked=[REVOKED.certificate.serial_number]), TO_ISSUER)


def test_what_a_ca_revoked_is_remembered_as_long_as_it_may_matter(plant: Plant) -> None:
    """While the CA, or anything that it issued, is in the catalogue; and `HISTORY_DAYS` after."""
    revoke(plant)
    pass_by(plant, 500 * DAY)
    assert len(plant.decisions.snapshot(fresh=True).authorities) == 1
    plant.delete("root", "crl")
    pass_by(plant, 40 * DAY)
    assert plant.decisions.snapshot(fresh=True).entries.keys() == {plant.entry("plc7").key}
    pass_by(plant, 350 * DAY)
    assert len(plant.decisions.snapshot(fresh=True).authorities) == 1
    pass_by(plant, 20 * DAY)
    assert plant.decisions.snapshot(fresh=True).authorities == {}


def changed_before(plant: Plant, label: str, change: Callable[[], object]) -> None:
    """Somebody else changes something right before the step of that label."""

    def pause(at: str) -> None:
        if at.startswith(label):
            plant.decisions.table.pause = lambda _: None
            change()

    plant.decisions.table.pause = pause


@pytest.mark.parametrize("label", ["read decisions decisions authority", "transact decisions authority"])
def test_law7_what_a_ca_revoked_meanwhile_is_not_overwritten(plant: Plant, label: str) -> None:
    revoke(plant)
    newer = certs.crl(ROOT, number=9, revoked=[7], this_update=certs.NOW + DAY, next_update=certs.NOW + 90 * DAY)
    plant.clock.move(2 * DAY)
    changed_before(plant, label, lambda: plant.put("crl", newer, TO_ISSUER))
    pass_by(plant, timedelta())
    (authority,) = plant.decisions.snapshot(fresh=True).authorities.values()
    assert [list(crl.revoked) for crl in authority.crls] == [[7]]


@pytest.mark.parametrize("label", ["read decisions decisions secret", "transact decisions secret"])
def test_law7_a_secret_that_is_back_meanwhile_is_not_forgotten(plant: Plant, label: str) -> None:
    plant.delete("plc7")
    plant.clock.move(40 * DAY)

    def back() -> None:
        plant.vaults[plant.entry("plc7").key.vault].recover("plc7")
        plant.sweep()

    changed_before(plant, label, back)
    pass_by(plant, timedelta())
    assert not plant.entry("plc7").deleted
    plant.settle()
    assert plant.names() == {"plc7.der"}
    assert plant.status("edge").state is State.IN_SYNC
