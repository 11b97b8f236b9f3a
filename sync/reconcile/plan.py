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
from sync.reconcile.holds import Holdings, Leaving, Left, counted_losses, held_groups
from sync.reconcile.owners import choose_claim, holder_of, whose
from sync.reconcile.ownership import OwnedFile, Owners, encode_owners, room_in_request

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
        taking_up: the list was found without a status, and waits for vaults before it gains anything.
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
    taking_up: bool

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
        gone: names remembered as ours whose file is gone and counts as no loss: this left with an apply whose status
            was not written.
        spent: how many of the files that each owner brings now make up for those.
    """

    changes: dict[str, Change]
    wanted: Mapping[str, WantedFile]
    leaving: Mapping[str, Leaving]
    gone: frozenset[str]
    spent: Mapping[SecretKey, int]


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
        present, leaves = compared.present(name, data)
        if name not in changes or compared.is_out(changes[name], leaves):
            changes[name] = present
        elif not compared.is_taken(changes[name]):
            continue
        if leaves is not None:
            leaving[name] = _leaving(present, leaves, compared)
    return Draft(changes, chosen, leaving, *_uncounted_gone(changes.values(), compared))


def _uncounted_gone(changes: Iterable[Change], compared: Comparison) -> tuple[frozenset[str], Mapping[SecretKey, int]]:
    """Of what is remembered as ours and not there any more, what left revoked, approved, or replaced by as many."""
    context, there = compared.context, compared.observed.data
    gone = {name: file for name, file in compared.memory.files.items() if name not in there}
    new = Counter(file.owner for name, file in compared.ours.files.items() if name not in compared.memory.files)
    brought = _brought(changes)
    spent: Counter[SecretKey] = Counter()
    found = set()
    for name, file in sorted(gone.items()):
        said = context.reason_of(file.owner, file.version, name)
        replaced = isinstance(said, Leaves) and said.reason is RemovalReason.REPLACED
        if (
            context.was_revoked(file)
            or context.removed_by_hand(file)
            or (isinstance(said, Leaves) and context.approved(file.owner, said))
        ):
            found.add(name)
        elif replaced and new[file.owner] > 0:
            new[file.owner] -= 1
            found.add(name)
        elif replaced and file.owner and spent[file.owner] < brought.get(file.owner, 0):
            spent[file.owner] += 1
            found.add(name)
    return frozenset(found), spent


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
        leaves.by_scope(compared.memory.verified),
        leaves.reason is RemovalReason.ORPHANED or context.approved(change.owner, leaves),
        certificate.subject if certificate else "",
        certificate.not_after if certificate else None,
        item.sha256 if item else change.before,
    )


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
        more = {**_not_whole(present, compared), **_held(present, compared)}
        if not more.keys() - staying.keys():
            return present
        staying |= more


def _without_what_leaves_all_the_same(draft: Draft, compared: Comparison) -> Draft:
    """The draft in which files with a reason leave though what would take their places does not fit (law 8)."""
    changes, leaving = dict(draft.changes), dict(draft.leaving)
    while True:
        going = {}
        for name in _over_limit(replace(draft, changes=changes), compared):
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
    staying = {n: len(content) for n, content in data.items() if draft.changes[n].action is not Action.REMOVE}
    growing = (w for n, w in draft.wanted.items() if n in draft.changes and draft.changes[n].action in PUTS)
    return [wanted.name for wanted in over_limit(growing, staying)]


def _not_whole(draft: Draft, compared: Comparison) -> dict[str, Change]:
    """What a newer version replaced stays until all that it gives goes on with the same write (law 3)."""
    kept: dict[str, Change] = {}
    for name, leaving in draft.leaving.items():
        change = draft.changes[name]
        if leaving.reason is RemovalReason.REPLACED and leaving.owner and change.action is Action.REMOVE:
            given = compared.context.desired.in_force[leaving.owner].names
            gives = {n for n, w in draft.wanted.items() if w.key == leaving.owner}
            if any(not _goes_on(draft, n) for n in given if n in gives or _is_claimed(n, leaving.owner, compared)):
                kept[name] = replace(change, action=Action.KEEP, after=change.before, reason=KeptReason.NOT_WHOLE.value)
    return kept


def _goes_on(draft: Draft, name: str) -> bool:
    change = draft.changes.get(name)
    return change is not None and (change.action in PUTS or (change.action is Action.KEEP and change.reason == ""))


def _is_claimed(name: str, owner: SecretKey, compared: Comparison) -> bool:
    """Whether the owner would give a file of this name, if no other had the name; a revoked one is not given."""
    claims = compared.context.desired.claims.get(name, ())
    return any(claim.key == owner and claim.file is not None for claim in claims)


def _held(draft: Draft, compared: Comparison) -> dict[str, Change]:
    """What would leave and is too much of one vault, or of the place, at once."""
    leaving = [each for name, each in draft.leaving.items() if draft.changes[name].action in GOES]
    groups = held_groups(leaving, _makes_up(draft), _holdings(draft, compared), compared.context.limits)
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


def _makes_up(draft: Draft) -> dict[SecretKey, int]:
    """How many new names each owner's version brings for those that leave now."""
    return {owner: count - draft.spent.get(owner, 0) for owner, count in _brought(draft.changes.values()).items()}


def _brought(changes: Iterable[Change]) -> dict[SecretKey, int]:
    """How many new names each owner's version brings."""
    brought: dict[SecretKey, int] = {}
    for change in changes:
        if change.action is Action.ADD and change.owner is not None:
            brought[change.owner] = brought.get(change.owner, 0) + 1
    return brought


def _holdings(draft: Draft, compared: Comparison) -> Holdings:
    before = {name: file for name, file in compared.memory.files.items() if name not in draft.gone}
    remembered = {**before, **compared.ours.edited, **compared.ours.files}
    had = {name: file.owner.vault if file.owner else "" for name, file in remembered.items()}
    would_hold = {
        name: change.owner.vault if change.owner else ""
        for name, change in draft.changes.items()
        if change.action in PUTS | {Action.KEEP, Action.HOLD, Action.UNACCOUNTED}
    }
    return Holdings(had, would_hold, counted_losses(compared.memory.left, compared.context.now))


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
    applies = bool(put) or bool((removed - set(remove_first)) & observed.owned) or annotation != observed.annotation
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
        compared.taking_up,
    )


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
    file = compared.ours.files[name]
    if file.shared and leaving.reason not in CO_OWNED:
        return False
    return name in compared.observed.others or name not in compared.observed.owned


def _reserved(owned: Mapping[str, OwnedFile], compared: Comparison) -> dict[str, SecretKey]:
    """Names that are not on the list and stay their owners': these exist, reach the list and give that name."""
    reserved: dict[str, SecretKey] = {}
    for name, claims in compared.context.desired.claims.items():
        holder = holder_of(name, compared.ours, compared.memory)
        if holder is not None and name not in owned and any(claim.key == holder for claim in claims):
            reserved[name] = holder
    return reserved


def _left(draft: Draft, owned: Mapping[str, OwnedFile], compared: Comparison) -> tuple[Left, ...]:
    """The losses of 24 hours that count: those before that did not come back, and this plan's."""
    now = compared.context.now
    leaving = {name: each for name, each in draft.leaving.items() if draft.changes[name].action in GOES}
    brought = _makes_up(draft)
    found = [each for each in counted_losses(compared.memory.left, now) if each.file not in owned]
    known = {each.file for each in found}
    for name, each in sorted(leaving.items()):
        if each.reason is RemovalReason.REPLACED and each.owner and brought.get(each.owner, 0) > 0:
            brought[each.owner] -= 1
        elif each.counts and name not in known:
            found.append(Left(name, each.group, now))
    missing = compared.memory.files.keys() - compared.observed.data.keys() - owned.keys() - known - draft.gone
    for name in sorted(missing):
        owner = compared.memory.files[name].owner
        found.append(Left(name, owner.vault if owner else "", now))
    return tuple(found)


def writable(observed: Observed, registration: Registration, plan: Plan) -> bool:
    """Whether the plan's writes may be sent at all."""
    repairs = registration.mode is Mode.REPAIR
    return plan.writes and repairs and not observed.sse_managed and not observed.immutable


def after(plan: Plan, memory: ListMemory) -> ListMemory:
    """What is to be remembered once the plan is carried out."""
    return replace(
        memory, known=True, files=plan.owned_after, reserved=plan.reserved, left=plan.left, taking_up=plan.taking_up
    )
