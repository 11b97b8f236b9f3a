"""A stand-in for Azure Key Vault: the REST of its secrets over HTTPS, for the unmodified `SecretClient`.

Followed: the REST reference of Key Vault secrets on Microsoft Learn. In addition, `/_local/…` lets another
process add faults, read counts and create the secret behind a Key Vault certificate, without a token.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.eventgrid.events import SecretEvent
from local.identity import TENANT
from local.keyvault import answers, requests
from local.keyvault.faults import Fault, Faults
from local.keyvault.pages import Cursor, page_of
from local.keyvault.secrets import Properties, Refused, Secrets, Version
from local.support.running import Running
from local.support.serving import Server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from local.identity import Identity
    from local.keyvault.faults import Kind
    from local.support.tls import Authority

    Handler = Callable[[Request], Awaitable[Response]]

T = TypeVar("T")
_LOGIN = f"https://login.microsoftonline.com/{TENANT}"


class Vault(Running):
    """One vault on a port of its own, inside its `with` block.

    Attributes:
        name: as in events (`VaultName`).
        url: `https://127.0.0.1:PORT`.
        secrets: its content; changing it in-process raises events as a request does.
        faults: faults on demand, and request counts.

    Args:
        authority: signs its server's certificate.
        identity: whose tokens it accepts.
        raised: called with every event, to deliver it.
        seed: determines version identifiers, the order of listings and which pages are empty.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        name: str,
        *,
        authority: Authority,
        identity: Identity,
        port: int = 0,
        raised: Callable[[SecretEvent], None] = lambda _: None,
        seed: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.faults = Faults()
        self._identity = identity
        self._raised = raised
        self._seed = f"{seed}/{name}"
        self.secrets = Secrets(clock=clock, seed=self._seed, raised=self._raise_new_version)
        self._server = Server(
            Starlette(routes=self._routes(), exception_handlers=_REFUSALS), port=port, authority=authority
        )
        self.url = self._server.url

    def start(self) -> Self:
        """Start answering."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop answering; the port is free afterwards."""
        self._server.stop()

    def set(
        self,
        name: str,
        value: str,
        *,
        content_type: str | None = None,
        tags: dict[str, str] | None = None,
        enabled: bool = True,
    ) -> str:
        """Add a version without a request; returns its identifier."""
        return self.secrets.set(name, value, Properties(content_type, tags, enabled)).id

    def update(
        self, name: str, version: str = "", *, tags: dict[str, str] | None = None, enabled: bool | None = None
    ) -> None:
        """Change the properties of a version, by default the newest, without a request."""
        self.secrets.update(name, version, Properties(tags=tags, enabled=enabled))

    def add_certificate(self, name: str, value: str) -> str:
        """Create the managed secret, with a key, that backs a Key Vault *certificate* of that name."""
        key = f"{self.url}/keys/{name}/{'0' * 31}1"
        properties = Properties(content_type="application/x-pem-file")
        return self.secrets.set(name, value, properties, key_id=key).id

    def raise_event(self, kind: str, name: str) -> None:
        """Raise `SecretNearExpiry` or `SecretExpired` for the newest version, as time does in Azure."""
        self._raised(self._event(kind, self.secrets.get(name)))

    def _raise_new_version(self, version: Version) -> None:
        self._raised(self._event("SecretNewVersionCreated", version))

    def _event(self, kind: str, version: Version) -> SecretEvent:
        return SecretEvent(kind, self.name, self.url, version.name, version.id, version.not_before, version.expires)

    def _routes(self) -> list[Route]:
        guarded: list[tuple[str, str, Kind, Handler]] = [
            ("GET", "/secrets", "listing", self._list),
            ("GET", "/secrets/{name}/versions", "versions", self._versions),
            ("PUT", "/secrets/{name}", "set", self._set),
            ("DELETE", "/secrets/{name}", "delete", self._delete),
            ("GET", "/secrets/{name}", "value", self._get),
            ("GET", "/secrets/{name}/{version:path}", "value", self._get),
            ("PATCH", "/secrets/{name}", "update", self._update),
            ("PATCH", "/secrets/{name}/{version:path}", "update", self._update),
            ("GET", "/deletedsecrets", "deleted", self._list_deleted),
            ("GET", "/deletedsecrets/{name}", "deleted", self._get_deleted),
            ("DELETE", "/deletedsecrets/{name}", "purge", self._purge),
            ("POST", "/deletedsecrets/{name}/recover", "recover", self._recover),
        ]
        return [
            *(Route(path, self._guard(kind, handler), methods=[verb]) for verb, path, kind, handler in guarded),
            Route("/_local/faults", self._add_fault, methods=["POST"]),
            Route("/_local/faults", self._clear_faults, methods=["DELETE"]),
            Route("/_local/counts", self._counts, methods=["GET"]),
            Route("/_local/certificates", self._add_certificate, methods=["POST"]),
        ]

    def _guard(self, kind: Kind, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            return self._challenge(request) or await self._admit(kind, request) or await handler(request)

        return guarded

    def _challenge(self, request: Request) -> Response | None:
        """The 401 for a request without a token that this vault accepts."""
        resource, token = requests.resource_of(request), requests.bearer_token(request)
        if self._identity.accepts(token, resource):
            return None
        reason = "AKV10032: Invalid audience." if token else "AKV10000: Request is missing a Bearer token."
        answer = answers.error(Refused(401, "Unauthorized", reason))
        answer.headers["WWW-Authenticate"] = f'Bearer authorization="{_LOGIN}", resource="{resource}"'
        return answer

    async def _admit(self, kind: Kind, request: Request) -> Response | None:
        """Count the request; returns the answer of a fault that strikes it."""
        requests.need_api_version(request)
        page = Cursor.parse(request.query_params.get("$skiptoken")).page
        fault = self.faults.meet(kind, request.path_params.get("name", ""), page)
        return await _suffer(fault) if fault else None

    async def _list(self, request: Request) -> Response:
        newest = self.secrets.newest()
        return self._page(request, newest, lambda v: v.name, partial(answers.item, self.url, versioned=False))

    async def _versions(self, request: Request) -> Response:
        versions = self.secrets.versions(request.path_params["name"])
        return self._page(request, versions, lambda v: v.id, partial(answers.item, self.url))

    async def _list_deleted(self, request: Request) -> Response:
        deleted = self.secrets.all_deleted()
        return self._page(request, deleted, lambda d: d.versions[-1].name, partial(answers.deleted_item, self.url))

    def _page(
        self,
        request: Request,
        items: tuple[T, ...],
        identity: Callable[[T], str],
        shown: Callable[[T], dict[str, Any]],
    ) -> Response:
        size = requests.page_size(request)
        cursor = Cursor.parse(request.query_params.get("$skiptoken"))
        page = page_of(items, cursor, identity=identity, seed=self._seed, size=size)
        return answers.page(f"{self.url}{request.url.path}", map(shown, page.items), page.following, size)

    async def _set(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body(), type=requests.SetBody)
        added = self.secrets.set(_name(request), body.value, body.properties())
        return JSONResponse(answers.bundle(self.url, added))

    async def _get(self, request: Request) -> Response:
        found = self.secrets.read(_name(request), _version(request))
        return JSONResponse(answers.bundle(self.url, found))

    async def _update(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body(), type=requests.UpdateBody)
        updated = self.secrets.update(_name(request), _version(request), body.properties())
        return JSONResponse(answers.item(self.url, updated))

    async def _delete(self, request: Request) -> Response:
        return JSONResponse(answers.deleted_item(self.url, self.secrets.delete(_name(request))))

    async def _get_deleted(self, request: Request) -> Response:
        return JSONResponse(answers.deleted_item(self.url, self.secrets.deleted(_name(request))))

    async def _recover(self, request: Request) -> Response:
        return JSONResponse(answers.item(self.url, self.secrets.recover(_name(request))))

    async def _purge(self, request: Request) -> Response:
        self.secrets.purge(_name(request))
        return Response(status_code=204)

    async def _add_fault(self, request: Request) -> Response:
        self.faults.add(msgspec.json.decode(await request.body(), type=Fault))
        return Response(status_code=204)

    async def _clear_faults(self, _: Request) -> Response:
        self.faults.clear()
        return Response(status_code=204)

    async def _counts(self, _: Request) -> Response:
        return JSONResponse(self.faults.counts())

    async def _add_certificate(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body(), type=requests.CertificateBody)
        return JSONResponse({"version": self.add_certificate(body.name, body.value)})


async def _suffer(fault: Fault) -> Response | None:
    await asyncio.sleep(fault.latency)
    if fault.status is None:
        return None
    if fault.body is not None:
        return Response(fault.body, fault.status, fault.headers, media_type="application/json")
    answer = answers.error(Refused(fault.status, fault.code, "This fault was planted."))
    answer.headers.update(fault.headers)
    return answer


def _name(request: Request) -> str:
    return str(request.path_params["name"])


def _version(request: Request) -> str:
    return str(request.path_params.get("version", ""))


async def _refuse(_: Request, error: Exception) -> Response:
    if isinstance(error, Refused):
        return answers.error(error)
    return answers.error(Refused(400, "BadParameter", str(error)))


_REFUSALS = {Refused: _refuse, msgspec.DecodeError: _refuse}
