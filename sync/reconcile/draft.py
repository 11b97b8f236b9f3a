"""What would change on a list, before it is known what must stay all the same; and then what stays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sync.certificates.contents import items_in
from sync.certificates.items import Certificate
from sync.desired.capacity import over_limit
from sync.desired.reasons import KeptReason, Leaves, RemovalReason
from sync.reconcile.comparison import GOES, PUTS, Action, Change, Comparison, Draft
from sync.reconcile.holds import Leaving
from sync.reconcile.losses import held_changes
from sync.reconcile.owners import choose_claim

if TYPE_CHECKING:
    from sync.catalogue.secret import SecretKey

FULL = "the object is full"

CO_OWNED = frozenset({RemovalReason.REVOKED, RemovalReason.DISABLED})
"""For these reasons a key leaves even where another wrote the same bytes before us (law 6)."""


def make_draft(compared: Comparison) -> Draft:
    """What changes: all that is wanted and fits, all that may leave and is not held."""
    return _settled(_draft(compared), compared)


def _draft(compared: Comparison) -> Draft:
    """What would change if all that may leave did, and all that is wanted fitted."""
    context = compared.context
    chosen = {
        name: file
        for name, claims in context.desired.claims.items()
        if (file := choose_claim(name, claims, compared.ours, compared.memory, context)) is not None
    }
    changes: dict[str, Change] = {}
    leaving: dict[str, Leaving] = {}
    for name, file in chosen.items():
        if (change := compared.wanted(file)) is not None:
            changes[name] = change
    for name, data in compared.observed.data.items():
        change = changes.get(name)
        if change is not None and change.reason == "" and not compared.is_taken(change):
            continue
        present, leaves = compared.present(name, data)
        if change is None or compared.is_out(change, leaves):
            changes[name] = present
        elif not compared.is_taken(change):
            continue
        present, leaves = compared.present(name, data)
        if change is None or not compared.is_taken(change):
            changes[name] = present
        if leaves is not None:
            leaving[name] = _leaving(present, leaves, compared)
    return Draft(changes, chosen, leaving)


def _leaving(change: Change, leaves: Leaves, compared: Comparison) -> Leaving:
    context = compared.context
    item = next(iter(items_in(compared.observed.data[change.file])), None)
    certificate = item if isinstance(item, Certificate) else None
    return Leaving(
        change.file,
        change.owner,
        change.version,
        leaves.reason,
        leaves.since,
        _is_scopes(change, leaves, compared),
        leaves.reason is RemovalReason.ORPHANED or context.approved(change.owner, leaves),
        certificate.subject if certificate else "",
        certificate.not_after if certificate else None,
        item.sha256 if item else change.before,
    )


def _is_scopes(change: Change, leaves: Leaves, compared: Comparison) -> bool:
    """Whether labels or settings take the file; what was held counts as it did when it was held, however long ago."""
    named = change.file, leaves.reason, leaves.since
    before = (each.scope for each in compared.memory.held if (each.file, each.reason, each.since) == named)
    return next(before, leaves.by_scope(compared.memory.verified))


def _settled(draft: Draft, compared: Comparison) -> Draft:
    """The draft with what must stay: held, or replaced by files that cannot all go on yet.

    What stays takes room, so that more must wait, and more stay: until nothing more does.
    """
    staying: dict[str, Change] = {}
    draft = _without_what_leaves_all_the_same(draft, compared)
    while True:
        present = replace(draft, changes={**draft.changes, **staying})
        for name in _over_limit(present, compared):
            present.changes[name] = replace(present.changes[name], action=Action.WAIT, reason=FULL)
        more = _not_whole(present, compared) or held_changes(present, compared)
        if not more.keys() - staying.keys():
            return present
        staying |= more


def _without_what_leaves_all_the_same(draft: Draft, compared: Comparison) -> Draft:
    """The draft in which files with a reason leave though what would take their places does not fit (law 8)."""
    changes, leaving = dict(draft.changes), dict(draft.leaving)
    while True:
        going = {}
        for name in _over_limit(replace(draft, changes=changes, leaving=leaving), compared):
            if name in compared.observed.data:
                present, leaves = compared.present(name, compared.observed.data[name])
                if leaves is not None:
                    going[name] = present
                    leaving[name] = _leaving(present, leaves, compared)
        if not going:
            return replace(draft, changes=changes, leaving=leaving)
        changes |= going


def _over_limit(draft: Draft, compared: Comparison) -> list[str]:
    """Names of what does not fit; what leaves makes room first."""
    data = compared.observed.data
    staying = {
        n: len(content)
        for n, content in data.items()
        if draft.changes[n].action is not Action.REMOVE or stays_anothers(n, draft.leaving[n], compared)
    }
    growing = (w for n, w in draft.wanted.items() if n in draft.changes and draft.changes[n].action in PUTS)
    return [wanted.name for wanted in over_limit(growing, staying)]


def _not_whole(draft: Draft, compared: Comparison) -> dict[str, Change]:
    """What a newer version replaced stays until all that it gives goes on with the same write (law 3)."""
    kept: dict[str, Change] = {}
    for name, leaving in draft.leaving.items():
        change = draft.changes[name]
        if leaving.reason is RemovalReason.REPLACED and leaving.owner and change.action in GOES:
            given = compared.context.desired.in_force[leaving.owner].names
            claimed = (n for n in given if _is_claimed(n, leaving.owner, compared))
            if any(not _goes_on(draft, n, leaving.owner) for n in claimed):
                before, why = change.before, KeptReason.NOT_WHOLE.value
                kept[name] = Change(Action.KEEP, name, before, before, why, leaving.owner, leaving.version)
    return kept


def _goes_on(draft: Draft, name: str, owner: SecretKey) -> bool:
    """Whether the list holds the owner's file of this name after the plan, and not what another has there."""
    change, wanted = draft.changes.get(name), draft.wanted.get(name)
    is_there = change is not None and (change.action in PUTS or (change.action is Action.KEEP and not change.reason))
    return is_there and wanted is not None and wanted.key == owner


def _is_claimed(name: str, owner: SecretKey, compared: Comparison) -> bool:
    """Whether the owner would give a file of this name, if no other had the name; a revoked one is not given."""
    claims = compared.context.desired.claims.get(name, ())
    return any(claim.key == owner and claim.file is not None for claim in claims)


def stays_anothers(name: str, leaving: Leaving, compared: Comparison) -> bool:
    """Whether only our share of the key ends (law 6)."""
    return compared.ours.files[name].shared and leaving.reason not in CO_OWNED
