"""Vaults that the contract suite is run against: the stand-in, and any that the environment names.

Another implementation joins by an opener in `OPENERS`: a context manager that yields a `VaultUnderTest`.

Environment of another vault (Azure's own, or an emulator); `docs/vaults.md` has worked commands:
    TRUSTCAST_TEST_VAULT_URL          the suite is run against it too
    TRUSTCAST_TEST_VAULT_CA           a file of CAs; absent: public CAs
    TRUSTCAST_TEST_VAULT_CREDENTIAL   a bearer token; absent: `DefaultAzureCredential`
    TRUSTCAST_TEST_VAULT_API_VERSION  absent: the SDK's newest
    TRUSTCAST_TEST_VAULT_DIFFERS      a key of `DIFFERENCES`: those tests must fail; absent: none may
"""

from __future__ import annotations

import os
import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from azure.core.credentials import AccessToken
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

from local.identity import Identity
from local.keyvault.server import Vault as StandIn
from sync.adapters.keyvault.vault import KeyVault
from sync.ports.vault import Vault
from tests.support.memory import MemoryVault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from azure.core.credentials import TokenCredential

    from local.support.tls import Authority
    from sync.ports.vault import Versions

ENVIRONMENT = "TRUSTCAST_TEST_VAULT_"
FAR_FUTURE = 4_102_444_800  # 2100-01-01

_NOT_FOUND = "answers 404 with a code of its own where Azure says SecretNotFound, so absence is not proven"
_NO_VERSIONS = f"{_NOT_FOUND}; and 404 where Azure lists no versions"
DIFFERENCES: dict[str, dict[str, str]] = {
    "lowkey-vault": {
        "test_a_secret_that_never_was_has_no_versions": _NO_VERSIONS,
        "test_a_secret_that_never_was_cannot_be_read": _NOT_FOUND,
        "test_a_version_that_never_was_cannot_be_read": _NOT_FOUND,
        "test_what_is_not_there_cannot_be_updated": _NOT_FOUND,
        "test_a_deleted_secret_is_gone_from_everywhere": _NO_VERSIONS,
        "test_a_name_means_the_same_in_any_case": "tells names apart by case; Azure's identifiers have none",
        "test_a_disabled_version_is_listed_and_not_read": "answers 404 where Azure says 403 SecretDisabled",
        "test_a_disabled_newest_version_is_not_passed_over_for_an_older_one": "answers 404 where Azure says 403",
        "test_a_value_may_be_empty": "refuses an empty value, which Azure takes",
    },
}
"""By vault: the tests that must fail against it, and why. In each, Azure is documented or recorded to pass."""


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


class Bounded(Vault, Protocol):
    """A vault that can be asked to look through fewer versions."""

    def versions(self, name: str, *, at_most: int = ...) -> Versions: ...


@dataclass(frozen=True, slots=True)
class VaultUnderTest:
    """A vault, and a way to put secrets into it. Other people's secrets may be in it too.

    Attributes:
        differs: names of tests that must fail against it, with the reason.
    """

    vault: Bounded
    seed: Seed
    differs: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def fresh_name() -> str:
        """A name that no secret bears or bore."""
        return f"tc-{uuid.uuid4().hex}"


class SdkSeed:
    """Seeds through the unmodified SDK, over HTTPS."""

    def __init__(self, client: SecretClient) -> None:
        self._client = client
        self._made: set[str] = set()

    def set(
        self,
        name: str,
        value: str,
        *,
        content_type: str | None = None,
        tags: Mapping[str, str] | None = None,
        enabled: bool = True,
    ) -> str:
        made = self._client.set_secret(
            name, value, content_type=content_type, tags=dict(tags) if tags else None, enabled=enabled
        )
        self._made.add(name)
        return made.properties.version or ""

    def set_enabled(self, name: str, version: str, enabled: bool) -> None:
        self._client.update_secret_properties(name, version, enabled=enabled)

    def delete(self, name: str) -> None:
        self._made.discard(name)
        self._client.begin_delete_secret(name, _polling_interval=0.1).wait()

    def clear(self) -> None:
        """Delete what was made, without waiting until it is gone: in somebody's vault nothing stays behind."""
        for name in self._made:
            self._client.begin_delete_secret(name)


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
        with _through_sdk(stand_in.url, IssuedCredential(identity), options) as (vault, seed):
            yield VaultUnderTest(vault, seed)


@contextmanager
def open_memory(_: Authority) -> Iterator[VaultUnderTest]:
    """The double of the interleaving tests."""
    vault = MemoryVault()
    yield VaultUnderTest(vault, vault)


@contextmanager
def open_named_vault(_: Authority) -> Iterator[VaultUnderTest]:
    """The vault that the environment names."""
    names = ("CA", "CREDENTIAL", "API_VERSION", "DIFFERS")
    ca, token, api_version, differs = (os.environ.get(ENVIRONMENT + name) for name in names)
    options: dict[str, Any] = {}
    if ca:
        options["connection_verify"] = ca
    if api_version:
        options["api_version"] = api_version
    if token:
        options["verify_challenge_resource"] = False  # an emulator's address has no parent domain
    credential: TokenCredential = FixedCredential(token) if token else DefaultAzureCredential()
    with _through_sdk(os.environ[ENVIRONMENT + "URL"], credential, options) as (vault, seed):
        yield VaultUnderTest(vault, seed, DIFFERENCES[differs] if differs else {})
        seed.clear()


@contextmanager
def _through_sdk(url: str, credential: TokenCredential, options: Any) -> Iterator[tuple[KeyVault, SdkSeed]]:
    vault = KeyVault(url, credential, call_timeout=10, **options)
    client = SecretClient(url, credential, **options)
    with closing(vault), client:
        yield vault, SdkSeed(client)


OPENERS: dict[str, Callable[[Authority], AbstractContextManager[VaultUnderTest]]] = {
    "stand-in": open_stand_in,
    "memory": open_memory,
}
if os.environ.get(ENVIRONMENT + "URL"):
    OPENERS["named"] = open_named_vault
