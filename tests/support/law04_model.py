"""What laws 3 and 4 say of small lists, told once more and shorter: what each look decides, each push takes and holds.

Every secret gives one file, of its own name or of one that its tags give; a version's value is a certificate (`A`, `B`
or `C`, the same for every secret, so that bytes say nothing of owners) or GARBAGE. CRLs revoke letters.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GARBAGE = "!"
EVERYWHERE, NOWHERE = "everywhere", "nowhere"
DAY = timedelta(hours=24)
NEVER = datetime(1, 1, 1, tzinfo=UTC)
FILES, SHARE = 2, 0.4
"""Limits at which both count: of eight files three may leave, of four two."""

CLUSTERS, CLUSTER_SHARE = 1, 0.5
"""Of three clusters one may lose a secret by a change of tags or settings, and no two."""

PLACE = "the place"
"""Whose doing it is that labels and settings take files: no vault's."""


class Key(NamedTuple):
    """A secret."""

    vault: str
    name: str


class Tags(NamedTuple):
    """Where a version's tags say that its secret goes, a site, EVERYWHERE or NOWHERE; and the file's name, if any."""

    goes: str
    file: str = ""


@dataclass(frozen=True)
class Version:
    """A version as its owner knows it; `touched` is when it was last edited."""

    id: str
    letter: str
    tags: Tags | None
    touched: datetime
    enabled: bool = True


class Goes(NamedTuple):
    """An assignment, and the version that bears it."""

    site: str = NOWHERE
    file: str = ""
    by: str = ""


class Wide(NamedTuple):
    """An assignment that waits, as it would take the secret from too many clusters."""

    goes: Goes
    since: datetime
    clusters: frozenset[str]


@dataclass(frozen=True)
class Standing:
    """What the last look decided of one secret.

    Attributes:
        versions: as seen, newest first.
        force, before: identifiers of the newest version that passes, and of the one that was in force before it.
        rejected: of those that are no certificate.
        stopped: a first look ended at a disabled version: it may have been in force, so nothing is known.
    """

    admitted: datetime
    goes: Goes
    since: datetime
    versions: tuple[Version, ...] = ()
    force: str = ""
    before: str = ""
    rejected: frozenset[str] = frozenset()
    stopped: bool = False
    deleted: datetime | None = None
    wide: Wide | None = None

    def seen(self, version: str) -> Version | None:
        return next((each for each in self.versions if each.id == version), None)

    def age(self, version: str) -> int:
        return next((at for at, each in enumerate(self.versions) if each.id == version), len(self.versions))


class Fact(NamedTuple):
    """Why a file leaves, and since when or by which version it is so: what an approval names."""

    owner: Key
    why: str
    since: object


class File(NamedTuple):
    """A file of ours on a list."""

    letter: str
    owner: Key
    version: str


class Loss(NamedTuple):
    """A file that left, and by whose doing."""

    name: str
    whose: str
    at: datetime


@dataclass
class Place:
    """A list on a cluster.

    Attributes:
        files: on the object.
        remembered: as the last push left them, whatever a hand took since.
        annotated: as the object itself last said.
        names: of files that are not there, and whose they stay all the same.
        held: what would leave and waits, with the fact and by whose doing.
        unknown: owners of files whose secrets the catalogue did not know.
    """

    files: dict[str, File] = field(default_factory=dict)
    remembered: dict[str, File] = field(default_factory=dict)
    annotated: dict[str, File] = field(default_factory=dict)
    names: dict[str, Key] = field(default_factory=dict)
    losses: tuple[Loss, ...] = ()
    held: dict[str, tuple[Fact, str]] = field(default_factory=dict)
    unknown: frozenset[Key] = frozenset()
    pushed: datetime | None = None

    def holder(self, name: str) -> Key | None:
        """Whose the name is."""
        file = self.files.get(name) or self.remembered.get(name)
        return file.owner if file else self.names.get(name)


class Settings(NamedTuple):
    """Which vaults are watched, each with the site that it may reach, or EVERYWHERE."""

    ceilings: tuple[tuple[str, str], ...]

    @property
    def vaults(self) -> dict[str, str]:
        return dict(self.ceilings)

    def reach(self, key: Key, goes: Goes, site: str) -> bool:
        ceiling = self.vaults.get(key.vault, NOWHERE)
        return all(where in {EVERYWHERE, site} for where in (goes.site, ceiling))


@dataclass
class Model:
    """The whole service as the laws have it.

    Attributes:
        sites: of every cluster, as registered.
        settings: in force; `proposed` wait, with the clusters that they concern.
        left: since when a vault is not watched.
        missing: by vault, deletions that wait as a whole, and since when.
        consents: what people approved.
        revoked: letters that the newest CRL lists.
    """

    sites: dict[str, str]
    settings: Settings
    places: dict[str, Place] = field(default_factory=dict)
    standings: dict[Key, Standing] = field(default_factory=dict)
    missing: dict[str, tuple[datetime, frozenset[Key]]] = field(default_factory=dict)
    consents: set[Fact | Wide | tuple[Key, Wide]] = field(default_factory=set)
    proposed: tuple[Settings, frozenset[str]] | None = None
    left: dict[str, datetime] = field(default_factory=dict)
    revoked: frozenset[str] = frozenset()

    # Looks at the vaults.

    def look(self, key: Key, versions: tuple[Version, ...], now: datetime) -> None:
        """A look at one secret that was refused nothing."""
        before = self.standings.get(key)
        after = self.looked(key, before, versions, now)
        if after is not None:
            self.standings[key] = after

    def looked(
        self, key: Key, before: Standing | None, versions: tuple[Version, ...], now: datetime
    ) -> Standing | None:
        """What the catalogue makes of it; None where there is nothing to know."""
        if not versions:
            return self._without_secret(key, before, now)
        goes = _goes(versions)
        if goes.site == NOWHERE:
            after = Standing(now, goes, now, versions)
        else:
            after = _in_force(before, Standing(now, goes, now, versions))
        if before is None:
            return after
        if before.deleted is None and (before.goes.site != NOWHERE or goes.site == NOWHERE):
            after = replace(after, admitted=before.admitted)
        if before.goes == goes:
            return replace(after, since=before.since)
        return self._unless_too_wide(key, before, after, now)

    def unreadable(self, key: Key, versions: tuple[Version, ...], now: datetime) -> None:
        """The vault shows the secret and refuses its value: that decides nothing but that there is one."""
        before = self.standings.get(key)
        self.standings[key] = replace(before, deleted=None) if before else Standing(now, _goes(versions), now)

    def _without_secret(self, key: Key, before: Standing | None, now: datetime) -> Standing | None:
        """A deletion counts, unless it is one of many that wait as a whole."""
        if before is None and not any(key in place.unknown for place in self.places.values()):
            return None
        if before is not None and before.deleted is not None:
            return before
        since, waiting = self.missing.get(key.vault, (now, frozenset[Key]()))
        if key in waiting and Fact(key, "DELETED", since) not in self.consents:
            return before
        at = since if key in waiting else now
        base = before or Standing(now, Goes(), now)
        return Standing(now, base.goes, base.since, deleted=at)

    def _unless_too_wide(self, key: Key, before: Standing, after: Standing, now: datetime) -> Standing:
        """The new version goes on; the assignment waits where it would take the secret from too many clusters."""
        if NOWHERE in {before.goes.site, after.goes.site} or before.deleted is not None:
            return after
        lost = frozenset(
            cluster
            for cluster, site in self.sites.items()
            if self.settings.reach(key, before.goes, site) and not self.settings.reach(key, after.goes, site)
        )
        if not self._too_wide(lost):
            return after
        asked = before.wide if before.wide and before.wide.goes == after.goes else None
        wide = Wide(after.goes, asked.since if asked else now, lost)
        if (key, wide) in self.consents:
            return replace(after, since=wide.since)
        return replace(after, goes=before.goes, since=before.since, wide=wide)

    def _too_wide(self, lost: frozenset[str]) -> bool:
        return len(lost) > CLUSTERS and len(lost) > CLUSTER_SHARE * len(self.sites)

    def listed(self, vault: str, there: Iterable[Key], now: datetime) -> None:
        """A complete listing: what it misses waits as a whole where it is too much within a day."""
        assigned = {k for k, s in self.standings.items() if s.goes.site != NOWHERE and s.deleted is None}
        unknown = {key for place in self.places.values() for key in place.unknown} - self.standings.keys()
        missing = {key for key in assigned | unknown if key.vault == vault} - {*there}
        lately = {
            key
            for key, each in self.standings.items()
            if key.vault == vault and each.goes.site != NOWHERE and each.deleted and now - each.deleted <= DAY
            if Fact(key, "DELETED", each.deleted) not in self.consents
        }
        since, before = self.missing.pop(vault, (now, frozenset[Key]()))
        known = {key for key in assigned if key.vault == vault}
        if before & missing or (missing and _too_many(len(missing | lately), len(known | lately))):
            self.missing[vault] = since if before & missing else now, frozenset(missing)

    def unseen(self, vault: Mapping[Key, tuple[Version, ...]], now: datetime) -> set[Key]:
        """The secrets of watched vaults of which another look would decide something else.

        An owner that the catalogue does not know, and the vault neither, is looked at by the next sweep.
        """
        return {
            key
            for key, versions in vault.items()
            if key.vault in self.settings.vaults
            and (versions or key in self.standings)
            and _bare(self.looked(key, self.standings.get(key), versions, now)) != _bare(self.standings.get(key))
        }

    def is_known(self, key: Key) -> bool:
        """Whether the catalogue says what the secret gives."""
        each = self.standings.get(key)
        return each is not None and not each.stopped

    # What people do.

    def configure(self, wanted: Settings, now: datetime) -> None:
        """The environment's settings take effect, unless they would take secrets from too many clusters."""
        lost = frozenset(cluster for _, cluster in self._taken(wanted))
        self.proposed = None
        if wanted != self.settings and self._too_wide(lost):
            self.proposed = wanted, lost
        else:
            self._put_into_force(wanted, now)

    def _taken(self, wanted: Settings) -> set[tuple[Key, str]]:
        """The secrets that other settings take from clusters; a vault that they lack proves nothing."""
        return {
            (key, cluster)
            for key, each in self.standings.items()
            for cluster, site in self.sites.items()
            if each.deleted is None and key.vault in wanted.vaults
            if self.settings.reach(key, each.goes, site) and not wanted.reach(key, each.goes, site)
        }

    def _put_into_force(self, wanted: Settings, now: datetime) -> None:
        gone = self.settings.vaults.keys() - wanted.vaults.keys()
        self.left = {vault: at for vault, at in self.left.items() if vault not in wanted.vaults}
        self.left |= dict.fromkeys(gone, now)
        self.settings = wanted

    def approve_files(self, cluster: str) -> None:
        self.consents |= {fact for fact, _ in self.places[cluster].held.values()}

    def approve_deletions(self, vault: str) -> None:
        since, keys = self.missing[vault]
        self.consents |= {Fact(key, "DELETED", since) for key in keys}

    def approve_assignment(self, key: Key) -> None:
        wide = self.standings[key].wide
        assert wide is not None
        self.consents |= {(key, wide), Fact(key, "ELSEWHERE", wide.since)}

    def approve_settings(self, now: datetime) -> None:
        assert self.proposed is not None
        wanted, _ = self.proposed
        self.consents |= {
            Fact(key, why, self.standings[key].since)
            for key, _ in self._taken(wanted)
            for why in ("ELSEWHERE", "UNASSIGNED")
        }
        self._put_into_force(wanted, now)
        self.proposed = None

    def forget(self) -> None:
        """The catalogue is lost; what remains is what people said and what lists hold and say."""
        self.standings = {}

    def lose_status(self, cluster: str) -> None:
        """What the list was last known to hold is lost; the object says whose its files are."""
        place = self.places[cluster]
        files = {name: place.annotated[name] for name in place.files}
        self.places[cluster] = Place(files, dict(files), dict(place.annotated))

    # A push.

    def push(self, cluster: str, now: datetime) -> None:
        self.places[cluster] = self.pushed(cluster, self.places.setdefault(cluster, Place()), now)

    def pushed(self, cluster: str, place: Place, now: datetime) -> Place:
        """The list after a push: what its owners give goes on, and what has a reason leaves, unless it is held."""
        return Push(self, self.sites[cluster], place, now).done()


class Push:
    """One push of one list.

    Attributes:
        claims: by name, the secrets whose version in force gives it, enabled or not; who was admitted first in front.
        leaving: what would leave, with the reason.
        waiting, staying: of that, what is held, and all that stays this time.
    """

    def __init__(self, model: Model, site: str, place: Place, now: datetime) -> None:
        self.model, self.site, self.place, self.now = model, site, place, now
        self.claims: dict[str, list[Key]] = {}
        for key in sorted(model.standings, key=lambda each: (model.standings[each].admitted, each)):
            if self._reaches(key) and self._version(key)[0] is not None:
                self.claims.setdefault(self._name(key), []).append(key)
        self.losses = tuple(loss for loss in place.losses if now - loss.at <= DAY)
        self.leaving = {name: fact for name in place.files if (fact := self._leaves(name))}
        self.waiting, self.staying = set[str](), set[str]()
        while more := self._not_whole() or self._held():
            self.staying |= more

    # What secrets give.

    def _reaches(self, key: Key) -> bool:
        each = self.model.standings[key]
        return each.deleted is None and self.model.settings.reach(key, each.goes, self.site)

    def _version(self, key: Key) -> tuple[Version | None, bool]:
        """The version in force, and whether it may go onto a list anew: not one behind a newer that is revoked."""
        each = self.model.standings[key]
        newest, before = each.seen(each.force), each.seen(each.before)
        if newest and before and newest.letter in self.model.revoked:
            return before, False
        return newest, True

    def _name(self, key: Key) -> str:
        return self.model.standings[key].goes.file or key.name

    def _given(self, key: Key | None) -> File | None:
        version = self._version(key)[0] if key else None
        if key is None or version is None or not version.enabled or version.letter in self.model.revoked:
            return None
        return File(version.letter, key, version.id)

    # Whose a name is.

    def _giver(self, name: str) -> Key | None:
        """Who gives the list its file of this name; None where it stays its owner's, who gives nothing."""
        claims, holder, there = self.claims.get(name, []), self.place.holder(name), self.place.files.get(name)
        if holder in claims:
            return holder
        if there is not None:
            passes = self._fact(name, there.owner) or (claims and self._was_replaced(there, claims[0]))
        else:
            passes = not self._keeps(name)
        return claims[0] if claims and passes else None

    def _was_replaced(self, there: File, key: Key) -> bool:
        """Whether the owner's vault is not watched for a day, and another gives the same bytes."""
        left, given = self.model.left.get(there.owner.vault), self._given(key)
        return left is not None and self.now - left >= DAY and given is not None and given.letter == there.letter

    def _keeps(self, name: str) -> bool:
        """Whether a name whose file is not there stays its owner's."""
        holder = self.place.holder(name)
        if holder is None or holder in self.claims.get(name, []):
            return holder is not None
        if holder not in self.model.standings:
            return holder.vault not in self.model.settings.vaults
        return self._fact(name, holder) is None

    # What goes on, and what leaves.

    def _wanted(self, name: str) -> File | None:
        """What the list gets, or has already; None where there is nothing, or nothing that may go on."""
        giver, there = self._giver(name), self.place.files.get(name)
        given = self._given(giver)
        if giver is None or given is None:
            return None
        anew = self._version(giver)[1]
        if there is None:
            remembered = self.place.remembered.get(name)
            return given if anew or (remembered is not None and remembered.owner == giver) else None
        if given.letter == there.letter:
            return given
        if giver == there.owner:
            each = self.model.standings[giver]
            return given if anew and each.age(given.version) <= each.age(there.version) else None
        return given if self._reason(name, there) else None

    def _leaves(self, name: str) -> Fact | None:
        """Why the file that is there would leave; None where it stays, or gets newer bytes of its owner."""
        there, wanted = self.place.files[name], self._wanted(name)
        if wanted is not None and (wanted.letter == there.letter or wanted.owner == there.owner):
            return None
        return self._reason(name, there)

    def _reason(self, name: str, there: File) -> Fact | None:
        revoked = there.letter in self.model.revoked
        return Fact(there.owner, "REVOKED", there.letter) if revoked else self._fact(name, there.owner)

    def _fact(self, name: str, owner: Key) -> Fact | None:
        """What the catalogue's last look at the owner says; None where nothing proves that its file may leave."""
        each = self.model.standings.get(owner)
        if each is None:
            return None
        if each.deleted is not None:
            return Fact(owner, "DELETED", each.deleted)
        if each.goes.site == NOWHERE and each.goes.by:
            return Fact(owner, "UNASSIGNED", (NOWHERE, each.since))
        if owner.vault not in self.model.settings.vaults or each.stopped:
            return None
        file, force, reaches = self.place.files.get(name), self._version(owner)[0], self._reaches(owner)
        versions = (each.seen(file.version) if file else None, force if reaches else None)
        disabled = next((version for version in versions if version and not version.enabled), None)
        if disabled is not None:
            return Fact(owner, "DISABLED", disabled.touched)
        if not reaches:
            return Fact(owner, "UNASSIGNED" if each.goes.site == NOWHERE else "ELSEWHERE", each.since)
        replaced = force is not None and name != self._name(owner)
        return Fact(owner, "REPLACED", force.id) if replaced and force else None

    # What stays all the same.

    def after(self) -> dict[str, File]:
        """The files as they would be."""
        files: dict[str, File] = {}
        for name in {*self.claims, *self.place.files}:
            there, wanted = self.place.files.get(name), self._wanted(name)
            if there is not None and (name in self.staying or (wanted is None and name not in self.leaving)):
                files[name] = there
            elif wanted is not None:
                files[name] = wanted
        return files

    def _not_whole(self) -> set[str]:
        """What a newer version replaced stays until the list has all that it gives (law 3)."""
        after = self.after()
        return {
            name
            for name, fact in self.leaving.items()
            if fact.why == "REPLACED" and name not in self.staying and self._given(fact.owner) is not None
            if (new := after.get(self._name(fact.owner))) is None or new.owner != fact.owner
        }

    def _held(self) -> set[str]:
        """What is too much of one vault's files, or of the place's, within a day."""
        counted = {n: self._whose(n) for n in self.leaving.keys() - self.staying if self._counts(n)}
        held = {name for name, whose in counted.items() if self._is_too_much(whose, counted)}
        self.waiting |= held
        return held

    def _counts(self, name: str) -> bool:
        return self.leaving[name].why != "REVOKED" and self.leaving[name] not in self.model.consents

    def _whose(self, name: str) -> str:
        """By whose doing a file leaves: its vault's, or the place's where labels and settings take it."""
        fact, before = self.leaving[name], self.place.held.get(name)
        if before is not None and before[0] == fact:
            return before[1]
        if fact.why not in {"ELSEWHERE", "UNASSIGNED"} or isinstance(fact.since, tuple):
            return fact.owner.vault
        tagged, pushed = self.model.standings[fact.owner].since, self.place.pushed
        return PLACE if pushed is not None and tagged <= pushed else fact.owner.vault

    def _is_too_much(self, whose: str, counted: Mapping[str, str]) -> bool:
        """What is gone of what the object, the last push and a day's losses tell, whoever took it.

        What passes to another secret with equal bytes is not gone.
        """
        past = {loss.name for loss in self.losses if loss.whose == whose}
        files, after = {**self.place.remembered, **self.place.files}, self.after()
        passed = {name for name in after.keys() & files.keys() if after[name].letter == files[name].letter}
        had = {name: (after if name in passed else files)[name].owner.vault for name in files}
        have = {name: file.owner.vault for name, file in after.items()}
        if whose == PLACE:
            before, now = {*had}, {*have}
            gone = past | {name for name, by in counted.items() if by == PLACE}
        else:
            before, now = ({name for name, vault in each.items() if vault == whose} for each in (had, have))
            gone = (past | before) - {n for n in self.leaving.keys() - self.staying if counted.get(n) != whose}
        replaced = [self.leaving[n].owner for n, by in counted.items() if by == whose and self._is_replaced(n)]
        brought = self._brought()
        spared = sum(min(replaced.count(owner), brought.count(owner)) for owner in {*replaced})
        return _too_many(len(gone - now) - spared, len(before | now | past))

    def _is_replaced(self, name: str) -> bool:
        return self.leaving[name].why == "REPLACED"

    def _brought(self) -> list[Key]:
        """The owners of files that come, once for each."""
        return [file.owner for name, file in self.after().items() if name not in self.place.files]

    # The end.

    def done(self) -> Place:
        """The list once all that may be is done."""
        after = self.after()
        names = {*self.place.names, *self.place.remembered, *self.place.files} - {*after}
        holders = {name: holder for name in names if (holder := self.place.holder(name)) and self._keeps(name)}
        held = {name: (self.leaving[name], self._whose(name)) for name in self.waiting}
        unknown = frozenset(file.owner for file in after.values() if file.owner not in self.model.standings)
        same = _said(self.place.annotated) == _said(after)
        annotated = self.place.annotated if same else dict(after)
        return Place(dict(after), dict(after), annotated, holders, self._losses(after), held, unknown, self.now)

    def _losses(self, after: Mapping[str, File]) -> tuple[Loss, ...]:
        """The losses of a day that count, without what came back."""
        found = {loss[:2]: loss for loss in self.losses}
        brought = self._brought()
        for name in sorted(self.leaving.keys() - self.staying):
            if self._is_replaced(name) and self.leaving[name].owner in brought:
                brought.remove(self.leaving[name].owner)
            elif self._counts(name):
                found.setdefault((name, self._whose(name)), Loss(name, self._whose(name), self.now))
        for name in self.place.remembered.keys() - self.place.files.keys():
            whose = self.place.remembered[name].owner.vault
            found.setdefault((name, whose), Loss(name, whose, self.now))
        return tuple(
            loss
            for (name, whose), loss in found.items()
            if not (name in after and whose in {PLACE, after[name].owner.vault})
        )


def _said(files: Mapping[str, File]) -> dict[str, tuple[str, Key]]:
    """What an annotation must be true of: a newer version with equal bytes is written with the next content."""
    return {name: (file.letter, file.owner) for name, file in files.items()}


def _too_many(lost: int, of: int) -> bool:
    return lost > FILES and lost > SHARE * of


def _goes(versions: tuple[Version, ...]) -> Goes:
    """The newest version that bears tags decides."""
    tagged = next((version for version in versions if version.tags), None)
    if tagged is None or tagged.tags is None:
        return Goes()
    return Goes(tagged.tags.goes, tagged.tags.file if tagged.tags.goes != NOWHERE else "", tagged.id)


def _in_force(before: Standing | None, after: Standing) -> Standing:
    """Never older than what was in force; where nothing is known to have been, a disabled version ends the search."""
    known = before if before and before.goes.site != NOWHERE and before.deleted is None else None
    force, rejected = (known.force, known.rejected) if known else ("", frozenset[str]())
    for version in after.versions:
        if version.id == force:
            return replace(after, force=force, before=known.before if known else "", rejected=rejected)
        if version.enabled and version.letter != GARBAGE:
            return replace(after, force=version.id, before=force, rejected=rejected)
        if version.enabled:
            rejected |= {version.id}
        elif not force and version.id not in rejected:
            return replace(after, rejected=rejected, stopped=True)
    return replace(after, rejected=rejected)


def _bare(standing: Standing | None) -> Standing | None:
    """Without times that only say when it was looked at, and without versions that are not in force."""
    if standing is None:
        return None
    versions = tuple(each for each in standing.versions if each.id in {standing.force, standing.before})
    wide = standing.wide._replace(since=NEVER) if standing.wide else None
    deleted = standing.deleted and NEVER
    return replace(standing, admitted=NEVER, since=NEVER, deleted=deleted, wide=wide, versions=versions)
