"""Assigning and unassigning a secret: its newest version's tags are merged, never dropped, then it is looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sync.catalogue.assignment import ACCEPT_TAG, CLUSTERS_TAG, FILE_TAG, LISTS_TAG, assign
from sync.errors import Invalid, NotFound
from sync.findings import Severity
from sync.fleet.lists import NO_LIST
from sync.steps.admission import admit
from sync.steps.versions import newest_first

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sync.catalogue.entry import Entry
    from sync.catalogue.secret import SecretKey
    from sync.steps.runtime import Runtime

MOST_TAGS = 15


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags to set; None leaves a tag as the assignment in force has it."""

    lists: str
    clusters: str | None = None
    file: str | None = None
    accept: str | None = None


def assign_secret(runtime: Runtime, key: SecretKey, tags: Tags) -> Entry | None:
    """Set a secret's assignment by tags on its newest version, and admit it.

    The tags are checked before anything is written; those of an earlier version that still decide are carried over.

    Raises:
        NotFound: the vault is not watched, or has no such secret.
        Invalid: the tags would be refused, or the version has too many.
    """
    configuration = runtime.in_force(runtime.decisions.snapshot())
    vault = runtime.vaults.get(key.vault)
    watched = configuration.vault(key.vault)
    if vault is None or watched is None:
        raise NotFound(f"{key.vault} is not a watched vault; see the setting TRUSTCAST_VAULTS")
    versions = newest_first(vault, key, runtime.decisions.snapshot().entries.get(key))
    if not versions:
        raise NotFound(f"{key.vault} has no secret {key.name}")
    bearing = next((v.tags for v in versions if LISTS_TAG in v.tags), {})
    merged = _merged(versions[0].tags, bearing, tags)
    if len(merged) > MOST_TAGS:
        raise Invalid(f"{key} would have {len(merged)} tags, and Key Vault allows {MOST_TAGS}: remove some")
    assigned = assign((replace(versions[0], tags=merged), *versions[1:]), watched, configuration)
    refused = [f for f in assigned.findings if f.code.severity is Severity.REJECT]
    if refused:
        raise Invalid("; ".join(f.sentence() for f in refused))
    vault.update(versions[0].name, versions[0].version, tags=merged)
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
