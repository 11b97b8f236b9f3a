"""What CAs revoked, and an operator's word about it; no vault is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sync.commands.revocation import clear_revoked, forget_older, revoked_certificates
from sync.errors import Invalid, NotFound
from tests.owners.plant import DAY, TO_ISSUER, A, Plant
from tests.support import certs
from tests.support.certs import NOW

if TYPE_CHECKING:
    from sync.commands.revocation import RevokedCertificate

CA = certs.ca()
LEAF, OTHER = (certs.server(name=name, issuer=CA) for name in ("leaf", "other"))


@pytest.fixture
def plant() -> Plant:
    """A CA, two certificates of it, and a CRL that revokes the first."""
    plant = Plant.of()
    plant.put("root", CA, TO_ISSUER)
    plant.put("leaf", LEAF)
    plant.put("other", OTHER)
    plant.put("root-crl", certs.crl(CA, number=7, revoked=[LEAF], this_update=NOW - 2 * DAY), TO_ISSUER)
    assert plant.names() == {"other.der"}
    return plant


def shown(plant: Plant) -> tuple[RevokedCertificate, ...]:
    return revoked_certificates(plant.runtime.decisions.snapshot(fresh=True))


def key_of(plant: Plant) -> str:
    (authority,) = plant.runtime.decisions.snapshot(fresh=True).authorities.values()
    return authority.key


def test_a_revoked_certificate_is_listed_with_its_date_and_the_crls_secret(plant: Plant) -> None:
    (found,) = shown(plant)
    assert (found.certificate.sha256, found.source, found.cleared) == (LEAF.sha256, f"{A}/root-crl", False)


def test_what_was_revoked_is_listed_after_crl_and_ca_are_gone(plant: Plant) -> None:
    plant.delete("root-crl", "root")
    assert [each.certificate.sha256 for each in shown(plant)] == [LEAF.sha256]


@pytest.mark.parametrize("written", ["{0}", "{1}", "{2}"], ids=["whole", "first digits", "with colons"])
def test_a_certificate_is_cleared_by_its_thumbprint_and_returns(plant: Plant, written: str) -> None:
    colons = ":".join(LEAF.sha256[at : at + 2] for at in range(0, 64, 2)).upper()
    reads = len(plant.vaults[A].reads)
    clear_revoked(plant.runtime, written.format(LEAF.sha256, LEAF.sha256[:8], colons))
    assert len(plant.vaults[A].reads) == reads
    plant.settle()
    assert plant.names() == {"leaf.der", "other.der"}
    assert [each.cleared for each in shown(plant)] == [True]


@pytest.mark.parametrize(
    ("thumbprint", "error", "word"),
    [("", Invalid, "at least the first 8"), (OTHER.sha256, NotFound, "revocations list")],
    ids=["too short", "not revoked"],
)
def test_what_cannot_be_cleared_is_said(
    plant: Plant, thumbprint: str, error: type[Invalid | NotFound], word: str
) -> None:
    with pytest.raises(error, match=word):
        clear_revoked(plant.runtime, thumbprint)


def test_forgetting_older_crls_lets_back_in_what_they_revoked(plant: Plant) -> None:
    forget_older(plant.runtime, key_of(plant)[:8].upper(), NOW - DAY)
    plant.settle()
    assert (plant.names(), shown(plant)) == ({"leaf.der", "other.der"}, ())


def test_a_date_before_the_crl_forgets_nothing(plant: Plant) -> None:
    forget_older(plant.runtime, key_of(plant), NOW - 3 * DAY)
    plant.settle()
    assert plant.names() == {"other.der"}


def test_a_date_that_has_not_come_is_refused(plant: Plant) -> None:
    with pytest.raises(Invalid, match="has not come yet"):
        forget_older(plant.runtime, key_of(plant), plant.clock.now + DAY)
    assert len(shown(plant)) == 1


@pytest.mark.parametrize(
    ("key", "error", "word"), [("0", Invalid, "at least the first 8"), ("0" * 64, NotFound, "revocations list")]
)
def test_a_key_that_there_is_not_is_said(plant: Plant, key: str, error: type[Invalid | NotFound], word: str) -> None:
    with pytest.raises(error, match=word):
        forget_older(plant.runtime, key, NOW - DAY)
