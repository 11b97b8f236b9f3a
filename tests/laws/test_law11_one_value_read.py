"""Law 11: one value read per changed version, however many clusters; one a day proves the catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sync.adapters.event_grid import SecretChanged, parse_event
from sync.catalogue.rows import SecretRow
from sync.commands.removals import approve, waiting
from sync.errors import Changed
from tests.support import certs
from tests.support.catalogues import CONFIGURATION
from tests.support.fleet import HOST, Fleet, event, registration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sync.ports.decisions import Write

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
GOOD, NEXT = certs.server(), certs.server(key_name="next")
WEAK = [certs.server(key="rsa-1024", serial=n).pem for n in range(1, 6)]
MINUTE = timedelta(minutes=1)


@dataclass
class Counting(Fleet):
    """Remembers the calls to its vault."""

    calls: list[str] = field(default_factory=list)


@pytest.fixture
def fleet() -> Counting:
    """Twenty clusters, and counts of every call to the vault."""
    made = Counting(configured=CONFIGURATION)
    made.register(*(registration(f"plant-{n:02}") for n in range(20)))
    made.vault.pause = made.calls.append
    return made


def reads(fleet: Counting) -> int:
    return len(fleet.vault.reads)


def test_law11_a_new_version_is_read_once_for_twenty_clusters(fleet: Counting) -> None:
    fleet.upload("plc7", GOOD.pem, TAGS)
    fleet.work_off()
    assert all(fleet.files(name) == {"plc7.der": GOOD.der} for name in fleet.clusters)
    assert reads(fleet) == 1


def test_law11_events_sweeps_and_verifications_of_it_read_nothing_more(fleet: Counting) -> None:
    fleet.upload("plc7", GOOD.pem, TAGS)
    fleet.events *= 3
    fleet.work_off()
    for _ in range(60):
        fleet.sweep(MINUTE)
    assert reads(fleet) == 1


def test_law11_every_changed_version_is_read_once(fleet: Counting) -> None:
    for built in (GOOD, NEXT, GOOD):
        fleet.clock.move(MINUTE)
        fleet.upload("plc7", built.pem, TAGS)
        fleet.work_off()
    assert [version for _, version in fleet.vault.reads] == [v.id for v in fleet.vault.secrets.versions("plc7")]


def test_law11_an_event_of_a_known_version_costs_no_call_to_the_vault(fleet: Counting) -> None:
    version = fleet.upload("plc7", GOOD.pem, TAGS)
    fleet.work_off()
    fleet.calls.clear()
    fleet.events += [event("plc7", version), event("PLC7", version.upper())]
    fleet.work_off()
    assert fleet.calls == []


def test_law11_an_event_of_a_vault_that_is_not_watched_costs_no_call(fleet: Counting) -> None:
    fleet.events.append(event("plc7", "1" * 32).replace(HOST, "other.vault.azure.net"))
    assert isinstance(parse_event(fleet.events[0])[0], SecretChanged)
    fleet.work_off()
    assert fleet.calls == []


def test_law11_a_retried_write_reads_no_value_again(fleet: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker changes the row between our look and our write, three times."""
    commit, collisions = fleet.decisions.commit, [Changed("meanwhile")] * 3

    def colliding(writes: Sequence[Write], **options: Any) -> None:
        if any(isinstance(write.row, SecretRow) for write in writes) and collisions:
            raise collisions.pop()
        commit(writes, **options)

    monkeypatch.setattr(fleet.decisions, "commit", colliding)
    fleet.upload("plc7", GOOD.pem, TAGS)
    fleet.work_off()
    assert collisions == []
    assert fleet.files("plant-00") == {"plc7.der": GOOD.der}
    assert reads(fleet) == 1


REJECTED = {
    "one weak version": WEAK[:1],
    "several weak versions": WEAK,
    "what is no certificate": ["no certificate", "nor this", "nor that"],
    "weak versions above the one in force": [GOOD.pem, *WEAK],
    "weak versions below the one in force": [*WEAK, GOOD.pem],
}


@pytest.mark.parametrize("values", REJECTED.values(), ids=REJECTED)
def test_law11_rejected_versions_are_read_once_too(fleet: Counting, values: list[str]) -> None:
    for value in values:
        fleet.clock.move(MINUTE)
        fleet.upload("plc7", value, TAGS)
    fleet.work_off()
    for _ in range(10):
        fleet.sweep(MINUTE)
    versions = [version for _, version in fleet.vault.reads]
    assert len(versions) == len(set(versions)) <= len(values)


def test_law11_versions_that_only_one_of_two_lists_takes_are_read_once(fleet: Counting) -> None:
    """The walk for the issuer list goes down through servers' certificates, none of which it takes."""
    tags = {"trustcast-lists": "issuer,trust", "trustcast-clusters": "*"}
    for built in (certs.server(serial=n) for n in range(1, 6)):
        fleet.clock.move(MINUTE)
        fleet.upload("plc7", built.pem, tags)
        fleet.work_off()
        fleet.sweep(MINUTE)
    versions = [version for _, version in fleet.vault.reads]
    assert len(versions) == len(set(versions))


def test_law11_one_read_a_day_proves_the_catalogue(fleet: Counting) -> None:
    fleet.upload("plc7", GOOD.pem, TAGS)
    fleet.work_off()
    for day in range(1, 4):
        for _ in range(12):
            fleet.sweep(timedelta(hours=2))
        assert day <= reads(fleet) - 1 <= day
    assert {version for _, version in fleet.vault.reads} == {v.id for v in fleet.vault.secrets.versions("plc7")}


def test_law11_an_unassigned_secret_is_never_read(fleet: Counting) -> None:
    fleet.upload("password", "hunter2")
    fleet.upload("plc7", GOOD.pem, {"trustcast-lists": "none"})
    fleet.work_off()
    for _ in range(30):
        fleet.sweep(timedelta(hours=1))
    assert reads(fleet) == 0


# --- One value read per version, however long it takes -----------------------------------------------------


def test_law11_a_version_whose_assignment_waits_for_approval_is_read_once() -> None:
    fleet = Fleet()
    fleet.register(*(registration(f"plant-{n}", row=str(n)) for n in range(6)))
    fleet.upload("plc7", GOOD.pem, TAGS)
    fleet.work_off()
    fleet.clock.move(MINUTE)
    version = fleet.upload("plc7", NEXT.pem, TAGS | {"trustcast-clusters": "row=0"})
    fleet.work_off()
    for _ in range(10):
        fleet.sweep()
    assert all(fleet.files(name) == {"plc7.der": NEXT.der} for name in fleet.clusters)
    assert [each for _, each in fleet.vault.reads].count(version) == 1
    (question,) = waiting(fleet.runtime)
    approve(fleet.runtime, question.digest)
    for _ in range(10):
        fleet.sweep()
    assert [name for name in fleet.clusters if fleet.files(name)] == ["plant-0"]
    assert [each for _, each in fleet.vault.reads].count(version) == 1


@pytest.mark.parametrize("versions", [70, 120])
def test_law11_a_secret_that_one_of_its_lists_always_refuses_is_read_to_an_end(versions: int) -> None:
    fleet = Fleet(configured=CONFIGURATION)
    fleet.register(registration("plant"))
    for _ in range(versions):
        fleet.vault.set("plc", certs.server().pem, tags=TAGS | {"trustcast-lists": "trust,issuer"})
        fleet.clock.move(timedelta(minutes=1))
    for _ in range(15):
        fleet.sweep()
    fleet.vault.reads.clear()
    for _ in range(5):
        fleet.sweep()
    assert fleet.vault.reads == []
    assert len(fleet.files("plant")) == 1
