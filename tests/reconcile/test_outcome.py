"""What came of one attempt: which state wins, what is remembered, when the list is looked at again."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.adapters.storage.rows import JsonRows
from sync.desired.capacity import OBJECT_LIMIT
from sync.desired.reasons import RemovalReason
from sync.errors import Changed, Invalid, NotFound, Permanent, Temporary, Unauthorized, Unreachable
from sync.reconcile import outcome
from sync.reconcile.comparison import Action, Change
from sync.reconcile.draft import FULL
from sync.reconcile.holds import Leaving, Left
from sync.reconcile.intervals import Intervals
from sync.reconcile.memory import ListMemory
from sync.reconcile.observed import MISSING, Observed
from sync.reconcile.outcome import PushResult, backoff, contended, failed, paused, status_after, verify_in
from sync.reconcile.ownership import OwnedFile
from sync.reconcile.plan import Plan
from sync.reconcile.status import MOST_KEPT, KeptFact, KeptFile, ListStatus, State, unknown_status
from tests.support import certs
from tests.support.catalogues import key, version_name
from tests.support.certs import NOW

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


RHYTHM = Intervals()
OLD = NOW - timedelta(days=1)
PLACE = "plant/azure-iot-operations/trust-list"
OWNER = key("a")


def file(sha256: str) -> OwnedFile:
    return OwnedFile(sha256, OWNER, version_name(1))


LOST = Left("gone.der", OWNER.vault, OLD)
BEFORE = ListStatus(
    PLACE,
    "plant",
    "trust",
    files={"a.der": file("1" * 64), "left.der": file("2" * 64)},
    reserved={"off.der": OWNER},
    left=(LOST,),
    verified=OLD,
    changed=OLD,
    failures=3,
)
THERE = Observed("uid", "1", {"a.der": b"a"}, frozenset({"a.der"}))


HELD = Leaving("h.der", OWNER, version_name(1), RemovalReason.DELETED, "2026-06-01T00:00:00Z")


def facts(
    *changes: Change, observed: Observed = THERE, wrote: bool = False, held: bool = False, writes: bool = False
) -> PushResult:
    plan = Plan(
        changes,
        create=False,
        remove_first=("x",) if writes else (),
        files=None,
        annotation="",
        owned_after={"a.der": file("3" * 64)},
        reserved={"b.der": OWNER},
        held=(HELD,) if held else (),
        left=(),
        known=True,
    )
    return PushResult(observed, plan, wrote, "digest", "head", NOW)


DRIFT = Change(Action.RESTORE, "a.der", before="4" * 64)
WAIT, CONFLICT = Change(Action.WAIT, "b.der", reason=FULL), Change(Action.CONFLICT, "c.der", before="5" * 64)
SSE, IMMUTABLE = replace(THERE, sse_managed=True), replace(THERE, immutable=True)
LATER = Change(Action.WAIT, "n.der", reason="waits until b.vault.azure.net was gone through once")
ALL = (DRIFT, WAIT, CONFLICT)

STATES = {
    "the Secret Store extension's, whatever else": (
        facts(*ALL, observed=SSE, held=True, writes=True),
        State.SSE_MANAGED,
    ),
    "an immutable object that should change": (facts(*ALL, observed=IMMUTABLE, held=True, writes=True), State.BLOCKED),
    "an immutable object that is as it should be": (facts(observed=IMMUTABLE), State.IN_SYNC),
    "written, and still different": (facts(*ALL, wrote=True, writes=True), State.BLOCKED),
    "different, and not to be written": (facts(*ALL, held=True, writes=True), State.DRIFTED),
    "files that do not fit": (facts(WAIT, CONFLICT, held=True), State.BLOCKED),
    "another's file of our name": (facts(CONFLICT, held=True), State.CONFLICT),
    "a removal waits": (facts(LATER, held=True), State.REMOVAL_HELD),
    "an addition waits for something else than room": (facts(LATER), State.PENDING),
    "as it should be": (facts(), State.IN_SYNC),
    "as it should be, just written": (facts(wrote=True), State.IN_SYNC),
}


@pytest.mark.parametrize(("found", "state"), STATES.values(), ids=STATES)
def test_the_first_that_holds_is_the_state(found: PushResult, state: State) -> None:
    assert status_after(BEFORE, found, RHYTHM).state is state


def test_details_name_what_a_person_looks_for() -> None:
    assert "1 to restore" in status_after(BEFORE, facts(DRIFT, writes=True), RHYTHM).detail
    assert "b.der" in status_after(BEFORE, facts(WAIT), RHYTHM).detail
    assert "list-too-large" in status_after(BEFORE, facts(WAIT), RHYTHM).detail
    assert "c.der" in status_after(BEFORE, facts(CONFLICT), RHYTHM).detail
    assert "1 file: h.der" in status_after(BEFORE, facts(held=True), RHYTHM).detail
    assert f"n.der: {LATER.reason}" in status_after(BEFORE, facts(LATER), RHYTHM).detail


@pytest.mark.parametrize(
    ("found", "verified", "changed"),
    [
        (facts(), NOW, OLD),
        (facts(held=True), NOW, OLD),
        (facts(wrote=True), NOW, NOW),
        (facts(DRIFT, writes=True), OLD, OLD),
        (facts(CONFLICT, wrote=True), OLD, NOW),
    ],
)
def test_law10_verified_and_changed_are_separate_facts(
    found: PushResult, verified: datetime, changed: datetime
) -> None:
    new = status_after(BEFORE, found, RHYTHM)
    assert (new.verified, new.changed, new.attempted) == (verified, changed, NOW)


def test_what_is_ours_is_the_plans_where_nothing_is_left_to_write() -> None:
    new = status_after(BEFORE, facts(), RHYTHM)
    assert (new.files, new.reserved, new.left) == ({"a.der": file("3" * 64)}, {"b.der": OWNER}, ())
    assert new.memory == ListMemory(True, new.files, new.reserved, (), NOW)


def test_where_nothing_was_written_what_was_ours_and_is_still_there_stays_ours() -> None:
    new = status_after(BEFORE, facts(DRIFT, writes=True), RHYTHM)
    assert (new.files, new.left) == ({"a.der": file("1" * 64)}, (LOST,))


KEPT = {
    "for want of a reason": (
        facts(Change(Action.KEEP, "k.der", "8" * 64, "8" * 64, "why", OWNER, version_name(1))),
        KeptFile("k.der", OWNER, version_name(1), "why", "why"),
    ),
    "of no known owner": (
        facts(Change(Action.UNACCOUNTED, "u.der", "8" * 64, "8" * 64, "unknown")),
        KeptFile("u.der", None, "", "unknown", "unknown"),
    ),
    "held, with since when it would leave": (
        facts(Change(Action.HOLD, "h.der", "8" * 64, "8" * 64, "deleted", OWNER, version_name(1)), held=True),
        KeptFile("h.der", OWNER, version_name(1), "DELETED 2026-06-01T00:00:00Z", "deleted"),
    ),
}


@pytest.mark.parametrize(("found", "kept"), KEPT.values(), ids=KEPT)
def test_law4_every_file_that_is_kept_without_being_wanted_is_reported_with_why(
    found: PushResult, kept: KeptFile
) -> None:
    new = status_after(BEFORE, found, RHYTHM)
    assert new.kept == (kept,)
    assert new.held == found.plan.held
    assert new.unaccounted == (("u.der",) if kept.owner is None else ())


def test_what_is_wanted_or_another_writers_is_not_kept() -> None:
    unmanaged = Change(Action.UNMANAGED, "notes.txt", "6" * 64, "6" * 64)
    wanted = Change(Action.KEEP, "a.der", "1" * 64, "1" * 64, owner=OWNER)
    assert status_after(BEFORE, facts(unmanaged, wanted, CONFLICT), RHYTHM).kept == ()


def test_what_planning_compares_is_as_small_for_many_kept_files() -> None:
    changes = [Change(Action.UNACCOUNTED, f"{n:04}.der", "8" * 64, reason="why") for n in range(MOST_KEPT + 1)]
    few = status_after(BEFORE, facts(*changes[1:]), RHYTHM).summary
    many = status_after(BEFORE, facts(*changes), RHYTHM).summary
    assert (few.many, many.many) == (False, True)
    assert few.kept[0] == KeptFact("0001.der", None, "", "why")
    assert len(many.kept) == len(few.kept) == MOST_KEPT


@pytest.mark.parametrize("known", [True, False])
def test_law1_whether_a_list_may_gain_files_is_remembered(known: bool) -> None:
    found = facts()
    new = status_after(BEFORE, replace(found, plan=replace(found.plan, known=known)), RHYTHM)
    assert new.memory.known is known
    assert failed(new, Unreachable("x"), NOW, RHYTHM, "head").memory.known is known


def test_law6_keys_of_others_are_listed_with_their_bytes_sha256() -> None:
    foreign = Change(Action.UNMANAGED, "notes.txt", "6" * 64, "6" * 64)
    assert status_after(BEFORE, facts(foreign), RHYTHM).unmanaged == {"notes.txt": "6" * 64}


def test_thumbprints_tell_every_certificate_whoever_wrote_it() -> None:
    built = certs.server()
    observed = replace(THERE, data={"a.der": built.der, "theirs.crt": built.pem.encode(), "notes.txt": b"no"})
    found = status_after(BEFORE, facts(observed=observed), RHYTHM).thumbprints
    assert set(found) == {"a.der", "theirs.crt"}
    assert all(built.sha256 in prints for prints in found.values())


def crowd(count: int, name: Callable[..., Any]) -> tuple[Observed, tuple[Change, ...]]:
    """As many keys of another writer's, each with a certificate in it, and the changes that a plan makes of them."""
    keys = {name(number): b"%d" % number for number in range(count)}
    changes = tuple(Change(Action.UNMANAGED, each, "7" * 64, "7" * 64) for each in sorted(keys))
    return replace(THERE, data={**THERE.data, **keys}), changes


@pytest.fixture
def a_certificate_in_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome, "thumbprints", lambda data: tuple(noise(data, size) for size in (32, 20)))


def noise(seed: bytes | int | str, size: int) -> str:
    return random.Random(seed).randbytes(size).hex()


@pytest.mark.usefixtures("a_certificate_in_each")
@pytest.mark.parametrize("name", [lambda n: f"{n:05}", lambda n: f"{n:05}" + "\x07" * 300], ids=["short", "hostile"])
def test_the_first_keys_of_others_are_listed_with_thumbprints_the_rest_counted(
    name: Callable[..., Any],
) -> None:
    observed, changes = crowd(30_000, name)
    new = status_after(BEFORE, facts(*changes, observed=observed), RHYTHM)
    assert 0 < len(new.unmanaged) < 1000
    assert list(new.unmanaged) == [name(number) for number in range(len(new.unmanaged))]
    assert new.thumbprints.keys() == {"a.der"} | new.unmanaged.keys()
    assert len(new.unmanaged) + new.unlisted == 30_000


@pytest.mark.usefixtures("a_certificate_in_each")
def test_a_status_of_a_full_list_fits_its_row_whatever_keys_others_add() -> None:
    """A MiB of certificates of 300 bytes, under names without order."""
    ours = {noise(number, 32): file(noise(-number, 32)) for number in range(OBJECT_LIMIT // 300)}
    observed, changes = crowd(30_000, lambda number: noise(f"theirs {number}", 100))
    observed = replace(observed, data={**observed.data, **{name: name.encode() for name in ours}})
    found = facts(*changes, observed=observed)
    new = status_after(BEFORE, replace(found, plan=replace(found.plan, owned_after=ours)), RHYTHM)
    assert (len(new.files), new.files.keys() - new.thumbprints.keys()) == (OBJECT_LIMIT // 300, set())
    assert JsonRows().decode(JsonRows().encode(new), ListStatus, "x") == new


# --- Failures --------------------------------------------------------------------------------------------

FAILURES = {
    "no answer": (Unreachable("x"), State.OFFLINE),
    "not allowed": (Unauthorized("x"), State.UNAUTHORIZED),
    "refused content": (Invalid("x"), State.BLOCKED),
    "not there": (NotFound("x"), State.BLOCKED),
    "any other lasting fault": (Permanent("x"), State.BLOCKED),
    "busy": (Temporary("x"), State.PENDING),
    "changed under way": (Changed("x"), State.PENDING),
}


@pytest.mark.parametrize(("error", "state"), FAILURES.values(), ids=FAILURES)
def test_an_error_is_one_state_and_what_is_ours_is_remembered(error: Any, state: State) -> None:
    new = failed(BEFORE, error, NOW, RHYTHM, "head")
    assert (new.state, new.verified, new.changed) == (state, OLD, OLD)
    assert (new.files, new.reserved, new.left) == (BEFORE.files, BEFORE.reserved, BEFORE.left)
    assert (new.failures, new.attempted, new.digest, new.head) == (4, NOW, "", "head")


def test_law9_an_errors_text_is_capped_and_escaped() -> None:
    new = failed(BEFORE, Invalid("\x1b[31m" + "x" * 400), NOW, RHYTHM, "head")
    assert len(new.detail) <= 256
    assert "\x1b" not in new.detail


@given(st.integers(1, 10_000))
def test_law12_the_wait_doubles_and_never_exceeds_an_hour(failures: int) -> None:
    assert RHYTHM.offline_first <= backoff(failures, RHYTHM) <= backoff(failures + 1, RHYTHM) <= timedelta(hours=1)


def test_law12_the_waits_of_a_cluster_that_stays_away() -> None:
    seconds = [backoff(n, RHYTHM).total_seconds() for n in range(1, 10)]
    assert seconds == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


@pytest.mark.parametrize(("asked", "expected"), [(None, 30), (5.0, 30), (100.0, 100), (86_400.0, 3600)])
def test_a_cluster_that_asks_for_time_gets_it_up_to_an_hour(asked: float | None, expected: int) -> None:
    new = failed(replace(BEFORE, failures=0), Temporary("x", retry_after=asked), NOW, RHYTHM, "head")
    assert new.due == NOW + timedelta(seconds=expected)


def test_success_ends_the_counting_of_failures() -> None:
    assert status_after(BEFORE, facts(), RHYTHM).failures == 0


def test_a_paused_list_asks_for_nothing_and_keeps_what_it_knows() -> None:
    new = paused(BEFORE, "head")
    assert (new.state, new.due, new.files, new.verified) == (State.PAUSED, None, BEFORE.files, OLD)


# --- Verifications ---------------------------------------------------------------------------------------


@given(st.text(min_size=1), st.text(min_size=1))
def test_law10_every_list_is_verified_within_the_interval(place: str, name: str) -> None:
    due = verify_in(ListStatus(place, "plant", name), RHYTHM)
    assert 0.8 * RHYTHM.verify_interval <= due <= RHYTHM.verify_interval


def test_law10_verifications_of_a_fleet_are_spread_out() -> None:
    dues = [verify_in(ListStatus(f"plant-{n}/ns/trust-list", "plant", "trust"), RHYTHM) for n in range(1000)]
    tenth = RHYTHM.verify_interval * 0.02
    for n in range(10):
        low = RHYTHM.verify_interval * 0.8 + n * tenth
        assert 50 < sum(low <= due < low + tenth for due in dues) < 200


def test_law10_overdue_is_told_from_the_stated_bound() -> None:
    status = ListStatus(PLACE, "plant", "trust", verified=NOW)
    assert not status.overdue(NOW + RHYTHM.bound, RHYTHM.bound)
    assert status.overdue(NOW + RHYTHM.bound + timedelta(seconds=1), RHYTHM.bound)
    assert unknown_status(PLACE, "plant").overdue(NOW, RHYTHM.bound)


def test_a_missing_object_of_an_empty_list_is_as_it_should_be() -> None:
    found = facts(observed=MISSING)
    new = status_after(BEFORE, replace(found, plan=replace(found.plan, owned_after={})), RHYTHM)
    assert (new.state, new.files) == (State.IN_SYNC, {})


def test_a_list_that_was_never_pushed_is_called_as_its_object() -> None:
    status = unknown_status(PLACE, "plant")
    assert (status.list, status.state, status.memory) == ("trust-list", State.PENDING, ListMemory())


def test_a_contended_list_is_due_at_once_and_keeps_what_it_knows() -> None:
    new = contended(BEFORE, NOW)
    assert (new.state, new.due, new.files, new.left) == (State.PENDING, NOW, BEFORE.files, BEFORE.left)
