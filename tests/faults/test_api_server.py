"""Faults of an API server: each ends in a state that says what to do, holds up no other, and heals by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from local.kubernetes.faults import Fault, Kind
from sync.reconcile.status import State
from tests.faults.world import EVERYWHERE, PATIENT, certificate
from tests.support.fleet import TRUST

if TYPE_CHECKING:
    from tests.faults.world import World

MINUTE = timedelta(minutes=1)
MOST_REQUESTS = 2
"""Of one attempt at one list: one read and one write, or two reads where the token was renewed."""


@dataclass(frozen=True)
class Expected:
    """A fault and the state that it brings.

    Attributes:
        hurried: a call must be given up for it to be noticed.
        fulfils: what was asked for has been done; only the answer is spoiled.
    """

    fault: Fault
    state: State
    hurried: bool = False
    fulfils: bool = False


FAULTS = {
    "down": Expected(Fault(Kind.DOWN), State.OFFLINE),
    "slow": Expected(Fault(Kind.SLOW, seconds=600), State.OFFLINE, hurried=True, fulfils=True),
    "dripping": Expected(Fault(Kind.DRIP, seconds=0.05), State.OFFLINE, hurried=True, fulfils=True),
    "resetting in mid-body": Expected(Fault(Kind.RESET), State.OFFLINE, fulfils=True),
    "redirecting to plain http": Expected(Fault(Kind.REDIRECT), State.BLOCKED),
    "huge bodies": Expected(Fault(Kind.HUGE), State.BLOCKED),
    "compressed bodies": Expected(Fault(Kind.COMPRESSED), State.BLOCKED),
    "401": Expected(Fault(Kind.STATUS, 401), State.UNAUTHORIZED),
    "403": Expected(Fault(Kind.STATUS, 403), State.UNAUTHORIZED),
    "404": Expected(Fault(Kind.STATUS, 404), State.BLOCKED),
    "422": Expected(Fault(Kind.STATUS, 422), State.BLOCKED),
    "429 with Retry-After": Expected(Fault(Kind.STATUS, 429, retry_after="60"), State.PENDING),
    "500": Expected(Fault(Kind.STATUS, 500), State.PENDING),
    "503": Expected(Fault(Kind.STATUS, 503), State.PENDING),
}
STRUCK = {"every request": frozenset[str](), "writes alone": frozenset({"PATCH"})}


@pytest.fixture
def fleet(world: World) -> World:
    """Two clusters in sync with one certificate."""
    world.add("sick")
    world.add("well")
    world.upload("plc1-der", certificate("plc1").pem)
    world.work_off()
    world.sweep(MINUTE)  # the first listing of a vault asks for a push of everybody
    return world


@pytest.mark.parametrize("methods", STRUCK.values(), ids=STRUCK)
@pytest.mark.parametrize("expected", FAULTS.values(), ids=FAULTS)
def test_an_api_server_in_trouble(fleet: World, expected: Expected, methods: frozenset[str]) -> None:
    """Any fault of one API server → its list says so, asks again with growing waits, and catches up once it is over;
    the other cluster has the change at once (laws 8, 12).
    """
    if expected.hurried:
        fleet.wait_for("sick", 0.3)
    sick = fleet.api_servers["sick"]
    sick.set_fault(replace(expected.fault, methods=methods))
    fleet.upload("plc2-der", certificate("plc2").pem)
    fleet.work_off()

    status = fleet.status("sick")
    assert (status.state, status.failures) == (expected.state, 1)
    assert status.due is not None
    assert status.due > fleet.clock()
    assert set(fleet.on("well")) == {"plc1.der", "plc2.der"}
    assert "plc1.der" in fleet.on("sick")
    assert fleet.idle()

    before, writes = fleet.requests("sick"), sick.requests["apply"]
    for _ in range(5):
        fleet.sweep(MINUTE)
    if expected.fulfils and methods:
        assert (fleet.status("sick").state, sick.requests["apply"]) == (State.IN_SYNC, writes)
    else:
        assert 2 <= fleet.status("sick").failures <= 4
        assert fleet.requests("sick") - before <= MOST_REQUESTS * (fleet.status("sick").failures - 1)

    sick.set_fault(None)
    fleet.wait_for("sick", PATIENT)
    fleet.sweep(_until_due(fleet))
    assert fleet.status("sick").state is State.IN_SYNC
    assert fleet.status("sick").failures == 0
    assert fleet.on("sick") == fleet.on("well")
    assert fleet.idle()


def _until_due(fleet: World) -> timedelta:
    due = fleet.status("sick").due
    assert due is not None
    return max(due - fleet.clock(), MINUTE)


def test_retry_after_is_waited_for(fleet: World) -> None:
    """429 with Retry-After: 600 → not asked again within ten minutes."""
    sick = fleet.api_servers["sick"]
    sick.set_fault(Fault(Kind.STATUS, 429, retry_after="600"))
    fleet.upload("plc2-der", certificate("plc2").pem)
    fleet.work_off()
    assert fleet.status("sick").due == fleet.clock() + timedelta(seconds=600)
    before = fleet.requests("sick")
    for _ in range(9):
        fleet.sweep(MINUTE)
    assert fleet.requests("sick") == before


def test_an_api_server_that_stays_down_is_asked_ever_more_rarely(fleet: World) -> None:
    """Down for three hours → at most an hour between attempts, nine attempts in all, and no message left over."""
    sick = fleet.api_servers["sick"]
    sick.set_fault(Fault(Kind.DOWN))
    fleet.upload("plc2-der", certificate("plc2").pem)
    fleet.work_off()
    for _ in range(36):
        fleet.sweep(5 * MINUTE)
    status = fleet.status("sick")
    assert status.due is not None
    assert (status.state, status.due - fleet.clock() <= timedelta(hours=1)) == (State.OFFLINE, True)
    assert 7 <= status.failures <= 9
    assert fleet.idle()


def test_a_rotated_token_is_read_again_at_once(fleet: World) -> None:
    """401 with a rotated credential that the credentials vault has → the same push renews it and writes; also where
    credentials are stored within one second, which the vault's whole seconds do not tell apart.
    """
    for number in range(2, 6):
        fleet.api_servers["sick"].rotate()
        fleet.store_credential("sick")
        fleet.upload(f"plc{number}-der", certificate(f"plc{number}").pem)
        fleet.work_off()
        assert fleet.status("sick").state is State.IN_SYNC
        assert fleet.on("sick") == fleet.on("well")


def test_a_rotated_token_that_nobody_stored_costs_one_reading_an_attempt(fleet: World) -> None:
    """401, and no new credential → unauthorized; each attempt reads the credential once; storing it heals."""
    sick, credentials = fleet.api_servers["sick"], fleet.site.credentials
    sick.rotate()
    before = credentials.faults.count("value", sick.name)
    fleet.upload("plc2-der", certificate("plc2").pem)
    fleet.work_off()
    assert fleet.status("sick").state is State.UNAUTHORIZED
    assert credentials.faults.count("value", sick.name) == before + 1
    assert set(fleet.on("sick")) == {"plc1.der"}
    fleet.store_credential("sick")
    fleet.sweep(MINUTE)
    assert fleet.on("sick") == fleet.on("well")


def test_a_missing_namespace_is_named_and_once_made_is_filled(world: World) -> None:
    """404 namespace → blocked, the detail names it; once it exists the list fills by itself."""
    sick = world.add("sick", namespaces=())
    world.upload("plc1-der", certificate("plc1").pem)
    world.work_off()
    assert world.status("sick").state is State.BLOCKED
    assert TRUST.namespace in world.status("sick").detail
    sick.add_namespace(TRUST.namespace)
    world.sweep(MINUTE)
    assert (world.status("sick").state, set(world.on("sick"))) == (State.IN_SYNC, {"plc1.der"})


def test_a_storm_of_conflicts_is_ridden_out(fleet: World) -> None:
    """409 on every write → a few tries, then asked for again each minute, no more; after it the list is right."""
    sick = fleet.api_servers["sick"]
    sick.set_fault(Fault(Kind.STATUS, 409, methods=frozenset({"PATCH"})))
    fleet.upload("plc2-der", certificate("plc2").pem)
    fleet.work_off()
    for _ in range(3):
        before = fleet.requests("sick")
        fleet.sweep(MINUTE)
        assert 0 < fleet.requests("sick") - before <= 8
        assert fleet.idle()
    assert set(fleet.on("sick")) == {"plc1.der"}
    sick.set_fault(None)
    fleet.sweep(MINUTE)
    assert fleet.on("sick") == fleet.on("well")
    assert fleet.status("sick").state is State.IN_SYNC


def test_a_few_conflicts_cost_only_more_tries(fleet: World) -> None:
    """Two 409 in a row → begun anew within the same push."""
    fleet.api_servers["sick"].set_fault(Fault(Kind.STATUS, 409, methods=frozenset({"PATCH"}), times=2))
    fleet.upload("plc2-der", certificate("plc2").pem)
    fleet.work_off()
    assert fleet.on("sick") == fleet.on("well")


def test_an_immutable_secret_is_told_and_its_replacement_filled(fleet: World) -> None:
    """422 because the Secret is immutable → blocked without a write; deleted by hand it is made anew."""
    sick = fleet.api_servers["sick"]
    sick.merge(TRUST.namespace, TRUST.object, {"immutable": True}, "kubectl")
    before = sick.requests["apply"]
    fleet.upload("plc2-der", certificate("plc2").pem)
    fleet.work_off()
    assert (fleet.status("sick").state, sick.requests["apply"]) == (State.BLOCKED, before)
    sick.delete(TRUST.namespace, TRUST.object)
    fleet.sweep(timedelta(minutes=31))
    assert fleet.on("sick") == fleet.on("well")


def test_removals_wait_for_an_api_server_that_is_away(fleet: World) -> None:
    """Down while a secret is unassigned and another comes → once back, the one is gone and the other there."""
    sick = fleet.api_servers["sick"]
    sick.set_fault(Fault(Kind.DOWN))
    fleet.upload("plc2-der", certificate("plc2").pem)
    fleet.upload("plc1-der", certificate("plc1").pem, EVERYWHERE | {"trustcast-lists": "none"})
    fleet.work_off()
    assert set(fleet.on("sick")) == {"plc1.der"}
    sick.set_fault(None)
    fleet.sweep(MINUTE)
    assert set(fleet.on("sick")) == set(fleet.on("well")) == {"plc2.der"}
