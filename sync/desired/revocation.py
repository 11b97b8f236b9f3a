"""A revocation as `revoked` outlives the CRL: a CRL's entry remembers which certificates it refused, and where.

Dropping a CRL from the vault, or its CA, must not bring a revoked certificate back by itself; `assign --clear-revoked`
does. While a CRL is in force it refuses by itself and nothing needs to be remembered: what it refuses before a change
and refuses no more after it is remembered with that change.
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
"""Refusals that one CRL secret remembers; far more than a vault's CRL of 25 kB can list."""


def ended_revocations(before: DesiredState, after: DesiredState) -> Mapping[SecretKey, tuple[Revocation, ...]]:
    """What CRLs in force refuse before a change and no more after it, by the CRL's secret."""
    ended: dict[SecretKey, list[Revocation]] = defaultdict(list)
    for key, revocation in sorted(revocations(before) - revocations(after)):
        ended[key].append(revocation)
    return {key: tuple(found) for key, found in ended.items()}


def revocations(desires: DesiredState) -> set[tuple[SecretKey, Revocation]]:
    """What CRLs in force refuse, on any list of any cluster, with the CRL's secret."""
    entries = desires.snapshot.entries
    return {
        (key, Revocation(definition.name, entries[key].assignment.clusters, sha256))
        for _, definition, desired in desires.every()
        for key, revoked in desired.revoked.items()
        for sha256 in revoked
    }


def remembering(entry: Entry, ended: tuple[Revocation, ...]) -> Entry:
    """The entry with these revocations remembered."""
    return replace(entry, revocations=tuple(sorted({*entry.revocations, *ended})[:REMEMBERED]))
