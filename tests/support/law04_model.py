"""What laws 3 and 4 say of small lists, told once more and shorter: what each look decides, holds and takes away.

Every secret gives one file of its own name; a version's value is a valid certificate, `A` or `B`, or GARBAGE.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

GARBAGE = "!"
EVERYWHERE, NOWHERE, UNTAGGED = "everywhere", "nowhere", "untagged"
DAY = timedelta(hours=24)
FILES = 2
SHARE = 0.4
"""Limits at which both count: of eight files three may leave, of four two."""


@dataclass(frozen=True)
class Version:
    """A version as its owner knows it; `tags` is a site, EVERYWHERE, NOWHERE or UNTAGGED."""

    id: str
    letter: str
    tags: str
    enabled: bool = True


Vault = dict[str, tuple[Version, ...]]
"""The versions of every secret, newest first; none: it is deleted."""


@dataclass(frozen=True)
class Standing:
    """What has been decided of one secret.

    Attributes:
        goes: a site, EVERYWHERE or NOWHERE.
        force: the version in force, enabled or not.
        refused: identifiers of the versions that were read and are no certificate.
        accounts: the catalogue knows that the file is this secret's.
    """

    goes: str = NOWHERE
    force: Version | None = None
    rejected: frozenset[str] = frozenset()
    accounts: bool = False
    deleted: bool = False

    def reaches(self, site: str) -> bool:
        return not self.deleted and self.goes in {EVERYWHERE, site}

    def wanted(self, site: str) -> str | None:
        """The letter that a list at this site should hold."""
        return self.force.letter if self.reaches(site) and self.force and self.force.enabled else None

    def proves(self, site: str) -> bool:
        """Whether the file must not stay there: deleted, unassigned, elsewhere, its version in force disabled."""
        return self.accounts and (not self.reaches(site) or (self.force is not None and not self.force.enabled))


def looked(before: Standing, versions: tuple[Version, ...]) -> Standing:
    """What one fresh look at the vault makes of a secret."""
    if not versions:
        return Standing(before.goes, accounts=before.accounts, deleted=True)
    goes = next((v.tags for v in versions if v.tags != UNTAGGED), NOWHERE)
    if goes == NOWHERE:
        return Standing(accounts=before.accounts)
    force, rejected = _in_force(before, versions)
    return Standing(goes, force, rejected, before.accounts or force is not None)


def _in_force(before: Standing, versions: tuple[Version, ...]) -> tuple[Version | None, frozenset[str]]:
    """Never older than what was in force; where nothing is known to have been, a disabled version ends the search."""
    rejected = before.rejected
    for version in versions:
        if before.force and version.id == before.force.id:
            return version, rejected
        if version.enabled and version.letter != GARBAGE:
            return version, rejected
        if version.enabled:
            rejected |= {version.id}
        elif before.force is None and version.id not in rejected:
            return None, rejected
    return None, rejected


@dataclass(frozen=True)
class Loss:
    """Files that a cluster's list loses, and how many it held."""

    cluster: str
    files: frozenset[str]
    held: int


@dataclass(frozen=True)
class Waiting:
    """A removal that waits; `rejected`: a person wants the files to stay."""

    losses: frozenset[Loss]
    rejected: bool = False


@dataclass
class Model:
    """The whole service as the laws have it.

    Attributes:
        sites: of every cluster, as registered.
        lists: letters by name, as every cluster should hold them.
        waiting: by secret, or by cluster.
        consents: what was approved and not used yet, exactly as it was shown.
        proposed: the site that a cluster waits to be registered with.
        lost: within the last day and before, with the time.
    """

    sites: dict[str, str]
    lists: dict[str, dict[str, str]] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    consents: set[tuple[str, frozenset[Loss]]] = field(default_factory=set)
    proposed: dict[str, str] = field(default_factory=dict)
    lost: list[tuple[datetime, Loss]] = field(default_factory=list)

    def look(self, name: str, versions: tuple[Version, ...], now: datetime) -> None:
        """A look at one secret that was refused nothing."""
        before = self.standings.get(name)
        if before is None and not versions:
            return
        after = {**self.standings, name: looked(before or Standing(), versions)}
        if self._may(name, after, self.sites, now, again=name in self.waiting):
            self.standings = after

    def unseen(self, vault: Mapping[str, tuple[Version, ...]]) -> set[str]:
        """The secrets of which another look would decide something else."""
        return {
            name
            for name, versions in vault.items()
            if name not in self.waiting
            and (name in self.standings or versions)
            and looked(self.standings.get(name, Standing()), versions) != self.standings.get(name, Standing())
        }

    def register(self, cluster: str, site: str, now: datetime) -> None:
        if self.sites[cluster] == site:
            return
        after = {**self.sites, cluster: site}
        again = self.proposed.get(cluster) == site
        self.proposed[cluster] = site
        if self._may(cluster, self.standings, after, now, again=again):
            self.sites = after
            del self.proposed[cluster]

    def approve(self, row: str) -> None:
        """A person consents to exactly what is shown."""
        self.consents.add((row, self.waiting[row].losses))

    def refuse(self, row: str) -> None:
        if row in self.proposed:
            del self.waiting[row], self.proposed[row]
        else:
            self.waiting[row] = replace(self.waiting[row], rejected=True)

    def forget(self) -> None:
        """The catalogue is lost; what remains is what people said and what lists hold."""
        self.standings = {}
        self.waiting = {row: held for row, held in self.waiting.items() if row in self.proposed}

    def push(self) -> None:
        """Bring every list to what it should hold; what no proof takes away stays."""
        for cluster, site in self.sites.items():
            there = self.lists.setdefault(cluster, {})
            for name, standing in self.standings.items():
                letter = standing.wanted(site)
                if letter:
                    there[name] = letter
                elif standing.proves(site):
                    there.pop(name, None)

    def _may(
        self, row: str, standings: dict[str, Standing], sites: dict[str, str], now: datetime, *, again: bool
    ) -> bool:
        """Whether a change takes effect: it takes little and never took more, or a person consented to exactly this."""
        losses = frozenset(loss for cluster in sites if (loss := self._loss(cluster, standings, sites)))
        consent = row, losses
        too_much = any(again or self._too_much(loss, standings, sites, now) for loss in losses)
        if consent not in self.consents and too_much:
            held = self.waiting.get(row)
            self.waiting[row] = held if held and held.losses == losses else Waiting(losses)
            return False
        self.consents.discard(consent)
        self.waiting.pop(row, None)
        self.lost += [(now, loss) for loss in losses]
        return True

    def _loss(self, cluster: str, standings: dict[str, Standing], sites: dict[str, str]) -> Loss | None:
        before, after = _wanted(self.standings, self.sites[cluster]), _wanted(standings, sites[cluster])
        files = frozenset(name for name in before - after if standings[name].proves(sites[cluster]))
        return Loss(cluster, files, len(before)) if files else None

    def _too_much(self, loss: Loss, standings: dict[str, Standing], sites: dict[str, str], now: datetime) -> bool:
        past = [each for at, each in self.lost if each.cluster == loss.cluster and now - at <= DAY]
        files = loss.files.union(*(each.files for each in past)) - _wanted(standings, sites[loss.cluster])
        return len(files) > FILES and len(files) > SHARE * max(loss.held, *(each.held for each in past), 0)


def _wanted(standings: dict[str, Standing], site: str) -> frozenset[str]:
    return frozenset(name for name, standing in standings.items() if standing.wanted(site))
