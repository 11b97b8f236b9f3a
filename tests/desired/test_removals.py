"""What a change takes from the lists, and when it waits for a person (law 4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.catalogue.entry import Loss
from sync.catalogue.snapshot import Losses
from sync.desired.removals import WINDOW, Limits, digest, hold, losses, may_lose, too_much, too_wide
from sync.desired.state import DesiredState
from tests.support import certs
from tests.support.catalogues import CONFIGURATION, candidate, desired_of, entry, snapshot
from tests.support.certs import NOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sync.catalogue.entry import Entry
    from tests.support.certs import Built, BuiltCrl

PLANTS = tuple(f"plant-{n:02}" for n in range(20))
CERTIFICATE = certs.server()
OTHER = certs.server(key_name="other")
WEAK = certs.server(key="rsa-1024")
ROOT = certs.ca()
LEAF = certs.server(name="leaf", issuer=ROOT)
CRL = certs.crl(ROOT, revoked=[LEAF])
HOUR = timedelta(hours=1)


def listed(count: int, **more: Any) -> list[Entry]:
    """So many secrets of one file each."""
    return [entry(f"s{n:02}", candidate(1, CERTIFICATE), **more) for n in range(count)]


def deleted(one: Entry) -> Entry:
    return replace(one, deleted=True, candidates=(), former=(f"{one.name}.der",))


def lost(count: int, of: int, *, clusters: tuple[str, ...] = ("plant",), first: int = 0) -> tuple[Loss, ...]:
    """So many files lost of a list that held `of`."""
    return (Loss("trust", tuple(f"s{n:02}.der" for n in range(first, first + count)), clusters, of),)


def waits(
    taken: tuple[Loss, ...],
    *,
    remaining: int = 0,
    history: Sequence[Losses] = (),
    limits: Limits | None = None,
    clusters: tuple[str, ...] = ("plant",),
) -> bool:
    after = desired_of(*listed(remaining), clusters=clusters)
    return too_much(taken, history, after, now=NOW, limits=limits or Limits())


# --- What is lost ----------------------------------------------------------------------------------------


def test_a_deleted_secret_takes_its_file_from_every_cluster_that_had_it() -> None:
    before = desired_of(*listed(4), clusters=("hamburg", "lyon"))
    first, *others = listed(4)
    after = desired_of(deleted(first), *others, clusters=("hamburg", "lyon"))
    assert losses(before, after) == (Loss("trust", ("s00.der",), ("hamburg", "lyon"), 4),)


def test_law4_a_file_without_a_proof_is_not_lost_because_it_stays() -> None:
    before = desired_of(*listed(2))
    after = desired_of(*listed(1), replace(listed(2)[1], candidates=(), former=("s01.der",)))
    assert losses(before, after) == ()


def test_a_revoked_certificate_is_lost() -> None:
    secrets = (entry("leaf", candidate(1, LEAF)), entry("root", candidate(1, ROOT)))
    crl = entry("crl", candidate(1, CRL))
    assert losses(desired_of(*secrets), desired_of(*secrets, crl)) == (Loss("trust", ("leaf.der",), ("plant",), 2),)


def test_a_file_that_another_secret_gives_from_now_on_is_not_lost() -> None:
    first, second = (entry(name, candidate(1, CERTIFICATE), file="x.der") for name in ("a", "b"))
    assert losses(desired_of(first, second), desired_of(replace(first, deleted=True, former=("x.der",)), second)) == ()


def test_a_new_bytes_under_the_same_name_are_no_loss() -> None:
    assert losses(desired_of(entry("a", candidate(1, CERTIFICATE))), desired_of(entry("a", candidate(2, OTHER)))) == ()


def test_a_cluster_that_is_registered_now_or_no_more_loses_nothing() -> None:
    """Nothing is ever taken off a cluster that leaves: its lists stay as they are."""
    before, after = desired_of(*listed(4), clusters=("gone",)), desired_of(clusters=("new",))
    assert losses(before, after) == ()


def test_changed_labels_lose_what_the_selector_gave() -> None:
    secret = entry("a", candidate(1, CERTIFICATE), clusters="site=plant")
    before = snapshot(secret)
    moved = replace(before, clusters={"plant": replace(before.clusters["plant"], labels={"site": "elsewhere"})})
    taken = losses(DesiredState(before, CONFIGURATION), DesiredState(moved, CONFIGURATION))
    assert taken == (Loss("trust", ("a.der",), ("plant",), 1),)


# --- How much may leave ----------------------------------------------------------------------------------

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
    assert waits(lost(count, of) if count else ()) is held


def test_the_limits_are_settings() -> None:
    assert waits(lost(2, 100), limits=Limits(share=0.01, files=1))
    assert not waits(lost(2, 2), limits=Limits(share=1.0, files=0))


def past(count: int, of: int, *, ago: timedelta, first: int = 0, clusters: tuple[str, ...] = ("plant",)) -> Losses:
    return Losses(NOW - ago, lost(count, of, first=first, clusters=clusters))


DRIPS = {
    "what was lost before adds up": ([past(2, 10, ago=HOUR, first=2)], True),
    "within the window to its last second": ([past(2, 10, ago=WINDOW, first=2)], True),
    "older than a day counts no more": ([past(2, 10, ago=WINDOW + timedelta(seconds=1), first=2)], False),
    "the same names again count once": ([past(2, 10, ago=HOUR), past(2, 10, ago=2 * HOUR)], False),
    "another cluster's losses do not count": ([past(2, 10, ago=HOUR, first=2, clusters=("lab",))], False),
}


@pytest.mark.parametrize(("history", "held"), DRIPS.values(), ids=DRIPS)
def test_law4_a_drip_is_held_like_a_flood(history: list[Losses], held: bool) -> None:
    """Two more files of ten leave: four together are over three and over a quarter."""
    assert waits(lost(2, 10), history=history) is held


def test_law4_the_share_is_of_the_most_that_the_list_held_within_the_day() -> None:
    """40 once; 8 went, now 2 more: 10 of 40 are a quarter, though 10 of the 32 that are left would be more."""
    assert not waits(lost(2, 32), history=[past(8, 40, ago=HOUR, first=2)])
    assert waits(lost(3, 32), history=[past(8, 40, ago=HOUR, first=3)])


def test_what_came_back_since_does_not_count() -> None:
    """s00 to s03 were lost and are there again; only the new loss counts."""
    assert not waits(lost(1, 5, first=9), remaining=4, history=[past(4, 5, ago=HOUR)])
    assert waits(lost(1, 5, first=9), remaining=0, history=[past(4, 5, ago=HOUR)])


def test_the_worst_hit_cluster_decides() -> None:
    history = [past(3, 10, ago=HOUR, first=5, clusters=("lab",))]
    assert waits(lost(1, 10, clusters=("plant", "lab")), history=history, clusters=("plant", "lab"))
    assert not waits(lost(1, 10, clusters=("plant",)), history=history, clusters=("plant", "lab"))


# --- How many clusters a change of selectors may take files from --------------------------------------------


def narrowed(reached: tuple[str, ...]) -> tuple[tuple[Loss, ...], DesiredState]:
    """A selector that reached all twenty plants and now reaches these."""
    wide, narrow = entry("a", candidate(1, CERTIFICATE)), f"site in ({', '.join(reached)})"
    before = desired_of(wide, clusters=PLANTS)
    after = desired_of(entry("a", candidate(1, CERTIFICATE), clusters=narrow), clusters=PLANTS)
    return losses(before, after), after


@pytest.mark.parametrize(("left", "held"), [(3, False), (4, True), (19, True)])
def test_law4_one_change_of_selectors_that_hits_too_many_clusters_waits(left: int, held: bool) -> None:
    assert too_wide(*narrowed(PLANTS[left:]), Limits()) is held


def test_the_share_of_clusters_and_their_number_must_both_be_passed() -> None:
    assert not too_wide(*narrowed(PLANTS[4:]), Limits(cluster_share=0.2))
    assert not too_wide(*narrowed(PLANTS[4:]), Limits(clusters=4))


def test_a_deleted_secret_is_no_change_of_selectors_however_many_clusters_it_was_on() -> None:
    one = entry("a", candidate(1, CERTIFICATE))
    before, after = desired_of(one, clusters=PLANTS), desired_of(deleted(one), clusters=PLANTS)
    assert not too_wide(losses(before, after), after, Limits())


# --- What an approval names ------------------------------------------------------------------------------


def test_law4_the_digest_names_the_change_and_exactly_what_is_shown() -> None:
    base = digest("row", lost(4, 10))
    assert base == digest("row", lost(4, 10))
    others = [
        digest("other", lost(4, 10)),
        digest("row", lost(5, 10)),
        digest("row", lost(4, 10, first=1)),
        digest("row", lost(4, 10, clusters=("lab",))),
        digest("row", lost(4, 11)),
    ]
    assert base not in others
    assert len(set(others)) == len(others)


def test_an_unchanged_removal_keeps_its_time_and_a_persons_rejection() -> None:
    first = replace(hold("row", "why", lost(4, 10), now=NOW, before=None), rejected=True)
    assert hold("row", "why", lost(4, 10), now=NOW + HOUR, before=first) is first
    changed = hold("row", "why", lost(5, 10), now=NOW + HOUR, before=first)
    assert (changed.since, changed.rejected) == (NOW + HOUR, False)


# --- may_lose: False is certain --------------------------------------------------------------------------

ITEMS: st.SearchStrategy[Built | BuiltCrl] = st.sampled_from([CERTIFICATE, OTHER, WEAK, ROOT, CRL])
CANDIDATES = st.lists(st.tuples(st.lists(ITEMS, min_size=1, max_size=2, unique_by=id), st.booleans()), max_size=3).map(
    lambda found: tuple(candidate(9 - i, *items, enabled=on) for i, (items, on) in enumerate(found))
)
ENTRIES = st.builds(
    lambda candidates, lists, clusters, deleted: entry(
        "a",
        *(() if deleted else candidates),
        lists=lists,
        clusters=clusters,
        deleted=deleted,
        former=("a.der", "old.der"),
    ),
    CANDIDATES,
    st.sampled_from([("trust",), ("issuer",), ("issuer", "trust"), ()]),
    st.sampled_from(["*", "site=plant", "site=lab"]),
    st.booleans(),
)
AROUND = st.lists(
    st.sampled_from(
        [entry("root", candidate(1, ROOT)), entry("b", candidate(1, OTHER)), entry("c", candidate(1, WEAK))]
    ),
    unique_by=lambda each: each.key,
)


@given(st.none() | ENTRIES, ENTRIES, AROUND)
def test_law4_where_may_lose_says_no_nothing_is_lost(old: Entry | None, new: Entry, around: list[Entry]) -> None:
    if not may_lose(old, new):
        assert losses(desired_of(*around, *([old] if old else [])), desired_of(*around, new)) == ()


def test_the_ordinary_additions_and_renewals_are_told_as_harmless() -> None:
    first = entry("a", candidate(1, CERTIFICATE))
    assert not may_lose(None, first)
    assert not may_lose(first, entry("a", candidate(2, OTHER), candidate(1, CERTIFICATE)))


@pytest.mark.parametrize("before", [None, entry("root", candidate(1, ROOT, enabled=False))], ids=["new", "enabled"])
def test_law4_a_ca_may_wake_a_crl_that_waited_for_it(before: Entry | None) -> None:
    waiting = [entry("leaf", candidate(1, LEAF)), entry("crl", candidate(1, CRL))]
    ca = entry("root", candidate(1, ROOT))
    taken = losses(desired_of(*waiting, *([before] if before else [])), desired_of(*waiting, ca))
    assert [loss.files for loss in taken] == [("leaf.der",)]
    assert may_lose(before, ca)


def test_a_ca_that_another_certificate_replaces_may_end_what_its_crl_refused() -> None:
    assert may_lose(entry("root", candidate(1, ROOT)), entry("root", candidate(2, CERTIFICATE)))
