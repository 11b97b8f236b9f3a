"""The minute's check: how often a vault is listed, and by whom; what else it does by the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sync.errors import Changed, Temporary
from sync.reconcile.intervals import Intervals
from sync.steps.drift import LEASE, check_drift
from sync.triggers import handle_event
from tests.support.certs import server
from tests.support.fleet import Fleet, registration

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}


class Died(BaseException):
    """The process ends here."""


@pytest.fixture
def fleet() -> Fleet:
    """One cluster, two secrets whose events were dropped, and a vault that is listed every ten minutes."""
    fleet = Fleet(intervals=replace(Intervals(), vault_interval=10 * MINUTE))
    fleet.register(registration("plant"))
    for name in ("plc1", "plc2"):
        fleet.upload(name, server(name=name).pem, TAGS)
    fleet.events.clear()
    return fleet


def asked(fleet: Fleet, what: str) -> list[str]:
    """The calls of that kind to the vault from now on."""
    calls: list[str] = []
    fleet.vault.pause = lambda label: calls.append(label) if label.startswith(what) else None
    return calls


def test_a_vault_is_listed_once_an_interval(fleet: Fleet) -> None:
    listings = asked(fleet, "listing")
    for _ in range(30):
        fleet.sweep(MINUTE)
    assert len(listings) == 3
    assert set(fleet.files("plant")) == {"plc1.der", "plc2.der"}


def test_a_vault_that_is_being_listed_is_listed_by_nobody_else(fleet: Fleet) -> None:
    listings = []

    def meanwhile(label: str) -> None:
        if label == "listing":
            listings.append(label)
            fleet.clock.move(LEASE - SECOND)
            check_drift(fleet.runtime)

    fleet.vault.pause = meanwhile
    fleet.sweep()
    assert len(listings) == 1


def test_a_lease_is_renewed_for_as_long_as_there_is_something_to_admit(fleet: Fleet) -> None:
    for number in range(12):
        fleet.upload(f"more{number}", server(name=f"more{number}").pem, TAGS)
    fleet.events.clear()
    listings = []

    def slowly(label: str) -> None:
        if label == "listing":
            listings.append(label)
        elif label.startswith("versions"):
            fleet.clock.move(9 * SECOND)
            check_drift(fleet.runtime)

    fleet.vault.pause = slowly
    fleet.sweep()
    assert len(listings) == 1
    assert len(fleet.files("plant")) == 14


def test_what_a_worker_that_died_was_listing_is_listed_when_its_lease_is_over(fleet: Fleet) -> None:
    def dies(label: str) -> None:
        if label == "listing":
            raise Died

    fleet.vault.pause = dies
    with pytest.raises(Died):
        fleet.sweep()
    listings = asked(fleet, "listing")
    fleet.sweep(LEASE - SECOND)
    assert listings == []
    fleet.sweep(SECOND)
    assert len(listings) == 1
    assert set(fleet.files("plant")) == {"plc1.der", "plc2.der"}


def test_a_due_time_that_a_wrong_clock_wrote_is_not_waited_for(fleet: Fleet) -> None:
    fleet.sweep()
    fleet.clock.move(-timedelta(days=1))
    listings = asked(fleet, "listing")
    fleet.sweep()
    assert len(listings) == 1


def test_losses_are_forgotten_after_a_day_and_the_head_stays(fleet: Fleet) -> None:
    """What left a list counts for 24 hours, so that many small removals are held like a large one."""
    fleet.sweep()
    fleet.vault.delete("plc1")
    fleet.sweep(10 * MINUTE)
    assert [each.file for each in fleet.status("plant").left] == ["plc1.der"]
    head = fleet.decisions.head().value
    fleet.sweep(timedelta(hours=23))
    assert [each.file for each in fleet.status("plant").left] == ["plc1.der"]
    fleet.sweep(timedelta(hours=2))
    assert fleet.status("plant").left == ()
    assert fleet.decisions.head().value == head


def test_a_row_that_always_changes_makes_the_event_come_back(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.upload("plc1", server(name="plc1", key_name="renewed").pem, TAGS)
    (event,) = fleet.events

    def moved(*_: object) -> None:
        raise Changed("planted: somebody was faster")

    monkeypatch.setattr(fleet.decisions.table, "transact", moved)
    with pytest.raises(Temporary, match="plc1 changes faster"):
        handle_event(fleet.runtime, event)
