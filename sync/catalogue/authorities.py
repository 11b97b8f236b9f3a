"""What each CA key has revoked: its newest proven CRLs, remembered whole whatever becomes of secrets and vaults.

A CRL is *proven* once the key of a CA certificate verifies it (`may_prove`); it then is that CA's own word about what
the key issued, on every list. Of the CRLs of one key and scope the newest counts: by number where both bear one, else
by thisUpdate. Since CRLs with and without numbers can follow each other in a circle under that rule, the newest of
either sort is kept, and the later of these two counts.

In which order CRLs are taken up decides nothing about certificates that are valid: the CRL that counts, and what it
lists itself, are the same for every order and grouping. It does decide about certificates that had expired when the
CRL that counts was made: what an older one lists of them is carried over only if that older one was there before (an
older CRL that comes later changes nothing), and not if a CRL between the two had left it out while they were valid.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from sync.certificates.issuance import issued, may_sign_crls

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sync.certificates.items import Certificate, RevocationList

MOST_CRLS = 16
"""CRLs of one CA key that are kept, those with the latest thisUpdate: one or two for each scope. A vault's value holds
25,600 characters, so a CRL has at most some 950 entries (490 with serial numbers of 20 octets), and an authority stays
within the 896 KiB of its row."""

SERIAL_BITS = 1024
"""Longer serial numbers are no one's (RFC 5280 §4.1.2.2: 20 octets), and of more than 4,300 digits none can be written
as JSON; an entry that has one is passed over."""

MOST_CARRIED = 500
"""Entries that a CRL carries over from older ones, the latest revocations: each is of a certificate that was in the
catalogue after it had expired."""


class ProvenCrl(msgspec.Struct, frozen=True):
    """One proven CRL, without its bytes.

    Attributes:
        scope: hex SHA-256 of its issuing distribution point; empty without one.
        number: None without one.
        this_update: UTC.
        revoked: revocation dates (UTC) by serial number, with those that are carried over.
        carried: the serial numbers among them that older CRLs listed, and this one no longer does; sorted.
        sha256: of its DER.
        source: the secret that first brought it, for people.
    """

    scope: str
    number: int | None
    this_update: datetime
    revoked: Mapping[int, datetime]
    carried: tuple[int, ...]
    sha256: str
    source: str

    @classmethod
    def of(cls, crl: RevocationList, source: str) -> ProvenCrl:
        """The CRL as parsed, with nothing carried over."""
        revoked = {serial: date for serial, date in crl.revoked.items() if serial.bit_length() <= SERIAL_BITS}
        return cls(crl.scope, crl.number, crl.this_update, revoked, (), crl.sha256, source)

    @property
    def place(self) -> tuple[str, bool]:
        """Of the CRLs that share it, the newest is kept: the scope, and whether it has a number."""
        return self.scope, self.number is not None

    @property
    def age(self) -> tuple[datetime, bool]:
        """Greater for the one that counts of two in one scope, one with a number and one without."""
        return self.this_update, self.number is not None

    def newer_than(self, other: ProvenCrl) -> bool:
        """Whether it replaces the other one of its place.

        Of two with one number the later counts (some CAs never count up); of two with one date too, the one with more
        entries, so that the order in which they come decides nothing.
        """
        return self._rank() > other._rank()

    def _rank(self) -> tuple[int, datetime, int, list[tuple[int, datetime]]]:
        own = sorted((serial, self.revoked[serial]) for serial in self.revoked.keys() - {*self.carried})
        return self.number or 0, self.this_update, len(own), own


class Authority(msgspec.Struct, frozen=True):
    """What a CA key has revoked under one name.

    Attributes:
        name: the CA's, as of `Certificate.subject_name`.
        key: hex SHA-256 of its SubjectPublicKeyInfo.
        ca: DER of one CA certificate of that name and key, to verify with what the key issued.
        needed: when a CA of that key, or a certificate that it issued, was last in the catalogue (UTC).
        crls: for each scope the newest with a number and the newest without, sorted; at most `MOST_CRLS`.
        forgotten: CRLs with an earlier thisUpdate (UTC) prove nothing; None: none were told to be forgotten. What a
            later one has carried over from them stays: it is about certificates that had expired.
    """

    name: bytes
    key: str
    ca: bytes
    needed: datetime
    crls: tuple[ProvenCrl, ...] = ()
    forgotten: datetime | None = None

    @property
    def counting(self) -> tuple[ProvenCrl, ...]:
        """The one CRL of each scope that counts."""
        by_age = sorted(filter(self.remembers, self.crls), key=lambda crl: crl.age)
        return tuple({crl.scope: crl for crl in by_age}.values())

    def remembers(self, crl: ProvenCrl) -> bool:
        """Whether it is not among those that an operator told to be forgotten."""
        return self.forgotten is None or crl.this_update >= self.forgotten


def may_prove(ca: Certificate, crl: RevocationList) -> bool:
    """Whether the CA's key proves the CRL: same name, cRLSign where it has a key usage, signature (RFC 5280 §6.3.3).

    Dates prove nothing and disprove nothing. Whether the CA is revoked itself is asked of `revocation.provers`.
    """
    return crl.unsupported is None and may_sign_crls(ca) and issued(ca, crl)


def authority_after(
    authority: Authority | None,
    ca: Certificate,
    crls: Iterable[tuple[RevocationList, str]],
    known: Iterable[Certificate],
    now: datetime,
) -> Authority:
    """The authority once these CRLs are taken up; those that the CA does not prove are passed over.

    Where a newer CRL replaces an older one, entries of the older for certificates that had expired by the newer one's
    thisUpdate are carried over, since a CRL may leave those out (RFC 5280 §3.3), and stay from then on; every other
    entry ends with it (a certificateHold that was lifted).

    Args:
        authority: as it was; None if nothing was remembered of that name and key.
        ca: a CA certificate of that name and key that may prove (`revocation.provers`).
        crls: with the text of the secret that brings each, in any order.
        known: certificates of the catalogue; those that the CA did not issue are passed over.
        now: UTC.
    """
    before = authority or Authority(ca.subject_name, ca.key_sha256, ca.der, now)
    assert (before.name, before.key) == (ca.subject_name, ca.key_sha256)
    proven = [ProvenCrl.of(crl, source) for crl, source in crls if may_prove(ca, crl)]
    by_serial = _by_serial(ca, known) if proven else {}
    kept = {crl.place: crl for crl in filter(before.remembers, before.crls)}
    for crl in sorted(
        filter(before.remembers, proven), key=lambda c: (c.this_update, c.number or 0, c.sha256, c.source)
    ):
        held = kept.get(crl.place)
        if held is None or crl.newer_than(held):
            older = max((each for each in kept.values() if each.scope == crl.scope), key=lambda c: c.age, default=None)
            kept[crl.place] = _continuing(older, crl, ca, by_serial) if older else crl
    latest = sorted(kept.values(), key=lambda crl: (crl.this_update, crl.place))[-MOST_CRLS:]
    taken_up = tuple(sorted(latest, key=lambda crl: crl.place))
    return msgspec.structs.replace(before, crls=taken_up, needed=max(before.needed, now))


def _by_serial(ca: Certificate, known: Iterable[Certificate]) -> dict[int, list[Certificate]]:
    found: dict[int, list[Certificate]] = defaultdict(list)
    for certificate in known:
        if certificate.issuer_name == ca.subject_name:
            found[certificate.serial].append(certificate)
    return found


def _continuing(
    older: ProvenCrl, newer: ProvenCrl, ca: Certificate, known: Mapping[int, list[Certificate]]
) -> ProvenCrl:
    """The newer one with what the older one says of certificates that had expired when the newer one was made."""
    carried = [
        (date, serial)
        for serial, date in older.revoked.items()
        if serial not in newer.revoked
        and (serial in older.carried or _all_expired(known.get(serial, ()), ca, newer.this_update))
    ]
    latest = {serial: date for date, serial in sorted(carried)[-MOST_CARRIED:]}
    return msgspec.structs.replace(newer, revoked={**newer.revoked, **latest}, carried=tuple(sorted(latest)))


def _all_expired(certificates: Iterable[Certificate], ca: Certificate, moment: datetime) -> bool:
    """Whether the CA issued some of these certificates, and all that it issued had expired by then."""
    own = [certificate for certificate in certificates if issued(ca, certificate)]
    return bool(own) and all(certificate.not_after < moment for certificate in own)
