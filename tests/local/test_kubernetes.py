"""The Kubernetes stand-in where it is more than the contract suite asks: tokens, RBAC, refusals, admin."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from local.kubernetes.cluster import AIO_LISTS, AIO_NAMESPACE, Cluster, least_privilege
from local.kubernetes.faults import Fault, Kind
from local.kubernetes.server import kubeconfig
from sync.adapters.kubernetes.secrets import KubernetesSecrets
from sync.deadline import Deadline
from sync.errors import Unauthorized
from sync.fleet.kubeconfig import Endpoint
from sync.reconcile.observed import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from httpx import Client, Response

    from local.kubernetes.server import Fleet
    from local.support.tls import Authority


TRUST, ISSUER = AIO_LISTS
SECRETS = f"/api/v1/namespaces/{AIO_NAMESPACE}/secrets"
MERGE = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}


@pytest.fixture
def http(authority: Authority) -> Iterator[Client]:
    with httpx.Client(
        verify=ssl.create_default_context(cafile=authority.ca_file), trust_env=False, timeout=10
    ) as client:
        yield client


@pytest.fixture
def call(http: Client, cluster: Cluster) -> Callable[..., Any]:
    def ask(
        method: str,
        path: str,
        body: dict[str, Any] | list[Any] | None = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        **query: str,
    ) -> Response | None:
        return http.request(
            method,
            cluster.server + path,
            content=None if body is None else json.dumps(body),
            headers={"Authorization": f"Bearer {token or cluster.token}", **(headers or {})},
            params=query,
        )

    return ask


def reason(answer: Response) -> tuple[int, str, str]:
    return answer.status_code, answer.json()["reason"], answer.json()["message"]


@pytest.mark.parametrize("path", ["/version", "/readyz"])
def test_version_and_readiness_need_a_token(
    http: Client, cluster: Cluster, call: Callable[..., Any], path: str
) -> None:
    assert call("GET", path).status_code == 200
    assert http.get(cluster.server + path).status_code == 401


def test_a_rotated_token_is_unknown_from_then_on(cluster: Cluster, call: Callable[..., Any]) -> None:
    old, new = cluster.token, cluster.rotate()
    assert reason(call("GET", f"{SECRETS}/x", token=old)) == (401, "Unauthorized", "Unauthorized")
    assert call("GET", f"{SECRETS}/x", token=new).status_code == 404
    assert call("GET", f"{SECRETS}/x", token=cluster.admin_token).status_code == 404


def test_the_services_own_role_is_enough_for_every_verb(kubernetes: Fleet) -> None:
    cluster = kubernetes.add("least", grant=least_privilege())
    client = KubernetesSecrets(Endpoint(cluster.server, cluster.ca_pem, cluster.token), call_timeout=10)
    with closing(client):
        target = client.within(Deadline.after(30))
        assert target.observe(AIO_NAMESPACE, TRUST) == MISSING
        seen = target.create_empty(AIO_NAMESPACE, TRUST)
        assert seen.uid
        assert seen.resource_version
        version = {"uid": seen.uid, "resource_version": seen.resource_version}
        seen = target.apply(AIO_NAMESPACE, TRUST, {"a": b"1"}, owners="{}", **version)
        assert seen.uid
        assert seen.resource_version
        target.remove_keys(AIO_NAMESPACE, TRUST, ["a"], uid=seen.uid, resource_version=seen.resource_version)
        with pytest.raises(Unauthorized, match="may not get"):
            target.observe(AIO_NAMESPACE, "another")
    assert cluster.files(AIO_NAMESPACE, TRUST) == {}


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", SECRETS, {}),
        ("GET", f"{SECRETS}/another", {}),
        ("PATCH", f"{SECRETS}/another", MERGE),
        ("PATCH", f"{SECRETS}/another", APPLY),
        ("DELETE", f"{SECRETS}/{TRUST}", {}),
        ("GET", f"/api/v1/namespaces/default/secrets/{TRUST}", {}),
        ("POST", "/api/v1/namespaces/default/secrets", {}),
    ],
)
def test_nothing_beyond_the_role_is_allowed(
    cluster: Cluster, call: Callable[..., Any], method: str, path: str, headers: dict[str, str]
) -> None:
    token = cluster.issue(least_privilege())
    answer = call(method, path, {"metadata": {"name": "n"}}, token=token, headers=headers, fieldManager="m")
    status, why, message = reason(answer)
    assert (status, why) == (403, "Forbidden")
    assert 'User "system:serviceaccount:azure-iot-operations:trustcast" cannot' in message


def test_an_apply_on_a_missing_secret_asks_for_create_too(cluster: Cluster, call: Callable[..., Any]) -> None:
    token = cluster.issue(replace(least_privilege(), creates=False))
    body = {"metadata": {"name": TRUST}, "data": {}}
    answer = call("PATCH", f"{SECRETS}/{TRUST}", body, token=token, headers=APPLY, fieldManager="m")
    assert "cannot create" in reason(answer)[2]
    cluster.edit(AIO_NAMESPACE, TRUST, {})
    answer = call("PATCH", f"{SECRETS}/{TRUST}", body, token=token, headers=APPLY, fieldManager="m")
    assert answer.status_code == 200


def test_an_apply_without_force_names_who_owns_what(cluster: Cluster, call: Callable[..., Any]) -> None:
    cluster.edit(AIO_NAMESPACE, TRUST, {"a": b"1", "b": b"1"})
    body = {"metadata": {"name": TRUST}, "data": {"a": "Mg==", "b": "Mg=="}}
    answer = call("PATCH", f"{SECRETS}/{TRUST}", body, headers=APPLY, fieldManager="m")
    assert reason(answer) == (
        409,
        "Conflict",
        'Apply failed with 2 conflicts: conflicts with "kubectl-create" using v1:\n- .data.a\n- .data.b',
    )
    causes = answer.json()["details"]["causes"]
    assert [cause["field"] for cause in causes] == [".data.a", ".data.b"]
    assert cluster.files(AIO_NAMESPACE, TRUST) == {"a": b"1", "b": b"1"}


def test_an_apply_with_only_a_resource_version_brings_a_deleted_secret_back(
    cluster: Cluster, call: Callable[..., Any]
) -> None:
    body = {"metadata": {"name": TRUST, "resourceVersion": "1"}, "data": {"a": "Mg=="}}
    assert call("PATCH", f"{SECRETS}/{TRUST}", body, headers=APPLY, fieldManager="m").status_code == 201
    assert cluster.files(AIO_NAMESPACE, TRUST) == {"a": b"2"}


def test_managed_fields_have_the_shape_of_a_real_server(call: Callable[..., Any]) -> None:
    body = {"metadata": {"name": TRUST, "labels": {"l": "1"}}, "data": {"a": "MQ=="}}
    made = call("POST", SECRETS, body, fieldManager="m").json()
    (entry,) = made["metadata"]["managedFields"]
    assert entry["fieldsV1"] == {
        "f:data": {".": {}, "f:a": {}},
        "f:metadata": {"f:labels": {".": {}, "f:l": {}}},
        "f:type": {},
    }
    assert (entry["manager"], entry["operation"], entry["fieldsType"]) == ("m", "Update", "FieldsV1")


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "expected"),
    [
        ("POST", SECRETS, {"metadata": {}}, {}, 422),
        ("POST", SECRETS, {"metadata": {"name": "A_b"}}, {}, 422),
        ("POST", SECRETS, [], {}, 400),
        ("POST", "/api/v1/namespaces/nowhere/secrets", {"metadata": {"name": "n"}}, {}, 404),
        ("PATCH", f"{SECRETS}/n", {"metadata": {"name": "other"}}, APPLY, 400),
        ("PATCH", f"{SECRETS}/n", {"metadata": {"managedFields": [{}]}}, APPLY, 400),
        ("PATCH", f"{SECRETS}/n", {"data": {"a": "%"}}, APPLY, 500),
        ("PATCH", f"{SECRETS}/n", {"data": [1]}, APPLY, 500),
        ("PATCH", f"{SECRETS}/n", {}, MERGE, 404),
        ("PATCH", f"{SECRETS}/n", {}, {"Content-Type": "application/json"}, 415),
        ("PUT", f"{SECRETS}/n", {}, {}, 405),
        ("GET", "/api/v1/namespaces/n/configmaps/c", None, {}, 404),
    ],
)
def test_refusals_are_status_objects(
    call: Callable[..., Any],
    method: str,
    path: str,
    body: dict[str, Any] | list[Any] | None,
    headers: dict[str, str],
    expected: int,
) -> None:
    answer = call(method, path, body, headers=headers, fieldManager="m")
    assert (answer.status_code, answer.json()["kind"], answer.json()["code"]) == (expected, "Status", expected)


def test_a_type_does_not_change(cluster: Cluster, call: Callable[..., Any]) -> None:
    cluster.edit(AIO_NAMESPACE, TRUST, {"a": b"1"})
    answer = call("PATCH", f"{SECRETS}/{TRUST}", {"type": "kubernetes.io/tls"}, headers=MERGE)
    assert answer.status_code == 422


def test_a_delete_of_another_uid_deletes_nothing(cluster: Cluster, call: Callable[..., Any]) -> None:
    cluster.edit(AIO_NAMESPACE, TRUST, {"a": b"1"})
    assert call("DELETE", f"{SECRETS}/{TRUST}", {"preconditions": {"uid": "x"}}).status_code == 409
    assert call("DELETE", f"{SECRETS}/{TRUST}").status_code == 200
    assert call("GET", f"{SECRETS}/{TRUST}").status_code == 404


def test_a_listing_shows_one_namespace(cluster: Cluster, call: Callable[..., Any]) -> None:
    cluster.add_namespace("other")
    cluster.edit("other", "x", {})
    cluster.edit(AIO_NAMESPACE, ISSUER, {})
    cluster.edit(AIO_NAMESPACE, TRUST, {})
    names = [item["metadata"]["name"] for item in call("GET", SECRETS).json()["items"]]
    assert names == [ISSUER, TRUST]


def test_a_fault_strikes_its_methods_and_as_often_as_it_should(cluster: Cluster, call: Callable[..., Any]) -> None:
    cluster.set_fault(Fault(Kind.STATUS, status=409, methods=frozenset({"PATCH"}), times=2))
    cluster.edit(AIO_NAMESPACE, TRUST, {"a": b"1"})
    seen = [call("GET", f"{SECRETS}/{TRUST}").status_code]
    seen += [call("PATCH", f"{SECRETS}/{TRUST}", {}, headers=MERGE).status_code for _ in range(3)]
    assert seen == [200, 409, 409, 200]


@pytest.mark.parametrize(("kind", "done"), [(Kind.RESET, {"b": b"2"}), (Kind.DOWN, {})])
def test_an_answer_may_be_lost_after_or_before_the_work(
    cluster: Cluster, call: Callable[..., Any], kind: Kind, done: dict[str, bytes]
) -> None:
    cluster.edit(AIO_NAMESPACE, TRUST, {})
    cluster.set_fault(Fault(kind, times=1))
    with pytest.raises(httpx.RemoteProtocolError):
        call("PATCH", f"{SECRETS}/{TRUST}", {"data": {"b": "Mg=="}}, headers=MERGE)
    assert cluster.files(AIO_NAMESPACE, TRUST) == done


def test_clusters_do_not_share_anything(kubernetes: Fleet, call: Callable[..., Any]) -> None:
    other = kubernetes.add("neighbour")
    other.edit(AIO_NAMESPACE, TRUST, {"a": b"1"})
    assert call("GET", f"{SECRETS}/{TRUST}").status_code == 404
    assert call("GET", f"{SECRETS}/{TRUST}", token=other.token).status_code == 401


def test_a_kubeconfig_leads_to_its_cluster(cluster: Cluster, authority: Authority) -> None:
    config = json.loads(kubeconfig(cluster))
    (entry,) = config["clusters"]
    assert entry["cluster"]["server"] == cluster.server
    assert base64.b64decode(entry["cluster"]["certificate-authority-data"]) == authority.ca_pem
    assert config["users"][0]["user"] == {"token": cluster.token}


def test_threads_lose_no_write() -> None:
    cluster = Cluster("edge")
    cluster.edit(AIO_NAMESPACE, TRUST, {})

    def add(worker: int) -> None:
        for number in range(50):
            cluster.edit(AIO_NAMESPACE, TRUST, {f"{worker}-{number}": b"1"})

    threads = [threading.Thread(target=add, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cluster.files(AIO_NAMESPACE, TRUST)) == 200
    assert cluster.get(AIO_NAMESPACE, TRUST).version == 202


def test_another_process_drives_a_cluster_through_the_admin_interface(
    kubernetes: Fleet, http: Client, call: Callable[..., Any], cluster: Cluster
) -> None:
    one = f"{kubernetes.url}/_local/clusters/{cluster.name}"
    secret = f"{one}/secrets/{AIO_NAMESPACE}/{TRUST}"
    assert cluster.name in http.get(f"{kubernetes.url}/_local/clusters").json()
    assert http.patch(secret, json={"a.der": "MQ==", "b.der": ""}).json() == {"a.der": "MQ==", "b.der": ""}
    assert http.patch(secret, json={"b.der": None}).json() == {"a.der": "MQ=="}
    assert http.post(f"{secret}/sse").status_code == 204
    assert "ownerReferences" in call("GET", f"{SECRETS}/{TRUST}").json()["metadata"]
    assert http.put(f"{one}/fault", json={"kind": "status", "status": 503}).status_code == 204
    assert call("GET", f"{SECRETS}/{TRUST}").status_code == 503
    assert http.delete(f"{one}/fault").status_code == 204
    assert http.get(one).json() == {"get": 2}
    old = cluster.token
    assert http.post(f"{one}/rotate").status_code == 204
    assert old not in http.get(f"{one}/kubeconfig").text
    assert http.delete(secret).json() == {}
    assert http.put(f"{one}-new").status_code == 201
    assert http.get(f"{one}-none").status_code == 404
