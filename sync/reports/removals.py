"""What waits for a person: removals held on clusters, and changes that would take too much at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sync.catalogue.questions import assignment_digest, deletions_digest, removals_digest, settings_digest
from sync.catalogue.secret import SecretKey
from sync.catalogue.snapshot import Removal
from sync.desired.reasons import RemovalReason
from sync.errors import Invalid
from sync.reconcile.holds import SCOPE
from sync.text import many

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from sync.catalogue.snapshot import Snapshot
    from sync.reconcile.holds import Leaving
    from sync.reconcile.status import ListStatus


class Asked(StrEnum):
    """What a question is about."""

    FILES = "files"
    ASSIGNMENT = "assignment"
    DELETIONS = "deletions"
    SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Question:
    """What waits for a person.

    Attributes:
        digest: what the answer names.
        asked: what it is about.
        cause: what would take the files, as a sentence.
        since: when it was first found; None where clusters hold it, each since its own push.
        removals: what an approval lets go.
        clusters: those concerned that are known, sorted.
        files: of files held: what each cluster's list would lose.
        left: of files held: names of those that left these lists within 24 hours, sorted.
        list: the list's name, of files held; `*` otherwise.
        rejected: a person refused it; it is asked no more.
    """

    digest: str
    asked: Asked
    cause: str
    since: datetime | None
    removals: tuple[Removal, ...]
    clusters: tuple[str, ...]
    files: tuple[Leaving, ...] = ()
    left: tuple[str, ...] = ()
    list: str = "*"
    rejected: bool = False


def questions(snapshot: Snapshot, statuses: Iterable[ListStatus]) -> tuple[Question, ...]:
    """All that waits for a person or was refused: settings, deletions, assignments, then files by their digests."""
    found = (*_settings(snapshot), *_deletions(snapshot), *_assignments(snapshot))
    waiting = (question for question in found if not snapshot.approved(question.digest))
    return (*waiting, *_files(snapshot, statuses))


def find_question(found: Iterable[Question], digest: str) -> Question:
    """The question whose digest begins so (at least 8 characters).

    Raises:
        Invalid: none or several do.
    """
    fitting = [question for question in found if question.digest.startswith(digest)]
    if len(digest) < 8 or len(fitting) != 1:  # noqa: PLR2004  shorter is too easily mistaken
        raise Invalid("nothing waits under this digest: it may have changed; copy it from `trustcast removals list`")
    return fitting[0]


def _settings(snapshot: Snapshot) -> Iterator[Question]:
    proposal = snapshot.proposal
    if proposal is None:
        return
    removals = tuple(
        Removal(key, reason.name, f"{snapshot.entries[key].assigned_at:%Y-%m-%dT%H:%M:%SZ}", "*")
        for key in proposal.secrets
        if key in snapshot.entries and snapshot.entries[key].assigned_at
        for reason in (RemovalReason.ELSEWHERE, RemovalReason.UNASSIGNED)
    )
    digest = settings_digest(proposal)
    clusters = proposal.clusters
    secrets = many(len(proposal.secrets), "secret")
    cause = f"VAULTS or LISTS changed: {secrets} would leave lists of {many(len(clusters), 'cluster')}"
    yield Question(
        digest, Asked.SETTINGS, cause, proposal.since, removals, clusters, rejected=_refused(snapshot, digest)
    )


def _deletions(snapshot: Snapshot) -> Iterator[Question]:
    for host, deletions in sorted(snapshot.deletions.items()):
        digest = deletions_digest(host, deletions)
        since = f"{deletions.since:%Y-%m-%dT%H:%M:%SZ}"
        removals = tuple(
            Removal(SecretKey(host, name), RemovalReason.DELETED.name, since, "*") for name in deletions.secrets
        )
        cause = f"{many(len(removals), 'assigned secret')} missing from {host}"
        yield Question(
            digest, Asked.DELETIONS, cause, deletions.since, removals, (), rejected=_refused(snapshot, digest)
        )


def _assignments(snapshot: Snapshot) -> Iterator[Question]:
    for key, entry in sorted(snapshot.entries.items()):
        if entry.waiting is None:
            continue
        digest = assignment_digest(key, entry.waiting)
        since = f"{entry.waiting.since:%Y-%m-%dT%H:%M:%SZ}"
        removals = (Removal(key, RemovalReason.ELSEWHERE.name, since, "*"),)
        cause = f"the tags of {key} would take it from lists of {many(len(entry.waiting.clusters), 'cluster')}"
        yield Question(
            digest,
            Asked.ASSIGNMENT,
            cause,
            entry.waiting.since,
            removals,
            entry.waiting.clusters,
            rejected=_refused(snapshot, digest),
        )


def _files(snapshot: Snapshot, statuses: Iterable[ListStatus]) -> Iterator[Question]:
    """Removals held on registered clusters and not approved yet; equal ones are one question."""
    servers = {registration.server for registration in snapshot.clusters.values()}
    alike: dict[tuple[Removal, ...], list[ListStatus]] = defaultdict(list)
    for status in statuses:
        open_ones = status.held and not all(_approved(snapshot, status, each) for each in status.held)
        if open_ones and status.server in servers:
            alike[held_removals(status.held, status.list)].append(status)
    for removals, held in alike.items():
        digest = removals_digest(removals)
        first = held[0]
        yield Question(
            digest,
            Asked.FILES,
            held_because(first.held, first.list),
            None,
            removals,
            tuple(sorted({status.cluster for status in held})),
            first.held,
            tuple(sorted({left.file for status in held for left in status.left})),
            first.list,
            rejected=_refused(snapshot, digest),
        )


def held_because(held: Iterable[Leaving], list_name: str) -> str:
    """Why files are held: how many of each vault, or taken by labels or settings, would leave at once."""
    counts = Counter(each.group for each in held)
    parts = [f"{many(count, 'file')} {_GROUPS.get(group, f'of {group}')}" for group, count in sorted(counts.items())]
    return f"{', '.join(parts)} would leave the list '{list_name}' at once"


_GROUPS = {SCOPE: "taken by labels or settings", "": "of no known secret"}


def held_digest(held: Iterable[Leaving], list_name: str) -> str:
    """The digest of the question about what one list holds back."""
    return removals_digest(held_removals(held, list_name))


def held_removals(held: Iterable[Leaving], list_name: str) -> tuple[Removal, ...]:
    """What an approval of all that a list holds back names."""
    found = {Removal(each.owner, each.reason.name, each.since, list_name) for each in held}
    return tuple(sorted(found, key=lambda r: (str(r.key), r.reason, r.since)))


def _approved(snapshot: Snapshot, status: ListStatus, held: Leaving) -> bool:
    away = held.reason in {RemovalReason.ELSEWHERE, RemovalReason.UNASSIGNED} and not held.since.startswith("none ")
    server = status.place.rsplit("/", 2)[0] if away else ""
    return snapshot.approves(held.owner, held.reason.name, held.since, status.list, server)


def _refused(snapshot: Snapshot, digest: str) -> bool:
    answer = snapshot.answers.get(digest)
    return answer is not None and not answer.approved
