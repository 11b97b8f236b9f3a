"""What every store of decisions must do: rows, the head, transactions, snapshots."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sync.adapters.storage.rows import SCHEMA
from sync.adapters.storage.table import Operation
from sync.catalogue.entry import Entry
from sync.catalogue.rows import AnswerRow, IssuerRow, SecretRow, ServerRow, SettingsProposalRow, VaultRow
from sync.catalogue.secret import SecretKey
from sync.catalogue.snapshot import Answer, Head, Issuer
from sync.errors import Changed, Invalid, Permanent, Temporary
from sync.ports.decisions import Damaged, Write
from sync.ports.stored import ABSENT, ANYTHING
from tests.support.memory import MemoryDecisions, MemoryTable
from tests.support.stores import (
    ANSWER,
    AUTHORITY,
    CLEARANCE,
    DELETIONS,
    NOW,
    ODD_NAMES,
    ROWS,
    SECRET,
    VAULT,
    answer,
    authority,
    configuration,
    damage,
    entry,
    full_entry,
    head,
    insert,
    large_authority,
    large_entry,
    listed,
    put,
    registration,
    settings,
    there,
)

if TYPE_CHECKING:
    from sync.catalogue.rows import RowKey
    from sync.ports.decisions import Decisions
    from tests.support.stores import Stores


@pytest.fixture
def decisions(stores: Stores) -> Decisions:
    return stores.decisions


def kept(decisions: Decisions) -> Entry:
    entry = there(decisions.row(SECRET)).value
    assert isinstance(entry, Entry)
    return entry


UPPER = SecretRow(SecretKey(SECRET.key.vault.upper(), SECRET.key.name.upper()))

# Rows


def test_before_the_first_change_there_is_nothing(decisions: Decisions) -> None:
    assert decisions.head().value == Head()
    assert decisions.head().etag == ""
    assert decisions.row(SECRET) is None
    assert decisions.snapshot().entries == {}


@pytest.mark.parametrize("name", ROWS, ids=lambda row: type(row).__name__)
def test_a_row_of_every_kind_is_read_as_it_was_written(decisions: Decisions, name: RowKey) -> None:
    insert(decisions, name)
    assert there(decisions.row(name)).value == ROWS[name]
    assert there(decisions.row(name)).etag


def test_a_row_that_must_not_exist_and_does_is_changed(decisions: Decisions) -> None:
    insert(decisions, SECRET)
    with pytest.raises(Changed):
        put(decisions, entry(stop="x"), ABSENT)
    assert there(decisions.row(SECRET)).value == full_entry()


def test_a_row_is_replaced_on_its_etag_and_has_a_new_one(decisions: Decisions) -> None:
    insert(decisions, SECRET)
    first = there(decisions.row(SECRET)).unchanged
    put(decisions, entry(), first)
    assert there(decisions.row(SECRET)).value == entry()
    assert there(decisions.row(SECRET)).unchanged != first


def test_a_row_written_since_it_was_read_is_changed(decisions: Decisions) -> None:
    """Law 7: an old look never overwrites a newer one."""
    insert(decisions, SECRET)
    read = there(decisions.row(SECRET)).unchanged
    put(decisions, entry(stop="newer"), read)
    with pytest.raises(Changed):
        put(decisions, entry(stop="older"), read)
    assert kept(decisions).stop == "newer"


def test_the_same_content_written_again_is_a_change_all_the_same(decisions: Decisions) -> None:
    insert(decisions, SECRET)
    read = there(decisions.row(SECRET)).unchanged
    put(decisions, full_entry(), read)
    with pytest.raises(Changed):
        put(decisions, entry(), read)


def test_a_row_deleted_since_it_was_read_is_changed_for_write_and_delete(decisions: Decisions) -> None:
    insert(decisions, SECRET)
    read = there(decisions.row(SECRET)).unchanged
    put(decisions, None, read)
    assert decisions.row(SECRET) is None
    for value in (entry(), None):
        with pytest.raises(Changed):
            put(decisions, value, read)


def test_a_row_deleted_on_a_stale_etag_stays(decisions: Decisions) -> None:
    insert(decisions, SECRET)
    read = there(decisions.row(SECRET)).unchanged
    put(decisions, entry(), read)
    with pytest.raises(Changed):
        put(decisions, None, read)
    assert there(decisions.row(SECRET)).value == entry()


def test_a_star_writes_whatever_is_there(decisions: Decisions) -> None:
    put(decisions, entry(stop="a"), ANYTHING)
    put(decisions, entry(stop="b"), ANYTHING)
    assert kept(decisions).stop == "b"


def test_a_star_deletes_what_is_there_and_nothing_else(decisions: Decisions) -> None:
    insert(decisions, SECRET)
    put(decisions, None, ANYTHING)
    assert decisions.row(SECRET) is None
    with pytest.raises(Changed):
        put(decisions, None, ANYTHING)


def test_a_deleted_row_can_be_inserted_again(decisions: Decisions) -> None:
    insert(decisions, SECRET)
    put(decisions, None, ANYTHING)
    insert(decisions, SECRET)
    assert there(decisions.row(SECRET)).value == full_entry()


def test_a_secret_is_one_row_in_any_case(decisions: Decisions) -> None:
    insert(decisions, SECRET)
    with pytest.raises(Changed):
        decisions.commit([Write(UPPER, entry(), ABSENT)], head=head())
    assert there(decisions.row(UPPER)).value == full_entry()


def test_names_of_any_characters_are_rows_of_their_own(decisions: Decisions) -> None:
    names = [AnswerRow(name) for name in ODD_NAMES]
    decisions.commit([Write(name, answer(name.digest), ABSENT) for name in names], head=head())
    found = [there(decisions.row(name)).value for name in names]
    assert [row.digest for row in found if isinstance(row, Answer)] == ODD_NAMES
    assert set(decisions.snapshot().answers) == set(ODD_NAMES)


def test_a_name_too_long_for_a_key_is_refused_in_words(decisions: Decisions) -> None:
    with pytest.raises(Invalid, match="too long"):
        decisions.row(AnswerRow("é" * 200))


def test_an_entry_far_larger_than_one_property_is_read_as_it_was_written(decisions: Decisions) -> None:
    """Four candidates of the most that a secret's value may hold."""
    put(decisions, large_entry(), ABSENT)
    assert there(decisions.row(SECRET)).value == large_entry()


def test_the_largest_authority_that_there_may_be_fits_into_its_row(decisions: Decisions) -> None:
    decisions.commit([Write(AUTHORITY, large_authority(), ABSENT)], head=head())
    assert there(decisions.row(AUTHORITY)).value == large_authority()


def test_a_ca_and_its_crl_admitted_at_once_cannot_both_miss_the_other(stores: Stores) -> None:
    """Both replace the token of their name on the ETag that they read."""
    issuer = IssuerRow.of(b"2.5.4.3=root")
    stores.decisions.commit([Write(issuer, Issuer("first"), ABSENT)], head=head("first"))
    read = there(stores.elsewhere.row(issuer)).unchanged
    stores.decisions.commit([Write(issuer, Issuer("of the CA"), read)], head=head("second"))
    with pytest.raises(Changed):
        stores.elsewhere.commit(
            [Write(SECRET, entry(), ABSENT), Write(issuer, Issuer("of the CRL"), read)], head=head("third")
        )
    assert stores.elsewhere.row(SECRET) is None


@pytest.mark.parametrize("star", [False, True])
def test_a_row_that_shrinks_leaves_nothing_of_the_larger_behind(decisions: Decisions, star: bool) -> None:
    put(decisions, large_entry(), ABSENT)
    put(decisions, entry(), ANYTHING if star else there(decisions.row(SECRET)).unchanged)
    assert there(decisions.row(SECRET)).value == entry()
    assert decisions.snapshot().entries == {entry().key: entry()}


# The head


def test_the_head_is_read_as_it_was_written(decisions: Decisions) -> None:
    insert(decisions, SECRET)
    assert decisions.head().value == head()


def test_the_head_may_be_required_not_to_exist(decisions: Decisions) -> None:
    decisions.commit([], head=head("first"), on_head=ABSENT)
    with pytest.raises(Changed):
        decisions.commit([Write(SECRET, entry(), ABSENT)], head=head("second"), on_head=ABSENT)
    assert decisions.head().value.token == "first"
    assert decisions.row(SECRET) is None


def test_the_head_may_be_required_to_be_the_one_that_was_read(decisions: Decisions) -> None:
    """Law 4: a removal is judged under one head, and written only if it still is the head."""
    insert(decisions, SECRET, token="first")
    read = decisions.head().unchanged
    decisions.commit([Write(ANSWER, ROWS[ANSWER], ABSENT)], head=head("second"), on_head=read)
    with pytest.raises(Changed):
        decisions.commit([Write(SECRET, None, ANYTHING)], head=head("third"), on_head=read)
    assert decisions.head().value.token == "second"
    assert decisions.row(SECRET) is not None


def test_a_head_that_was_read_and_is_gone_is_changed(decisions: Decisions) -> None:
    insert(decisions, SECRET)
    with pytest.raises(Changed):
        decisions.commit([], head=head("x"), on_head=there(decisions.row(SECRET)).unchanged)


def test_without_a_requirement_the_head_is_replaced_whatever_it_is(decisions: Decisions) -> None:
    for token in ("first", "second"):
        decisions.commit([], head=head(token))
    assert decisions.head().value.token == "second"


def test_rows_that_decide_nothing_leave_the_head(decisions: Decisions) -> None:
    insert(decisions, SECRET)
    before = decisions.head()
    decisions.commit([Write(SECRET, entry(), ANYTHING)], head=None)
    assert decisions.head() == before
    assert there(decisions.row(SECRET)).value == entry()


def test_nothing_to_write_is_no_error(decisions: Decisions) -> None:
    decisions.commit([], head=None)
    assert decisions.head().etag == ""


# Transactions


@pytest.mark.parametrize("failing", ["exists", "stale", "gone", "head"])
def test_one_failing_write_leaves_nothing_of_the_others(decisions: Decisions, failing: str) -> None:
    """Law 7: a row and the head change together or not at all."""
    insert(decisions, SECRET, token="first")
    stale = there(decisions.row(SECRET)).unchanged
    put(decisions, entry(), stale, token="second")
    other = Write(ANSWER, ROWS[ANSWER], ABSENT)
    last = {
        "exists": Write(SECRET, full_entry(), ABSENT),
        "stale": Write(SECRET, full_entry(), stale),
        "gone": Write(DELETIONS, None, ANYTHING),
        "head": Write(DELETIONS, ROWS[DELETIONS], ABSENT),
    }[failing]
    with pytest.raises(Changed):
        decisions.commit([other, last], head=head("third"), on_head=stale if failing == "head" else ANYTHING)
    assert decisions.head().value.token == "second"
    assert decisions.row(ANSWER) is None
    assert decisions.row(DELETIONS) is None
    assert there(decisions.row(SECRET)).value == entry()


def many(count: int, **changes: Any) -> list[Write]:
    return [Write(SecretRow(e.key), e, ABSENT) for e in (entry(f"s{n:05}", **changes) for n in range(count))]


def test_98_writes_go_with_a_head_and_one_more_is_refused(decisions: Decisions) -> None:
    with pytest.raises(Invalid, match="98"):
        decisions.commit(many(99), head=head())
    assert decisions.head().etag == ""
    decisions.commit(many(98), head=head(), on_head=ABSENT)
    assert len(decisions.snapshot().entries) == 98


def test_one_row_twice_in_a_transaction_is_refused(decisions: Decisions) -> None:
    with pytest.raises(Invalid):
        decisions.commit([Write(SECRET, entry(), ANYTHING)] * 2, head=head())
    assert decisions.head().etag == ""


# Snapshots


def test_a_snapshot_has_every_row_by_its_kind(decisions: Decisions) -> None:
    insert(decisions, *ROWS)
    found = decisions.snapshot()
    assert found.head == head()
    assert found.settings == settings()
    assert found.configuration == configuration()
    assert found.entries == {full_entry().key: full_entry()}
    assert found.clusters == {"plant-1": registration()}
    assert found.servers == {"plant-1-id": ROWS[ServerRow("plant-1-id")]}
    assert found.vaults == {VAULT: ROWS[VaultRow(VAULT)]}
    assert found.proposal == ROWS[SettingsProposalRow()]
    assert found.deletions == {VAULT: ROWS[DELETIONS]}
    assert found.answers == {"a" * 64: ROWS[ANSWER]}
    assert found.authorities == {AUTHORITY: authority()}
    assert found.clearances == {CLEARANCE.sha256: ROWS[CLEARANCE]}


def test_a_snapshot_has_all_pages(decisions: Decisions) -> None:
    writes = many(1100)
    for start in range(0, len(writes), 98):
        decisions.commit(writes[start : start + 98], head=head(str(start)))
    found = decisions.snapshot()
    assert [e.name for e in sorted(found.entries.values(), key=lambda e: e.name)] == [f"s{n:05}" for n in range(1100)]


def test_under_the_same_head_the_snapshot_is_the_same(decisions: Decisions) -> None:
    insert(decisions, SECRET)
    assert decisions.snapshot() is decisions.snapshot()


def test_times_of_looking_are_in_a_fresh_snapshot_only(decisions: Decisions) -> None:
    insert(decisions, SECRET)
    before = decisions.snapshot()
    decisions.commit([Write(SECRET, entry(), ANYTHING)], head=None)
    assert decisions.snapshot() is before
    assert decisions.snapshot(fresh=True).entries == {entry().key: entry()}
    assert decisions.snapshot().entries == {entry().key: entry()}


def test_a_change_of_another_process_is_seen_by_its_head(stores: Stores) -> None:
    """Law 2: every handler reads state anew."""
    insert(stores.decisions, SECRET, token="first")
    assert stores.decisions.snapshot().entries
    stores.elsewhere.commit([Write(SECRET, None, ANYTHING)], head=head("second"))
    assert stores.decisions.snapshot().entries == {}
    assert stores.decisions.snapshot().head.token == "second"


def test_a_snapshot_under_no_head_is_never_trusted_again(stores: Stores) -> None:
    """The table was emptied, and rows came back without a head."""
    assert stores.decisions.snapshot().entries == {}
    stores.elsewhere.commit([Write(SECRET, entry(), ABSENT)], head=None)
    assert len(stores.decisions.snapshot().entries) == 1


def test_rows_that_did_not_change_are_not_decoded_again(decisions: Decisions) -> None:
    decisions.commit(many(2), head=head("first"))
    before = decisions.snapshot().entries
    first, second = before
    decisions.commit([Write(SecretRow(first), entry("s00000", deleted_at=NOW), ANYTHING)], head=head("second"))
    after = decisions.snapshot().entries
    assert after[first].deleted
    assert after[second] is before[second]


# Threads


def test_sixteen_writers_lose_no_row(stores: Stores) -> None:
    """Law 7, with the head replaced by all of them at once."""

    def write(number: int) -> None:
        for turn in range(3):
            each = entry(f"w{number}-{turn}")
            stores.decisions.commit([Write(SecretRow(each.key), each, ABSENT)], head=head(f"{number}-{turn}"))
            assert each.key in stores.decisions.snapshot().entries

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(write, range(16)))
    assert len(stores.elsewhere.snapshot().entries) == 48
    assert stores.decisions.snapshot().entries == stores.elsewhere.snapshot().entries


def test_sixteen_writers_of_one_row_lose_no_update(decisions: Decisions) -> None:
    def add(number: int) -> None:
        while True:
            stored = there(decisions.row(SECRET))
            assert isinstance(stored.value, Entry)
            grown = replace(stored.value, versions=(*stored.value.versions, listed(str(number))))
            try:
                return put(decisions, grown, stored.unchanged, token=str(number))
            except Changed:
                continue

    put(decisions, entry(), ABSENT)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(add, range(16)))
    assert sorted((each.version for each in kept(decisions).versions), key=int) == [str(n) for n in range(16)]


# Damage


def test_a_damaged_row_is_left_out_and_blocks_no_other(tables: Stores) -> None:
    """Law 8: one bad row blocks nothing else."""
    decisions = tables.decisions
    insert(decisions, *ROWS, token="first")
    damage(decisions, "decisions", "secret|kv1.vault.azure.net|corp-root")
    found = decisions.snapshot(fresh=True)
    assert found.entries == {}
    assert found.clusters == {"plant-1": registration()}


def test_a_damaged_row_is_mended_on_its_etag(tables: Stores) -> None:
    """Law 1: the catalogue is rebuilt from the vault."""
    decisions = tables.decisions
    insert(decisions, SECRET)
    damage(decisions, "decisions", "secret|kv1.vault.azure.net|corp-root")
    stored = there(decisions.row(SECRET))
    assert isinstance(stored.value, Damaged)
    put(decisions, full_entry(), stored.unchanged)
    assert there(decisions.row(SECRET)).value == full_entry()


def test_what_a_newer_trustcast_wrote_stops_the_reader(tables: Stores) -> None:
    insert(tables.decisions, SECRET)
    newer = Operation("secret|kv1.vault.azure.net|corp-root", {"schema": SCHEMA + 1, "body0": b"{}"}, ANYTHING)
    tables.decisions._table.write("decisions", newer)
    with pytest.raises(Permanent, match=f"schema {SCHEMA + 1}"):
        tables.decisions.snapshot(fresh=True)


# What only the double can show


def writing_between_pages(table: MemoryTable, heads: int) -> None:
    """Another process changes a row and the head, as many times, whenever a second page is read."""
    left, pages = iter(range(heads)), itertools.count(1)

    def pause(label: str) -> None:
        if label.startswith("scan") and next(pages) % 2 == 0 and (number := next(left, None)) is not None:
            table.pause = lambda _: None
            MemoryDecisions(table=table).commit(
                [Write(SecretRow(entry("s00000").key), entry("s00000", stop=str(number)), ANYTHING)],
                head=head(f"head {number}"),
            )
            table.pause = pause

    table.pause = pause


def test_law7_a_snapshot_is_whole_whatever_is_written_between_its_pages() -> None:
    """A scan sees old and new rows: the head is read again after the last, and where it has moved, so are all rows."""
    table = MemoryTable("rows", page=1)
    decisions = MemoryDecisions(table=table)
    decisions.commit(many(2), head=head("first"))
    writing_between_pages(table, heads=3)
    found = decisions.snapshot()
    assert found.head.token == decisions.head().value.token == "head 2"
    assert found.entries[entry("s00000").key].stop == "2"
    assert decisions.snapshot() is found


def test_what_changes_faster_than_it_can_be_read_is_read_again_later() -> None:
    table = MemoryTable("rows", page=1)
    decisions = MemoryDecisions(table=table)
    decisions.commit(many(2), head=head("first"))
    writing_between_pages(table, heads=99)
    with pytest.raises(Temporary, match="it is read again"):
        decisions.snapshot()
    writing_between_pages(table, heads=0)
    assert decisions.snapshot().head == decisions.head().value
