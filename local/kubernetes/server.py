"""The Kubernetes stand-in: many clusters behind one HTTPS server, each under `/clusters/NAME`.

It speaks the API of Secrets as a kube-apiserver does, and fails on demand. `/_local/clusters` serves people and
demonstrations in other processes; in the same process, use `Fleet` and `Cluster` directly.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from local.kubernetes.admin import admin
from local.kubernetes.cluster import ADMIN, AIO_NAMESPACE, Cluster, Grant, kubeconfig
from local.kubernetes.faults import Kind, break_off, instead, spoiled
from local.kubernetes.status import Refused, bad_request, unknown_path
from local.support.running import Running
from local.support.serving import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from starlette.types import Receive, Scope, Send

    from local.support.tls import Authority

__all__ = ["Fleet", "kubeconfig"]

_CLUSTER = re.compile(r"/clusters/(?P<cluster>[^/]+)(?P<rest>/.*)")
_SECRETS = re.compile(r"/api/v1/namespaces/(?P<namespace>[^/]+)/secrets(?:/(?P<name>[^/]+))?")
_APPLY_PATCH = "application/apply-patch+yaml"
_MERGE_PATCH = "application/merge-patch+json"
_VERBS = {"GET": "get", "POST": "create", "DELETE": "delete"}
_PATCHES = {_APPLY_PATCH: "apply", _MERGE_PATCH: "merge"}
_PLAIN: dict[str, Response] = {
    "/version": JSONResponse({"major": "1", "minor": "34", "gitVersion": "v1.34.4+local"}),
    "/readyz": PlainTextResponse("ok"),
}


class Fleet(Running):
    """Clusters on one port of the loopback, served between `start` and `stop` or inside a `with` block."""

    def __init__(self, authority: Authority, *, port: int = 0) -> None:
        self._authority = authority
        self._clusters: dict[str, Cluster] = {}
        self._server = Server(self, port=port, authority=authority)
        self._admin = admin(self)
        self.url = self._server.url

    def add(self, name: str, *, namespaces: Iterable[str] = (AIO_NAMESPACE,), grant: Grant = ADMIN) -> Cluster:
        """A new, empty cluster whose service token has that grant."""
        server = f"{self.url}/clusters/{name}"
        cluster = Cluster(name, server=server, ca_pem=self._authority.ca_pem, namespaces=namespaces, grant=grant)
        self._clusters[name] = cluster
        return cluster

    def __getitem__(self, name: str) -> Cluster:
        """The cluster of that name; KeyError if unknown."""
        return self._clusters[name]

    def names(self) -> tuple[str, ...]:
        """The names of all clusters."""
        return tuple(self._clusters)

    def start(self) -> Self:
        """Start answering."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop, and free the port."""
        self._server.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The fleet as an ASGI application."""
        path = _CLUSTER.fullmatch(scope.get("path", ""))
        cluster = self._clusters.get(path["cluster"]) if path else None
        if path is None or cluster is None:
            await self._admin(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        fault = cluster.next_fault(request.method)
        _count(cluster, path["rest"], request)
        if fault and fault.kind is Kind.DOWN:
            await break_off(receive, send)
        elif fault and (other := instead(fault)):
            await other(scope, receive, send)
        elif fault:
            await spoiled(fault, _answer(cluster, path["rest"], request, body), scope, receive, send)
        else:
            await _answer(cluster, path["rest"], request, body)(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Call:
    """An authorised request for Secrets; `name` is empty for the collection."""

    cluster: Cluster
    grant: Grant
    namespace: str
    name: str
    query: Mapping[str, str]
    body: dict[str, Any]

    @property
    def manager(self) -> str:
        return self.query.get("fieldManager") or "unknown"


def _answer(cluster: Cluster, path: str, request: Request, body: bytes) -> Response:
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    try:
        if path in _PLAIN:
            cluster.authenticate(token)
            return _PLAIN[path]
        verb, where = _verb(path, request), _SECRETS.fullmatch(path)
        if where is None:
            raise unknown_path()
        namespace, name = where["namespace"], where["name"] or ""
        right = "patch" if verb in {"apply", "merge"} else verb
        grant = cluster.authorize(token, right, namespace, name)
        return _HANDLERS[verb](_Call(cluster, grant, namespace, name, request.query_params, _json(body)))
    except Refused as refused:
        return JSONResponse(refused.status, refused.code)


def _verb(path: str, request: Request) -> str:
    """The verb; for a PATCH, its content type decides, and an unknown one is 415."""
    if request.method == "PATCH":
        kind = request.headers.get("Content-Type", "").partition(";")[0]
        if kind not in _PATCHES:
            raise Refused(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
        return _PATCHES[kind]
    if request.method not in _VERBS:
        raise Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    return "list" if request.method == "GET" and path.endswith("/secrets") else _VERBS[request.method]


def _count(cluster: Cluster, path: str, request: Request) -> None:
    with suppress(Refused):
        cluster.requests[_verb(path, request)] += 1


def _json(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body or b"{}")
    except ValueError as error:
        raise bad_request(f"the object provided is unrecognized: json parse error: {error}") from error
    if not isinstance(content, dict):
        raise bad_request("the object provided is unrecognized (must be of type Secret)")
    return content


def _get(call: _Call) -> Response:
    return JSONResponse(call.cluster.get(call.namespace, call.name).body())


def _list(call: _Call) -> Response:
    items = [secret.body() for secret in call.cluster.list(call.namespace)]
    return JSONResponse({"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": items})


def _create(call: _Call) -> Response:
    return JSONResponse(call.cluster.create(call.namespace, call.body, call.manager).body(), 201)


def _merge(call: _Call) -> Response:
    return JSONResponse(call.cluster.merge(call.namespace, call.name, call.body, call.manager).body())


def _apply(call: _Call) -> Response:
    if not call.query.get("fieldManager"):
        raise Refused(422, "Invalid", "fieldManager: Required value: is required for apply patch")
    force = call.query.get("force") == "true"
    known = call.cluster.has(call.namespace, call.name)
    secret = call.cluster.apply(call.namespace, call.name, call.body, call.manager, force=force, grant=call.grant)
    return JSONResponse(secret.body(), 200 if known else 201)


def _delete(call: _Call) -> Response:
    uid = (call.body.get("preconditions") or {}).get("uid")
    gone = call.cluster.delete(call.namespace, call.name, uid=uid)
    details = {"name": gone.name, "kind": "secrets", "uid": gone.uid}
    return JSONResponse({"kind": "Status", "apiVersion": "v1", "status": "Success", "details": details})


_HANDLERS: dict[str, Callable[[_Call], Response]] = {
    "get": _get,
    "list": _list,
    "create": _create,
    "merge": _merge,
    "apply": _apply,
    "delete": _delete,
}
