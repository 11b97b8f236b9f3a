"""What a plan would lose of each vault's files, and what is held for it: the accounting of `holds`, by file."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sync.desired.reasons import Leaves, RemovalReason
from sync.reconcile.comparison import GOES, PUTS, Action, Change, Comparison, Draft
from sync.reconcile.holds import SCOPE, Holdings, Left, counted_losses, held_groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sync.catalogue.secret import SecretKey
    from sync.reconcile.ownership import OwnedFile


def held_changes(draft: Draft, compared: Comparison) -> dict[str, Change]:
    """What would leave and is too much of one vault, or of the place, at once."""
    leaving = [each for name, each in draft.leaving.items() if draft.changes[name].action in GOES]
    groups = held_groups(leaving, makes_up(draft, compared), _holdings(draft, compared), compared.context.limits)
    return {
        each.file: Change(
            Action.HOLD,
            each.file,
            draft.changes[each.file].before,
            draft.changes[each.file].before,
            each.reason.value,
            each.owner,
            each.version,
        )
        for each in leaving
        if each.counts and each.group in groups
    }


def makes_up(draft: Draft, compared: Comparison) -> dict[SecretKey, int]:
    """How many new names each owner's version brings for those that leave now."""
    _, spent = _vanished(draft, compared)
    return {owner: count - spent[owner] for owner, count in _brought(draft.changes.values()).items()}


def _brought(changes: Iterable[Change]) -> dict[SecretKey, int]:
    """How many new names each owner's version brings."""
    brought: dict[SecretKey, int] = {}
    for change in changes:
        if change.action is Action.ADD and change.owner is not None:
            brought[change.owner] = brought.get(change.owner, 0) + 1
    return brought


def _holdings(draft: Draft, compared: Comparison) -> Holdings:
    had = {name: _vault_of(file.owner) for name, file in compared.ours.files.items()}
    stays = {Action.KEEP, Action.HOLD, Action.UNACCOUNTED, Action.WAIT}
    would_hold = {name: had[name] for name, change in draft.changes.items() if change.action in stays and name in had}
    would_hold |= {name: _vault_of(change.owner) for name, change in draft.changes.items() if change.action in PUTS}
    before = counted_losses(compared.memory.left, compared.context.now)
    return Holdings(had, would_hold, (*before, *_vanished(draft, compared)[0]))


def _vault_of(owner: SecretKey | None) -> str:
    return owner.vault if owner else ""


def _vanished(draft: Draft, compared: Comparison) -> tuple[tuple[Left, ...], Counter[SecretKey | None]]:
    """The losses that count of what was remembered and is not there: by a hand, or a push that wrote no status.

    Also how many new names of this plan make up for those among them that a newer version replaced.
    """
    ours, context = compared.ours.files, compared.context
    puts = {name for name, change in draft.changes.items() if change.action in PUTS}
    brought = Counter(file.owner for name, file in ours.items() if name not in compared.memory.files)
    to_come = _brought(draft.changes.values())
    spent: Counter[SecretKey | None] = Counter()
    found: list[Left] = []
    for name, file in sorted(compared.memory.files.items()):
        if name in ours or name in puts or context.gave_revoked(file, name) or context.removed_by_hand(file):
            continue
        said = context.reason_of(file.owner, file.version, name)
        if isinstance(said, Leaves) and context.approved(file.owner, said):
            continue
        if isinstance(said, Leaves) and said.reason is RemovalReason.REPLACED and file.owner:
            if brought[file.owner] > 0:
                brought[file.owner] -= 1
                continue
            if spent[file.owner] < to_come.get(file.owner, 0):
                spent[file.owner] += 1
                continue
        by_scope = isinstance(said, Leaves) and said.by_scope(compared.memory.verified)
        found.append(Left(name, SCOPE if by_scope else _vault_of(file.owner), context.now))
    return tuple(found), spent


def losses_after(draft: Draft, owned: Mapping[str, OwnedFile], compared: Comparison) -> tuple[Left, ...]:
    """The losses of 24 hours that count: those before that did not come back, what vanished, and this plan's."""
    now = compared.context.now
    leaving = {name: each for name, each in draft.leaving.items() if draft.changes[name].action in GOES}
    brought = makes_up(draft, compared)
    before = [each for each in counted_losses(compared.memory.left, now) if not _came_back(each, owned)]
    known = {(each.file, each.group) for each in before}
    found = [*before, *(each for each in _vanished(draft, compared)[0] if (each.file, each.group) not in known)]
    for name, each in sorted(leaving.items()):
        if each.reason is RemovalReason.REPLACED and each.owner and brought.get(each.owner, 0) > 0:
            brought[each.owner] -= 1
        elif each.counts and (name, each.group) not in known:
            found.append(Left(name, each.group, now))
    return tuple(found)


def _came_back(left: Left, owned: Mapping[str, OwnedFile]) -> bool:
    """Whether the place has the file again: of the same vault, where a vault lost it."""
    file = owned.get(left.file)
    return file is not None and left.group in {SCOPE, _vault_of(file.owner)}
