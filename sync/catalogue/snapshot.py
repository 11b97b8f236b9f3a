"""All that decides, as read under one head."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from sync.catalogue.authorities import Authority
from sync.catalogue.entry import Entry, Held, Loss
from sync.catalogue.revocation import Clearance
from sync.catalogue.rows import AuthorityRow, LossesRow, ProposalRow
from sync.catalogue.secret import SecretKey
from sync.fleet.clusters import Registration
from sync.fleet.configuration import Configuration

if TYPE_CHECKING:
    from collections.abc import Mapping


REBUILD = timedelta(days=1)
"""How long an emptied catalogue counts as being rebuilt, so that file names return to the secrets that had them."""


@dataclass(frozen=True, slots=True)
class Head:
    """The token that stands for all that decides; compared for equality only, replaced at random.

    Attributes:
        token: random; empty before the first change.
        moved: when it was last replaced; None before the first change.
        before: when it was replaced the time before that.
        begun: when the first token was set: an emptied catalogue is rebuilt from then on.
    """

    token: str = ""
    moved: datetime | None = None
    before: datetime | None = None
    begun: datetime | None = None

    def rebuilt(self, now: datetime) -> datetime | None:
        """When the catalogue last started empty, if so recently that it may not know every secret yet."""
        begun = self.begun if self.token else now
        return begun if begun is not None and now - begun < REBUILD else None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that waits for approval, with the registration or configuration as it would become."""

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
    """What one transaction took from the lists, remembered for the 24 hours of law 4."""

    at: datetime
    losses: tuple[Loss, ...]


class Issuer(msgspec.Struct, frozen=True):
    """The random token of a CA name, compared through its row's ETag only; no snapshot has it (see `IssuerRow`)."""

    token: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that decides, as read under `head`. Rows may be newer than the head: then the head has moved, too.

    Damaged rows are left out: one bad row blocks nothing else (law 8), and a missing row removes no file (law 4).

    Attributes:
        head: as read first.
        authorities: what CAs revoked.
        clearances: what operators accept of it, by the certificate's SHA-256.
    """

    head: Head = field(default_factory=Head)
    configuration: Configuration | None = None
    entries: Mapping[SecretKey, Entry] = field(default_factory=dict)
    clusters: Mapping[str, Registration] = field(default_factory=dict)
    proposals: Mapping[ProposalRow, Proposal] = field(default_factory=dict)
    approvals: Mapping[str, Approval] = field(default_factory=dict)
    losses: Mapping[LossesRow, Losses] = field(default_factory=dict)
    authorities: Mapping[AuthorityRow, Authority] = field(default_factory=dict)
    clearances: Mapping[str, Clearance] = field(default_factory=dict)
