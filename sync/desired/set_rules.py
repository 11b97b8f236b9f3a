"""The rules about all secrets of a list together, and what is in force under them.

Every secret starts with its newest eligible version. The rules are asked in order; the first that rejects anything
moves those secrets to their next older version, and all rules are asked again, until none rejects anything.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.catalogue.eligibility import EligibleVersion
from sync.certificates.issuance import issued, may_sign_crls, named_issuer
from sync.findings import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sync.catalogue.secret import SecretKey
    from sync.certificates.items import Certificate, RevocationList

InForce = dict["SecretKey", EligibleVersion]
Rejections = dict["SecretKey", Finding]


@dataclass(frozen=True, slots=True)
class Contest:
    """What the rules judge.

    Attributes:
        in_force: the version of every secret that stands so far.
        available: all eligible versions of each secret, newest first.
        lasting: SHA-256 of the certificates revoked here by CRLs that are no longer in force.
    """

    in_force: Mapping[SecretKey, EligibleVersion]
    available: Mapping[SecretKey, tuple[EligibleVersion, ...]]
    lasting: frozenset[str]


def file_name_taken(contest: Contest) -> Rejections:
    """Two secrets give a file of one name: the earliest in force keeps it."""
    holders: dict[str, list[EligibleVersion]] = defaultdict(list)
    for version in contest.in_force.values():
        for name, _item in version.files:
            holders[name].append(version)
    rejected: Rejections = {}
    for name, claims in holders.items():
        first, *others = sorted(claims, key=lambda version, name=name: version.rank(name))  # type: ignore[misc]
        for other in others:
            if other.entry.key != first.entry.key:
                rejected[other.entry.key] = Finding(Code.FILE_NAME_TAKEN, f"{name} is {first.entry.key}'s", file=name)
    return rejected


def crl_rollback(contest: Contest) -> Rejections:
    """A newer version's CRL is older than the one in force of the same CA (RFC 5280 §5.2.3: numbers only grow)."""
    rejected: Rejections = {}
    for key, version in contest.in_force.items():
        before = _next_older(version, contest.available[key])
        for crl in version.crls() if before else ():
            for old in before.crls() if before else ():
                if _age(crl) < _age(old) and _of_one_ca(contest, crl, old):
                    rejected[key] = Finding(Code.CRL_ROLLBACK, f"{_described(crl)} is older than {_described(old)}")
    return rejected


def _of_one_ca(contest: Contest, crl: RevocationList, old: RevocationList) -> bool:
    """Whether one CA issued both; under a new key a CA is another one, and its numbers start again."""
    enabled = (version for version in contest.in_force.values() if version.candidate.enabled)
    return any(issued(ca, crl) and issued(ca, old) for version in enabled for ca in version.certificates())


def crl_issuer(contest: Contest) -> Rejections:
    """A CRL needs its CA on the same list, by name and signature (RFC 5280 §6.3.3 f, g)."""
    present = [c for version in contest.in_force.values() if version.candidate.enabled for c in version.certificates()]
    by_name: dict[bytes, list[Certificate]] = defaultdict(list)
    for certificate in filter(may_sign_crls, present):
        by_name[certificate.subject_name].append(certificate)
    rejected: Rejections = {}
    for key, version in contest.in_force.items():
        for crl in version.crls():
            named = [ca for ca in by_name[crl.issuer_name] if named_issuer(ca, crl)]
            if not any(issued(ca, crl) for ca in named):
                code = Code.CRL_SIGNATURE if named else Code.CRL_WITHOUT_ISSUER
                rejected[key] = Finding(code, f"issuer {crl.issuer}")
    return rejected


def already_revoked(contest: Contest) -> Rejections:
    """A newer version that is revoked before it ever came into force gives way to the one in force."""
    revoked = contest.lasting.union(*revoked_certificates(contest.in_force).values())
    return {
        key: Finding(Code.REVOKED, f"serial {certificate.serial:x}, {certificate.subject}")
        for key, version in contest.in_force.items()
        if version.has_older
        for certificate in version.certificates()
        if certificate.sha256 in revoked
    }


def revoked_certificates(in_force: Mapping[SecretKey, EligibleVersion]) -> dict[SecretKey, frozenset[str]]:
    """SHA-256 of the certificates in force that enabled CRLs of their own issuer revoke, by the CRLs' secrets."""
    by_issuer: dict[bytes, list[Certificate]] = defaultdict(list)
    by_subject: dict[bytes, list[Certificate]] = defaultdict(list)
    for certificate in (c for version in in_force.values() for c in version.certificates()):
        by_issuer[certificate.issuer_name].append(certificate)
        by_subject[certificate.subject_name].append(certificate)
    revoked: dict[SecretKey, set[str]] = defaultdict(set)
    for key, version in in_force.items():
        for crl in version.crls() if version.candidate.enabled else ():
            revoked[key] |= {
                certificate.sha256
                for certificate in by_issuer[crl.issuer_name]
                if certificate.serial in crl.revoked
                and any(issued(ca, crl) and issued(ca, certificate) for ca in by_subject[crl.issuer_name])
            }
    return {key: frozenset(found) for key, found in revoked.items() if found}


def _next_older(version: EligibleVersion, available: tuple[EligibleVersion, ...]) -> EligibleVersion | None:
    position = available.index(version)
    return available[position + 1] if position + 1 < len(available) else None


def _age(crl: RevocationList) -> tuple[int, datetime]:
    return (crl.number if crl.number is not None else -1, crl.this_update)


def _described(crl: RevocationList) -> str:
    return f"CRL {crl.number if crl.number is not None else 'without number'} of {crl.this_update:%Y-%m-%d %H:%M}"


SET_RULES: tuple[Callable[[Contest], Rejections], ...] = (file_name_taken, crl_rollback, crl_issuer, already_revoked)
"""In order: the first that rejects anything wins the round."""


def choose(
    available: Mapping[SecretKey, tuple[EligibleVersion, ...]], lasting: frozenset[str]
) -> tuple[InForce, dict[SecretKey, list[Finding]]]:
    """Which version of every secret is in force, and what the rules found on the way."""
    position = dict.fromkeys(available, 0)
    findings: dict[SecretKey, list[Finding]] = defaultdict(list)
    while True:
        in_force = {key: available[key][at] for key, at in position.items() if at < len(available[key])}
        contest = Contest(in_force, available, lasting)
        rejected = next(filter(None, (rule(contest) for rule in SET_RULES)), None)
        if rejected is None:
            return in_force, findings
        for key, finding in rejected.items():
            position[key] += 1
            findings[key].append(finding)
