"""The status to record after one attempt at one list (pure)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING

import msgspec

from sync.certificates.thumbprints import thumbprints
from sync.errors import Permanent, Temporary, Unauthorized, Unreachable
from sync.reconcile.comparison import WRITES, Action
from sync.reconcile.draft import FULL
from sync.reconcile.status import KeptFile, ListStatus, State
from sync.text import many, printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sync.desired.reasons import Leaves
    from sync.errors import TrustcastError
    from sync.reconcile.holds import Leaving
    from sync.reconcile.intervals import Intervals
    from sync.reconcile.observed import Observed
    from sync.reconcile.ownership import OwnedFile
    from sync.reconcile.plan import Plan

OTHERS_BYTES = 128 * 1024
"""Bytes of JSON in a status for others' keys: about 500 keys, or 1,300 without certificates. A row has room for them
beside the hashes of 1 MiB of our own files, even at 300 bytes each with names of 64 characters."""


@dataclass(frozen=True, slots=True)
class PushResult:
    """What an attempt that reached the cluster found.

    Attributes:
        observed: the object after the writes, if any were sent.
        plan: what still differs after them.
        wrote: whether a write was sent.
        digest, head: of the desired list, and the head that decided it.
        at: when the attempt began.
    """

    observed: Observed
    plan: Plan
    wrote: bool
    digest: str
    head: str
    at: datetime


def status_after(previous: ListStatus, facts: PushResult, intervals: Intervals) -> ListStatus:
    """The status of a list that was reached."""
    state, detail = _state(facts)
    plan = facts.plan
    prints = _thumbprints(facts.observed)
    others = {c.file: c.before for c in plan.changes if c.action is Action.UNMANAGED}
    listed = _listed(others, prints)
    as_it_should_be = state in {State.IN_SYNC, State.REMOVAL_HELD}
    return replace(
        previous,
        state=state,
        detail=detail,
        digest=facts.digest,
        head=facts.head,
        files=dict(plan.owned_after) if not plan.writes else dict(_still_ours(previous, plan)),
        reserved=dict(plan.reserved),
        left=plan.left if not plan.writes else previous.left,
        held=plan.held,
        kept=_kept(plan),
        thumbprints={name: prints[name] for name in prints if name in listed or name not in others},
        unmanaged=listed,
        unlisted=len(others) - len(listed),
        conflicts=_conflicts(plan),
        over_limit=plan.named(Action.WAIT),
        attempted=facts.at,
        verified=facts.at if as_it_should_be else previous.verified,
        changed=facts.at if facts.wrote else previous.changed,
        failures=0,
        due=facts.at + verify_in(previous, intervals),
        known=plan.known,
    )


def _still_ours(previous: ListStatus, plan: Plan) -> dict[str, OwnedFile]:
    """Nothing was written: what was ours and is still there stays ours."""
    there = {c.file for c in plan.changes if c.before}
    return {name: file for name, file in previous.files.items() if name in there}


def _kept(plan: Plan) -> tuple[KeptFile, ...]:
    """What is ours, not wanted, and stays: for want of a reason, or because it is held."""
    held = {each.file: each for each in plan.held}
    stays = (c for c in plan.changes if c.reason and c.action in {Action.KEEP, Action.HOLD, Action.UNACCOUNTED})
    return tuple(KeptFile(c.file, c.owner, c.version, fact_of(held.get(c.file), c.reason), c.reason) for c in stays)


def fact_of(leaves: Leaving | Leaves | None, why: str) -> str:
    """The fact by which a kept file's reason is told from another: the reason and since when, or why it stays."""
    return f"{leaves.reason.name} {leaves.since}" if leaves else why


def _thumbprints(observed: Observed) -> dict[str, tuple[str, ...]]:
    found = {name: thumbprints(data) for name, data in observed.data.items()}
    return {name: prints for name, prints in found.items() if prints}


def _listed(others: Mapping[str, str], prints: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The first of others' keys by name: a cluster may hold more than a row does, and law 8 wants the row."""
    sizes = (len(msgspec.json.encode((name, sha, name, prints.get(name)))) for name, sha in sorted(others.items()))
    fitting = takewhile(lambda size: size <= OTHERS_BYTES, accumulate(sizes))
    return {name: others[name] for name, _ in zip(sorted(others), fitting, strict=False)}


def _state(facts: PushResult) -> tuple[State, str]:
    """The first that applies, the worst first."""
    plan, observed = facts.plan, facts.observed
    if observed.sse_managed:
        return State.SSE_MANAGED, ""
    if observed.immutable and plan.writes:
        return State.BLOCKED, "the Secret is immutable: delete it on the cluster, so that it is created again"
    if plan.writes and facts.wrote:
        return (
            State.BLOCKED,
            "the API server accepted the write but returned something else: check admission webhooks",
        )
    if plan.writes:
        return State.DRIFTED, _counted(plan)
    return _state_of_what_stays(plan)


def _state_of_what_stays(plan: Plan) -> tuple[State, str]:
    """There is nothing to write: what could not go on or off."""
    if full := _waiting(plan, FULL):
        return State.BLOCKED, f"list-too-large: {printable(', '.join(full))} would not fit into 1 MiB"
    if conflicts := _conflicts(plan):
        return State.CONFLICT, printable(", ".join(conflicts))
    if plan.held:
        return State.REMOVAL_HELD, printable(
            f"{many(len(plan.held), 'file')}: {', '.join(each.file for each in plan.held)}"
        )
    if waiting := plan.named(Action.WAIT):
        reason = next(c.reason for c in plan.changes if c.action is Action.WAIT)
        return State.PENDING, printable(f"{', '.join(waiting)}: {reason}")
    return State.IN_SYNC, ""


def _conflicts(plan: Plan) -> tuple[str, ...]:
    """Wanted names with other bytes that another writer holds, or that have no known owner."""
    unaccounted = (c for c in plan.changes if c.action is Action.UNACCOUNTED and c.after != c.before)
    return tuple(sorted((*plan.named(Action.CONFLICT), *(c.file for c in unaccounted))))


def _waiting(plan: Plan, reason: str) -> tuple[str, ...]:
    return tuple(c.file for c in plan.changes if c.action is Action.WAIT and c.reason == reason)


def _counted(plan: Plan) -> str:
    counts = {action: len(plan.named(action)) for action in Action if action in WRITES}
    return ", ".join(f"{n} to {action.value}" for action, n in counts.items() if n)


def failed(previous: ListStatus, error: TrustcastError, now: datetime, intervals: Intervals, head: str) -> ListStatus:
    """The status of a list whose cluster could not be read or written; what is remembered as ours stays.

    It has the head but no digest, so every plan pushes it again unless it is offline and not due.
    """
    failures = previous.failures + 1
    wait = backoff(failures, intervals)
    if isinstance(error, Temporary) and error.retry_after is not None:
        wait = max(wait, min(timedelta(seconds=error.retry_after), intervals.offline_most))
    return replace(
        previous,
        state=_failure(error),
        detail=printable(str(error)),
        head=head,
        digest="",
        attempted=now,
        failures=failures,
        due=now + wait,
    )


def _failure(error: TrustcastError) -> State:
    match error:
        case Unreachable():
            return State.OFFLINE
        case Unauthorized():
            return State.UNAUTHORIZED
        case Permanent():
            return State.BLOCKED
        case _:
            return State.PENDING


def paused(previous: ListStatus, head: str) -> ListStatus:
    """The status of a list on a paused cluster; it is never due."""
    return replace(previous, state=State.PAUSED, detail="", head=head, due=None)


def contended(previous: ListStatus, now: datetime) -> ListStatus:
    """The status of a list that others changed during every try."""
    detail = "others change the object at the same time; it is retried within a minute"
    return replace(previous, state=State.PENDING, detail=detail, attempted=now, due=now)


def backoff(failures: int, intervals: Intervals) -> timedelta:
    """How long to wait after so many failures in a row: doubled each time, at most an hour (law 12)."""
    doubled: timedelta = intervals.offline_first * 2 ** min(failures - 1, 20)
    return min(doubled, intervals.offline_most)


def verify_in(status: ListStatus, intervals: Intervals) -> timedelta:
    """Time until the next verification: in the last fifth of the interval, spread by place."""
    place = hashlib.sha256(status.place.encode()).digest()[0] / 255
    return intervals.verify_interval * (0.8 + 0.2 * place)
