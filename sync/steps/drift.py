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

from sync.catalogue.rows import VaultRow
from sync.catalogue.secret import SecretKey
from sync.catalogue.snapshot import VaultFacts
from sync.desired.reasons import KeptReason
from sync.errors import Changed, TrustcastError
from sync.ports.decisions import Write
from sync.ports.stored import Expect, Stored, as_read
from sync.ports.work import VaultWork
from sync.reconcile.status import KeptFact
from sync.steps.admission import admit
from sync.steps.configuration import adopt_configuration
from sync.steps.enqueue import request_plan
from sync.steps.forgetting import forget_what_is_past
from sync.steps.planning import request_pushes
from sync.steps.questions import ask_about_deletions

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    for host in watched_vaults(runtime):
        lease = _lease(runtime, host)
        if lease is not None:
            _sweep(runtime, host, lease)
    forget_what_is_past(runtime)


def watched_vaults(runtime: Runtime) -> tuple[str, ...]:
    """The vaults that the settings in force name, and that this process can reach."""
    configuration = runtime.in_force(runtime.decisions.snapshot())
    return tuple(vault.host for vault in configuration.vaults if vault.host in runtime.vaults)


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
        if listing is not None:
            _look_through(runtime, host, listing, snapshot, lease)
        runtime.work.set_vault(host, VaultWork(now + runtime.intervals.vault_interval, None), lease.unchanged)
    except Changed:
        log.warning("another worker took over the listing of %s", host)


def _look_through(
    runtime: Runtime, host: str, listing: tuple[ListedSecret, ...], snapshot: Snapshot, lease: Stored[VaultWork]
) -> None:
    """Admit what is due of a complete listing; too many deletions at once are one question first (law 4)."""
    listed = {SecretKey.of(host, item.name) for item in listing}
    on_lists = _owners_on_lists(runtime, host) - snapshot.entries.keys()
    assigned = {key for key, entry in snapshot.entries.items() if key.vault == host and entry.assigned}
    ask_about_deletions(runtime, host, {key.name for key in (assigned | on_lists) - listed}, runtime.clock())
    failed = False
    for key in (*due_for_admission(runtime, snapshot, host, listing), *sorted(on_lists - listed)):
        failed |= not _admit_quietly(runtime, key, on_a_list=key in on_lists)
        if runtime.clock() - (lease.value.leased_until or runtime.clock()) > -LEASE / 2:
            work = replace(lease.value, leased_until=runtime.clock() + LEASE)
            lease = _renewed(runtime, host, work, lease.unchanged)
    if not failed:
        _note_swept(runtime, host)


def _owners_on_lists(runtime: Runtime, host: str) -> set[SecretKey]:
    """The secrets of the vault that files on lists came from and that the catalogue did not know."""
    unknown = KeptReason.NOT_CATALOGUED.value
    kept = [fact for summary in runtime.statuses.summaries().values() for fact in summary.kept]
    whole = (place for place, summary in runtime.statuses.summaries().items() if summary.many)
    for stored in filter(None, map(runtime.statuses.get, whole)):
        kept += [KeptFact(each.file, each.owner, each.version, each.fact) for each in stored.value.kept]
    return {fact.owner for fact in kept if fact.owner and fact.owner.vault == host and fact.fact == unknown}


def _note_swept(runtime: Runtime, host: str) -> None:
    """Note that the vault was gone through as a whole since the tables began (law 1)."""
    known = runtime.decisions.snapshot().vaults.get(host)
    if known is not None and known.swept is not None:
        return
    stored = runtime.decisions.row(VaultRow(host))
    facts = stored.value if stored and isinstance(stored.value, VaultFacts) else VaultFacts()
    after = VaultFacts(runtime.clock(), facts.left, facts.forgotten)
    head = runtime.next_head(runtime.decisions.head().value)
    runtime.decisions.commit([Write(VaultRow(host), after, as_read(stored))], head=head)


def due_for_admission(
    runtime: Runtime, snapshot: Snapshot, host: str, listing: tuple[ListedSecret, ...]
) -> Iterator[SecretKey]:
    """The secrets to look at: changed, missing on either side, in need of a second look, or due to be read again.

    Args:
        runtime: ports and settings.
        snapshot: read before the listing.
        host: the vault's.
        listing: all of it; part of a listing proves nothing.
    """
    now, judged = runtime.clock(), runtime.in_force(snapshot).digest
    listed = {SecretKey.of(host, item.name): item for item in listing}
    for key, item in listed.items():
        entry = snapshot.entries.get(key)
        if (
            entry is None
            or _differs(entry, item)
            or entry.judged != judged
            or entry.needs_second_look
            or entry.waiting
            or entry.reread_due(now)
        ):
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


def _admit_quietly(runtime: Runtime, key: SecretKey, *, on_a_list: bool) -> bool:
    """Admit the secret; False where that failed."""
    admitted: list[SecretKey] = []
    with _quietly(f"{key} could not be looked at; it is tried again"):
        admit(runtime, key, on_a_list=on_a_list)
        admitted.append(key)
    return bool(admitted)


@contextmanager
def _quietly(failed: str) -> Iterator[None]:
    """Log what goes wrong within; of what nobody foresaw its type alone, as its text may quote content (law 9)."""
    try:
        yield
    except TrustcastError as error:
        log.warning("%s: %s", failed, error)
    except Exception as error:  # noqa: BLE001  one secret or vault ends the check of no other (law 8)
        log.error("%s: %s", failed, type(error).__name__)  # noqa: TRY400
