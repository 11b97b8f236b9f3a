"""Requests to a stand-in vault: their bodies, and what every request must carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from azure.keyvault.secrets import ApiVersion

from local.keyvault.pages import PAGE_SIZE
from local.keyvault.secrets import Properties, Refused

if TYPE_CHECKING:
    from starlette.requests import Request

_API_VERSIONS = tuple(version.value for version in ApiVersion)  # newest first


class Attributes(msgspec.Struct):
    """Attributes that a caller may set; times are seconds since 1970."""

    enabled: bool | None = None
    nbf: int | None = None
    exp: int | None = None


class UpdateBody(msgspec.Struct, rename="camel"):
    """Body of an update: absent fields stay as they are."""

    content_type: str | None = None
    tags: dict[str, str] | None = None
    attributes: Attributes | None = None

    def properties(self) -> Properties:
        """The properties; raises `Refused` if one is over a limit."""
        given = self.attributes or Attributes()
        return Properties(self.content_type, self.tags, given.enabled, given.nbf, given.exp)


class SetBody(UpdateBody, kw_only=True):
    """Body of a set."""

    value: str


class CertificateBody(msgspec.Struct):
    """Body of the local call that creates the secret behind a Key Vault certificate."""

    name: str
    value: str


def need_api_version(request: Request) -> None:
    """Refuse a request without an API version, or with one that the SDK does not know."""
    asked = request.query_params.get("api-version")
    if not asked:
        raise Refused(400, "BadParameter", "The api-version query parameter is required.")
    if asked not in _API_VERSIONS:
        advice = f"Consider using the latest supported version ({_API_VERSIONS[0]})."
        raise Refused(400, "BadParameter", f"The specified version ({asked}) is not recognized. {advice}")


def page_size(request: Request) -> int:
    """The number of items that a page may hold: what the caller asks for, at most 25."""
    asked = request.query_params.get("maxresults", str(PAGE_SIZE))
    if not asked.isdecimal() or not 1 <= int(asked) <= PAGE_SIZE:
        raise Refused(400, "BadParameter", f"maxresults must be from 1 to {PAGE_SIZE}.")
    return int(asked)


def resource_of(request: Request) -> str:
    """The resource that a token must be for: the vault's host without its first label.

    The SDK requires the host to end in it: `https://vault.azure.net` for `kv1.vault.azure.net`, and so
    `https://0.0.1:PORT` for `127.0.0.1:PORT`.
    """
    return f"https://{request.headers['host'].partition('.')[2]}"


def bearer_token(request: Request) -> str:
    """The request's bearer token; empty without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme == "Bearer" else ""
