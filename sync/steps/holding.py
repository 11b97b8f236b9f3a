"""Holding removals, for changes of secrets, registrations and the configuration alike (law 4)."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from sync.catalogue.entry import Entry
from sync.catalogue.rows import ApprovalRow, LossesRow, SecretRow
from sync.catalogue.snapshot import Losses
from sync.desired.removals import too_much, too_wide
from sync.desired.revocation import remembering
from sync.errors import Changed
from sync.ports.decisions import Write
from sync.ports.stored import ABSENT, ANYTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sync.catalogue.entry import Held, Revocation
    from sync.catalogue.secret import SecretKey
    from sync.catalogue.snapshot import Approval, Snapshot
    from sync.desired.state import DesiredState
    from sync.steps.runtime import Runtime


CONSENT = timedelta(hours=1)
"""How long an approval counts that was not used: what it was for may end by itself, and come again by mistake."""


def needs_approval(
    runtime: Runtime, after: DesiredState, what: Held, *, now: datetime, scope_change: bool, held: bool
) -> bool:
    """Whether losing these files is more than may happen without a person, or was before: time approves nothing.

    Args:
        runtime: for the limits.
        after: the lists as the change would make them, with approvals and the losses of 24 hours in its snapshot.
        what: the change and what it takes.
        now: UTC.
        scope_change: the change is one of selectors, labels or registrations.
        held: this change waits for a person already.
    """
    approval = after.snapshot.approvals.get(what.digest)
    if approval is not None and not is_past(approval, now):
        return False
    if held and what.losses:
        return True
    history = after.snapshot.losses.values()
    return too_much(what.losses, history, after, now=now, limits=runtime.limits) or (
        scope_change and too_wide(what.losses, after, runtime.limits)
    )


def is_past(approval: Approval, now: datetime) -> bool:
    """Whether the approval has lapsed."""
    return now - approval.at > CONSENT


def removal_rows(runtime: Runtime, snapshot: Snapshot, what: Held) -> tuple[Write, ...]:
    """The rows that go with a removal: its memory for 24 hours, and its approval, which is used once."""
    if not what.losses:
        return ()
    now = runtime.clock()
    name = LossesRow(f"{now:%Y%m%dT%H%M%S}", runtime.token()[:8])
    memory = Write(name, Losses(now, what.losses), ABSENT)
    used = Write(ApprovalRow(what.digest), None, ANYTHING)
    return (memory, used) if what.digest in snapshot.approvals else (memory,)


def revocation_rows(runtime: Runtime, ended: Mapping[SecretKey, tuple[Revocation, ...]]) -> tuple[Write, ...]:
    """The rows of other CRLs that remember what they no longer revoke by themselves once a change is made."""
    return tuple(amended(runtime, key, partial(remembering, ended=revocations)) for key, revocations in ended.items())


def amended(runtime: Runtime, key: SecretKey, change: Callable[[Entry], Entry]) -> Write:
    """The write that changes a secret's row as it is now, on its ETag.

    Raises:
        Changed: the row is gone.
    """
    name = SecretRow(key)
    stored = runtime.decisions.row(name)
    if stored is None or not isinstance(stored.value, Entry):
        raise Changed(f"the row of {key} is gone")
    return Write(name, change(stored.value), stored.unchanged)
