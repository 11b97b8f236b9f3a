"""What must change on one list of one cluster: a value that preview, push, drift and dashboard share.

desired   what the list should hold; of that, what does not fit waits
ours      what status remembers as applied, or what managedFields attribute to our apply
removed   ours, with a reason for removal
kept      ours, not desired, without a reason for removal: stays as observed (law 4)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sync.desired.capacity import over_limit
from sync.fleet.clusters import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sync.desired.state import DesiredList, WantedFile
    from sync.fleet.clusters import Registration
    from sync.reconcile.observed import Observed


class Action(StrEnum):
    """What happens to one file, or why nothing does."""

    ADD = "add"
    REPLACE = "replace"
    RESTORE = "restore"
    ADOPT = "adopt"
    REMOVE = "remove"
    WAIT = "wait"
    CONFLICT = "conflict"
    UNMANAGED = "unmanaged"
    UNACCOUNTED = "unaccounted"
    KEEP = "keep"


WRITES = frozenset({Action.ADD, Action.REPLACE, Action.RESTORE, Action.ADOPT, Action.REMOVE})
"""What closes a difference: a file with one of these is drift until it is written."""


@dataclass(frozen=True, slots=True)
class Change:
    """One file's line of a plan: `before` and `after` are SHA-256 of the bytes, empty where there are none."""

    action: Action
    file: str
    before: str = ""
    after: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The difference between a list as desired and as observed, with the writes that close it.

    Attributes:
        changes: every file of either side, by name, whether written or not.
        create: the object does not exist and must be created, empty, first.
        remove_first: names to remove by a merge patch, because others own them too. Sent before the apply (crash-safe).
        files: what our apply must name in full; None where no apply is needed.
        owned_after: name to SHA-256 of what is ours once the plan is carried out.
    """

    changes: tuple[Change, ...]
    create: bool
    remove_first: tuple[str, ...]
    files: Mapping[str, bytes] | None
    owned_after: Mapping[str, str]

    @property
    def writes(self) -> bool:
        """Whether carrying it out sends any request that writes (law 5)."""
        return bool(self.remove_first) or self.files is not None

    def named(self, action: Action) -> tuple[str, ...]:
        """The files with this action."""
        return tuple(c.file for c in self.changes if c.action is action)


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def make_plan(
    observed: Observed, remembered: Mapping[str, str], desired: DesiredList, accounted: Iterable[str] = ()
) -> Plan:
    """Compare one list as observed with what it should hold.

    Args:
        observed: the object as read.
        remembered: name to SHA-256 of what status remembers as ours.
        desired: what the list should hold, and which names must leave and why.
        accounted: names that some catalogue row knows; ours that are not among them are `unaccounted`.
    """
    ours = set(remembered) | observed.owned
    changes = {name: _wanted(wanted, observed, ours, remembered) for name, wanted in desired.files.items()}
    known = set(accounted)
    for name, data in observed.data.items():
        if name not in changes:
            changes[name] = _present(name, data, ours, desired, known)
    for name in _over_limit(changes, observed, desired):
        changes[name] = Change(Action.WAIT, name, changes[name].before, changes[name].after, "the object is full")
    return _plan(changes, observed, ours, desired)


def _wanted(wanted: WantedFile, observed: Observed, ours: set[str], remembered: Mapping[str, str]) -> Change:
    name = wanted.name
    if name not in observed.data:
        return Change(Action.ADD, name, after=wanted.sha256)
    before = sha256(observed.data[name])
    if before == wanted.sha256:
        return Change(Action.KEEP if name in ours else Action.ADOPT, name, before, wanted.sha256)
    if name not in ours:
        managers = ", ".join(observed.others.get(name, ())) or "another writer"
        return Change(Action.CONFLICT, name, before, wanted.sha256, f"owned by {managers}")
    edited = name in observed.others and before != remembered.get(name)
    return Change(Action.RESTORE if edited else Action.REPLACE, name, before, wanted.sha256)


def _present(name: str, data: bytes, ours: set[str], desired: DesiredList, accounted: set[str]) -> Change:
    before = sha256(data)
    if name not in ours:
        return Change(Action.UNMANAGED, name, before, before)
    if name in desired.to_remove:
        return Change(Action.REMOVE, name, before, reason=desired.to_remove[name].value)
    if name not in accounted:
        return Change(Action.UNACCOUNTED, name, before, before, "no secret in the catalogue accounts for it")
    return Change(Action.KEEP, name, before, before, "no reason for removal")


def _over_limit(changes: Mapping[str, Change], observed: Observed, desired: DesiredList) -> list[str]:
    """Names of what does not fit; what leaves makes room first."""
    staying = {name: len(data) for name, data in observed.data.items() if changes[name].action is not Action.REMOVE}
    growing = (w for n, w in desired.files.items() if changes[n].action in {Action.ADD, Action.REPLACE, Action.RESTORE})
    return [wanted.name for wanted in over_limit(growing, staying)]


def _plan(changes: Mapping[str, Change], observed: Observed, ours: set[str], desired: DesiredList) -> Plan:
    removed = {n for n, c in changes.items() if c.action is Action.REMOVE}
    remove_first = tuple(sorted(n for n in removed if n in observed.others or n not in observed.owned))
    final = {n: data for n, data in observed.data.items() if n in ours and n not in removed}
    final |= {n: desired.files[n].data for n, c in changes.items() if c.action in WRITES - {Action.REMOVE}}
    ours_after = {name: sha256(data) for name, data in final.items()}
    writes = any(c.action in WRITES - {Action.REMOVE} for c in changes.values())
    applies = writes or bool((removed - set(remove_first)) & observed.owned)
    listed = tuple(changes[n] for n in sorted(changes))
    return Plan(
        listed,
        applies and not observed.exists,
        remove_first,
        _applied(final, observed, desired) if applies else None,
        ours_after,
    )


def _applied(final: Mapping[str, bytes], observed: Observed, desired: DesiredList) -> Mapping[str, bytes]:
    """What the apply names: the desired files, and those kept that our apply owns (omitting them would remove them)."""
    return {n: data for n, data in final.items() if n in desired.files or n in observed.owned}


def writable(observed: Observed, registration: Registration, plan: Plan) -> bool:
    """Whether the plan's writes may be sent at all."""
    repairs = registration.mode is Mode.REPAIR
    return plan.writes and repairs and not observed.sse_managed and not observed.immutable
