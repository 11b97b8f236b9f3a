"""The status of a list on a cluster: what a push found and did, and when the list is due again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sync.desired.digest import content_digest


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


@dataclass(frozen=True, slots=True)
class ListSummary:
    """The facts of a status that planning compares: as small for 1,000 files as for none.

    Attributes:
        state, place, digest, due: of the status; the defaults are those of a list never pushed.
        applied: digest of what is ours there; equal to `digest` where the list holds exactly the desired content.
    """

    state: State = State.PENDING
    digest: str = ""
    applied: str = ""
    place: str = ""
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListStatus:
    """One list on one cluster as the last push left it.

    Attributes:
        cluster, list: which.
        state, detail: the state, and a sentence with the particulars that quotes nothing secret.
        place: the object that this describes, as in `Registration.place`; empty before the first attempt.
        digest: of the desired content when the cluster was last reached; empty before that and after a failure.
        head: the head that decided it.
        applied: file name to SHA-256 of the bytes that are ours there, as last applied or confirmed.
        thumbprints: file name to the SHA-256 and SHA-1 of its certificates (DER), ours or not; OPC UA identifies
            certificates by SHA-1 (OPC 10000-4 §7.2).
        unmanaged: other writers' keys, name to SHA-256 of their bytes; of very many, the first by name.
        unlisted: how many more of them there are; they have no thumbprints here either.
        unaccounted: ours, but unknown to the catalogue; they stay.
        conflicts: wanted names that another writer holds with other bytes.
        over_limit: wanted names that do not fit into the object.
        attempted: last attempt; None before the first.
        verified: last time the object was found or made as it should be; None before the first.
        changed: last time we wrote.
        failures: failed attempts in a row.
        due: when this list is pushed again.
    """

    cluster: str
    list: str
    state: State = State.PENDING
    detail: str = ""
    place: str = ""
    digest: str = ""
    head: str = ""
    applied: dict[str, str] = field(default_factory=dict)
    thumbprints: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unmanaged: dict[str, str] = field(default_factory=dict)
    unlisted: int = 0
    unaccounted: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    over_limit: tuple[str, ...] = ()
    attempted: datetime | None = None
    verified: datetime | None = None
    changed: datetime | None = None
    failures: int = 0
    due: datetime | None = None

    @property
    def summary(self) -> ListSummary:
        """What planning compares."""
        return ListSummary(self.state, self.digest, content_digest(self.applied), self.place, self.due)

    def at(self, place: str) -> ListStatus:
        """The status for an attempt at this object; of a new one nothing is known, and nothing there is ours yet."""
        if self.place in ("", place):
            return replace(self, place=place)
        return ListStatus(self.cluster, self.list, place=place)

    def overdue(self, now: datetime, bound: timedelta) -> bool:
        """Whether its last verification is older than the stated bound, or never was (law 10)."""
        return self.verified is None or now - self.verified > bound
