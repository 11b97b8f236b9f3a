"""What CAs revoked, and an operator's word about it: a certificate let back in, a CA whose numbers began anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from sync.catalogue.revocation import Clearance
from sync.catalogue.rows import AuthorityRow, ClearanceRow
from sync.certificates.items import Certificate
from sync.errors import Invalid, NotFound
from sync.ports.decisions import Write
from sync.ports.stored import ANYTHING
from sync.steps.transaction import Writes, transact

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sync.catalogue.authorities import Authority
    from sync.catalogue.snapshot import Snapshot
    from sync.steps.runtime import Runtime

T = TypeVar("T")

SHORTEST = 8
"""Hexadecimal digits of a thumbprint or key; fewer are too easily mistaken."""


@dataclass(frozen=True, slots=True)
class RevokedCertificate:
    """A certificate of the catalogue that a proven CRL lists.

    Attributes:
        certificate: which.
        date: when it was revoked (UTC).
        source: the secret that first brought the CRL; empty where it is cleared.
        cleared: an operator let it back in.
    """

    certificate: Certificate
    date: datetime
    source: str
    cleared: bool


def revoked_certificates(snapshot: Snapshot) -> tuple[RevokedCertificate, ...]:
    """The certificates of the catalogue that proven CRLs list, by subject."""
    found: dict[str, RevokedCertificate] = {}
    for certificate in _certificates(snapshot):
        by, cleared = snapshot.revocations.revoked(certificate), snapshot.revocations.cleared(certificate)
        if by is not None:
            found[certificate.sha256] = RevokedCertificate(certificate, by.date, by.source, cleared=False)
        elif cleared is not None:
            found[certificate.sha256] = RevokedCertificate(certificate, cleared, "", cleared=True)
    return tuple(sorted(found.values(), key=lambda each: (each.certificate.subject, each.certificate.sha256)))


def _certificates(snapshot: Snapshot) -> Iterable[Certificate]:
    items = (s.item for e in snapshot.entries.values() for c in e.candidates for s in c.items)
    return (item for item in items if isinstance(item, Certificate))


def clear_revoked(runtime: Runtime, thumbprint: str) -> RevokedCertificate:
    """Let a certificate back in that a CRL revokes; another revocation date revokes it again. No vault is asked.

    Raises:
        NotFound: no certificate of the catalogue with this thumbprint is revoked.
        Invalid: several are.
    """
    wanted = "".join(thumbprint.replace(":", "").split()).lower()

    def step(snapshot: Snapshot) -> tuple[Writes, RevokedCertificate]:
        found = _single(
            [each for each in revoked_certificates(snapshot) if each.certificate.sha256.startswith(wanted)],
            wanted,
            "no certificate of the catalogue with this SHA-256 is revoked; see `trustcast revocations list`",
        )
        sha = found.certificate.sha256
        return (Write(ClearanceRow(sha), Clearance(sha, found.date), ANYTHING),), found

    return transact(runtime, step)


def forget_older(runtime: Runtime, key: str, before: datetime) -> Authority:
    """Let the CRLs of a CA's key that are older than this prove nothing: its numbers began anew.

    Args:
        runtime: ports and settings.
        key: the first digits of the SHA-256 of the CA's public key, as `revocations list` shows it.
        before: CRLs with an earlier thisUpdate prove nothing (UTC).

    Raises:
        NotFound: no such key has a proven CRL.
        Invalid: several do, or the date has not come yet: no CRL of the key would prove anything.
    """
    if before > runtime.clock():
        raise Invalid(f"{before:%Y-%m-%d} has not come yet: until then no CRL of this key would prove anything")
    wanted = key.lower()

    def step(snapshot: Snapshot) -> tuple[Writes, Authority]:
        rows: dict[AuthorityRow, Authority] = {
            row: authority for row, authority in snapshot.authorities.items() if authority.key.startswith(wanted)
        }
        row = _single(list(rows), wanted, "no CRL of a CA with this key is proven; see `trustcast revocations list`")
        authority = msgspec.structs.replace(rows[row], forgotten=before)
        kept = tuple(crl for crl in authority.crls if crl.this_update >= before)
        authority = msgspec.structs.replace(authority, crls=kept)
        return (Write(row, authority, ANYTHING),), authority

    return transact(runtime, step)


def _single(found: list[T], wanted: str, missing: str) -> T:
    if len(wanted) < SHORTEST:
        raise Invalid(f"give at least the first {SHORTEST} hexadecimal digits")
    if not found:
        raise NotFound(missing)
    if len(found) > 1:
        raise Invalid("several fit: give more digits")
    return found[0]
