"""Assigning and unassigning a secret: its newest version's tags are merged, never dropped, then it is looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sync.catalogue.assignment import ACCEPT_TAG, CLUSTERS_TAG, FILE_TAG, LISTS_TAG, NOWHERE, assign
from sync.catalogue.eligibility import files_of
from sync.desired.reach import assignment_in_force, losing
from sync.errors import Invalid, NotFound
from sync.findings import Severity
from sync.fleet.lists import NO_LIST
from sync.steps.admission import admit
from sync.steps.versions import newest_first

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sync.catalogue.assignment import Assignment
    from sync.catalogue.entry import Entry
    from sync.catalogue.secret import SecretKey, VersionProperties
    from sync.catalogue.snapshot import Snapshot
    from sync.fleet.configuration import Configuration
    from sync.steps.runtime import Runtime

MOST_TAGS = 15


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags to set; None leaves a tag as the assignment in force has it."""

    lists: str
    clusters: str | None = None
    file: str | None = None
    accept: str | None = None


@dataclass(frozen=True, slots=True)
class AssignmentPreview:
    """What tags would do, before they are written.

    Attributes:
        key: the secret.
        version: its newest version, which would bear the tags.
        tags: all that it would have.
        assignment: where the secret would go.
        files: the names of the files that the version known to the catalogue would give.
        clusters: that it would reach, sorted.
        gains, loses: clusters of which some list would get or lose it, sorted.
        waits: it would be taken from too many clusters, and wait for approval.
    """

    key: SecretKey
    version: VersionProperties
    tags: Mapping[str, str]
    assignment: Assignment
    files: tuple[str, ...]
    clusters: tuple[str, ...]
    gains: tuple[str, ...]
    loses: tuple[str, ...]
    waits: bool


def preview_assignment(runtime: Runtime, key: SecretKey, tags: Tags) -> AssignmentPreview:
    """What setting these tags would do; those of an earlier version that still decide are carried over.

    Raises:
        NotFound: the vault is not watched, or has no such secret.
        Invalid: the tags would be refused, or the version has too many.
    """
    snapshot = runtime.decisions.snapshot(fresh=True)
    configuration = runtime.in_force(snapshot)
    vault, watched = runtime.vaults.get(key.vault), configuration.vault(key.vault)
    if vault is None or watched is None:
        raise NotFound(f"{key.vault} is not a watched vault; see the setting TRUSTCAST_VAULTS")
    entry = snapshot.entries.get(key)
    versions, _ = newest_first(vault, key, entry)
    if not versions:
        raise NotFound(f"{key.vault} has no secret {key.name}")
    bearing: Mapping[str, str] = next((v.tags for v in versions if LISTS_TAG in v.tags), {})
    merged = _merged(versions[0].tags, bearing, tags)
    if len(merged) > MOST_TAGS:
        raise Invalid(f"{key} would have {len(merged)} tags, and Key Vault allows {MOST_TAGS}: remove some")
    assigned = assign((replace(versions[0], tags=merged), *versions[1:]), watched, configuration)
    refused = [f for f in assigned.findings if f.code.severity is Severity.REJECT]
    if refused or assigned.assignment is None:
        raise Invalid("; ".join(f.sentence() for f in refused))
    return _preview(runtime, snapshot, configuration, entry, key, versions[0], merged, assigned.assignment)


def _preview(
    runtime: Runtime,
    snapshot: Snapshot,
    configuration: Configuration,
    entry: Entry | None,
    key: SecretKey,
    version: VersionProperties,
    tags: Mapping[str, str],
    after: Assignment,
) -> AssignmentPreview:
    before = assignment_in_force(entry, configuration) if entry and not entry.deleted else NOWHERE
    loses = losing(snapshot, key, before, after, configuration)
    files: tuple[str, ...] = ()
    if entry and entry.candidates:
        files = tuple(name for name, _ in files_of(replace(entry, assignment=after), entry.candidates[0]))
    too_wide = bool(after.lists) and runtime.limits.too_wide(len(loses), len(snapshot.clusters))
    return AssignmentPreview(
        key,
        version,
        tags,
        after,
        files,
        losing(snapshot, key, after, NOWHERE, configuration),
        losing(snapshot, key, after, before, configuration),
        loses,
        too_wide,
    )


def assign_secret(runtime: Runtime, key: SecretKey, tags: Tags) -> Entry | None:
    """Set a secret's assignment by tags on its newest version, and admit it; they are checked before.

    Raises:
        NotFound: the vault is not watched, or has no such secret.
        Invalid: the tags would be refused, or the version has too many.
    """
    wanted = preview_assignment(runtime, key, tags)
    runtime.vaults[key.vault].update(wanted.version.name, wanted.version.version, tags=wanted.tags)
    return admit(runtime, key)


def _merged(own: Mapping[str, str], bearing: Mapping[str, str], tags: Tags) -> dict[str, str]:
    carried = {name: bearing[name] for name in (CLUSTERS_TAG, FILE_TAG, ACCEPT_TAG) if name in bearing}
    asked = {LISTS_TAG: tags.lists, CLUSTERS_TAG: tags.clusters, FILE_TAG: tags.file, ACCEPT_TAG: tags.accept}
    return {**carried, **own, **{name: value for name, value in asked.items() if value is not None}}


def unassign_secret(runtime: Runtime, key: SecretKey) -> Entry | None:
    """Take a secret off every list by the tag `none`; the secret stays in the vault.

    Raises:
        NotFound: the vault is not watched, or has no such secret.
    """
    return assign_secret(runtime, key, Tags(lists=NO_LIST))
