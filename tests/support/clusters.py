"""Clusters that the contract suite is run against: the stand-in, the in-memory one, and a real one if given.

Another implementation joins by an opener in `OPENERS`: a context manager that yields a `ClusterUnderTest`.

`TRUSTCAST_TEST_KUBE` names a real kube-apiserver: JSON with `server`, `ca_file` and `token` (of an admin). The suite
makes the namespace `trustcast-contract` there, and leaves it.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import httpx

from local.kubernetes.cluster import Cluster
from local.kubernetes.server import Fleet
from sync.adapters.kubernetes.secrets import KubernetesSecrets
from sync.deadline import Deadline
from sync.fleet.kubeconfig import Endpoint
from tests.support.memory import MemoryCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from local.support.tls import Authority
    from sync.ports.clusters import Target

NAMESPACE = "trustcast-contract"
ENVIRONMENT = "TRUSTCAST_TEST_KUBE"
_SSE_OWNER = {"apiVersion": "secret-sync.x-k8s.io/v1alpha1", "kind": "SecretSync", "name": "s"}


class Writer(Protocol):
    """Changes Secrets as others do, past the interface under test."""

    def create(self, name: str, files: Mapping[str, bytes], manager: str) -> None: ...
    def merge(self, name: str, patch: Mapping[str, Any], manager: str) -> None: ...
    def apply(self, name: str, files: Mapping[str, bytes], manager: str) -> None: ...
    def delete(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class ClusterUnderTest:
    """A cluster, and a second writer to it."""

    target: Target
    writer: Writer

    def edit(self, name: str, **files: bytes | None) -> None:
        """A hand edit; None removes. Keys' dots are written as two underscores."""
        data = {key.replace("__", "."): content and encoded(content) for key, content in files.items()}
        self.writer.merge(name, {"data": data}, "kubectl-edit")

    def annotate(self, name: str, annotations: Mapping[str, str | None]) -> None:
        """A hand edit of annotations; None removes."""
        self.writer.merge(name, {"metadata": {"annotations": annotations}}, "kubectl-edit")

    def make_sse_owned(self, name: str, *, label: bool, owner: bool) -> None:
        metadata: dict[str, Any] = {"labels": {"secrets-store.sync.x-k8s.io": ""}} if label else {}
        if owner:
            metadata["ownerReferences"] = [{**_SSE_OWNER, "uid": str(uuid.uuid4())}]
        self.writer.merge(name, {"metadata": metadata}, "secrets-store-sync-controller")


class HttpWriter:
    """Writes through plain HTTP."""

    def __init__(self, server: str, ca_pem: bytes, token: str) -> None:
        context = ssl.create_default_context(cadata=ca_pem.decode())
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(verify=context, headers=headers, trust_env=False)
        self._server = server

    def create_namespace(self) -> None:
        path = f"{self._server}/api/v1/namespaces"
        answer = self._http.post(path, json={"metadata": {"name": NAMESPACE}})
        assert answer.status_code in {201, 409}, answer.text

    def create(self, name: str, files: Mapping[str, bytes], manager: str) -> None:
        body = {"metadata": {"name": name}, "data": _encoded(files)}
        self._ask("POST", "", body, {"fieldManager": manager}, "application/json")

    def merge(self, name: str, patch: Mapping[str, Any], manager: str) -> None:
        self._ask("PATCH", f"/{name}", patch, {"fieldManager": manager}, "application/merge-patch+json")

    def apply(self, name: str, files: Mapping[str, bytes], manager: str) -> None:
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": _encoded(files)}
        query = {"fieldManager": manager, "force": "true"}
        self._ask("PATCH", f"/{name}", body, query, "application/apply-patch+yaml")

    def delete(self, name: str) -> None:
        self._ask("DELETE", f"/{name}", {}, {}, "application/json")

    def close(self) -> None:
        self._http.close()

    def _ask(self, method: str, path: str, body: Any, query: dict[str, str], content_type: str) -> None:
        answer = self._http.request(
            method,
            f"{self._server}/api/v1/namespaces/{NAMESPACE}/secrets{path}",
            params=query,
            content=json.dumps(body),
            headers={"Content-Type": content_type},
        )
        assert answer.is_success, answer.text


class StateWriter:
    """Writes to the state of the in-memory cluster."""

    def __init__(self, state: Cluster) -> None:
        self._state = state

    def create(self, name: str, files: Mapping[str, bytes], manager: str) -> None:
        self._state.create(NAMESPACE, {"metadata": {"name": name}, "data": _encoded(files)}, manager)

    def merge(self, name: str, patch: Mapping[str, Any], manager: str) -> None:
        self._state.merge(NAMESPACE, name, patch, manager)

    def apply(self, name: str, files: Mapping[str, bytes], manager: str) -> None:
        self._state.apply(NAMESPACE, name, {"data": _encoded(files)}, manager, force=True)

    def delete(self, name: str) -> None:
        self._state.delete(NAMESPACE, name)


@contextmanager
def open_stand_in(authority: Authority) -> Iterator[ClusterUnderTest]:
    """The stand-in, over real HTTPS."""
    with Fleet(authority) as fleet:
        cluster = fleet.add("edge-1", namespaces=(NAMESPACE,))
        with _through_client(cluster.server, cluster.ca_pem, cluster.token) as under_test:
            yield under_test


@contextmanager
def open_memory(_: Authority) -> Iterator[ClusterUnderTest]:
    """The double of the interleaving tests."""
    state = Cluster("memory", namespaces=(NAMESPACE,))
    yield ClusterUnderTest(MemoryCluster(state), StateWriter(state))


@contextmanager
def open_real(_: Authority) -> Iterator[ClusterUnderTest]:
    """The kube-apiserver that the environment names."""
    given = json.loads(os.environ[ENVIRONMENT])
    ca_pem = Path(given["ca_file"]).read_bytes()
    with _through_client(given["server"], ca_pem, given["token"]) as under_test:
        assert isinstance(under_test.writer, HttpWriter)
        under_test.writer.create_namespace()
        yield under_test


@contextmanager
def _through_client(server: str, ca_pem: bytes, token: str) -> Iterator[ClusterUnderTest]:
    client = KubernetesSecrets(Endpoint(server, ca_pem, token), call_timeout=10)
    with closing(client), closing(HttpWriter(server, ca_pem, token)) as writer:
        yield ClusterUnderTest(client.within(Deadline.after(300)), writer)


def encoded(content: bytes) -> str:
    """Base64, as Secrets have it."""
    return base64.b64encode(content).decode()


def _encoded(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: encoded(content) for name, content in files.items()}


OPENERS: dict[str, Callable[[Authority], AbstractContextManager[ClusterUnderTest]]] = {
    "stand-in": open_stand_in,
    "memory": open_memory,
}
if os.environ.get(ENVIRONMENT):
    OPENERS["real"] = open_real
