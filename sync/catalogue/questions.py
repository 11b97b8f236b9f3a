"""What an approval names: the digests of the questions that wait for a person."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sync.catalogue.entry import WaitingAssignment
    from sync.catalogue.secret import SecretKey
    from sync.catalogue.snapshot import Deletions, Removal, SettingsProposal


def assignment_digest(key: SecretKey, waiting: WaitingAssignment) -> str:
    """Of an assignment that would take the secret from these clusters."""
    return _digest("assignment", key, waiting.assignment, waiting.since, waiting.clusters)


def deletions_digest(host: str, deletions: Deletions) -> str:
    """Of deletions that a vault's listing misses."""
    return _digest("deletions", host, deletions.since, deletions.secrets)


def settings_digest(proposal: SettingsProposal) -> str:
    """Of settings that would take these secrets from these clusters."""
    settings = proposal.settings.configuration.digest
    return _digest("settings", settings, proposal.since, proposal.clusters, proposal.secrets)


def removals_digest(removals: Iterable[Removal]) -> str:
    """Of removals held on clusters."""
    return _digest("removals", sorted(removals, key=msgspec.json.encode))


def _digest(*parts: object) -> str:
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()
