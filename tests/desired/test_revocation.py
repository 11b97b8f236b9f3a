"""What a CRL revokes, from when it is proven until an operator clears it; laws 3, 4 and 8."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from sync.commands.revocation import clear_revoked
from sync.errors import NotFound
from sync.findings import Role
from sync.fleet.configuration import Configuration
from sync.fleet.lists import ListDefinition
from tests.support import certs
from tests.support.fleet import CONFIGURATION, TRUST, Fleet, registration

if TYPE_CHECKING:
    from collections.abc import Callable

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
SITE_B = TAGS | {"trustcast-clusters": "site=b"}
ON_ISSUER = TAGS | {"trustcast-lists": "issuer"}
ISSUER = ListDefinition("issuer", Role.ISSUER, TRUST.namespace, "issuer-list")
ROOT, LATER_ROOT = certs.ca(), certs.ca(key_name="later")
LEAF = certs.server(name="leaf", issuer=ROOT)
REVOKED_AT = certs.NOW - certs.DAY
CRL = certs.crl(ROOT, revoked=[LEAF], revoked_at=REVOKED_AT)
DELTA = certs.crl(
    ROOT,
    revoked=[LEAF],
    extensions=[(x509.DeltaCRLIndicator(1), True)],
    entry_extensions=[(x509.CRLReason(x509.ReasonFlags.remove_from_crl), False)],
)


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


UNPROVEN = {
    "a delta CRL, which is refused": DELTA.pem,
    "a CRL of a namesake's key": certs.crl(LATER_ROOT, revoked=[LEAF]).pem,
    "a forged CRL": certs.crl(ROOT, signer=LATER_ROOT, revoked=[LEAF]).pem,
}


@pytest.mark.parametrize("value", UNPROVEN.values(), ids=UNPROVEN)
def test_law4_a_crl_that_was_never_proven_revokes_nothing(fleet: Fleet, value: str) -> None:
    upload(fleet, "crl", value)
    upload(fleet, "crl", value)
    assert trusted(fleet)
    fleet.vault.delete("crl")
    prune(fleet)
    assert trusted(fleet)


WHERE = {
    "on the same list": TAGS,
    "of other clusters": SITE_B,
    "on another list": ON_ISSUER,
}


@pytest.mark.parametrize("tags", WHERE.values(), ids=WHERE)
def test_law4_a_proven_crl_revokes_everywhere_wherever_it_is_delivered(fleet: Fleet, tags: dict[str, str]) -> None:
    upload(fleet, "crl", CRL.pem, tags)
    assert (trusted(fleet, "a"), trusted(fleet, "b")) == (False, False)


def test_a_crl_that_goes_nowhere_is_not_read_and_revokes_nothing(fleet: Fleet) -> None:
    """Law 9: the value of a secret that is not assigned is never read."""
    upload(fleet, "crl", CRL.pem, {"trustcast-lists": "none"})
    assert trusted(fleet)
    assert "crl" not in {name for name, _ in fleet.vault.reads}


def test_law4_revoked_certificates_leave_at_once_however_many_they_are(fleet: Fleet) -> None:
    line = [certs.server(name=f"line{n}", issuer=ROOT) for n in range(8)]
    upload(fleet, "line", "".join(each.pem for each in line))
    assert len(fleet.files("a")) == 10
    upload(fleet, "crl", certs.crl(ROOT, revoked=[LEAF, *line]).pem)
    assert set(fleet.files("a")) == {"root.der", "crl.crl"}


ENDS: dict[str, Callable[[Fleet, str], object]] = {
    "the CRL is deleted": lambda fleet, _: fleet.vault.delete("crl"),
    "the CRL is disabled": lambda fleet, version: fleet.vault.set_enabled("crl", version, False),
    "the CRL is unassigned": lambda fleet, version: fleet.vault.update(
        "crl", version, tags=TAGS | {"trustcast-lists": "none"}
    ),
    "the CRL goes elsewhere": lambda fleet, version: fleet.vault.update("crl", version, tags=ON_ISSUER),
    "its CA is deleted, and nothing of its name is left": lambda fleet, _: [
        fleet.vault.secrets.delete(name) for name in ("root", "root-as-issuer")
    ],
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
    assert clear_revoked(fleet.runtime, LEAF.sha256).date == REVOKED_AT
    prune(fleet)
    assert trusted(fleet)


def test_a_newer_crl_that_is_silent_about_it_ends_the_revocation(fleet: Fleet) -> None:
    """The newest proven CRL is the CA's word as a whole; a certificateHold ends with it."""
    upload(fleet, "crl", CRL.pem)
    assert not trusted(fleet)
    upload(fleet, "crl", certs.crl(ROOT, number=9).pem)
    assert trusted(fleet)


def test_an_older_crl_proves_nothing_more_under_whatever_name(fleet: Fleet) -> None:
    upload(fleet, "crl", certs.crl(ROOT, number=9).pem)
    upload(fleet, "old-crl", CRL.pem)
    assert trusted(fleet)


def test_a_crl_that_waited_for_its_ca_revokes_once_that_comes(fleet: Fleet) -> None:
    line = certs.ca(name="Line CA")
    on_line = certs.server(name="on-line", issuer=line)
    upload(fleet, "on-line", on_line.pem)
    upload(fleet, "line-crl", certs.crl(line, revoked=[on_line]).pem)
    assert "on-line.der" in fleet.files("a")
    upload(fleet, "line", line.pem, ON_ISSUER)
    assert "on-line.der" not in fleet.files("a")


def test_what_a_crl_in_force_lists_may_be_cleared(fleet: Fleet) -> None:
    upload(fleet, "crl", CRL.pem)
    assert clear_revoked(fleet.runtime, LEAF.sha256[:12]).certificate.sha256 == LEAF.sha256
    prune(fleet)
    assert trusted(fleet)


def test_what_was_cleared_is_revoked_anew_by_another_date_and_outlives_that_crl(fleet: Fleet) -> None:
    upload(fleet, "crl", CRL.pem)
    clear_revoked(fleet.runtime, LEAF.sha256)
    upload(fleet, "later-crl", certs.crl(ROOT, revoked=[LEAF], number=8, revoked_at=REVOKED_AT).pem)
    assert trusted(fleet)
    later = certs.crl(ROOT, revoked=[LEAF], number=9, revoked_at=REVOKED_AT + timedelta(hours=1))
    upload(fleet, "later-crl", later.pem)
    assert not trusted(fleet)
    fleet.vault.delete("later-crl")
    prune(fleet)
    assert not trusted(fleet)


def test_what_is_not_revoked_cannot_be_cleared(fleet: Fleet) -> None:
    upload(fleet, "crl", certs.crl(ROOT, number=3).pem)
    with pytest.raises(NotFound):
        clear_revoked(fleet.runtime, LEAF.sha256)
