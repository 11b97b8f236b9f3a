"""Laws 3 and 4: random owners, failures and answers, after each of which every list holds exactly what a model says.

The model is told of each look at a vault that succeeds, of each listing and of each push, in order, and of what people
say; that nothing is left unseen or unpushed where vaults answer is asked besides.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from sync.catalogue.eligibility import eligible_versions
from sync.catalogue.rows import SecretRow
from sync.catalogue.snapshot import Stamp
from sync.commands.removals import approve, reject, waiting
from sync.errors import Temporary, TrustcastError, Unauthorized
from sync.fleet.configuration import Configuration
from sync.fleet.vaults import WatchedVault
from sync.ports.decisions import Write
from sync.ports.stored import ANYTHING
from sync.reconcile.holds import Limits
from sync.reports.removals import Asked, Question
from sync.steps.push import push_cluster
from sync.steps.versions import newest_first
from tests.support import certs
from tests.support.fleet import TRUST, Fleet, registration
from tests.support.law04_model import (
    CLUSTER_SHARE,
    CLUSTERS,
    EVERYWHERE,
    FILES,
    GARBAGE,
    NOWHERE,
    SHARE,
    Key,
    Model,
    Place,
    Settings,
    Tags,
    Version,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from sync.catalogue.eligibility import EligibleVersion
    from sync.catalogue.entry import Entry
    from sync.catalogue.secret import ListedSecret, SecretKey, SecretValue, VersionProperties
    from sync.catalogue.snapshot import Snapshot
    from sync.fleet.lists import ListDefinition
    from sync.ports.vault import Vault, Versions
    from tests.support.memory import MemoryVault

A, B, C = (f"{letter}.vault.azure.net" for letter in "abc")
"""Two vaults of owners, and one with a CA and its CRL."""

KEYS = tuple(Key(host, f"plc{number}") for host in (A, B) for number in range(1, 6))
SHARED = "shared.der"
SITES = ("north", "south")
FLEET = {"x": "north", "y": "south", "z": "south"}
LETTERS = ("A", "B", "C")
BOTH = Settings(((A, EVERYWHERE), (B, EVERYWHERE)))
SETTINGS = (BOTH, Settings(((A, EVERYWHERE),)), Settings(((A, "north"), (B, EVERYWHERE))), Settings(((A, "south"),)))
ROOT = certs.ca()
KEPT = {"trustcast-lists": "trust", "trustcast-clusters": "site=none"}
"""Catalogued, and on no list of a cluster."""

Change = tuple[Any, ...]
"""What owners do: the name of a method of `Owners`, and its arguments."""


@cache
def certificate(letter: str) -> certs.Built:
    return certs.server(name=letter, key_name=letter, issuer=ROOT)


def value(letter: str) -> str:
    return "no certificate" if letter == GARBAGE else certificate(letter).pem


def in_vault(tags: Tags | None) -> dict[str, str]:
    """Tags as the vault has them."""
    if tags is None:
        return {}
    if tags.goes == NOWHERE:
        return {"trustcast-lists": "none"}
    clusters = "*" if tags.goes == EVERYWHERE else f"site={tags.goes}"
    file = {"trustcast-file": tags.file} if tags.file else {}
    return {"trustcast-lists": "trust", "trustcast-clusters": clusters} | file


def configuration(wanted: Settings) -> Configuration:
    ceilings = {vault: "*" if site == EVERYWHERE else f"site={site}" for vault, site in wanted.ceilings}
    vaults = (WatchedVault(f"https://{vault}", clusters=clusters) for vault, clusters in ceilings.items())
    return Configuration((*vaults, WatchedVault(f"https://{C}")), (TRUST,))


class Watched:
    """A vault, with what fails at present; it tells which looks and listings were refused nothing."""

    def __init__(self, host: str, inner: MemoryVault, owners: Owners) -> None:
        self.host, self.inner, self.owners = host, inner, owners
        self.listing_fails = False
        self.denied: dict[str, tuple[str, type[TrustcastError]]] = {}

    def versions(self, name: str) -> Versions:
        self.owners.finish()
        self._check(name, "versions")
        self.owners.looking = partial(self.owners.looked, self.host, name)
        return self.inner.versions(name)

    def read(self, name: str, version: str | None) -> SecretValue:
        self._check(name, "values")
        return self.inner.read(name, version)

    def listing(self) -> tuple[ListedSecret, ...]:
        self.owners.finish()
        if self.listing_fails:
            raise Temporary("page 2 of the listing failed")
        found = self.inner.listing()
        self.owners.model.listed(self.host, [Key(self.host, each.name) for each in found], self.owners.now)
        return found

    def _check(self, name: str, what: str) -> None:
        rejected, error = self.denied.get(name, ("", Temporary))
        if what == rejected:
            unreadable = what == "values" and error is Unauthorized
            self.owners.looking = partial(self.owners.unreadable, self.host, name) if unreadable else None
            raise error("the vault said no")


keys = st.sampled_from(KEYS)
goes = st.sampled_from((EVERYWHERE, EVERYWHERE, *SITES, NOWHERE))
tagged = st.builds(Tags, goes, st.sampled_from(("", "", SHARED)))
tags = st.one_of(st.none(), tagged, tagged, tagged)
letters = st.sampled_from((*LETTERS, GARBAGE))
many = st.one_of(st.sets(keys, min_size=3), *(st.just({key for key in KEYS if key.vault == host}) for host in (A, B)))
CHANGES = st.one_of(
    st.tuples(st.just("upload"), keys, letters, tags),
    st.tuples(st.just("enable"), keys, st.integers(0, 1), st.booleans()),
    st.tuples(st.just("tag"), keys, tags),
    st.tuples(st.just("delete"), keys),
    st.tuples(st.just("recover"), keys),
)


class Owners(RuleBasedStateMachine):
    """Whatever owners, operators and failures do: lists hold what the laws say, and no more is taken from them."""

    def __init__(self) -> None:
        super().__init__()
        self.fleet = Fleet(configuration(BOTH), Stamp("", "1"))
        self.vault: dict[Key, tuple[Version, ...]] = {}
        self.bin: dict[Key, tuple[Version, ...]] = {}
        self.model = Model(dict(FLEET), BOTH)
        self.environment = BOTH
        self.listed = frozenset[str]()
        self.crls = 0
        self.looking: Callable[[], None] | None = None
        self.watched = {host: Watched(host, vault, self) for host, vault in self.fleet.vaults.items()}
        self._start(BOTH)

    @property
    def now(self) -> datetime:
        return self.fleet.clock.now

    # What the model is told.

    def finish(self) -> None:
        """The look before is over."""
        look, self.looking = self.looking, None
        if look is not None:
            look()

    def looked(self, host: str, name: str) -> None:
        key = Key(host, name)
        if host == C:
            self.model.revoked = self.listed
        else:
            self.model.look(key, self.vault.get(key, ()), self.now)

    def unreadable(self, host: str, name: str) -> None:
        key = Key(host, name)
        self.model.unreadable(key, self.vault[key], self.now)

    def pushed(self, cluster: str, label: str) -> None:
        if label.startswith("get"):
            self.finish()
            self.model.push(cluster, self.now)

    @initialize(names=st.sets(keys, min_size=6), north=st.sets(keys), files=st.sets(keys))
    def begin(self, names: Collection[Key], north: Collection[Key], files: Collection[Key]) -> None:
        self.fleet.upload("root", ROOT.pem, KEPT, host=C)
        self.revoke(())
        self.fleet.register(*(registration(name, site=site) for name, site in FLEET.items()))
        for name, cluster in self.fleet.clusters.items():
            cluster.pause = partial(self.pushed, name)
        for key in sorted(names):
            self.upload(key, "A", Tags("north" if key in north else EVERYWHERE, SHARED if key in files else ""))
        self.sweep(1)

    # Owners.

    @rule(changes=st.lists(CHANGES, min_size=1, max_size=4), events_are_lost=st.booleans())
    def change(self, changes: Iterable[Change], events_are_lost: bool) -> None:
        self._do(changes)
        if events_are_lost:
            self.fleet.events.clear()
        self.sweep(1)

    @rule(keys=many, change=st.sampled_from([("delete",), ("recover",), ("enable", 0, False), ("enable", 0, True)]))
    def change_many(self, keys: Collection[Key], change: Change) -> None:
        self._all(keys, *change)

    @rule(keys=many, tags=tagged)
    def tag_many(self, keys: Collection[Key], tags: Tags) -> None:
        self._all(keys, "tag", tags)

    @rule(
        keys=many,
        change=st.sampled_from(
            [
                ("delete", "recover"),
                (("enable", 0, False), ("enable", 0, True)),
                (("tag", Tags(NOWHERE)), ("tag", Tags(EVERYWHERE))),
            ]
        ),
    )
    def there_and_back(self, keys: Collection[Key], change: tuple[str | Change, str | Change]) -> None:
        """What was approved once is not approved for ever."""
        there, back = (each if isinstance(each, tuple) else (each,) for each in change)
        self._all(keys, *there)
        for _ in self._waiting():
            if waits := self._waiting():
                self._consent(waits[0])
        self._all(keys, *back)
        self._all(keys, *there)

    def _all(self, keys: Collection[Key], how: str, *what: Any) -> None:
        self._do((how, key, *what) for key in sorted(keys))
        self.sweep(1)

    def _do(self, changes: Iterable[Change]) -> None:
        for how, *what in changes:
            getattr(self, how)(*what)

    def upload(self, key: Key, letter: str, tags: Tags | None) -> None:
        if key not in self.bin:
            self._time_passes()
            made = self.fleet.upload(key.name, value(letter), in_vault(tags), host=key.vault)
            self.vault[key] = (Version(made, letter, tags, self.now), *self.vault.get(key, ()))

    def enable(self, key: Key, which: int, enabled: bool) -> None:
        if which < len(self.vault.get(key, ())):
            self._time_passes()
            self.fleet.vaults[key.vault].set_enabled(key.name, self.vault[key][which].id, enabled)
            self._edit(key, which, enabled=enabled)

    def tag(self, key: Key, tags: Tags | None) -> None:
        if self.vault.get(key):
            self._time_passes()
            self.fleet.vaults[key.vault].update(key.name, self.vault[key][0].id, tags=in_vault(tags))
            self._edit(key, 0, tags=tags)

    def _edit(self, key: Key, which: int, **what: Any) -> None:
        versions = list(self.vault[key])
        versions[which] = replace(versions[which], touched=self.now, **what)
        self.vault[key] = tuple(versions)

    def delete(self, key: Key) -> None:
        if self.vault.get(key):
            self.fleet.vaults[key.vault].delete(key.name)
            self.bin[key], self.vault[key] = self.vault[key], ()

    def recover(self, key: Key) -> None:
        if key in self.bin:
            self.fleet.vaults[key.vault].recover(key.name)
            self.vault[key] = self.bin.pop(key)

    def _time_passes(self) -> None:
        self.fleet.clock.move(timedelta(seconds=5))

    @rule(letters=st.sets(st.sampled_from(LETTERS)))
    def revoke(self, letters: Collection[str]) -> None:
        """The CA's next CRL."""
        self._time_passes()
        self.crls += 1
        self.listed = frozenset(letters)
        made = certs.crl(ROOT, number=self.crls, revoked=[certificate(letter) for letter in sorted(letters)])
        self.fleet.upload("crl", made.pem, KEPT, host=C)
        self.sweep(1)

    # Failures.

    @rule(host=st.sampled_from((A, B)), fails=st.booleans())
    def listing(self, host: str, fails: bool) -> None:
        self.watched[host].listing_fails = fails
        self.sweep(1)

    @rule(
        keys=st.sets(keys),
        what=st.sampled_from(["versions", "values"]),
        error=st.sampled_from([Unauthorized, Temporary]),
        newer=st.booleans(),
    )
    def deny(self, keys: Collection[Key], what: str, error: type[TrustcastError], newer: bool) -> None:
        for host in (A, B):
            self.watched[host].denied = {key.name: (what, error) for key in keys if key.vault == host}
        self._do(("upload", key, "B", None) for key in sorted(keys) if newer)
        self.sweep(1)

    @rule(changes=st.lists(CHANGES, max_size=4), disabled=keys)
    def lose_the_catalogue(self, changes: Iterable[Change], disabled: Key) -> None:
        decisions = self.fleet.decisions
        entries = decisions.snapshot(fresh=True).entries
        rows = [Write(SecretRow(key), None, ANYTHING) for key in entries if key.vault != C]
        if rows:
            decisions.commit(rows, head=self.fleet.runtime.next_head(decisions.head().value))
        self.model.forget()
        self._do([*changes, ("enable", disabled, 0, False)])
        self.sweep(1)

    @rule(cluster=st.sampled_from(tuple(FLEET)))
    def lose_a_status(self, cluster: str) -> None:
        self.fleet.statuses.forget(_place(cluster))
        self.model.lose_status(cluster)
        push_cluster(self.fleet.runtime, cluster)
        self.sweep(1)

    @rule(cluster=st.sampled_from(tuple(FLEET)), names=st.sets(st.sampled_from([SHARED, "plc1.der", "plc2.der"])))
    def take_by_hand(self, cluster: str, names: Collection[str]) -> None:
        """Somebody removes files of ours on the cluster, and the list is looked at."""
        place = self.model.places[cluster]
        there = {name: place.files.pop(_bare(name)) for name in sorted(names) if _bare(name) in place.files}
        if there:
            self.fleet.clusters[cluster].state.edit(TRUST.namespace, TRUST.object, dict.fromkeys(there))
        push_cluster(self.fleet.runtime, cluster)
        self.sweep(1)

    # Operators and time.

    @rule(cluster=st.sampled_from(tuple(FLEET)), site=st.sampled_from(SITES), keys=st.sets(keys))
    def relabel(self, cluster: str, site: str, keys: Collection[Key]) -> None:
        """The more files go to where the cluster was, the more it loses."""
        self._all(keys, "tag", Tags(self.model.sites[cluster]))
        self.fleet.register(registration(cluster, site=site))
        self.model.sites[cluster] = site
        self.sweep(1)

    @rule(wanted=st.sampled_from(SETTINGS))
    def configure(self, wanted: Settings) -> None:
        """The app is started again with other settings."""
        self._start(wanted)
        self.sweep(1)

    def _start(self, wanted: Settings) -> None:
        self.environment = wanted
        self.fleet.start(configuration(wanted), Stamp("", f"{int(self.fleet.stamp.imported) + 1:08}"))
        runtime = self.fleet.runtime
        vaults = {host: cast("Vault", self.watched[host]) for host in runtime.vaults}
        limits = Limits(share=SHARE, files=FILES, cluster_share=CLUSTER_SHARE, clusters=CLUSTERS)
        self.fleet.runtime = replace(runtime, vaults=vaults, limits=limits)

    @precondition(lambda self: self._waiting())
    @rule(data=st.data(), undone=st.booleans())
    def consent(self, data: st.DataObject, undone: bool) -> None:
        """What was shown is approved, and may have changed since."""
        question = data.draw(st.sampled_from(self._waiting()))
        if undone and (removed := [removal.key for removal in question.removals if removal.key]):
            key = Key(removed[0].vault, removed[0].name)
            self._do([("recover", key), ("enable", key, 0, True), ("tag", key, Tags(EVERYWHERE))])
        self._consent(question)

    def _consent(self, question: Question) -> None:
        concerned = [removal.key for removal in question.removals if removal.key]
        match question.asked:
            case Asked.FILES:
                self.model.approve_files(question.clusters[0])
            case Asked.DELETIONS:
                self.model.approve_deletions(concerned[0].vault)
            case Asked.ASSIGNMENT:
                self.model.approve_assignment(Key(concerned[0].vault, concerned[0].name))
            case Asked.SETTINGS:
                self.model.approve_settings(self.now)
        try:
            approve(self.fleet.runtime, question.digest)
        except (Unauthorized, Temporary):
            assert any(key.name in self.watched[key.vault].denied for key in concerned)
        self.sweep(1)

    @precondition(lambda self: self._waiting())
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        """It goes on waiting."""
        reject(self.fleet.runtime, data.draw(st.sampled_from(self._waiting())).digest)
        self.sweep(1)

    @rule(minutes=st.sampled_from([1, 5 * 60, 25 * 60]))
    def sweep(self, minutes: int) -> None:
        self.finish()
        span = timedelta(minutes=minutes)
        self.model.configure(self.environment, self.now + span)
        self.fleet.sweep(span)
        self.finish()
        self._look()

    # What must hold.

    def _waiting(self) -> tuple[Question, ...]:
        return waiting(self.fleet.runtime)

    def _look(self) -> None:
        snapshot = self.fleet.decisions.snapshot(fresh=True)
        assert {host: {*each.secrets} for host, each in snapshot.deletions.items()} == {
            host: {key.name for key in missing} for host, (_, missing) in self.model.missing.items()
        }
        assert {_key(key): {*each.waiting.clusters} for key, each in snapshot.entries.items() if each.waiting} == {
            key: {*each.wide.clusters} for key, each in self.model.standings.items() if each.wide
        }
        assert bool(snapshot.proposal) == bool(self.model.proposed)
        for cluster, place in self.model.places.items():
            self._compare(cluster, place)
        self._nothing_is_left()

    def _compare(self, cluster: str, place: Place) -> None:
        status = self.fleet.status(cluster)
        assert _letters(self.fleet.files(cluster)) == {n: file.letter for n, file in place.files.items()}, cluster
        owners = {_bare(name): _key(file.owner) for name, file in status.files.items() if file.owner}
        assert owners == {name: file.owner for name, file in place.files.items()}, cluster
        held = {_bare(each.file): (_key(each.owner), each.reason.name) for each in status.held if each.owner}
        assert held == {name: fact[:2] for name, (fact, _) in place.held.items()}, cluster

    def _nothing_is_left(self) -> None:
        """Where vaults answer, another look or push would come to the same."""
        unseen = self.model.unseen(self.vault, self.now)
        refused = {key for key in unseen if key.name in self.watched[key.vault].denied}
        refused |= {key for key in unseen if self.watched[key.vault].listing_fails}
        assert {key for key in unseen - refused if key.vault in self.environment.vaults} == set()
        for cluster, place in self.model.places.items():
            if not all(self.model.is_known(holder) for holder in place.names.values()):
                continue  # a name of which the catalogue says nothing is let go with the next verification
            again = self.model.pushed(cluster, deepcopy(place), place.pushed or self.now)
            assert (again.files, again.held.keys()) == (place.files, place.held.keys()), cluster


def _place(cluster: str) -> str:
    return f"{cluster}/{TRUST.namespace}/{TRUST.object}"


def _key(key: SecretKey | None) -> Key:
    assert key is not None
    return Key(key.vault, key.name)


def _bare(file: str) -> str:
    """As the model calls files: the secret's name, or the tag's with its extension."""
    return file if file == SHARED else file.removesuffix(".der")


def _letters(files: Mapping[str, bytes]) -> dict[str, str]:
    known = {certificate(letter).der: letter for letter in LETTERS}
    return {_bare(file): known.get(data, "?") for file, data in files.items()}


Owners.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=20,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLaws3And4Statefully = Owners.TestCase


def _forgiving(vault: Vault, key: SecretKey, old: Entry | None) -> tuple[tuple[VersionProperties, ...], bool]:
    try:
        return newest_first(vault, key, old)
    except Unauthorized:
        return (), True


def _enabled(entry: Entry, definition: ListDefinition) -> tuple[EligibleVersion, ...]:
    return eligible_versions(replace(entry, candidates=tuple(c for c in entry.candidates if c.enabled)), definition)


def _of_the_secret(snapshot: Snapshot, key: SecretKey | None, *_: str) -> bool:
    return any(removal.key == key for each in snapshot.answers.values() for removal in each.removals)


BROKEN: dict[str, tuple[str, Any]] = {
    "no limits": ("sync.reconcile.losses.held_groups", lambda *_: frozenset()),
    "no memory of 24 hours": ("sync.reconcile.losses.counted_losses", lambda *_: ()),
    "no permission means no secret": ("sync.steps.admission.newest_first", _forgiving),
    "an approval of whatever the secret loses": ("sync.catalogue.snapshot.Snapshot.approves", _of_the_secret),
    "deletions that were approved once": (
        "sync.catalogue.snapshot.Snapshot.approves_deletion",
        lambda snapshot, key, _: _of_the_secret(snapshot, key),
    ),
    "an older version in the place of one disabled": ("sync.desired.state.eligible_versions", _enabled),
    "a name for whoever was admitted first": (
        "sync.reconcile.draft.choose_claim",
        lambda _, claims, *__: claims[0].file,
    ),
    "no deletions wait": ("sync.steps.drift.ask_about_deletions", lambda *_: None),
    "no assignments wait": ("sync.steps.admission.with_wide_change_waiting", lambda *of: replace(of[-1], waiting=None)),
    "no settings wait": ("sync.steps.configuration.losing_by_settings", lambda *_: {}),
    "what is revoked stays": ("sync.reconcile.context.ListContext.revoked", lambda *_: None),
    "what is revoked is counted": ("sync.reconcile.holds.Leaving.counts", property(lambda each: not each.approved)),
    "part of a version's names": ("sync.reconcile.draft._not_whole", lambda *_: {}),
}


@pytest.mark.parametrize("how", BROKEN)
def test_law3_and_law4_broken_are_noticed(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*BROKEN[how])
    quick = settings(Owners.TestCase.settings, phases=[Phase.generate], database=None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Owners, settings=quick)
