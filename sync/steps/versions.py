"""The versions of a secret in the order in which they were current.

Key Vault lists them unordered, and gives the time of creation in whole seconds.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from sync.catalogue.assignment import LISTS_TAG
from sync.catalogue.secret import VersionProperties
from sync.errors import Changed, NotFound, Permanent
from sync.fleet.lists import NO_LIST

if TYPE_CHECKING:
    from sync.catalogue.entry import Candidate, Entry
    from sync.catalogue.secret import SecretKey
    from sync.ports.vault import Vault


def newest_first(vault: Vault, key: SecretKey, old: Entry | None) -> tuple[tuple[VersionProperties, ...], bool]:
    """The secret's versions, newest first, none where there is no such secret; and whether these are all.

    Args:
        vault: its vault.
        key: the secret.
        old: the catalogue's row; it remembers an order that the vault no longer gives.

    Raises:
        TrustcastError: the vault failed, or its answer decides nothing.
    """
    found = vault.versions(key.name)
    versions = _current_first(vault, key, found.items) if found.complete else _known_by_name(vault, key, old)
    return _in_known_order(versions, old), found.complete


def _current_first(
    vault: Vault, key: SecretKey, versions: tuple[VersionProperties, ...]
) -> tuple[VersionProperties, ...]:
    """The versions by `created`, the current one first.

    `created` has whole seconds: where the newest tie, a read by name gives the current one; if that fails, one that
    is disabled is.
    """
    tied = [v for v in versions if v.created == versions[0].created]
    tagged = any(LISTS_TAG in v.tags for v in versions)
    if len(tied) <= 1 or not tagged or not any(v.enabled for v in tied) or versions[0].managed:
        return versions
    if not _may_be_assigned(vault, key, versions):
        return (*sorted(tied, key=_assigns), *versions[len(tied) :])
    try:
        current = vault.read(key.name, None).properties
    except NotFound:
        return versions
    except Changed:
        if all(v.enabled for v in tied):
            raise
        return (*sorted(tied, key=lambda v: v.enabled), *versions[len(tied) :])
    return (current, *(v for v in versions if v.version != current.version))


def _may_be_assigned(vault: Vault, key: SecretKey, versions: tuple[VersionProperties, ...]) -> bool:
    """Whether the vault's listing, which shows the current version, leaves it open that the secret is assigned.

    The value of one that is not is never read, not even to learn which of two versions is the current one (law 9).
    """
    bearing = {v.tags[LISTS_TAG].strip() for v in versions if LISTS_TAG in v.tags}
    if bearing <= {NO_LIST}:
        return False
    listed = next((s for s in vault.listing() if s.name.casefold() == key.name), None)
    return listed is not None and listed.tags.get(LISTS_TAG, "").strip() != NO_LIST


def _assigns(version: VersionProperties) -> bool:
    """Whether its tags do not unassign; where the current one of several does, those that do come first."""
    return version.tags.get(LISTS_TAG, "").strip() != NO_LIST


def _known_by_name(vault: Vault, key: SecretKey, old: Entry | None) -> tuple[VersionProperties, ...]:
    """The current version and those that the catalogue holds, of a secret with more than can be looked through.

    Part of its versions, which come unordered, says nothing of the others. What the current one alone does not show
    changes nothing.

    Raises:
        Permanent: the current version is disabled or has no assignment.
    """
    listed = next((s for s in vault.listing() if s.name.casefold() == key.name), None)
    if listed is None or listed.managed or LISTS_TAG not in listed.tags or not listed.enabled:
        raise Permanent(
            f"{key} has too many versions to look through, and its newest is disabled or without {LISTS_TAG}: nothing "
            "is changed; tag it, or use a secret with a new name"
        )
    current = vault.read(key.name, None).properties
    held = (_properties(current.name, c) for c in (old.candidates if old else ()) if c.version != current.version)
    return (current, *held)


def _properties(name: str, known: Candidate) -> VersionProperties:
    """A version of the catalogue as it was when it was read."""
    return VersionProperties(
        name, known.version, known.created, known.created, known.enabled, None, MappingProxyType({}), managed=False
    )


def _in_known_order(versions: tuple[VersionProperties, ...], old: Entry | None) -> tuple[VersionProperties, ...]:
    """Behind the newest, versions of one second in the order that was found while one of them was the newest."""
    known = {each.version: at for at, each in enumerate(old.versions)} if old else {}
    older = sorted(versions[1:], key=lambda v: (-v.created.timestamp(), known.get(v.version, -1)))
    return (*versions[:1], *older)
