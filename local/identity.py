"""The managed identity endpoint of Azure App Service, and the tokens that the stand-in vaults accept.

`azure.identity.DefaultAzureCredential` finds it through `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`; see "REST
endpoint reference" of "How to use managed identities for App Service" on Microsoft Learn.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

TENANT = "00000000-0000-0000-0000-00000000aaaa"
APPLICATION = "00000000-0000-0000-0000-00000000bbbb"
PRINCIPAL = "00000000-0000-0000-0000-00000000cccc"
_API_VERSION = "2019-08-01"
_LIFETIME_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Identity:
    """One managed identity: issues tokens and recognises them.

    Attributes:
        header: the secret that callers of the endpoint must send.
        clock: seconds since 1970.
    """

    header: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    clock: Callable[[], float] = time.time
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def issue(self, resource: str) -> tuple[str, int]:
        """A token for that resource, and when it expires (seconds since 1970)."""
        expires = int(self.clock()) + _LIFETIME_SECONDS
        claims = {
            "aud": resource,
            "iss": f"https://sts.windows.net/{TENANT}/",
            "tid": TENANT,
            "oid": PRINCIPAL,
            "appid": APPLICATION,
            "exp": expires,
        }
        unsigned = f"{_encode({'typ': 'JWT', 'alg': 'HS256'})}.{_encode(claims)}"
        return f"{unsigned}.{self._signature(unsigned)}", expires

    def accepts(self, token: str, resource: str) -> bool:
        """Whether we issued the token for that resource, and it has not expired."""
        unsigned, _, signature = token.rpartition(".")
        if not unsigned or not hmac.compare_digest(signature.encode(), self._signature(unsigned).encode()):
            return False
        claims = _decode(unsigned.partition(".")[2])
        return bool(claims["aud"] == resource and claims["exp"] > self.clock())

    def app(self) -> Starlette:
        """The endpoint, at any path; plain HTTP, like the real one on the app's loopback."""
        return Starlette(routes=[Route("/{path:path}", self._answer)])

    def environment(self, url: str) -> dict[str, str]:
        """The variables that Azure sets for an app with a managed identity; `url` serves the endpoint."""
        return {"IDENTITY_ENDPOINT": f"{url}/msi/token", "IDENTITY_HEADER": self.header}

    async def _answer(self, request: Request) -> JSONResponse:
        query = request.query_params
        if not hmac.compare_digest(request.headers.get("x-identity-header", "").encode(), self.header.encode()):
            return _refusal(401, "The X-IDENTITY-HEADER is missing or wrong.")
        if query.get("api-version") != _API_VERSION or not query.get("resource"):
            return _refusal(400, f"A resource and api-version={_API_VERSION} are required.")
        resource = query["resource"]
        token, expires = self.issue(resource)
        return JSONResponse(
            {
                "access_token": token,
                "expires_on": str(expires),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": APPLICATION,
            }
        )

    def _signature(self, unsigned: str) -> str:
        return _base64url(hmac.digest(self._key, unsigned.encode(), hashlib.sha256))


def _refusal(status: int, message: str) -> JSONResponse:
    return JSONResponse({"statusCode": status, "message": message}, status)


def _encode(claims: dict[str, Any]) -> str:
    return _base64url(msgspec.json.encode(claims))


def _decode(part: str) -> dict[str, Any]:
    padded = part + "=" * (-len(part) % 4)
    return msgspec.json.decode(base64.urlsafe_b64decode(padded), type=dict[str, Any])


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
