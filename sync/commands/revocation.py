"""Clearing certificates that a CRL revoked which is no longer in force."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sync.certificates.items import Kind
from sync.errors import NotFound
from sync.steps.holding import amended
from sync.steps.transaction import Writes, transact

if TYPE_CHECKING:
    from sync.catalogue.entry import Entry
    from sync.catalogue.secret import SecretKey
    from sync.catalogue.snapshot import Snapshot
    from sync.steps.runtime import Runtime

MOST_CLEARED = 90
"""CRLs whose revocations one command forgets: as many as one transaction takes."""


def clear_revoked(runtime: Runtime, key: SecretKey) -> int:
    """Let a secret's certificates back in that a CRL revoked which is no longer in force; returns their number.

    A CRL in force goes on revoking what it lists.

    Raises:
        NotFound: the catalogue knows no such secret.
    """

    def step(snapshot: Snapshot) -> tuple[Writes, int]:
        entry = snapshot.entries.get(key)
        if entry is None:
            raise NotFound(f"the catalogue knows no secret {key}")
        own = {s.item.sha256 for c in entry.candidates for s in c.items if s.kind is Kind.CERTIFICATE}
        revoking = [e for e in snapshot.entries.values() if any(r.sha256 in own for r in e.revocations)][:MOST_CLEARED]
        cleared = own & {revocation.sha256 for e in revoking for revocation in e.revocations}
        return tuple(amended(runtime, e.key, partial(_without, own=own)) for e in revoking), len(cleared)

    return transact(runtime, step, on_head=False)


def _without(entry: Entry, own: set[str]) -> Entry:
    return replace(
        entry, revocations=tuple(revocation for revocation in entry.revocations if revocation.sha256 not in own)
    )
