"""The versions of a secret that pass on a list by themselves, with the files they would give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.catalogue.assignment import file_names
from sync.catalogue.delivery import delivery_findings
from sync.certificates.items import Certificate, Item, RevocationList

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sync.catalogue.entry import Candidate, Entry
    from sync.fleet.lists import ListDefinition


@dataclass(frozen=True, slots=True)
class EligibleVersion:
    """A candidate of a secret with the files it would give."""

    entry: Entry
    candidate: Candidate
    files: tuple[tuple[str, Item], ...]
    has_older: bool

    def crls(self) -> Iterator[RevocationList]:
        """The CRLs among its files."""
        return (item for _, item in self.files if isinstance(item, RevocationList))

    def certificates(self) -> Iterator[Certificate]:
        """The certificates among its files."""
        return (item for _, item in self.files if isinstance(item, Certificate))


def files_of(entry: Entry, candidate: Candidate) -> tuple[tuple[str, Item], ...]:
    """The files that a candidate gives: name and item."""
    return file_names(entry.name, entry.assignment, tuple(stored.item for stored in candidate.items))


def eligible_versions(entry: Entry, definition: ListDefinition) -> tuple[EligibleVersion, ...]:
    """The candidates that pass by themselves under the list's policy and delivery, newest first."""
    passing = [
        candidate
        for candidate in entry.candidates
        if definition.verdict(candidate.findings, entry.assignment.accept).passes
        and not delivery_findings(files_of(entry, candidate), candidate.pem, definition.delivery)
    ]
    last = len(passing) - 1
    return tuple(EligibleVersion(entry, c, files_of(entry, c), i < last) for i, c in enumerate(passing))
