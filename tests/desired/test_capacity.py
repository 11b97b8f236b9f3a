"""What fits into one object (law 8): growth of what is there first, then additions, the oldest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.certificates.items import Kind, parse
from sync.desired.capacity import ADDED_UP_TO, OBJECT_LIMIT, over_limit
from sync.desired.claims import WantedFile
from tests.support import certs
from tests.support.catalogues import key, sha256, version_name
from tests.support.certs import DAY, NOW

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

ITEM = parse(Kind.CERTIFICATE, certs.server().der)
HALF = ADDED_UP_TO // 2


def big(name: str, size: int, since: datetime | None) -> WantedFile:
    data = name[:1].encode() * size
    return WantedFile(name, data, sha256(data), key(name), version_name(1), since, True, ITEM)


def days_ago(name: str, size: int, days: int) -> WantedFile:
    return big(name, size, NOW - days * DAY)


def waiting(present: Mapping[str, int], *growing: WantedFile) -> tuple[str, ...]:
    return tuple(each.name for each in over_limit(growing, present))


def test_law8_the_newest_additions_wait_where_the_object_is_full() -> None:
    files = (days_ago("old.der", HALF, 3), days_ago("new.der", HALF, 1), days_ago("mid.der", HALF, 2))
    assert waiting({}, *files) == ("new.der",)


def test_law8_what_is_there_is_renewed_before_the_oldest_addition() -> None:
    renewed, old = days_ago("there.der", HALF + 1, 1), days_ago("old.der", HALF, 3)
    assert waiting({"there.der": 10}, renewed, old) == ("old.der",)


def test_law8_one_of_which_it_is_not_known_since_when_it_may_come_waits_first() -> None:
    files = (big("any.der", HALF, None), days_ago("old.der", HALF, 1), days_ago("mid.der", HALF, 2))
    assert waiting({}, *files) == ("any.der",)


def test_a_smaller_newer_one_may_still_fit() -> None:
    files = (days_ago("old.der", HALF, 3), days_ago("mid.der", HALF + 1, 2), days_ago("new.der", 10, 1))
    assert waiting({}, *files) == ("mid.der",)


def test_law8_additions_fill_nine_tenths_and_no_byte_more() -> None:
    assert waiting({}, days_ago("a.der", HALF, 2), days_ago("b.der", ADDED_UP_TO - HALF, 1)) == ()
    assert waiting({}, days_ago("a.der", HALF, 2), days_ago("b.der", ADDED_UP_TO - HALF + 1, 1)) == ("b.der",)


def test_law8_the_last_tenth_is_for_what_is_there_already() -> None:
    there = {"a.crl": 10, "b.der": ADDED_UP_TO - 10}
    assert waiting(there, days_ago("a.crl", OBJECT_LIMIT - ADDED_UP_TO + 10, 1)) == ()
    assert waiting(there, days_ago("a.crl", OBJECT_LIMIT - ADDED_UP_TO + 11, 1)) == ("a.crl",)


def test_the_bytes_of_others_count() -> None:
    assert waiting({"f": HALF}, days_ago("a.der", HALF + 1, 1)) == ("a.der",)


def test_a_replacement_that_shrinks_a_full_object_is_written() -> None:
    assert waiting({"a.der": HALF, "f": OBJECT_LIMIT}, days_ago("a.der", HALF - 1, 1)) == ()


SIZES = st.dictionaries(st.sampled_from(["a.der", "b.der", "c.der", "d.der"]), st.integers(1, OBJECT_LIMIT), max_size=4)


@given(SIZES, SIZES)
def test_law8_no_object_outgrows_its_limit_or_what_it_held(growing: dict[str, int], present: dict[str, int]) -> None:
    files = [days_ago(name, size, 1) for name, size in growing.items()]
    over = {*waiting(present, *files)}
    after = {**present, **{name: size for name, size in growing.items() if name not in over}}
    assert sum(after.values()) <= max(OBJECT_LIMIT, sum(present.values()))
    if after.keys() - present.keys():
        assert sum(after.values()) <= max(ADDED_UP_TO, sum(present.values()))


@pytest.mark.parametrize("size", [0, 1, ADDED_UP_TO])
def test_the_order_in_which_files_are_named_does_not_matter(size: int) -> None:
    files = (days_ago("a.der", size, 1), days_ago("b.der", 1, 1), days_ago("c.der", ADDED_UP_TO, 1))
    assert {*waiting({}, *files)} == {*waiting({}, *reversed(files))}
