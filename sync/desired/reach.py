"""Who reaches which cluster: selectors within their vaults' ceilings, compared by classes of equal labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sync.catalogue.assignment import NOWHERE
from sync.fleet.selectors import Selector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sync.catalogue.assignment import Assignment
    from sync.catalogue.entry import Entry
    from sync.catalogue.secret import SecretKey
    from sync.catalogue.snapshot import Snapshot
    from sync.fleet.clusters import Registration
    from sync.fleet.configuration import Configuration
    from sync.fleet.lists import ListDefinition

Reach = frozenset[tuple[str, str]]
"""The pairs of vault host and cluster selector that match a cluster; clusters with the same reach get the same."""

ClusterClass = tuple[tuple[tuple[str, str], ...], tuple["ListDefinition", ...]]
"""Labels and lists: what clusters have in common that get the same."""


def assignment_in_force(entry: Entry, configuration: Configuration) -> Assignment:
    """Where the secret goes: by its tags, or by the default that its vault has in the settings in force."""
    if not entry.assignment.default:
        return entry.assignment
    vault = configuration.vault(entry.key.vault)
    if vault is None or vault.default is None:
        return NOWHERE
    return replace(entry.assignment, lists=tuple(sorted(set(vault.default.lists))), clusters=vault.default.clusters)


def matches(selectors: Iterable[tuple[str, str]], configuration: Configuration, labels: Mapping[str, str]) -> Reach:
    """Of pairs of vault and selector those that select a cluster with these labels, within the vault's ceiling."""
    within = {v.host for v in configuration.vaults if Selector.parse(v.clusters).matches(labels)}
    return frozenset(
        (host, text) for host, text in selectors if host in within and Selector.parse(text).matches(labels)
    )


def classes(
    clusters: Iterable[Registration], configuration: Configuration
) -> Mapping[ClusterClass, tuple[Registration, ...]]:
    """The clusters by what decides what they get; a fleet of thousands has a few hundred classes at the most."""
    found: dict[ClusterClass, list[Registration]] = {}
    for registration in clusters:
        alike = (tuple(sorted(registration.labels.items())), registration.definitions(configuration))
        found.setdefault(alike, []).append(registration)
    return {alike: tuple(members) for alike, members in found.items()}


def losing(
    snapshot: Snapshot, key: SecretKey, before: Assignment, after: Assignment, configuration: Configuration
) -> tuple[str, ...]:
    """The clusters of which some list loses the secret where its assignment changes, sorted."""
    lost: list[str] = []
    for (labels, definitions), members in classes(snapshot.clusters.values(), configuration).items():
        had = set(_places(key.vault, before, dict(labels), definitions, configuration))
        if had - set(_places(key.vault, after, dict(labels), definitions, configuration)):
            lost += [registration.name for registration in members]
    return tuple(sorted(lost))


def losing_by_settings(
    snapshot: Snapshot, before: Configuration, after: Configuration
) -> Mapping[str, tuple[SecretKey, ...]]:
    """By cluster, the secrets that some place of it loses where the settings change."""
    lost: dict[str, tuple[SecretKey, ...]] = {}
    then, now = (_alike(snapshot, configuration) for configuration in (before, after))
    members: dict[tuple[ClusterClass, ClusterClass], list[str]] = {}
    for registration in snapshot.clusters.values():
        labels = tuple(sorted(registration.labels.items()))
        pair = ((labels, registration.definitions(before)), (labels, registration.definitions(after)))
        members.setdefault(pair, []).append(registration.name)
    for (old, new), names in members.items():
        had, has = _reached(then, old, before), _reached(now, new, after)
        away = {key for place, keys in had.items() for key in keys - has.get(place, frozenset())}
        gone = {key for key in away if takes(snapshot.entries[key], after)}
        lost |= dict.fromkeys(names, tuple(sorted(gone))) if gone else {}
    return lost


def takes(entry: Entry, configuration: Configuration) -> bool:
    """Whether these settings say where the secret goes: a vault or list that they lack proves nothing (law 4)."""
    defined = all(configuration.definition(name) for name in assignment_in_force(entry, configuration).lists)
    return defined and configuration.vault(entry.key.vault) is not None


def _alike(snapshot: Snapshot, configuration: Configuration) -> dict[tuple[str, Assignment], frozenset[SecretKey]]:
    found: dict[tuple[str, Assignment], set[SecretKey]] = {}
    for entry in snapshot.entries.values():
        if not entry.deleted:
            assignment = assignment_in_force(entry, configuration)
            bare = replace(NOWHERE, lists=assignment.lists, clusters=assignment.clusters)
            found.setdefault((entry.key.vault, bare), set()).add(entry.key)
    return {alike: frozenset(keys) for alike, keys in found.items()}


def _reached(
    alike: Mapping[tuple[str, Assignment], frozenset[SecretKey]], of: ClusterClass, configuration: Configuration
) -> dict[tuple[str, str], frozenset[SecretKey]]:
    """By place (namespace and object), the secrets that reach it on clusters of this class."""
    labels, definitions = of
    found: dict[tuple[str, str], frozenset[SecretKey]] = {}
    for (host, assignment), keys in alike.items():
        for place in _places(host, assignment, dict(labels), definitions, configuration):
            found[place] = found.get(place, frozenset()) | keys
    return found


def _places(
    host: str,
    assignment: Assignment,
    labels: Mapping[str, str],
    definitions: tuple[ListDefinition, ...],
    configuration: Configuration,
) -> Iterator[tuple[str, str]]:
    """Namespace and object of the lists that a secret of this vault goes to on a cluster with these labels."""
    vault = configuration.vault(host)
    if vault is None or not assignment.lists or not matches([(host, assignment.clusters)], configuration, labels):
        return
    for definition in definitions:
        if definition.name in assignment.lists and vault.allows(definition.name):
            yield definition.namespace, definition.object
