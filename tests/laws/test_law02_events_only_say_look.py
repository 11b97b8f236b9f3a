"""Law 2: events come twice, late, out of order or never; event, sweep and command run the same code."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as replace_struct

from sync.commands.assignment import Tags, assign_secret
from sync.steps.admission import admit
from tests.support import certs
from tests.support.catalogues import key
from tests.support.certs import NOW
from tests.support.fleet import Fleet, event, registration

if TYPE_CHECKING:
    from collections.abc import Callable

    from sync.catalogue.entry import Entry
    from tests.support.certs import Built

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
A, B, C = (certs.server(name=name) for name in "abc")
MINUTE = timedelta(minutes=1)


def joined() -> Fleet:
    made = Fleet()
    made.register(registration("plant"))
    return made


@pytest.fixture
def fleet() -> Fleet:
    return joined()


def uploaded(fleet: Fleet, *values: Built) -> None:
    """Versions of one secret, a minute apart; their events wait."""
    for built in values:
        fleet.clock.move(MINUTE)
        fleet.upload("plc7", built.pem, TAGS)


def test_law2_an_event_that_comes_three_times_does_no_more_than_one(fleet: Fleet) -> None:
    uploaded(fleet, A)
    fleet.events *= 3
    fleet.work_off()
    head = fleet.decisions.head()
    assert fleet.files("plant") == {"plc7.der": A.der}
    assert fleet.clusters["plant"].state.requests["apply"] == 1
    fleet.events.append(event("plc7", fleet.vault.secrets.get("plc7").id))
    fleet.work_off()
    assert fleet.decisions.head() == head


def test_law2_events_the_wrong_way_round_leave_the_newest_version(fleet: Fleet) -> None:
    uploaded(fleet, A, B, C)
    fleet.events.reverse()
    fleet.work_off()
    assert fleet.files("plant") == {"plc7.der": C.der}


def test_law2_an_event_an_hour_late_brings_nothing_old_back(fleet: Fleet) -> None:
    uploaded(fleet, A)
    late = fleet.events.pop()
    uploaded(fleet, B)
    fleet.work_off()
    fleet.clock.move(timedelta(hours=1))
    fleet.events.append(late)
    fleet.work_off()
    assert fleet.files("plant") == {"plc7.der": B.der}


def test_law2_every_event_is_a_new_look_without_any_sweep(fleet: Fleet) -> None:
    for built in (A, B, C):
        uploaded(fleet, built)
        fleet.work_off()
        assert fleet.files("plant") == {"plc7.der": built.der}


def test_law2_a_look_that_finds_nothing_new_moves_nothing(fleet: Fleet) -> None:
    uploaded(fleet, A)
    fleet.work_off()
    fleet.sweep(MINUTE)
    head = fleet.decisions.head()
    for _ in range(3):
        admit(fleet.runtime, key("plc7"))
        fleet.sweep(MINUTE)
    assert fleet.decisions.head() == head


def test_law2_without_any_event_the_sweep_finds_it(fleet: Fleet) -> None:
    uploaded(fleet, A)
    fleet.events.clear()
    fleet.sweep(MINUTE)
    assert fleet.files("plant") == {"plc7.der": A.der}


def test_law2_an_event_that_names_a_version_that_is_not_there_says_look_all_the_same(fleet: Fleet) -> None:
    uploaded(fleet, A)
    fleet.events = [event("plc7", "f" * 32)]
    fleet.work_off()
    assert fleet.files("plant") == {"plc7.der": A.der}


def test_law2_an_event_of_a_secret_that_never_was_leaves_no_trace(fleet: Fleet) -> None:
    head = fleet.decisions.head()
    fleet.events = [event("never-was", "f" * 32)]
    fleet.work_off()
    assert fleet.decisions.snapshot(fresh=True).entries == {}
    assert fleet.decisions.head() == head


def catalogued(fleet: Fleet) -> list[Entry]:
    """The catalogue, but for when it was looked at and which look that was."""
    entries = fleet.decisions.snapshot(fresh=True).entries.values()
    still: dict[str, Any] = {"looked": NOW, "reread_at": None, "needs_second_look": False}
    still |= {"assigned_at": NOW, "admitted": NOW}
    return [
        replace(
            entry,
            newest=entry.newest and replace(entry.newest, version="", created=NOW, updated=NOW),
            versions=tuple(replace_struct(each, updated=NOW) for each in entry.versions),
            **still,
        )
        for entry in entries
    ]


def by_event(fleet: Fleet) -> None:
    fleet.work_off()


def by_sweep(fleet: Fleet) -> None:
    fleet.events.clear()
    fleet.sweep(MINUTE)


def by_command(fleet: Fleet) -> None:
    fleet.events.clear()
    assign_secret(fleet.runtime, key("plc7"), Tags("trust", "*"))
    fleet.work_off()


def by_asking_for_it(fleet: Fleet) -> None:
    fleet.events.clear()
    admit(fleet.runtime, key("plc7"))
    fleet.work_off()


@pytest.mark.parametrize("way", [by_sweep, by_command, by_asking_for_it])
def test_law2_event_sweep_and_command_come_to_the_same(way: Callable[[Fleet], None]) -> None:
    first, second = joined(), joined()
    for fleet in (first, second):
        uploaded(fleet, certs.server(key="rsa-1024"), A, certs.server(key="rsa-1024", serial=2))
    by_event(first)
    way(second)
    assert catalogued(second) == catalogued(first)
    assert second.files("plant") == first.files("plant") == {"plc7.der": A.der}


CHANGES = st.lists(st.tuples(st.sampled_from(["one", "two"]), st.sampled_from([A, B, C])), min_size=1, max_size=4)


@given(CHANGES, st.data())
def test_law2_whatever_becomes_of_the_events_the_lists_end_as_the_vault_says(
    changes: list[tuple[str, Built]], data: st.DataObject
) -> None:
    fleet = joined()
    expected: dict[str, bytes] = {}
    raised: list[str] = []
    for name, built in changes:
        fleet.clock.move(MINUTE)
        fleet.upload(name, built.pem, TAGS)
        expected[f"{name}.der"] = built.der
        raised.append(fleet.events.pop())
        fleet.events = data.draw(st.lists(st.sampled_from(raised), max_size=3))
        fleet.work_off()
    fleet.sweep(MINUTE)
    assert fleet.files("plant") == expected
