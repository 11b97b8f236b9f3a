"""Removals are held where they happen: for each place and owner's vault by itself (law 4).

What counts is a difference: what the object holds as ours, what its status last remembered as ours and what left within
24 hours, less what the object would then hold, by whatever hand it left. What labels, ceilings, definitions or
registrations take is no vault's doing and counts for the place as one. Not counted: what a proven CRL revokes, what
left approved, and as many files as a new version of the same owner brings.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sync.catalogue.secret import SecretKey
from sync.desired.reasons import RemovalReason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

WINDOW = timedelta(hours=24)

SCOPE = "scope"
"""The group of what labels, ceilings, definitions and registrations take; no vault's host has this name."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may leave without approval.

    Attributes:
        share, files: a place may lose up to `share` (0 to 1) of a vault's files, or `files` files, whichever is more.
        cluster_share, clusters: one change of selectors, labels or settings may take secrets from up to this share of
            the clusters, or from this many, whichever is more.
    """

    share: float = 0.25
    files: int = 3
    cluster_share: float = 0.10
    clusters: int = 3

    def too_many(self, lost: int, of: int) -> bool:
        """Whether so many of these files, or secrets, are more than may be lost."""
        return lost > self.files and lost > self.share * of

    def too_wide(self, clusters: int, of: int) -> bool:
        """Whether so many clusters are more than one change may take secrets from."""
        return clusters > self.clusters and clusters > self.cluster_share * of


@dataclass(frozen=True, slots=True)
class Leaving:
    """A file that is about to leave.

    Attributes:
        file: its name.
        owner: its secret; None where it is not known.
        version: that it came from.
        reason, since: as in `desired.reasons.Leaves`.
        scope: labels or settings take it.
        approved: a person consented to exactly this.
        subject, expires: of the certificate in it, for people; empty and None of a CRL.
        thumbprint: SHA-256 of the certificate or CRL in it, or of its bytes.
    """

    file: str
    owner: SecretKey | None
    version: str
    reason: RemovalReason
    since: str
    scope: bool = False
    approved: bool = False
    subject: str = ""
    expires: datetime | None = None
    thumbprint: str = ""

    @property
    def group(self) -> str:
        """What it counts for: its owner's vault, or the place as one."""
        return SCOPE if self.scope else self.owner.vault if self.owner else ""

    @property
    def counts(self) -> bool:
        """Whether it counts as a loss."""
        return self.reason is not RemovalReason.REVOKED and not self.approved


@dataclass(frozen=True, slots=True)
class Left:
    """A file that left a place within 24 hours, and counts as lost.

    Attributes:
        file: its name.
        group: its vault, or `SCOPE`.
        at: when (UTC).
    """

    file: str
    group: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a place held and would hold, by file name and group (the owner's vault).

    Attributes:
        had: ours on the object.
        would_hold: after the plan, if all that may leave does.
        left: counted losses of the last 24 hours, and of what was remembered as ours and is not there.
    """

    had: Mapping[str, str]
    would_hold: Mapping[str, str]
    left: tuple[Left, ...]


def held_groups(
    leaving: Collection[Leaving], brought: Mapping[SecretKey, int], holdings: Holdings, limits: Limits
) -> frozenset[str]:
    """The groups of which too much would be lost: nothing of them that counts may leave.

    Args:
        leaving: what may leave by a reason of law 4.
        brought: how many files a new version of each owner brings in the same write.
        holdings: what the place held and would hold.
        limits: how much may leave.
    """
    return frozenset(
        group
        for group in {each.group for each in leaving if each.counts}
        if limits.too_many(*_lost(group, leaving, brought, holdings))
    )


def _lost(
    group: str, leaving: Collection[Leaving], brought: Mapping[SecretKey, int], holdings: Holdings
) -> tuple[int, int]:
    """How many files of the group would be lost, and of how many."""
    uncounted = {each.file for each in leaving if not each.counts or each.group != group}
    past = {left.file for left in holdings.left if left.group == group}
    if group == SCOPE:
        had = set(holdings.had)
        missing = {each.file for each in leaving if each.group == SCOPE} | past
        would_hold = set(holdings.would_hold)
    else:
        had = {name for name, vault in holdings.had.items() if vault == group}
        missing = had | past
        would_hold = {name for name, vault in holdings.would_hold.items() if vault == group}
    lost = missing - would_hold - uncounted
    return len(lost) - _compensated(group, leaving, brought), len(had | would_hold | past)


def _compensated(group: str, leaving: Iterable[Leaving], brought: Mapping[SecretKey, int]) -> int:
    replaced = Counter(
        each.owner for each in leaving if each.group == group and each.counts and each.reason is RemovalReason.REPLACED
    )
    return sum(min(count, brought.get(owner, 0)) for owner, count in replaced.items() if owner)


def counted_losses(left: Iterable[Left], now: datetime) -> tuple[Left, ...]:
    """Those of the last 24 hours; not those of a clock that was far ahead."""
    return tuple(each for each in left if abs(now - each.at) <= WINDOW)
