"""What the CAs and CRLs of a secret prove: the memory of what CAs revoked, kept by the CA's name and key.

A CA and a CRL may be admitted in the same instant: each replaces the row of their common name on the ETag that it read
before it looked for the other, so that one of them begins again and finds it (tests/interleavings).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.catalogue.authorities import Authority, authority_after, may_prove
from sync.catalogue.revocation import Revocations, provers
from sync.catalogue.rows import AuthorityRow, IssuerRow, RowKey
from sync.catalogue.snapshot import Issuer
from sync.certificates.items import Certificate, RevocationList
from sync.ports.decisions import Write
from sync.ports.stored import as_read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from sync.catalogue.entry import Candidate, Entry
    from sync.catalogue.secret import SecretKey
    from sync.catalogue.snapshot import Snapshot
    from sync.certificates.items import Item
    from sync.steps.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Proofs:
    """What a secret's CAs and CRLs prove.

    Attributes:
        writes: rows of names and keys that change with the secret's row.
        proven: SHA-256 of the secret's CRLs that some CA of the catalogue proves.
    """

    writes: tuple[Write, ...] = ()
    proven: frozenset[str] = frozenset()

    def holds(self, candidate: Candidate) -> bool:
        """Whether every CRL of the version is proven."""
        crls = [stored.item for stored in candidate.items if isinstance(stored.item, RevocationList)]
        return bool(crls) and all(crl.sha256 in self.proven for crl in crls)


def proofs(runtime: Runtime, old: Entry | None, new: Entry) -> Proofs:
    """What changes where a secret holds CAs or CRLs that it did not hold before, or what they prove is not remembered.

    The latter heals a damaged row, and an older schema's catalogue, which remembered what was revoked elsewhere.
    """
    names = _names(new)
    if not names:
        return Proofs()
    concerned = {*names}
    while True:
        tokens = [(name, runtime.decisions.row(IssuerRow.of(name))) for name in sorted(concerned)]
        snapshot = runtime.decisions.snapshot()
        revocations, rows = snapshot.revocations, dict[RowKey, Write]()
        for _ in concerned:  # a CA let back in may stand above another
            for name, _stored in tokens:
                rows |= {write.row: write for write in _rows(runtime, snapshot, new, name, revocations)}
            if not rows:
                break
            revocations = _revocations(snapshot, rows.values())
        more = _let_back_in(snapshot, new, revocations) - concerned
        if not more:
            break
        concerned |= more
    changed = {write.value.name for write in rows.values() if isinstance(write.value, Authority)}
    changed |= _names(new, _fresh(old, new))
    issuers = [
        Write(IssuerRow.of(name), Issuer(runtime.token()), as_read(stored))
        for name, stored in tokens
        if name in changed
    ]
    return Proofs((*issuers, *rows.values()), _proven(snapshot, new, names))


def _revocations(snapshot: Snapshot, writes: Iterable[Write]) -> Revocations:
    """What is revoked once these rows are written."""
    changed = {write.row: write.value for write in writes}
    others = (authority for row, authority in snapshot.authorities.items() if row not in changed)
    authorities = (*others, *(row for row in changed.values() if isinstance(row, Authority)))
    return Revocations.of(authorities, snapshot.clearances.values())


def _let_back_in(snapshot: Snapshot, new: Entry, revocations: Revocations) -> set[bytes]:
    """The names of CAs that were revoked and are no more (a hold was lifted): their CRLs prove from now on."""
    if revocations.digest == snapshot.revocations.digest:
        return set()
    items = (item for e in {**snapshot.entries, new.key: new}.values() for item in _items(e.candidates))
    return {
        item.subject_name
        for item in items
        if isinstance(item, Certificate) and item.is_ca
        if snapshot.revocations.revoked(item) and not revocations.revoked(item)
    }


def _names(entry: Entry, versions: Iterable[Candidate] | None = None) -> set[bytes]:
    """The names of CAs that the versions' items concern: subjects of CAs, issuers of CRLs."""
    items = _items(entry.candidates if versions is None else versions)
    return {
        item.issuer_name if isinstance(item, RevocationList) else item.subject_name
        for item in items
        if isinstance(item, RevocationList) or _is_authority(item)
    }


def _fresh(old: Entry | None, new: Entry) -> tuple[Candidate, ...]:
    """The versions whose items were not in the catalogue before."""
    known = {(candidate.items, candidate.findings) for candidate in old.candidates} if old else set()
    return tuple(candidate for candidate in new.candidates if (candidate.items, candidate.findings) not in known)


def _is_authority(item: Item) -> bool:
    return isinstance(item, Certificate) and item.is_ca


def _items(candidates: Iterable[Candidate]) -> Iterator[Item]:
    return (stored.item for candidate in candidates for stored in candidate.items)


def _rows(runtime: Runtime, snapshot: Snapshot, new: Entry, name: bytes, revocations: Revocations) -> Iterator[Write]:
    """The rows of the name's keys as all CRLs of that name in the catalogue make them."""
    entries = {**snapshot.entries, new.key: new}
    cas, crls = _of_name(entries, name, runtime.clock())
    able = provers(cas, revocations)
    known = [item for entry in entries.values() for item in _items(entry.candidates) if isinstance(item, Certificate)]
    by_key: dict[str, Certificate] = {ca.key_sha256: ca for ca in able}
    for key, ca in sorted(by_key.items()):
        row = AuthorityRow.of(name, key)
        stored = runtime.decisions.row(row)
        before = stored.value if stored and isinstance(stored.value, Authority) else None
        issued = [certificate for certificate in known if certificate.issuer_name == name]
        after = authority_after(before, ca, crls, issued, runtime.clock())
        if after.crls and (before is None or after.crls != before.crls):
            yield Write(row, after, as_read(stored))


def _of_name(
    entries: Mapping[SecretKey, Entry], name: bytes, now: datetime
) -> tuple[list[Certificate], list[tuple[RevocationList, str]]]:
    """The CAs and the CRLs of that name in the catalogue; of a CRL also the secret. One of the future says nothing."""
    cas: dict[str, Certificate] = {}
    crls: dict[str, tuple[RevocationList, str]] = {}
    for entry in entries.values():
        for item in _items(entry.candidates):
            if isinstance(item, RevocationList) and item.issuer_name == name and item.this_update <= now:
                crls.setdefault(item.sha256, (item, str(entry.key)))
            elif isinstance(item, Certificate) and item.is_ca and item.subject_name == name:
                cas.setdefault(item.sha256, item)
    return list(cas.values()), list(crls.values())


def _proven(snapshot: Snapshot, new: Entry, names: set[bytes]) -> frozenset[str]:
    cas: dict[bytes, list[Certificate]] = defaultdict(list)
    for entry in {**snapshot.entries, new.key: new}.values():
        for item in _items(entry.candidates):
            if isinstance(item, Certificate) and item.is_ca and item.subject_name in names:
                cas[item.subject_name].append(item)
    crls = (item for item in _items(new.candidates) if isinstance(item, RevocationList))
    return frozenset(crl.sha256 for crl in crls if any(may_prove(ca, crl) for ca in cas[crl.issuer_name]))
