"""Law 3: a rejected version is recorded with its reasons, and the last one in force stays."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sync.findings import Code
from tests.support import certs
from tests.support.catalogues import key
from tests.support.certs import DAY, NOW
from tests.support.fleet import TRUST, Fleet, registration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sync.catalogue.entry import Candidate, Rejected

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
GOOD = certs.server()
ROOT = certs.ca()
MINUTE = timedelta(minutes=1)


@pytest.fixture
def fleet() -> Fleet:
    made = Fleet()
    made.register(registration("plant"), registration("lab"))
    return made


def uploaded(fleet: Fleet, name: str, value: str, tags: Mapping[str, str] = TAGS) -> None:
    fleet.clock.move(MINUTE)
    fleet.upload(name, value, tags)
    fleet.work_off()


def said(fleet: Fleet, name: str) -> set[Code]:
    """Every code that the catalogue and the lists bear about the secret."""
    snapshot = fleet.decisions.snapshot(fresh=True)
    entry = snapshot.entries[key(name)]
    desired_state = fleet.runtime.desired_state(snapshot)
    of_set = desired_state.of(snapshot.clusters["plant"], TRUST).findings.get(entry.key, ())
    read: tuple[Candidate | Rejected, ...] = (*entry.candidates, *entry.rejected)
    kept = [f for each in read for f in each.findings]
    return {finding.code for finding in (*kept, *entry.secret_findings, *of_set)}


INVALID = {
    "no certificate": ("hello", Code.NOT_A_CERTIFICATE),
    "nothing but white space": (" \n", Code.NOT_A_CERTIFICATE),
    "cut short": (GOOD.pem[:-100], Code.NOT_A_CERTIFICATE),
    "bits flipped in base64": (base64.b64encode(b"1" + GOOD.der[1:]).decode(), Code.NOT_A_CERTIFICATE),
    "a private key": (GOOD.key_pem, Code.PRIVATE_KEY),
    "a private key beside a good certificate": (GOOD.pem + GOOD.key_pem, Code.PRIVATE_KEY),
    "expired": (certs.server(not_after=NOW - DAY).pem, Code.EXPIRED),
    "a weak key": (certs.server(key="rsa-1024").pem, Code.WEAK_KEY),
    "a weak signature": (certs.server(issuer=certs.ca(key="rsa-2048"), signature_hash="sha1").pem, Code.WEAK_SIGNATURE),
    "a CRL whose CA is not there": (certs.crl(certs.ca(name="Nobody")).pem, Code.CRL_WITHOUT_ISSUER),
}


@pytest.mark.parametrize(("value", "code"), INVALID.values(), ids=INVALID)
def test_law3_the_last_version_in_force_stays_and_the_reason_is_recorded(fleet: Fleet, value: str, code: Code) -> None:
    uploaded(fleet, "plc7", GOOD.pem)
    uploaded(fleet, "plc7", value)
    fleet.sweep(MINUTE)
    assert fleet.files("plant") == fleet.files("lab") == {"plc7.der": GOOD.der}
    assert code in said(fleet, "plc7")


@pytest.mark.parametrize(("value", "code"), INVALID.values(), ids=INVALID)
def test_law3_what_is_invalid_from_the_start_never_arrives(fleet: Fleet, value: str, code: Code) -> None:
    uploaded(fleet, "plc7", value)
    assert fleet.files("plant") == {}
    assert code in said(fleet, "plc7")


BAD_TAGS = {
    "an unknown list": ({"trustcast-lists": "no-such", "trustcast-clusters": "*"}, Code.UNKNOWN_LIST),
    "no selector": ({"trustcast-lists": "trust"}, Code.NO_CLUSTER_SELECTOR),
    "a bad selector": ({"trustcast-lists": "trust", "trustcast-clusters": "((("}, Code.BAD_SELECTOR),
    "a bad file name": ({**TAGS, "trustcast-file": "../../etc/passwd"}, Code.BAD_FILE_NAME),
}


@pytest.mark.parametrize(("tags", "code"), BAD_TAGS.values(), ids=BAD_TAGS)
def test_law3_refused_tags_leave_the_last_assignment_in_force(
    fleet: Fleet, tags: Mapping[str, str], code: Code
) -> None:
    uploaded(fleet, "plc7", GOOD.pem)
    renewed = certs.server(key_name="renewed")
    uploaded(fleet, "plc7", renewed.pem, tags)
    assert fleet.files("plant") == {"plc7.der": renewed.der}
    assert code in said(fleet, "plc7")


# --- Where only a rule about the whole set rejects the newer one -------------------------------------------


def test_law3_an_older_crl_leaves_the_newer_one_in_force(fleet: Fleet) -> None:
    uploaded(fleet, "root", ROOT.pem)
    newer = certs.crl(ROOT, number=5)
    uploaded(fleet, "crl", newer.pem)
    uploaded(fleet, "crl", certs.crl(ROOT, number=4).pem)
    assert fleet.files("plant")["crl.crl"] == newer.der
    assert Code.CRL_ROLLBACK in said(fleet, "crl")


def test_law3_a_forged_crl_leaves_the_true_one_in_force(fleet: Fleet) -> None:
    uploaded(fleet, "root", ROOT.pem)
    true = certs.crl(ROOT, number=5)
    uploaded(fleet, "crl", true.pem)
    uploaded(fleet, "crl", certs.crl(ROOT, number=6, signer=GOOD).pem)
    assert fleet.files("plant")["crl.crl"] == true.der
    assert Code.CRL_SIGNATURE in said(fleet, "crl")


def test_law3_a_version_that_a_crl_revokes_already_leaves_the_one_before_it_in_force(fleet: Fleet) -> None:
    first = certs.server(name="leaf", issuer=ROOT)
    second = certs.server(name="leaf", issuer=ROOT, key_name="second", serial=99)
    uploaded(fleet, "root", ROOT.pem)
    uploaded(fleet, "leaf", first.pem)
    uploaded(fleet, "crl", certs.crl(ROOT, revoked=[second]).pem)
    uploaded(fleet, "leaf", second.pem)
    assert fleet.files("plant")["leaf.der"] == first.der
    assert Code.REVOKED in said(fleet, "leaf")


def test_law3_a_name_that_is_taken_leaves_both_as_they_were(fleet: Fleet) -> None:
    uploaded(fleet, "plc7", GOOD.pem)
    uploaded(fleet, "other", certs.server(name="other").pem, {**TAGS, "trustcast-file": "plc7.der"})
    assert fleet.files("plant") == {"plc7.der": GOOD.der}
    assert Code.FILE_NAME_TAKEN in said(fleet, "other")


def retagged(fleet: Fleet, name: str, tags: Mapping[str, str]) -> None:
    fleet.clock.move(MINUTE)
    fleet.vault.update(name, fleet.vault.versions(name).items[0].version, tags=tags)
    fleet.sweep(MINUTE)


NAMED = {**TAGS, "trustcast-file": "plc.der"}
IN_LAB = {**NAMED, "trustcast-clusters": "site=lab"}
IN_PLANT = {**NAMED, "trustcast-clusters": "site=plant"}
OTHER = certs.server(name="other")
RENEWED = certs.server(name="other", key_name="renewed")


def test_law3_the_first_version_that_passes_takes_no_name_that_is_in_force(fleet: Fleet) -> None:
    uploaded(fleet, "older", certs.server(not_after=NOW - DAY).pem, NAMED)
    uploaded(fleet, "plc7", GOOD.pem, NAMED)
    uploaded(fleet, "older", OTHER.pem, NAMED)
    assert fleet.files("plant") == {"plc.der": GOOD.der}
    assert Code.FILE_NAME_TAKEN in said(fleet, "older") | said(fleet, "plc7")


def test_law3_a_version_that_gives_another_name_takes_none_that_is_in_force(fleet: Fleet) -> None:
    uploaded(fleet, "root", ROOT.pem)
    uploaded(fleet, "older", certs.crl(ROOT).pem, NAMED)
    uploaded(fleet, "plc7", GOOD.pem, NAMED)
    uploaded(fleet, "older", OTHER.pem, NAMED)
    assert fleet.files("plant")["plc.der"] == GOOD.der
    assert Code.FILE_NAME_TAKEN in said(fleet, "older") | said(fleet, "plc7")


def test_law3_a_secret_that_is_renamed_takes_no_name_that_is_in_force(fleet: Fleet) -> None:
    uploaded(fleet, "older", OTHER.pem)
    uploaded(fleet, "plc7", GOOD.pem, NAMED)
    retagged(fleet, "older", NAMED)
    assert fleet.files("plant") == {"older.der": OTHER.der, "plc.der": GOOD.der}
    assert Code.FILE_NAME_TAKEN in said(fleet, "older") | said(fleet, "plc7")


@pytest.mark.xfail(strict=True, reason="findings are of no list: whoever was admitted first passes for the holder")
def test_law3_who_waits_for_a_name_that_a_list_gives_another_is_told(fleet: Fleet) -> None:
    uploaded(fleet, "older", OTHER.pem)
    uploaded(fleet, "plc7", GOOD.pem, NAMED)
    retagged(fleet, "older", NAMED)
    assert Code.FILE_NAME_TAKEN in said(fleet, "older")
    assert Code.FILE_NAME_TAKEN not in said(fleet, "plc7")


@pytest.fixture
def sites() -> Fleet:
    made = Fleet()
    made.register(registration("plant", site="plant"), registration("lab", site="lab"))
    return made


def test_law3_a_secret_that_goes_to_more_clusters_takes_no_name_in_force_there(sites: Fleet) -> None:
    uploaded(sites, "older", OTHER.pem, IN_LAB)
    uploaded(sites, "plc7", GOOD.pem, IN_PLANT)
    retagged(sites, "older", NAMED)
    uploaded(sites, "older", RENEWED.pem, NAMED)
    assert sites.files("plant") == {"plc.der": GOOD.der}


def test_law3_a_secret_that_goes_to_more_clusters_keeps_its_name_where_in_force(sites: Fleet) -> None:
    uploaded(sites, "older", OTHER.pem, IN_LAB)
    uploaded(sites, "waits", GOOD.pem, NAMED)
    retagged(sites, "older", NAMED)
    assert sites.files("lab") == {"plc.der": OTHER.der}
    assert sites.files("plant") == {"plc.der": GOOD.der}


def test_law3_a_secret_back_at_a_cluster_takes_no_name_in_force_there_meanwhile(sites: Fleet) -> None:
    uploaded(sites, "older", OTHER.pem, NAMED)
    retagged(sites, "older", IN_LAB)
    uploaded(sites, "plc7", GOOD.pem, IN_PLANT)
    retagged(sites, "older", NAMED)
    assert sites.files("plant") == {"plc.der": GOOD.der}
    assert sites.files("lab") == {"plc.der": OTHER.der}


def test_law3_an_older_secret_that_is_found_later_takes_no_name_that_is_in_force(fleet: Fleet) -> None:
    fleet.clock.move(MINUTE)
    fleet.vault.set("older", OTHER.pem, tags=NAMED)
    uploaded(fleet, "plc7", GOOD.pem, NAMED)
    fleet.sweep(MINUTE)
    assert fleet.files("plant") == {"plc.der": GOOD.der}
    assert Code.FILE_NAME_TAKEN in said(fleet, "older")


def test_law3_an_older_secret_of_a_vault_watched_later_takes_no_name_in_force(fleet: Fleet) -> None:
    """What a catalogue of more than a day does not know is new to it, and no rebuild."""
    fleet.vault.set("older", OTHER.pem, tags=NAMED)
    fleet.clock.move(2 * DAY)
    uploaded(fleet, "plc7", GOOD.pem, NAMED)
    fleet.sweep(MINUTE)
    assert fleet.files("plant") == {"plc.der": GOOD.der}


def test_law3_a_crl_that_waited_is_taken_up_by_itself_when_its_ca_arrives(fleet: Fleet) -> None:
    crl = certs.crl(ROOT)
    uploaded(fleet, "crl", crl.pem)
    assert fleet.files("plant") == {}
    uploaded(fleet, "root", ROOT.pem)
    assert fleet.files("plant") == {"root.der": ROOT.der, "crl.crl": crl.der}


def test_law3_time_takes_nothing_that_is_in_force(fleet: Fleet) -> None:
    short = certs.server(not_after=NOW + DAY)
    uploaded(fleet, "plc7", short.pem)
    fleet.clock.move(10 * DAY)
    for _ in range(3):
        fleet.sweep(MINUTE)
    assert fleet.files("plant") == {"plc7.der": short.der}
