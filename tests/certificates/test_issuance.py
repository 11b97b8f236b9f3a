"""Who issued what: names and signatures."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import pytest

from sync.certificates import issuance
from sync.certificates.issuance import issued, named_issuer
from sync.certificates.items import Certificate, Kind, RevocationList, parse
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
