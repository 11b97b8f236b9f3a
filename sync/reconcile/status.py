"""The status of a list on a cluster: what a push found and did, and when the list is due again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from sync.catalogue.secret import SecretKey
from sync.reconcile.holds import Leaving, Left
from sync.reconcile.memory import ListMemory
from sync.reconcile.ownership import OwnedFile


class State(StrEnum):
    """The closed set of states; each says what to do."""

    IN_SYNC = "in-sync"
    DRIFTED = "drifted"
    PENDING = "pending"
    OFFLINE = "offline"
    UNAUTHORIZED = "unauthorized"
    BLOCKED = "blocked"
    CONFLICT = "conflict"
    SSE_MANAGED = "sse-managed"
    REMOVAL_HELD = "removal-held"
    PAUSED = "paused"

    @property
    def sentence(self) -> str:
        """What the state means and what to do about it."""
        return SENTENCES[self]


SENTENCES: dict[State, str] = {
    State.IN_SYNC: "The list holds what it should; nothing to do.",
    State.DRIFTED: "The list differs and the cluster is in mode report: read the plan; to let trustcast repair it, "
    "register the cluster with --mode repair.",
    State.PENDING: "A push is under way or waits for its next attempt; nothing to do unless it stays so.",
    State.OFFLINE: "The cluster's API server does not answer; it is tried again by itself and catches up. "
    "Check the link if it should be up.",
    State.UNAUTHORIZED: "The cluster refuses our credential: renew the kubeconfig in the credentials vault or grant "
    "the Role of infra/kubernetes/role.yaml.",
    State.BLOCKED: "Something that a retry does not mend stops the push: the detail says what to change.",
    State.CONFLICT: "Another writer owns a file of ours with other bytes: remove that key on the cluster, or give the "
    "secret another name with the tag trustcast-file.",
    State.SSE_MANAGED: "The Secret Store extension writes this Secret, so trustcast does not: delete its SecretSync, "
    "or leave the list to it.",
    State.REMOVAL_HELD: "Too many files would leave at once: read `trustcast removals list`, then approve or reject.",
    State.PAUSED: "The cluster is paused and not contacted: `trustcast clusters resume` takes it up again.",
}


class KeptFile(msgspec.Struct, frozen=True):
    """A file of ours that the list does not want, and that stays.

    Attributes:
        file, owner, version: which, and whose; no owner where none is known.
        fact: the reason for which it stays or is held; another fact is another reason to look.
        why: the same in words.
    """

    file: str
    owner: SecretKey | None
    version: str
    fact: str
    why: str


MOST_KEPT = 100
"""Kept files in a summary; a list with more of them is pushed whenever anything that decides changes."""


class KeptFact(msgspec.Struct, frozen=True):
    """What planning compares of a kept file."""

    file: str
    owner: SecretKey | None
    version: str
    fact: str


@dataclass(frozen=True, slots=True)
class ListSummary:
    """The facts of a status that planning compares: as small for 1,000 files as for none.

    Attributes:
        cluster, state, digest, due: of the status; the defaults are those of a list never pushed.
        kept: what stays without being wanted, up to `MOST_KEPT`.
        many: there is more of it.
        holds: something of ours is there.
    """

    cluster: str = ""
    state: State = State.PENDING
    digest: str = ""
    due: datetime | None = None
    kept: tuple[KeptFact, ...] = ()
    many: bool = False
    holds: bool = False


@dataclass(frozen=True, slots=True)
class ListStatus:
    """One list on one cluster as the last push left it.

    Attributes:
        place: id of the place, under which this is stored; renaming cluster or list keeps it.
        cluster, list: their names when it was last pushed.
        state, detail: the state, and a sentence with the particulars that quotes nothing secret.
        digest: of the desired list when the cluster was last reached; empty before that and after a failure.
        head: the head that decided it.
        files: what is ours there, by name, as last applied or confirmed, and whose.
        reserved: names whose owners keep them while their files are not there.
        left: losses of the last 24 hours that count.
        held: what would leave, and waits for a person.
        kept: ours and not wanted; they stay, held ones included.
        thumbprints: file name to the SHA-256 and SHA-1 of its certificates (DER), ours or not; OPC UA identifies
            certificates by SHA-1 (OPC 10000-4 §7.2).
        unmanaged: other writers' keys, name to SHA-256 of their bytes; of very many, the first by name.
        unlisted: how many more of them there are; they have no thumbprints here either.
        conflicts: wanted names that another writer holds with other bytes, or that no known secret gave.
        over_limit: wanted names that wait, most often for room.
        attempted: last attempt; None before the first.
        verified: last time the object was found or made as it should be; None before the first.
        changed: last time we wrote.
        failures: failed attempts in a row.
        due: when this list is pushed again.
        known: it was reached, and may gain files (`ListMemory.known`).
    """

    place: str
    cluster: str
    list: str
    state: State = State.PENDING
    detail: str = ""
    digest: str = ""
    head: str = ""
    files: dict[str, OwnedFile] = field(default_factory=dict)
    reserved: dict[str, SecretKey] = field(default_factory=dict)
    left: tuple[Left, ...] = ()
    held: tuple[Leaving, ...] = ()
    kept: tuple[KeptFile, ...] = ()
    thumbprints: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unmanaged: dict[str, str] = field(default_factory=dict)
    unlisted: int = 0
    conflicts: tuple[str, ...] = ()
    over_limit: tuple[str, ...] = ()
    attempted: datetime | None = None
    verified: datetime | None = None
    changed: datetime | None = None
    failures: int = 0
    due: datetime | None = None
    known: bool = False

    @property
    def server(self) -> str:
        """Id of the API server that the place is on."""
        return self.place.rsplit("/", 2)[0]

    @property
    def summary(self) -> ListSummary:
        """What planning compares."""
        kept = tuple(KeptFact(k.file, k.owner, k.version, k.fact) for k in self.kept[:MOST_KEPT])
        many, holds = len(self.kept) > MOST_KEPT, bool(self.files)
        return ListSummary(self.cluster, self.state, self.digest, self.due, kept, many, holds)

    @property
    def memory(self) -> ListMemory:
        """What the next plan remembers."""
        return ListMemory(self.known, self.files, self.reserved, self.left, self.verified, self.held)

    @property
    def unaccounted(self) -> tuple[str, ...]:
        """Ours, and of no known owner; they stay."""
        return tuple(each.file for each in self.kept if each.owner is None)

    def overdue(self, now: datetime, bound: timedelta) -> bool:
        """Whether its last verification is older than the stated bound, or never was (law 10)."""
        return self.verified is None or now - self.verified > bound


def unknown_status(place: str, cluster: str) -> ListStatus:
    """The status of a list that was never pushed."""
    return ListStatus(place, cluster, place.rpartition("/")[2])
