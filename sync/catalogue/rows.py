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


ProposalRow = ClusterProposal | ConfigurationProposal
HeldRow = SecretRow | ProposalRow
"""The rows that can hold a removal."""

RowKey = SecretRow | ClusterRow | ConfigurationRow | ProposalRow | ApprovalRow | LossesRow
