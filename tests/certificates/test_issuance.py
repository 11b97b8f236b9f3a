"""Who issued what: names and signatures."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from sync.certificates import issuance
from sync.certificates.issuance import issued, may_sign_crls, named_issuer
from sync.certificates.items import Certificate, Kind, RevocationList, parse
from sync.certificates.names import comparable
from tests.support.certs import ca, crl, server

if TYPE_CHECKING:
    from sync.certificates.items import Item
    from tests.support.certs import Built, BuiltCrl

SIGNERS = ["rsa-2048", "dsa-1024", "ec-secp384r1", "ec-brainpoolP256r1", "ed25519", "ed448"]


def certificate(built: Built) -> Certificate:
    parsed = parse(Kind.CERTIFICATE, built.der)
    assert isinstance(parsed, Certificate)
    return parsed


def revocations(built: BuiltCrl) -> RevocationList:
    parsed = parse(Kind.CRL, built.der)
    assert isinstance(parsed, RevocationList)
    return parsed


@pytest.mark.parametrize("key", SIGNERS)
def test_a_ca_issued_what_it_signed_with_any_kind_of_key(key: str) -> None:
    root = ca(key=key, name=f"{key} root")
    assert issued(certificate(root), certificate(server(issuer=root)))
    assert issued(certificate(root), revocations(crl(root)))
    assert issued(certificate(root), certificate(root))


def test_an_rsa_pss_signature_is_verified() -> None:
    root = ca(key="rsa-2048", name="PSS Root", pss=True)
    assert issued(certificate(root), certificate(root))
    assert certificate(root).signature == "sha256"


@pytest.mark.parametrize("signature_hash", ["sha1", "md5"])
def test_old_signatures_are_verified_for_plants_that_accept_them(signature_hash: str) -> None:
    root = ca(key="rsa-2048", name="Old Root")
    other = ca(key="rsa-2048", name="Old Root", key_name="renewed")
    old = certificate(server(issuer=root, signature_hash=signature_hash))
    assert issued(certificate(root), old)
    assert not issued(certificate(other), old)
    assert issued(certificate(root), revocations(crl(root, signature_hash=signature_hash)))


@pytest.mark.parametrize(("named", "signer"), [each for each in product(SIGNERS, SIGNERS) if each[0] != each[1]])
def test_a_name_alone_is_not_issuing_whatever_the_kinds_of_key(named: str, signer: str) -> None:
    genuine = certificate(ca(key=named, name="Same Name"))
    impostor = ca(key=signer, name="Same Name")
    forged = certificate(server(issuer=impostor))
    assert named_issuer(genuine, forged)
    assert not issued(genuine, forged)
    assert not issued(genuine, revocations(crl(impostor)))


def test_a_signature_alone_is_not_issuing() -> None:
    root = ca()
    renamed = certificate(server(issuer=root, issuer_name="CN=Somebody Else"))
    assert not named_issuer(certificate(root), renamed)
    assert not issued(certificate(root), renamed)


def test_names_match_as_rfc_5280_7_1_says_whatever_case_and_blanks() -> None:
    root = ca(subject="CN=Plant Root CA,O=Example")
    respelt = certificate(server(issuer=root, issuer_name="CN=PLANT  root ca,O=example"))
    other_order = certificate(server(issuer=root, issuer_name="O=Example,CN=Plant Root CA"))
    assert issued(certificate(root), respelt)
    assert not named_issuer(certificate(root), other_order)


RESPELT = {
    "a blank at the end": ("Plant Root CA ", True),
    "blanks at the beginning": ("  Plant Root CA", True),
    "more blanks within": ("Plant   Root CA", True),
    "full-width letters": ("\uff30lant Root CA", True),
    "no blank within": ("PlantRoot CA", False),
    "another letter": ("Plant Root CB", False),
}


@pytest.mark.parametrize("case", RESPELT)
def test_blanks_around_and_within_a_name_do_not_count(case: str) -> None:
    """RFC 5280 §7.1, RFC 4518 §2.6.1; seen in CRLs (PKITS, Whitespace)."""
    common_name, same = RESPELT[case]
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    root = ca(subject="CN=Plant Root CA")
    list_of_it = revocations(crl(root, issuer_name=name.rfc4514_string()))
    assert list_of_it.issuer == name.rfc4514_string()
    assert named_issuer(certificate(root), list_of_it) is same


def test_the_order_within_one_relative_name_does_not_count() -> None:
    """RFC 5280 §4.1.2.4: a relative name is a set."""
    parts = [x509.NameAttribute(kind, "x") for kind in (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME)]
    one, other = (x509.Name([x509.RelativeDistinguishedName(order)]) for order in (parts, parts[::-1]))
    flat = x509.Name(parts)
    assert comparable(one) == comparable(other) != comparable(flat)


def test_no_value_passes_for_several_attributes() -> None:
    names = [
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"a{between}2.5.4.10=b")])
        for between in (",", "+", "\x1e", "\x1f", "\n")
    ]
    two = x509.Name.from_rfc4514_string("O=b,CN=a")
    assert comparable(two) not in {comparable(name) for name in names}


@pytest.mark.parametrize(
    ("key_usage", "may"), [(None, True), (("crl_sign",), True), (("key_cert_sign",), False), ((), False)]
)
def test_only_a_key_usage_without_crl_sign_forbids_crls(key_usage: tuple[str, ...] | None, may: bool) -> None:
    """RFC 5280 §6.3.3 (f)."""
    assert may_sign_crls(certificate(ca(key_usage=key_usage))) is may


def test_what_cannot_be_verified_was_not_issued() -> None:
    root = certificate(ca())
    unreadable = replace(certificate(server(issuer=ca())), der=b"\x30\x00", sha256="none")
    assert not issued(root, unreadable)


def test_an_answer_is_remembered_by_content_and_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuance, "REMEMBERED", 3)
    asked: list[tuple[Certificate, Item]] = []

    def signed_by(root: Certificate, item: Item) -> bool:
        asked.append((root, item))
        return True

    monkeypatch.setattr(issuance, "_signed_by", signed_by)
    root = ca()
    leaves = [certificate(server(issuer=root, serial=n)) for n in range(1, 6)]
    issuance._verified.clear()
    for leaf in [*leaves, leaves[-1]]:
        assert issued(certificate(root), leaf)
        assert len(issuance._verified) <= 3
    assert len(asked) == 5
    issuance._verified.clear()
