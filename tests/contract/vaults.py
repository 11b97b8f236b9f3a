"""Vaults that the contract suite is run against: the stand-in, and any that the environment names.

Another implementation joins by an opener in `OPENERS`: a context manager that yields a `VaultUnderTest`.

Environment of another vault (Azure's own, or an emulator): `TRUSTCAST_TEST_VAULT_URL`, `TRUSTCAST_TEST_VAULT_CA` (a
file; absent: public CAs), `TRUSTCAST_TEST_VAULT_CREDENTIAL` (a bearer token, or `default` for
`DefaultAzureCredential`), `TRUSTCAST_TEST_VAULT_API_VERSION` (absent: the SDK's newest).
"""

from __future__ import annotations

import os
import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from azure.core.credentials import AccessToken
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

from local.identity import Identity
from local.keyvault import Vault as StandIn
from sync.vault import KeyVault
from tests.memory import MemoryVault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from azure.core.credentials import TokenCredential

    from local.tls import Authority
    from sync.ports import Vault

ENVIRONMENT = "TRUSTCAST_TEST_VAULT_"
FAR_FUTURE = 4_102_444_800  # 2100-01-01


class Seed(Protocol):
    """Changes a vault as its owners do, past the interface under test."""

    def set(
        self,
        name: str,
        value: str,
        *,
        content_type: str | None = None,
        tags: Mapping[str, str] | None = None,
        enabled: bool = True,
    ) -> str: ...
    def set_enabled(self, name: str, version: str, enabled: bool) -> None: ...
    def delete(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class VaultUnderTest:
    """A vault, and a way to put secrets into it. Other people's secrets may be in it too."""

    vault: Vault
    seed: Seed

    @staticmethod
    def fresh_name() -> str:
        """A name that no secret bears or bore."""
        return f"tc-{uuid.uuid4().hex}"


class SdkSeed:
    """Seeds through the unmodified SDK, over HTTPS."""

    def __init__(self, client: SecretClient) -> None:
        self._client = client

    def set(self, name, value, *, content_type=None, tags=None, enabled=True) -> str:
        made = self._client.set_secret(
            name, value, content_type=content_type, tags=dict(tags) if tags else None, enabled=enabled
        )
        return made.properties.version or ""

    def set_enabled(self, name, version, enabled) -> None:
        self._client.update_secret_properties(name, version, enabled=enabled)

    def delete(self, name) -> None:
        self._client.begin_delete_secret(name, _polling_interval=0.1).wait()


class IssuedCredential:
    """Tokens straight from the stand-in's identity."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken(*self._identity.issue(scopes[0].removesuffix("/.default")))


class FixedCredential:
    """A bearer token from the environment."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(self._token, FAR_FUTURE)


@contextmanager
def open_stand_in(authority: Authority) -> Iterator[VaultUnderTest]:
    """The stand-in, over real HTTPS."""
    identity = Identity()
    with StandIn("kv1", authority=authority, identity=identity) as stand_in:
        options = {"connection_verify": str(authority.ca_file)}
        with _through_sdk(stand_in.url, IssuedCredential(identity), options) as under_test:
            yield under_test


@contextmanager
def open_memory(_: Authority) -> Iterator[VaultUnderTest]:
    """The double of the interleaving tests."""
    vault = MemoryVault()
    yield VaultUnderTest(vault, vault)


@contextmanager
def open_named_vault(_: Authority) -> Iterator[VaultUnderTest]:
    """The vault that the environment names."""
    given = {name: os.environ.get(ENVIRONMENT + name) for name in ("URL", "CA", "CREDENTIAL", "API_VERSION")}
    options: dict[str, Any] = {}
    if given["CA"]:
        options["connection_verify"] = given["CA"]
    if given["API_VERSION"]:
        options["api_version"] = given["API_VERSION"]
    credential: TokenCredential = DefaultAzureCredential()
    if given["CREDENTIAL"] != "default":
        credential = FixedCredential(given["CREDENTIAL"] or "")
        options["verify_challenge_resource"] = False  # an emulator's address has no parent domain
    with _through_sdk(given["URL"] or "", credential, options) as under_test:
        yield under_test


@contextmanager
def _through_sdk(url: str, credential: TokenCredential, options: Any) -> Iterator[VaultUnderTest]:
    vault = KeyVault(url, credential, call_timeout=10, **options)
    client = SecretClient(url, credential, **options)
    with closing(vault), client:
        yield VaultUnderTest(vault, SdkSeed(client))


OPENERS: dict[str, Callable[[Authority], AbstractContextManager[VaultUnderTest]]] = {
    "stand-in": open_stand_in,
    "memory": open_memory,
}
if os.environ.get(ENVIRONMENT + "URL"):
    OPENERS["named"] = open_named_vault
