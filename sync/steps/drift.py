"""Step `check_drift`: every minute, whatever is due: planning that was lost, pushes, the listing of vaults.

Events only say "look" and may never come; this finds by itself what they did not tell: deletions, disabled versions,
edited tags, dropped events, clusters that are back, lists that somebody changed by hand.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from sync.catalogue.rows import ApprovalRow, RowKey
from sync.catalogue.secret import SecretKey
from sync.desired.removals import WINDOW
from sync.errors import Changed, TrustcastError
from sync.ports.decisions import Write
from sync.ports.stored import ANYTHING, Expect, Stored, as_read
from sync.ports.work import VaultWork
from sync.steps.admission import admit
from sync.steps.configuration import adopt_configuration
from sync.steps.enqueue import request_plan
from sync.steps.holding import is_past
from sync.steps.planning import request_pushes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sync.catalogue.entry import Entry
    from sync.catalogue.secret import ListedSecret
    from sync.catalogue.snapshot import Snapshot
    from sync.steps.runtime import Runtime

log = logging.getLogger("trustcast.drift")

LEASE = timedelta(minutes=2)
"""How long a vault's listing belongs to one worker; it is renewed while the worker admits."""


def check_drift(runtime: Runtime) -> None:
    """Do all that is due.

    Raises:
        TrustcastError: the storage failed; the next minute starts over. A vault's failure is logged and does not raise.
    """
    adopt_configuration(runtime)
    _ask_for_what_is_due(runtime)
    for host in runtime.vaults:
        lease = _lease(runtime, host)
        if lease is not None:
            _sweep(runtime, host, lease)
    _forget_what_is_past(runtime)


def _ask_for_what_is_due(runtime: Runtime) -> None:
    head = runtime.decisions.head().value
    if head.token and runtime.work.planned() != head.token:
        request_plan(runtime, head, "not planned yet")
    request_pushes(runtime, runtime.work.due(runtime.clock()), "due")


def _lease(runtime: Runtime, host: str) -> Stored[VaultWork] | None:
    """Take the vault's listing, if it is due and nobody works on it."""
    now = runtime.clock()
    stored = runtime.work.vault(host)
    work = stored.value if stored else VaultWork()
    taken = work.leased_until is not None and timedelta(0) < work.leased_until - now <= LEASE
    due = work.due is None or work.due <= now or work.due > now + 2 * runtime.intervals.vault_interval
    if taken or not due:
        return None
    if stored is None:
        _start_over(runtime)
    leased = VaultWork(now, now + LEASE)
    try:
        return _renewed(runtime, host, leased, as_read(stored))
    except Changed:
        return None


def _start_over(runtime: Runtime) -> None:
    """The table of work is new or was emptied, and with it every cluster's due time: all are planned for."""
    runtime.work.set_planned("")
    head = runtime.decisions.head().value
    if head.token:
        request_plan(runtime, head, "no due times are kept")


def _renewed(runtime: Runtime, host: str, work: VaultWork, expect: Expect) -> Stored[VaultWork]:
    return Stored(work, runtime.work.set_vault(host, work, expect).etag)


def _sweep(runtime: Runtime, host: str, lease: Stored[VaultWork]) -> None:
    """List the vault and admit what the catalogue does not know; one that fails stops no other (law 8)."""
    now = runtime.clock()
    snapshot = runtime.decisions.snapshot(fresh=True)
    listing = None
    with _quietly(f"the listing of {host} failed and proves nothing"):
        listing = runtime.vaults[host].listing()
    try:
        for key in due_for_admission(snapshot, host, listing, now) if listing is not None else ():
            _admit_quietly(runtime, key)
            if runtime.clock() - (lease.value.leased_until or now) > -LEASE / 2:
                lease = _renewed(
                    runtime, host, replace(lease.value, leased_until=runtime.clock() + LEASE), lease.unchanged
                )
        runtime.work.set_vault(host, VaultWork(now + runtime.intervals.vault_interval, None), lease.unchanged)
    except Changed:
        log.warning("another worker took over the listing of %s", host)


def due_for_admission(
    snapshot: Snapshot, host: str, listing: tuple[ListedSecret, ...], now: datetime
) -> Iterator[SecretKey]:
    """The secrets to look at: changed, missing on either side, in need of a second look, or due to be read again.

    Args:
        snapshot: read before the listing.
        host: the vault's.
        listing: all of it; part of a listing proves nothing.
        now: UTC.
    """
    listed = {SecretKey.of(host, item.name): item for item in listing}
    for key, item in listed.items():
        entry = snapshot.entries.get(key)
        if entry is None or _differs(entry, item) or entry.needs_second_look or entry.reread_due(now):
            yield key
    for key, entry in snapshot.entries.items():
        if key.vault == host and key not in listed and not entry.deleted:
            yield key


def _differs(entry: Entry, item: ListedSecret) -> bool:
    newest = entry.newest
    return newest is None or (
        (newest.updated, newest.enabled, newest.content_type, dict(newest.tags), newest.managed)
        != (item.updated, item.enabled, item.content_type, dict(item.tags), item.managed)
    )


def _admit_quietly(runtime: Runtime, key: SecretKey) -> None:
    with _quietly(f"{key} could not be looked at; it is tried again"):
        admit(runtime, key)


@contextmanager
def _quietly(failed: str) -> Iterator[None]:
    """Log what goes wrong within; of what nobody foresaw its type alone, as its text may quote content (law 9)."""
    try:
        yield
    except TrustcastError as error:
        log.warning("%s: %s", failed, error)
    except Exception as error:  # noqa: BLE001  one secret or vault ends the check of no other (law 8)
        log.error("%s: %s", failed, type(error).__name__)  # noqa: TRY400


def _forget_what_is_past(runtime: Runtime) -> None:
    """Losses count for 24 hours, approvals for one; dropping their rows decides nothing, so the head stays."""
    now = runtime.clock()
    if not _past(runtime.decisions.snapshot(), now):
        return
    writes = [Write(name, None, ANYTHING) for name in _past(runtime.decisions.snapshot(fresh=True), now)[:90]]
    try:
        if writes:
            runtime.decisions.commit(writes, head=None)
    except Changed:
        log.debug("another worker forgets the same rows")


def _past(snapshot: Snapshot, now: datetime) -> list[RowKey]:
    losses: list[RowKey] = [name for name, row in snapshot.losses.items() if now - row.at > WINDOW]
    approvals: list[RowKey] = [ApprovalRow(digest) for digest, row in snapshot.approvals.items() if is_past(row, now)]
    return losses + approvals
