"""A refusal as `revoked` outlives the CRL: a CRL's entry remembers which certificates it ever refused here.

Dropping a CRL from the vault must not bring a revoked certificate back by itself; `assign --clear-revoked` does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sync.chain import issued
from sync.x509_items import Certificate, Kind, RevocationList

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sync.catalogue import Entry
    from sync.desired import Desires

REMEMBERED = 2000
"""Certificates that one CRL secret remembers; far more than a vault's CRL of 25 kB can list."""


def remember_revoked(before: Desires, old: Entry | None, new: Entry) -> Entry:
    """Add what the secret's CRLs, as they were in force, refuse among the catalogue's certificates."""
    if old is None:
        return new
    certificates = list(_certificates(before))
    refused = {
        certificate.sha256
        for crl in _crls(old)
        for certificate in certificates
        if certificate.serial in crl.revoked
        and certificate.issuer_name == crl.issuer_name
        and any(issued(ca, crl) and issued(ca, certificate) for ca in certificates)
    }
    return replace(new, refused=tuple(sorted({*new.refused, *refused})[:REMEMBERED])) if refused else new


def _crls(entry: Entry) -> Iterator[RevocationList]:
    for candidate in entry.candidates:
        for stored in candidate.items:
            if stored.kind is Kind.CRL and isinstance(item := stored.item, RevocationList):
                yield item


def _certificates(desires: Desires) -> Iterator[Certificate]:
    for entry in desires.snapshot.entries.values():
        for candidate in entry.candidates:
            for stored in candidate.items:
                if isinstance(item := stored.item, Certificate):
                    yield item
