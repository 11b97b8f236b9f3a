"""One list of one cluster for tests of plans: all that decides, and its object as hands and other writers left it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sync.catalogue.snapshot import VaultFacts
from sync.desired.state import DesiredState
from sync.reconcile.context import ListContext
from sync.reconcile.holds import Limits
from sync.reconcile.memory import ListMemory
from sync.reconcile.observed import Observed
from sync.reconcile.ownership import OwnedFile, Owners
from sync.reconcile.plan import after, make_plan
from tests.support.catalogues import CONFIGURATION, HOST, TRUST, key, sha256, snapshot, version_name
from tests.support.certs import NOW

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sync.catalogue.entry import Entry
    from sync.fleet.configuration import Configuration
    from sync.fleet.lists import ListDefinition
    from sync.reconcile.plan import Plan
    from tests.support.memory import MemoryCluster

WHERE = (TRUST.namespace, TRUST.object)
PLACE = "plant/" + "/".join(WHERE)
SWEPT = {HOST: VaultFacts(swept=NOW)}


def context_of(
    *entries: Entry,
    definition: ListDefinition | None = TRUST,
    configuration: Configuration = CONFIGURATION,
    now: datetime = NOW,
    limits: Limits | None = None,
    **more: Any,
) -> ListContext:
    """The list on the one cluster that there is, under a snapshot of these secrets, the vault gone through before."""
    found = snapshot(*entries, **{"vaults": SWEPT, **more})
    state = DesiredState(found, configuration)
    return ListContext(state, found.clusters["plant"], definition, PLACE, now, limits or Limits())


def owned(data: bytes, secret: str = "", number: int = 1, *, host: str = HOST, shared: bool = False) -> OwnedFile:
    """A file of ours with these bytes, from this version of the secret; without a secret its owner is not known."""
    owner = key(secret, host) if secret else None
    return OwnedFile(sha256(data), owner, version_name(number) if secret else "", shared)


def remembered(files: Mapping[str, OwnedFile], **more: Any) -> ListMemory:
    """The memory of a list that was pushed before."""
    return ListMemory(known=True, files=files, **more)


def seen(
    ours: Mapping[str, bytes] | None = None,
    theirs: Mapping[str, bytes] | None = None,
    both: Mapping[str, bytes] | None = None,
    edited: Mapping[str, bytes] | None = None,
    owners: Owners | None = None,
) -> Observed:
    """An object with keys of ours, of another's, of both, and of ours that another changed."""
    ours, theirs, both, edited = ours or {}, theirs or {}, both or {}, edited or {}
    others = dict.fromkeys({**theirs, **both, **edited}, ("kubectl-edit",))
    data = {**ours, **theirs, **both, **edited}
    return Observed("uid", "1", data, frozenset({*ours, *both}), others, owners=owners or Owners())


def actions(plan: Plan) -> dict[str, str]:
    """What becomes of each file."""
    return {change.file: change.action.value for change in plan.changes}


def reasons(plan: Plan) -> dict[str, str]:
    """Why, where the action alone does not say it."""
    return {change.file: change.reason for change in plan.changes if change.reason}


def carry_out(target: MemoryCluster, observed: Observed, plan: Plan, *, writes: int = 3) -> Observed:
    """The first few writes of a plan, in the protocol's order; the object as it is afterwards."""
    due = [plan.create, bool(plan.remove_first), plan.files is not None]
    for step in [at for at, is_due in enumerate(due) if is_due][:writes]:
        read = {"uid": observed.uid or "", "resource_version": observed.resource_version or ""}
        match step:
            case 0:
                observed = target.create_empty(*WHERE)
            case 1:
                observed = target.remove_keys(*WHERE, plan.remove_first, **read)
            case _:
                observed = target.apply(*WHERE, plan.files or {}, owners=plan.annotation, **read)
    return observed


def push(target: MemoryCluster, memory: ListMemory, context: ListContext) -> tuple[Plan, ListMemory]:
    """Plan and carry out as a push does, without a crash: the plan of what is left, and what is remembered then."""
    observed = target.observe(*WHERE)
    plan = make_plan(observed, memory, context)
    if plan.writes:
        observed = carry_out(target, observed, plan)
        plan = make_plan(observed, after(plan, memory), context)
    return plan, after(plan, memory)
