"""The names of the rows that decide: one class for each kind of row.

Structs, since a dataclass with slots takes ten times as long to define at a cold start.
"""

from __future__ import annotations

import hashlib

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


class AuthorityRow(msgspec.Struct, frozen=True):
    """What a CA key has revoked under one name: hex SHA-256 of the comparable name, and of the key."""

    name_sha256: str
    key_sha256: str

    @classmethod
    def of(cls, name: bytes, key_sha256: str) -> AuthorityRow:
        """The row of a CA, by its `subject_name` and `key_sha256`."""
        return cls(hashlib.sha256(name).hexdigest(), key_sha256)


class IssuerRow(msgspec.Struct, frozen=True):
    """The token of a CA name: hex SHA-256 of the comparable name.

    Every admission of a CA or CRL of that name replaces it on the ETag read, so that a CA and its CRL that are admitted
    in the same instant see each other, and secrets of other names do not.
    """

    name_sha256: str

    @classmethod
    def of(cls, name: bytes) -> IssuerRow:
        """The row of a name: a CA's `subject_name`, a CRL's `issuer_name`."""
        return cls(hashlib.sha256(name).hexdigest())


class ClearanceRow(msgspec.Struct, frozen=True):
    """An operator's acceptance that the certificate of this SHA-256 is revoked."""

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
