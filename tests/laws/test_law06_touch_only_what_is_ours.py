"""Law 6: server-side apply key by key; what is ours is forced back, what is another's is never touched."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sync.reconcile.ownership import OWNERS_ANNOTATION
from sync.reconcile.status import State
from sync.steps.push import push_cluster
from tests.support import certs
from tests.support.catalogues import sha256
from tests.support.http_fleet import TRUST, http_fleet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local.kubernetes.cluster import Cluster
    from tests.support.certs import Built, BuiltCrl
    from tests.support.http_fleet import HttpFleet, Stands

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
A, B = certs.server(name="a"), certs.server(name="b")
MINUTE = timedelta(minutes=1)
WHERE = (TRUST.namespace, TRUST.object)


@pytest.fixture
def fleet(servers: Stands) -> Iterator[HttpFleet]:
    with http_fleet(servers) as made:
        made.join("plant")
        yield made


@pytest.fixture
def plant(fleet: HttpFleet) -> Cluster:
    return fleet.api_servers["plant"]


@pytest.fixture
def filled(fleet: HttpFleet) -> HttpFleet:
    """The files a.der and b.der are on the list and ours."""
    upload(fleet, "a", A)
    upload(fleet, "b", B)
    assert fleet.files("plant") == {"a.der": A.der, "b.der": B.der}
    return fleet


def upload(fleet: HttpFleet, name: str, built: Built | BuiltCrl) -> None:
    fleet.clock.move(MINUTE)
    fleet.upload(name, built.pem, TAGS)
    fleet.work_off()


def delete(fleet: HttpFleet, name: str) -> None:
    fleet.watched.secrets.delete(name)
    fleet.sweep(MINUTE)


def verify(fleet: HttpFleet) -> None:
    push_cluster(fleet.runtime, "plant")


def managers(plant: Cluster, file: str) -> set[tuple[str, str]]:
    """The field managers that own a key, ours by its kind of operation."""
    fields = plant.get(*WHERE).body()["metadata"]["managedFields"]
    return {
        (each["manager"], each["operation"])
        for each in fields
        if f"f:{file}" in each.get("fieldsV1", {}).get("f:data", {})
    }


# --- Ours ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("filled")
def test_law6_what_is_written_is_owned_key_by_key_by_our_apply_alone(plant: Cluster) -> None:
    assert managers(plant, "a.der") == managers(plant, "b.der") == {("trustcast", "Apply")}


HAND_EDITS: dict[str, dict[str, bytes | None]] = {
    "other bytes": {"a.der": b"edited"},
    "no bytes": {"a.der": b""},
    "removed": {"a.der": None},
    "both removed": {"a.der": None, "b.der": None},
}


@pytest.mark.parametrize("edit", HAND_EDITS.values(), ids=HAND_EDITS)
def test_law6_a_hand_edit_of_ours_is_forced_back(
    filled: HttpFleet, plant: Cluster, edit: Mapping[str, bytes | None]
) -> None:
    plant.edit(*WHERE, edit)
    verify(filled)
    assert filled.files("plant") == {"a.der": A.der, "b.der": B.der}
    assert managers(plant, "a.der") == {("trustcast", "Apply")}
    assert filled.status("plant").state is State.IN_SYNC


def test_law6_an_object_deleted_by_hand_is_made_anew(filled: HttpFleet, plant: Cluster) -> None:
    plant.delete(*WHERE)
    verify(filled)
    assert filled.files("plant") == {"a.der": A.der, "b.der": B.der}


def test_law6_what_is_ours_is_known_from_managed_fields_where_the_status_is_lost(filled: HttpFleet) -> None:
    filled.statuses.forget(filled.status("plant").place)
    filled.watched.secrets.delete("b")
    delete(filled, "a")
    assert filled.files("plant") == {}


def test_law6_what_is_ours_is_known_from_the_annotation_where_even_that_is_not_told(
    filled: HttpFleet, plant: Cluster
) -> None:
    """As an object that was restored from a backup: another manager owns its keys."""
    filled.statuses.forget(filled.status("plant").place)
    body = plant.get(*WHERE).body()
    plant.delete(*WHERE)
    annotations = {OWNERS_ANNOTATION: body["metadata"]["annotations"][OWNERS_ANNOTATION]}
    restored = {"metadata": {"name": TRUST.object, "annotations": annotations}, "data": body["data"]}
    plant.create(TRUST.namespace, restored, "velero")
    delete(filled, "a")
    verify(filled)
    assert filled.files("plant") == {"b.der": B.der}


def test_law6_what_is_ours_is_known_from_the_status_where_an_editor_took_it(filled: HttpFleet, plant: Cluster) -> None:
    for data in (b"edited", A.der):
        plant.edit(*WHERE, {"a.der": data})
    assert managers(plant, "a.der") == {("kubectl-edit", "Update")}
    delete(filled, "a")
    assert filled.files("plant") == {"b.der": B.der}


def test_law6_what_another_changed_and_nobody_wants_any_more_is_his(filled: HttpFleet, plant: Cluster) -> None:
    plant.edit(*WHERE, {"a.der": b"edited"})
    delete(filled, "a")
    assert filled.files("plant") == {"a.der": b"edited", "b.der": B.der}
    assert filled.status("plant").unmanaged == {"a.der": sha256(b"edited")}


# --- Others' ---------------------------------------------------------------------------------------------


def test_law6_keys_of_others_are_listed_with_their_sha256_and_never_touched(filled: HttpFleet, plant: Cluster) -> None:
    plant.edit(*WHERE, {"notes.txt": b"mine", "theirs.der": b"theirs"}, manager="somebody")
    upload(filled, "c", certs.server(name="c"))
    delete(filled, "a")
    assert filled.files("plant")["notes.txt"] == b"mine"
    assert filled.files("plant")["theirs.der"] == b"theirs"
    assert managers(plant, "notes.txt") == {("somebody", "Update")}
    assert filled.status("plant").unmanaged == {"notes.txt": sha256(b"mine"), "theirs.der": sha256(b"theirs")}
    assert filled.status("plant").state is State.IN_SYNC


def test_law6_labels_and_annotations_of_others_stay(filled: HttpFleet, plant: Cluster) -> None:
    metadata = {"labels": {"team": "ot"}, "annotations": {"note": "hands off"}}
    plant.merge(*WHERE, {"metadata": metadata}, "kubectl-edit")
    upload(filled, "c", certs.server(name="c"))
    body = plant.get(*WHERE).body()
    assert body["metadata"]["labels"] == metadata["labels"]
    annotations = {name: text for name, text in body["metadata"]["annotations"].items() if name != OWNERS_ANNOTATION}
    assert annotations == metadata["annotations"]


def test_law6_anothers_file_of_our_name_with_other_bytes_is_a_conflict_and_stays(
    fleet: HttpFleet, plant: Cluster
) -> None:
    plant.edit(*WHERE, {"a.der": b"theirs"}, manager="somebody")
    upload(fleet, "a", A)
    assert fleet.files("plant") == {"a.der": b"theirs"}
    assert (fleet.status("plant").state, fleet.status("plant").conflicts) == (State.CONFLICT, ("a.der",))
    delete(fleet, "a")
    assert fleet.files("plant") == {"a.der": b"theirs"}


def test_law6_a_conflict_ends_once_the_other_removes_its_key(fleet: HttpFleet, plant: Cluster) -> None:
    plant.edit(*WHERE, {"a.der": b"theirs"}, manager="somebody")
    upload(fleet, "a", A)
    plant.edit(*WHERE, {"a.der": None}, manager="somebody")
    verify(fleet)
    assert fleet.files("plant") == {"a.der": A.der}


def test_law6_anothers_file_is_not_removed_because_a_secret_of_that_name_went(fleet: HttpFleet, plant: Cluster) -> None:
    upload(fleet, "b", B)
    plant.edit(*WHERE, {"a.der": A.der}, manager="somebody")
    fleet.upload("a", "no certificate", TAGS)
    fleet.work_off()
    delete(fleet, "a")
    assert fleet.files("plant") == {"a.der": A.der, "b.der": B.der}


# --- Ours and another's ----------------------------------------------------------------------------------


@pytest.fixture
def shared(fleet: HttpFleet, plant: Cluster) -> HttpFleet:
    """Somebody wrote a.der before us, with the same bytes."""
    plant.edit(*WHERE, {"a.der": A.der}, manager="somebody")
    upload(fleet, "a", A)
    upload(fleet, "b", B)
    assert managers(plant, "a.der") == {("trustcast", "Apply"), ("kubectl-create", "Update")}
    assert fleet.status("plant").files["a.der"].shared
    return fleet


def test_law6_our_share_of_a_key_ends_with_the_secret_and_the_key_stays(shared: HttpFleet, plant: Cluster) -> None:
    delete(shared, "a")
    assert shared.files("plant") == {"a.der": A.der, "b.der": B.der}
    assert managers(plant, "a.der") == {("kubectl-create", "Update")}
    assert shared.status("plant").unmanaged == {"a.der": sha256(A.der)}
    assert plant.requests["merge"] == 0


def test_law6_a_shared_key_of_a_version_that_is_disabled_leaves(shared: HttpFleet, plant: Cluster) -> None:
    shared.clock.move(MINUTE)
    shared.watched.update("a", enabled=False)
    shared.sweep(MINUTE)
    assert shared.files("plant") == {"b.der": B.der}
    assert plant.requests["merge"] == 1


def test_law6_a_shared_key_that_the_other_changed_is_a_conflict(shared: HttpFleet, plant: Cluster) -> None:
    plant.edit(*WHERE, {"a.der": b"theirs"}, manager="somebody")
    verify(shared)
    assert shared.files("plant") == {"a.der": b"theirs", "b.der": B.der}
    assert shared.status("plant").state is State.CONFLICT


def test_law6_a_key_that_was_ours_first_leaves_with_its_secret(filled: HttpFleet, plant: Cluster) -> None:
    also = {"metadata": {"name": TRUST.object}, "data": {"a.der": base64.b64encode(A.der).decode()}}
    plant.apply(*WHERE, also, "somebody")
    assert managers(plant, "a.der") == {("trustcast", "Apply"), ("somebody", "Apply")}
    verify(filled)
    delete(filled, "a")
    assert filled.files("plant") == {"b.der": B.der}
    assert plant.requests["merge"] == 1


def test_law6_a_revoked_certificate_that_kubectl_wrote_too_leaves(fleet: HttpFleet, plant: Cluster) -> None:
    root = certs.ca()
    leaf = certs.server(name="leaf", issuer=root)
    plant.edit(*WHERE, {"leaf.der": leaf.der}, manager="somebody")
    upload(fleet, "root", root)
    upload(fleet, "leaf", leaf)
    crl = certs.crl(root, revoked=[leaf])
    upload(fleet, "crl", crl)
    assert fleet.files("plant") == {"root.der": root.der, "crl.crl": crl.der}


# --- The Secret Store extension's --------------------------------------------------------------------------


def test_law6_nothing_is_written_beside_the_secret_store_extension(fleet: HttpFleet, plant: Cluster) -> None:
    plant.edit(*WHERE, {"old.der": b"x"}, manager="secrets-store-sync-controller")
    plant.make_sse_owned(*WHERE)
    before = plant.get(*WHERE).body()
    plant.requests.clear()
    upload(fleet, "a", A)
    verify(fleet)
    assert plant.get(*WHERE).body() == before
    assert set(plant.requests) == {"get"}
    assert fleet.status("plant").state is State.SSE_MANAGED


def test_law6_a_list_that_the_extension_takes_over_is_left_to_it(filled: HttpFleet, plant: Cluster) -> None:
    plant.make_sse_owned(*WHERE)
    plant.requests.clear()
    delete(filled, "a")
    assert set(plant.requests) == {"get"}
    assert set(filled.files("plant")) == {"a.der", "b.der"}


def test_law6_a_cluster_that_is_only_reported_on_is_never_written_to(servers: Stands) -> None:
    with http_fleet(servers) as fleet:
        fleet.join("plant", mode="report")
        plant = fleet.api_servers["plant"]
        upload(fleet, "a", A)
        verify(fleet)
        assert set(plant.requests) == {"get"}
        assert fleet.status("plant").state is State.DRIFTED
