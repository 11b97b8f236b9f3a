"""Law 4: absence is proven, never assumed; random owners, failures and approvals against a small model of the vault."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sync.errors import Temporary, TrustcastError, Unauthorized
from sync.ports import RowName, Write
from sync.steering import approve, held_removals, register, reject
from tests.certs import server
from tests.service import TRUST, Fleet, registration

NAMES = tuple(f"plc{number}" for number in range(1, 9))
LETTERS = "AB"
TAGS = {"everywhere": {"trustcast-lists": "trust", "trustcast-clusters": "*"}}
TAGS |= {site: {"trustcast-lists": "trust", "trustcast-clusters": f"site={site}"} for site in ("north", "south")}
TAGS |= {"nowhere": {"trustcast-lists": "none"}, "dropped": {}}
SITES = ("north", "south")
DAY = timedelta(hours=24)
FILES = 3
SHARE = 0.25


@cache
def certificate(name: str, letter: str) -> bytes:
    return server(name=name, key_name=letter).der


@cache
def value(name: str, letter: str) -> str:
    """The text of a version; `!` is one that no rule lets pass."""
    return "no certificate" if letter == "!" else server(name=name, key_name=letter).pem


@dataclass
class Known:
    """One secret as its owner knows it: the versions, oldest first, as letter, enabled, tags.

    Attributes:
        forgotten: the catalogue was lost, so a file of which the vault tells no more is `unaccounted` and stays.
    """

    versions: list[tuple[str, bool, str]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    deleted: bool = False
    forgotten: bool = False

    @property
    def tags(self) -> str:
        return next((tags for _, _, tags in reversed(self.versions) if tags != "dropped"), "nowhere")

    def reaches(self, site: str) -> bool:
        return not self.deleted and self.tags in {"everywhere", site}


class Trouble:
    """The vault, with what fails at present."""

    def __init__(self, inner) -> None:
        self.inner = inner
        self.listing_fails = False
        self.denied: set[str] = set()

    def versions(self, name):
        self._check(name)
        return self.inner.versions(name)

    def read(self, name, version):
        self._check(name)
        return self.inner.read(name, version)

    def listing(self):
        if self.listing_fails:
            raise Temporary("page 2 of the listing failed")
        return self.inner.listing()

    def _check(self, name):
        if name in self.denied:
            raise Unauthorized("403")


class Owners(RuleBasedStateMachine):
    """Whatever owners, operators and failures do: files leave with a proof, and not too many of them."""

    def __init__(self) -> None:
        super().__init__()
        self.fleet = Fleet()
        self.trouble = Trouble(self.fleet.vault)
        self.fleet.lose_decisions()
        self._attach()
        self.sites = {"x": "north", "y": "south"}
        self.known: dict[str, Known] = {}
        self.seen: dict[str, dict[str, bytes]] = {"x": {}, "y": {}}
        self.left: dict[str, list[tuple[datetime, str]]] = {"x": [], "y": []}
        self.most: dict[str, list[tuple[datetime, int]]] = {"x": [], "y": []}
        self.consented: dict[str, set[str]] = {"x": set(), "y": set()}

    def _attach(self) -> None:
        service = self.fleet.service
        self.fleet.service = replace(service, vaults=dict.fromkeys(service.vaults, self.trouble))

    @initialize(names=st.sets(st.sampled_from(NAMES), min_size=6))
    def begin(self, names):
        self.fleet.sweep()
        self.fleet.enrol(*(registration(name, site=site) for name, site in self.sites.items()))
        for name in sorted(names):
            self.upload(name, "A", "everywhere")
        self.settle()

    # Owners.

    @rule(name=st.sampled_from(NAMES), letter=st.sampled_from(LETTERS + "!"), tags=st.sampled_from(sorted(TAGS)))
    def upload(self, name, letter, tags):
        known = self.known.setdefault(name, Known())
        if known.deleted:
            return
        self.fleet.clock.move(timedelta(seconds=5))
        known.ids.append(self.fleet.upload(name, value(name, letter), TAGS[tags]))
        known.versions.append((letter, True, tags))

    @rule(name=st.sampled_from(NAMES), enabled=st.booleans())
    def enable(self, name, enabled):
        known = self.known.get(name)
        if known and not known.deleted:
            self.fleet.clock.move(timedelta(seconds=5))
            self.fleet.vault.set_enabled(name, known.ids[-1], enabled)
            known.versions[-1] = (known.versions[-1][0], enabled, known.versions[-1][2])

    @rule(name=st.sampled_from(NAMES), tags=st.sampled_from(sorted(TAGS)))
    def edit_tags(self, name, tags):
        known = self.known.get(name)
        if known and not known.deleted:
            self.fleet.clock.move(timedelta(seconds=5))
            self.fleet.vault.update(name, known.ids[-1], tags=TAGS[tags])
            known.versions[-1] = (*known.versions[-1][:2], tags)

    @rule(names=st.sets(st.sampled_from(NAMES), min_size=3), how=st.sampled_from(["delete", "disable", "unassign"]))
    def sweep_away(self, names, how):
        """Several at once, and what follows from it."""
        for name in sorted(names):
            if how == "delete":
                self.delete(name)
            elif how == "disable":
                self.enable(name, False)
            else:
                self.edit_tags(name, "nowhere")
        self.sweep(1)

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name):
        known = self.known.get(name)
        if known and not known.deleted:
            self.fleet.vault.delete(name)
            known.deleted = True

    @rule(name=st.sampled_from(NAMES))
    def recover(self, name):
        known = self.known.get(name)
        if known and known.deleted:
            self.fleet.vault.recover(name)
            known.deleted = False

    @rule(cluster=st.sampled_from("xy"), site=st.sampled_from(SITES))
    def relabel(self, cluster, site):
        with suppress(TrustcastError):
            if register(self.fleet.service, registration(cluster, site=site)) is None:
                self.sites[cluster] = site

    # Failures.

    @rule(fails=st.booleans())
    def listing(self, fails):
        self.trouble.listing_fails = fails

    @rule(names=st.sets(st.sampled_from(NAMES)))
    def deny(self, names):
        self.trouble.denied = set(names)

    @rule()
    def drop_events(self):
        self.fleet.events.clear()

    @rule()
    def lose_the_catalogue(self):
        decisions = self.fleet.decisions
        rows = [Write(RowName.secret(key), None, "*") for key in decisions.snapshot(fresh=True).entries]
        if rows:
            decisions.commit(rows, head=self.fleet.service.next_head(decisions.head().value))
        for known in self.known.values():
            known.forgotten = True

    # Operators and time.

    def _waiting(self):
        return held_removals(self.fleet.decisions.snapshot(fresh=True))

    @precondition(lambda self: self._waiting())
    @rule()
    def consent(self):
        removal = self._waiting()[0]
        for loss in removal.held.losses:
            for cluster in loss.clusters:
                self.consented[cluster] |= set(loss.files)
        with suppress(TrustcastError):
            approve(self.fleet.service, removal.held.digest)
        self._know_labels()

    @precondition(lambda self: self._waiting())
    @rule()
    def refuse(self):
        with suppress(TrustcastError):
            reject(self.fleet.service, self._waiting()[0].held.digest)

    def _know_labels(self) -> None:
        for name, each in self.fleet.decisions.snapshot(fresh=True).clusters.items():
            self.sites[name] = each.labels["site"]

    @rule()
    def settle(self):
        self.fleet.work_off()
        self.look()

    @rule(minutes=st.sampled_from([1, 30, 25 * 60]))
    def sweep(self, minutes):
        self.fleet.sweep(timedelta(minutes=minutes))

    # What must hold.

    @invariant()
    def look(self):
        for cluster, before in self.seen.items():
            now = self.fleet.files(cluster) if cluster in self.fleet.clusters else {}
            for file in before.keys() - now.keys():
                self._left(cluster, file)
            self.left[cluster] = [(at, file) for at, file in self.left[cluster] if file not in now]
            self.most[cluster].append((self.fleet.clock.now, len(now)))
            self.seen[cluster] = now
            self._not_too_many(cluster)

    def _left(self, cluster: str, file: str) -> None:
        known = self.known[file.removesuffix(".der")]
        in_force_disabled = any(letter != "!" and not enabled for letter, enabled, _ in known.versions)
        proven = not known.reaches(self.sites[cluster]) or in_force_disabled
        assert proven, f"{file} left {cluster}, and nothing says that it should"
        if file in self.consented[cluster]:
            self.consented[cluster].discard(file)
        else:
            self.left[cluster].append((self.fleet.clock.now, file))

    def _not_too_many(self, cluster: str) -> None:
        since = self.fleet.clock.now - DAY
        recent = {file for at, file in self.left[cluster] if at >= since}
        most = max((n for at, n in self.most[cluster] if at >= since), default=0)
        assert len(recent) <= FILES or len(recent) <= SHARE * max(most, len(self.seen[cluster])), (cluster, recent)

    def teardown(self):
        """Once everything works again and every removal is consented to, each list is what the vault says."""
        if not self.fleet.clusters:
            return
        self.trouble.listing_fails, self.trouble.denied = False, set()
        for _ in range(40):
            self.fleet.sweep(timedelta(minutes=2))
            if not self._waiting():
                break
            self.consent()
        self.fleet.sweep(timedelta(minutes=2))
        for cluster in self.seen:
            self._equals_the_vault(cluster)

    def _equals_the_vault(self, cluster: str) -> None:
        files = self.fleet.files(cluster, TRUST)
        for name, known in self.known.items():
            allowed = self._may_hold(known, self.sites[cluster])
            found = files.get(f"{name}.der")
            assert next((a for a in allowed if _bytes(name, a) == found), "?") != "?", (cluster, name, known, allowed)

    def _may_hold(self, known: Known, site: str) -> set[str]:
        """The letters that the list may hold of a secret, an empty one for nothing: the newest enabled and valid."""
        if not known.reaches(site):
            return {"", *LETTERS} if known.forgotten else {""}
        for letter, enabled, _ in reversed(known.versions):
            if not enabled:  # was it ever in force? the owner cannot know; then nothing, else what was before
                return {"", *(each for each, _, _ in known.versions if each != "!")}
            if letter != "!":
                return {letter}
        return {""}


def _bytes(name: str, letter: str) -> bytes | None:
    return certificate(name, letter) if letter else None


Owners.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=20,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLaw4Statefully = Owners.TestCase


BROKEN = {
    "no limits": ("sync.admission.must_wait", lambda *_, **__: False),
    "no memory of 24 hours": ("sync.admission.removal_rows", lambda *_: ()),
    "no permission means no secret": ("sync.admission.vault_versions", lambda vault, key: _forgiving(vault, key.name)),
}


def _forgiving(vault, name: str):
    try:
        return vault.versions(name).items
    except Unauthorized:
        return ()


@pytest.mark.parametrize("how", BROKEN)
def test_law_4_broken_is_noticed(how, monkeypatch):
    monkeypatch.setattr(*BROKEN[how])
    quick = settings(Owners.TestCase.settings, phases=[Phase.generate], database=None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Owners, settings=quick)
