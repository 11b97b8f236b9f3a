"""A revocation outlives its CRL: the CRL's entry remembers which certificates it revoked, and where.

Removing a CRL or its CA from the vault must not bring a revoked certificate back; only `assign --clear-revoked` does.
While a CRL is in force nothing needs to be remembered: a change that ends a revocation records it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from sync.catalogue.entry import Revocation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sync.catalogue.entry import Entry
    from sync.catalogue.secret import SecretKey
    from sync.desired.state import DesiredState

REMEMBERED = 2000
"""Revocations that one CRL's secret remembers; far more than a CRL of 25 kB, a vault's limit, can list."""


def ended_revocations(before: DesiredState, after: DesiredState) -> Mapping[SecretKey, tuple[Revocation, ...]]:
    """What CRLs in force revoke before a change and no longer after it, by the CRL's secret."""
    ended: dict[SecretKey, list[Revocation]] = defaultdict(list)
    for key, revocation in sorted(revocations(before) - revocations(after)):
        ended[key].append(revocation)
    return {key: tuple(found) for key, found in ended.items()}


def revocations(desired_state: DesiredState) -> set[tuple[SecretKey, Revocation]]:
    """What CRLs in force revoke, on any list of any cluster, with the CRL's secret."""
    entries = desired_state.snapshot.entries
    return {
        (key, Revocation(definition.name, entries[key].assignment.clusters, sha256))
        for _, definition, desired in desired_state.every()
        for key, revoked in desired.revoked.items()
        for sha256 in revoked
    }


def remembering(entry: Entry, ended: tuple[Revocation, ...]) -> Entry:
    """The entry with these revocations remembered."""
    return replace(entry, revocations=tuple(sorted({*entry.revocations, *ended})[:REMEMBERED]))
