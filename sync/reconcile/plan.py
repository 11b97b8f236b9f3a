"""What must change on one list of one cluster: a value that preview, push, drift and dashboard share.

wanted    what the list should hold: under each name what its owner gives, else what the first admitted gives
leaves    ours, not wanted, with a reason of law 4; too much of one vault at once is held
keep      ours, not wanted, and not leaving: stays as observed, and it is said why
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sync.certificates.contents import items_in
from sync.certificates.items import Certificate
from sync.desired.capacity import over_limit
from sync.desired.reasons import KeptReason, Leaves, RemovalReason
from sync.fleet.clusters import Mode
from sync.reconcile.comparison import PUTS, Action, Change, Comparison
from sync.reconcile.holds import SCOPE, Holdings, Leaving, Left, counted_losses, held_groups
from sync.reconcile.owners import choose_claim, whose
from sync.reconcile.ownership import OwnedFile, Owners, encode_owners, parse_owners, room_in_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sync.catalogue.secret import SecretKey
    from sync.desired.claims import WantedFile
    from sync.fleet.clusters import Registration
    from sync.reconcile.context import ListContext
    from sync.reconcile.memory import ListMemory
    from sync.reconcile.observed import Observed

FULL = "the object is full"

CO_OWNED = frozenset({RemovalReason.REVOKED, RemovalReason.DISABLED})
"""For these reasons a key leaves even where another wrote the same bytes before us (law 6)."""


GOES = frozenset({Action.REMOVE, Action.REPLACE})
"""How a file with a reason leaves: for nothing, or for another secret's file of its name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The difference between a list as desired and as observed, with the writes that close it.

    Attributes:
        changes: every file of either side, by name, whether written or not.
        create: the object does not exist and must be created, empty, first.
        remove_first: names to remove by a merge patch, because others own them too. Sent before the apply (crash-safe).
        files: what our apply must name in full; None where no apply is needed.
        annotation: what it names as our annotation: whose each file is.
        owned_after: what is ours once the plan is carried out, by name.
        reserved: names whose owner keeps them while its file is not there.
        held: what would leave and is held.
        left: losses that count for 24 hours, this plan's among them.
        known: the list may gain files (law 1).
    """

    changes: tuple[Change, ...]
    create: bool
    remove_first: tuple[str, ...]
    files: Mapping[str, bytes] | None
    annotation: str
    owned_after: Mapping[str, OwnedFile]
    reserved: Mapping[str, SecretKey]
    held: tuple[Leaving, ...]
    left: tuple[Left, ...]
    known: bool

    @property
    def writes(self) -> bool:
        """Whether carrying it out sends any request that writes (law 5)."""
        return bool(self.remove_first) or self.files is not None

    def named(self, action: Action) -> tuple[str, ...]:
        """The files with this action."""
        return tuple(c.file for c in self.changes if c.action is action)


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan before it is known what must stay all the same.

    Attributes:
        changes: by file name.
        wanted: by file name.
        leaving: what has a reason, by file name.
    """

    changes: dict[str, Change]
    wanted: Mapping[str, WantedFile]
    leaving: Mapping[str, Leaving]


def make_plan(observed: Observed, memory: ListMemory, context: ListContext) -> Plan:
    """Compare one list as observed with what it should hold.

    Args:
        observed: the object as read.
        memory: what is remembered of the list.
        context: the list, and what decides.
    """
    compared = Comparison(observed, memory, whose(observed, memory, context), context)
    draft = _settled(_draft(compared), compared)
    return _plan(draft, compared)


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
        more = _not_whole(present, compared) or _held(present, compared)
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
        if draft.changes[n].action is not Action.REMOVE or _stays_anothers(n, draft.leaving[n], compared)
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


def _held(draft: Draft, compared: Comparison) -> dict[str, Change]:
    """What would leave and is too much of one vault, or of the place, at once."""
    leaving = [each for name, each in draft.leaving.items() if draft.changes[name].action in GOES]
    groups = held_groups(leaving, _makes_up(draft, compared), _holdings(draft, compared), compared.context.limits)
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


def _makes_up(draft: Draft, compared: Comparison) -> dict[SecretKey, int]:
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


def _plan(draft: Draft, compared: Comparison) -> Plan:
    observed, context = compared.observed, compared.context
    removed = {name for name, change in draft.changes.items() if change.action is Action.REMOVE}
    put = {name for name, change in draft.changes.items() if change.action in PUTS}
    owned = _owned_after(draft, compared)
    final = {name: observed.data[name] for name in owned if name in observed.data and name not in put}
    final |= {name: draft.wanted[name].data for name in put}
    remove_first = tuple(sorted(name for name in removed if _co_owned(name, draft.leaving[name], compared)))
    sizes = {n: len(data) for n, data in {**observed.data, **final}.items() if n not in removed}
    room = min(observed.annotation_room, room_in_request(sizes))
    annotation = encode_owners(Owners(context.place, owned), room) if owned else ""
    applies = bool(put) or bool((removed - set(remove_first)) & observed.owned) or _says_other(annotation, observed)
    return Plan(
        tuple(draft.changes[name] for name in sorted(draft.changes)),
        applies and not observed.exists,
        remove_first,
        final if applies else None,
        annotation,
        owned,
        _reserved(owned, compared),
        tuple(draft.leaving[name] for name, change in sorted(draft.changes.items()) if change.action is Action.HOLD),
        _left(draft, owned, compared),
        compared.known,
    )


def _says_other(annotation: str, observed: Observed) -> bool:
    """Whether the annotation must be written by itself; newer versions with equal bytes wait for content (law 5)."""
    if annotation == observed.annotation:
        return False
    return _without_versions(parse_owners(annotation)) != _without_versions(observed.owners)


def _without_versions(owners: Owners) -> Owners:
    return Owners(owners.place, {name: replace(file, version="") for name, file in owners.files.items()})


def _owned_after(draft: Draft, compared: Comparison) -> dict[str, OwnedFile]:
    owned: dict[str, OwnedFile] = {}
    for name, change in draft.changes.items():
        before = compared.ours.files.get(name)
        if change.action in PUTS:
            shared = change.action is Action.ADOPT
            owned[name] = OwnedFile(change.after, change.owner, change.version, shared)
        elif before is not None and change.action is not Action.REMOVE:
            taken_over = change.action is Action.KEEP and change.reason == "" and change.owner is not None
            owned[name] = replace(before, owner=change.owner, version=change.version) if taken_over else before
    return owned


def _co_owned(name: str, leaving: Leaving, compared: Comparison) -> bool:
    """Whether an apply alone would not remove the file: another owns it too, and it leaves all the same."""
    if _stays_anothers(name, leaving, compared):
        return False
    return name in compared.observed.others or name not in compared.observed.owned


def _stays_anothers(name: str, leaving: Leaving, compared: Comparison) -> bool:
    """Whether only our share of the key ends (law 6)."""
    return compared.ours.files[name].shared and leaving.reason not in CO_OWNED


def _reserved(owned: Mapping[str, OwnedFile], compared: Comparison) -> dict[str, SecretKey]:
    """Names that are not on the list and stay their owners'."""
    seen = {**compared.ours.edited, **compared.ours.files}
    holders = {**compared.memory.holders, **{name: file.owner for name, file in seen.items()}}
    return {
        name: holder
        for name, holder in sorted(holders.items())
        if holder is not None and name not in owned and compared.context.keeps_name(holder, name)
    }


def _left(draft: Draft, owned: Mapping[str, OwnedFile], compared: Comparison) -> tuple[Left, ...]:
    """The losses of 24 hours that count: those before that did not come back, what vanished, and this plan's."""
    now = compared.context.now
    leaving = {name: each for name, each in draft.leaving.items() if draft.changes[name].action in GOES}
    brought = _makes_up(draft, compared)
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


def writable(observed: Observed, registration: Registration, plan: Plan) -> bool:
    """Whether the plan's writes may be sent at all."""
    repairs = registration.mode is Mode.REPAIR
    return plan.writes and repairs and not observed.sse_managed and not observed.immutable


def after(plan: Plan, memory: ListMemory) -> ListMemory:
    """What is to be remembered once the plan is carried out."""
    return replace(
        memory,
        known=plan.known,
        files=plan.owned_after,
        reserved=plan.reserved,
        left=plan.left,
        held=plan.held,
    )
