"""A secret of a vault: its key, the properties of its versions, one value.

Words of Azure Key Vault: a *secret* has *versions*; tags, content type and the enabled flag belong to a version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType


@dataclass(frozen=True, slots=True, order=True)
class SecretKey:
    """Which secret: vault and name, both case-folded (Key Vault identifiers ignore case).

    Attributes:
        vault: host of the vault's URL, with the port where it has one (`kv1.vault.azure.net`).
        name: name of the secret.
    """

    vault: str
    name: str

    def __str__(self) -> str:
        """Vault and name as one word, for messages and row keys."""
        return f"{self.vault}/{self.name}"

    @classmethod
    def of(cls, vault: str, name: str) -> SecretKey:
        """The key of a secret under any spelling of its vault's host and its name."""
        return cls(vault.casefold(), name.casefold())


@dataclass(frozen=True, slots=True)
class VersionProperties:
    """One version without its value.

    Attributes:
        name: the secret's name as the vault spells it.
        version: 32 hexadecimal digits.
        created, updated: UTC, whole seconds.
        enabled: a disabled version cannot be read.
        content_type: None if the uploader named none.
        tags: of this version only; the usual ways to upload a new version drop them.
        managed: the secret backs a Key Vault *certificate*, so its value holds a private key.
    """

    name: str
    version: str
    created: datetime
    updated: datetime
    enabled: bool = True
    content_type: str | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    managed: bool = False


@dataclass(frozen=True, slots=True)
class ListedSecret:
    """One row of a vault's listing: properties of the secret's newest version, without the version's name."""

    name: str
    updated: datetime
    enabled: bool
    content_type: str | None
    tags: Mapping[str, str]
    managed: bool


@dataclass(frozen=True, slots=True)
class SecretValue:
    """One version's value, with what only the full answer has.

    Attributes:
        properties: of the version that was in fact read.
        value: the text as stored. Never log it, never put it into an error.
        key_id: the `kid` of the answer; present only on the secret behind a Key Vault certificate.
    """

    properties: VersionProperties
    value: str = field(repr=False)
    key_id: str | None = None
