"""Faults of Key Vault: none is taken for absence, none stops another secret, and none multiplies the requests."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from local.keyvault.faults import Fault
from sync.catalogue.secret import SecretKey
from sync.errors import Temporary
from sync.findings import Code
from sync.triggers import handle_event
from tests.faults.world import EVERYWHERE, certificate

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.keyvault.faults import Kind
    from sync.catalogue.entry import Entry
    from sync.ports.vault import Vault
    from tests.faults.world import World

MINUTE = timedelta(minutes=1)
FORGED = 300
THREADS = 24
READS_PER_SECOND = 20
"""So few that the wait for one soon is longer than a call may take, and is refused."""


@pytest.fixture
def plant(world: World) -> World:
    """One cluster in sync with one certificate."""
    world.add("plant")
    world.upload("plc1-der", certificate("plc1").pem)
    world.work_off()
    return world


def entry(world: World, name: str) -> Entry | None:
    return world.runtime.decisions.snapshot(fresh=True).entries.get(SecretKey.of(world.host, name))


@pytest.mark.parametrize("kind", ["versions", "value"])
@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_vault_in_trouble_makes_the_event_come_back(plant: World, status: int, kind: Kind) -> None:
    """429, 503 and the like on any call of an admission → the event fails after one request that failed, so that Event
    Grid delivers it again; nothing changes until it succeeds; then the list has it.
    """
    faults = plant.site.vault.faults
    faults.add(Fault(kind=kind, status=status, headers={"Retry-After": "1"}))
    plant.upload("plc1-der", certificate("plc1", "renewed").pem)
    (event,) = plant.events
    before = plant.on("plant")
    for _ in range(3):
        faults.reset_counts()
        with pytest.raises(Temporary):
            handle_event(plant.runtime, event)
        assert faults.count(kind) == 1
    plant.sweep(MINUTE)
    assert plant.on("plant") == before
    faults.clear()
    plant.events.append(event)
    plant.work_off()
    assert plant.on("plant") == {"plc1.der": certificate("plc1", "renewed").der}


@pytest.mark.parametrize("kind", ["versions", "value"])
def test_one_secret_that_may_not_be_read(plant: World, kind: Kind) -> None:
    """403 on one secret → its event ends (asking again changes nothing), its files stay, the others go on; the sweep
    asks once a minute, and takes it up when it may.
    """
    faults = plant.site.vault.faults
    faults.add(Fault(kind=kind, name="plc1-der", status=403, code="Forbidden"))
    plant.upload("plc1-der", certificate("plc1", "renewed").pem)
    plant.upload("plc2-der", certificate("plc2").pem)
    plant.work_off()
    assert plant.on("plant") == {"plc1.der": certificate("plc1").der, "plc2.der": certificate("plc2").der}
    faults.reset_counts()
    for _ in range(3):
        plant.sweep(MINUTE)
    assert faults.count(kind, "plc1-der") == 3
    assert plant.on("plant")["plc1.der"] == certificate("plc1").der
    faults.clear()
    plant.sweep(MINUTE)
    assert plant.on("plant")["plc1.der"] == certificate("plc1", "renewed").der


def test_a_vault_that_is_away_takes_nothing_from_any_list(plant: World) -> None:
    """No answer at all, for hours → every list stays; afterwards what happened meanwhile is taken up."""
    plant.site.vault.faults.add(Fault(status=503))
    plant.site.vault.secrets.delete("plc1-der")
    for _ in range(5):
        plant.sweep(timedelta(hours=1))
    assert set(plant.on("plant")) == {"plc1.der"}
    plant.site.vault.faults.clear()
    plant.sweep(MINUTE)
    assert plant.on("plant") == {}


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="listing", page=2, status=500),
        Fault(kind="listing", page=2, status=403),
        Fault(kind="listing", page=2, status=404, code="SecretNotFound"),
        Fault(kind="listing", page=2, status=200, body="{}"),
        Fault(kind="listing", page=2, status=200, body="<html>"),
    ],
    ids=["500", "403", "404", "no list", "no JSON"],
)
def test_a_listing_that_fails_on_its_second_page_proves_nothing(plant: World, fault: Fault) -> None:
    """A listing cut short → no secret that it lacks is gone, not even the one that is; whole again, that one goes."""
    for number in range(30):
        plant.site.vault.set(f"other-{number}", "no certificate")
    plant.upload("plc2-der", certificate("plc2").pem)
    plant.work_off()
    plant.site.vault.secrets.delete("plc2-der")
    plant.site.vault.faults.add(fault)
    for _ in range(3):
        plant.sweep(MINUTE)
    assert plant.site.vault.faults.count("listing") >= 6
    assert set(plant.on("plant")) == {"plc1.der", "plc2.der"}
    plant.site.vault.faults.clear()
    plant.sweep(MINUTE)
    assert set(plant.on("plant")) == {"plc1.der"}


@dataclass(frozen=True)
class Meddling:
    """A vault whose owner acts once, just before a value is read."""

    vault: Vault
    act: list[Callable[[], Any]]

    def read(self, name: str, version: str | None) -> Any:
        while self.act:
            self.act.pop()()
        return self.vault.read(name, version)

    def __getattr__(self, called: str) -> Any:
        return getattr(self.vault, called)


def meddle(world: World, act: Callable[[], Any]) -> None:
    vaults = {world.host: Meddling(world.runtime.vaults[world.host], [act])}
    world.runtime = replace(world.runtime, vaults=vaults)


def test_a_version_disabled_between_its_event_and_its_reading(plant: World) -> None:
    """Disabled before its value could be read → the event comes back, and finds that this version never was in force:
    the one before it stays.
    """
    version = plant.upload("plc1-der", certificate("plc1", "renewed").pem)
    (event,) = plant.events
    meddle(plant, lambda: plant.site.vault.update("plc1-der", version, enabled=False))
    with pytest.raises(Temporary):
        handle_event(plant.runtime, event)
    plant.work_off()
    found = entry(plant, "plc1-der")
    assert found is not None
    assert [note.code for note in found.secret_findings] == [Code.HEAD_DISABLED]
    plant.sweep(MINUTE)
    assert plant.on("plant") == {"plc1.der": certificate("plc1").der}


def test_a_first_version_disabled_between_its_event_and_its_reading(plant: World) -> None:
    """The same of a new secret → nothing comes of it until it is enabled, which raises no event."""
    version = plant.upload("plc2-der", certificate("plc2").pem)
    meddle(plant, lambda: plant.site.vault.update("plc2-der", version, enabled=False))
    plant.work_off()
    plant.sweep(MINUTE)
    assert set(plant.on("plant")) == {"plc1.der"}
    plant.site.vault.update("plc2-der", version, enabled=True)
    plant.sweep(MINUTE)
    assert set(plant.on("plant")) == {"plc1.der", "plc2.der"}


def test_the_newest_of_one_second_disabled(plant: World) -> None:
    """Two versions within one second, which whole seconds do not tell apart, and the newer one disabled once
    it was in force → its file leaves with the next look, whichever of their names sorts first; enabled, it is back.
    """
    names = [f"tie{number}-der" for number in range(6)]
    versions = {}
    for name in names:
        plant.upload(name, certificate(name).pem)
        versions[name] = plant.upload(name, certificate(name, "renewed").pem)
    plant.work_off()
    newest = {f"tie{number}.der": certificate(name, "renewed").der for number, name in enumerate(names)}
    steady = {"plc1.der": certificate("plc1").der}
    assert plant.on("plant") == steady | newest
    for enabled in (False, True):
        for name, version in versions.items():
            plant.clock.move(timedelta(days=2))  # more than a few removals within a day would be held
            plant.site.vault.update(name, version, enabled=enabled)
            plant.sweep(MINUTE)
        assert plant.on("plant") == (steady | newest if enabled else steady)


def test_the_newest_of_one_second_without_tags(plant: World) -> None:
    """Two versions within one second, the newer one without tags → it is the one in force, whichever of their names
    sorts first, on the lists of the other.
    """
    names = [f"tie{number}-der" for number in range(6)]
    for name in names:
        plant.upload(name, certificate(name).pem)
        plant.upload(name, certificate(name, "renewed").pem, None)
    plant.work_off()
    newest = {f"tie{number}.der": certificate(name, "renewed").der for number, name in enumerate(names)}
    assert plant.on("plant") == {"plc1.der": certificate("plc1").der} | newest


def test_the_tags_of_one_second_once_a_newer_version_came(plant: World) -> None:
    """Two versions within one second, the newer one unassigned, then a version without tags → the catalogue remembers
    which of the two was current, which the vault can no longer tell: the secret stays off every list.
    """
    names = [f"tie{number}-der" for number in range(6)]
    for name in names:
        plant.upload(name, certificate(name).pem)
        newer = plant.upload(name, certificate(name, "renewed").pem)
        plant.work_off()
        plant.clock.move(timedelta(days=2))
        plant.site.vault.update(name, newer, tags=EVERYWHERE | {"trustcast-lists": "none"})
        plant.sweep(MINUTE)
        plant.upload(name, certificate(name, "renewed again").pem, None)
        plant.work_off()
    assert set(plant.on("plant")) == {"plc1.der"}


def test_a_secret_deleted_between_its_event_and_its_reading(plant: World) -> None:
    """Deleted before its new version could be read → the event comes back and finds it gone; its file leaves."""
    plant.upload("plc1-der", certificate("plc1", "renewed").pem)
    (event,) = plant.events
    meddle(plant, lambda: plant.site.vault.secrets.delete("plc1-der"))
    with pytest.raises(Temporary):
        handle_event(plant.runtime, event)
    assert set(plant.on("plant")) == {"plc1.der"}
    plant.work_off()
    assert plant.on("plant") == {}


def test_a_flood_of_forged_events_stays_within_the_budget_of_reads(plant: World) -> None:
    """Hundreds of forged events at once, of secrets that exist and that do not → no more requests than the budget
    lets out, no value read, the lists untouched; an honest change gets through all the same.
    """
    faults = plant.site.vault.faults
    hurried = plant.site.open_vault(plant.site.vault, call_timeout=0.5, reads_per_second=READS_PER_SECOND)
    plant.runtime = replace(plant.runtime, vaults={plant.host: hurried})
    names = ("plc1-der", "none-such")
    forged = [plant.told(names[number % 2], f"{number:032x}") for number in range(FORGED)]
    faults.reset_counts()
    began = time.monotonic()
    with ThreadPoolExecutor(THREADS) as threads:
        refused = sum(threads.map(lambda text: _is_refused(plant, text), forged))
    passed = time.monotonic() - began
    assert sum(faults.counts().values()) <= READS_PER_SECOND * (passed + 1) + 1
    assert refused > 0
    assert faults.count("value") == 0
    assert plant.on("plant") == {"plc1.der": certificate("plc1").der}
    plant.upload("plc1-der", certificate("plc1", "renewed").pem)
    plant.work_off()
    for _ in range(20):
        if plant.on("plant")["plc1.der"] == certificate("plc1").der:
            plant.sweep(MINUTE)
    assert plant.on("plant") == {"plc1.der": certificate("plc1", "renewed").der}
    hurried.close()


def _is_refused(world: World, text: str) -> bool:
    try:
        handle_event(world.runtime, text)
    except Temporary:
        return True
    return False


def test_forged_events_of_other_vaults_and_of_what_is_known_cost_no_request(plant: World) -> None:
    """Events that name an unwatched vault, or a version that the catalogue knows → no request to the vault at all."""
    found = entry(plant, "plc1-der")
    assert found is not None
    plant.site.vault.faults.reset_counts()
    known = plant.told("plc1-der", found.versions[0].version)
    foreign = known.replace(plant.site.vault.url, "https://evil.vault.azure.net")
    for _ in range(50):
        handle_event(plant.runtime, known)
        handle_event(plant.runtime, foreign)
    assert plant.site.vault.faults.counts() == {}
