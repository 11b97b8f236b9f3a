"""One question, not five thousand: what would take too much at once waits as a whole for a person (law 4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sync.catalogue.entry import WaitingAssignment
from sync.catalogue.questions import assignment_digest
from sync.catalogue.rows import DeletionsRow
from sync.catalogue.secret import SecretKey
from sync.catalogue.snapshot import Deletions
from sync.desired.reach import losing
from sync.ports.decisions import Write
from sync.ports.stored import as_read
from sync.reconcile.holds import WINDOW

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sync.catalogue.entry import Entry
    from sync.catalogue.snapshot import Snapshot
    from sync.fleet.configuration import Configuration
    from sync.steps.runtime import Runtime


def may_count_as_deleted(runtime: Runtime, key: SecretKey) -> datetime | None:
    """Since when the secret, which its vault no longer has, counts as deleted; None while that waits for a person."""
    snapshot = runtime.decisions.snapshot()
    waiting = snapshot.deletions.get(key.vault)
    if waiting is None or key.name not in waiting.secrets:
        return runtime.clock()
    return waiting.since if snapshot.approves_deletion(key, waiting.since) else None


def ask_about_deletions(runtime: Runtime, host: str, missing: Collection[str], now: datetime) -> None:
    """Let deletions that a vault's listing misses wait as a whole, if they are too many within 24 hours.

    Args:
        runtime: ports and settings.
        host: the vault's.
        missing: names of assigned secrets that a complete listing lacks.
        now: when it was listed (UTC).

    Raises:
        Changed: another worker changed the question meanwhile.
    """
    snapshot = runtime.decisions.snapshot()
    stored = runtime.decisions.row(DeletionsRow(host))
    before = stored.value if stored and isinstance(stored.value, Deletions) else None
    wanted = _question(runtime, snapshot, host, missing, before, now)
    if wanted != before:
        head = runtime.next_head(runtime.decisions.head().value)
        runtime.decisions.commit([Write(DeletionsRow(host), wanted, as_read(stored))], head=head)


def _question(
    runtime: Runtime, snapshot: Snapshot, host: str, missing: Collection[str], before: Deletions | None, now: datetime
) -> Deletions | None:
    """The question as it stands now; None where there is none."""
    entries = [e for e in snapshot.entries.values() if e.key.vault == host]
    were_assigned = [e for e in entries if e.assignment.lists or e.assignment.default]
    deleted = [(e.key, e.deleted_at) for e in were_assigned if e.deleted_at and abs(now - e.deleted_at) <= WINDOW]
    recent = [key for key, at in deleted if not snapshot.approves_deletion(key, at)]
    assigned = [e for e in were_assigned if not e.deleted]
    names = tuple(sorted({*missing}))
    waits = before if before is not None and {*before.secrets} & {*names} else None
    approved = [n for n in names if waits is not None and snapshot.approves_deletion(SecretKey(host, n), waits.since)]
    if waits is not None and len(approved) == len(names):
        return before
    if names and (approved or runtime.limits.too_many(len(names) + len(recent), len(assigned) + len(recent))):
        since = waits.since if waits is not None else now
        return before if before == Deletions(since, names) else Deletions(since, names)
    return None


def with_wide_change_waiting(runtime: Runtime, configuration: Configuration, old: Entry, new: Entry) -> Entry:
    """The entry with its old assignment, where the new one would take it from too many clusters at once.

    `none` waits no more than a deletion does; the secret's new version goes on under the old assignment.
    """
    if not new.assignment.lists or not old.assignment.lists or old.deleted:
        return replace(new, waiting=None)
    snapshot = runtime.decisions.snapshot()
    lost = losing(snapshot, new.key, old.assignment, new.assignment, configuration)
    if not runtime.limits.too_wide(len(lost), len(snapshot.clusters)):
        return replace(new, waiting=None)
    before = old.waiting if old.waiting and old.waiting.assignment == new.assignment else None
    waiting = before or WaitingAssignment(new.assignment, new.looked, lost)
    if waiting.clusters != lost:
        waiting = WaitingAssignment(new.assignment, waiting.since, lost)
    if snapshot.approved(assignment_digest(new.key, waiting)):
        return replace(new, waiting=None, assigned_at=waiting.since)
    return replace(new, assignment=old.assignment, assigned_at=old.assigned_at, waiting=waiting)
