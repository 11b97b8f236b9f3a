"""Law 10: verified and changed are separate facts, and every list is verified within the stated bound."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sync.errors import Unreachable
from sync.fleet.clusters import Mode
from sync.reconcile.intervals import Intervals
from sync.reconcile.status import State
from tests.support import certs
from tests.support.catalogues import sha256
from tests.support.certs import NOW
from tests.support.failing import failing
from tests.support.fleet import TRUST, Fleet, registration

if TYPE_CHECKING:
    from collections.abc import Callable

    from sync.ports.messages import PushCluster
    from sync.reconcile.status import ListStatus
    from tests.support.memory import Message

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
GOOD, NEXT = certs.server(), certs.server(key_name="next")
MINUTE = timedelta(minutes=1)
PLANTS = tuple(f"plant-{n}" for n in range(12))


def joined(**differs: Any) -> Fleet:
    made = Fleet()
    made.register(*(replace(registration(name), **differs) for name in PLANTS))
    made.upload("plc7", GOOD.pem, TAGS)
    made.work_off()
    return made


def status(fleet: Fleet, name: str = PLANTS[0]) -> ListStatus:
    return fleet.status(name)


def verified(fleet: Fleet, name: str = PLANTS[0]) -> datetime:
    moment = status(fleet, name).verified
    assert moment is not None
    return moment


def changed(fleet: Fleet, name: str = PLANTS[0]) -> datetime:
    moment = status(fleet, name).changed
    assert moment is not None
    return moment


def test_law10_a_verification_moves_verified_and_not_changed() -> None:
    fleet = joined()
    before = changed(fleet)
    for _ in range(40):
        fleet.sweep(MINUTE)
    assert changed(fleet) == before
    assert verified(fleet) > before


def test_law10_a_write_moves_both() -> None:
    fleet = joined()
    fleet.clock.move(MINUTE)
    fleet.upload("plc7", NEXT.pem, TAGS)
    fleet.work_off()
    assert changed(fleet) == verified(fleet) >= NOW + MINUTE


def test_law10_a_repair_moves_both() -> None:
    fleet = joined()
    before = changed(fleet)
    fleet.clusters[PLANTS[0]].state.edit(TRUST.namespace, TRUST.object, {"plc7.der": b"edited"})
    for _ in range(40):
        fleet.sweep(MINUTE)
    assert changed(fleet) > before
    assert changed(fleet, PLANTS[1]) == before


def largest_gaps(
    fleet: Fleet, minutes: int, each_minute: Callable[[int], None] = lambda _: None
) -> dict[str, timedelta]:
    """How long each list ever was without a verification, with the timer running every minute."""
    gaps = dict.fromkeys(PLANTS, timedelta(0))
    for minute in range(minutes):
        each_minute(minute)
        fleet.sweep(MINUTE)
        for name in PLANTS:
            gaps[name] = max(gaps[name], fleet.clock() - verified(fleet, name))
    return gaps


@pytest.mark.parametrize("interval", [timedelta(minutes=30), timedelta(minutes=5)])
def test_law10_every_list_is_verified_within_the_stated_bound(interval: timedelta) -> None:
    fleet = Fleet(intervals=Intervals(verify_interval=interval))
    fleet.register(*(registration(name) for name in PLANTS))
    fleet.upload("plc7", GOOD.pem, TAGS)
    fleet.work_off()
    gaps = largest_gaps(fleet, 90)
    assert max(gaps.values()) <= fleet.intervals.bound
    assert min(gaps.values()) > MINUTE, "nothing was ever due: the test measures nothing"


def test_law10_a_lost_message_is_made_good_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = joined()
    lost: list[Message] = []

    def lose_one(_: int) -> None:
        if not lost and fleet.queues.waiting["push"]:
            lost.append(fleet.queues.waiting["push"].pop())

    send = fleet.queues.send_push

    def losing(message: PushCluster, delay: float = 0.0) -> None:
        send(message, delay)
        lose_one(0)

    monkeypatch.setattr(fleet.queues, "send_push", losing)
    gaps = largest_gaps(fleet, 90)
    assert lost
    assert max(gaps.values()) <= fleet.intervals.bound


def test_law10_a_list_that_is_not_reached_is_not_called_verified_and_becomes_overdue() -> None:
    fleet = joined()
    before = verified(fleet)
    fleet.clusters[PLANTS[0]] = failing(fleet.clusters[PLANTS[0]], Unreachable("time-out"))
    for _ in range(60):
        fleet.sweep(MINUTE)
    assert (status(fleet).state, status(fleet).verified) == (State.OFFLINE, before)
    attempted = status(fleet).attempted
    assert attempted is not None
    assert attempted > before
    assert status(fleet).overdue(fleet.clock(), fleet.intervals.bound)
    assert not status(fleet, PLANTS[1]).overdue(fleet.clock(), fleet.intervals.bound)


def test_law10_a_list_that_differs_and_is_only_reported_is_not_called_verified() -> None:
    fleet = joined(mode=Mode.REPORT)
    assert (status(fleet).state, status(fleet).verified, status(fleet).changed) == (State.DRIFTED, None, None)


def test_law10_applied_means_the_bytes_of_the_object() -> None:
    fleet = joined()
    held = {name: file.sha256 for name, file in status(fleet).files.items()}
    assert held == {"plc7.der": sha256(fleet.files(PLANTS[0])["plc7.der"])}
