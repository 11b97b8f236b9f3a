"""Registering a cluster as an operator asks: its credential is read, its host and CA are pinned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sync.catalogue.rows import ClusterProposal, ClusterRow
from sync.catalogue.snapshot import Proposal
from sync.desired.removals import hold, losses
from sync.desired.state import DesiredState
from sync.errors import Changed, Invalid, NotFound
from sync.fleet.clusters import Registration, parse_labels, parse_list, parse_registration, pinned
from sync.ports.decisions import Write
from sync.ports.stored import ANYTHING
from sync.steps.holding import needs_approval, removal_rows
from sync.steps.transaction import Writes, transact

if TYPE_CHECKING:
    from collections.abc import Callable

    from sync.catalogue.entry import Held
    from sync.catalogue.snapshot import Snapshot
    from sync.steps.runtime import Runtime


@dataclass(frozen=True, slots=True)
class RegistrationRequest:
    """A registration as asked for; None keeps what is registered, or the default where nothing is.

    Attributes:
        name: the cluster's.
        credential: its secret in the credentials vault; a new cluster needs one.
        labels: `key=value` each; all that it will have.
        lists: `NAME` or `NAME,field=value,…` each; all that it will have, each in full.
        mode: `repair` or `report`; by default `repair`.
        confirm: another host or CA than was pinned before is accepted.
    """

    name: str
    credential: str | None = None
    labels: tuple[str, ...] | None = None
    lists: tuple[str, ...] | None = None
    mode: str | None = None
    confirm: bool = False


def register(runtime: Runtime, request: RegistrationRequest) -> tuple[Registration, Held | None]:
    """Register a cluster or change its registration.

    Returns:
        The registration, and the removal that it would cause and that waits for approval, if it is too large.

    Raises:
        Permanent: the credential is not acceptable, or points elsewhere than pinned and `confirm` is not set.
        Invalid: the registration is not acceptable; the message names every problem.
    """
    before = runtime.decisions.snapshot(fresh=True).clusters.get(request.name)
    credential = before.access.secret if request.credential is None and before else request.credential
    if not credential:
        raise Invalid(f"say which secret holds the kubeconfig of {request.name}: --credential SECRET")
    endpoint = runtime.clusters.endpoint(request.name, credential)

    def asked(snapshot: Snapshot) -> Registration:
        before = snapshot.clusters.get(request.name)
        if request.credential is None and (before is None or before.access.secret != credential):
            raise Changed(f"{request.name} got another credential while this one was read")
        if before is not None and not request.confirm:
            pinned(endpoint, before)
        given = {"name": request.name, **_kept(before), **_asked(request), "access": {"secret": credential}}
        configuration = runtime.in_force(snapshot)
        return parse_registration(given, configuration, host=endpoint.host, ca_sha256=endpoint.ca_sha256)

    return submit(runtime, asked)


def _kept(before: Registration | None) -> dict[str, object]:
    return {field: getattr(before, field) for field in ("labels", "lists", "mode", "paused")} if before else {}


def _asked(request: RegistrationRequest) -> dict[str, object]:
    asked: dict[str, object] = {}
    if request.labels is not None:
        asked["labels"] = parse_labels(",".join(request.labels))
    if request.lists is not None:
        asked["lists"] = [parse_list(each) for each in request.lists if request.lists != ("",)]
    if request.mode is not None:
        asked["mode"] = request.mode
    return asked


def submit(runtime: Runtime, asked: Callable[[Snapshot], Registration]) -> tuple[Registration, Held | None]:
    """Add a cluster or change its registration.

    Args:
        runtime: ports and settings.
        asked: the registration as it is to be, from all that decides; asked again where that changed meanwhile.

    Returns:
        The registration. With None it is in force; otherwise with the removal that it would cause, which waits for
        approval: until then the registration stays as it was.
    """

    def step(snapshot: Snapshot) -> tuple[Writes, tuple[Registration, Held | None]]:
        registration = asked(snapshot)
        writes, held = _registration_writes(runtime, snapshot, registration)
        return writes, (registration, held)

    return transact(runtime, step)


def _registration_writes(
    runtime: Runtime, snapshot: Snapshot, registration: Registration
) -> tuple[Writes, Held | None]:
    row = ClusterRow(registration.name)
    proposed = ClusterProposal(registration.name)
    waiting = snapshot.proposals.get(proposed)
    if snapshot.clusters.get(registration.name) == registration:
        return (), None
    configuration = runtime.in_force(snapshot)
    clusters = {**snapshot.clusters, registration.name: registration}
    after = DesiredState(replace(snapshot, clusters=clusters), configuration)
    lost = losses(DesiredState(snapshot, configuration), after)
    now = runtime.clock()
    before = waiting.held if waiting else None
    waits = hold(str(proposed), f"cluster {registration.name} registered again", lost, now=now, before=before)
    again = waiting is not None and waiting.registration == registration
    if needs_approval(runtime, after, waits, now=now, scope_change=True, held=again):
        return (Write(proposed, Proposal(waits, registration=registration), ANYTHING),), waits
    along = removal_rows(runtime, snapshot, waits)
    used = (Write(proposed, None, ANYTHING),) if waiting else ()
    return (Write(row, registration, ANYTHING), *along, *used), None


def unregister(runtime: Runtime, name: str) -> None:
    """Forget a cluster, and a change of it that waits; its lists stay as they are.

    Raises:
        NotFound: no such cluster is registered.
    """

    def step(snapshot: Snapshot) -> tuple[Writes, None]:
        registered(snapshot, name)
        waiting = ClusterProposal(name)
        dropped = (Write(waiting, None, ANYTHING),) if waiting in snapshot.proposals else ()
        return (Write(ClusterRow(name), None, ANYTHING), *dropped), None

    transact(runtime, step)
    runtime.work.forget_cluster(name)
    runtime.statuses.forget_cluster(name)


def set_paused(runtime: Runtime, name: str, paused: bool) -> None:
    """Pause or resume a cluster.

    Raises:
        NotFound: no such cluster is registered.
    """
    row = ClusterRow(name)

    def step(_: Snapshot) -> tuple[Writes, None]:
        stored = runtime.decisions.row(row)
        if stored is None or not isinstance(stored.value, Registration):
            raise NotFound(_UNKNOWN.format(name))
        if stored.value.paused == paused:
            return (), None
        return (Write(row, replace(stored.value, paused=paused), stored.unchanged),), None

    transact(runtime, step, on_head=False)


_UNKNOWN = "no cluster {} is registered; see `trustcast clusters list`"


def registered(snapshot: Snapshot, name: str) -> Registration:
    """The cluster's registration.

    Raises:
        NotFound: no such cluster is registered.
    """
    registration = snapshot.clusters.get(name)
    if registration is None:
        raise NotFound(_UNKNOWN.format(name))
    return registration
