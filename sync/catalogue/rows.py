"""The names of the rows that decide: one class for each kind of row.

Structs, since a dataclass with slots takes ten times as long to define at a cold start.
"""

from __future__ import annotations

import msgspec

from sync.catalogue.secret import SecretKey


class SecretRow(msgspec.Struct, frozen=True):
    """A secret's entry."""

    key: SecretKey

    def __str__(self) -> str:
        """Vault and name."""
        return str(self.key)


class ClusterRow(msgspec.Struct, frozen=True):
    """A cluster's registration."""

    name: str


class ConfigurationRow(msgspec.Struct, frozen=True):
    """The vaults and lists in force."""


class ServerRow(msgspec.Struct, frozen=True):
    """An API server, by its id."""

    id: str


class VaultRow(msgspec.Struct, frozen=True):
    """What is known of a vault beside its secrets."""

    host: str


class SettingsProposalRow(msgspec.Struct, frozen=True):
    """Settings that wait for approval."""


class DeletionsRow(msgspec.Struct, frozen=True):
    """Deletions of a vault's secrets that wait for approval."""

    vault: str


class AnswerRow(msgspec.Struct, frozen=True):
    """A person's answer to the question with this digest."""

    digest: str


class IssuerRow(msgspec.Struct, frozen=True):
    """A CA's name, by its SHA-256: every admission of a CA or CRL of that name replaces it."""

    name_sha256: str


class AuthorityRow(msgspec.Struct, frozen=True):
    """What a CA's key revokes: SHA-256 of its name and of its key."""

    name_sha256: str
    key_sha256: str


class ClearanceRow(msgspec.Struct, frozen=True):
    """A certificate that an operator lets back in, by its SHA-256."""

    sha256: str


RowKey = (
    SecretRow
    | ClusterRow
    | ServerRow
    | VaultRow
    | ConfigurationRow
    | SettingsProposalRow
    | DeletionsRow
    | AnswerRow
    | IssuerRow
    | AuthorityRow
    | ClearanceRow
)
