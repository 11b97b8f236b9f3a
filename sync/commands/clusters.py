"""Registering a cluster as an operator asks: its credential is read, its host and CA are pinned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sync.catalogue.rows import ClusterRow, ServerRow
from sync.catalogue.snapshot import ApiServer
from sync.errors import Changed, Invalid, NotFound
from sync.fleet.clusters import Registration, parse_labels, parse_list, parse_registration, pinned
from sync.ports.decisions import Write
from sync.ports.stored import ANYTHING
from sync.ports.work import ClusterWork
from sync.steps.enqueue import LOST_MESSAGE, request_push
from sync.steps.transaction import Writes, transact

if TYPE_CHECKING:
    from sync.catalogue.snapshot import Snapshot
    from sync.fleet.configuration import Configuration
    from sync.fleet.kubeconfig import Endpoint
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
        confirm: another host or CA than was pinned before is accepted, and objects that say they are another
            registered place are copies (a restored backup, an image).
    """

    name: str
    credential: str | None = None
    labels: tuple[str, ...] | None = None
    lists: tuple[str, ...] | None = None
    mode: str | None = None
    confirm: bool = False


def register(runtime: Runtime, request: RegistrationRequest) -> Registration:
    """Register a cluster or change its registration; it is pushed at once, whatever it waited for.

    One that was removed and is back within a day is as its statuses say: no plan has reason to push it, and nothing is
    due of it.

    Raises:
        Permanent: the credential is not acceptable, or points elsewhere than pinned and `confirm` is not set.
        Invalid: the registration is not acceptable, or its places are another's; the message names every problem.
    """
    before = runtime.decisions.snapshot(fresh=True).clusters.get(request.name)
    credential = before.access.secret if request.credential is None and before else request.credential
    if not credential:
        raise Invalid(f"say which secret holds the kubeconfig of {request.name}: --credential SECRET")
    endpoint = runtime.clusters.endpoint(request.name, credential)

    def step(snapshot: Snapshot) -> tuple[Writes, tuple[Registration, bool]]:
        before = snapshot.clusters.get(request.name)
        if request.credential is None and (before is None or before.access.secret != credential):
            raise Changed(f"{request.name} got another credential while this one was read")
        if before is not None and not request.confirm:
            pinned(endpoint, before)
        server = _server(runtime, snapshot, before, request.name, endpoint)
        registration = _registration(runtime.in_force(snapshot), request, before, server, credential)
        _refuse_registered_places(snapshot, registration, runtime.in_force(snapshot))
        if before == registration and snapshot.servers.get(server.id) == server:
            return (), (registration, False)
        if before is None:
            _set_due(runtime, request.name)
        row = Write(ClusterRow(request.name), registration, ANYTHING)
        return (row, Write(ServerRow(server.id), server, ANYTHING)), (registration, True)

    registration, changed = transact(runtime, step)
    if changed:
        request_push(runtime, request.name, "registered")
    return registration


def _set_due(runtime: Runtime, name: str) -> None:
    """Let `check_drift` push a new cluster, should this process die before it asks for that.

    Its places may be known and as they should be, so that no plan would ask for a push either.
    """
    runtime.work.set_cluster(name, ClusterWork(None, runtime.clock() + LOST_MESSAGE), ANYTHING)


def _registration(
    configuration: Configuration,
    request: RegistrationRequest,
    before: Registration | None,
    server: ApiServer,
    credential: str,
) -> Registration:
    """What was registered, with what is asked for."""
    given = {"name": request.name, **_kept(before), **_asked(request), "access": {"secret": credential}}
    parsed = parse_registration(given, configuration, host=server.host, ca_sha256=server.ca_sha256)
    separate = request.confirm or (before is not None and before.separate)
    return replace(parsed, server_id=server.id, separate=separate)


def _server(
    runtime: Runtime, snapshot: Snapshot, before: Registration | None, name: str, endpoint: Endpoint
) -> ApiServer:
    """The API server with its id: that of the registration, of the same host and CA registered before, or a new one.

    Raises:
        Invalid: the registration is confirmed to be what another cluster is; one API server has one id.
    """
    pins = (endpoint.host, endpoint.ca_sha256)
    if before is not None:
        same = (each for each in snapshot.clusters.values() if (each.host, each.ca_sha256) == pins)
        other = next((each for each in same if each.server != before.server), None)
        if other is not None:
            raise Invalid(
                f"the credential of {name} points to {endpoint.host}, which is registered already, as cluster "
                f"{other.name}: store another credential, or remove one of the two with `trustcast clusters remove`"
            )
        return ApiServer(before.server, *pins)
    registered_now = (ApiServer(each.server, each.host, each.ca_sha256) for each in snapshot.clusters.values())
    servers = {**{each.id: each for each in registered_now}, **snapshot.servers}
    known = next((each for each in servers.values() if (each.host, each.ca_sha256) == pins), None)
    return known or ApiServer(f"{name}-{runtime.token()[:8]}" if name in servers else name, *pins)


def _refuse_registered_places(snapshot: Snapshot, registration: Registration, configuration: Configuration) -> None:
    """Two registrations of one place would undo each other's work.

    Raises:
        Invalid: another cluster has one of the places.
    """
    own = {(each.namespace, each.object) for each in registration.definitions(configuration)}
    for other in snapshot.clusters.values():
        if other.server != registration.server or other.name == registration.name:
            continue
        theirs = {(each.namespace, each.object) for each in other.definitions(configuration)}
        if shared := sorted(own & theirs):
            objects = ", ".join("/".join(each) for each in shared)
            raise Invalid(
                f"{registration.host} is registered already, as cluster {other.name}, with {objects}: to call it "
                f"{registration.name}, run `trustcast clusters rename {other.name} {registration.name}`; to have both, "
                f"give this one lists with objects of their own (--list)"
            )


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


def rename(runtime: Runtime, old: str, new: str) -> Registration:
    """Give a cluster another name; what is known of its places stays.

    Its credential must name the new cluster in its tag `trustcast-credential`.

    Raises:
        NotFound: no such cluster is registered.
        Invalid: the name is taken, or no cluster's name.
        Permanent: the credential is not for the new name, or points elsewhere than pinned.
    """
    before = registered(runtime.decisions.snapshot(fresh=True), old)
    endpoint = runtime.clusters.endpoint(new, before.access.secret)

    def step(snapshot: Snapshot) -> tuple[Writes, Registration]:
        registration = replace(registered(snapshot, old), name=new, server_id=registered(snapshot, old).server)
        if new in snapshot.clusters:
            raise Invalid(f"there is a cluster {new} already: remove it first, or choose another name")
        pinned(endpoint, registration)
        given = {"name": new, **_kept(registration), "access": {"secret": registration.access.secret}}
        parse_registration(given, runtime.in_force(snapshot), host=endpoint.host, ca_sha256=endpoint.ca_sha256)
        return (Write(ClusterRow(old), None, ANYTHING), Write(ClusterRow(new), registration, ANYTHING)), registration

    renamed = transact(runtime, step)
    runtime.work.forget_cluster(old)
    return renamed


def unregister(runtime: Runtime, name: str) -> None:
    """Forget a cluster; its lists stay as they are, and what is known of its places is kept for a day.

    Raises:
        NotFound: no such cluster is registered.
    """

    def step(snapshot: Snapshot) -> tuple[Writes, None]:
        server = registered(snapshot, name)
        known = ApiServer(server.server, server.host, server.ca_sha256)
        return (Write(ClusterRow(name), None, ANYTHING), Write(ServerRow(known.id), known, ANYTHING)), None

    transact(runtime, step)
    runtime.work.forget_cluster(name)


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
