"""The rules about one version: what is wrong with its certificates and CRLs, and on which lists.

Each rule is a pure function named for its fault; the two numbered tuples below hold them all. Rules about several
secrets at once are evaluated with the list that they are about (`sync.desired.set_rules`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.certificates.issuance import issued
from sync.certificates.items import Certificate, Item, RevocationList
from sync.findings import OF_TIME, Code, Finding, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime, timedelta


QUICKSTART_CA = "Azure IoT Operations Quickstart Root CA - Not for Production"

MINIMUM_RSA_BITS = 2048

_STRONG_KEYS = frozenset(
    {"secp256r1", "secp384r1", "secp521r1", "brainpoolP256r1", "brainpoolP384r1", "Ed25519", "Ed448"}
)
_STRONG_HASHES = frozenset(
    {"sha224", "sha256", "sha384", "sha512", "sha512-224", "sha512-256"}
    | {"sha3-224", "sha3-256", "sha3-384", "sha3-512", ""}
)


def expired(certificate: Certificate, now: datetime) -> Finding | None:
    """RFC 5280 §4.1.2.5: valid through notAfter, inclusive."""
    if now <= certificate.not_after:
        return None
    return Finding(Code.EXPIRED, f"{certificate.subject} ended on {certificate.not_after:%Y-%m-%d %H:%M} UTC")


def not_yet_valid(item: Item, now: datetime) -> Finding | None:
    """An early upload waits, and drives nothing off: RFC 5280 §4.1.2.5 for certificates, §5.1.2.4 for CRLs."""
    begins = item.not_before if isinstance(item, Certificate) else item.this_update
    if now >= begins:
        return None
    whose = item.subject if isinstance(item, Certificate) else f"the CRL of {item.issuer}"
    return Finding(Code.NOT_YET_VALID, f"{whose} begins on {begins:%Y-%m-%d %H:%M} UTC")


def weak_key(certificate: Certificate, _: datetime) -> Finding | None:
    """OPC 10000-7: the security policies in force take RSA of 2048 bits or more, and these curves."""
    strong_rsa = certificate.key == "RSA" and certificate.key_bits >= MINIMUM_RSA_BITS
    if strong_rsa or certificate.key in _STRONG_KEYS:
        return None
    size = f" of {certificate.key_bits} bits" if certificate.key_bits else ""
    return Finding(Code.WEAK_KEY, f"{certificate.subject} has a {certificate.key} key{size}")


def weak_signature(certificate: Certificate, _: datetime) -> Finding | None:
    """A root's signature of itself is not relied on (RFC 5280 §6.1.1 (d)), so a CA's own is exempt."""
    if certificate.signature in _STRONG_HASHES or (certificate.is_ca and issued(certificate, certificate)):
        return None
    return Finding(Code.WEAK_SIGNATURE, f"{certificate.subject} is signed with {certificate.signature}")


def not_a_ca(certificate: Certificate, _: datetime) -> Finding | None:
    """RFC 5280 §4.2.1.9: without CA:TRUE the key must not be used to verify certificates."""
    if certificate.is_ca:
        return None
    why = "an end-entity certificate"
    if not certificate.has_basic_constraints:
        why = f"a version {certificate.version} certificate without BasicConstraints"
    return Finding(Code.NOT_A_CA, f"{certificate.subject} is {why}", (Role.ISSUER,))


def ca_key_usage(certificate: Certificate, _: datetime) -> Finding | None:
    """RFC 5280 §4.2.1.3 and OPC 10000-6 §6.2.4: a CA's key usage, where present, includes keyCertSign."""
    usage = certificate.key_usage
    if not certificate.is_ca or usage is None or "key_cert_sign" in usage:
        return None
    return Finding(Code.CA_KEY_USAGE, f"{certificate.subject} lacks keyCertSign", (Role.ISSUER, Role.BUNDLE))


def ca_in_trust_list(certificate: Certificate, _: datetime) -> Finding | None:
    """OPC 10000-12 §7.8.2.8: a CA on the trusted list makes the certificates that it issued trusted."""
    if not certificate.is_ca:
        return None
    return Finding(Code.CA_IN_TRUST_LIST, certificate.subject, (Role.TRUST,))


def no_application_uri(certificate: Certificate, _: datetime) -> Finding | None:
    """OPC 10000-6 §6.2.2: the alternative names shall include the ApplicationUri."""
    if certificate.is_ca or certificate.application_uri is not None:
        return None
    return Finding(Code.NO_APPLICATION_URI, certificate.subject, (Role.TRUST,))


def quickstart_ca(certificate: Certificate, _: datetime) -> Finding | None:
    """Azure IoT Operations, "Set up your own certificate issuer": the default root CA's subject."""
    if certificate.common_name != QUICKSTART_CA:
        return None
    return Finding(Code.QUICKSTART_CA, certificate.subject)


def crl_unsupported(crl: RevocationList, _: datetime) -> Finding | None:
    """RFC 5280 §5.2, §5.3: delta and indirect CRLs, removeFromCRL, unknown extensions that are critical."""
    if crl.unsupported is None:
        return None
    return Finding(Code.CRL_UNSUPPORTED, f"{crl.unsupported}, of {crl.issuer}")


def crl_partial(crl: RevocationList, _: datetime) -> Finding | None:
    """RFC 5280 §5.2.5: one for some kinds or reasons only, which connectors would take for the complete one."""
    if crl.unsupported is not None or crl.partial is None:
        return None
    return Finding(Code.CRL_PARTIAL, f"{crl.partial}, of {crl.issuer}")


def crl_distribution_point(crl: RevocationList, _: datetime) -> Finding | None:
    """RFC 5280 §5.2.5: an issuing distribution point that leaves out no kind and no reason."""
    if crl.unsupported is not None or crl.partial is not None or not crl.scope:
        return None
    return Finding(Code.CRL_DISTRIBUTION_POINT, f"the CRL of {crl.issuer}")


def crl_weak_signature(crl: RevocationList, _: datetime) -> Finding | None:
    """As for certificates, no CRL exempt; SHA-1 only warns: without its CRL, connectors accept what the CA revoked."""
    if crl.signature in _STRONG_HASHES:
        return None
    detail = f"the CRL of {crl.issuer} is signed with {crl.signature}"
    return Finding(Code.WEAK_SIGNATURE, detail, tolerated=crl.signature == "sha1")


CERTIFICATE_RULES: tuple[Callable[[Certificate, datetime], Finding | None], ...] = (
    expired,  # 1
    not_yet_valid,  # 2
    weak_key,  # 3
    weak_signature,  # 4
    not_a_ca,  # 5
    ca_key_usage,  # 6
    ca_in_trust_list,  # 7
    no_application_uri,  # 8
    quickstart_ca,  # 9
)
CRL_RULES: tuple[Callable[[RevocationList, datetime], Finding | None], ...] = (
    not_yet_valid,  # 10
    crl_unsupported,  # 11
    crl_partial,  # 12
    crl_distribution_point,  # 13
    crl_weak_signature,  # 14
)


def findings_about(items: Iterable[Item], *, now: datetime) -> tuple[Finding, ...]:
    """All findings of admission, for every role at once; `Finding.roles` says where each counts."""
    return tuple(finding for item in items for finding in _about(item, now) if finding is not None)


def _about(item: Item, now: datetime) -> Iterable[Finding | None]:
    match item:
        case Certificate():
            return (rule(item, now) for rule in CERTIFICATE_RULES)
        case RevocationList():
            return (rule(item, now) for rule in CRL_RULES)


def healed(findings: Iterable[Finding], items: Iterable[Item], *, now: datetime) -> tuple[Finding, ...]:
    """The findings of admission without those of time that hold no more: it has come, or a clock was wrong.

    None is added: what a version in force becomes with time is no rejection (`ageing`).
    """
    hold = {finding.code for finding in findings_about(items, now=now)}
    return tuple(finding for finding in findings if finding.code not in OF_TIME - hold)


def ageing(items: Iterable[Item], *, now: datetime, expiry_warning: timedelta) -> tuple[Finding, ...]:
    """What time does to items in force. Shown and alarmed whatever its severity; it removes nothing."""
    return tuple(finding for item in items if (finding := _age(item, now, expiry_warning)) is not None)


def _age(item: Item, now: datetime, expiry_warning: timedelta) -> Finding | None:
    match item:
        case Certificate():
            return expired(item, now) or _expires_soon(item, now, expiry_warning)
        case RevocationList():
            return _crl_stale(item, now)


def _expires_soon(certificate: Certificate, now: datetime, expiry_warning: timedelta) -> Finding | None:
    left = certificate.not_after - now
    if left > expiry_warning:
        return None
    return Finding(
        Code.EXPIRES_SOON,
        f"{certificate.subject} ends on {certificate.not_after:%Y-%m-%d}, {left.days} days left",
    )


def _crl_stale(crl: RevocationList, now: datetime) -> Finding | None:
    """RFC 5280 §5.1.2.5: a newer CRL is issued by nextUpdate."""
    if crl.next_update is None or now <= crl.next_update:
        return None
    return Finding(Code.CRL_STALE, f"the CRL of {crl.issuer} was due on {crl.next_update:%Y-%m-%d %H:%M} UTC")
