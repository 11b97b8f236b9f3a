"""What people never see again is let go: used and lapsed approvals, old deletions, places and servers that are gone.

Nothing that is dropped here decides anything any more, so the head stays; that a CA revoked is kept for long.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from sync.catalogue.rows import AnswerRow, SecretRow, ServerRow
from sync.certificates.items import Certificate
from sync.errors import Changed
from sync.ports.decisions import Write
from sync.reconcile.holds import WINDOW
from sync.steps.planning import request_pushes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from sync.catalogue.authorities import Authority
    from sync.catalogue.entry import Entry
    from sync.catalogue.rows import RowKey
    from sync.catalogue.snapshot import Answer, Removal, Snapshot
    from sync.ports.decisions import Row
    from sync.reconcile.status import ListStatus
    from sync.steps.runtime import Runtime

log = logging.getLogger("trustcast.drift")

DELETED_FOR = timedelta(days=30)
"""How long the row of a deleted secret stays at least; longer while a file on any list came from it."""

MOST_WRITES = 90
"""In one transaction."""


def forget_what_is_past(runtime: Runtime) -> None:
    """Let go, once an hour, of what decides nothing any more."""
    now = runtime.clock()
    if now.minute:
        return
    snapshot = runtime.decisions.snapshot(fresh=True)
    statuses = runtime.statuses.all()
    request_pushes(runtime, sorted(_due_too_late(runtime, snapshot, statuses, now)), "due too late")
    for status in _abandoned(snapshot, statuses, now):
        runtime.statuses.forget(status.place)
    past = (
        *_answers(snapshot, now),
        *_deleted(snapshot, statuses, now),
        *_servers(snapshot, statuses, now),
        *_authorities(runtime, snapshot, now),
    )
    writes = [write for each in past[:MOST_WRITES] if (write := _write(runtime, each)) is not None]
    try:
        if writes:
            runtime.decisions.commit(writes, head=None)
    except Changed:
        log.debug("another worker forgets the same rows")


def _due_too_late(runtime: Runtime, snapshot: Snapshot, statuses: Iterable[ListStatus], now: datetime) -> set[str]:
    """Clusters whose due time no rhythm gives: a clock was ahead when it was set."""
    latest = now + 2 * max(runtime.intervals.verify_interval, runtime.intervals.offline_most)
    late = {status.cluster for status in statuses if status.due is not None and status.due > latest}
    return late & snapshot.clusters.keys()


@dataclass(frozen=True, slots=True)
class Past:
    """A row that is let go, or what is left of it; only if it still is as it was known (law 7)."""

    row: RowKey
    known: Row
    left: Row | None = None


def _write(runtime: Runtime, past: Past) -> Write | None:
    stored = runtime.decisions.row(past.row)
    return Write(past.row, past.left, stored.unchanged) if stored and stored.value == past.known else None


def _abandoned(snapshot: Snapshot, statuses: Iterable[ListStatus], now: datetime) -> Iterator[ListStatus]:
    """Statuses of clusters that were removed more than a day ago."""
    servers = {registration.server for registration in snapshot.clusters.values()}
    return (status for status in statuses if _is_abandoned(status, servers, now))


def _is_abandoned(status: ListStatus, servers: set[str], now: datetime) -> bool:
    old = status.attempted is None or now - status.attempted > WINDOW
    return old and status.place.rsplit("/", 2)[0] not in servers


def _servers(snapshot: Snapshot, statuses: Iterable[ListStatus], now: datetime) -> Iterator[Past]:
    known = {registration.server for registration in snapshot.clusters.values()}
    known |= {status.place.rsplit("/", 2)[0] for status in statuses if not _is_abandoned(status, known, now)}
    return (Past(ServerRow(name), server) for name, server in snapshot.servers.items() if name not in known)


def _deleted(snapshot: Snapshot, statuses: Iterable[ListStatus], now: datetime) -> Iterator[Past]:
    owners = {file.owner for status in statuses for file in status.files.values()}
    for key, entry in snapshot.entries.items():
        if entry.deleted_at is not None and now - entry.deleted_at > DELETED_FOR and key not in owners:
            yield Past(SecretRow(key), entry)


def _answers(snapshot: Snapshot, now: datetime) -> Iterator[Past]:
    return (Past(AnswerRow(d), a) for d, a in snapshot.answers.items() if is_past(snapshot, a, now))


def is_past(snapshot: Snapshot, answer: Answer, now: datetime) -> bool:
    """Whether nothing that was approved is as it was named any more."""
    if now - answer.at <= (WINDOW if answer.approved else DELETED_FOR):
        return False
    removals = any(_stands(snapshot, removal, now, answer.at) for removal in answer.removals)
    deletions = snapshot.deletions.get(answer.vault)
    return not removals and not (deletions and {*deletions.secrets} & {*answer.deletions})


def _stands(snapshot: Snapshot, removal: Removal, now: datetime, approved: datetime) -> bool:
    if removal.key is None:
        return now - approved <= DELETED_FOR
    entry = snapshot.entries.get(removal.key)
    return entry is not None and removal.since in _facts(entry)


def _facts(entry: Entry) -> set[str]:
    """What an approval of the secret's removal may name as the time or version since when it is so."""
    times = [entry.deleted_at, entry.assigned_at, *(each.updated for each in entry.versions)]
    texts = {f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in times if at is not None}
    return texts | {f"none {text}" for text in texts} | {each.version for each in entry.versions} | {""}


def _authorities(runtime: Runtime, snapshot: Snapshot, now: datetime) -> Iterator[Past]:
    """What CAs revoked is kept until nothing of theirs was in the catalogue for long."""
    for row, authority in snapshot.authorities.items():
        if now - authority.needed <= timedelta(days=1):
            continue
        stored = runtime.decisions.row(row)  # a CRL may have been taken up since the snapshot
        if stored is None or stored.value != authority:
            continue
        if _is_needed(authority, snapshot):
            yield Past(row, authority, msgspec.structs.replace(authority, needed=now))
        elif now - authority.needed > runtime.history:
            yield Past(row, authority)


def _is_needed(authority: Authority, snapshot: Snapshot) -> bool:
    """Whether a CA of that key, or anything of its name, is in the catalogue."""
    items = (s.item for e in snapshot.entries.values() for c in e.candidates for s in c.items)
    certificates = (item for item in items if isinstance(item, Certificate))
    return any(
        c.issuer_name == authority.name or (c.subject_name, c.key_sha256) == (authority.name, authority.key)
        for c in certificates
    )
