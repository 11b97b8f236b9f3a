"""Rows of tables: keys that Table Storage takes, values that come back as they were, damage that is told."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.adapters.storage.rows import (
    BODY_BYTES,
    KEY_LENGTH,
    PROPERTY_BYTES,
    SCHEMA,
    JsonRows,
    escape,
    row_key,
    unescape,
)
from sync.errors import Invalid, Permanent

ROWS = JsonRows()
NAMES = st.text(max_size=40)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Blob:
    content: bytes


def random_bytes(count: int) -> bytes:
    return random.Random(count).randbytes(count)


def parts(columns: dict[str, Any]) -> list[bytes]:
    return [columns[f"body{n}"] for n in range(20) if f"body{n}" in columns]


# Keys


@given(NAMES)
def test_a_key_holds_nothing_that_table_storage_forbids(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_.~=-]*", escape(name))


@given(NAMES)
def test_a_name_comes_back_from_its_key(name: str) -> None:
    assert unescape(escape(name)) == name


SEQUENCES = st.lists(st.text(max_size=8), min_size=1, max_size=3)


@given(SEQUENCES, SEQUENCES)
def test_no_two_sequences_of_names_have_the_same_key(one: list[str], other: list[str]) -> None:
    assert (row_key(*one) == row_key(*other)) == (one == other)


def test_ordinary_names_stay_readable() -> None:
    assert row_key("secret", "kv1.vault.azure.net", "corp-root") == "secret|kv1.vault.azure.net|corp-root"
    assert row_key("secret", "127.0.0.1:8443", "a") == "secret|127.0.0.1=3A8443|a"


def test_a_key_has_at_most_512_characters() -> None:
    assert len(row_key("x" * KEY_LENGTH)) == 512
    with pytest.raises(Invalid, match="too long to be stored"):
        row_key("x" * (KEY_LENGTH + 1))


# Values


@given(st.binary(max_size=300))
def test_a_value_comes_back_from_its_columns(content: bytes) -> None:
    assert ROWS.decode(ROWS.encode(Blob(content)), Blob, "x") == Blob(content)


@pytest.mark.parametrize("count", [0, 1, 49_000, 49_130, 49_150, 66_000, 200_000, 650_000])
def test_no_property_is_larger_than_table_storage_keeps(count: int) -> None:
    columns = ROWS.encode(Blob(random_bytes(count)))
    assert max(map(len, parts(columns))) <= PROPERTY_BYTES
    assert ROWS.decode(columns, Blob, "x") == Blob(random_bytes(count))


def test_what_fits_one_property_is_json_that_a_person_can_read() -> None:
    columns = ROWS.encode(Blob(b"abc"))
    assert columns == {"schema": SCHEMA, "zlib": False, "body0": b'{"content":"YWJj"}'}


def test_what_does_not_fit_one_property_is_compressed() -> None:
    columns = ROWS.encode(Blob(bytes(1_000_000)))
    assert columns["zlib"] is True
    assert len(parts(columns)) == 1


def test_a_value_too_large_for_a_row_is_refused() -> None:
    with pytest.raises(Invalid, match="Blob is too large"):
        ROWS.encode(Blob(random_bytes(BODY_BYTES)))


def test_a_due_time_is_a_column_of_its_own() -> None:
    assert ROWS.encode(Blob(b""), due=NOW)["due"] == NOW
    assert "due" not in ROWS.encode(Blob(b""))


def test_a_value_that_no_row_can_hold_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError):
        ROWS.encode(Blob(cast("bytes", object())))


# Damage


def test_a_row_of_a_newer_schema_is_refused_with_what_to_do() -> None:
    columns = {**ROWS.encode(Blob(b"abc")), "schema": SCHEMA + 1}
    with pytest.raises(Permanent, match=rf"row secret x has schema {SCHEMA + 1}.*deploy the newer version"):
        ROWS.decode(columns, Blob, "secret x")


GOOD = ROWS.encode(Blob(random_bytes(100_000)))
DAMAGED = {
    "no body": {"schema": SCHEMA},
    "an empty body": {"schema": SCHEMA, "body0": b""},
    "no JSON": {"schema": SCHEMA, "body0": b"\xff\xfe"},
    "another type": {"schema": SCHEMA, "body0": b"[]"},
    "a missing field": {"schema": SCHEMA, "body0": b"{}"},
    "text for a body": {"schema": SCHEMA, "body0": "{}"},
    "a part missing": {k: v for k, v in GOOD.items() if k != "body1"},
    "a bit flipped": {**GOOD, "body0": GOOD["body0"][:999] + b"\x00" + GOOD["body0"][1000:]},
    "no compression": {**GOOD, "zlib": False},
}


@pytest.mark.parametrize("columns", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_row_is_told_by_name_and_not_by_content(columns: dict[str, Any]) -> None:
    """Law 9: what is in a row is in no message."""
    with pytest.raises(Invalid, match=r"^row secret x is damaged \(\w+\): it will be written again") as caught:
        ROWS.decode(columns, Blob, "secret x")
    assert len(str(caught.value)) < 100


def test_a_body_that_unfolds_without_end_is_cut_off() -> None:
    bomb = ROWS.encode(Blob(bytes(40_000_000)))
    with pytest.raises(Invalid, match="damaged"):
        ROWS.decode(bomb, Blob, "x")
