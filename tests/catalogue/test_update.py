"""From looks at one secret to its entry: the walk's table, tags, time, ties of fault, the daily proof."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.catalogue.assignment import assign
from sync.catalogue.entry import KNOWN_VERSIONS, Rejected
from sync.catalogue.reading import Read, VaultReading, next_read
from sync.catalogue.update import prune, update_entry
from sync.findings import Code, Finding, Role
from sync.fleet.policy import Policy, verdict
from tests.support import certs
from tests.support.catalogues import (
    CONFIGURATION,
    ISSUER,
    TAGS,
    TRUST,
    VAULT,
    candidate,
    entry,
    key,
    version,
    version_name,
)
from tests.support.certs import DAY, NOW

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sync.catalogue.entry import Candidate, Entry
    from sync.fleet.configuration import Configuration
    from tests.support.certs import Built

    Fate = tuple[Built | None, dict[str, Any]]
    Values = Mapping[int, Built | Fate | None]

GOOD, OTHER, THIRD = certs.server(), certs.server(key_name="b"), certs.server(key_name="c")
EXPIRED = certs.server(not_after=NOW - DAY, key_name="old")
CA, EXPIRED_CA = certs.ca(), certs.ca(not_after=NOW - DAY, key_name="old")
WEAK = certs.server(key="rsa-1024")
WEAK_AND_EXPIRED = certs.server(key="rsa-1024", not_after=NOW - DAY)
GARBAGE = None
BOTH = ("issuer", "trust")
SERVER_ON_ISSUER = {"trustcast-lists": "issuer,trust", "trustcast-clusters": "*"}


def reading(number: int, built: Built | None, at: datetime = NOW) -> Candidate | Rejected:
    if built is GARBAGE:
        return Rejected(version_name(number), version(number).created, (Finding(Code.NOT_A_CERTIFICATE),))
    return candidate(number, built, at=at)


def look_at(
    before: Entry | None,
    values: Values,
    *,
    at: datetime = NOW,
    configuration: Configuration = CONFIGURATION,
    **differs: Any,
) -> tuple[Entry, list[int]]:
    """One look as admission takes it: the entry, and the numbers of the versions that were read.

    Args:
        before: the entry so far.
        values: what each version holds, by number; a tuple's second part are properties that differ.
        at: when.
        configuration: what lists there are.
        differs: properties of all versions.
    """
    pairs = {n: v if isinstance(v, tuple) else (v, {}) for n, v in values.items()}
    versions = tuple(version(n, **differs | pairs[n][1]) for n in sorted(pairs, reverse=True))
    assigned = assign(versions, VAULT, configuration)
    assignment = assigned.assignment or (before.assignment if before else None)
    look, read = VaultReading(at, versions, {}), []
    if assignment is not None:
        while isinstance(wanted := next_read(before, look, assignment, configuration), Read):
            number = int(wanted.version.version, 16)
            read.append(number)
            look = replace(
                look, readings={**look.readings, version_name(number): reading(number, pairs[number][0], at)}
            )
    return update_entry(before, key("plc7"), look, assigned, configuration), read


def versions_of(found: Entry) -> list[int]:
    return [int(c.version, 16) for c in found.candidates]


def passing(found: Entry) -> list[int]:
    """Numbers of the versions that could come into force on the trust list."""
    return [
        int(c.version, 16) for c in found.candidates if verdict(c.findings, Role.TRUST, accept=(), reject=()).passes
    ]


OFF = {"enabled": False}

FIRST_LOOKS = {
    "one good version": ({1: GOOD}, [1], [1], None),
    "the newest good one ends the walk": ({1: GOOD, 2: OTHER}, [2], [2], None),
    "a rejected one gives way to the good one before it": ({1: GOOD, 2: WEAK}, [2, 1], [2, 1], None),
    "of what is no certificate nothing is kept": ({1: GOOD, 2: GARBAGE}, [2, 1], [1], None),
    "all are rejected": ({1: WEAK, 2: GARBAGE}, [2, 1], [1], None),
    "law 1: a rebuild stops at a disabled version": ({1: GOOD, 2: (OTHER, OFF)}, [], [], 2),
    "law 1: a rebuild stops at a disabled version below a rejected one": (
        {1: GOOD, 2: (OTHER, OFF), 3: WEAK},
        [3],
        [3],
        2,
    ),
    "law 1: a rebuild stops at a version rejected by time alone": ({1: GOOD, 2: EXPIRED}, [2], [2], 2),
    "law 1: time alone counts list by list": ({1: GOOD, 2: CA, 3: EXPIRED_CA}, [3], [3], 3),
    "a version rejected by time and more is walked past": ({1: GOOD, 2: WEAK_AND_EXPIRED}, [2, 1], [2, 1], None),
    "the only version is disabled": ({1: (GOOD, OFF)}, [], [], 1),
}


@pytest.mark.parametrize(("values", "read", "kept", "stop"), FIRST_LOOKS.values(), ids=FIRST_LOOKS)
def test_the_first_look_at_a_secret(values: Values, read: list[int], kept: list[int], stop: int | None) -> None:
    found, was_read = look_at(None, values)
    assert (was_read, versions_of(found)) == (read, kept)
    assert found.stop == (version_name(stop) if stop else None)


def test_law1_a_stopped_rebuild_has_no_candidate_that_could_add_a_file() -> None:
    found, _ = look_at(None, {1: GOOD, 2: EXPIRED, 3: WEAK})
    assert passing(found) == []


LATER_LOOKS = {
    "nothing new": ({1: GOOD}, {1: GOOD}, [], [1]),
    "a newer good version": ({1: GOOD}, {1: GOOD, 2: OTHER}, [2], [2, 1]),
    "a newer rejected version beside the one in force": ({1: GOOD}, {1: GOOD, 2: WEAK}, [2], [2, 1]),
    "a newer expired one walks on to the one in force": ({1: GOOD}, {1: GOOD, 2: EXPIRED}, [2], [2, 1]),
    "a newer disabled one never was in force": ({1: GOOD}, {1: GOOD, 2: (OTHER, OFF)}, [], [1]),
    "the one in force disabled stays the candidate, no older one returns": (
        {1: OTHER, 2: GOOD},
        {1: OTHER, 2: (GOOD, OFF)},
        [],
        [2],
    ),
    "the one in force enabled again": ({1: (GOOD, OFF)}, {1: GOOD}, [1], [1]),
    "a newer one enabled later": ({1: GOOD, 2: (OTHER, OFF)}, {1: GOOD, 2: OTHER}, [2], [2]),
    "several newer ones at once": ({1: GOOD}, {1: GOOD, 2: OTHER, 3: THIRD}, [3], [3, 1]),
}


@pytest.mark.parametrize(("first", "second", "read", "kept"), LATER_LOOKS.values(), ids=LATER_LOOKS)
def test_a_later_look_at_a_secret(first: Values, second: Values, read: list[int], kept: list[int]) -> None:
    before, _ = look_at(None, first)
    found, was_read = look_at(before, second, at=NOW + timedelta(minutes=5))
    assert (was_read, versions_of(found)) == (read, kept)


def test_a_version_in_force_that_is_disabled_stays_and_is_enabled_without_a_read() -> None:
    before, _ = look_at(None, {1: GOOD})
    off, read_off = look_at(before, {1: (GOOD, OFF)})
    on, read_on = look_at(off, {1: GOOD})
    assert ([c.enabled for c in off.candidates], [c.enabled for c in on.candidates]) == ([False], [True])
    assert read_off == read_on == []


def test_time_alone_never_unseats_what_was_in_force() -> None:
    """Its examination was settled when it was read; growing old is shown elsewhere and removes nothing."""
    before, _ = look_at(None, {1: GOOD})
    found, read = look_at(before, {1: GOOD}, at=NOW + 1000 * DAY)
    assert read == []
    assert found.candidates == before.candidates


def test_law1_the_newest_version_with_the_tag_decides_and_dropped_tags_are_told() -> None:
    before, _ = look_at(None, {1: GOOD})
    found, _ = look_at(before, {1: GOOD, 2: (OTHER, {"tags": {"file-encoding": "hex"}})})
    assert found.assignment.version == version_name(1)
    assert Code.TAGS_DROPPED in {note.code for note in found.secret_findings}
    assert versions_of(found)[0] == 2


def test_an_older_disabled_version_still_assigns_by_its_tags() -> None:
    found, _ = look_at(None, {1: (GOOD, OFF), 2: (OTHER, {"tags": {}})})
    assert (found.assignment.lists, versions_of(found)) == (("trust",), [2])


def test_refused_tags_keep_the_last_assignment() -> None:
    before, _ = look_at(None, {1: GOOD})
    found, _ = look_at(before, {1: (GOOD, {"tags": {"trustcast-lists": "no-such", "trustcast-clusters": "*"}})})
    assert found.assignment == before.assignment
    assert found.candidates == before.candidates
    assert Code.UNKNOWN_LIST in {note.code for note in found.secret_findings}


def test_none_unassigns_and_nothing_is_read_or_kept() -> None:
    before, _ = look_at(None, {1: GOOD})
    found, read = look_at(before, {1: GOOD, 2: (OTHER, {"tags": {"trustcast-lists": "none"}})})
    assert (found.assignment.lists, found.candidates, read) == ((), (), [])
    assert (found.assignment.version, found.assigned_at) == (version_name(2), NOW)


def test_a_secret_on_two_lists_is_walked_until_both_are_served() -> None:
    ca = certs.ca()
    found, read = look_at(None, {1: ca, 2: GOOD}, tags=SERVER_ON_ISSUER)
    assert (read, versions_of(found)) == ([2, 1], [2, 1])


def test_law1_one_list_that_accepts_the_expired_lets_no_other_fall_back() -> None:
    lenient = replace(ISSUER, policy=Policy(accept=frozenset({Code.EXPIRED})))
    configuration = replace(CONFIGURATION, lists=(TRUST, lenient))
    tags = {"trustcast-lists": "issuer,trust", "trustcast-clusters": "*", "trustcast-accept": "expired"}
    found, read = look_at(None, {1: CA, 2: EXPIRED_CA}, tags=tags, configuration=configuration)
    assert (read, found.stop) == ([2], version_name(2))


def test_a_gone_secret_keeps_where_it_went_and_since_when_it_is_gone() -> None:
    before, _ = look_at(None, {1: GOOD})
    found, _ = look_at(before, {}, at=NOW + DAY)
    assert (found.deleted_at, found.candidates, found.versions, found.newest) == (NOW + DAY, (), (), None)
    assert (found.assignment, found.assigned_at) == (before.assignment, before.assigned_at)
    later, _ = look_at(found, {}, at=NOW + 2 * DAY)
    assert later.deleted_at == NOW + DAY


def test_a_recovered_secret_is_as_it_was_and_admitted_anew() -> None:
    before, _ = look_at(None, {1: GOOD})
    deleted, _ = look_at(before, {}, at=NOW + DAY)
    back, read = look_at(deleted, {1: GOOD}, at=NOW + 2 * DAY)
    assert (back.deleted, versions_of(back), read) == (False, [1], [1])
    assert (before.admitted, back.admitted) == (NOW, NOW + 2 * DAY)


# --- Since when, and which versions there are ------------------------------------------------------------


def test_law4_who_was_admitted_first_is_told_by_when_it_first_went_to_a_list() -> None:
    nowhere, _ = look_at(None, {1: (GOOD, {"tags": {}})})
    first, _ = look_at(nowhere, {1: GOOD}, at=NOW + DAY)
    renewed, _ = look_at(first, {1: GOOD, 2: OTHER}, at=NOW + 2 * DAY)
    assert (first.admitted, renewed.admitted) == (NOW + DAY, NOW + DAY)


@pytest.mark.parametrize(
    ("begun", "admitted"),
    [(None, NOW), (NOW - DAY, NOW), (NOW - timedelta(minutes=1), version(1).created)],
    ids=["no rebuild", "made since the rebuild began", "older than the rebuild"],
)
def test_law1_in_a_rebuild_the_oldest_created_tells_who_was_admitted_first(
    begun: datetime | None, admitted: datetime
) -> None:
    versions = (version(2), version(1))
    assigned = assign(versions, VAULT, CONFIGURATION)
    look = VaultReading(NOW, versions, {version_name(2): candidate(2, GOOD)}, begun)
    assert update_entry(None, key("plc7"), look, assigned, CONFIGURATION).admitted == admitted


def test_since_when_it_goes_somewhere_moves_with_the_assignment_alone() -> None:
    before, _ = look_at(None, {1: GOOD})
    renewed, _ = look_at(before, {1: GOOD, 2: (OTHER, {"tags": {}})}, at=NOW + DAY)
    elsewhere = TAGS | {"trustcast-clusters": "site=lab"}
    moved, _ = look_at(renewed, {1: (GOOD, {"tags": elsewhere}), 2: (OTHER, {"tags": {}})}, at=NOW + 2 * DAY)
    assert [e.assigned_at for e in (before, renewed, moved)] == [NOW, NOW, NOW + 2 * DAY]


def test_the_versions_are_kept_as_the_vault_lists_them_newest_first() -> None:
    found, _ = look_at(None, {1: GOOD, 2: (OTHER, OFF), 3: THIRD})
    assert [(int(v.version, 16), v.enabled) for v in found.versions] == [(3, True), (2, False), (1, True)]
    assert [found.age(version_name(n)) for n in (3, 2, 1, 9)] == [0, 1, 2, 3]
    assert found.complete
    assert found.listed(version_name(9)) is None


def test_law4_of_a_look_that_saw_not_all_versions_none_counts_as_gone() -> None:
    look = VaultReading(NOW, (version(1),), {version_name(1): candidate(1, GOOD)}, complete=False)
    found = update_entry(None, key("plc7"), look, assign(look.versions, VAULT, CONFIGURATION), CONFIGURATION)
    assert not found.complete


def test_law11_a_version_more_decides_nothing_and_one_gone_or_disabled_does() -> None:
    before, _ = look_at(None, {1: GOOD, 2: OTHER})
    more, _ = look_at(before, {1: GOOD, 2: OTHER, 3: (GOOD, OFF | {"tags": {}})})
    gone, _ = look_at(before, {2: OTHER})
    off, _ = look_at(before, {1: (GOOD, OFF), 2: OTHER})
    assert (more.decides_like(before), gone.decides_like(before), off.decides_like(before)) == (True, False, False)


def test_a_look_under_other_settings_is_noted() -> None:
    narrowed = replace(CONFIGURATION, lists=(TRUST,))
    found, _ = look_at(None, {1: GOOD}, configuration=narrowed)
    assert (found.judged, look_at(found, {})[0].judged) == (narrowed.digest, CONFIGURATION.digest)


def test_a_newer_disabled_head_is_told() -> None:
    found, _ = look_at(entry("plc7", candidate(1, GOOD)), {1: GOOD, 2: (OTHER, OFF)})
    assert [note.code for note in found.secret_findings] == [Code.HEAD_DISABLED]


# --- The daily proof -------------------------------------------------------------------------------------


def reread_at(at: datetime) -> Entry:
    return entry("plc7", candidate(1, GOOD), reread_at=at)


@pytest.mark.parametrize(
    ("since", "due"), [(DAY, version_name(1)), (DAY - timedelta(seconds=1), None), (timedelta(0), None)]
)
def test_law11_the_proof_is_due_after_a_day(since: timedelta, due: str | None) -> None:
    assert reread_at(NOW - since).reread_due(NOW) == due


def test_a_disabled_version_needs_no_proof() -> None:
    off = entry("plc7", candidate(1, GOOD, enabled=False), reread_at=NOW - 2 * DAY)
    assert off.reread_due(NOW) is None


def proof(before: Entry, value: Candidate, at: datetime = NOW) -> Entry:
    """A look that read the version in force once more and found this."""
    look = VaultReading(at, (version(1),), {version_name(1): value})
    return update_entry(before, key("plc7"), look, assign(look.versions, VAULT, CONFIGURATION), CONFIGURATION)


def test_a_proof_that_finds_the_same_bytes_changes_nothing_but_its_time() -> None:
    before = entry("plc7", candidate(1, GOOD), reread_at=NOW - 2 * DAY)
    after = proof(before, candidate(1, GOOD))
    assert (after.candidates, after.secret_findings, after.reread_at) == (before.candidates, (), NOW)


def test_a_proof_never_examines_anew_what_only_grew_old() -> None:
    before = entry("plc7", candidate(1, EXPIRED, at=EXPIRED.certificate.not_valid_before_utc), reread_at=NOW - 2 * DAY)
    assert proof(before, candidate(1, EXPIRED)).candidates == before.candidates


def test_other_bytes_under_a_known_version_are_told_and_the_vaults_are_in_force() -> None:
    before = entry("plc7", candidate(1, GOOD), reread_at=NOW - 2 * DAY)
    after = proof(before, candidate(1, OTHER))
    assert after.candidates[0].items == candidate(1, OTHER).items
    assert Code.CATALOGUE_TAMPERED in {note.code for note in after.secret_findings}


# --- Second looks, bounds, settling ----------------------------------------------------------------------


@pytest.mark.parametrize(("after", "owed"), [(1.9, True), (2.0, False)])
def test_what_is_read_within_two_seconds_of_its_change_is_looked_at_once_more(after: float, owed: bool) -> None:
    at = version(1).updated + timedelta(seconds=after)
    found, _ = look_at(None, {1: GOOD}, at=at)
    assert found.needs_second_look is owed


def test_what_the_listing_does_not_show_needs_a_second_look() -> None:
    """The listing shows the newest version alone: an older one in force, or one that bears the tags, is not seen."""
    older_in_force, _ = look_at(None, {1: GOOD, 2: WEAK})
    dropped, _ = look_at(None, {1: GOOD, 2: (OTHER, {"tags": {}})})
    assert (older_in_force.needs_second_look, dropped.needs_second_look) == (True, True)


def test_law1_a_disabled_version_behind_a_rejected_one_is_looked_at_until_enabled() -> None:
    """The listing shows the newest version alone, and enabling an older one raises no event."""
    stopped, _ = look_at(None, {1: (GOOD, {"enabled": False}), 2: WEAK})
    assert (stopped.stop, stopped.needs_second_look) == (version_name(1), True)


def test_known_versions_are_bounded_newest_first() -> None:
    found, _ = look_at(None, dict.fromkeys(range(1, KNOWN_VERSIONS + 10), GOOD))
    assert len(found.versions) == KNOWN_VERSIONS
    assert found.versions[0].version == version_name(KNOWN_VERSIONS + 9)
    assert not found.complete


def pruned(found: Entry, *, proven: bool = True, configuration: Configuration = CONFIGURATION) -> Entry:
    return prune(found, configuration, lambda _: proven)


def test_pruning_keeps_the_newest_that_passes_and_the_one_before_it() -> None:
    """A rule about the set may reject the newest while the one before it is in force (law 3)."""
    found = entry("plc7", candidate(3, GOOD), candidate(2, OTHER), candidate(1, THIRD))
    assert versions_of(pruned(found)) == [3, 2]


def test_pruning_keeps_what_passes_on_each_list() -> None:
    found = entry("plc7", *(candidate(n, b) for n, b in ((4, GOOD), (3, OTHER), (2, CA), (1, THIRD))), lists=BOTH)
    assert versions_of(pruned(found)) == [4, 3, 2]


def test_pruning_drops_rejected_versions_that_are_not_read_again() -> None:
    """But for the newest of all, whose findings are shown."""
    found = entry("plc7", candidate(3, WEAK), candidate(2, OTHER), candidate(1, WEAK))
    kept = pruned(found)
    assert versions_of(kept) == [3, 2]
    assert [(int(p.version, 16), p.findings) for p in kept.passed] == [(1, found.candidates[2].findings)]


def test_law3_of_crls_the_last_proven_one_stays_behind_unproven_newer_ones() -> None:
    found = entry("crl", *(candidate(n, certs.crl(CA, number=n)) for n in (5, 4, 3, 2)))
    last = prune(found, CONFIGURATION, lambda c: c.version in {version_name(2), version_name(3)})
    assert versions_of(last) == [5, 4, 3]
    assert versions_of(pruned(found, proven=False)) == [5, 4]


def test_pruning_without_any_that_passes_keeps_the_newest_two_of_each_kind_of_fault() -> None:
    weak = [candidate(n, WEAK) for n in (6, 5, 4)]
    old = [candidate(n, EXPIRED) for n in (3, 2, 1)]
    assert versions_of(pruned(entry("plc7", *weak, *old))) == [6, 5, 3, 2]


# --- Properties ------------------------------------------------------------------------------------------

VALUES = st.sampled_from([GOOD, OTHER, WEAK, EXPIRED, GARBAGE])
FATES = st.dictionaries(st.integers(1, 5), st.tuples(VALUES, st.sampled_from([{}, OFF])), min_size=1)


@given(FATES)
def test_law2_a_second_look_at_the_same_versions_reads_nothing_and_decides_the_same(values: Mapping[int, Fate]) -> None:
    first, _ = look_at(None, values)
    again, read = look_at(first, values, at=NOW + timedelta(minutes=1))
    assert read == []
    assert again.candidates == first.candidates
    assert again.rejected == first.rejected


@given(FATES, FATES)
def test_a_look_depends_on_versions_alone_reads_each_at_most_once_and_none_disabled(
    first: Mapping[int, Fate], second: Mapping[int, Fate]
) -> None:
    before, _ = look_at(None, first)
    found, read = look_at(before, {**first, **second})
    assert len(read) == len(set(read))
    assert all({**first, **second}[n][1] != OFF for n in read)
    assert versions_of(found) == sorted(versions_of(found), reverse=True)


@given(FATES)
def test_law3_a_candidate_in_force_is_never_pushed_out_by_what_is_rejected(values: Mapping[int, Fate]) -> None:
    before, _ = look_at(None, {0: GOOD})
    bad = {n: (v if v not in (GOOD, OTHER) else WEAK, p) for n, (v, p) in values.items()}
    found, _ = look_at(before, {0: GOOD, **bad})
    assert passing(found) == [0]
    assert next(c for c in found.candidates if c.version == version_name(0)).enabled


def test_the_tags_of_the_table_are_what_the_tests_say() -> None:
    assignment = assign((version(1),), VAULT, CONFIGURATION).assignment
    assert assignment is not None
    assert assignment.lists == (TAGS["trustcast-lists"],)


# --- Versions that were read and are not kept (law 11) ---------------------------------------------------


def test_law11_what_pruning_drops_is_not_read_again() -> None:
    values = dict.fromkeys(range(1, 5), WEAK)
    first, _ = look_at(None, values)
    kept = pruned(first)
    again, read = look_at(kept, values)
    assert (versions_of(kept), [int(p.version, 16) for p in kept.passed]) == ([4, 3], [2, 1])
    assert (read, again.passed, again.rejected) == ([], kept.passed, ())


def test_what_pruning_dropped_is_read_again_once_a_list_would_take_it() -> None:
    """A server's certificate was replaced by a CA's; then the secret is put on the trust list as well."""
    issuer = {"tags": {"trustcast-lists": "issuer", "trustcast-clusters": "*"}}
    strict = replace(TRUST, policy=Policy(reject=frozenset({Code.CA_IN_TRUST_LIST})))
    configuration = replace(CONFIGURATION, lists=(strict, ISSUER))
    first, _ = look_at(None, {1: (GOOD, issuer)}, configuration=configuration)
    second, _ = look_at(first, {1: (GOOD, issuer), 2: (CA, issuer)}, configuration=configuration)
    kept = pruned(second, configuration=configuration)
    both = {"tags": SERVER_ON_ISSUER}
    found, read = look_at(kept, {1: (GOOD, both), 2: (CA, both)}, configuration=configuration)
    assert (versions_of(kept), read, versions_of(found), found.passed) == ([2], [1], [2, 1], ())
