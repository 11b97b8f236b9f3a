"""Removals are held where they happen: for each place and owner's vault by itself (law 4)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.kubernetes.cluster import Cluster
from sync.catalogue.secret import SecretKey
from sync.catalogue.snapshot import Answer, Removal
from sync.desired.reasons import RemovalReason
from sync.desired.state import DesiredState
from sync.errors import Changed
from sync.fleet.vaults import WatchedVault
from sync.reconcile.context import ListContext
from sync.reconcile.holds import SCOPE, WINDOW, Holdings, Leaving, Left, Limits, counted_losses, held_groups
from sync.reconcile.memory import NO_MEMORY, ListMemory
from sync.reconcile.plan import after, make_plan
from tests.support import certs
from tests.support.catalogues import CONFIGURATION, HOST, TRUST, VAULT, candidate, entry, proven, snapshot, version_name
from tests.support.certs import DAY, NOW
from tests.support.lists import PLACE, SWEPT, WHERE, carry_out, push
from tests.support.memory import MemoryCluster

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from sync.catalogue.entry import Entry

B_HOST = "b.vault.azure.net"
HOUR = timedelta(hours=1)
LIMITS = Limits()


# --- Limits ----------------------------------------------------------------------------------------------

AMOUNTS = {
    "three of three may leave": (3, 3, False),
    "four of four wait": (4, 4, True),
    "a quarter of many may leave": (25, 100, False),
    "more than a quarter of many waits": (26, 100, True),
    "four of sixteen are a quarter": (4, 16, False),
    "four of fifteen are more": (4, 15, True),
    "nothing lost": (0, 10, False),
}


@pytest.mark.parametrize(("count", "of", "held"), AMOUNTS.values(), ids=AMOUNTS)
def test_law4_over_the_share_and_over_the_number_of_files_waits(count: int, of: int, held: bool) -> None:
    assert LIMITS.too_many(count, of) is held
    assert bool(held_groups(leaving(count), {}, holding(of, leaves=count), LIMITS)) is held


@pytest.mark.parametrize(("clusters", "of", "wide"), [(3, 3, False), (4, 4, True), (10, 100, False), (11, 100, True)])
def test_law4_over_the_share_and_over_the_number_of_clusters_waits(clusters: int, of: int, wide: bool) -> None:
    assert LIMITS.too_wide(clusters, of) is wide


def test_the_limits_are_settings() -> None:
    assert held_groups(leaving(2), {}, holding(100, leaves=2), Limits(share=0.01, files=1))
    assert not held_groups(leaving(2), {}, holding(2, leaves=2), Limits(share=1.0, files=0))


# --- What counts -----------------------------------------------------------------------------------------


def owner(name: str, host: str = HOST) -> SecretKey:
    return SecretKey(host, name)


def leaving(count: int, first: int = 0, host: str = HOST, **differs: Any) -> list[Leaving]:
    """So many files that may leave, of a secret each."""
    return [
        Leaving(f"s{n:02}.der", owner(f"s{n:02}", host), version_name(1), RemovalReason.DELETED, "since")
        if not differs
        else replace(leaving(1, n, host)[0], **differs)
        for n in range(first, first + count)
    ]


def holding(
    of: int, *, leaves: int = 0, first: int = 0, host: str = HOST, left: Iterable[Left] = (), brings: int = 0
) -> Holdings:
    """A place that had so many files of a vault and would keep all but those that leave."""
    had = {f"s{n:02}.der": host for n in range(of)}
    gone = {f"s{n:02}.der" for n in range(first, first + leaves)}
    would_hold = {name: vault for name, vault in had.items() if name not in gone}
    return Holdings(had, would_hold | {f"new{n}.der": host for n in range(brings)}, tuple(left))


def past(count: int, first: int, ago: timedelta = HOUR, group: str = HOST) -> list[Left]:
    return [Left(f"s{n:02}.der", group, NOW - ago) for n in range(first, first + count)]


def is_held(files: list[Leaving], holdings: Holdings, brought: dict[SecretKey, int] | None = None) -> bool:
    return bool(held_groups(files, brought or {}, holdings, LIMITS))


def test_law4_a_drip_is_held_like_a_flood() -> None:
    """Two more of ten leave: with the two before, four are over three and over a quarter."""
    rest = holding(8, leaves=2)
    assert not is_held(leaving(2), rest)
    assert is_held(leaving(2), replace(rest, left=tuple(past(2, first=8))))


def test_the_same_name_again_counts_once() -> None:
    assert not is_held(leaving(2), holding(10, leaves=2, left=past(2, first=0)))


def test_what_came_back_since_does_not_count() -> None:
    assert not is_held(leaving(2), holding(10, leaves=2, left=past(2, first=5)))


def test_law4_the_share_is_of_what_the_place_would_hold_had_nothing_left() -> None:
    """40 once; 8 went, now 2 more: 10 of 40 are a quarter, though 10 of the 32 that are left would be more."""
    assert not is_held(leaving(2), holding(32, leaves=2, left=past(8, first=32)))
    assert is_held(leaving(3), holding(32, leaves=3, left=past(8, first=32)))


@pytest.mark.parametrize(("ago", "counts"), [(WINDOW, True), (WINDOW + timedelta(seconds=1), False)])
def test_what_left_counts_for_a_day_to_the_last_second(ago: timedelta, counts: bool) -> None:
    assert bool(counted_losses(past(1, 0, ago), NOW)) is counts


def test_law13_one_vaults_losses_never_pin_anothers() -> None:
    mine, others = leaving(1), leaving(6, first=20, host=B_HOST)
    had = {**{f"s{n:02}.der": HOST for n in range(8)}, **{f"s{n:02}.der": B_HOST for n in range(20, 26)}}
    would_hold = {name: vault for name, vault in had.items() if name not in {e.file for e in (*mine, *others)}}
    assert held_groups([*mine, *others], {}, Holdings(had, would_hold, ()), LIMITS) == {B_HOST}


def test_law4_what_labels_and_settings_take_counts_for_the_place_as_one() -> None:
    mine, others = leaving(2, scope=True), leaving(2, first=2, host=B_HOST, scope=True)
    had = {"s00.der": HOST, "s01.der": HOST, "s02.der": B_HOST, "s03.der": B_HOST}
    files = [*mine, *others]
    assert held_groups(files, {}, Holdings(had, {}, ()), LIMITS) == {SCOPE}
    assert held_groups(files[:3], {}, Holdings(had, {"s03.der": B_HOST}, ()), LIMITS) == frozenset()


UNCOUNTED: dict[str, dict[str, Any]] = {
    "law 4: what a proven CRL revokes": {"reason": RemovalReason.REVOKED},
    "law 4: what was approved": {"approved": True},
}


@pytest.mark.parametrize("differs", UNCOUNTED.values(), ids=UNCOUNTED)
def test_is_neither_held_nor_counted(differs: dict[str, Any]) -> None:
    assert not is_held(leaving(9, **differs), holding(9, leaves=9))
    assert not is_held([*leaving(6, **differs), *leaving(3, first=6)], holding(9, leaves=9))
    assert is_held([*leaving(5, **differs), *leaving(4, first=5)], holding(9, leaves=9))


def test_law4_as_many_files_as_a_new_version_brings_do_not_count() -> None:
    bundle = leaving(6, owner=owner("bundle"), reason=RemovalReason.REPLACED, since=version_name(2))
    assert not is_held(bundle, holding(6, leaves=6, brings=6), {owner("bundle"): 6})
    assert not is_held(bundle, holding(6, leaves=6, brings=3), {owner("bundle"): 3})
    assert is_held(bundle, holding(6, leaves=6, brings=2), {owner("bundle"): 2})


def test_law4_what_one_secret_brings_makes_up_for_no_other() -> None:
    bundle = leaving(4, owner=owner("bundle"), reason=RemovalReason.REPLACED, since=version_name(2))
    assert is_held(bundle, holding(4, leaves=4, brings=4), {owner("other"): 4})
    assert is_held(leaving(4), holding(4, leaves=4, brings=4), {owner("s00"): 4})


# --- In plans --------------------------------------------------------------------------------------------

ROOT = certs.ca()
BUILT = {n: certs.server(name=f"s{n}", issuer=ROOT) for n in range(16)}
TWO_VAULTS = replace(CONFIGURATION, vaults=(VAULT, WatchedVault(f"https://{B_HOST}")))


def a_secret(number: int, host: str = HOST, clusters: str = "*", **more: Any) -> Entry:
    usual: dict[str, Any] = {"host": host, "clusters": clusters, "version": version_name(1), "since": NOW - 9 * DAY}
    return entry(f"{host[0]}{number:02}", candidate(1, BUILT[number]), **usual | more)


def names(numbers: Iterable[int], host: str = HOST) -> set[str]:
    return {f"{host[0]}{number:02}.der" for number in numbers}


@dataclass
class Place:
    """A list with its object and its status; what decides is what these secrets and labels say.

    Attributes:
        secrets: of the catalogue, by file name.
        labels: of the cluster.
        revoked: numbers of certificates that a proven CRL lists.
        approved: what a person consented to.
        tag: of the status row.
    """

    secrets: dict[str, Entry]
    labels: dict[str, str] = field(default_factory=dict)
    revoked: list[int] = field(default_factory=list)
    approved: tuple[Removal, ...] = ()
    target: MemoryCluster = field(
        default_factory=lambda: MemoryCluster(Cluster("c", clock=lambda: "2026-06-01T00:00Z"))
    )
    memory: ListMemory = NO_MEMORY
    tag: int = 0

    @classmethod
    def of(cls, *secrets: Entry, labels: dict[str, str] | None = None) -> Place:
        """A list in sync with these."""
        made = cls({f"{each.name}.der": each for each in secrets}, labels or {})
        made.settle()
        return made

    def context(self) -> ListContext:
        more: dict[str, Any] = {"vaults": SWEPT}
        if self.revoked:
            more["authorities"] = proven(ROOT, certs.crl(ROOT, revoked=[BUILT[n] for n in self.revoked]))
        if self.approved:
            more["answers"] = {"digest": Answer("digest", NOW, approved=True, removals=self.approved)}
        found = snapshot(*self.secrets.values(), **more)
        registration = replace(found.clusters["plant"], labels=self.labels)
        return ListContext(DesiredState(found, TWO_VAULTS), registration, TRUST, PLACE, NOW)

    def files(self) -> set[str]:
        return {*self.target.state.files(*WHERE)}

    def settle(self) -> None:
        """A push without a crash."""
        plan, memory = push(self.target, self.memory, self.context())
        assert not plan.writes
        self.write(memory)

    def write(self, memory: ListMemory) -> None:
        """The status, as it should be."""
        self.memory, self.tag = replace(memory, verified=NOW), self.tag + 1

    def crash(self) -> None:
        """A push that dies after it wrote the object, and before it wrote the status."""
        observed = self.target.observe(*WHERE)
        carry_out(self.target, observed, make_plan(observed, self.memory, self.context()))

    def delete(self, *files: str) -> None:
        for each in files:
            self.secrets[each] = self.secrets[each].without_secret(NOW)

    def pushing(self) -> Generator[None, None, None]:
        """A push, stopping before every step that others may come between."""
        for _ in range(4):
            memory, tag = self.memory, self.tag
            yield
            observed = self.target.observe(*WHERE)
            yield
            context = self.context()
            plan = make_plan(observed, memory, context)
            if plan.writes:
                yield
                try:
                    observed = carry_out(self.target, observed, plan)
                except Changed:
                    continue
                plan = make_plan(observed, after(plan, memory), context)
            yield
            if self.tag == tag:
                self.write(after(plan, memory))
                return


def test_law4_a_person_s_approval_lets_just_what_is_named_go() -> None:
    place = Place.of(*(a_secret(n) for n in range(8)))
    place.delete(*names(range(6)))
    place.settle()
    assert place.files() == names(range(8))
    since = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    place.approved = tuple(Removal(place.secrets[each].key, "DELETED", since, "*") for each in names(range(2)))
    place.settle()
    assert place.files() == names(range(2, 8))
    assert place.memory.left == ()


def test_law4_a_crash_between_apply_and_status_hides_no_loss() -> None:
    place = Place.of(*(a_secret(n) for n in range(12)))
    place.delete(*names(range(3)))
    place.crash()
    assert place.files() == names(range(3, 12))
    place.delete(*names(range(3, 6)))
    place.settle()
    assert place.files() == names(range(3, 12))


def test_law4_what_labels_took_before_a_crash_counts_as_what_labels_took() -> None:
    labelled = [a_secret(n, clusters=f"x{n}") for n in range(12)]
    place = Place.of(*labelled, labels={f"x{n}": "" for n in range(12)})
    place.labels = {f"x{n}": "" for n in range(3, 12)}
    place.crash()
    assert place.files() == names(range(3, 12))
    place.labels = {f"x{n}": "" for n in range(6, 12)}
    place.settle()
    assert place.files() == names(range(3, 12))
    place.delete(*names(range(9, 12)))
    place.settle()
    assert place.files() == names(range(3, 9))


def test_law4_a_hand_that_removes_files_counts_with_what_we_remove() -> None:
    place = Place.of(*(a_secret(n) for n in range(8)))
    place.delete(*names(range(4)))
    place.target.state.edit(*WHERE, dict.fromkeys(names(range(2))))
    place.settle()
    assert place.files() == names(range(2, 8))


def test_law4_revoked_and_approved_ones_that_left_before_a_crash_hold_nothing() -> None:
    place = Place.of(*(a_secret(n) for n in range(12)))
    place.revoked = [0, 1, 2, 3, 4, 5]
    place.crash()
    assert place.files() == names(range(6, 12))
    place.delete("k06.der")
    place.settle()
    assert place.files() == names(range(7, 12))


def test_law4_names_that_another_vault_takes_are_lost_to_the_first() -> None:
    """Three by three, each time with a twin ready."""
    place = Place.of(*(a_secret(n) for n in range(12)))
    for first in (0, 3):
        for n in range(first, first + 3):
            twin = a_secret(n + 1, B_HOST, file=f"k{n:02}.der", since=NOW)
            place.secrets[f"twin{n}"] = replace(twin, key=SecretKey(B_HOST, f"twin{n}"), name=f"twin{n}")
        place.delete(*names(range(first, first + 3)))
        place.settle()
        place.settle()
    taken = {name for name, file in place.memory.files.items() if file.owner and file.owner.vault == B_HOST}
    assert taken == names(range(3))


def test_law4_a_list_full_of_new_versions_is_never_held() -> None:
    lines = [[certs.server(name=f"line{line}-{n}") for n in range(6)] for line in range(2)]
    bundle = entry("bundle", candidate(1, *lines[0]))
    place = Place.of(bundle)
    assert len(place.files()) == 6
    place.secrets["bundle.der"] = entry("bundle", candidate(2, *lines[1]), candidate(1, *lines[0]))
    place.settle()
    assert place.files() == {f"bundle-{each.sha256[:8]}.der" for each in lines[1]}
    assert place.memory.left == ()


# --- Two pushes, a crash and everybody's moves, in any order -----------------------------------------------

DELETABLE, OF_B, BY_LABEL, REVOCABLE = range(6), range(6), range(6, 12), range(12, 16)
KINDS = {
    "deleted in A": names(DELETABLE),
    "deleted in B": names(OF_B, B_HOST),
    "taken by labels": names(BY_LABEL),
}
MOST = {"deleted in A": 4, "deleted in B": 3, "taken by labels": 5}
"""A quarter of 16 files, three files, a quarter of 22 files."""

ACTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([*KINDS, "revoked"]), st.integers(2, 3)),
        st.tuples(st.sampled_from(["push and crash", "push"]), st.just(0)),
        st.tuples(st.just("step"), st.integers(0, 1)),
        st.tuples(st.sampled_from(["step", "crash"]), st.integers(0, 1)),
    ),
    max_size=16,
)


def do(place: Place, what: str, count: int) -> None:
    """What people do: so many more secrets deleted, labels taken off, or certificates revoked."""
    gone = {name for name, each in place.secrets.items() if each.deleted}
    match what:
        case "deleted in A" | "deleted in B":
            place.delete(*sorted(KINDS[what] - gone)[:count])
        case "taken by labels":
            place.labels = dict(sorted(place.labels.items())[count:])
        case "revoked":
            place.revoked += [n for n in REVOCABLE if n not in place.revoked][:count]


def everything() -> Place:
    return Place.of(
        *(a_secret(n) for n in (*DELETABLE, *REVOCABLE)),
        *(a_secret(n, clusters=f"x{n}") for n in BY_LABEL),
        *(a_secret(n, B_HOST) for n in OF_B),
        labels={f"x{n}": "" for n in BY_LABEL},
    )


@settings(max_examples=250)
@given(ACTS)
def test_law4_no_order_of_pushes_and_crashes_lets_more_than_the_limit_leave(acts: Sequence[tuple[str, int]]) -> None:
    place = everything()
    whole = place.files()
    pushes: dict[int, Generator[None, None, None]] = {}
    for what, number in acts:
        match what:
            case "step":
                pushes.setdefault(number, place.pushing())
                if next(pushes[number], StopIteration) is StopIteration:
                    del pushes[number]
            case "crash":
                pushes.pop(number, None)
            case "push and crash":
                place.crash()
            case "push":
                place.settle()
            case _:
                do(place, what, number)
        lost = whole - place.files()
        assert all(len(lost & files) <= MOST[kind] for kind, files in KINDS.items())
        assert lost <= set().union(*KINDS.values(), names(REVOCABLE))
    place.settle()
    assert not names(place.revoked) & place.files()
