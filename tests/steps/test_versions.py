"""Secrets with more versions than can be looked through: part of what comes in no order says nothing of the rest."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sync.adapters.kubernetes.connections import CREDENTIAL_TAG, ClusterConnections
from sync.catalogue.secret import SecretKey
from sync.errors import Invalid, Permanent
from sync.steps.versions import newest_first
from sync.triggers import handle_event
from tests.support import certs
from tests.support.fleet import HOST, Fleet, registration
from tests.support.memory import MemoryVault

if TYPE_CHECKING:
    from sync.adapters.kubernetes.connections import Client
    from sync.fleet.kubeconfig import Endpoint


TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
KEY = SecretKey.of(HOST, "plc")
OLD, NEW, NEXT = (certs.server(key_name=name) for name in ("old", "new", "next"))
EXPIRED = certs.server(key_name="expired", not_after=certs.NOW - timedelta(days=1))


@pytest.fixture
def fleet() -> Fleet:
    """One cluster with the newest of thirty versions, of which twenty are looked through: the oldest."""
    fleet = Fleet()
    fleet.register(registration("plant"))
    for _ in range(29):
        fleet.vault.set("plc", OLD.pem, tags=TAGS)
        fleet.clock.move(timedelta(minutes=1))
    fleet.vault.most_versions = 20
    upload(fleet, NEW.pem, TAGS)
    return fleet


def upload(fleet: Fleet, value: str, tags: dict[str, str] | None) -> str:
    version = fleet.upload("plc", value, tags)
    prune(fleet)
    return version


def prune(fleet: Fleet) -> None:
    fleet.clock.move(timedelta(minutes=1))
    fleet.work_off()
    for _ in range(3):
        fleet.sweep()


def listed(fleet: Fleet) -> dict[str, str]:
    names = {OLD.der: "old", NEW.der: "new", NEXT.der: "next"}
    return {file: names[data] for file, data in fleet.files("plant").items()}


def test_the_newest_is_in_force_and_so_is_the_next(fleet: Fleet) -> None:
    assert listed(fleet) == {"plc.der": "new"}
    upload(fleet, NEXT.pem, TAGS)
    assert listed(fleet) == {"plc.der": "next"}


def test_law3_a_next_one_that_is_rejected_leaves_the_last_in_force(fleet: Fleet) -> None:
    upload(fleet, EXPIRED.pem, TAGS)
    assert listed(fleet) == {"plc.der": "new"}


def test_law1_no_older_version_comes_for_one_that_is_disabled(fleet: Fleet) -> None:
    version = fleet.vault.secrets.newest()[0].id
    fleet.vault.set_enabled("plc", version, False)
    prune(fleet)
    assert listed(fleet) == {"plc.der": "new"}


def test_law1_one_without_tags_changes_nothing_and_is_told(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    upload(fleet, NEXT.pem, None)
    assert listed(fleet) == {"plc.der": "new"}
    assert "plc has too many versions to look through" in caplog.text


def test_its_event_is_taken_once(fleet: Fleet) -> None:
    fleet.upload("plc", NEXT.pem, None)
    handle_event(fleet.runtime, fleet.events.pop())
    with pytest.raises(Permanent, match="use a secret with a new name"):
        newest_first(fleet.vault, KEY, None)


def opened(endpoint: Endpoint) -> Client:
    raise AssertionError(f"{endpoint.server} is opened")


def test_a_credential_with_too_many_versions_is_told_and_none_is_read() -> None:
    vault = MemoryVault()
    for number in range(30):
        vault.set("kubeconfig", str(number), tags={CREDENTIAL_TAG: "plant"})
    vault.most_versions = 20
    with pytest.raises(Invalid, match="store the kubeconfig under a new name"):
        ClusterConnections(vault, opened).endpoint("plant", "kubeconfig")
    assert vault.reads == []
