"""Which certificates are revoked, by whom, and what an operator accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from sync.catalogue.authorities import Authority, authority_after
from sync.catalogue.revocation import Clearance, Revocations, provers, warnings_about
from sync.certificates.items import Certificate, Kind, RevocationList, parse
from sync.findings import Code, Severity
from tests.support import certs
from tests.support.certs import DAY, NOW, YEAR

if TYPE_CHECKING:
    from datetime import datetime

    from tests.support.certs import Built, BuiltCrl

ROOT, RENEWED, OTHER = certs.ca(), certs.ca(key_name="renewed"), certs.ca(name="Other CA")
LINE = certs.ca(name="Line 3 CA", issuer=ROOT)
LEAF, ON_LINE = certs.server(name="leaf", issuer=ROOT), certs.server(name="on line 3", issuer=LINE)
AT = NOW - 5 * DAY


def certificate(built: Built) -> Certificate:
    parsed = parse(Kind.CERTIFICATE, built.der)
    assert isinstance(parsed, Certificate)
    return parsed


def authority(ca: Built, *crls: BuiltCrl, source: str = "kv1/crl") -> Authority:
    parsed = [parse(Kind.CRL, crl.der) for crl in crls]
    proven = [(crl, source) for crl in parsed if isinstance(crl, RevocationList)]
    return authority_after(None, certificate(ca), proven, (), NOW)


def crl(ca: Built, *revoked: int | Built, at: datetime = AT, **others: Any) -> BuiltCrl:
    return certs.crl(ca, revoked=revoked, revoked_at=at, **others)


def revocations(*authorities: Authority, cleared: dict[str, datetime] | None = None) -> Revocations:
    return Revocations.of(authorities, [Clearance(sha256, date) for sha256, date in (cleared or {}).items()])


def is_revoked(found: Revocations, built: Built) -> bool:
    return found.revoked(certificate(built)) is not None


# Revoked


def test_a_revoked_certificate_is_told_with_date_and_source() -> None:
    listed = crl(ROOT, LEAF)
    by = revocations(authority(ROOT, listed, source="kv2/roots-crl")).revoked(certificate(LEAF))
    assert by is not None
    assert (by.date, by.source, by.crl) == (AT, "kv2/roots-crl", listed.sha256)
    assert (by.name, by.key) == (certificate(ROOT).subject_name, certificate(ROOT).key_sha256)


def test_what_no_crl_lists_is_not_revoked() -> None:
    found = revocations(authority(ROOT, crl(ROOT, LEAF)), authority(OTHER, crl(OTHER, 5)))
    assert not is_revoked(found, certs.server(name="another", issuer=ROOT))
    assert not is_revoked(revocations(), LEAF)


def test_the_crl_and_its_ca_may_come_from_anywhere_at_any_time() -> None:
    """The row alone tells: neither the CA's secret nor the CRL's is asked for."""
    kept = msgspec.json.decode(msgspec.json.encode(authority(ROOT, crl(ROOT, LEAF))), type=Authority)
    assert is_revoked(revocations(kept), LEAF)


def test_the_other_signature_of_a_revoked_certificate_is_revoked_as_well() -> None:
    """Anyone can make (r, n - s) of an ECDSA signature (r, s); both verify."""
    twin = certs.twin(LEAF)
    assert twin.sha256 != LEAF.sha256
    assert is_revoked(revocations(authority(ROOT, crl(ROOT, LEAF))), twin)


def test_a_ca_may_list_its_own_certificate() -> None:
    assert is_revoked(revocations(authority(ROOT, crl(ROOT, ROOT))), ROOT)


def test_issuer_names_are_compared_as_rfc_5280_7_1_says() -> None:
    spaced = certs.server(name="spaced", issuer=ROOT, issuer_name="O=Example,CN=plant  root CA\\ ")
    assert is_revoked(revocations(authority(ROOT, crl(ROOT, spaced))), spaced)


def test_a_crl_for_a_part_of_the_certificates_revokes_what_it_lists() -> None:
    part = [certs.point(only_contains_user_certs=True)]
    assert is_revoked(revocations(authority(ROOT, crl(ROOT, LEAF, extensions=part))), LEAF)


@pytest.mark.parametrize("days", [1, -1])
def test_of_several_scopes_that_list_it_the_latest_date_counts(days: int) -> None:
    whole = crl(ROOT, LEAF)
    part = crl(ROOT, LEAF, at=AT + days * DAY, extensions=[certs.point(only_contains_user_certs=True)])
    by = revocations(authority(ROOT, whole, part)).revoked(certificate(LEAF))
    assert by is not None
    assert (by.date, by.crl) == ((AT + DAY, part.sha256) if days > 0 else (AT, whole.sha256))


# Keys of one name


def test_only_what_the_key_of_a_crl_issued_is_revoked_by_it() -> None:
    """Two CAs of one name, as after a renewal, or as anyone can make one."""
    own = certs.server(name="own", issuer=ROOT, serial=77)
    namesake = certs.server(name="namesake", issuer=RENEWED, serial=77)
    found = revocations(authority(ROOT, crl(ROOT, 77)), authority(RENEWED, crl(RENEWED, 78)))
    assert is_revoked(found, own)
    assert not is_revoked(found, namesake)
    assert found.of_another_key(certificate(namesake))
    assert not found.of_another_key(certificate(own))


def test_a_serial_that_both_keys_list_is_revoked_and_of_another_key() -> None:
    own = certs.server(name="own", issuer=ROOT, serial=77)
    found = revocations(authority(ROOT, crl(ROOT, 77)), authority(RENEWED, crl(RENEWED, 77, at=AT + DAY)))
    by = found.revoked(certificate(own))
    assert by is not None
    assert by.date == AT
    assert found.of_another_key(certificate(own))


def test_a_serial_under_another_name_is_no_matter() -> None:
    own = certs.server(name="own", issuer=ROOT, serial=77)
    found = revocations(authority(OTHER, crl(OTHER, 77)))
    assert not is_revoked(found, own)
    assert not found.of_another_key(certificate(own))


# Cleared


def test_a_clearance_is_of_one_certificate_and_one_date() -> None:
    found = revocations(authority(ROOT, crl(ROOT, LEAF)), cleared={LEAF.sha256: AT})
    assert not is_revoked(found, LEAF)
    assert found.cleared(certificate(LEAF)) == AT
    assert is_revoked(found, certs.twin(LEAF))


def test_another_date_revokes_anew() -> None:
    found = revocations(authority(ROOT, crl(ROOT, LEAF, at=AT + DAY)), cleared={LEAF.sha256: AT})
    assert is_revoked(found, LEAF)
    assert found.cleared(certificate(LEAF)) is None


def test_what_is_not_revoked_is_not_cleared_either() -> None:
    found = revocations(authority(ROOT, crl(ROOT, 5)), cleared={LEAF.sha256: AT})
    assert found.cleared(certificate(LEAF)) is None


# Who may prove


def proving(*cas: Built, by: Revocations) -> list[bytes]:
    return [ca.der for ca in provers(map(certificate, cas), by)]


def test_a_ca_that_another_ca_revoked_proves_nothing() -> None:
    found = revocations(authority(ROOT, crl(ROOT, LINE)))
    assert proving(ROOT, LINE, OTHER, by=found) == [ROOT.der, OTHER.der]


@pytest.mark.parametrize("this_update", [NOW - DAY, NOW - 3 * YEAR])
def test_no_date_lets_the_crl_of_a_revoked_ca_prove(this_update: datetime) -> None:
    """Whoever holds the key of a revoked CA can date its CRL back."""
    found = revocations(authority(ROOT, crl(ROOT, LINE)))
    forged = crl(LINE, ON_LINE, number=10**6, this_update=this_update)
    taken_up = [authority(ca, forged) for ca in (ROOT, LINE) if ca.der in proving(ROOT, LINE, by=found)]
    assert not is_revoked(revocations(authority(ROOT, crl(ROOT, LINE)), *taken_up), ON_LINE)


def test_a_ca_that_its_own_crl_lists_still_proves() -> None:
    assert proving(ROOT, by=revocations(authority(ROOT, crl(ROOT, ROOT)))) == [ROOT.der]


def test_a_certificate_without_crl_sign_proves_nothing() -> None:
    assert proving(certs.ca(key_usage=("key_cert_sign",)), LEAF, by=revocations()) == []


def test_a_revoked_ca_that_is_cleared_proves_again() -> None:
    found = revocations(authority(ROOT, crl(ROOT, LINE)), cleared={LINE.sha256: AT})
    assert proving(LINE, by=found) == [LINE.der]


def test_what_a_ca_proved_before_it_was_revoked_stays() -> None:
    found = revocations(authority(ROOT, crl(ROOT, LINE)), authority(LINE, crl(LINE, ON_LINE)))
    assert is_revoked(found, ON_LINE)


def test_a_ca_whose_cross_certificate_is_revoked_proves_by_its_own() -> None:
    """Anyone can issue a certificate for a CA's public key, and revoke that."""
    root = certs.ca(name="Crossed Root")
    crossed = certs.ca(name="Crossed Root", issuer=OTHER)
    found = revocations(authority(OTHER, crl(OTHER, crossed)))
    assert proving(root, crossed, by=found) == [root.der]


# Warnings


def said(built: Built, *cas: Built, by: Revocations) -> list[tuple[Code, str]]:
    findings = warnings_about(certificate(built), [certificate(ca) for ca in cas], by)
    assert {each.severity for each in findings} <= {Severity.WARN}
    return [(each.code, each.detail) for each in findings]


def test_a_certificate_whose_issuer_is_revoked_is_warned_of() -> None:
    found = revocations(authority(ROOT, crl(ROOT, LINE)))
    assert said(ON_LINE, ROOT, LINE, by=found) == [
        (Code.ISSUER_REVOKED, "O=Example,CN=Line 3 CA, which issued O=Example,CN=on line 3")
    ]
    assert said(LEAF, ROOT, LINE, by=found) == []


def test_an_issuer_with_another_certificate_in_force_is_not_revoked() -> None:
    again = certs.ca(name="Line 3 CA", issuer=ROOT, serial=4)
    found = revocations(authority(ROOT, crl(ROOT, LINE)))
    assert said(ON_LINE, LINE, again, by=found) == []


def test_a_revoked_root_is_not_its_own_revoked_issuer() -> None:
    assert said(ROOT, ROOT, by=revocations(authority(ROOT, crl(ROOT, ROOT)))) == []


def test_a_serial_of_another_key_is_warned_of() -> None:
    namesake = certs.server(name="namesake", issuer=RENEWED, serial=0x77)
    assert said(namesake, RENEWED, by=revocations(authority(ROOT, crl(ROOT, 0x77)))) == [
        (Code.CRL_OF_ANOTHER_KEY, "serial 77, O=Example,CN=namesake")
    ]


# The digest


BASE = (authority(ROOT, crl(ROOT, LEAF, 5)), authority(OTHER, crl(OTHER, 6)))
SAME = {
    "the other way round": revocations(*BASE[::-1]),
    "a renewed CRL with the same entries": revocations(
        authority(ROOT, crl(ROOT, 5, LEAF, number=9, this_update=NOW)), BASE[1]
    ),
    "another source": revocations(authority(ROOT, crl(ROOT, LEAF, 5), source="kv9/other"), BASE[1]),
    "an authority that revokes nothing": revocations(*BASE, authority(RENEWED, crl(RENEWED))),
}


@pytest.mark.parametrize("case", SAME)
def test_the_digest_is_equal_where_nothing_that_decides_differs(case: str) -> None:
    assert SAME[case].digest == revocations(*BASE).digest


DIFFERENT = {
    "one entry more": revocations(authority(ROOT, crl(ROOT, LEAF, 5, 7)), BASE[1]),
    "another date": revocations(authority(ROOT, crl(ROOT, LEAF, 5, at=AT + DAY)), BASE[1]),
    "another key": revocations(authority(RENEWED, crl(RENEWED, LEAF, 5)), BASE[1]),
    "nothing of one authority": revocations(BASE[0]),
    "one cleared": revocations(*BASE, cleared={LEAF.sha256: AT}),
    "cleared for another date": revocations(*BASE, cleared={LEAF.sha256: AT + DAY}),
}


def test_the_digest_differs_where_something_that_decides_does() -> None:
    digests = {case: found.digest for case, found in DIFFERENT.items()} | {"": revocations(*BASE).digest}
    assert len(set(digests.values())) == len(digests)
