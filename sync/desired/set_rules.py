"""The rules about all secrets of a list together, and what is in force under them.

Every secret starts with its newest eligible version. The rules are asked in order; the first that rejects anything
moves those secrets to their next older version, and all rules are asked again, until none rejects anything. Who has a
file name is no such rule: that is decided where the file is (`desired.claims`).
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

    from sync.catalogue.revocation import Revocations
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
        revocations: what proven CRLs revoke, whoever uploaded them.
    """

    in_force: Mapping[SecretKey, EligibleVersion]
    available: Mapping[SecretKey, tuple[EligibleVersion, ...]]
    revocations: Revocations


def crl_rollback(contest: Contest) -> Rejections:
    """A newer version's CRL is older than the one in force of the same CA (RFC 5280 §5.2.3: numbers only grow)."""
    rejected: Rejections = {}
    for key, version in contest.in_force.items():
        before = _next_older(version, contest.available[key])
        for crl in version.crls() if before else ():
            for old in before.crls() if before else ():
                if contest.revocations.replaced_by(crl, old) and _of_one_ca(contest, crl, old):
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
    """A newer version of which every certificate is revoked gives way to the one before it, where that still is."""
    rejected: Rejections = {}
    for key, version in contest.in_force.items():
        certificates = tuple(version.certificates())
        if version.has_older and certificates and all(contest.revocations.revoked(each) for each in certificates):
            first = certificates[0]
            rejected[key] = Finding(Code.REVOKED, f"serial {first.serial:x}, {first.subject}")
    return rejected


def _next_older(version: EligibleVersion, available: tuple[EligibleVersion, ...]) -> EligibleVersion | None:
    position = available.index(version)
    return available[position + 1] if position + 1 < len(available) else None


def _described(crl: RevocationList) -> str:
    return f"CRL {crl.number if crl.number is not None else 'without number'} of {crl.this_update:%Y-%m-%d %H:%M}"


SET_RULES: tuple[Callable[[Contest], Rejections], ...] = (crl_rollback, crl_issuer, already_revoked)
"""In order: the first that rejects anything wins the round."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which version of every secret is in force, and what the rules found on the way.

    Attributes:
        in_force: by secret.
        findings: of the rules, by secret.
        not_anew: secrets whose newer version is revoked: the older one stays where it is and goes nowhere else (law 3).
    """

    in_force: InForce
    findings: dict[SecretKey, list[Finding]]
    not_anew: frozenset[SecretKey]


def choose(available: Mapping[SecretKey, tuple[EligibleVersion, ...]], revocations: Revocations) -> Chosen:
    """Which version of every secret is in force."""
    position = dict.fromkeys(available, 0)
    findings: dict[SecretKey, list[Finding]] = defaultdict(list)
    while True:
        in_force = {key: available[key][at] for key, at in position.items() if at < len(available[key])}
        contest = Contest(in_force, available, revocations)
        rejected = next(filter(None, (rule(contest) for rule in SET_RULES)), None)
        if rejected is None:
            revoked = (key for key, found in findings.items() if any(f.code is Code.REVOKED for f in found))
            return Chosen(in_force, findings, frozenset(revoked))
        for key, finding in rejected.items():
            position[key] += 1
            findings[key].append(finding)
