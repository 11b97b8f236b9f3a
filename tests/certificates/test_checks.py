"""The rules about one version: which code, on which lists, in which words."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.utils import CryptographyDeprecationWarning

from sync.certificates.checks import CERTIFICATE_RULES, CRL_RULES, QUICKSTART_CA, ageing, findings_about
from sync.certificates.decoding import decode_value
from sync.certificates.items import Kind, parse
from sync.findings import TIME_ALONE, WAIVABLE, Code, Finding, Role, Severity
from sync.fleet.policy import verdict
from tests.support.certs import DAY, NOW, build, ca, crl, named_point, odd_extension, point, server

if TYPE_CHECKING:
    from collections.abc import Collection

    from sync.certificates.items import Item
    from sync.fleet.policy import Verdict
    from tests.support.certs import Built, BuiltCrl

    Found = tuple[Code, tuple[Role, ...], str]

TRUST, ISSUER, BUNDLE = Role.TRUST, Role.ISSUER, Role.BUNDLE
EVERY: tuple[Role, ...] = ()

ROOT = ca()
OLD_ROOT = ca(name="Old Root", signature_hash="sha1")
DELTA = (x509.DeltaCRLIndicator(1), True)
ODD_EXTENSION = odd_extension()
TAKEN_BACK = x509.CRLReason(x509.ReasonFlags.remove_from_crl)
USAGE = ("digital_signature", "key_cert_sign")


def item(built: Built | BuiltCrl) -> Item:
    kind = Kind.CRL if hasattr(built, "crl") else Kind.CERTIFICATE
    return parse(kind, built.der)


def found(built: Built | BuiltCrl, *, now: datetime = NOW) -> list[Found]:
    return [(each.code, each.roles, each.detail) for each in findings_about((item(built),), now=now)]


LEAF_ON_ISSUER = (Code.NOT_A_CA, (ISSUER,), "O=Example,CN=plc7 is an end-entity certificate")
CA_ON_TRUST = (Code.CA_IN_TRUST_LIST, (TRUST,), "O=Example,CN=Plant Root CA")

CASES: dict[str, tuple[Built | BuiltCrl, list[Found]]] = {
    "a good CA is only warned of on a trust list": (ROOT, [CA_ON_TRUST]),
    "a good server is only refused on an issuer list": (server(issuer=ROOT), [LEAF_ON_ISSUER]),
    "a self-signed server is no CA for its keyCertSign": (server(), [LEAF_ON_ISSUER]),
    "a self-signed server is no CA for its CA:TRUE": (
        server(ca=True, path_length=0, key_usage=USAGE),
        [LEAF_ON_ISSUER],
    ),
    "a good CRL has no findings": (crl(ROOT, revoked=[5]), []),
    "an expired CA": (
        ca(not_after=NOW - DAY),
        [(Code.EXPIRED, EVERY, "O=Example,CN=Plant Root CA ended on 2026-05-31 00:00 UTC"), CA_ON_TRUST],
    ),
    "a certificate is valid through its last second": (ca(not_after=NOW), [CA_ON_TRUST]),
    "a certificate that is not valid yet waits": (
        ca(not_before=NOW + DAY),
        [(Code.NOT_YET_VALID, EVERY, "O=Example,CN=Plant Root CA begins on 2026-06-02 00:00 UTC"), CA_ON_TRUST],
    ),
    "a CRL of tomorrow waits": (
        crl(ROOT, this_update=NOW + DAY),
        [(Code.NOT_YET_VALID, EVERY, "the CRL of O=Example,CN=Plant Root CA begins on 2026-06-02 00:00 UTC")],
    ),
    "RSA of 1024 bits": (
        ca(key="rsa-1024", name="Short"),
        [
            (Code.WEAK_KEY, EVERY, "O=Example,CN=Short has a RSA key of 1024 bits"),
            (Code.CA_IN_TRUST_LIST, (TRUST,), "O=Example,CN=Short"),
        ],
    ),
    "a server signed with SHA-1": (
        server(issuer=OLD_ROOT, signature_hash="sha1"),
        [(Code.WEAK_SIGNATURE, EVERY, "O=Example,CN=plc7 is signed with sha1"), LEAF_ON_ISSUER],
    ),
    "a server signed with MD5": (
        server(issuer=OLD_ROOT, signature_hash="md5"),
        [(Code.WEAK_SIGNATURE, EVERY, "O=Example,CN=plc7 is signed with md5"), LEAF_ON_ISSUER],
    ),
    "a self-signed server with SHA-1 is not exempt": (
        server(name="old", signature_hash="sha1"),
        [
            (Code.WEAK_SIGNATURE, EVERY, "O=Example,CN=old is signed with sha1"),
            (Code.NOT_A_CA, (ISSUER,), "O=Example,CN=old is an end-entity certificate"),
        ],
    ),
    "a self-signed CA's own SHA-1 signature is exempt": (
        OLD_ROOT,
        [(Code.CA_IN_TRUST_LIST, (TRUST,), "O=Example,CN=Old Root")],
    ),
    "an intermediate CA's SHA-1 signature is not exempt": (
        ca(name="Line 3 CA", issuer=OLD_ROOT, signature_hash="sha1"),
        [
            (Code.WEAK_SIGNATURE, EVERY, "O=Example,CN=Line 3 CA is signed with sha1"),
            (Code.CA_IN_TRUST_LIST, (TRUST,), "O=Example,CN=Line 3 CA"),
        ],
    ),
    "a CA that names itself as issuer and did not sign itself is not exempt": (
        ca(name="Fake", issuer=OLD_ROOT, issuer_name="O=Example,CN=Fake", signature_hash="sha1"),
        [
            (Code.WEAK_SIGNATURE, EVERY, "O=Example,CN=Fake is signed with sha1"),
            (Code.CA_IN_TRUST_LIST, (TRUST,), "O=Example,CN=Fake"),
        ],
    ),
    "a version 1 root is a CA": (ca(version=1), [CA_ON_TRUST]),
    "a version 1 certificate under a CA is none": (
        build(version=1, issuer=ROOT),
        [
            (
                Code.NOT_A_CA,
                (ISSUER,),
                "O=Example,CN=plc7 is a version 1 certificate without BasicConstraints",
            ),
            (Code.NO_APPLICATION_URI, (TRUST,), "O=Example,CN=plc7"),
        ],
    ),
    "a version 3 certificate without BasicConstraints is no CA": (
        server(issuer=ROOT, ca=None, key_usage=("key_cert_sign",)),
        [
            (
                Code.NOT_A_CA,
                (ISSUER,),
                "O=Example,CN=plc7 is a version 3 certificate without BasicConstraints",
            )
        ],
    ),
    "a CA that may not sign certificates": (
        ca(key_usage=("digital_signature", "crl_sign")),
        [
            (Code.CA_KEY_USAGE, (ISSUER, BUNDLE), "O=Example,CN=Plant Root CA lacks keyCertSign"),
            CA_ON_TRUST,
        ],
    ),
    "a CA without a key usage may sign": (ca(key_usage=None), [CA_ON_TRUST]),
    "a server without an ApplicationUri": (
        server(issuer=ROOT, application_uri=None),
        [LEAF_ON_ISSUER, (Code.NO_APPLICATION_URI, (TRUST,), "O=Example,CN=plc7")],
    ),
    "the quickstart's CA": (
        ca(subject=f"CN={QUICKSTART_CA},O=Microsoft"),
        [
            (Code.CA_IN_TRUST_LIST, (TRUST,), f"CN={QUICKSTART_CA},O=Microsoft"),
            (Code.QUICKSTART_CA, EVERY, f"CN={QUICKSTART_CA},O=Microsoft"),
        ],
    ),
    "a delta CRL": (
        crl(ROOT, extensions=[DELTA]),
        [(Code.CRL_UNSUPPORTED, EVERY, "a delta CRL, of O=Example,CN=Plant Root CA")],
    ),
    "an indirect CRL": (
        crl(ROOT, extensions=[point(indirect_crl=True)]),
        [(Code.CRL_UNSUPPORTED, EVERY, "an indirect CRL, of O=Example,CN=Plant Root CA")],
    ),
    "a CRL that takes an entry back": (
        crl(ROOT, revoked=[5], entry_extensions=[(TAKEN_BACK, False)]),
        [
            (
                Code.CRL_UNSUPPORTED,
                EVERY,
                "a CRL that takes an entry back (removeFromCRL), of O=Example,CN=Plant Root CA",
            )
        ],
    ),
    "a CRL with an unknown critical extension of an entry": (
        crl(ROOT, revoked=[5], entry_extensions=[(ODD_EXTENSION, True)]),
        [
            (
                Code.CRL_UNSUPPORTED,
                EVERY,
                "a CRL with the critical extension 1.2.3.4 of an entry, of O=Example,CN=Plant Root CA",
            )
        ],
    ),
    "a CRL for CA certificates only": (
        crl(ROOT, extensions=[point(only_contains_ca_certs=True)]),
        [(Code.CRL_PARTIAL, EVERY, "a CRL for CA certificates only, of O=Example,CN=Plant Root CA")],
    ),
    "a delta CRL for CA certificates only is named for the worse": (
        crl(ROOT, extensions=[DELTA, point(only_contains_ca_certs=True)]),
        [(Code.CRL_UNSUPPORTED, EVERY, "a delta CRL, of O=Example,CN=Plant Root CA")],
    ),
    "a CRL that names its distribution point": (
        crl(ROOT, extensions=[named_point()]),
        [(Code.CRL_DISTRIBUTION_POINT, EVERY, "the CRL of O=Example,CN=Plant Root CA")],
    ),
    "a CRL with an unknown critical extension": (
        crl(ROOT, extensions=[(ODD_EXTENSION, True)]),
        [
            (
                Code.CRL_UNSUPPORTED,
                EVERY,
                "a CRL with the critical extension 1.2.3.4, of O=Example,CN=Plant Root CA",
            )
        ],
    ),
    "a CRL signed with SHA-1, even by a root": (
        crl(OLD_ROOT, signature_hash="sha1"),
        [(Code.WEAK_SIGNATURE, EVERY, "the CRL of O=Example,CN=Old Root is signed with sha1")],
    ),
    "a CRL signed with MD5": (
        crl(OLD_ROOT, signature_hash="md5"),
        [(Code.WEAK_SIGNATURE, EVERY, "the CRL of O=Example,CN=Old Root is signed with md5")],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_the_rules_find(case: str) -> None:
    built, expected = CASES[case]
    assert found(built) == expected


def test_every_code_that_the_rules_can_find_is_in_the_table() -> None:
    named = {code for _, expected in CASES.values() for code, _, _ in expected}
    assert {rule.__name__.removeprefix("crl_weak_").replace("_", "-") for rule in (*CERTIFICATE_RULES, *CRL_RULES)} == {
        *(code.value for code in named),
        "signature",
    }


STRONG = ["rsa-2048", "rsa-3072", "ec-secp256r1", "ec-secp384r1", "ec-secp521r1"]
STRONG += ["ec-brainpoolP256r1", "ec-brainpoolP384r1", "ed25519", "ed448"]
WEAK = {
    "rsa-1024": "a RSA key of 1024 bits",
    "dsa-1024": "a DSA key of 1024 bits",
    "ec-secp224r1": "a secp224r1 key of 224 bits",
    "ec-secp256k1": "a secp256k1 key of 256 bits",
    "ec-brainpoolP512r1": "a brainpoolP512r1 key of 512 bits",
}


@pytest.mark.parametrize("key", STRONG)
def test_keys_of_the_opc_ua_security_policies_are_accepted(key: str) -> None:
    assert Code.WEAK_KEY not in [code for code, _, _ in found(server(issuer=ROOT, key=key, name=key))]


@pytest.mark.parametrize("key", WEAK)
def test_other_keys_are_weak(key: str) -> None:
    details = [detail for code, _, detail in found(server(issuer=ROOT, key=key, name=key)) if code is Code.WEAK_KEY]
    assert details == [f"O=Example,CN={key} has {WEAK[key]}"]


def test_the_findings_of_several_items_come_in_their_order() -> None:
    items = tuple(item(each) for each in (server(issuer=ROOT), crl(ROOT, extensions=[DELTA]), ROOT))
    assert [each.code for each in findings_about(items, now=NOW)] == [
        Code.NOT_A_CA,
        Code.CRL_UNSUPPORTED,
        Code.CA_IN_TRUST_LIST,
    ]


# What time does.

MONTH = timedelta(days=30)
AGES: dict[str, tuple[Built | BuiltCrl, list[tuple[Code, str]]]] = {
    "a certificate with a year left": (server(), []),
    "a certificate that ends in exactly the warning time": (
        server(not_after=NOW + MONTH),
        [(Code.EXPIRES_SOON, "O=Example,CN=plc7 ends on 2026-07-01, 30 days left")],
    ),
    "a certificate that ends a second later": (server(not_after=NOW + MONTH + timedelta(seconds=1)), []),
    "a certificate that ends now": (
        server(not_after=NOW),
        [(Code.EXPIRES_SOON, "O=Example,CN=plc7 ends on 2026-06-01, 0 days left")],
    ),
    "an expired certificate": (
        server(not_after=NOW - timedelta(seconds=1)),
        [(Code.EXPIRED, "O=Example,CN=plc7 ended on 2026-05-31 23:59 UTC")],
    ),
    "a fresh CRL": (crl(ROOT), []),
    "a CRL on the day of its next update": (crl(ROOT, next_update=NOW), []),
    "a stale CRL": (
        crl(ROOT, this_update=NOW - 9 * DAY, next_update=NOW - DAY),
        [(Code.CRL_STALE, "the CRL of O=Example,CN=Plant Root CA was due on 2026-05-31 00:00 UTC")],
    ),
    "a CRL that promises no next update": (crl(ROOT, this_update=NOW - 9 * DAY, next_update=None), []),
}


@pytest.mark.parametrize("case", AGES)
def test_what_time_makes_of_what_is_in_force(case: str) -> None:
    built, expected = AGES[case]
    findings = ageing((item(built),), now=NOW, expiry_warning=MONTH)
    assert [(each.code, each.detail) for each in findings] == expected


def test_a_certificate_without_a_known_end_never_expires_soon() -> None:
    forever = server(not_after=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert ageing((item(forever),), now=NOW, expiry_warning=timedelta(days=36_500)) == ()


def test_expiry_is_settled_at_admission_and_computed_anew_later() -> None:
    built = server(issuer=ROOT, not_after=NOW + DAY)
    assert Code.EXPIRED not in [code for code, _, _ in found(built)]
    assert Code.EXPIRED in [code for code, _, _ in found(built, now=NOW + 2 * DAY)]


# Verdicts are per list.

NOTHING: frozenset[Code] = frozenset()


def judged(
    built: Built | BuiltCrl,
    role: Role,
    *,
    accept: Collection[Code] = NOTHING,
    reject: Collection[Code] = NOTHING,
) -> Verdict:
    return verdict(findings_about((item(built),), now=NOW), role, accept=accept, reject=reject)


def test_verdicts_are_per_list() -> None:
    assert judged(server(issuer=ROOT), TRUST).passes
    assert not judged(server(issuer=ROOT), ISSUER).passes
    assert judged(server(issuer=ROOT), BUNDLE).passes
    assert all(judged(ROOT, role).passes for role in Role)
    assert [each.code for each in judged(ROOT, TRUST).findings] == [Code.CA_IN_TRUST_LIST]
    assert judged(ROOT, ISSUER).findings == ()


def test_a_rejecting_finding_rejects_wherever_it_stands_and_is_shown_first() -> None:
    warning, fault, other = Finding(Code.NO_APPLICATION_URI), Finding(Code.EXPIRED), Finding(Code.QUICKSTART_CA)
    for findings in ((warning, fault, other), (fault, warning, other), (warning, other, fault)):
        outcome = verdict(findings, TRUST, accept=NOTHING, reject=NOTHING)
        assert not outcome.passes
        assert outcome.findings == (fault, warning, other)


@pytest.mark.parametrize(
    ("built", "code"),
    [
        (server(issuer=ROOT, not_after=NOW - DAY), Code.EXPIRED),
        (server(issuer=ROOT, key="rsa-1024", name="short"), Code.WEAK_KEY),
        (server(issuer=OLD_ROOT, signature_hash="sha1"), Code.WEAK_SIGNATURE),
    ],
)
def test_an_accepted_fault_passes_and_is_shown_as_an_accepted_risk(built: Built, code: Code) -> None:
    refused = judged(built, TRUST)
    assert (refused.passes, [each.code for each in refused.findings]) == (False, [code])
    waived = judged(built, TRUST, accept={code})
    assert waived.passes
    (risk,) = waived.findings
    assert risk.code is Code.ACCEPTED_RISK
    assert risk.detail == f"{code}: {refused.findings[0].detail}"
    assert not judged(built, TRUST, accept=WAIVABLE - {code}).passes


def test_only_the_three_faults_of_old_servers_can_be_accepted() -> None:
    assert {"expired", "weak-key", "weak-signature"} == WAIVABLE
    for code in set(Code) - WAIVABLE:
        before = verdict((Finding(code),), TRUST, accept=NOTHING, reject=NOTHING)
        assert verdict((Finding(code),), TRUST, accept=set(Code), reject=NOTHING) == before
        assert before.passes is (code.severity is Severity.WARN)


def test_a_policy_can_make_a_warning_reject() -> None:
    refused = judged(ROOT, TRUST, reject={Code.CA_IN_TRUST_LIST})
    assert not refused.passes
    (finding,) = refused.findings
    assert (finding.code, finding.severity, finding.insisted) == (Code.CA_IN_TRUST_LIST, Severity.REJECT, True)
    assert judged(ROOT, ISSUER, reject={Code.CA_IN_TRUST_LIST}).passes
    assert judged(server(), TRUST, reject={Code.CA_IN_TRUST_LIST}).passes


@pytest.mark.parametrize(("signature_hash", "passes"), [("sha1", True), ("md5", False)])
def test_a_crl_signed_with_sha1_is_only_warned_of(signature_hash: str, passes: bool) -> None:
    """Connectors without the CRL would accept what it revokes."""
    outcome = judged(crl(OLD_ROOT, signature_hash=signature_hash), ISSUER)
    assert outcome.passes is passes
    assert [each.code for each in outcome.findings] == [Code.WEAK_SIGNATURE]


def test_nothing_found_passes() -> None:
    assert verdict((), TRUST, accept=NOTHING, reject=NOTHING).passes


def test_only_expiry_comes_with_time_alone() -> None:
    assert list(TIME_ALONE) == [Code.EXPIRED]


# The public roots: admitted to an issuer list, or rejected for a reason that holds.

ROOTS = re.findall(
    r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----",
    Path(certifi.where()).read_text("utf-8"),
    re.DOTALL,
)


def faults(root: x509.Certificate) -> set[str]:
    """Why an issuer list must refuse this root, worked out apart from the code under test."""
    extensions = {each.oid._name: each.value for each in root.extensions}
    constraints, usage = extensions.get("basicConstraints"), extensions.get("keyUsage")
    key = root.public_key()
    signature_hash = root.signature_hash_algorithm.name if root.signature_hash_algorithm else ""
    weak = key.key_size < 2048 if isinstance(key, rsa.RSAPublicKey) else not isinstance(key, ec.EllipticCurvePublicKey)
    return {
        code
        for code, holds in {
            "expired": root.not_valid_after_utc < NOW,
            "weak-key": weak,
            "not-a-ca": not (constraints and constraints.ca) and root.version is not x509.Version.v1,
            "ca-key-usage": usage is not None and not usage.key_cert_sign,
            "weak-signature": root.issuer != root.subject and signature_hash in {"sha1", "md5"},
        }.items()
        if holds
    }


@pytest.mark.filterwarnings(f"ignore::{CryptographyDeprecationWarning.__module__}.CryptographyDeprecationWarning")
def test_every_public_root_is_admitted_as_issuer_or_rejected_for_a_true_reason() -> None:
    assert len(ROOTS) > 100
    admitted = 0
    for text in ROOTS:
        decoded = decode_value(text, content_type=None, file_encoding=None)
        outcome = verdict(findings_about(decoded.items, now=NOW), ISSUER, accept=NOTHING, reject=NOTHING)
        expected = faults(x509.load_pem_x509_certificate(text.encode()))
        assert {each.code.value for each in outcome.findings} == expected
        assert outcome.passes is not bool(expected)
        admitted += outcome.passes
    assert admitted > 100
