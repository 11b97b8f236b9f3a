"""Laws 3 and 4: random owners, failures and approvals, after each of which every list holds exactly what a model says.

The model is told of each look at the vault that succeeds, in order, and of what people say; that nothing is left unseen
where the vault answers is asked besides.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from sync.catalogue.eligibility import eligible_versions
from sync.catalogue.rows import SecretRow
from sync.commands.clusters import submit
from sync.commands.removals import approve, reject
from sync.desired.removals import Limits
from sync.errors import Invalid, Temporary, TrustcastError, Unauthorized
from sync.ports.decisions import Write
from sync.ports.stored import ANYTHING
from sync.reports.removals import held_removals
from tests.support.certs import server
from tests.support.fleet import Fleet, registration
from tests.support.law04_model import (
    EVERYWHERE,
    FILES,
    GARBAGE,
    NOWHERE,
    SHARE,
    UNTAGGED,
    Loss,
    Model,
    Version,
    Waiting,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from sync.catalogue.eligibility import EligibleVersion
    from sync.catalogue.entry import Entry, Held
    from sync.catalogue.secret import ListedSecret, SecretKey, SecretValue, VersionProperties
    from sync.fleet.lists import ListDefinition
    from sync.ports.vault import Vault, Versions
    from sync.reports.removals import HeldRemoval
    from tests.support.memory import MemoryVault

NAMES = tuple(f"plc{number}" for number in range(1, 9))
SITES = ("north", "south")
Change = tuple[Any, ...]
"""What owners do: the name of a method of `Owners`, and its arguments."""

CLUSTERS = {"x": "north", "y": "south"}
TAGS: dict[str, dict[str, str]] = {
    site: {"trustcast-lists": "trust", "trustcast-clusters": f"site={site}"} for site in SITES
}
TAGS |= {EVERYWHERE: {"trustcast-lists": "trust", "trustcast-clusters": "*"}}
TAGS |= {NOWHERE: {"trustcast-lists": "none"}, UNTAGGED: {}}


@cache
def certificate(name: str, letter: str) -> bytes:
    return server(name=name, key_name=letter).der


@cache
def value(name: str, letter: str) -> str:
    return "no certificate" if letter == GARBAGE else server(name=name, key_name=letter).pem


class Watched:
    """The vault, with what fails at present; it tells which looks were refused nothing."""

    def __init__(self, inner: MemoryVault, looked: Callable[[str], None]) -> None:
        self.inner, self.looked = inner, looked
        self.listing_fails = False
        self.denied: dict[str, tuple[str, type[TrustcastError]]] = {}
        self.looking: str | None = None

    def versions(self, name: str) -> Versions:
        self.finish()
        self._check(name, "versions")
        self.looking = name
        return self.inner.versions(name)

    def read(self, name: str, version: str | None) -> SecretValue:
        self._check(name, "values")
        return self.inner.read(name, version)

    def listing(self) -> tuple[ListedSecret, ...]:
        if self.listing_fails:
            raise Temporary("page 2 of the listing failed")
        return self.inner.listing()

    def finish(self) -> None:
        """The look before is over."""
        name, self.looking = self.looking, None
        if name is not None:
            self.looked(name)

    def _check(self, name: str, what: str) -> None:
        rejected, error = self.denied.get(name, ("", Temporary))
        if what == rejected:
            self.looking = None
            raise error("the vault said no")


names = st.sampled_from(NAMES)
tags = st.sampled_from((EVERYWHERE, *SITES, NOWHERE, UNTAGGED))
many = st.sets(names, min_size=3)
CHANGES = st.one_of(
    st.tuples(st.just("upload"), names, st.sampled_from(("A", "B", GARBAGE)), st.sampled_from((UNTAGGED, *TAGS))),
    st.tuples(st.just("enable"), names, st.integers(0, 1), st.booleans()),
    st.tuples(st.just("tag"), names, tags),
    st.tuples(st.just("delete"), names),
    st.tuples(st.just("recover"), names),
)


class Owners(RuleBasedStateMachine):
    """Whatever owners, operators and failures do: lists hold what the laws say, and no more is taken from them."""

    def __init__(self) -> None:
        super().__init__()
        self.fleet = Fleet()
        self.vault: dict[str, tuple[Version, ...]] = {}
        self.bin: dict[str, tuple[Version, ...]] = {}
        self.model = Model(dict(CLUSTERS))
        self.watched = Watched(self.fleet.vault, self._looked)
        runtime = self.fleet.runtime
        vaults = dict.fromkeys(runtime.vaults, cast("Vault", self.watched))
        self.fleet.runtime = replace(runtime, vaults=vaults, limits=Limits(share=SHARE, files=FILES))

    def _looked(self, name: str) -> None:
        self.model.look(name, self.vault.get(name, ()), self.fleet.clock.now)

    @initialize(names=st.sets(names, min_size=6), north=st.sets(names))
    def begin(self, names: Collection[str], north: Collection[str]) -> None:
        self.fleet.sweep()
        self.fleet.register(*(registration(name, site=site) for name, site in CLUSTERS.items()))
        for name in sorted(names):
            self.upload(name, "A", "north" if name in north else EVERYWHERE)
        self.sweep(1)

    # Owners.

    @rule(changes=st.lists(CHANGES, min_size=1, max_size=4), events_are_lost=st.booleans())
    def change(self, changes: Iterable[Change], events_are_lost: bool) -> None:
        self._do(changes)
        if events_are_lost:
            self.fleet.events.clear()
        self.sweep(1)

    @rule(names=many, change=st.sampled_from([("delete",), ("recover",), ("enable", 0, False), ("enable", 0, True)]))
    def change_many(self, names: Collection[str], change: Change) -> None:
        self._all(names, *change)

    @rule(names=many, tags=tags)
    def tag_many(self, names: Collection[str], tags: str) -> None:
        self._all(names, "tag", tags)

    @rule(
        names=many,
        change=st.sampled_from(
            [
                ("delete", "recover"),
                (("enable", 0, False), ("enable", 0, True)),
                (("tag", NOWHERE), ("tag", EVERYWHERE)),
            ]
        ),
    )
    def there_and_back(self, names: Collection[str], change: tuple[str | Change, str | Change]) -> None:
        """What was approved once is not approved for ever."""
        there, back = (each if isinstance(each, tuple) else (each,) for each in change)
        self._all(names, *there)
        for _ in self.model.waiting.copy():
            if waiting := self._waiting():
                self._consent(_row(waiting[0]), waiting[0].held.digest)
        self._all(names, *back)
        self._all(names, *there)

    def _all(self, names: Collection[str], how: str, *what: Any) -> None:
        self._do((how, name, *what) for name in sorted(names))
        self.sweep(1)

    def _do(self, changes: Iterable[Change]) -> None:
        for how, *what in changes:
            getattr(self, how)(*what)

    def upload(self, name: str, letter: str, tags: str) -> None:
        if name not in self.bin:
            version = Version(self.fleet.upload(name, value(name, letter), TAGS[tags]), letter, tags)
            self.vault[name] = (version, *self.vault.get(name, ()))
            self._time_passes()

    def enable(self, name: str, which: int, enabled: bool) -> None:
        if which < len(self.vault.get(name, ())):
            self.fleet.vault.set_enabled(name, self.vault[name][which].id, enabled)
            self._edit(name, which, enabled=enabled)

    def tag(self, name: str, tags: str) -> None:
        if self.vault.get(name):
            self.fleet.vault.update(name, self.vault[name][0].id, tags=TAGS[tags])
            self._edit(name, 0, tags=tags)

    def _edit(self, name: str, which: int, **what: Any) -> None:
        versions = list(self.vault[name])
        versions[which] = replace(versions[which], **what)
        self.vault[name] = tuple(versions)
        self._time_passes()

    def delete(self, name: str) -> None:
        if self.vault.get(name):
            self.fleet.vault.delete(name)
            self.bin[name], self.vault[name] = self.vault[name], ()

    def recover(self, name: str) -> None:
        if name in self.bin:
            self.fleet.vault.recover(name)
            self.vault[name] = self.bin.pop(name)

    def _time_passes(self) -> None:
        self.fleet.clock.move(timedelta(seconds=5))

    # Failures.

    @rule(fails=st.booleans())
    def listing(self, fails: bool) -> None:
        self.watched.listing_fails = fails
        self.sweep(1)

    @rule(
        names=st.sets(names),
        what=st.sampled_from(["versions", "values"]),
        error=st.sampled_from([Unauthorized, Temporary]),
        newer=st.booleans(),
    )
    def deny(self, names: Collection[str], what: str, error: type[TrustcastError], newer: bool) -> None:
        self.watched.denied = dict.fromkeys(names, (what, error))
        self._do(("upload", name, "B", UNTAGGED) for name in sorted(names) if newer)
        self.sweep(1)

    @rule(changes=st.lists(CHANGES, max_size=4), disabled=names)
    def lose_the_catalogue(self, changes: Iterable[Change], disabled: str) -> None:
        decisions = self.fleet.decisions
        rows = [Write(SecretRow(key), None, ANYTHING) for key in decisions.snapshot(fresh=True).entries]
        if rows:
            decisions.commit(rows, head=self.fleet.runtime.next_head(decisions.head().value))
        self.model.forget()
        self._do([*changes, ("enable", disabled, 0, False)])
        self.sweep(1)

    # Operators and time.

    @rule(
        cluster=st.sampled_from(tuple(CLUSTERS)),
        site=st.sampled_from(SITES),
        names=st.sets(names),
        rejected=st.booleans(),
    )
    def relabel(self, cluster: str, site: str, names: Collection[str], rejected: bool) -> None:
        """The more files go to where the cluster was, the more it loses."""
        self._all(names, "tag", self.model.sites[cluster])
        submit(self.fleet.runtime, lambda _: registration(cluster, site=site))
        self.model.register(cluster, site, self.fleet.clock.now)
        for each in self._waiting():
            if rejected and _row(each) == cluster:
                self._refuse(cluster, each.held.digest)
        self.sweep(1)

    @precondition(lambda self: self.model.waiting)
    @rule(data=st.data(), undone=st.booleans())
    def consent(self, data: st.DataObject, undone: bool) -> None:
        """What was shown is approved, and may have changed since."""
        row, digest = self._pick(data)
        if undone and row in NAMES:
            self._do([("recover", row), ("enable", row, 0, True), ("tag", row, EVERYWHERE)])
        self._consent(row, digest)

    def _consent(self, row: str, digest: str) -> None:
        self.model.approve(row)
        proposed = self.model.proposed.get(row)
        try:
            approve(self.fleet.runtime, digest)
        except (Unauthorized, Temporary):
            assert row in self.watched.denied
        if proposed:
            self.model.register(row, proposed, self.fleet.clock.now)
        self.sweep(1)

    @precondition(lambda self: self.model.waiting)
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        self._refuse(*self._pick(data))
        self.sweep(1)

    def _refuse(self, row: str, digest: str) -> None:
        reject(self.fleet.runtime, digest)
        self.model.refuse(row)

    def _pick(self, data: st.DataObject) -> tuple[str, str]:
        return data.draw(st.sampled_from([(_row(each), each.held.digest) for each in self._waiting()]))

    @rule(digest=st.sampled_from(["0" * 64, ""]))
    def approve_what_nobody_was_shown(self, digest: str) -> None:
        with pytest.raises(Invalid):
            approve(self.fleet.runtime, digest)

    @rule(minutes=st.sampled_from([1, 5 * 60, 25 * 60]))
    def sweep(self, minutes: int) -> None:
        self.fleet.sweep(timedelta(minutes=minutes))
        self.watched.finish()
        self.model.push()
        self._look()

    # What must hold.

    def _waiting(self) -> tuple[HeldRemoval, ...]:
        return held_removals(self.fleet.decisions.snapshot(fresh=True))

    def _look(self) -> None:
        assert {_row(each): _shown(each.held) for each in self._waiting()} == self.model.waiting
        clusters = self.fleet.decisions.snapshot(fresh=True).clusters
        assert {name: each.labels["site"] for name, each in clusters.items()} == self.model.sites
        for cluster, held in self.model.lists.items():
            assert _letters(self.fleet.files(cluster)) == held, cluster
        if not self.watched.listing_fails:
            assert self.model.unseen(self.vault) <= self.watched.denied.keys()


def _row(removal: HeldRemoval) -> str:
    return removal.row.key.name if isinstance(removal.row, SecretRow) else str(removal.row).rpartition("|")[2]


def _shown(held: Held) -> Waiting:
    losses = [
        Loss(cluster, frozenset(map(_name, loss.files)), loss.held) for loss in held.losses for cluster in loss.clusters
    ]
    return Waiting(frozenset(losses), held.rejected)


def _name(file: str) -> str:
    return file.removesuffix(".der")


def _letters(files: Mapping[str, bytes]) -> dict[str, str]:
    return {
        _name(file): next((letter for letter in "AB" if certificate(_name(file), letter) == data), "?")
        for file, data in files.items()
    }


Owners.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=20,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLaws3And4Statefully = Owners.TestCase


def _forgiving(vault: Vault, key: SecretKey, _: object) -> tuple[VersionProperties, ...]:
    try:
        return vault.versions(key.name).items
    except Unauthorized:
        return ()


def _enabled(entry: Entry, definition: ListDefinition, *selectors: Any) -> tuple[EligibleVersion, ...]:
    return eligible_versions(
        replace(entry, candidates=tuple(c for c in entry.candidates if c.enabled)), definition, *selectors
    )


BROKEN = {
    "no limits": ("sync.steps.admission.needs_approval", lambda *_, **__: False),
    "no memory of 24 hours": ("sync.steps.admission.removal_rows", lambda *_: ()),
    "no permission means no secret": ("sync.steps.admission.newest_first", _forgiving),
    "an approval of whatever the row loses": (
        "sync.desired.removals.digest",
        lambda row, _: sha256(row.encode()).hexdigest(),
    ),
    "an older version in the place of one disabled": ("sync.desired.state.eligible_versions", _enabled),
}


@pytest.mark.parametrize("how", BROKEN)
def test_law3_and_law4_broken_are_noticed(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*BROKEN[how])
    quick = settings(Owners.TestCase.settings, phases=[Phase.generate], database=None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Owners, settings=quick)
