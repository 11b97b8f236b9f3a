"""What the sequencing needs of the outside world, as protocols that the adapters fulfil.

Everything that decides is in one table partition behind `Decisions`, so that a row and the head change in one
transaction. Marks, due times and leases are in `Work`, what pushes found in `Statuses`. Every write names the ETag of
what was read, and raises `Changed` when that has moved on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from sync.catalogue.entry import Entry, Held, Loss
from sync.catalogue.secret import SecretKey
from sync.fleet.clusters import Registration
from sync.fleet.lists import Configuration

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sync.adapters.event_grid import PlanFleet, PushCluster
    from sync.catalogue.secret import ListedSecret, SecretValue, VersionProperties
    from sync.deadline import Deadline
    from sync.fleet.kubeconfig import Endpoint
    from sync.reconcile.observed import Observed
    from sync.reconcile.status import ListStatus, Standing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A row as read: its value, and the ETag to name when writing it."""

    value: T
    etag: str


REBUILD = timedelta(days=1)
"""How long an emptied catalogue is taken to be rebuilt, so that its files' names go to who had them before."""


@dataclass(frozen=True, slots=True)
class Head:
    """The token that stands for all that decides; compared for equality only, replaced at random.

    Attributes:
        token: random; empty before the first change.
        moved: when it was last replaced; None before the first change.
        before: when it was replaced the time before that.
        begun: when the first of all was set: a catalogue that was emptied is rebuilt from then on.
    """

    token: str = ""
    moved: datetime | None = None
    before: datetime | None = None
    begun: datetime | None = None

    def rebuilt(self, now: datetime) -> datetime | None:
        """When the catalogue began anew, if that is so recent that it may not know every secret again yet."""
        begun = self.begun if self.token else now
        return begun if begun is not None and now - begun < REBUILD else None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change of a registration or of the configuration that waits for approval, as it would become."""

    held: Held
    registration: Registration | None = None
    configuration: Configuration | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's consent to the held removal of this digest, used once."""

    digest: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Losses:
    """What one transaction took from the lists: the memory of the 24 hours of law 4."""

    at: datetime
    losses: tuple[Loss, ...]


@dataclass(frozen=True, slots=True)
class Damaged:
    """A row that cannot be read; its ETag is known, so that what derives it anew can write it."""

    reason: str


Row = Entry | Registration | Configuration | Proposal | Approval | Losses | Damaged
"""What a row of the decisions holds, by the row's kind: see `RowName`."""


class RowKind:
    """First part of a row's name, and so what the row holds."""

    SECRET = "secret"  # noqa: S105  a kind of row
    CLUSTER = "cluster"
    CONFIGURATION = "configuration"
    PROPOSAL = "proposal"
    APPROVAL = "approval"
    LOSSES = "losses"


@dataclass(frozen=True, slots=True, order=True)
class RowName:
    """A row of the decisions: its kind (of `RowKind`) and the rest of its name.

    The rest is `SecretKey`'s two parts for a secret, the cluster's name, an empty word for the configuration, what is
    proposed for (`cluster|name`, `configuration`) a proposal, the digest, or the time and a random word for losses.
    """

    kind: str
    rest: str = ""

    @classmethod
    def secret(cls, key: SecretKey) -> RowName:
        """The row of a secret."""
        return cls(RowKind.SECRET, f"{key.vault}|{key.name}")


@dataclass(frozen=True, slots=True)
class Write:
    """One change within a transaction.

    Attributes:
        row: which row.
        value: its new content; None deletes it.
        etag: of the row as read; None: the row must not exist yet; "*": whatever it is.
    """

    row: RowName
    value: Row | None
    etag: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that decides, as read under `head`. Rows may be newer than the head: then the head has moved, too.

    Damaged rows are left out: one bad row blocks nothing else (law 8), and no file leaves for want of one (law 4).

    Attributes:
        head, head_etag: as read first ("" while the head was never written), for `commit(on_head=…)`.
    """

    head: Head = field(default_factory=Head)
    head_etag: str = ""
    configuration: Configuration | None = None
    entries: Mapping[SecretKey, Entry] = field(default_factory=dict)
    clusters: Mapping[str, Registration] = field(default_factory=dict)
    proposals: Mapping[str, Proposal] = field(default_factory=dict)
    approvals: Mapping[str, Approval] = field(default_factory=dict)
    losses: Mapping[str, Losses] = field(default_factory=dict)


class Decisions(Protocol):
    """The one partition of all that decides."""

    def head(self) -> Stored[Head]:
        """The head; its ETag is empty while it was never written."""
        ...

    def row(self, name: RowName) -> Stored[Row] | None:
        """One row, or None."""
        ...

    def snapshot(self, *, fresh: bool = False) -> Snapshot:
        """Everything: the head is read first, rows only if the head is not the cached one.

        Args:
            fresh: read the rows all the same: the times of looking are written without moving the head.
        """
        ...

    def commit(self, writes: Sequence[Write], *, head: Head | None, on_head: str | None = None) -> None:
        """Write all or nothing, and the new head with it.

        Args:
            writes: at most 98.
            head: the new head; None writes rows that decide nothing.
            on_head: ETag that the head must still bear ("" = must not exist); None replaces it whatever it is.

        Raises:
            Changed: a row or the head is not what was read; nothing was written.
        """
        ...


@dataclass(frozen=True, slots=True)
class PlanMark:
    """Says that a plan message is on its way.

    Attributes:
        at: when it was set; None once cleared.
        delay: seconds that its message was delayed, for doubling in a burst.
    """

    at: datetime | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class ClusterWork:
    """The work that a cluster has before it.

    Attributes:
        mark: when a push message was sent; None once one is being worked on.
        due: when it is to be pushed again by itself.
    """

    mark: datetime | None = None
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class VaultWork:
    """When a vault's listing is due, and until when somebody works on it."""

    due: datetime | None = None
    leased_until: datetime | None = None


class Work(Protocol):
    """Marks, due times and leases. An ETag of None means: the row must not exist yet. Writes give the new ETag."""

    def plan_mark(self) -> Stored[PlanMark] | None:
        """The plan's mark, or None before the first."""
        ...

    def set_plan_mark(self, mark: PlanMark, etag: str | None) -> str:
        """Write the plan's mark; `Changed` if it moved on."""
        ...

    def planned(self) -> str:
        """The head that was planned last; empty before the first."""
        ...

    def set_planned(self, token: str) -> None:
        """Record the head as planned, whatever it was before."""
        ...

    def cluster(self, name: str) -> Stored[ClusterWork] | None:
        """A cluster's work, or None."""
        ...

    def set_cluster(self, name: str, work: ClusterWork, etag: str | None) -> str:
        """Write a cluster's work; `Changed` if it moved on."""
        ...

    def forget_cluster(self, name: str) -> None:
        """Delete a cluster's work, if there is any."""
        ...

    def due(self, now: datetime) -> tuple[str, ...]:
        """Names of the clusters whose due time is `now` or earlier."""
        ...

    def vault(self, host: str) -> Stored[VaultWork] | None:
        """A vault's work, or None."""
        ...

    def set_vault(self, host: str, work: VaultWork, etag: str | None) -> str:
        """Write a vault's work; `Changed` if it moved on."""
        ...


class Statuses(Protocol):
    """What pushes found, one row per list and cluster."""

    def get(self, cluster: str, list_name: str) -> Stored[ListStatus] | None:
        """One list's status, or None."""
        ...

    def put(self, status: ListStatus, etag: str | None) -> str:
        """Write one list's status; `Changed` if it moved on."""
        ...

    def all(self) -> tuple[ListStatus, ...]:
        """Every status."""
        ...

    def standings(self) -> Mapping[tuple[str, str], Standing]:
        """What planning compares of every status, by cluster and list; `Standing()` where the row does not tell."""
        ...

    def forget_cluster(self, cluster: str) -> None:
        """Delete a cluster's statuses."""
        ...


class Queues(Protocol):
    """Sends messages; they carry names and a reason, never content. Delays are seconds."""

    def send_plan(self, message: PlanFleet, delay: float = 0.0) -> None:
        """Send a plan message."""
        ...

    def send_push(self, message: PushCluster, delay: float = 0.0) -> None:
        """Send a push message."""
        ...


class Versions(Protocol):
    """A secret's versions, newest first; `complete` is False where there were more than were asked for."""

    @property
    def items(self) -> tuple[VersionProperties, ...]:
        """Newest first by `created`."""
        ...

    @property
    def complete(self) -> bool:
        """Whether these are all."""
        ...


class Vault(Protocol):
    """One vault."""

    def versions(self, name: str) -> Versions:
        """The versions' properties; empty and complete where there is no such secret."""
        ...

    def read(self, name: str, version: str | None) -> SecretValue:
        """One version's value; None reads the current one."""
        ...

    def listing(self) -> tuple[ListedSecret, ...]:
        """Every secret's newest properties; all of them or an error."""
        ...

    def update(self, name: str, version: str, *, tags: Mapping[str, str]) -> VersionProperties:
        """Replace one version's tags."""
        ...


class Target(Protocol):
    """One cluster's Secrets within the time of one push."""

    def observe(self, namespace: str, name: str) -> Observed:
        """Read the object; `MISSING` where there is none."""
        ...

    def create_empty(self, namespace: str, name: str) -> Observed:
        """Create the object without data."""
        ...

    def remove_keys(
        self, namespace: str, name: str, keys: Collection[str], *, uid: str, resource_version: str
    ) -> Observed:
        """Remove keys whoever owns them, by a merge patch."""
        ...

    def apply(
        self, namespace: str, name: str, files: Mapping[str, bytes], *, uid: str, resource_version: str
    ) -> Observed:
        """Apply our files in full, by server-side apply."""
        ...


class Clusters(Protocol):
    """Gives access to registered clusters."""

    def endpoint(self, cluster: str, secret: str) -> Endpoint:
        """Read and parse a cluster's credential, for its registration.

        Raises:
            Permanent: there is none, it is not this cluster's, or it is no acceptable kubeconfig.
            Temporary: the credentials vault does not answer.
        """
        ...

    def connect(self, registration: Registration, deadline: Deadline, *, renew: bool = False) -> Target:
        """Open, or take from the cache, the cluster's client, for calls that end by the deadline.

        Args:
            registration: the cluster; host and CA of its credential must be the pinned ones.
            deadline: of the whole push.
            renew: read the credential again (after a 401).

        Raises:
            Permanent: the credential is missing, malformed, another cluster's, or points elsewhere than pinned.
            Temporary: the credentials vault does not answer.
        """
        ...
