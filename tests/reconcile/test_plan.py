"""What must change on one list: every verb, co-owned keys, full objects; and that a plan carried out leaves none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.kubernetes.cluster import Cluster
from sync.desired.capacity import OBJECT_LIMIT
from sync.desired.state import DesiredList, RemovalReason, WantedFile, digest_of
from sync.reconcile.observed import MISSING, Observed
from sync.reconcile.plan import Action, make_plan
from tests.support.catalogues import key, sha256
from tests.support.certs import DAY, NOW
from tests.support.memory import MemoryCluster

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sync.reconcile.plan import Plan


WHERE = ("azure-iot-operations", "trust-list")


def wanted(name: str, data: bytes, since: datetime | None = NOW) -> WantedFile:
    return WantedFile(name, data, sha256(data), key(name), "1" * 32, since)


def want(*, to_remove: Collection[str] = (), **files: Any) -> DesiredList:
    """What the list should hold; dots of names are written as two underscores."""
    given_files = {name.replace("__", "."): value for name, value in files.items()}
    found = {n: v if isinstance(v, WantedFile) else wanted(n, v) for n, v in given_files.items()}
    return DesiredList(found, dict.fromkeys(to_remove, RemovalReason.DELETED), {}, {}, {}, digest_of(found))


def seen(
    ours: dict[str, bytes] | None = None,
    theirs: dict[str, bytes] | None = None,
    both: dict[str, bytes] | None = None,
    edited: dict[str, bytes] | None = None,
) -> Observed:
    """An object with keys of ours, of another's, of both, and of ours that another changed."""
    ours, theirs, both, edited = ours or {}, theirs or {}, both or {}, edited or {}
    others = dict.fromkeys({**theirs, **both, **edited}, ("kubectl-edit",))
    return Observed("uid", "1", {**ours, **theirs, **both, **edited}, frozenset({*ours, *both}), others)


def verbs(plan: Plan) -> dict[str, Action]:
    return {change.file: change.action for change in plan.changes}


CASES = {
    "a missing object is created and filled": (MISSING, {}, want(a__der=b"a"), Action.ADD),
    "a missing file is added": (seen(), {}, want(a__der=b"a"), Action.ADD),
    "ours with other bytes is replaced": (seen(ours={"a.der": b"x"}), {}, want(a__der=b"a"), Action.REPLACE),
    "law 6: ours that another edited is restored": (
        seen(edited={"a.der": b"x"}),
        {"a.der": sha256(b"a")},
        want(a__der=b"a"),
        Action.RESTORE,
    ),
    "co-owned as it was written is replaced": (
        seen(both={"a.der": b"x"}),
        {"a.der": sha256(b"x")},
        want(a__der=b"a"),
        Action.REPLACE,
    ),
    "another's with the same bytes is adopted": (seen(theirs={"a.der": b"a"}), {}, want(a__der=b"a"), Action.ADOPT),
    "law 6: another's with other bytes is a conflict": (
        seen(theirs={"a.der": b"x"}),
        {},
        want(a__der=b"a"),
        Action.CONFLICT,
    ),
    "law 6: another's under another name is unmanaged": (seen(theirs={"a.der": b"x"}), {}, want(), Action.UNMANAGED),
    "another's that a proof names stays unmanaged": (
        seen(theirs={"a.der": b"x"}),
        {},
        want(to_remove=["a.der"]),
        Action.UNMANAGED,
    ),
    "law 5: as it should be": (seen(ours={"a.der": b"a"}), {}, want(a__der=b"a"), Action.KEEP),
    "law 4: ours with a proof is removed": (seen(ours={"a.der": b"a"}), {}, want(to_remove=["a.der"]), Action.REMOVE),
    "law 4: ours without a proof stays": (seen(ours={"a.der": b"a"}), {}, want(), Action.UNACCOUNTED),
    "law 6: co-owned with a proof is removed": (
        seen(both={"a.der": b"a"}),
        {},
        want(to_remove=["a.der"]),
        Action.REMOVE,
    ),
    "law 6: remembered and taken over by an editor is removed": (
        seen(theirs={"a.der": b"x"}),
        {"a.der": sha256(b"a")},
        want(to_remove=["a.der"]),
        Action.REMOVE,
    ),
}
WRITING = {Action.ADD, Action.REPLACE, Action.RESTORE, Action.ADOPT, Action.REMOVE}


@pytest.mark.parametrize(("observed", "remembered", "desired", "verb"), CASES.values(), ids=CASES)
def test_one_file(observed: Observed, remembered: dict[str, str], desired: DesiredList, verb: Action) -> None:
    plan = make_plan(observed, remembered, desired)
    assert verbs(plan) == {"a.der": verb}
    assert plan.writes is (verb in WRITING)


def test_a_name_that_the_catalogue_knows_is_kept_without_being_unaccounted() -> None:
    plan = make_plan(seen(ours={"a.der": b"a"}), {}, want(), accounted=["a.der"])
    assert verbs(plan) == {"a.der": Action.KEEP}


def test_law5_nothing_to_do_is_no_write_at_all() -> None:
    plan = make_plan(seen(ours={"a.der": b"a"}, theirs={"notes.txt": b"n"}), {}, want(a__der=b"a"))
    assert (plan.writes, plan.create, plan.remove_first, plan.files) == (False, False, (), None)


def test_nothing_is_created_for_an_empty_list() -> None:
    plan = make_plan(MISSING, {}, want(to_remove=["a.der"]))
    assert (plan.create, plan.writes) == (False, False)


def test_law6_a_co_owned_key_leaves_by_merge_patch_and_ours_alone_by_apply() -> None:
    plan = make_plan(seen(ours={"a.der": b"a"}, both={"b.der": b"b"}), {}, want(to_remove=["a.der", "b.der"]))
    assert (plan.remove_first, plan.files) == (("b.der",), {})


def test_only_co_owned_keys_need_no_apply() -> None:
    plan = make_plan(seen(ours={"a.der": b"a"}, both={"b.der": b"b"}), {}, want(a__der=b"a", to_remove=["b.der"]))
    assert (plan.remove_first, plan.files) == (("b.der",), None)


def test_law6_the_apply_names_what_is_ours_and_no_key_of_others() -> None:
    observed = seen(ours={"kept.der": b"k"}, theirs={"notes.txt": b"n", "foe.der": b"x"})
    plan = make_plan(observed, {}, want(a__der=b"a", foe__der=b"f"))
    assert plan.files == {"a.der": b"a", "kept.der": b"k"}


def test_what_was_ours_and_an_editor_took_is_no_more_named_once_nothing_wants_it() -> None:
    """Its owner would be changed by naming it; it stays as it is."""
    plan = make_plan(seen(edited={"a.der": b"x"}), {"a.der": sha256(b"a")}, want(b__der=b"b"))
    assert plan.files == {"b.der": b"b"}


def test_what_is_ours_afterwards_is_what_was_written_and_what_was_kept() -> None:
    plan = make_plan(seen(ours={"kept.der": b"k", "gone.der": b"g"}), {}, want(a__der=b"a", to_remove=["gone.der"]))
    assert plan.owned_after == {"a.der": sha256(b"a"), "kept.der": sha256(b"k")}


# --- Full objects ----------------------------------------------------------------------------------------

HALF = OBJECT_LIMIT // 2


def big(name: str, size: int, days_ago: int) -> dict[str, Any]:
    return {name.replace(".", "__"): wanted(name, name[:1].encode() * size, NOW - days_ago * DAY)}


def waiting(observed: Observed, desired: DesiredList) -> tuple[str, ...]:
    return make_plan(observed, {}, desired).named(Action.WAIT)


def test_law8_the_newest_additions_wait_where_the_object_is_full() -> None:
    desired = want(**big("old.der", HALF, 3), **big("new.der", HALF, 1), **big("mid.der", HALF, 2))
    assert waiting(seen(), desired) == ("new.der",)


def test_law8_what_is_there_is_renewed_before_the_oldest_addition() -> None:
    full = seen(ours={"there.der": b"x" * 10})
    assert waiting(full, want(**big("there.der", HALF + 1, 1), **big("old.der", HALF, 3))) == ("old.der",)


def test_law8_one_that_was_not_looked_at_since_it_may_come_waits_first() -> None:
    unknown = wanted("any.der", b"a" * HALF, since=None)
    assert waiting(seen(), want(any__der=unknown, **big("old.der", HALF, 1), **big("mid.der", HALF, 2))) == ("any.der",)


def test_a_smaller_newer_one_may_still_fit() -> None:
    desired = want(**big("old.der", HALF, 3), **big("mid.der", HALF + 1, 2), **big("new.der", 10, 1))
    assert waiting(seen(), desired) == ("mid.der",)


def test_exactly_one_mebibyte_fits_and_one_byte_more_does_not() -> None:
    assert waiting(seen(), want(**big("a.der", HALF, 2), **big("b.der", HALF, 1))) == ()
    assert waiting(seen(), want(**big("a.der", HALF, 2), **big("b.der", HALF + 1, 1))) == ("b.der",)


def test_the_bytes_of_others_count() -> None:
    assert waiting(seen(theirs={"f": b"f" * HALF}), want(**big("a.der", HALF + 1, 1))) == ("a.der",)


def test_law8_removals_proceed_and_make_room() -> None:
    full = seen(ours={"gone.der": b"g" * OBJECT_LIMIT})
    plan = make_plan(full, {}, want(**big("a.der", HALF, 1), to_remove=["gone.der"]))
    assert (plan.named(Action.WAIT), plan.named(Action.REMOVE)) == ((), ("gone.der",))


def test_law8_a_removal_is_written_while_an_addition_waits() -> None:
    full = seen(ours={"gone.der": b"g", "kept.der": b"k" * OBJECT_LIMIT})
    plan = make_plan(
        full, {}, want(**big("kept.der", OBJECT_LIMIT, 2), **big("a.der", HALF, 1), to_remove=["gone.der"])
    )
    assert plan.named(Action.WAIT) == ("a.der",)
    assert plan.files is not None
    assert set(plan.files) == {"kept.der"}


def test_a_replacement_that_shrinks_a_full_object_is_written() -> None:
    full = seen(ours={"a.der": b"a" * HALF}, theirs={"f": b"f" * (HALF + 10)})
    assert waiting(full, want(**big("a.der", HALF - 1, 1))) == ()


def test_a_replacement_that_waits_leaves_the_bytes_that_are_there() -> None:
    full = seen(ours={"a.der": b"x" * 10}, theirs={"f": b"f" * (OBJECT_LIMIT - 10)})
    plan = make_plan(full, {}, want(**big("a.der", 11, 1)))
    assert (plan.named(Action.WAIT), plan.writes, dict(plan.owned_after)) == (
        ("a.der",),
        False,
        {"a.der": sha256(b"x" * 10)},
    )


# --- Properties ------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a.der", "b.der", "c.der", "d.der"])
BYTES = st.sampled_from([b"1", b"2"])
WANTS = st.builds(
    lambda files, gone: want(**{n.replace(".", "__"): v for n, v in files.items()}, to_remove=gone - files.keys()),
    st.dictionaries(NAMES, BYTES),
    st.sets(NAMES),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), st.dictionaries(NAMES, st.none() | BYTES, min_size=1)),
        st.tuples(st.just("push"), WANTS),
        st.tuples(st.just("push and crash"), WANTS),
    ),
    max_size=4,
)


def carry_out(target: MemoryCluster, observed: Observed, plan: Plan, *, steps: int = 3) -> Observed:
    """The writes of a plan in the protocol's order, or the first few of them."""
    writes = (plan.create, bool(plan.remove_first), plan.files is not None)
    for step in [at for at, due in enumerate(writes) if due][:steps]:
        version = {"uid": observed.uid or "", "resource_version": observed.resource_version or ""}
        match step:
            case 0:
                observed = target.create_empty(*WHERE)
            case 1:
                observed = target.remove_keys(*WHERE, plan.remove_first, **version)
            case _:
                observed = target.apply(*WHERE, plan.files or {}, owners="", **version)
    return observed


@given(STEPS, WANTS, st.booleans())
def test_law5_and_law6_a_plan_leaves_nothing_to_write_and_touches_only_ours(
    history: list[Any], desired: DesiredList, known: bool
) -> None:
    """Over real ownership: whatever hands, pushes and crashes between writes did to the object before."""
    target = MemoryCluster(Cluster("c", clock=lambda: "2026-06-01T00:00:00Z"))
    remembered: dict[str, str] = {}
    for what, argument in history:
        if what == "edit":
            target.state.edit(*WHERE, argument)
            continue
        observed = target.observe(*WHERE)
        plan = make_plan(observed, remembered, argument, ["a.der", "b.der"])
        carry_out(target, observed, plan, steps=3 if what == "push" else 1)
        remembered = dict(plan.owned_after) if what == "push" else remembered
    before = target.observe(*WHERE)
    plan = make_plan(before, remembered, desired, ["a.der"] if known else [])
    after = carry_out(target, before, plan) if plan.writes else before
    again = make_plan(after, plan.owned_after, desired, ["a.der"] if known else [])
    assert not again.writes
    ours = set(remembered) | before.owned
    for name, data in before.data.items():
        if name not in ours and before.data[name] != getattr(desired.files.get(name), "data", None):
            assert after.data[name] == data
            assert after.others.get(name) == before.others.get(name)
    for name in ours & desired.to_remove.keys():
        assert name not in after.data
    conflicts = set(again.named(Action.CONFLICT))
    assert {n: after.data.get(n) for n in desired.files.keys() - conflicts} == {
        n: f.data for n, f in desired.files.items() if n not in conflicts
    }


SIZES = st.dictionaries(NAMES, st.integers(1, OBJECT_LIMIT), max_size=4)


@given(SIZES, SIZES, st.sets(NAMES))
def test_law8_no_plan_outgrows_what_an_object_holds_or_what_it_held(
    sizes: dict[str, int], present: dict[str, int], to_remove: set[str]
) -> None:
    files: dict[str, Any] = {n.replace(".", "__"): wanted(n, b"n" * size) for n, size in sizes.items()}
    observed = seen(ours={name: b"o" * size for name, size in present.items()})
    plan = make_plan(
        observed, {}, replace(want(**files), to_remove=dict.fromkeys(to_remove - sizes.keys(), RemovalReason.DELETED))
    )
    final = {**observed.data, **(plan.files or {})} if plan.files is not None else dict(observed.data)
    final = {n: d for n, d in final.items() if n not in plan.named(Action.REMOVE)}
    total, before = (sum(map(len, data.values())) for data in (final, observed.data))
    assert total <= max(OBJECT_LIMIT, before)
