"""Ownership of single keys on a real API server, with kubectl as the other hand (laws 6 and 7)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from sync.adapters.kubernetes.secrets import KubernetesSecrets
from sync.deadline import Deadline
from sync.errors import Changed
from sync.fleet.kubeconfig import Endpoint
from sync.reconcile.observed import MISSING, Observed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from local.apiserver.server import RealCluster
    from sync.adapters.kubernetes.secrets import SecretsWithin

NAMESPACE = "apply"


class List:
    """One Secret between the service and a person with kubectl."""

    def __init__(self, cluster: RealCluster, secrets: SecretsWithin, name: str) -> None:
        self._cluster, self._secrets, self.name = cluster, secrets, name

    def see(self) -> Observed:
        return self._secrets.observe(NAMESPACE, self.name)

    def create_empty(self) -> Observed:
        return self._secrets.create_empty(NAMESPACE, self.name)

    def apply(self, files: Mapping[str, bytes], seen: Observed) -> Observed:
        uid, version = _identity(seen)
        return self._secrets.apply(NAMESPACE, self.name, files, owners="{}", uid=uid, resource_version=version)

    def remove(self, key: str, seen: Observed) -> Observed:
        uid, version = _identity(seen)
        return self._secrets.remove_keys(NAMESPACE, self.name, [key], uid=uid, resource_version=version)

    def kubectl(self, verb: str, *options: str) -> None:
        self._cluster.kubectl(verb, "secret", self.name, "--namespace", NAMESPACE, *options)

    def kubectl_writes(self, **files: bytes | None) -> None:
        data = {key.replace("_", "."): content and _base64(content) for key, content in files.items()}
        self.kubectl("patch", "--type=merge", "--patch", json.dumps({"data": data}))

    def kubectl_applies(self, folder: Path, **files: bytes) -> None:
        metadata = {"name": self.name, "namespace": NAMESPACE}
        data = {key.replace("_", "."): _base64(content) for key, content in files.items()}
        manifest = folder / "manifest.json"
        manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}))
        self._cluster.kubectl("apply", "--server-side", "-f", str(manifest))


def _identity(seen: Observed) -> tuple[str, str]:
    assert seen.uid is not None
    assert seen.resource_version is not None
    return seen.uid, seen.resource_version


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture(scope="module")
def secrets(real_cluster: RealCluster) -> Iterator[SecretsWithin]:
    real_cluster.create_namespace(NAMESPACE)
    endpoint = Endpoint(real_cluster.server, real_cluster.ca_pem, real_cluster.admin_token)
    client = KubernetesSecrets(endpoint, call_timeout=5)
    yield client.within(Deadline.after(120))
    client.close()


@pytest.fixture
def trust(real_cluster: RealCluster, secrets: SecretsWithin, request: pytest.FixtureRequest) -> List:
    """A list with two files of ours and one that a person added with kubectl."""
    name = request.node.name.replace("_", "-")[:60].strip("-")
    made = List(real_cluster, secrets, name)
    made.apply({"a.der": b"a", "b.der": b"b"}, made.create_empty())
    made.kubectl_writes(foreign_der=b"foreign")
    return made


def test_law6_each_key_has_its_owner(trust: List) -> None:
    seen = trust.see()
    assert seen.owned == {"a.der", "b.der"}
    assert seen.others == {"foreign.der": ("kubectl-patch",)}


def test_law6_a_key_removed_by_us_leaves_and_the_foreign_one_stays(trust: List) -> None:
    seen = trust.apply({"a.der": b"a"}, trust.see())
    assert dict(seen.data) == {"a.der": b"a", "foreign.der": b"foreign"}


def test_law6_a_hand_edit_is_seen_and_taken_back(trust: List) -> None:
    trust.kubectl_writes(a_der=b"edited")
    edited = trust.see()
    assert edited.data["a.der"] == b"edited"
    assert edited.owned == {"b.der"}
    healed = trust.apply({"a.der": b"a", "b.der": b"b"}, edited)
    assert healed.data["a.der"] == b"a"
    assert healed.owned == {"a.der", "b.der"}


def test_law6_a_key_removed_by_hand_is_seen_and_comes_back(trust: List) -> None:
    trust.kubectl_writes(a_der=None)
    seen = trust.see()
    assert "a.der" not in seen.data
    assert trust.apply({"a.der": b"a", "b.der": b"b"}, seen).data["a.der"] == b"a"


def test_law6_a_key_that_kubectl_applied_too_leaves_by_merge_patch_alone(trust: List, tmp_path: Path) -> None:
    """The person's apply makes the same bytes theirs as well: an apply of ours cannot take them away."""
    trust.kubectl_applies(tmp_path, a_der=b"a")
    shared = trust.see()
    assert shared.owned == {"a.der", "b.der"}
    assert shared.others["a.der"] == ("kubectl",)
    kept = trust.apply({"b.der": b"b"}, shared)
    assert kept.data["a.der"] == b"a"
    assert "a.der" not in trust.remove("a.der", kept).data


def test_law5_an_equal_apply_changes_no_resource_version(trust: List) -> None:
    seen = trust.see()
    assert trust.apply({"a.der": b"a", "b.der": b"b"}, seen) == seen


def test_law7_a_stale_resource_version_writes_nothing(trust: List) -> None:
    stale = trust.see()
    trust.kubectl("label", "looked-at=yes")
    with pytest.raises(Changed):
        trust.apply({"a.der": b"old"}, stale)
    with pytest.raises(Changed):
        trust.remove("a.der", stale)
    assert trust.see().data["a.der"] == b"a"


def test_law7_a_list_deleted_meanwhile_is_not_recreated_by_an_old_apply(trust: List) -> None:
    stale = trust.see()
    trust.kubectl("delete")
    with pytest.raises(Changed):
        trust.apply({"a.der": b"a"}, stale)
    assert trust.see() == MISSING


def test_law7_a_list_deleted_and_made_anew_is_another_list(trust: List) -> None:
    stale = trust.see()
    trust.kubectl("delete")
    trust.create_empty()
    with pytest.raises(Changed):
        trust.apply({"a.der": b"a"}, stale)
    assert dict(trust.see().data) == {}


def test_law6_the_mark_of_the_secret_store_extension_is_seen(trust: List) -> None:
    assert not trust.see().sse_managed
    trust.kubectl("label", "secrets-store.sync.x-k8s.io=")
    assert trust.see().sse_managed


def test_law6_an_owner_that_is_a_secretsync_is_seen(trust: List) -> None:
    owner = {
        "apiVersion": "secret-sync.x-k8s.io/v1alpha1",
        "kind": "SecretSync",
        "name": "aio-opc-ua-broker-trust-list",
        "uid": "00000000-0000-0000-0000-000000000001",
    }
    trust.kubectl("patch", "--type=merge", "--patch", json.dumps({"metadata": {"ownerReferences": [owner]}}))
    assert trust.see().sse_managed
