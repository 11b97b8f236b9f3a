"""Facts of certificates and CRLs, each of which a rule relies on."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sync.certificates.issuance import issued
from sync.certificates.items import Certificate, Kind, RevocationList, parse, pem
from sync.certificates.loading import NotParsable, guarded
from tests.support.certs import (
    APPLICATION_URI,
    DAY,
    NOW,
    YEAR,
    build,
    ca,
    crl,
    named_point,
    odd_extension,
    point,
    server,
)

if TYPE_CHECKING:
    from tests.support.certs import Built


def certificate(**defects: Any) -> Certificate:
    parsed = parse(Kind.CERTIFICATE, build(**defects).der)
    assert isinstance(parsed, Certificate)
    return parsed


def revocations(issuer: Built, **defects: Any) -> RevocationList:
    parsed = parse(Kind.CRL, crl(issuer, **defects).der)
    assert isinstance(parsed, RevocationList)
    return parsed


def test_a_certificate_gives_its_facts() -> None:
    built = server(issuer=ca(), serial=77)
    fact = parse(Kind.CERTIFICATE, built.der)
    assert isinstance(fact, Certificate)
    assert fact.der == built.der
    assert fact.sha256 == hashlib.sha256(built.der).hexdigest()
    assert (fact.subject, fact.issuer) == ("O=Example,CN=plc7", "O=Example,CN=Plant Root CA")
    assert (fact.common_name, fact.serial, fact.version) == ("plc7", 77, 3)
    assert (fact.not_before, fact.not_after) == (NOW - YEAR, NOW + YEAR)
    assert (fact.key, fact.key_bits, fact.signature) == ("secp256r1", 256, "sha256")
    assert fact.key_usage == frozenset(
        {"digital_signature", "content_commitment", "key_encipherment", "data_encipherment"}
    )
    assert (fact.is_ca, fact.self_issued, fact.has_basic_constraints) == (False, False, True)
    assert fact.application_uri == APPLICATION_URI
    assert fact.kind is Kind.CERTIFICATE


def test_a_crl_gives_its_facts() -> None:
    root = ca()
    fact = revocations(root, revoked=[5, 2**157, server(issuer=root, serial=9)], number=2**64)
    assert fact.revoked == dict.fromkeys((5, 2**157, 9), NOW - 2 * DAY)
    assert fact.number == 2**64
    assert (fact.this_update, fact.next_update) == (NOW - DAY, NOW + timedelta(days=30))
    assert fact.issuer == "O=Example,CN=Plant Root CA"
    assert (fact.unsupported, fact.partial, fact.scope, fact.signature) == (None, None, "", "sha256")
    assert fact.kind is Kind.CRL


def test_a_crl_may_promise_no_next_update_and_have_no_number() -> None:
    fact = revocations(ca(), number=None, next_update=None)
    assert (fact.number, fact.next_update) == (None, None)


@pytest.mark.parametrize(
    ("key", "name", "bits"),
    [
        ("rsa-1024", "RSA", 1024),
        ("dsa-1024", "DSA", 1024),
        ("ec-secp521r1", "secp521r1", 521),
        ("ec-brainpoolP256r1", "brainpoolP256r1", 256),
        ("ed25519", "Ed25519", 0),
        ("ed448", "Ed448", 0),
    ],
)
def test_a_key_has_a_kind_and_a_size(key: str, name: str, bits: int) -> None:
    fact = certificate(key=key, name=key)
    assert (fact.key, fact.key_bits) == (name, bits)


def test_a_key_of_an_unknown_kind_is_named_by_its_oid() -> None:
    rsa_key, unknown = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d01017f")
    der = server(key="rsa-2048", name="odd key").der.replace(rsa_key, unknown)
    fact = parse(Kind.CERTIFICATE, der)
    assert isinstance(fact, Certificate)
    assert (fact.key, fact.key_bits) == ("1.2.840.113549.1.1.127", 0)
    assert not issued(fact, fact)


def test_a_self_issued_version_1_certificate_whose_key_cannot_be_read_is_no_ca() -> None:
    rsa_key, unknown = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d01017f")
    fact = parse(Kind.CERTIFICATE, build(version=1, key="rsa-2048", name="odd root").der.replace(rsa_key, unknown))
    assert isinstance(fact, Certificate)
    assert (fact.self_issued, fact.is_ca) == (True, False)


def test_the_most_specific_of_several_common_names_counts() -> None:
    assert certificate(subject="CN=plc7,CN=Line 3,O=Example").common_name == "plc7"
    assert certificate(subject="O=Example").common_name == ""


def test_a_signature_of_an_unknown_kind_is_named_by_its_oid() -> None:
    der = server(key="rsa-2048", name="md2").der.replace(
        bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010102")
    )
    fact = parse(Kind.CERTIFICATE, der)
    assert fact.signature == "1.2.840.113549.1.1.2"


SERVER_USAGE = ("digital_signature", "key_encipherment", "key_cert_sign")
CAS = {
    "a root with CA:TRUE": (ca(), True),
    "an intermediate with CA:TRUE": (ca(issuer=ca(), name="Line 3 CA"), True),
    "CA:TRUE without a key usage": (ca(key_usage=None), True),
    "CA:TRUE whose key usage lacks keyCertSign": (ca(key_usage=("digital_signature",)), True),
    "CA:FALSE": (ca(ca=False), False),
    "keyCertSign without BasicConstraints": (ca(ca=None), False),
    "a self-signed version 1 root": (ca(version=1), True),
    "version 1 under another CA": (build(version=1, issuer=ca()), False),
    "version 1 that only names itself as issuer": (
        build(version=1, issuer=ca(), issuer_name="O=Example,CN=plc7"),
        False,
    ),
    "a self-signed server with keyCertSign": (server(), False),
    "a self-signed server with CA:TRUE, path length 0": (
        server(ca=True, path_length=0, key_usage=SERVER_USAGE),
        False,
    ),
    "a self-signed server with CA:TRUE and no path length": (server(ca=True, key_usage=SERVER_USAGE), False),
    "a self-signed server with CA:TRUE, path length 0 and no key usage": (
        server(ca=True, path_length=0, key_usage=None),
        False,
    ),
    "a self-signed server with names but no ApplicationUri, path length 0": (
        server(ca=True, path_length=0, application_uri=None, addresses=("10.1.2.3",), key_usage=SERVER_USAGE),
        False,
    ),
    "a Kubernetes cluster's CA, which has a DNS name": (
        ca(dns=("kubernetes",), key_usage=SERVER_USAGE, name="kubernetes"),
        True,
    ),
    "a CA with a URI of its own that signs CRLs": (
        ca(application_uri="urn:ca", key_usage=(*SERVER_USAGE, "crl_sign")),
        True,
    ),
    "a CA with a URI of its own above other CAs": (
        ca(application_uri="urn:ca", key_usage=SERVER_USAGE, path_length=1),
        True,
    ),
    "a CA with a URI of its own under another CA": (
        ca(application_uri="urn:ca", key_usage=SERVER_USAGE, issuer=ca(), name="Line 3 CA"),
        True,
    ),
    "a CA that names itself as issuer and did not sign itself": (
        server(issuer=ca(), ca=True, issuer_name="O=Example,CN=plc7", key_usage=SERVER_USAGE),
        True,
    ),
}


@pytest.mark.parametrize("case", CAS)
def test_what_is_called_a_ca(case: str) -> None:
    built, is_ca = CAS[case]
    fact = parse(Kind.CERTIFICATE, built.der)
    assert isinstance(fact, Certificate)
    assert fact.is_ca is is_ca


OTHER_ISSUER = x509.CertificateIssuer([x509.DirectoryName(ca(name="Other CA").certificate.subject)])
ODD_EXTENSION = odd_extension()
TAKEN_BACK = x509.CRLReason(x509.ReasonFlags.remove_from_crl)
SOME_REASONS = frozenset({x509.ReasonFlags.key_compromise})
DOUBTFUL: dict[str, tuple[str, dict[str, Any]]] = {
    "delta": ("a delta CRL", {"extensions": [(x509.DeltaCRLIndicator(1), True)]}),
    "indirect": ("an indirect CRL", {"extensions": [point(indirect_crl=True)]}),
    "an entry of another issuer": ("an indirect CRL", {"revoked": [5], "entry_extensions": [(OTHER_ISSUER, True)]}),
    "an entry taken back": (
        "a CRL that takes an entry back (removeFromCRL)",
        {"revoked": [5], "entry_extensions": [(TAKEN_BACK, False)]},
    ),
    "an unknown critical extension": (
        "a CRL with the critical extension 1.2.3.4",
        {"extensions": [(ODD_EXTENSION, True)]},
    ),
    "an unknown critical extension of an entry": (
        "a CRL with the critical extension 2.999.300 of an entry",
        {"revoked": [5], "entry_extensions": [(odd_extension("2.999.300"), True)]},
    ),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_a_crl_whose_meaning_is_doubtful_says_why(case: str) -> None:
    reason, defect = DOUBTFUL[case]
    assert revocations(ca(), **defect).unsupported == reason


UNDERSTOOD: dict[str, dict[str, Any]] = {
    "an unknown extension that is not critical": {"extensions": [(ODD_EXTENSION, False)]},
    "an unknown extension of an entry that is not critical": {
        "revoked": [5],
        "entry_extensions": [(ODD_EXTENSION, False)],
    },
    "reason 7, which no one uses (RFC 5280 §5.3.1)": {
        "revoked": [5],
        "entry_extensions": [(odd_extension("2.5.29.21", b"\x0a\x01\x07"), False)],
    },
    "an authority key identifier without its serial number": {
        "extensions": [(odd_extension("2.5.29.35", b"\x30\x06\x80\x01\x01\xa1\x01\x00"), False)]
    },
    "critical reason and invalidity date": {
        "revoked": [5],
        "entry_extensions": [
            (x509.CRLReason(x509.ReasonFlags.key_compromise), True),
            (x509.InvalidityDate(NOW.replace(tzinfo=None)), True),
        ],
    },
}


@pytest.mark.parametrize("case", UNDERSTOOD)
def test_a_crl_with_parts_that_matter_to_no_rule_is_sound(case: str) -> None:
    fact = revocations(ca(), **UNDERSTOOD[case])
    assert (fact.unsupported, fact.partial, fact.scope, fact.number) == (None, None, "", 1)
    assert set(fact.revoked) == set(UNDERSTOOD[case].get("revoked", ()))


PARTS: dict[str, dict[str, Any]] = {
    "a CRL for user certificates only": {"only_contains_user_certs": True},
    "a CRL for CA certificates only": {"only_contains_ca_certs": True},
    "a CRL for attribute certificates only": {"only_contains_attribute_certs": True},
    "a CRL for some reasons only": {"only_some_reasons": SOME_REASONS},
}


@pytest.mark.parametrize("part", PARTS)
def test_a_crl_for_a_part_of_the_certificates_says_which(part: str) -> None:
    fact = revocations(ca(), extensions=[point(**PARTS[part])])
    assert (fact.unsupported, fact.partial) == (None, part)


def test_the_scope_of_a_crl_is_its_distribution_point() -> None:
    (named, _), (users, _) = named_point(), point(only_contains_user_certs=True)
    scopes = {
        revocations(ca(), extensions=[(extension, critical)]).scope
        for extension in (named, users)
        for critical in (True, False)
    }
    assert scopes == {hashlib.sha256(each.public_bytes()).hexdigest() for each in (named, users)}
    assert revocations(ca(), extensions=[named_point()]).partial is None


def test_a_crl_that_writes_critical_false_out_is_read_as_it_was_signed() -> None:
    """Seen of device controllers; DER leaves a default out (X.690 §11.5)."""
    root, entries = ca(), range(1, 60)
    built = crl(root, revoked=entries, number=4, false_written=True)
    with pytest.raises(ValueError, match="EncodedDefault"):
        x509.load_der_x509_crl(built.der)
    fact, issuer = parse(Kind.CRL, built.der), parse(Kind.CERTIFICATE, root.der)
    assert isinstance(fact, RevocationList)
    assert isinstance(issuer, Certificate)
    assert (fact.number, set(fact.revoked), fact.unsupported) == (4, set(entries), None)
    assert (fact.der, fact.sha256) == (built.der, built.sha256)
    assert issued(issuer, fact)


@pytest.mark.parametrize("case", ["a length with a zero before it", "a length that is not told"])
def test_a_crl_whose_length_is_not_der_is_not_parsable(case: str) -> None:
    """Connectors read DER only (X.690 §10.1)."""
    der = crl(ca(), revoked=range(1, 60), number=4, false_written=True).der
    assert der[:2] == b"\x30\x82"
    zero_before, not_told = b"\x30\x83\x00" + der[2:], b"\x30\x80" + der[4:] + b"\0\0"
    with pytest.raises(NotParsable):
        parse(Kind.CRL, zero_before if case == "a length with a zero before it" else not_told)


BROKEN: dict[str, x509.ExtensionType] = {
    "a number that is none": odd_extension("2.5.29.20", b"\x04\x01\x01"),
    "a number without digits": odd_extension("2.5.29.20", b"\x02\x00"),
    "a number of 22 octets": odd_extension("2.5.29.20", b"\x02\x16" + b"\x01" * 22),
    "a number with something after it": odd_extension("2.5.29.20", b"\x02\x01\x01\x00"),
    "a distribution point cut short": odd_extension("2.5.29.28", b"\x30\x03\x81\x01"),
    "a distribution point with another field": odd_extension("2.5.29.28", b"\x30\x03\x86\x01\xff"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_crl_with_a_broken_part_that_matters_is_not_parsable(case: str) -> None:
    with pytest.raises(NotParsable):
        revocations(ca(), number=None, extensions=[(BROKEN[case], False)])


def test_a_crl_with_an_extension_that_comes_twice_is_not_parsable() -> None:
    """RFC 5280 §4.2."""
    once = crl(ca(), extensions=[(odd_extension("1.2.3.4"), False), (odd_extension("1.2.3.5"), False)])
    with pytest.raises(NotParsable):
        parse(Kind.CRL, once.der.replace(bytes.fromhex("06032a0305"), bytes.fromhex("06032a0304")))


def test_false_written_out_in_a_distribution_point_is_false() -> None:
    value = bytes.fromhex("3006 8101ff 820100")
    assert revocations(ca(), extensions=[(odd_extension("2.5.29.28", value), True)]).partial == next(iter(PARTS))


def test_the_later_of_two_dates_of_one_serial_number_counts() -> None:
    first, second = (crl(ca(), revoked=[5, 6], revoked_at=NOW - days * DAY) for days in (9, 3))
    moved = second.der.replace(b"\x02\x01\x06", b"\x02\x01\x05", 1)
    fact = parse(Kind.CRL, moved)
    assert isinstance(fact, RevocationList)
    assert fact.revoked == {5: NOW - 3 * DAY}
    assert revocations(ca(), revoked=[5, 6], revoked_at=NOW - 9 * DAY).sha256 == first.sha256


def test_a_key_has_one_sha256_in_whichever_certificate_it_is() -> None:
    root = ca()
    again = ca(serial=3, not_after=NOW + 2 * YEAR)
    one, same, other = (parse(Kind.CERTIFICATE, each.der) for each in (root, again, ca(key_name="renewed")))
    assert isinstance(one, Certificate)
    assert isinstance(same, Certificate)
    assert isinstance(other, Certificate)
    spki = root.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert one.key_sha256 == same.key_sha256 == hashlib.sha256(spki).hexdigest()
    assert other.key_sha256 != one.key_sha256


def test_law9_a_name_is_shown_escaped_and_cut() -> None:
    organisations = ",O=".join(["[/x]" * 10] * 8)
    fact = certificate(subject=f"O={organisations},CN=end")
    assert fact.subject.startswith("O=[/x]")
    assert len(fact.subject) == 256
    assert certificate(subject="CN=a\nb\x1b[31mc\u202e").subject == "CN=a\\nb\\x1b[31mc\\u202e"


@pytest.mark.parametrize(("octets", "serial"), [("00", 0), ("ff", -1)])
def test_serial_numbers_that_old_public_roots_have_are_read_without_a_warning(octets: str, serial: int) -> None:
    der = build(name="old root", serial=0x77).der.replace(b"\x02\x01\x77", b"\x02\x01" + bytes.fromhex(octets), 1)
    fact = parse(Kind.CERTIFICATE, der)
    assert isinstance(fact, Certificate)
    assert fact.serial == serial


@pytest.mark.parametrize("der", [b"", b"0", b"\x30\x00", b"\x30\x80", ca().der[:-1], ca().der + b"\n", b"\xff" * 99])
@pytest.mark.parametrize("kind", Kind)
def test_bytes_that_are_not_exactly_one_item_are_not_parsable(kind: Kind, der: bytes) -> None:
    with pytest.raises(NotParsable):
        parse(kind, der)


def test_a_certificate_is_no_crl_and_a_crl_no_certificate() -> None:
    with pytest.raises(NotParsable):
        parse(Kind.CRL, ca().der)
    with pytest.raises(NotParsable):
        parse(Kind.CERTIFICATE, crl(ca()).der)


def test_a_panic_of_the_library_is_not_parsable_but_an_interrupt_goes_through() -> None:
    class PanicException(BaseException):
        pass

    def fail(error: BaseException) -> None:
        raise error

    with pytest.raises(NotParsable):
        guarded(lambda: fail(PanicException()))
    with pytest.raises(KeyboardInterrupt):
        guarded(lambda: fail(KeyboardInterrupt()))


def test_the_same_bytes_are_parsed_once() -> None:
    built = ca()
    assert parse(Kind.CERTIFICATE, built.der) is parse(Kind.CERTIFICATE, bytes(bytearray(built.der)))


def test_pem_is_what_the_library_writes() -> None:
    root = ca()
    written = root.certificate.public_bytes(Encoding.PEM)
    assert pem(parse(Kind.CERTIFICATE, root.der)) == written
    revoked = crl(root)
    assert pem(parse(Kind.CRL, revoked.der)) == revoked.crl.public_bytes(Encoding.PEM)
