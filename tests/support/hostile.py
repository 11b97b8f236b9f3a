"""The local stack with hostile neighbours: a vault and clusters that answer with whatever they were sent."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, cast

from starlette.responses import Response

from local.stack import Stack
from local.support.serving import Server
from tests.support.planted import ANSWERS, ELSEWHERE, TOKENS

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from local.clusters import LocalCluster

TRUST = "aio-opc-ua-broker-trust-list"


@dataclass
class Hostile:
    """An API server, or a vault, that answers with what it was sent; `seen` are the identity's tokens."""

    vault_url: str = ""
    seen: set[str] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = b""
        while (message := await receive())["type"] == "http.request":
            sent += message["body"]
            if not message.get("more_body"):
                break
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        token = headers.get("authorization", "")
        await self._answer(scope["path"], token, f"{token} {token[7:]} {sent.decode('latin-1')}")(scope, receive, send)

    def _answer(self, path: str, token: str, echo: str) -> Response:
        behaviour = path.split("/")[1]
        if behaviour in ANSWERS:
            return Response(_status(ANSWERS[behaviour], echo), ANSWERS[behaviour], _headers(token))
        if behaviour == "garbage":
            return Response(echo, 200, media_type="application/json")
        if behaviour == "secret":
            return Response(_secret(echo), 200, media_type="application/json")
        if not token:
            told = f'Bearer authorization="https://login.windows.net/local", resource="{_parent(self.vault_url)}"'
            return Response("{}", 401, {"WWW-Authenticate": told}, "application/json")
        self.seen.add(token[7:])
        return Response(
            json.dumps({"error": {"code": "Forbidden", "message": echo}}), 403, media_type="application/json"
        )


def _parent(url: str) -> str:
    """The resource that the SDK wants named: the vault's host without its first label."""
    return f"https://{url.partition('.')[2]}"


def _headers(token: str) -> dict[str, str]:
    return {"Retry-After": token, "Location": f"https://127.0.0.1:9/{token[7:]}", "X-Echo": token}


def _status(code: int, echo: str) -> str:
    cause = {"field": echo, "message": echo, "reason": echo}
    details = {"name": echo, "kind": "secrets", "causes": [cause]}
    return json.dumps({"kind": "Status", "code": code, "reason": echo, "message": echo, "details": details})


def _secret(echo: str) -> str:
    fields: dict[str, Any] = {"f:data": {"f:hand.key": {}, "f:new\n[red]": {}}}
    managed = [{"manager": "x", "operation": "Update", "fieldsV1": fields}]
    data = {"hand.key": base64.b64encode(ELSEWHERE.key_pem.encode() + echo.encode()).decode(), "new\n[red]": ""}
    metadata = {"uid": "1", "resourceVersion": "1", "name": TRUST, "managedFields": managed}
    return json.dumps({"kind": "Secret", "metadata": metadata, "data": data})


@dataclass(frozen=True)
class Echo:
    """A cluster behind the hostile server."""

    name: str
    server: str
    ca_pem: bytes

    def kubeconfig(self) -> str:
        authority = base64.b64encode(self.ca_pem).decode()
        where = {"server": self.server, "certificate-authority-data": authority}
        config = {
            "clusters": [{"name": "c", "cluster": where}],
            "users": [{"name": "u", "user": {"token": TOKENS[self.name]}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        return json.dumps(config)


class HostileStack(Stack):
    """The local stack, with one more watched vault and clusters, all of one hostile server."""

    def _start(self) -> Self:
        self.hostile = Hostile()
        self._server: Server | None = None
        return super()._start()

    @property
    def server(self) -> Server:
        """Of the vault and the clusters; it starts with the first of them."""
        if self._server is None:
            self._server = self._open.enter_context(Server(self.hostile, authority=self.authority))
            self.hostile.vault_url = self._server.url
        return self._server

    def _cluster(self, cluster: str | LocalCluster) -> LocalCluster:
        if isinstance(cluster, str) and cluster in TOKENS:
            return cast("LocalCluster", Echo(cluster, f"{self.server.url}/{cluster}", self.authority.ca_pem))
        return super()._cluster(cluster)

    def _environment(self, metadata_url: str) -> dict[str, str]:
        vaults = json.dumps([{"url": self.vault.url}, {"url": self.server.url}])
        return super()._environment(metadata_url) | {"TRUSTCAST_VAULTS": vaults}
