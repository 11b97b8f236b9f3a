"""Which certificates are revoked: by the CRLs that count of the key that issued them, unless an operator cleared them.

It is a property of the certificate, on every list of every cluster. A serial number under another key of the same CA
name proves nothing, since names are public and unrelated CAs share them; it is shown.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from sync.certificates.issuance import issued, may_sign_crls
from sync.certificates.items import Certificate, Kind, parse
from sync.findings import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sync.catalogue.authorities import Authority
    from sync.certificates.items import RevocationList


class Clearance(msgspec.Struct, frozen=True):
    """An operator accepts that a certificate is revoked.

    Attributes:
        sha256: of the certificate.
        date: the revocation date (UTC) that is accepted; under another date it is revoked anew.
    """

    sha256: str
    date: datetime


class RevokedBy(NamedTuple):
    """Who revoked a certificate.

    Attributes:
        date: of the revocation (UTC); the latest, where CRLs of several scopes list it.
        source: the secret that first brought the CRL, for people.
        name, key: of the authority: the CA's comparable name, hex SHA-256 of its key.
        crl: SHA-256 of the CRL.
    """

    date: datetime
    source: str
    name: bytes
    key: str
    crl: str


class _Listing(NamedTuple):
    """One authority's word about a serial number."""

    by: RevokedBy
    ca: bytes


class _Forgotten(NamedTuple):
    """A CA whose numbers began anew: its CRLs of before count as the oldest."""

    name: bytes
    ca: bytes
    before: datetime


@dataclass(frozen=True)
class Revocations:
    """Everything that is revoked and cleared; made by `of`, asked about single certificates."""

    _listings: Mapping[tuple[bytes, int], tuple[_Listing, ...]] = field(repr=False)
    _clearances: Mapping[str, datetime] = field(repr=False)
    _forgotten: tuple[_Forgotten, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, authorities: Iterable[Authority], clearances: Iterable[Clearance]) -> Revocations:
        """What these authorities revoke and these clearances accept."""
        authorities = tuple(authorities)
        listings: dict[tuple[bytes, int], list[_Listing]] = defaultdict(list)
        for authority in authorities:
            for serial, by in _latest(authority).items():
                listings[authority.name, serial].append(_Listing(by, authority.ca))
        whole = {place: tuple(found) for place, found in listings.items()}
        told = ((a.name, a.ca, a.forgotten) for a in authorities if a.forgotten is not None)
        return cls(whole, {each.sha256: each.date for each in clearances}, tuple(_Forgotten(*each) for each in told))

    def replaced_by(self, crl: RevocationList, other: RevocationList) -> bool:
        """Whether the other CRL of the same CA and scope is the newer; one told to be forgotten is the oldest."""
        ages = (self._is_forgotten(crl), self._is_forgotten(other))
        return _is_later(other, crl) if ages[0] == ages[1] else ages[0]

    def _is_forgotten(self, crl: RevocationList) -> bool:
        told = (each for each in self._forgotten if each.name == crl.issuer_name and crl.this_update < each.before)
        return any(issued(_parsed(each.ca), crl) for each in told)

    def revoked(self, certificate: Certificate) -> RevokedBy | None:
        """Who revoked the certificate; None if no one did, or if it is cleared.

        The key that issued it counts, not its bytes: whoever holds a certificate signed by ECDSA can make a second
        one of it, with another SHA-256, by the other signature that verifies just as well.
        """
        by = self._listed(certificate)
        return by if by and self._clearances.get(certificate.sha256) != by.date else None

    def cleared(self, certificate: Certificate) -> datetime | None:
        """The revocation date, where the certificate is revoked and an operator accepts exactly that; else None."""
        by = self._listed(certificate)
        return by.date if by and self._clearances.get(certificate.sha256) == by.date else None

    def of_another_key(self, certificate: Certificate) -> bool:
        """Whether a CA of its issuer's name lists its serial number, whose key did not issue it."""
        return any(not own for own, _ in self._words(certificate))

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 over what decides: serial numbers and dates by authority, what is cleared, what is forgotten."""
        listed = (
            (name.hex(), each.by.key, f"{serial:x}", each.by.date.isoformat())
            for (name, serial), listings in self._listings.items()
            for each in listings
        )
        cleared = (("cleared", sha256, date.isoformat()) for sha256, date in self._clearances.items())
        told = (("forgotten", hashlib.sha256(f.ca).hexdigest(), f.before.isoformat()) for f in self._forgotten)
        return hashlib.sha256(msgspec.json.encode([sorted(listed), sorted(cleared), sorted(told)])).hexdigest()

    def _listed(self, certificate: Certificate) -> RevokedBy | None:
        return max((by for own, by in self._words(certificate) if own), default=None)

    def _words(self, certificate: Certificate) -> Iterator[tuple[bool, RevokedBy]]:
        """What CAs of its issuer's name say of its serial number, and whether their key issued it (cached)."""
        for each in self._listings.get((certificate.issuer_name, certificate.serial), ()):
            yield issued(_parsed(each.ca), certificate), each.by


def _latest(authority: Authority) -> dict[int, RevokedBy]:
    """Of each serial number that it lists in any scope, the latest revocation."""
    found: dict[int, RevokedBy] = {}
    for crl in authority.counting:
        for serial, date in crl.revoked.items():
            by = RevokedBy(date, crl.source, authority.name, authority.key, crl.sha256)
            found[serial] = max(found.get(serial, by), by)
    return found


def _parsed(der: bytes) -> Certificate:
    certificate = parse(Kind.CERTIFICATE, der)
    assert isinstance(certificate, Certificate)
    return certificate


def provers(cas: Iterable[Certificate], revocations: Revocations) -> tuple[Certificate, ...]:
    """The certificates that may prove CRLs: cRLSign where they have a key usage, and not revoked by another CA.

    Dates do not count: who holds the key of a revoked CA can date a CRL back. One that its own CRL lists still proves:
    that CRL is its own word as well.
    """
    return tuple(ca for ca in cas if may_sign_crls(ca) and not _revoked_by_another(ca, revocations))


def _revoked_by_another(ca: Certificate, revocations: Revocations) -> bool:
    by = revocations.revoked(ca)
    return by is not None and (by.name, by.key) != (ca.subject_name, ca.key_sha256)


def warnings_about(
    certificate: Certificate, cas: Iterable[Certificate], revocations: Revocations
) -> tuple[Finding, ...]:
    """What is shown beside a certificate and removes nothing: its serial under another key, its issuer revoked.

    Args:
        certificate: any.
        cas: CA certificates of the catalogue. Where one of the issuing key is not revoked, the issuer is not.
        revocations: all that is revoked.
    """
    found = list[Finding]()
    if revocations.of_another_key(certificate):
        found.append(Finding(Code.CRL_OF_ANOTHER_KEY, f"serial {certificate.serial:x}, {certificate.subject}"))
    issuers = [ca for ca in cas if ca.sha256 != certificate.sha256 and issued(ca, certificate)]
    if issuers and all(revocations.revoked(ca) for ca in issuers):
        found.append(Finding(Code.ISSUER_REVOKED, f"{certificate.issuer}, which issued {certificate.subject}"))
    return tuple(found)


def is_newer(authorities: Iterable[Authority], crl: RevocationList, other: RevocationList) -> bool:
    """Whether one authority made both for one scope, and the first is the newer; a forgotten one never is."""
    return any(
        crl.scope == other.scope
        and (authority.forgotten is None or crl.this_update >= authority.forgotten)
        and _is_later(crl, other)
        and all(issued(_parsed(authority.ca), each) for each in (crl, other))
        for authority in authorities
    )


def _is_later(crl: RevocationList, other: RevocationList) -> bool:
    """By number where both bear one, else by thisUpdate."""
    if crl.number is None or other.number is None:
        return crl.this_update > other.this_update
    return (crl.number, crl.this_update) > (other.number, other.this_update)
