"""What must change on one list: what goes, what stays and whose it is then; and that a plan carried out leaves none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.kubernetes.cluster import Cluster
from sync.desired.capacity import ADDED_UP_TO, OBJECT_LIMIT
from sync.desired.reasons import KeptReason, RemovalReason
from sync.fleet.clusters import Mode
from sync.reconcile.comparison import Action
from sync.reconcile.draft import FULL
from sync.reconcile.holds import Limits
from sync.reconcile.memory import NO_MEMORY, ListMemory
from sync.reconcile.observed import MISSING
from sync.reconcile.ownership import ANNOTATIONS_LIMIT, OWNERS_ANNOTATION, OwnedFile, Owners, encode_owners
from sync.reconcile.plan import after, make_plan, writable
from tests.support import certs
from tests.support.catalogues import candidate, entry, key, proven, sha256, version_name
from tests.support.certs import DAY, NOW
from tests.support.lists import (
    PLACE,
    WHERE,
    actions,
    carry_out,
    context_of,
    owned,
    push,
    reasons,
    remembered,
    seen,
)
from tests.support.memory import MemoryCluster

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sync.catalogue.entry import Entry
    from sync.reconcile.observed import Observed
    from sync.reconcile.plan import Plan

A, B, C, D = (certs.server(name=name) for name in "abcd")
ROOT = certs.ca()
LEAF = certs.server(name="leaf", issuer=ROOT)
REVOKING = proven(ROOT, certs.crl(ROOT, revoked=[LEAF]))
UNLIMITED = Limits(files=99)
LONG = [(certs.odd_extension(value=bytes(400)), False)]


def gives(name: str, *built: certs.Built, number: int = 1, **more: Any) -> Entry:
    """A secret whose one version gives this."""
    return entry(name, candidate(number, *built), **more)


def gone(name: str, built: certs.Built = A) -> Entry:
    return gives(name, built).without_secret(NOW)


def plan_of(observed: Observed, memory: ListMemory, *secrets: Entry, **more: Any) -> Plan:
    return make_plan(observed, memory, context_of(*secrets, **more))


def ours(**built: certs.Built) -> tuple[Observed, ListMemory]:
    """A list that holds a file of each of these secrets, as we wrote it, the annotation included."""
    files = {f"{name}.der": each.der for name, each in built.items()}
    owners = {f"{name}.der": owned(each.der, name) for name, each in built.items()}
    return marked(seen(ours=files), owners), remembered(owners)


def marked(observed: Observed, owners: Mapping[str, OwnedFile]) -> Observed:
    says = Owners(PLACE, owners)
    return replace(observed, annotation=encode_owners(says, observed.annotation_room), owners=says)


def cluster() -> MemoryCluster:
    return MemoryCluster(Cluster("c", clock=lambda: "2026-06-01T00:00:00Z"))


# --- Writes ----------------------------------------------------------------------------------------------


def test_law5_nothing_to_do_is_no_write_at_all_the_annotation_included() -> None:
    observed, memory = ours(a=A)
    observed = replace(observed, data={**observed.data, "notes.txt": b"n"})
    plan = plan_of(observed, memory, gives("a", A))
    assert (plan.writes, plan.create, plan.remove_first, plan.files) == (False, False, (), None)
    assert plan.annotation == observed.annotation


def test_an_annotation_that_says_something_else_is_written_anew() -> None:
    observed, memory = ours(a=A)
    edited = replace(observed, annotation="{}", owners=Owners())
    plan = plan_of(edited, memory, gives("a", A))
    assert (plan.writes, plan.files, plan.annotation) == (True, {"a.der": A.der}, observed.annotation)


def test_a_newer_version_with_equal_bytes_is_written_to_the_annotation() -> None:
    observed, memory = ours(a=A)
    plan = plan_of(observed, memory, gives("a", A, number=2))
    assert plan.owned_after == {"a.der": owned(A.der, "a", 2)}


def test_an_annotation_without_room_for_all_is_written_once() -> None:
    """Within what the 256 KiB of all annotations leave; who has none of it is asked no more of it."""
    target = cluster()
    target.create_empty(*WHERE)
    crowded = "x" * (ANNOTATIONS_LIMIT - len(OWNERS_ANNOTATION) - 400)
    target.state.merge(*WHERE, {"metadata": {"annotations": {"crowd": crowded}}}, "kubectl-edit")
    secrets = (gives("a", A), gives("b", B), gives("c", C))
    plan, memory = push(target, NO_MEMORY, context_of(*secrets))
    assert not plan.writes
    assert 0 < len(target.observe(*WHERE).owners.files) < 3
    assert set(memory.files) == {"a.der", "b.der", "c.der"}


def test_nothing_is_created_for_an_empty_list() -> None:
    plan = plan_of(MISSING, NO_MEMORY, gone("a"))
    assert (plan.create, plan.writes) == (False, False)


def test_a_missing_object_is_created_and_filled() -> None:
    plan = plan_of(MISSING, NO_MEMORY, gives("a", A))
    assert (plan.create, plan.files) == (True, {"a.der": A.der})


def test_law6_a_co_owned_key_leaves_by_merge_patch_and_ours_alone_by_apply() -> None:
    observed = seen(ours={"a.der": A.der}, both={"b.der": B.der})
    memory = remembered({"a.der": owned(A.der, "a"), "b.der": owned(B.der, "b")})
    plan = plan_of(observed, memory, gone("a"), gone("b", B))
    assert (plan.remove_first, plan.files) == (("b.der",), {})


def test_law6_what_status_or_annotation_alone_makes_ours_leaves_by_merge_patch() -> None:
    """Restored from a backup: our manager owns nothing of it."""
    owners = {"a.der": owned(A.der, "a")}
    plan = plan_of(marked(seen(theirs={"a.der": A.der}), owners), NO_MEMORY, gone("a"))
    assert plan.remove_first == ("a.der",)


def test_law6_the_apply_names_what_is_ours_and_no_key_of_others() -> None:
    observed = seen(ours={"kept.der": B.der}, theirs={"notes.txt": b"n", "foe.der": C.der})
    memory = remembered({"kept.der": owned(B.der, "unknown")})
    plan = plan_of(observed, memory, gives("a", A), gives("foe", D))
    assert plan.files == {"a.der": A.der, "kept.der": B.der}


def test_what_was_ours_and_an_editor_took_is_no_more_named_once_nothing_wants_it() -> None:
    """Its owner would be changed by naming it; it stays as it is."""
    plan = plan_of(seen(edited={"a.der": C.der}), remembered({"a.der": owned(A.der, "a")}), gives("b", B))
    assert plan.files == {"b.der": B.der}
    assert actions(plan)["a.der"] == Action.UNMANAGED


def test_what_is_ours_afterwards_is_what_was_written_and_kept_with_its_owner() -> None:
    observed, memory = ours(kept=B, left=C)
    plan = plan_of(observed, memory, gives("a", A), gone("left", C))
    assert plan.owned_after == {"a.der": owned(A.der, "a"), "kept.der": owned(B.der, "kept")}
    assert after(plan, memory).files == plan.owned_after
    assert after(plan, NO_MEMORY).known


@pytest.mark.parametrize(
    ("observed", "mode", "expected"),
    [
        (seen(), Mode.REPAIR, True),
        (seen(), Mode.REPORT, False),
        (replace(seen(), sse_managed=True), Mode.REPAIR, False),
        (replace(seen(), immutable=True), Mode.REPAIR, False),
    ],
)
def test_what_may_not_be_written_is_planned_and_not_sent(observed: Observed, mode: Mode, expected: bool) -> None:
    context = context_of(gives("a", A))
    plan = make_plan(observed, NO_MEMORY, context)
    assert plan.writes
    assert writable(observed, replace(context.registration, mode=mode), plan) is expected


# --- Shared keys (law 6) ---------------------------------------------------------------------------------

SHARED = remembered({"a.der": owned(A.der, "a", shared=True)})


def test_law6_anothers_key_with_the_same_bytes_is_shared() -> None:
    plan = plan_of(seen(theirs={"a.der": A.der}), NO_MEMORY, gives("a", A))
    assert plan.owned_after == {"a.der": owned(A.der, "a", shared=True)}
    assert '"shared":true' in plan.annotation


def test_law6_our_share_ends_with_the_secret_and_the_key_stays() -> None:
    target = cluster()
    target.state.edit(*WHERE, {"a.der": A.der})
    _, memory = push(target, NO_MEMORY, context_of(gives("a", A)))
    plan, memory = push(target, memory, context_of(gone("a")))
    after_all = target.observe(*WHERE)
    assert (after_all.data, after_all.owned, memory.files) == ({"a.der": A.der}, frozenset(), {})
    assert (actions(plan), plan.writes) == ({"a.der": Action.UNMANAGED}, False)


@pytest.mark.parametrize("disabled", [True, False], ids=["disabled", "revoked"])
def test_law6_a_shared_key_leaves_all_the_same_if_disabled_or_revoked(disabled: bool) -> None:
    built = A if disabled else LEAF
    target = cluster()
    target.state.edit(*WHERE, {"a.der": built.der})
    _, memory = push(target, NO_MEMORY, context_of(gives("a", built)))
    off = entry("a", candidate(1, built, enabled=not disabled))
    plan, _ = push(target, memory, context_of(off, authorities=REVOKING))
    assert (target.observe(*WHERE).data, plan.writes) == ({}, False)


def test_law6_a_shared_key_that_its_first_writer_changed_is_a_conflict() -> None:
    assert actions(plan_of(seen(edited={"a.der": C.der}), SHARED, gives("a", A))) == {"a.der": Action.CONFLICT}


def test_law6_a_co_owned_key_that_was_ours_first_leaves_with_its_secret() -> None:
    target = cluster()
    _, memory = push(target, NO_MEMORY, context_of(gives("a", A)))
    target.state.merge(*WHERE, {"data": {"a.der": None}}, "kubectl-edit")
    target.state.edit(*WHERE, {"a.der": A.der})
    _, memory = push(target, memory, context_of(gives("a", A)))
    push(target, memory, context_of(gone("a")))
    assert target.observe(*WHERE).data == {}


# --- Names that are kept ---------------------------------------------------------------------------------


def reserving(*secrets: Entry, **more: Any) -> ListMemory:
    """The memory of a list that held a file of `a` and was pushed with these."""
    observed, memory = ours(a=A)
    return after(plan_of(observed, memory, *secrets, **more), memory)


OFF = entry("a", candidate(1, A, enabled=False))


def test_law4_a_disabled_secret_keeps_its_name_while_its_file_is_gone() -> None:
    memory = reserving(OFF)
    assert (memory.files, memory.reserved) == ({}, {"a.der": key("a")})
    twin = gives("twin", B, file="a.der", since=NOW - DAY)
    assert actions(plan_of(seen(), memory, OFF, twin)) == {}
    assert plan_of(seen(), memory, OFF, twin).reserved == {"a.der": key("a")}
    back = plan_of(seen(), memory, gives("a", A), twin)
    assert back.owned_after == {"a.der": owned(A.der, "a")}
    assert back.reserved == {}


def test_law4_a_revoked_one_keeps_its_name_until_its_secret_gives_another() -> None:
    observed, memory = ours(a=LEAF)
    memory = after(plan_of(observed, memory, gives("a", LEAF), authorities=REVOKING), memory)
    twin = gives("twin", B, file="a.der", since=NOW - DAY)
    assert memory.reserved == {"a.der": key("a")}
    assert actions(plan_of(seen(), memory, gives("a", LEAF), twin, authorities=REVOKING)) == {}
    renewed = entry("a", candidate(2, A), candidate(1, LEAF))
    assert plan_of(seen(), memory, renewed, twin, authorities=REVOKING).owned_after == {"a.der": owned(A.der, "a", 2)}


@pytest.mark.parametrize(
    ("secret", "kept"),
    [
        (OFF, True),
        (gone("a"), False),
        (gives("a", A, lists=("issuer",)), False),
        (replace(OFF, stop=version_name(2)), True),
        (entry("a", candidate(1, certs.server(key="rsa-1024"))), True),
    ],
    ids=["disabled", "deleted", "elsewhere", "a stopped rebuild", "rejected"],
)
def test_law4_a_reserved_name_is_free_once_it_is_proven_that_this_ended(secret: Entry, kept: bool) -> None:
    memory = remembered({}, reserved={"a.der": key("a")})
    assert ("a.der" in plan_of(seen(), memory, secret).reserved) is kept


def test_law4_a_reserved_name_outlives_that_its_vault_leaves_the_settings() -> None:
    context = context_of(OFF)
    without = replace(context.state.configuration, vaults=())
    memory = remembered({}, reserved={"a.der": key("a")})
    assert plan_of(seen(), memory, OFF, configuration=without).reserved == {"a.der": key("a")}


def test_law4_a_name_stays_reserved_while_its_file_waits_for_room() -> None:
    full = seen(theirs={"f": b"f" * OBJECT_LIMIT})
    plan = plan_of(full, remembered({}, reserved={"a.der": key("a")}), gives("a", A))
    assert actions(plan)["a.der"] == Action.WAIT
    assert plan.reserved == {"a.der": key("a")}


# --- Whole replacement (law 3) ---------------------------------------------------------------------------


def named(secret: str, built: certs.Built) -> str:
    return f"{secret}-{built.sha256[:8]}.der"


def replaced(*secrets: Entry, theirs: Mapping[str, bytes] | None = None, **more: Any) -> Plan:
    """A list that holds `a.der` of version 1 of `a`, whose version 2 gives two others."""
    observed, memory = ours(a=A)
    observed = replace(observed, data={**observed.data, **(theirs or {})})
    newer = entry("a", candidate(2, B, C), candidate(1, A))
    return plan_of(observed, memory, newer, *secrets, **more)


def test_law3_a_version_with_other_names_replaces_the_old_ones_in_one_write() -> None:
    plan = replaced()
    assert plan.files == {named("a", B): B.der, named("a", C): C.der}
    assert (actions(plan)["a.der"], plan.remove_first) == (Action.REMOVE, ())


CANNOT_GO_ON: dict[str, dict[str, Any]] = {
    "another writer has one of the names": {"theirs": {named("a", B): D.der}},
    "one of them does not fit": {"theirs": {"f": b"f" * (ADDED_UP_TO - len(B.der) - 10)}},
}


@pytest.mark.parametrize("case", CANNOT_GO_ON.values(), ids=CANNOT_GO_ON)
def test_law3_the_old_ones_stay_until_all_that_is_new_goes_on(case: dict[str, Any]) -> None:
    plan = replaced(**case)
    assert actions(plan)["a.der"] == Action.KEEP
    assert reasons(plan)["a.der"] == KeptReason.NOT_WHOLE.value
    assert "a.der" in plan.owned_after


def test_law3_the_old_ones_stay_while_another_secret_has_a_name_of_the_new() -> None:
    """`file-name-taken` rejects, and what is rejected replaces nothing."""
    holder = gives("holder", D, file=named("a", B), since=NOW - DAY)
    observed, memory = ours(a=A)
    observed = replace(observed, data={**observed.data, named("a", B): D.der}, owned=observed.owned | {named("a", B)})
    memory = remembered({**memory.files, named("a", B): owned(D.der, "holder")})
    plan = plan_of(observed, memory, entry("a", candidate(2, B, C), candidate(1, A)), holder)
    assert actions(plan)["a.der"] == Action.KEEP
    assert reasons(plan)["a.der"] == KeptReason.NOT_WHOLE.value


def test_law3_a_single_file_under_a_new_name_replaces_the_old_one_only_if_it_goes_on() -> None:
    newer = entry("a", candidate(2, B), candidate(1, A), file="new.der")
    observed, memory = ours(a=A)
    assert actions(plan_of(observed, memory, newer)) == {"a.der": Action.REMOVE, "new.der": Action.ADD}
    taken = replace(observed, data={**observed.data, "new.der": D.der})
    assert actions(plan_of(taken, memory, newer)) == {"a.der": Action.KEEP, "new.der": Action.CONFLICT}


def test_what_of_the_new_is_revoked_is_not_waited_for() -> None:
    observed, memory = ours(a=A)
    newer = entry("a", candidate(2, B, LEAF), candidate(1, A))
    plan = plan_of(observed, memory, newer, authorities=REVOKING)
    assert actions(plan) == {"a.der": Action.REMOVE, named("a", B): Action.ADD}


def test_law3_co_owned_old_ones_leave_in_the_patch_right_before_it() -> None:
    observed = seen(both={"a.der": A.der})
    newer = entry("a", candidate(2, B, C), candidate(1, A))
    plan = plan_of(observed, remembered({"a.der": owned(A.der, "a")}), newer)
    assert plan.remove_first == ("a.der",)
    assert plan.files is not None
    assert set(plan.files) == {named("a", B), named("a", C)}


def test_what_stays_takes_room_until_nothing_more_must_stay() -> None:
    """The old file stays since one of the new waits; then its room is not free for another addition either."""
    padding = b"f" * (ADDED_UP_TO - len(B.der) - len(C.der) + 1)
    plan = replaced(theirs={"f": padding})
    final = {"a.der": A.der, "f": padding, **(plan.files or {})}
    assert actions(plan)["a.der"] == Action.KEEP
    assert sum(map(len, final.values())) <= ADDED_UP_TO


# --- Full objects (law 8) --------------------------------------------------------------------------------


def crowd(room: int) -> dict[str, bytes]:
    """A key of another's that leaves so many bytes to add in."""
    return {"f": b"f" * (ADDED_UP_TO - room)}


def test_law8_the_newest_additions_wait_where_the_object_is_full() -> None:
    secrets = (gives("old", A, since=NOW - DAY), gives("new", B, since=NOW))
    plan = plan_of(seen(theirs=crowd(len(A.der))), NO_MEMORY, *secrets)
    assert (actions(plan)["old.der"], actions(plan)["new.der"]) == (Action.ADD, Action.WAIT)
    assert reasons(plan)["new.der"] == FULL


def test_law8_removals_proceed_and_make_room() -> None:
    observed, memory = ours(old=A)
    observed = replace(observed, data={**observed.data, **crowd(len(B.der))})
    plan = plan_of(observed, memory, gone("old"), gives("new", B))
    assert actions(plan) == {"f": Action.UNMANAGED, "old.der": Action.REMOVE, "new.der": Action.ADD}


def test_law8_removals_proceed_while_replacements_wait_for_room() -> None:
    """A file that waits to be replaced is no loss."""
    names = "abcdefgh"
    small = {name: certs.server(name=name) for name in names}
    observed, memory = ours(**small)
    larger = [
        entry(name, candidate(2, certs.server(name=name, extensions=LONG)), candidate(1, small[name]))
        for name in names[1:]
    ]
    total = sum(map(len, observed.data.values()))
    observed = replace(observed, data={**observed.data, "f": b"f" * (OBJECT_LIMIT - total)})
    plan = plan_of(observed, memory, gone("a", small["a"]), *larger)
    assert len(plan.named(Action.WAIT)) > 3
    assert plan.named(Action.REMOVE) == ("a.der",)


def test_law6_and_law8_a_shared_key_that_stays_makes_no_room() -> None:
    observed = replace(seen(both={"a.der": A.der}), data={"a.der": A.der, **crowd(len(A.der) + len(B.der) - 1)})
    plan = plan_of(observed, SHARED, gone("a"), gives("b", B))
    assert actions(plan)["b.der"] == Action.WAIT


def test_a_replacement_that_waits_leaves_the_bytes_that_are_there() -> None:
    observed, memory = ours(a=A)
    observed = replace(observed, data={**observed.data, "f": b"f" * (OBJECT_LIMIT - len(A.der))})
    larger = entry("a", candidate(2, certs.server(name="a", extensions=LONG)), candidate(1, A))
    plan = plan_of(observed, memory, larger)
    assert (plan.named(Action.WAIT), plan.writes, dict(plan.owned_after)) == (("a.der",), False, memory.files)


# --- Held (law 4); how much is held is of tests/reconcile/test_holds.py ------------------------------------


def five(**changed: Entry | None) -> tuple[Observed, ListMemory, list[Entry]]:
    """A list with a file of each of five secrets, some of which are as given."""
    built = {name: certs.server(name=name) for name in "vwxyz"}
    observed, memory = ours(**built)
    secrets = [changed.get(name, gives(name, each)) for name, each in built.items()]
    return observed, memory, [each for each in secrets if each]


def all_gone(*names: str) -> dict[str, Entry | None]:
    return {name: gone(name, certs.server(name=name)) for name in names}


def test_law4_too_much_at_once_stays_and_additions_and_replacements_go_on() -> None:
    renewed = entry("z", candidate(2, A), candidate(1, certs.server(name="z")))
    observed, memory, secrets = five(**all_gone(*"vwxy"), z=renewed)
    plan = plan_of(observed, memory, *secrets, gives("new", B))
    assert plan.named(Action.HOLD) == ("v.der", "w.der", "x.der", "y.der")
    assert (plan.named(Action.REPLACE), plan.named(Action.ADD)) == (("z.der",), ("new.der",))
    assert plan.files is not None
    assert set(plan.files) == {f"{name}.der" for name in (*"vwxyz", "new")}
    assert plan.left == ()


def test_what_is_held_is_told_with_owner_reason_since_when_and_what_is_in_it() -> None:
    observed, memory, secrets = five(**all_gone(*"vwxy"))
    first = plan_of(observed, memory, *secrets).held[0]
    certificate = certs.server(name="v")
    assert (first.file, first.owner, first.version) == ("v.der", key("v"), version_name(1))
    assert (first.reason, first.since) == (RemovalReason.DELETED, f"{NOW:%Y-%m-%dT%H:%M:%SZ}")
    assert (first.subject, first.thumbprint) == ("O=Example,CN=v", certificate.sha256)
    assert first.expires == certificate.certificate.not_valid_after_utc


def test_law4_what_may_leave_alone_leaves_and_is_remembered_for_a_day() -> None:
    observed, memory, secrets = five(**all_gone(*"vwx"))
    plan = plan_of(observed, memory, *secrets)
    assert plan.named(Action.REMOVE) == ("v.der", "w.der", "x.der")
    assert [(left.file, left.group, left.at) for left in plan.left] == [
        (f"{name}.der", key("v").vault, NOW) for name in "vwx"
    ]


def test_law4_a_name_that_another_secret_takes_is_held_as_well() -> None:
    taker = [gives(f"t{n}", D, file=f"{n}.der") for n in "vwxy"]
    observed, memory, secrets = five(**all_gone(*"vwxy"))
    others = [replace(each, key=key(each.name, "b.vault.azure.net")) for each in taker]
    context = context_of(*secrets, *others)
    two = replace(
        context.state.configuration,
        vaults=(*context.state.configuration.vaults, replace(context.state.configuration.vaults[0], url=B_VAULT)),
    )
    plan = plan_of(observed, memory, *secrets, *others, configuration=two)
    assert plan.named(Action.HOLD) == ("v.der", "w.der", "x.der", "y.der")


B_VAULT = "https://b.vault.azure.net"


# --- Properties ------------------------------------------------------------------------------------------

ITEMS = (A, B, LEAF)
SECRETS = ("a", "b", "c")
FATES = st.sampled_from(["in force", "disabled", "deleted", "none", "elsewhere", "stopped", "absent"])


def secret_of(name: str, fate: str, item: int, file: str | None, days: int) -> Entry | None:
    """One secret in one of its states."""
    since = NOW - days * DAY
    enabled = fate != "disabled"
    secret = entry(name, candidate(item + 1, ITEMS[item], enabled=enabled), file=file, since=since)
    match fate:
        case "absent":
            return None
        case "deleted":
            return secret.without_secret(NOW)
        case "none":
            return entry(name, lists=(), version=version_name(1), since=since)
        case "elsewhere":
            return replace(secret, assignment=replace(secret.assignment, clusters="site=lab"))
        case "stopped":
            return replace(secret, stop=version_name(9))
    return secret


CATALOGUES = st.tuples(
    *(
        st.builds(
            secret_of,
            st.just(name),
            FATES,
            st.integers(0, len(ITEMS) - 1),
            st.sampled_from([None, "a.der"]),
            st.integers(0, 2),
        )
        for name in SECRETS
    ),
    st.booleans(),
)
NAMES = st.sampled_from([*(f"{name}.der" for name in SECRETS), "alien.der"])
BYTES = st.sampled_from([*(item.der for item in ITEMS), b"no certificate"])
HISTORY = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), st.dictionaries(NAMES, st.none() | BYTES, min_size=1)),
        st.tuples(st.just("push"), CATALOGUES),
        st.tuples(st.just("push and crash"), CATALOGUES),
        st.tuples(st.just("push and crash before the status"), CATALOGUES),
        st.tuples(st.just("the status is lost"), st.just(None)),
    ),
    max_size=5,
)


def context_from(catalogue: Any) -> Any:
    *secrets, revoking = catalogue
    more: dict[str, Any] = {"authorities": REVOKING} if revoking else {}
    return context_of(*(each for each in secrets if each), limits=UNLIMITED, **more)


@given(HISTORY, CATALOGUES)
def test_law4_to_law6_a_plan_leaves_no_write_and_takes_nothing_without_a_reason(
    history: list[Any], catalogue: Any
) -> None:
    """Over real ownership: whatever hands, pushes and crashes between writes did to the object before."""
    target, memory = cluster(), NO_MEMORY
    for what, argument in history:
        match what:
            case "edit":
                target.state.edit(*WHERE, argument)
            case "push":
                _, memory = push(target, memory, context_from(argument))
            case "the status is lost":
                memory = NO_MEMORY
            case _:
                observed = target.observe(*WHERE)
                plan = make_plan(observed, memory, context_from(argument))
                carry_out(target, observed, plan, writes=3 if what.endswith("status") else 1)
    context = context_from(catalogue)
    before = target.observe(*WHERE)
    plan = make_plan(before, memory, context)
    observed = carry_out(target, before, plan) if plan.writes else before
    again = make_plan(observed, after(plan, memory), context)
    assert not again.writes
    assert again.owned_after == plan.owned_after
    shared = {name for name, file in memory.files.items() if file.shared} | {
        name for name, file in before.owners.files.items() if file.shared
    }
    for change in plan.changes:
        name, data = change.file, before.data.get(change.file)
        match change.action:
            case Action.REMOVE:
                assert change.reason in {reason.value for reason in RemovalReason}
                assert name not in observed.data or name in shared
            case Action.UNMANAGED | Action.CONFLICT:
                assert observed.data[name] == data
                assert observed.others.get(name) == before.others.get(name)
            case Action.KEEP | Action.UNACCOUNTED | Action.HOLD:
                assert observed.data[name] == data
    wanted = {name: file for name, file in plan.owned_after.items() if file.owner}
    assert all(sha256(observed.data[name]) == file.sha256 for name, file in wanted.items())
    assert set(observed.data) >= set(before.data) - set(plan.named(Action.REMOVE))


@given(HISTORY, CATALOGUES)
def test_law13_no_key_that_was_never_ours_is_ever_written(history: list[Any], catalogue: Any) -> None:
    target, memory = cluster(), NO_MEMORY
    target.state.edit(*WHERE, {"a.der": b"theirs", "notes.txt": b"n"})
    for what, argument in (*history, ("push", catalogue)):
        if what.startswith("push"):
            _, memory = push(target, memory, context_from(argument))
    observed = target.observe(*WHERE)
    assert (observed.data["a.der"], observed.data["notes.txt"]) == (b"theirs", b"n")
    assert not {"a.der", "notes.txt"} & observed.owned
