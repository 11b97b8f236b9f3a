"""The rules about all secrets of a list together, in order: each gives the secrets whose chosen version it refuses."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sync.catalogue.offers import Offer
from sync.certificates.issuance import issued, may_sign_crls, named_issuer
from sync.findings import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sync.catalogue.secret import SecretKey
    from sync.certificates.items import Certificate, RevocationList

Chosen = dict["SecretKey", Offer]
Refusals = dict["SecretKey", Finding]


def file_name_taken(chosen: Chosen, _: Mapping[SecretKey, tuple[Offer, ...]]) -> Refusals:
    """1. Two secrets give a file of one name: the earliest in force keeps it."""
    holders: dict[str, list[Offer]] = defaultdict(list)
    for offer in chosen.values():
        for name, _item in offer.files:
            holders[name].append(offer)
    refused: Refusals = {}
    for name, claims in holders.items():
        first, *others = sorted(claims, key=lambda offer, name=name: offer.rank(name))  # type: ignore[misc]
        for other in others:
            if other.entry.key != first.entry.key:
                refused[other.entry.key] = Finding(Code.FILE_NAME_TAKEN, f"{name} is {first.entry.key}'s", file=name)
    return refused


def crl_rollback(chosen: Chosen, available: Mapping[SecretKey, tuple[Offer, ...]]) -> Refusals:
    """2. A newer version's CRL is older than the one in force of the same CA (RFC 5280 §5.2.3: numbers only grow)."""
    refused: Refusals = {}
    for key, offer in chosen.items():
        before = _next_older(offer, available[key])
        for crl in offer.crls() if before else ():
            for old in before.crls() if before else ():
                if _age(crl) < _age(old) and _of_one_ca(chosen, crl, old):
                    refused[key] = Finding(Code.CRL_ROLLBACK, f"{_said(crl)} is older than {_said(old)}")
    return refused


def _of_one_ca(chosen: Chosen, crl: RevocationList, old: RevocationList) -> bool:
    """Whether one CA issued both; one with a new key is another, under the same name, and begins to count anew."""
    enabled = (offer for offer in chosen.values() if offer.candidate.enabled)
    return any(issued(ca, crl) and issued(ca, old) for offer in enabled for ca in offer.certificates())


def crl_issuer(chosen: Chosen, _: Mapping[SecretKey, tuple[Offer, ...]]) -> Refusals:
    """3. A CRL needs its CA on the same list, by name and signature (RFC 5280 §6.3.3 f, g)."""
    present = [c for offer in chosen.values() if offer.candidate.enabled for c in offer.certificates()]
    by_name: dict[bytes, list[Certificate]] = defaultdict(list)
    for certificate in filter(may_sign_crls, present):
        by_name[certificate.subject_name].append(certificate)
    refused: Refusals = {}
    for key, offer in chosen.items():
        for crl in offer.crls():
            named = [ca for ca in by_name[crl.issuer_name] if named_issuer(ca, crl)]
            if not any(issued(ca, crl) for ca in named):
                code = Code.CRL_SIGNATURE if named else Code.CRL_WITHOUT_ISSUER
                refused[key] = Finding(code, f"issuer {crl.issuer}")
    return refused


def already_revoked(chosen: Chosen, _: Mapping[SecretKey, tuple[Offer, ...]], lasting: frozenset[str]) -> Refusals:
    """4. A newer version that is revoked before it ever came into force gives way to the one in force."""
    revoked = _union(revoked_certificates(chosen)) | lasting
    return {
        key: Finding(Code.REVOKED, f"serial {certificate.serial:x}, {certificate.subject}")
        for key, offer in chosen.items()
        if offer.has_older
        for certificate in offer.certificates()
        if certificate.sha256 in revoked
    }


def revoked_certificates(chosen: Mapping[SecretKey, Offer]) -> dict[SecretKey, frozenset[str]]:
    """SHA-256 of the chosen certificates that chosen, enabled CRLs of their own issuer revoke, by the CRLs' secrets."""
    by_issuer: dict[bytes, list[Certificate]] = defaultdict(list)
    by_subject: dict[bytes, list[Certificate]] = defaultdict(list)
    for certificate in (c for offer in chosen.values() for c in offer.certificates()):
        by_issuer[certificate.issuer_name].append(certificate)
        by_subject[certificate.subject_name].append(certificate)
    revoked: dict[SecretKey, set[str]] = defaultdict(set)
    for key, offer in chosen.items():
        for crl in offer.crls() if offer.candidate.enabled else ():
            revoked[key] |= {
                certificate.sha256
                for certificate in by_issuer[crl.issuer_name]
                if certificate.serial in crl.revoked
                and any(issued(ca, crl) and issued(ca, certificate) for ca in by_subject[crl.issuer_name])
            }
    return {key: frozenset(found) for key, found in revoked.items() if found}


def _union(revoked: Mapping[SecretKey, frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*revoked.values())


def _next_older(offer: Offer, available: tuple[Offer, ...]) -> Offer | None:
    position = available.index(offer)
    return available[position + 1] if position + 1 < len(available) else None


def _age(crl: RevocationList) -> tuple[int, datetime]:
    return (crl.number if crl.number is not None else -1, crl.this_update)


def _said(crl: RevocationList) -> str:
    return f"CRL {crl.number if crl.number is not None else 'without number'} of {crl.this_update:%Y-%m-%d %H:%M}"


def choose(
    available: Mapping[SecretKey, tuple[Offer, ...]], lasting: frozenset[str]
) -> tuple[Chosen, dict[SecretKey, list[Finding]]]:
    """Which offer of every secret is in force, and what the rules about the set said on the way."""
    position = dict.fromkeys(available, 0)
    said: dict[SecretKey, list[Finding]] = defaultdict(list)
    while True:
        chosen = {key: available[key][at] for key, at in position.items() if at < len(available[key])}
        refused = (
            file_name_taken(chosen, available)
            or crl_rollback(chosen, available)
            or crl_issuer(chosen, available)
            or already_revoked(chosen, available, lasting)
        )
        if not refused:
            return chosen, said
        for key, finding in refused.items():
            position[key] += 1
            said[key].append(finding)
