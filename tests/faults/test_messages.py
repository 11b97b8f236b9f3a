"""Faults of messages and clocks: doubled, late, held by the dead, poisonous, and told at the wrong time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sync.reconcile.status import State
from sync.steps.drift import check_drift
from sync.triggers import handle_plan, handle_push, record_failure
from tests.support.certs import server
from tests.support.fleet import TRUST, Clock, Fleet, registration

MINUTE = timedelta(minutes=1)
EVERYWHERE = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
NAMES = ("north", "south")
VERSIONS = [server(name="plc1", key_name=f"version {number}") for number in range(4)]


@pytest.fixture
def fleet() -> Fleet:
    """Two clusters in sync with the first version; nothing that decides has changed for a minute."""
    fleet = Fleet()
    fleet.register(*map(registration, NAMES))
    fleet.upload("plc1-der", VERSIONS[0].pem, EVERYWHERE)
    fleet.work_off()
    for _ in range(2):
        fleet.sweep()
    return fleet


def assert_everywhere(fleet: Fleet, der: bytes) -> None:
    for name in NAMES:
        assert fleet.files(name) == {"plc1.der": der}
        assert fleet.status(name).state is State.IN_SYNC
    assert fleet.work.planned() == fleet.decisions.head().value.token
    assert not any(fleet.queues.waiting.values())


def writes(fleet: Fleet) -> int:
    return sum(fleet.clusters[name].state.requests[verb] for name in NAMES for verb in ("apply", "merge", "create"))


def test_messages_and_events_doubled_and_turned_around(fleet: Fleet) -> None:
    """Every event and message twice, the newest first, the old ones once more an hour later → the newest version
    everywhere, one write a list for each change of it, none for the repeats.
    """
    for version in VERSIONS[1:]:
        fleet.upload("plc1-der", version.pem, EVERYWHERE)
    events = fleet.events[::-1] * 2
    fleet.events.clear()
    before = writes(fleet)
    fleet.events.extend(events)
    while fleet.deliver_event():
        pass
    messages: list[tuple[str, str]] = []
    for _ in range(50):
        taken = [(queue, message) for queue in ("push", "plan") if (message := fleet.queues.take(queue))]
        for queue, message in taken:
            handle = handle_plan if queue == "plan" else handle_push
            for times in (1, 2):
                handle(fleet.runtime, message.text, times)
            messages.append((queue, message.text))
            fleet.queues.done(message)
        fleet.clock.move(timedelta(seconds=2))
    assert_everywhere(fleet, VERSIONS[-1].der)
    assert writes(fleet) - before == len(NAMES)
    fleet.clock.move(timedelta(hours=1))
    fleet.events.extend(events)
    fleet.work_off()
    for queue, text in messages:
        (handle_plan if queue == "plan" else handle_push)(fleet.runtime, text, 1)
    fleet.work_off()
    assert_everywhere(fleet, VERSIONS[-1].der)
    assert writes(fleet) - before == len(NAMES)


@pytest.mark.parametrize("queue", ["plan", "push"])
def test_what_a_dead_host_holds_is_not_waited_for(fleet: Fleet, queue: str) -> None:
    """A host takes messages up and dies; they stay leased for ten minutes → within four the lists are right without
    them; when they come again they change nothing.
    """
    fleet.upload("plc1-der", VERSIONS[1].pem, EVERYWHERE)
    fleet.deliver_event()
    if queue == "push":
        fleet.deliver("plan")
    while fleet.queues.take(queue):
        pass
    held = [message for _, message in fleet.queues.taken.values()]
    assert held
    for _ in range(4):
        fleet.sweep(MINUTE)
    assert_everywhere(fleet, VERSIONS[1].der)
    before = writes(fleet)
    fleet.clock.move(6 * MINUTE)
    for message in held:
        fleet.queues.give_back(message)
    fleet.work_off()
    assert writes(fleet) == before
    assert_everywhere(fleet, VERSIONS[1].der)


@pytest.mark.parametrize("off", [timedelta(minutes=10), timedelta(minutes=-10)], ids=["fast", "slow"])
def test_a_worker_whose_clock_is_ten_minutes_off(fleet: Fleet, off: timedelta) -> None:
    """One of two workers is ten minutes fast or slow, and takes every other piece of work → nothing waits for its
    marks, leases or due times; each change is everywhere within three minutes, and lists go on being verified.
    """
    wrong = Clock(fleet.clock.now + off)
    workers = [fleet.runtime, replace(fleet.runtime, clock=wrong)]

    def pass_by(span: timedelta) -> None:
        fleet.clock.move(span)
        wrong.move(span)
        for _ in range(2):
            workers.reverse()
            fleet.runtime = workers[0]
            check_drift(workers[0])
            while fleet.deliver_event() or fleet.deliver("plan") or fleet.deliver("push"):
                workers.reverse()
                fleet.runtime = workers[0]

    for version in VERSIONS[1:]:
        fleet.upload("plc1-der", version.pem, EVERYWHERE)
        for _ in range(3):
            pass_by(MINUTE)
        assert_everywhere(fleet, version.der)
    fleet.vault.delete("plc1-der")
    for _ in range(3):
        pass_by(MINUTE)
    assert all(fleet.files(name) == {} for name in NAMES)
    fleet.vault.recover("plc1-der")
    for _ in range(3):
        pass_by(MINUTE)
    assert_everywhere(fleet, VERSIONS[-1].der)
    for name in NAMES:
        fleet.clusters[name].state.edit(TRUST.namespace, TRUST.object, {"plc1.der": b"by hand"})
    for _ in range(43):  # the stated bound, and the ten minutes
        pass_by(MINUTE)
    assert_everywhere(fleet, VERSIONS[-1].der)


def test_a_clock_that_is_set_right_again(fleet: Fleet) -> None:
    """The only clock was ten minutes fast and is set right → what it wrote of the future holds nothing up: a change of
    which no event tells is everywhere within three minutes.
    """
    right = fleet.runtime
    fleet.runtime = replace(right, clock=Clock(fleet.clock.now + 10 * MINUTE))
    fleet.upload("plc1-der", VERSIONS[1].pem, EVERYWHERE)
    fleet.work_off()
    check_drift(fleet.runtime)
    fleet.runtime = right
    fleet.clock.move(timedelta(seconds=1))
    fleet.upload("plc1-der", VERSIONS[2].pem, EVERYWHERE)
    fleet.events.clear()
    for _ in range(3):
        fleet.sweep(MINUTE)
    assert_everywhere(fleet, VERSIONS[2].der)


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[1]", '{"schema":99,"type":"push-cluster","message":{}}', "\x00é" * 9000]
)
def test_a_poison_message_ends(fleet: Fleet, text: str) -> None:
    """Any text in any queue → dropped with a line in the log, never raised; the queue goes on."""
    handle_plan(fleet.runtime, text, 1)
    handle_push(fleet.runtime, text, 5)
    record_failure(fleet.runtime, text)
    fleet.upload("plc1-der", VERSIONS[1].pem, EVERYWHERE)
    fleet.work_off()
    assert_everywhere(fleet, VERSIONS[1].der)


def test_a_message_about_an_unknown_cluster_ends(fleet: Fleet) -> None:
    """A push of a cluster that nobody registered → no row of it is left, and nothing is asked for again."""
    handle_push(fleet.runtime, '{"schema":1,"type":"push-cluster","message":{"cluster":"none","reason":"forged"}}', 1)
    assert fleet.work.cluster("none") is None
    assert {status.cluster for status in fleet.statuses.all()} == set(NAMES)
