"""Whose each file is, as an annotation says it: read from anyone, written within its room."""

from __future__ import annotations

import json
import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.catalogue.secret import SecretKey
from sync.reconcile.ownership import (
    ANNOTATIONS_LIMIT,
    NO_OWNERS,
    OWNERS_ANNOTATION,
    OwnedFile,
    Owners,
    encode_owners,
    parse_owners,
    room_beside,
)

HOST = "kv.vault.azure.net"
SHA = "0123456789abcdef" * 4
ROOT = OwnedFile(SHA, SecretKey(HOST, "root"), "1" * 32)
SUB = OwnedFile(SHA[::-1], SecretKey("plant.vault.azure.net", "sub"), "2" * 32, shared=True)
OWNERS = Owners("plant:6443 ab trust/list", {"root.der": ROOT, "sub.der": SUB})
TEXT = """\
{"schema":1,"place":"plant:6443 ab trust/list","vaults":{
"kv.vault.azure.net":{
"root.der":{"secret":"root","version":"11111111111111111111111111111111",\
"sha256":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}},
"plant.vault.azure.net":{
"sub.der":{"secret":"sub","version":"22222222222222222222222222222222","shared":true,\
"sha256":"fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"}}}}"""

KEY_CHARACTERS = string.ascii_letters + string.digits + "-._"
file_names = st.text(KEY_CHARACTERS, min_size=1, max_size=30).filter(lambda n: n != "." and not n.startswith(".."))
secret_keys = st.builds(
    SecretKey,
    st.sampled_from([HOST, "plant.vault.azure.net", "localhost:8443", "[::1]:8443"]),
    st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=20),
)
owned_files = st.builds(
    OwnedFile,
    st.text("0123456789abcdef", min_size=64, max_size=64),
    secret_keys,
    st.text(string.digits + string.ascii_letters, max_size=64),
    st.booleans(),
)
places = st.text([chr(code) for code in range(0x20, 0x7F)], max_size=30)
everything = st.builds(Owners, places, st.dictionaries(file_names, owned_files, max_size=12))


def test_the_text_has_one_file_a_line_and_names_each_vault_once() -> None:
    assert encode_owners(OWNERS, ANNOTATIONS_LIMIT) == TEXT
    assert parse_owners(TEXT) == OWNERS


@given(everything)
def test_what_is_written_is_read_again(owners: Owners) -> None:
    text = encode_owners(owners, ANNOTATIONS_LIMIT)
    assert parse_owners(text) == owners
    assert encode_owners(parse_owners(text), ANNOTATIONS_LIMIT) == text


@given(everything, st.randoms())
def test_the_same_owners_have_the_same_text_in_any_order(owners: Owners, random: Any) -> None:
    shuffled = list(owners.files.items())
    random.shuffle(shuffled)
    again = replace(owners, files=dict(shuffled))
    assert encode_owners(again, ANNOTATIONS_LIMIT) == encode_owners(owners, ANNOTATIONS_LIMIT)


@given(everything, st.integers(-5, 3000))
def test_the_text_keeps_to_its_room_and_names_as_many_as_fit(owners: Owners, room: int) -> None:
    text = encode_owners(owners, room)
    assert len(text.encode()) <= max(room, 0)
    kept, names = parse_owners(text), sorted(owners.files)
    assert kept.files == {name: owners.files[name] for name in names[: len(kept.files)]}
    one_more = {name: owners.files[name] for name in names[: len(kept.files) + 1]}
    if len(one_more) > len(kept.files):
        assert len(encode_owners(Owners(owners.place, one_more), ANNOTATIONS_LIMIT)) > room


@given(everything)
def test_a_room_as_long_as_the_text_is_enough(owners: Owners) -> None:
    text = encode_owners(owners, ANNOTATIONS_LIMIT)
    assert encode_owners(owners, len(text.encode())) == text


def test_files_are_left_out_from_the_end_whatever_their_vault() -> None:
    files = {f"{name}.der": (ROOT, SUB)[index % 2] for index, name in enumerate("abcde")}
    whole = encode_owners(Owners("p", files), ANNOTATIONS_LIMIT)
    assert list(parse_owners(encode_owners(Owners("p", files), len(whole) - 1)).files) == [
        "a.der",
        "c.der",
        "b.der",
        "d.der",
    ]


def test_a_full_list_leaves_some_files_out() -> None:
    files = {f"{number:05}.der": ROOT for number in range(4000)}
    text = encode_owners(Owners("p", files), ANNOTATIONS_LIMIT)
    assert ANNOTATIONS_LIMIT - 200 < len(text) <= ANNOTATIONS_LIMIT
    kept = parse_owners(text).files
    assert list(kept) == sorted(files)[: len(kept)]


def test_files_without_an_owner_are_left_out() -> None:
    owners = Owners("p", {"a.der": OwnedFile(SHA, None), "b.der": ROOT})
    assert parse_owners(encode_owners(owners, ANNOTATIONS_LIMIT)) == Owners("p", {"b.der": ROOT})


@pytest.mark.parametrize("owners", [NO_OWNERS, Owners("", {"a.der": OwnedFile(SHA, None)})])
def test_there_is_no_text_where_there_is_nothing_to_say(owners: Owners) -> None:
    assert encode_owners(owners, ANNOTATIONS_LIMIT) == ""


def test_a_place_without_files_is_remembered() -> None:
    assert parse_owners(encode_owners(Owners("p"), ANNOTATIONS_LIMIT)) == Owners("p")


def document(vaults: Any = None, **fields: Any) -> str:
    vaults = {HOST: {"root.der": entry()}} if vaults is None else vaults
    return json.dumps({"schema": 1, "place": "p", "vaults": vaults, **fields})


def entry(**fields: Any) -> dict[str, Any]:
    return {"secret": "root", "version": "1" * 32, "sha256": SHA, **fields}


def without(field: str) -> dict[str, Any]:
    return {key: value for key, value in entry().items() if key != field}


READ = Owners("p", {"root.der": ROOT})


def test_the_shapes_below_start_from_one_that_is_read() -> None:
    assert parse_owners(document()) == READ


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "null",
        "[]",
        "1",
        '"text"',
        "{}",
        TEXT[:-1],
        TEXT + "}",
        document(schema=2),
        document(schema=0),
        document(schema="1"),
        document(schema=True),
        document(schema=None),
        document(place=None),
        document(place=["p"]),
        document([]),
        document("x"),
        document(place="\ud800"),
        "\ud800",
        TEXT.replace("root", "\udfff"),
        pytest.param('{"schema":' + "9" * 100_000 + "}", id="long number"),
        pytest.param('{"schema":1,"place":"p","vaults":' + "[" * 100_000, id="deep list"),
        pytest.param('{"schema":1,"place":"p","vaults":{"h":' + '{"a":' * 50_000 + "1" + "}" * 50_002, id="deep map"),
        pytest.param(TEXT + " " * ANNOTATIONS_LIMIT, id="long"),
        pytest.param(document(x="é" * (ANNOTATIONS_LIMIT // 2)), id="long in bytes"),
        pytest.param(json.dumps(json.loads(document(x="é" * 131_000)), ensure_ascii=False) + " " * 300, id="UTF-8"),
    ],
)
def test_a_text_that_is_malformed_says_nothing(text: str | None) -> None:
    assert parse_owners(text) == NO_OWNERS


@pytest.mark.parametrize(
    "bad",
    [
        None,
        1,
        [],
        "root",
        {},
        without("secret"),
        without("sha256"),
        entry(secret=""),
        entry(secret="Root"),
        entry(secret="a/b"),
        entry(secret="a" * 128),
        entry(secret=1),
        entry(sha256=""),
        entry(sha256="0" * 63),
        entry(sha256="0" * 65),
        entry(sha256=SHA.upper()),
        entry(sha256="g" * 64),
        entry(sha256=0),
        entry(version="1" * 65),
        entry(version="a\nb"),
        entry(version="\uff11"),
        entry(version=None),
        entry(shared=1),
        entry(shared="true"),
    ],
)
def test_a_malformed_file_leaves_the_others(bad: Any) -> None:
    assert parse_owners(document({HOST: {"bad.der": bad, "root.der": entry()}})) == READ


@pytest.mark.parametrize("name", ["", ".", "..", "..x", "a b", "a/b", "é.der", "a\n", "a" * 254, "\u202e"])
def test_a_name_that_is_no_key_of_a_secret_is_left_out(name: str) -> None:
    assert parse_owners(document({HOST: {name: entry(), "root.der": entry()}})) == READ


@pytest.mark.parametrize("name", ["a", ".a", "A_b-c.d", "a..", "a" * 253])
def test_every_key_that_a_secret_may_have_is_read(name: str) -> None:
    assert parse_owners(document({HOST: {name: entry()}})).files == {name: ROOT}


@pytest.mark.parametrize(
    "host", ["", " ", "KV.vault.azure.net", "kv.vault.azure.net:443", "kv/x", "kv?x", "u@kv", "[", "kv:x", "kv\n", "é"]
)
def test_a_vault_that_is_no_host_is_left_out_with_its_files(host: str) -> None:
    assert parse_owners(document({host: {"other.der": entry()}, HOST: {"root.der": entry()}})) == READ


@pytest.mark.parametrize("files", [None, 1, [], "x", {}])
def test_a_vault_without_files_says_nothing(files: Any) -> None:
    assert parse_owners(document({"other.vault.azure.net": files, HOST: {"root.der": entry()}})) == READ


def test_a_file_of_two_vaults_has_no_owner() -> None:
    vaults = {HOST: {"root.der": entry(), "twice.der": entry()}, "other": {"twice.der": entry()}}
    assert parse_owners(document(vaults)) == READ


def test_unknown_fields_are_ignored() -> None:
    vaults = {HOST: {"root.der": entry(extra={"a": [1]})}}
    assert parse_owners(document(vaults, extra=[{}])) == READ


def test_a_version_may_be_unknown() -> None:
    files = parse_owners(document({HOST: {"root.der": without("version")}})).files
    assert files == {"root.der": replace(ROOT, version="")}


@pytest.mark.parametrize("place", ["a\nb", "\x1b[31m", "é", "p" * 1025])
def test_a_malformed_place_is_none(place: str) -> None:
    assert parse_owners(document(place=place)) == replace(READ, place="")


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([SHA, "root", HOST]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["secret", "sha256", "version", "shared", "a.der", HOST]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.text(), JSON, JSON)
def test_law13_no_annotation_raises(text: str, whole: Any, vaults: Any) -> None:
    for given_text in (text, json.dumps(whole), document(vaults or {}), document({HOST: vaults})):
        read = parse_owners(given_text)
        assert parse_owners(encode_owners(read, ANNOTATIONS_LIMIT)) == read


@given(st.integers(0, len(TEXT)), st.integers(0, len(TEXT)), st.text(max_size=3))
def test_law13_no_damage_to_a_text_raises(start: int, end: int, instead: str) -> None:
    read = parse_owners(TEXT[:start] + instead + TEXT[end:])
    assert parse_owners(encode_owners(read, ANNOTATIONS_LIMIT)) == read


def test_the_room_is_what_the_others_and_our_key_leave() -> None:
    whole = ANNOTATIONS_LIMIT - len(OWNERS_ANNOTATION)
    assert room_beside({}) == whole
    assert room_beside({OWNERS_ANNOTATION: "x" * 1000}) == whole
    assert room_beside({OWNERS_ANNOTATION: "x", "a": "b", "c": "é"}) == whole - 5


def test_the_room_is_never_negative() -> None:
    assert room_beside({"a": "b" * ANNOTATIONS_LIMIT}) == 0
