"""Administration of stand-in clusters by other processes: `/_local/clusters`, without a token."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from local.kubernetes.cluster import Cluster, kubeconfig
from local.kubernetes.faults import Fault

if TYPE_CHECKING:
    from starlette.requests import Request


class Clusters(Protocol):
    """Clusters by name."""

    def add(self, name: str) -> Cluster:
        """A new cluster."""
        ...

    def __getitem__(self, name: str) -> Cluster: ...

    def names(self) -> tuple[str, ...]:
        """All names."""
        ...


def admin(clusters: Clusters) -> Starlette:
    """The application; bodies and answers are JSON, file contents in base64.

    GET `/_local/clusters`: names. Below it, `/NAME`: PUT creates the cluster, GET returns its request counts,
    GET `kubeconfig`, POST `rotate` (the token), PUT and DELETE `fault`, and on `secrets/NAMESPACE/NAME` GET (its
    files), PATCH (a hand edit: file name to content, null removes), POST `sse` below it (give it to the Secret
    Store extension), DELETE.
    """
    on = _Endpoints(clusters)
    one = "/_local/clusters/{cluster}"
    secret = one + "/secrets/{namespace}/{name}"
    return Starlette(
        routes=[
            Route("/_local/clusters", on.names),
            Route(one, on.add, methods=["PUT"]),
            Route(one, on.counts),
            Route(one + "/kubeconfig", on.kubeconfig),
            Route(one + "/rotate", on.rotate, methods=["POST"]),
            Route(one + "/fault", on.fault, methods=["PUT", "DELETE"]),
            Route(secret, on.secret, methods=["GET", "PATCH", "DELETE"]),
            Route(secret + "/sse", on.sse, methods=["POST"]),
        ]
    )


class _Endpoints:
    def __init__(self, clusters: Clusters) -> None:
        self._clusters = clusters

    async def names(self, _request: Request) -> Response:
        return JSONResponse(self._clusters.names())

    async def add(self, request: Request) -> Response:
        self._clusters.add(request.path_params["cluster"])
        return Response(status_code=201)

    async def counts(self, request: Request) -> Response:
        return JSONResponse(self._cluster(request).requests)

    async def kubeconfig(self, request: Request) -> Response:
        return PlainTextResponse(kubeconfig(self._cluster(request)))

    async def rotate(self, request: Request) -> Response:
        self._cluster(request).rotate()
        return Response(status_code=204)

    async def fault(self, request: Request) -> Response:
        given = Fault.from_json(await request.json()) if request.method == "PUT" else None
        self._cluster(request).set_fault(given)
        return Response(status_code=204)

    async def secret(self, request: Request) -> Response:
        cluster, where = self._cluster(request), _secret(request)
        if request.method == "DELETE":
            cluster.delete(*where)
        elif request.method == "PATCH":
            given: dict[str, str | None] = await request.json()
            cluster.edit(*where, {name: None if text is None else b64decode(text) for name, text in given.items()})
        return JSONResponse({name: b64encode(content).decode() for name, content in cluster.files(*where).items()})

    async def sse(self, request: Request) -> Response:
        self._cluster(request).make_sse_owned(*_secret(request))
        return Response(status_code=204)

    def _cluster(self, request: Request) -> Cluster:
        try:
            return self._clusters[request.path_params["cluster"]]
        except KeyError as error:
            raise HTTPException(404, "no such cluster") from error


def _secret(request: Request) -> tuple[str, str]:
    return request.path_params["namespace"], request.path_params["name"]
