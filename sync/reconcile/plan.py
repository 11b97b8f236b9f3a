"""What must change on one list of one cluster: a value that preview, push, drift and dashboard share.

wanted    what the list should hold: under each name what its owner gives, else what the first admitted gives
leaves    ours, not wanted, with a reason of law 4; too much of one vault at once is held
keep      ours, not wanted, and not leaving: stays as observed, and it is said why
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sync.fleet.clusters import Mode
from sync.reconcile.comparison import PUTS, Action, Change, Comparison, Draft
from sync.reconcile.draft import make_draft, stays_anothers
from sync.reconcile.holds import Leaving, Left
from sync.reconcile.losses import losses_after
from sync.reconcile.owners import whose
from sync.reconcile.ownership import OwnedFile, Owners, encode_owners, parse_owners, room_in_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sync.catalogue.secret import SecretKey
    from sync.fleet.clusters import Registration
    from sync.reconcile.context import ListContext
    from sync.reconcile.memory import ListMemory
    from sync.reconcile.observed import Observed


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


def make_plan(observed: Observed, memory: ListMemory, context: ListContext) -> Plan:
    """Compare one list as observed with what it should hold.

    Args:
        observed: the object as read.
        memory: what is remembered of the list.
        context: the list, and what decides.
    """
    compared = Comparison(observed, memory, whose(observed, memory, context), context)
    return _plan(make_draft(compared), compared)


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
        losses_after(draft, owned, compared),
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
    if stays_anothers(name, leaving, compared):
        return False
    return name in compared.observed.others or name not in compared.observed.owned


def _reserved(owned: Mapping[str, OwnedFile], compared: Comparison) -> dict[str, SecretKey]:
    """Names that are not on the list and stay their owners'."""
    seen = {**compared.ours.edited, **compared.ours.files}
    holders = {**compared.memory.holders, **{name: file.owner for name, file in seen.items()}}
    return {
        name: holder
        for name, holder in sorted(holders.items())
        if holder is not None and name not in owned and compared.context.keeps_name(holder, name)
    }


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
