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


class ClusterProposal(msgspec.Struct, frozen=True):
    """A change of a registration that waits for approval."""

    cluster: str

    def __str__(self) -> str:
        """What the digest of a held removal names."""
        return f"cluster|{self.cluster}"


class ConfigurationProposal(msgspec.Struct, frozen=True):
    """A change of vaults or lists that waits for approval."""

    def __str__(self) -> str:
        """What the digest of a held removal names."""
        return "configuration"


class ApprovalRow(msgspec.Struct, frozen=True):
    """A person's approval of the held removal with this digest."""

    digest: str


class LossesRow(msgspec.Struct, frozen=True):
    """What one transaction took; the random word tells transactions of one second apart."""

    moment: str
    word: str


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


ProposalRow = ClusterProposal | ConfigurationProposal
HeldRow = SecretRow | ProposalRow
"""The rows that can hold a removal."""

RowKey = (
    SecretRow
    | ClusterRow
    | ConfigurationRow
    | ProposalRow
    | ApprovalRow
    | LossesRow
    | AuthorityRow
    | IssuerRow
    | ClearanceRow
)
