"""The names of the rows that decide: one class for each kind of row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sync.catalogue.secret import SecretKey


@dataclass(frozen=True, slots=True)
class SecretRow:
    """A secret's entry."""

    key: SecretKey

    def __str__(self) -> str:
        """Vault and name."""
        return str(self.key)


@dataclass(frozen=True, slots=True)
class ClusterRow:
    """A cluster's registration."""

    name: str


@dataclass(frozen=True, slots=True)
class ConfigurationRow:
    """The vaults and lists in force."""


@dataclass(frozen=True, slots=True)
class ClusterProposal:
    """A change of a registration that waits for approval."""

    cluster: str

    def __str__(self) -> str:
        """What the digest of a held removal names."""
        return f"cluster|{self.cluster}"


@dataclass(frozen=True, slots=True)
class ConfigurationProposal:
    """A change of vaults or lists that waits for approval."""

    def __str__(self) -> str:
        """What the digest of a held removal names."""
        return "configuration"


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """A person's approval of the held removal with this digest."""

    digest: str


@dataclass(frozen=True, slots=True)
class LossesRow:
    """What one transaction took; the random word tells transactions of one second apart."""

    moment: str
    word: str


ProposalRow = ClusterProposal | ConfigurationProposal
HeldRow = SecretRow | ProposalRow
"""The rows that can hold a removal."""

RowKey = SecretRow | ClusterRow | ConfigurationRow | ProposalRow | ApprovalRow | LossesRow
