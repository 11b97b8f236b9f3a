"""What a change would take from the lists, and whether it must wait for a person (law 4).

Every transaction that moves the head compares the desired state before and after, per list and cluster. Only files that
would really leave count: those with a reason for removal. A list's losses within 24 hours add up, so that many small
removals are held like one large one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from sync.catalogue.eligibility import files_of
from sync.catalogue.entry import Entry, Held, Loss
from sync.certificates.issuance import may_sign_crls
from sync.certificates.items import Certificate, Kind
from sync.desired.state import RemovalReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sync.catalogue.snapshot import Losses
    from sync.desired.state import DesiredList, DesiredState

WINDOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may leave without approval.

    Attributes:
        share, files: a list may lose up to `share` (0 to 1) of the most that it held in 24 hours, or `files` files,
            whichever is more.
        cluster_share, clusters: one change of selectors, labels or registrations may take files from up to this share
            of the clusters, or this many, whichever is more.
    """

    share: float = 0.25
    files: int = 3
    cluster_share: float = 0.10
    clusters: int = 3


def may_lose(old: Entry | None, new: Entry) -> bool:
    """Whether the change of one secret can take any file from any list; False is certain, True is not.

    A certificate that is added, or that replaces another under the same names, takes nothing. CRLs can revoke, and so
    can a certificate for which a CRL waited; where a CA leaves, what its CRL revoked is remembered.
    """
    if any(stored.kind is Kind.CRL for candidate in new.candidates for stored in candidate.items):
        return True
    changed = old is None or old.candidates != new.candidates
    if changed and any(may_sign_crls(each) for entry in (old, new) if entry for each in _certificates(entry)):
        return True
    if old is None or not old.candidates:
        return False
    if new.deleted or old.assignment != new.assignment or not all(c.enabled for c in new.candidates):
        return True
    had = {name for candidate in old.candidates for name, _ in files_of(old, candidate)}
    return not new.candidates or not had <= {name for name, _ in files_of(new, new.candidates[0])}


def _certificates(entry: Entry) -> Iterator[Certificate]:
    items = (stored.item for candidate in entry.candidates for stored in candidate.items)
    return (item for item in items if isinstance(item, Certificate))


def losses(before: DesiredState, after: DesiredState) -> tuple[Loss, ...]:
    """The files that leave, with a reason, the lists of clusters registered before and after, grouped."""
    groups: dict[tuple[str, tuple[str, ...], int], list[str]] = defaultdict(list)
    for cluster, list_name, old, new in _pairs(before, after):
        lost = tuple(sorted(name for name in old.files if name not in new.files and name in new.to_remove))
        if lost:
            groups[list_name, lost, len(old.files)].append(cluster)
    return tuple(
        Loss(list_name, files, tuple(sorted(clusters)), held)
        for (list_name, files, held), clusters in sorted(groups.items())
    )


def _pairs(before: DesiredState, after: DesiredState) -> Iterator[tuple[str, str, DesiredList, DesiredList]]:
    """Cluster, list, and what it should hold before and after, for the lists that there are at both times."""
    for registration, definition, new in after.every():
        old = before.named(registration.name, definition.name)
        if old is not None:
            yield registration.name, definition.name, old, new


def too_much(
    lost: Iterable[Loss], history: Iterable[Losses], after: DesiredState, *, now: datetime, limits: Limits
) -> bool:
    """Whether a list would lose more than its limit, counting what it lost in 24 hours and did not get back."""
    recent = [loss for losses_ in history if now - losses_.at <= WINDOW for loss in losses_.losses]
    for loss in lost:
        alike: dict[tuple[frozenset[str], int], None] = {}
        for cluster in loss.clusters:
            past = [p for p in recent if p.list == loss.list and cluster in p.clusters]
            names = frozenset(loss.files).union(*(p.files for p in past)) - _has(after, cluster, loss.list)
            alike[names, max((loss.held, *(p.held for p in past)))] = None
        if any(len(names) > limits.files and len(names) > limits.share * most for names, most in alike):
            return True
    return False


def _has(after: DesiredState, cluster: str, list_name: str) -> frozenset[str]:
    desired = after.named(cluster, list_name)
    return frozenset(desired.files) if desired else frozenset()


def too_wide(lost: Iterable[Loss], after: DesiredState, limits: Limits) -> bool:
    """Whether a change of selectors, labels or registrations takes files from too many clusters at once."""
    hit = {cluster for loss in lost for cluster in loss.clusters if _is_elsewhere(after, cluster, loss)}
    return len(hit) > limits.clusters and len(hit) > limits.cluster_share * len(after.snapshot.clusters)


def _is_elsewhere(after: DesiredState, cluster: str, loss: Loss) -> bool:
    """Whether the cluster loses a file because its secret goes elsewhere."""
    desired = after.named(cluster, loss.list)
    return desired is not None and any(desired.to_remove.get(name) is RemovalReason.ELSEWHERE for name in loss.files)


def digest(row: str, lost: tuple[Loss, ...]) -> str:
    """What an approval names: SHA-256 over the changed row's name and exactly the losses shown."""
    return hashlib.sha256(msgspec.json.encode([row, lost])).hexdigest()


def hold(row: str, cause: str, lost: tuple[Loss, ...], *, now: datetime, before: Held | None) -> Held:
    """The removal as held; an unchanged one keeps its time and its rejection by a person."""
    named = digest(row, lost)
    if before is not None and before.digest == named:
        return before
    return Held(named, cause, now, lost)
