"""All that decides, as read under one head."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sync.catalogue.entry import Entry, Held, Loss
from sync.catalogue.rows import LossesRow, ProposalRow
from sync.catalogue.secret import SecretKey
from sync.fleet.clusters import Registration
from sync.fleet.configuration import Configuration

if TYPE_CHECKING:
    from collections.abc import Mapping


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
class Snapshot:
    """All that decides, as read under `head`. Rows may be newer than the head: then the head has moved, too.

    Damaged rows are left out: one bad row blocks nothing else (law 8), and no file leaves for want of one (law 4).

    Attributes:
        head: as read first.
    """

    head: Head = field(default_factory=Head)
    configuration: Configuration | None = None
    entries: Mapping[SecretKey, Entry] = field(default_factory=dict)
    clusters: Mapping[str, Registration] = field(default_factory=dict)
    proposals: Mapping[ProposalRow, Proposal] = field(default_factory=dict)
    approvals: Mapping[str, Approval] = field(default_factory=dict)
    losses: Mapping[LossesRow, Losses] = field(default_factory=dict)
