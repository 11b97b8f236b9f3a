"""Least privilege on a real API server: what we ship allows the whole job, and none of its neighbours."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sync.adapters.kubernetes.secrets import KubernetesSecrets
from sync.deadline import Deadline
from sync.fleet.kubeconfig import Endpoint
from sync.reconcile.observed import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from local.apiserver.server import RealCluster
    from sync.adapters.kubernetes.secrets import SecretsWithin

MANIFESTS = Path(__file__).parents[2] / "infra" / "kubernetes"
NAMESPACE = "azure-iot-operations"
TRUST, ISSUER = "aio-opc-ua-broker-trust-list", "aio-opc-ua-broker-issuer-list"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
ELSEWHERE = "/api/v1/namespaces/elsewhere"
MERGE = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
RBAC = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}"


A_TOKEN_FOR_ANOTHER = {
    "type": "kubernetes.io/service-account-token",
    "metadata": {"name": ISSUER, "annotations": {"kubernetes.io/service-account.name": "default"}},
}


@pytest.fixture(scope="module")
def token(real_cluster: RealCluster) -> str:
    """The service account's token, once the API server knows what it may do."""
    real_cluster.apply_manifest(MANIFESTS)
    real_cluster.create_namespace("elsewhere")
    for namespace, name in ((NAMESPACE, "others"), ("elsewhere", TRUST)):
        real_cluster.kubectl("create", "secret", "generic", name, "-n", namespace, "--from-literal=a=b")
    token = real_cluster.service_account_token(NAMESPACE, "trustcast")
    with real_cluster.client(token) as client:
        _await(lambda: client.get(f"{SECRETS}/{TRUST}").status_code != 403, "the Role allows reading")
        _await(lambda: _try_to_create(client, "another").status_code == 403, "the policy limits creating")
    return token


def _await(holds: Callable[[], bool], what: str) -> None:
    """The API server learns of Roles and policies through watches, a moment after they were made."""
    deadline = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.05)


def _try_to_create(client: httpx.Client, name: str, **fields: Any) -> httpx.Response:
    return client.post(SECRETS, params={"dryRun": "All"}, json=_secret(name) | fields)


@pytest.fixture
def lists(real_cluster: RealCluster, token: str) -> Iterator[SecretsWithin]:
    endpoint = Endpoint(real_cluster.server, real_cluster.ca_pem, token)
    secrets = KubernetesSecrets(endpoint, call_timeout=5)
    yield secrets.within(Deadline.after(30))
    secrets.close()


@pytest.fixture
def runtime(real_cluster: RealCluster, token: str) -> Iterator[httpx.Client]:
    with real_cluster.client(token) as client:
        yield client


@pytest.mark.parametrize("name", [TRUST, ISSUER])
def test_the_role_allows_the_whole_job(real_cluster: RealCluster, lists: SecretsWithin, name: str) -> None:
    real_cluster.kubectl("delete", "secret", name, "-n", NAMESPACE, "--ignore-not-found")
    assert lists.observe(NAMESPACE, name) == MISSING
    seen = lists.create_empty(NAMESPACE, name)
    for files in ({"a.der": b"a", "b.der": b"b"}, {"b.der": b"b"}):
        assert seen.uid is not None
        assert seen.resource_version is not None
        version = {"uid": seen.uid, "resource_version": seen.resource_version}
        seen = lists.apply(NAMESPACE, name, files, owners="{}", **version)
        assert dict(seen.data) == files
    assert seen.uid is not None
    assert seen.resource_version is not None
    seen = lists.remove_keys(NAMESPACE, name, ["b.der"], uid=seen.uid, resource_version=seen.resource_version)
    assert dict(lists.observe(NAMESPACE, name).data) == {}


def _secret(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers"),
    [
        ("GET", f"{SECRETS}/others", None, {}),
        ("PATCH", f"{SECRETS}/others", {"data": {"a": None}}, MERGE),
        ("PATCH", f"{SECRETS}/others?fieldManager=trustcast&force=true", _secret("others"), APPLY),
        ("PUT", f"{SECRETS}/{TRUST}", _secret(TRUST), {}),
        ("DELETE", f"{SECRETS}/{TRUST}", None, {}),
        ("DELETE", SECRETS, None, {}),
        ("GET", SECRETS, None, {}),
        ("GET", f"{SECRETS}?fieldSelector=metadata.name=others", None, {}),
        ("GET", f"{SECRETS}?fieldSelector=metadata.name={TRUST}", None, {}),
        ("GET", f"{SECRETS}?watch=1", None, {}),
        ("GET", f"{SECRETS}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name={TRUST}", None, {}),
        ("GET", f"/api/v1/watch/namespaces/{NAMESPACE}/secrets/others", None, {}),
        ("GET", "/api/v1/secrets", None, {}),
        ("GET", f"{ELSEWHERE}/secrets/{TRUST}", None, {}),
        ("PATCH", f"{ELSEWHERE}/secrets/{TRUST}", {"data": {"a": None}}, MERGE),
        ("POST", f"{ELSEWHERE}/secrets", _secret("new"), {}),
        ("GET", f"/api/v1/namespaces/{NAMESPACE}", None, {}),
        ("GET", "/api/v1/namespaces", None, {}),
        ("GET", "/api/v1/nodes", None, {}),
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps", None, {}),
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps/{TRUST}", None, {}),
        ("POST", f"/api/v1/namespaces/{NAMESPACE}/configmaps", {"metadata": {"name": "x"}}, {}),
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/pods", None, {}),
        ("POST", f"/api/v1/namespaces/{NAMESPACE}/pods", {"metadata": {"name": "x"}}, {}),
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/trustcast", None, {}),
        ("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/trustcast/token", {}, {}),
        ("GET", f"{RBAC}/roles", None, {}),
        ("POST", f"{RBAC}/rolebindings", {"metadata": {"name": "x"}}, {}),
        ("GET", f"{SECRETS}/{TRUST}", None, {"Impersonate-User": "admin"}),
    ],
)
def test_the_neighbours_are_refused(
    runtime: httpx.Client, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
) -> None:
    answer = runtime.request(method, path, json=body, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (403, "Forbidden")


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("another", {}),
        (ISSUER, {"type": "example.com/other"}),
        (ISSUER, A_TOKEN_FOR_ANOTHER),
    ],
)
def test_no_secret_is_created_but_the_lists(
    real_cluster: RealCluster, runtime: httpx.Client, name: str, fields: dict[str, Any]
) -> None:
    real_cluster.kubectl("delete", "secret", ISSUER, "-n", NAMESPACE, "--ignore-not-found")
    assert _try_to_create(runtime, ISSUER).status_code == 201
    answer = _try_to_create(runtime, name, **fields)
    assert answer.status_code == 403
    assert "trustcast creates nothing but its lists" in answer.json()["message"]


def test_others_create_secrets_as_before(real_cluster: RealCluster, token: str) -> None:  # noqa: ARG001
    with real_cluster.client() as admin:
        assert _try_to_create(admin, "anything").status_code == 201


def test_the_neighbours_are_there_to_be_found(real_cluster: RealCluster, token: str) -> None:
    """Otherwise a refusal would prove nothing: the admin may do what the service may not."""
    with real_cluster.client() as admin:
        assert admin.get(f"{SECRETS}/others").is_success
        assert admin.get(f"{ELSEWHERE}/secrets/{TRUST}").is_success
        assert admin.get(SECRETS).is_success
    assert token not in real_cluster.kubectl("get", "secrets", "-n", NAMESPACE, "-o", "yaml")
