"""What every cluster does that trustcast writes to: the stand-in, a real kube-apiserver, the in-memory one."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.support.tls import Authority
from sync.catalogue.secret import SecretKey
from sync.errors import Changed, Invalid, NotFound
from sync.reconcile.observed import MISSING
from sync.reconcile.ownership import (
    ANNOTATIONS_LIMIT,
    NO_OWNERS,
    OWNERS_ANNOTATION,
    OwnedFile,
    Owners,
    encode_owners,
)
from tests.support.clusters import NAMESPACE, OPENERS, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sync.ports.clusters import Target
    from sync.reconcile.observed import Observed
    from tests.support.clusters import ClusterUnderTest

WriteAsSeen = Callable[["Target", str, "Observed"], "Observed"]
Step = tuple[str, Any]
"""What is done, and with which files or keys."""

OWNERS = Owners("plant:6443 trust", {"a.der": OwnedFile("0" * 64, SecretKey("kv.vault.azure.net", "a"), "1" * 32)})
OWNERS_TEXT = encode_owners(OWNERS, ANNOTATIONS_LIMIT)
GONE = {"uid": str(uuid.uuid4()), "resource_version": "1"}


@pytest.fixture(scope="module", params=OPENERS)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    authority = Authority.in_folder(tmp_path_factory.mktemp("tls"))
    with OPENERS[request.param](authority) as opened:
        yield opened


@pytest.fixture
def target(cluster: ClusterUnderTest) -> Target:
    return cluster.target


@pytest.fixture
def name() -> str:
    return fresh_name()


def fresh_name() -> str:
    return f"list-{uuid.uuid4().hex}"


def as_read(seen: Observed) -> dict[str, str]:
    assert seen.uid is not None
    assert seen.resource_version is not None
    return {"uid": seen.uid, "resource_version": seen.resource_version}


def observe(target: Target, name: str) -> Observed:
    return target.observe(NAMESPACE, name)


def filled(target: Target, name: str, **files: bytes) -> Observed:
    """A Secret that we created and filled; keys' dots are written as two underscores."""
    empty = target.create_empty(NAMESPACE, name)
    return apply(target, name, empty, {key.replace("__", "."): value for key, value in files.items()})


def apply(target: Target, name: str, seen: Observed, files: Mapping[str, bytes], owners: str = "") -> Observed:
    return target.apply(NAMESPACE, name, files, owners=owners, **as_read(seen))


def remove(target: Target, name: str, seen: Observed, *keys: str) -> Observed:
    return target.remove_keys(NAMESPACE, name, keys, **as_read(seen))


def test_a_secret_that_never_was_is_missing(target: Target, name: str) -> None:
    assert observe(target, name) == MISSING


def test_a_secret_in_a_namespace_that_never_was_is_missing(target: Target, name: str) -> None:
    assert target.observe("trustcast-nowhere", name) == MISSING


def test_a_secret_cannot_be_created_in_a_namespace_that_never_was(target: Target, name: str) -> None:
    with pytest.raises(NotFound, match="trustcast-nowhere"):
        target.create_empty("trustcast-nowhere", name)


def test_a_new_secret_is_empty_and_nobody_owns_anything(target: Target, name: str) -> None:
    made = target.create_empty(NAMESPACE, name)
    assert made.exists
    assert (made.annotation, made.owners, made.annotation_room) == ("", NO_OWNERS, MISSING.annotation_room)
    assert (made.data, made.owned, made.others) == ({}, frozenset(), {})
    assert (made.sse_managed, made.immutable) == (False, False)
    assert observe(target, name) == made


def test_a_secret_is_created_once(target: Target, name: str) -> None:
    target.create_empty(NAMESPACE, name)
    with pytest.raises(Changed):
        target.create_empty(NAMESPACE, name)


def test_what_is_applied_is_there_and_ours(target: Target, name: str) -> None:
    seen = filled(target, name, a__der=b"\x00\x01", b__crl=b"")
    assert seen.data == {"a.der": b"\x00\x01", "b.crl": b""}
    assert (seen.owned, seen.others) == (frozenset({"a.der", "b.crl"}), {})
    assert observe(target, name) == seen


def test_law5_an_apply_of_the_same_changes_nothing(target: Target, name: str) -> None:
    seen = filled(target, name, a__der=b"1")
    assert apply(target, name, seen, {"a.der": b"1"}) == seen


def test_every_change_has_a_resource_version_of_its_own(target: Target, name: str) -> None:
    seen = filled(target, name, a__der=b"1")
    assert apply(target, name, seen, {"a.der": b"2"}).resource_version != seen.resource_version


def test_a_key_that_is_ours_alone_leaves_when_omitted(target: Target, name: str) -> None:
    seen = apply(target, name, filled(target, name, a__der=b"1", b__der=b"2"), {"b.der": b"2"})
    assert (seen.data, seen.owned) == ({"b.der": b"2"}, frozenset({"b.der"}))


def test_all_our_keys_can_leave(target: Target, name: str) -> None:
    seen = apply(target, name, filled(target, name, a__der=b"1"), {})
    assert (seen.exists, seen.data, seen.owned) == (True, {}, frozenset())


def test_law6_a_key_of_another_stays_beside_ours(cluster: ClusterUnderTest, target: Target, name: str) -> None:
    filled(target, name, a__der=b"1")
    cluster.edit(name, hand__der=b"h")
    seen = apply(target, name, observe(target, name), {"a.der": b"2"})
    assert seen.data == {"a.der": b"2", "hand.der": b"h"}
    assert (seen.owned, seen.others) == (frozenset({"a.der"}), {"hand.der": ("kubectl-edit",)})


def test_law6_a_hand_edit_takes_our_key_and_an_apply_takes_it_back(
    cluster: ClusterUnderTest, target: Target, name: str
) -> None:
    filled(target, name, a__der=b"1")
    cluster.edit(name, a__der=b"edited")
    edited = observe(target, name)
    assert (edited.owned, edited.others) == (frozenset(), {"a.der": ("kubectl-edit",)})
    seen = apply(target, name, edited, {"a.der": b"1"})
    assert (seen.data, seen.owned, seen.others) == ({"a.der": b"1"}, frozenset({"a.der"}), {})


def test_a_hand_edit_that_removes_our_key_leaves_no_owner(cluster: ClusterUnderTest, target: Target, name: str) -> None:
    filled(target, name, a__der=b"1", b__der=b"2")
    cluster.edit(name, a__der=None)
    seen = observe(target, name)
    assert (seen.data, seen.owned, seen.others) == ({"b.der": b"2"}, frozenset({"b.der"}), {})


def test_a_key_that_another_owned_first_with_the_same_bytes_is_shared(
    cluster: ClusterUnderTest, target: Target, name: str
) -> None:
    target.create_empty(NAMESPACE, name)
    cluster.edit(name, a__der=b"1")
    seen = apply(target, name, observe(target, name), {"a.der": b"1"})
    assert (seen.owned, seen.others) == (frozenset({"a.der"}), {"a.der": ("kubectl-edit",)})


def test_a_shared_key_outlives_an_apply_that_omits_it(cluster: ClusterUnderTest, target: Target, name: str) -> None:
    target.create_empty(NAMESPACE, name)
    cluster.edit(name, a__der=b"1")
    shared = apply(target, name, observe(target, name), {"a.der": b"1"})
    seen = apply(target, name, shared, {})
    assert (seen.data, seen.owned, seen.others) == ({"a.der": b"1"}, frozenset(), {"a.der": ("kubectl-edit",)})


def test_a_shared_key_leaves_by_removal(cluster: ClusterUnderTest, target: Target, name: str) -> None:
    filled(target, name, a__der=b"1", b__der=b"2")
    cluster.writer.apply(name, {"a.der": b"1"}, "gitops")
    shared = observe(target, name)
    assert shared.others == {"a.der": ("gitops",)}
    seen = remove(target, name, shared, "a.der")
    assert (seen.data, seen.owned, seen.others) == ({"b.der": b"2"}, frozenset({"b.der"}), {})


def test_the_removal_of_a_key_that_is_gone_changes_nothing(target: Target, name: str) -> None:
    seen = filled(target, name, a__der=b"1")
    assert remove(target, name, seen, "b.der") == seen


def test_a_key_that_came_with_the_creation_is_not_removed_by_an_apply(
    cluster: ClusterUnderTest, target: Target, name: str
) -> None:
    """Why lists are created empty; our own Update entries count as others."""
    cluster.writer.create(name, {"a.der": b"1"}, "trustcast")
    shared = apply(target, name, observe(target, name), {"a.der": b"1"})
    assert (shared.owned, shared.others) == (frozenset({"a.der"}), {"a.der": ("trustcast",)})
    assert apply(target, name, shared, {}).data == {"a.der": b"1"}


def test_several_owners_of_a_key_are_all_named(cluster: ClusterUnderTest, target: Target, name: str) -> None:
    filled(target, name, a__der=b"1")
    cluster.writer.apply(name, {"a.der": b"1"}, "zeta")
    cluster.writer.apply(name, {"a.der": b"1"}, "alpha")
    assert observe(target, name).others == {"a.der": ("alpha", "zeta")}


@pytest.mark.parametrize(
    "write", [lambda t, n, s: apply(t, n, s, {"a.der": b"2"}), lambda t, n, s: remove(t, n, s, "a.der")]
)
def test_law7_a_write_on_what_changed_meanwhile_is_refused(
    cluster: ClusterUnderTest, target: Target, name: str, write: WriteAsSeen
) -> None:
    seen = filled(target, name, a__der=b"1")
    cluster.edit(name, hand__der=b"h")
    with pytest.raises(Changed):
        write(target, name, seen)
    assert observe(target, name).data == {"a.der": b"1", "hand.der": b"h"}


@pytest.mark.parametrize(
    "write", [lambda t, n, s: apply(t, n, s, {"a.der": b"2"}), lambda t, n, s: remove(t, n, s, "a.der")]
)
def test_law7_a_write_never_brings_a_deleted_secret_back(
    cluster: ClusterUnderTest, target: Target, name: str, write: WriteAsSeen
) -> None:
    seen = filled(target, name, a__der=b"1")
    cluster.writer.delete(name)
    with pytest.raises(Changed):
        write(target, name, seen)
    assert observe(target, name) == MISSING


@pytest.mark.parametrize(
    "write", [lambda t, n, s: apply(t, n, s, {"a.der": b"2"}), lambda t, n, s: remove(t, n, s, "a.der")]
)
def test_law7_a_write_meant_for_a_deleted_secret_spares_its_successor(
    cluster: ClusterUnderTest, target: Target, name: str, write: WriteAsSeen
) -> None:
    seen = filled(target, name, a__der=b"1")
    cluster.writer.delete(name)
    cluster.writer.create(name, {"a.der": b"new"}, "kubectl-create")
    with pytest.raises(Changed):
        write(target, name, seen)
    assert observe(target, name).data == {"a.der": b"new"}


def test_another_uid_is_refused_even_with_the_right_resource_version(target: Target, name: str) -> None:
    """A cluster restored from a backup counts its versions anew."""
    version = as_read(filled(target, name, a__der=b"1"))["resource_version"]
    with pytest.raises(Changed):
        target.apply(NAMESPACE, name, {}, owners="", uid=GONE["uid"], resource_version=version)
    with pytest.raises(Changed):
        target.remove_keys(NAMESPACE, name, ["a.der"], uid=GONE["uid"], resource_version=version)


def test_a_successor_has_another_uid(cluster: ClusterUnderTest, target: Target, name: str) -> None:
    before = target.create_empty(NAMESPACE, name)
    cluster.writer.delete(name)
    assert target.create_empty(NAMESPACE, name).uid != before.uid


@pytest.mark.parametrize("key", ["a b.der", "é.der", "", ".", "..", "..x", "a" * 254, "a/b"])
def test_a_key_that_is_no_file_name_is_refused_and_named(target: Target, name: str, key: str) -> None:
    seen = filled(target, name, a__der=b"1")
    with pytest.raises(Invalid, match="data"):
        apply(target, name, seen, {"a.der": b"1", key: b"2"})
    assert observe(target, name) == seen


def test_a_secret_holds_a_mebibyte_and_no_byte_more(target: Target, name: str) -> None:
    empty = target.create_empty(NAMESPACE, name)
    full = apply(target, name, empty, {"a.der": bytes(1048575), "b.der": b"1"})
    assert sum(map(len, full.data.values())) == 1048576
    with pytest.raises(Invalid, match="1048576"):
        apply(target, name, full, {"a.der": bytes(1048576), "b.der": b"1"})


def test_an_immutable_secret_says_so_and_refuses(cluster: ClusterUnderTest, target: Target, name: str) -> None:
    filled(target, name, a__der=b"1")
    cluster.writer.merge(name, {"immutable": True}, "kubectl-edit")
    seen = observe(target, name)
    assert seen.immutable
    with pytest.raises(Invalid, match="immutable"):
        apply(target, name, seen, {"a.der": b"2"})
    assert observe(target, name).data == {"a.der": b"1"}


@pytest.mark.parametrize(("label", "owner"), [(True, True), (True, False), (False, True)])
def test_law6_a_secret_of_the_secret_store_extension_is_told(
    cluster: ClusterUnderTest, target: Target, name: str, label: bool, owner: bool
) -> None:
    filled(target, name, a__der=b"1")
    cluster.make_sse_owned(name, label=label, owner=owner)
    assert observe(target, name).sse_managed


def test_labels_and_owners_of_others_do_not_make_it_the_extensions(
    cluster: ClusterUnderTest, target: Target, name: str
) -> None:
    filled(target, name, a__der=b"1")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": str(uuid.uuid4())}
    metadata = {"labels": {"app": "x"}, "annotations": {"n": "v"}, "ownerReferences": [owner]}
    cluster.writer.merge(name, {"metadata": metadata}, "gitops")
    seen = observe(target, name)
    assert (seen.sse_managed, seen.owned, seen.others) == (False, frozenset({"a.der"}), {})


def test_a_label_of_another_survives_our_writes(cluster: ClusterUnderTest, target: Target, name: str) -> None:
    filled(target, name, a__der=b"1")
    cluster.make_sse_owned(name, label=True, owner=True)
    apply(target, name, observe(target, name), {"b.der": b"2"})
    assert remove(target, name, observe(target, name), "b.der").sse_managed


def test_what_is_applied_remembers_whose_it_is(target: Target, name: str) -> None:
    seen = apply(target, name, target.create_empty(NAMESPACE, name), {"a.der": b"1"}, OWNERS_TEXT)
    assert (seen.annotation, seen.owners) == (OWNERS_TEXT, OWNERS)
    assert (seen.data, seen.owned, seen.others) == ({"a.der": b"1"}, frozenset({"a.der"}), {})
    assert observe(target, name) == seen


def test_law5_an_apply_of_the_same_owners_changes_nothing(target: Target, name: str) -> None:
    seen = apply(target, name, filled(target, name, a__der=b"1"), {"a.der": b"1"}, OWNERS_TEXT)
    assert apply(target, name, seen, {"a.der": b"1"}, OWNERS_TEXT) == seen


def test_owners_change_where_the_files_stay(target: Target, name: str) -> None:
    before = apply(target, name, filled(target, name, a__der=b"1"), {"a.der": b"1"}, OWNERS_TEXT)
    seen = apply(target, name, before, {"a.der": b"1"}, "{}")
    assert (seen.annotation, seen.owners, seen.data) == ("{}", NO_OWNERS, {"a.der": b"1"})
    assert seen.resource_version != before.resource_version


def test_an_apply_without_owners_removes_them(target: Target, name: str) -> None:
    seen = apply(target, name, filled(target, name, a__der=b"1"), {"a.der": b"1"}, OWNERS_TEXT)
    seen = apply(target, name, seen, {"a.der": b"1"})
    assert (seen.annotation, seen.owners, seen.data) == ("", NO_OWNERS, {"a.der": b"1"})
    assert observe(target, name) == seen


def test_law6_an_annotation_of_another_stays_beside_ours(cluster: ClusterUnderTest, target: Target, name: str) -> None:
    filled(target, name, a__der=b"1")
    cluster.annotate(name, {"example.com/note": "vermerkt: größer"})
    room = observe(target, name).annotation_room
    assert room == MISSING.annotation_room - len("example.com/note") - len("vermerkt: größer".encode())
    for owners in (OWNERS_TEXT, "{}", ""):
        seen = apply(target, name, observe(target, name), {"a.der": b"1"}, owners)
        assert (seen.annotation, seen.annotation_room) == (owners, room)


def test_a_removal_of_keys_leaves_the_owners(target: Target, name: str) -> None:
    seen = apply(target, name, filled(target, name, a__der=b"1"), {"a.der": b"1", "b.der": b"2"}, OWNERS_TEXT)
    seen = remove(target, name, seen, "b.der")
    assert (seen.annotation, seen.owners, seen.data) == (OWNERS_TEXT, OWNERS, {"a.der": b"1"})
    assert apply(target, name, seen, {"a.der": b"1"}).annotation == ""


@pytest.mark.parametrize("edited", ["{}", None])
def test_owners_that_a_hand_edited_are_taken_back_by_an_apply(
    cluster: ClusterUnderTest, target: Target, name: str, edited: str | None
) -> None:
    apply(target, name, filled(target, name, a__der=b"1"), {"a.der": b"1"}, OWNERS_TEXT)
    cluster.annotate(name, {OWNERS_ANNOTATION: edited})
    seen = observe(target, name)
    assert (seen.annotation, seen.owners) == (edited or "", NO_OWNERS)
    seen = apply(target, name, seen, {"a.der": b"1"}, OWNERS_TEXT)
    assert (seen.annotation, seen.owners) == (OWNERS_TEXT, OWNERS)
    assert apply(target, name, seen, {"a.der": b"1"}).annotation == ""


def test_owners_that_a_hand_wrote_stay_where_an_apply_names_none(
    cluster: ClusterUnderTest, target: Target, name: str
) -> None:
    filled(target, name, a__der=b"1")
    cluster.annotate(name, {OWNERS_ANNOTATION: OWNERS_TEXT})
    assert apply(target, name, observe(target, name), {"a.der": b"1"}).annotation == OWNERS_TEXT


@pytest.mark.parametrize("others", [{}, {"example.com/note": "größer"}, {"a": "b" * 262000}])
@pytest.mark.parametrize("letter", ["x", "é", '"'])
def test_annotations_hold_their_limit_and_no_byte_more(
    cluster: ClusterUnderTest, target: Target, name: str, others: dict[str, str], letter: str
) -> None:
    filled(target, name, a__der=b"1")
    cluster.annotate(name, others)
    seen = observe(target, name)
    room, size = seen.annotation_room, len(letter.encode())
    longest = letter * (room // size) + "x" * (room % size)
    full = apply(target, name, seen, {"a.der": b"2"}, longest)
    assert (full.annotation, full.annotation_room, full.data) == (longest, room, {"a.der": b"2"})
    with pytest.raises(Invalid, match=r"annotations: Too long: may not be more than 262144 bytes"):
        apply(target, name, full, {"a.der": b"3"}, longest + "x")
    assert observe(target, name) == full


def test_there_is_no_room_beside_annotations_that_are_full(
    cluster: ClusterUnderTest, target: Target, name: str
) -> None:
    filled(target, name, a__der=b"1")
    cluster.annotate(name, {"a": "b" * (ANNOTATIONS_LIMIT - 1)})
    seen = observe(target, name)
    assert (seen.annotation_room, encode_owners(OWNERS, seen.annotation_room)) == (0, "")
    assert apply(target, name, seen, {"a.der": b"2"}).data == {"a.der": b"2"}
    with pytest.raises(Invalid, match="annotations: Too long"):
        apply(target, name, observe(target, name), {"a.der": b"3"}, "x")


def test_a_full_secret_takes_full_annotations(target: Target, name: str) -> None:
    files = {f"{number:04}-{'a' * 40}.der": bytes(1024) for number in range(1024)}
    empty = target.create_empty(NAMESPACE, name)
    seen = apply(target, name, empty, files, "x" * empty.annotation_room)
    assert (len(seen.data), len(seen.annotation)) == (1024, empty.annotation_room)


KEYS = st.sampled_from(["a.der", "b.der", "c.crl"])
BYTES = st.sampled_from([b"1", b"2"])
FILES = st.dictionaries(KEYS, BYTES, max_size=3)
TEXTS = st.sampled_from(["", OWNERS_TEXT, "{}"])
ANNOTATIONS = st.sampled_from([OWNERS_ANNOTATION, "example.com/note"])
STEPS = st.one_of(
    st.tuples(st.just("apply"), st.tuples(FILES, TEXTS)),
    st.tuples(st.just("remove"), st.sets(KEYS, min_size=1)),
    st.tuples(st.just("edit"), st.dictionaries(KEYS, st.one_of(st.none(), BYTES), min_size=1)),
    st.tuples(st.just("gitops"), FILES),
    st.tuples(st.just("annotate"), st.dictionaries(ANNOTATIONS, st.one_of(st.none(), TEXTS), min_size=1)),
    st.tuples(st.just("edit as us"), st.dictionaries(KEYS, BYTES, min_size=1)),
)


def play(cluster: ClusterUnderTest, name: str, steps: list[Step]) -> Iterator[tuple[object, ...]]:
    """What is seen after each step; names of managers stay, identities do not."""
    cluster.target.create_empty(NAMESPACE, name)
    for action, what in steps:
        seen = observe(cluster.target, name)
        match action:
            case "apply":
                apply(cluster.target, name, seen, *what)
            case "remove":
                remove(cluster.target, name, seen, *what)
            case "annotate":
                cluster.annotate(name, what)
            case "gitops":
                cluster.writer.apply(name, what, "gitops")
            case _:
                patch = {"data": {key: value and encoded(value) for key, value in what.items()}}
                cluster.writer.merge(name, patch, "trustcast" if action == "edit as us" else "kubectl-edit")
        after = observe(cluster.target, name)
        yield after.data, after.owned, after.others, after.resource_version == seen.resource_version
        yield after.annotation, after.annotation_room


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    with OPENERS["memory"](Authority.in_folder(tmp_path_factory.mktemp("tls"))) as opened:
        yield opened


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=8))
def test_any_course_of_writes_ends_as_in_memory(
    cluster: ClusterUnderTest, memory: ClusterUnderTest, steps: list[Step]
) -> None:
    """Against a real API server this holds the arithmetic of ownership to the original."""
    name = fresh_name()
    assert list(play(cluster, name, steps)) == list(play(memory, name, steps))
