"""A gate before the storage: requests pass, but for the one that a test wants held until it has killed the asker."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Self

import httpx
from starlette.requests import Request
from starlette.responses import Response

from local.support.running import Running
from local.support.serving import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"}


@dataclass(frozen=True)
class Hold:
    """One request that is not answered.

    Attributes:
        method, path: which, as regular expressions; the path is searched.
        forwarded: it is carried out, and only the answer kept back; else it never arrives.
        when: what must be so besides, asked as the request comes.
        reached: set once it has come (and, if forwarded, has been carried out).
    """

    method: str
    path: str
    forwarded: bool
    when: Callable[[], bool] = lambda: True
    reached: Event = field(default_factory=Event)

    def matches(self, request: Request) -> bool:
        named = re.fullmatch(self.method, request.method) and re.search(self.path, request.url.path)
        return named is not None and self.when()


class Gate(Running):
    """Stands before one service of a storage account, inside its `with` block."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._hold: Hold | None = None
        self._server = Server(self)
        self.url = self._server.url

    def hold(self, method: str, path: str, *, forwarded: bool, when: Callable[[], bool] = lambda: True) -> Hold:
        """Hold the next such request for good."""
        self._hold = Hold(method, path, forwarded, when)
        return self._hold

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        hold = self._hold
        if hold is None or not hold.matches(request):
            await (await self._forwarded(request, body))(scope, receive, send)
            return
        self._hold = None
        if hold.forwarded:
            await self._forwarded(request, body)
        hold.reached.set()
        await receive()  # the body was read: what comes is that the asker has gone

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with httpx.AsyncClient(trust_env=False, timeout=30) as self._client:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _forwarded(self, request: Request, body: bytes) -> Response:
        query = request.scope["query_string"].decode()
        path = request.scope["raw_path"].decode()
        answer = await self._client.request(
            request.method,
            f"{self._target}{path}{'?' if query else ''}{query}",
            headers=[(k, v) for k, v in request.headers.raw if k.decode() not in {"connection", "host"}],
            content=body,
        )
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
        return Response(answer.content, answer.status_code, kept)

    def start(self) -> Self:
        self._server.start()
        return self

    def stop(self) -> None:
        self._server.stop()


def through(connection_string: str, gates: dict[str, str]) -> str:
    """The connection string with other endpoints.

    Args:
        connection_string: of Azurite.
        gates: URLs of gates by service (`Queue`, `Table`).
    """
    parts = dict(part.split("=", 1) for part in connection_string.split(";"))
    for service, url in gates.items():
        account = parts[f"{service}Endpoint"].rpartition("/")[2]
        parts[f"{service}Endpoint"] = f"{url}/{account}"
    return ";".join(f"{name}={value}" for name, value in parts.items())


def endpoint(connection_string: str, service: str) -> str:
    """Scheme, host and port of a service."""
    parts = dict(part.split("=", 1) for part in connection_string.split(";"))
    return parts[f"{service}Endpoint"].rpartition("/")[0]
