"""What a secret gives and has given: the claims by which it keeps contested file names, and its former names."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from sync.catalogue.assignment import CLUSTERS_TAG, FILE_TAG, LISTS_TAG
from sync.catalogue.eligibility import eligible_versions, names_of
from sync.catalogue.entry import CLAIMS, FORMER_NAMES, Claim

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sync.catalogue.assignment import Assignment
    from sync.catalogue.entry import Entry
    from sync.catalogue.reading import VaultReading
    from sync.catalogue.secret import VersionProperties
    from sync.fleet.configuration import Configuration


def former_names(old: Entry, new: Entry) -> tuple[str, ...]:
    """Names that the entry had and no longer has, the last to leave first; older ones up to the bound."""
    now = names_of(replace(new, former=()))
    left = names_of(replace(old, former=())) - now
    before = [name for name in old.former if name not in now | left]
    return (*sorted(left), *before[: max(0, FORMER_NAMES - len(left))])


def claims_after(old: Entry, new: Entry, since: datetime, configuration: Configuration) -> tuple[Claim, ...]:
    """What it gave before and still does, preceded by what is new: other files, or other clusters for the same ones.

    A version rejected by itself gives nothing, so it reserves no name.
    """
    definitions = [d for name in new.assignment.lists if (d := configuration.definition(name)) is not None]
    given = {(d.name, name) for d in definitions for version in eligible_versions(new, d) for name, _ in version.files}
    kept = still_given(old.claims, given.__contains__)[: CLAIMS - 1]
    if new.assignment.clusters == old.assignment.clusters:
        given -= {file for claim in kept for file in claim.files}
    return (Claim(since, new.assignment.clusters, tuple(sorted(given))), *kept) if given else kept


def still_given(claims: tuple[Claim, ...], given: Callable[[tuple[str, str]], bool]) -> tuple[Claim, ...]:
    """The claims with only the files still given; one that has none left ends."""
    left = [replace(claim, files=tuple(filter(given, claim.files))) for claim in claims]
    return tuple(claim for claim in left if claim.files)


def first_given(look: VaultReading, assignment: Assignment) -> datetime:
    """Since when a secret that the catalogue does not know gives its files.

    That is now: a file in force does not give way to an older secret that is only found later. In a rebuild it is the
    creation of the first version in the unbroken run with today's tags, so that names stay with the secrets that had
    them.
    """
    tagged = [v for v in look.versions if LISTS_TAG in v.tags] if assignment.version else list(look.versions)
    if look.rebuilt is None or not tagged:
        return look.at
    *_, first = itertools.takewhile(lambda v: _where(v) == _where(tagged[0]), tagged)
    return first.created if first.created <= look.rebuilt else look.at


def _where(version: VersionProperties) -> tuple[str | None, ...]:
    return tuple(version.tags.get(tag) for tag in (LISTS_TAG, CLUSTERS_TAG, FILE_TAG))
