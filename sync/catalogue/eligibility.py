"""The versions of a secret that pass on a list by themselves, with the files they would give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.catalogue.assignment import file_names
from sync.catalogue.delivery import delivery_findings
from sync.certificates.items import Certificate, Item, RevocationList

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime

    from sync.catalogue.entry import Candidate, Entry
    from sync.catalogue.secret import SecretKey
    from sync.fleet.lists import ListDefinition


@dataclass(frozen=True, slots=True)
class EligibleVersion:
    """A candidate of a secret with the files it would give, and since when the secret gives files of those names."""

    entry: Entry
    candidate: Candidate
    files: tuple[tuple[str, Item], ...]
    has_older: bool
    since: Mapping[str, datetime | None]

    def rank(self, name: str) -> tuple[float, SecretKey]:
        """Sort key for a contested name: the secret that has given this list the file the longest comes first."""
        since = self.since[name]
        return (since.timestamp() if since else float("inf"), self.entry.key)

    def crls(self) -> Iterator[RevocationList]:
        """The CRLs among its files."""
        return (item for _, item in self.files if isinstance(item, RevocationList))

    def certificates(self) -> Iterator[Certificate]:
        """The certificates among its files."""
        return (item for _, item in self.files if isinstance(item, Certificate))


def names_of(entry: Entry) -> frozenset[str]:
    """Every file name that the entry accounts for, present and former."""
    now = (name for c in entry.candidates for name, _ in files_of(entry, c))
    return frozenset((*entry.former, *now))


def files_of(entry: Entry, candidate: Candidate) -> tuple[tuple[str, Item], ...]:
    """The files that a candidate gives: name and item."""
    return file_names(entry.name, entry.assignment, tuple(stored.item for stored in candidate.items))


def eligible_versions(
    entry: Entry, definition: ListDefinition, selectors: Collection[str] = ()
) -> tuple[EligibleVersion, ...]:
    """The candidates that pass by themselves under the list's policy and delivery, newest first.

    Args:
        entry: the secret.
        definition: the list.
        selectors: those of its selectors, present and former, that match here; who holds a name depends on them.
    """
    passing = [
        candidate
        for candidate in entry.candidates
        if definition.verdict(candidate.findings, entry.assignment.accept).passes
        and not delivery_findings(files_of(entry, candidate), candidate.pem, definition.delivery)
    ]
    last = len(passing) - 1
    given = [(c, files_of(entry, c)) for c in passing]
    since = {name: entry.gives_since(definition.name, name, selectors) for _, files in given for name, _item in files}
    return tuple(EligibleVersion(entry, c, files, i < last, since) for i, (c, files) in enumerate(given))
