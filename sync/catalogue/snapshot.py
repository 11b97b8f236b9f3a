"""All that decides, as read under one head."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from sync.catalogue.authorities import Authority
from sync.catalogue.entry import Entry
from sync.catalogue.revocation import Clearance, Revocations
from sync.catalogue.rows import AuthorityRow
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


class Stamp(msgspec.Struct, frozen=True, order=True):
    """Which process's settings are later.

    Attributes:
        deployed: when the deployment was made, as `TRUSTCAST_DEPLOYED` says; empty where it is not set.
        imported: when the process imported `function_app`, ISO 8601 in UTC.
    """

    deployed: str = ""
    imported: str = ""


class Settings(msgspec.Struct, frozen=True):
    """VAULTS and LISTS in force, and whose they are."""

    configuration: Configuration
    stamp: Stamp


class SettingsProposal(msgspec.Struct, frozen=True):
    """Settings that would take secrets from too many clusters, and wait for a person.

    Attributes:
        settings: what an approval puts into force.
        since: when they were first found (UTC).
        clusters: those of which some list would lose a secret, sorted.
        secrets: that would leave some list, sorted.
    """

    settings: Settings
    since: datetime
    clusters: tuple[str, ...]
    secrets: tuple[SecretKey, ...]


class Deletions(msgspec.Struct, frozen=True):
    """Secrets that a vault's listing misses, too many at once: none counts as deleted until a person says so.

    Attributes:
        since: when they were first missed (UTC).
        secrets: their names, sorted.
    """

    since: datetime
    secrets: tuple[str, ...]


class Removal(msgspec.Struct, frozen=True):
    """What an approval names: the files of a secret, for this reason since then, on lists of this name.

    Attributes:
        key: the secret; None for a file without owner, which `since` names by the SHA-256 of its bytes.
        reason: name of a `RemovalReason`.
        since: as `Leaves.since`.
        list: the list's name; `*` for every list.
    """

    key: SecretKey | None
    reason: str
    since: str
    list: str


class Answer(msgspec.Struct, frozen=True):
    """A person's answer to a question: consent, on every cluster, heard of or not, as long as all stays as named.

    Attributes:
        digest: of the question.
        at: when (UTC).
        approved: consent; otherwise it goes on waiting, and is asked no more.
        removals: what may leave.
        deletions: names of secrets of `vault` that may count as deleted.
        vault: see `deletions`; empty where there are none.
        servers: ids of the API servers on which it counts for what labels, ceilings, definitions and selectors take;
            empty: on every one.
    """

    digest: str
    at: datetime
    approved: bool
    removals: tuple[Removal, ...] = ()
    deletions: tuple[str, ...] = ()
    vault: str = ""
    servers: tuple[str, ...] = ()


class VaultFacts(msgspec.Struct, frozen=True):
    """What is known of a vault beside its secrets.

    Attributes:
        swept: when it was first gone through as a whole since the tables began; None before that.
        left: since when the settings in force do not name it; None while they do.
        forgotten: when an operator declared it gone for good; None otherwise.
    """

    swept: datetime | None = None
    left: datetime | None = None
    forgotten: datetime | None = None


class ApiServer(msgspec.Struct, frozen=True):
    """An API server that is or was registered: host and CA as confirmed last; its id outlives its names."""

    id: str
    host: str
    ca_sha256: str


class Issuer(msgspec.Struct, frozen=True):
    """The random token of a CA name, compared through its row's ETag only; no snapshot has it (see `IssuerRow`)."""

    token: str


@dataclass(frozen=True)
class Snapshot:
    """All that decides, as read under `head`. Rows may be newer than the head: then the head has moved, too.

    Damaged rows are left out: one bad row blocks nothing else (law 8), and a missing row removes no file (law 4).

    Attributes:
        head: as read first.
        settings: VAULTS and LISTS in force.
        entries: the secrets.
        clusters: the registered ones, by name.
        servers: API servers that are or were registered, by id.
        vaults: what is known of vaults beside their secrets, by host.
        proposal: settings that wait for approval.
        deletions: those that wait for approval, by vault.
        answers: what people said to questions, by digest.
        authorities: what CAs revoked.
        clearances: what operators accept of it, by the certificate's SHA-256.
    """

    head: Head = field(default_factory=Head)
    settings: Settings | None = None
    entries: Mapping[SecretKey, Entry] = field(default_factory=dict)
    clusters: Mapping[str, Registration] = field(default_factory=dict)
    servers: Mapping[str, ApiServer] = field(default_factory=dict)
    vaults: Mapping[str, VaultFacts] = field(default_factory=dict)
    proposal: SettingsProposal | None = None
    deletions: Mapping[str, Deletions] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)
    authorities: Mapping[AuthorityRow, Authority] = field(default_factory=dict)
    clearances: Mapping[str, Clearance] = field(default_factory=dict)

    @property
    def configuration(self) -> Configuration | None:
        """The vaults and lists in force, or None before the first were stored."""
        return self.settings.configuration if self.settings else None

    @cached_property
    def revocations(self) -> Revocations:
        """What proven CRLs revoke."""
        return Revocations.of(self.authorities.values(), self.clearances.values())

    @cached_property
    def _approved(self) -> Mapping[Removal, tuple[frozenset[str], ...]]:
        """Every removal consented to, with the API servers that each consent names; none for all of them."""
        found: dict[Removal, tuple[frozenset[str], ...]] = {}
        for answer in self.answers.values():
            for removal in answer.removals if answer.approved else ():
                found[removal] = (*found.get(removal, ()), frozenset(answer.servers))
        return found

    def approved(self, digest: str) -> bool:
        """Whether a person consented to what this question asks."""
        answer = self.answers.get(digest)
        return answer is not None and answer.approved

    def approves_deletion(self, key: SecretKey, since: datetime) -> bool:
        """Whether a person consented that the secret counts as deleted since then; deleted anew, it is asked anew."""
        named = Removal(key, "DELETED", f"{since:%Y-%m-%dT%H:%M:%SZ}", "*")
        given = (a for a in self.answers.values() if a.approved and a.vault == key.vault and key.name in a.deletions)
        return any(named in answer.removals for answer in given)

    def approves(self, key: SecretKey | None, reason: str, since: str, list_name: str, server: str = "") -> bool:
        """Whether a person consented to just this removal; with a server's id, on that server."""
        named = (self._approved.get(Removal(key, reason, since, each), ()) for each in (list_name, "*"))
        return any(not server or not servers or server in servers for found in named for servers in found)
