"""What a CRL refuses, from when it is in force until an operator clears it; laws 3, 4 and 8."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from sync.catalogue.secret import SecretKey
from sync.commands.revocation import clear_revoked
from sync.findings import Role
from sync.fleet.configuration import Configuration
from sync.fleet.lists import ListDefinition
from tests.support import certs
from tests.support.fleet import CONFIGURATION, HOST, TRUST, Fleet, registration

if TYPE_CHECKING:
    from collections.abc import Callable

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
SITE_B = TAGS | {"trustcast-clusters": "site=b"}
ON_ISSUER = TAGS | {"trustcast-lists": "issuer"}
ISSUER = ListDefinition("issuer", Role.ISSUER, TRUST.namespace, "issuer-list")
ROOT, LATER_ROOT = certs.ca(), certs.ca(key_name="later")
LEAF = certs.server(name="leaf", issuer=ROOT)
CRL = certs.crl(ROOT, revoked=[LEAF])
DELTA = certs.crl(
    ROOT,
    revoked=[LEAF],
    extensions=[(x509.DeltaCRLIndicator(1), True)],
    entry_extensions=[(x509.CRLReason(x509.ReasonFlags.remove_from_crl), False)],
)
KEY = SecretKey.of(HOST, "leaf")


@pytest.fixture
def fleet() -> Fleet:
    """Two clusters, at sites a and b, that trust a CA and a certificate that it issued."""
    fleet = Fleet(configured=Configuration(CONFIGURATION.vaults, (TRUST, ISSUER)))
    fleet.register(registration("a", site="a"), registration("b", site="b"))
    fleet.upload("root", ROOT.pem, TAGS)
    fleet.upload("root-as-issuer", ROOT.pem, ON_ISSUER)
    fleet.upload("leaf", LEAF.pem, TAGS)
    prune(fleet)
    return fleet


def prune(fleet: Fleet) -> None:
    """All that follows by itself, and second looks with it."""
    fleet.work_off()
    for _ in range(3):
        fleet.sweep()


def upload(fleet: Fleet, name: str, value: str, tags: dict[str, str] = TAGS) -> str:
    fleet.clock.move(timedelta(minutes=1))
    version = fleet.upload(name, value, tags)
    prune(fleet)
    return version


def trusted(fleet: Fleet, cluster: str = "a") -> bool:
    return "leaf.der" in fleet.files(cluster)


NEVER_IN_FORCE_HERE = {
    "a delta CRL, which is refused": (DELTA.pem, TAGS),
    "a CRL of other clusters": (CRL.pem, SITE_B),
    "a CRL of another list": (CRL.pem, ON_ISSUER),
}


@pytest.mark.parametrize(("value", "tags"), NEVER_IN_FORCE_HERE.values(), ids=NEVER_IN_FORCE_HERE)
def test_law4_a_crl_that_was_never_in_force_here_refuses_nothing_here(
    fleet: Fleet, value: str, tags: dict[str, str]
) -> None:
    upload(fleet, "crl", value, tags)
    upload(fleet, "crl", value, tags)
    assert trusted(fleet)
    fleet.vault.delete("crl")
    prune(fleet)
    assert trusted(fleet)


def test_a_crl_refuses_on_its_own_clusters_now_and_once_it_is_gone(fleet: Fleet) -> None:
    upload(fleet, "crl", CRL.pem, SITE_B)
    assert (trusted(fleet, "a"), trusted(fleet, "b")) == (True, False)
    fleet.vault.delete("crl")
    prune(fleet)
    assert (trusted(fleet, "a"), trusted(fleet, "b")) == (True, False)


ENDS: dict[str, Callable[[Fleet, str], object]] = {
    "the CRL is deleted": lambda fleet, _: fleet.vault.delete("crl"),
    "the CRL is disabled": lambda fleet, version: fleet.vault.set_enabled("crl", version, False),
    "the CRL is unassigned": lambda fleet, version: fleet.vault.update(
        "crl", version, tags=TAGS | {"trustcast-lists": "none"}
    ),
    "the CRL goes elsewhere": lambda fleet, version: fleet.vault.update("crl", version, tags=ON_ISSUER),
    "a newer CRL is silent about it": lambda fleet, _: fleet.upload("crl", certs.crl(ROOT, number=9).pem, TAGS),
    "its CA is deleted": lambda fleet, _: fleet.vault.delete("root"),
    "its CA is unassigned": lambda fleet, _: fleet.upload("root", ROOT.pem, TAGS | {"trustcast-lists": "none"}),
    "its CA has another key": lambda fleet, _: fleet.upload("root", LATER_ROOT.pem, TAGS),
    "a server's certificate takes its CA's place": lambda fleet, _: fleet.upload(
        "root", certs.server(name="root").pem, TAGS
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("late", [False, True], ids=["it was there first", "it came under the CRL"])
def test_a_revocation_outlives_the_crl_however_it_ends_until_a_person_clears_it(
    fleet: Fleet, late: bool, end: Callable[[Fleet, str], object]
) -> None:
    if late:
        fleet.vault.delete("leaf")
        prune(fleet)
    version = upload(fleet, "crl", CRL.pem)
    if late:
        fleet.vault.recover("leaf")
        prune(fleet)
    assert not trusted(fleet)
    fleet.clock.move(timedelta(minutes=1))
    end(fleet, version)
    prune(fleet)
    assert not trusted(fleet)
    assert clear_revoked(fleet.runtime, KEY) == 1
    prune(fleet)
    assert trusted(fleet)


def test_what_a_crl_in_force_lists_cannot_be_cleared(fleet: Fleet) -> None:
    upload(fleet, "crl", CRL.pem)
    assert clear_revoked(fleet.runtime, KEY) == 0
    prune(fleet)
    assert not trusted(fleet)


def test_what_was_cleared_is_refused_again_by_a_later_crl_and_outlives_that_too(fleet: Fleet) -> None:
    upload(fleet, "crl", CRL.pem)
    fleet.vault.delete("crl")
    prune(fleet)
    assert clear_revoked(fleet.runtime, KEY) == 1
    prune(fleet)
    assert trusted(fleet)
    upload(fleet, "later-crl", certs.crl(ROOT, revoked=[LEAF], number=9).pem)
    assert not trusted(fleet)
    fleet.vault.delete("later-crl")
    prune(fleet)
    assert not trusted(fleet)
