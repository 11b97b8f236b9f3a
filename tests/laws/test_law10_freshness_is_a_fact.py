"""Law 10: verified and changed are separate facts, and every list is verified within the stated bound."""

from dataclasses import replace
from datetime import timedelta

import pytest

from sync.errors import Unreachable
from sync.fleet.clusters import Mode
from sync.reconcile.intervals import Intervals
from sync.reconcile.status import State
from tests.support import certs
from tests.support.catalogues import sha256
from tests.support.certs import NOW
from tests.support.failing import Failing
from tests.support.fleet import TRUST, Fleet, registration

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
GOOD, NEXT = certs.server(), certs.server(key_name="next")
MINUTE = timedelta(minutes=1)
PLANTS = tuple(f"plant-{n}" for n in range(12))


def joined(**differs):
    made = Fleet()
    made.enrol(*(replace(registration(name), **differs) for name in PLANTS))
    made.upload("plc7", GOOD.pem, TAGS)
    made.work_off()
    return made


def status(fleet, name=PLANTS[0]):
    return fleet.statuses.get(name, TRUST.name).value


def test_law10_a_verification_moves_verified_and_not_changed() -> None:
    fleet = joined()
    changed = status(fleet).changed
    for _ in range(40):
        fleet.sweep(MINUTE)
    assert status(fleet).changed == changed
    assert status(fleet).verified > changed


def test_law10_a_write_moves_both() -> None:
    fleet = joined()
    fleet.clock.move(MINUTE)
    fleet.upload("plc7", NEXT.pem, TAGS)
    fleet.work_off()
    assert status(fleet).changed == status(fleet).verified >= NOW + MINUTE


def test_law10_a_repair_moves_both() -> None:
    fleet = joined()
    before = status(fleet).changed
    fleet.clusters[PLANTS[0]].state.edit(TRUST.namespace, TRUST.object, {"plc7.der": b"edited"})
    for _ in range(40):
        fleet.sweep(MINUTE)
    assert status(fleet).changed > before
    assert status(fleet, PLANTS[1]).changed == before


def largest_gaps(fleet, minutes, each_minute=lambda _: None):
    """How long each list ever was without a verification, with the timer running every minute."""
    gaps = dict.fromkeys(PLANTS, timedelta(0))
    for minute in range(minutes):
        each_minute(minute)
        fleet.sweep(MINUTE)
        for name in PLANTS:
            gaps[name] = max(gaps[name], fleet.clock() - status(fleet, name).verified)
    return gaps


@pytest.mark.parametrize("interval", [timedelta(minutes=30), timedelta(minutes=5)])
def test_law10_every_list_is_verified_within_the_stated_bound(interval) -> None:
    fleet = Fleet(intervals=Intervals(verify_interval=interval))
    fleet.enrol(*(registration(name) for name in PLANTS))
    fleet.upload("plc7", GOOD.pem, TAGS)
    fleet.work_off()
    gaps = largest_gaps(fleet, 90)
    assert max(gaps.values()) <= fleet.intervals.bound
    assert min(gaps.values()) > MINUTE, "nothing was ever due: the test measures nothing"


def test_law10_a_lost_message_is_made_good_within_the_bound() -> None:
    fleet = joined()
    lost = []

    def lose_one(_) -> None:
        if not lost and fleet.queues.waiting["push"]:
            lost.append(fleet.queues.waiting["push"].pop())

    send = fleet.queues.send_push

    def losing(message, delay: float = 0.0) -> None:
        send(message, delay)
        lose_one(0)

    fleet.queues.send_push = losing
    gaps = largest_gaps(fleet, 90)
    assert lost
    assert max(gaps.values()) <= fleet.intervals.bound


def test_law10_a_list_that_is_not_reached_is_not_called_verified_and_becomes_overdue() -> None:
    fleet = joined()
    verified = status(fleet).verified
    fleet.clusters[PLANTS[0]] = Failing(fleet.clusters[PLANTS[0]], Unreachable("time-out"))
    for _ in range(60):
        fleet.sweep(MINUTE)
    assert (status(fleet).state, status(fleet).verified) == (State.OFFLINE, verified)
    assert status(fleet).attempted > verified
    assert status(fleet).overdue(fleet.clock(), fleet.intervals.bound)
    assert not status(fleet, PLANTS[1]).overdue(fleet.clock(), fleet.intervals.bound)


def test_law10_a_list_that_differs_and_is_only_reported_is_not_called_verified() -> None:
    fleet = joined(mode=Mode.REPORT)
    assert (status(fleet).state, status(fleet).verified, status(fleet).changed) == (State.DRIFTED, None, None)


def test_law10_applied_means_the_bytes_of_the_object() -> None:
    fleet = joined()
    assert status(fleet).applied == {"plc7.der": sha256(fleet.files(PLANTS[0])["plc7.der"])}
