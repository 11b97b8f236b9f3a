"""One stand-in cluster: its Secrets, its tokens, and what a person does to it by hand."""

from __future__ import annotations

import base64
import json
import secrets
import time
import uuid
from collections import Counter
from dataclasses import dataclass, replace
from threading import RLock
from typing import TYPE_CHECKING, Any

from local.kubernetes import objects
from local.kubernetes.objects import Secret, Stamp
from local.kubernetes.status import already_exists, forbidden, not_found, stale, unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from local.kubernetes.faults import Fault

AIO_NAMESPACE = "azure-iot-operations"
AIO_LISTS = ("aio-opc-ua-broker-trust-list", "aio-opc-ua-broker-issuer-list")
_SSE_LABEL = "secrets-store.sync.x-k8s.io"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token may do: everything; or get and patch some Secrets, and create any, in one namespace.

    Attributes:
        user: its owner, as refusals name it.
        namespace: None: everything everywhere.
        names: the Secrets that may be read and patched.
        creates: whether Secrets may be created; RBAC cannot limit that by name.
    """

    user: str = "admin"
    namespace: str | None = None
    names: frozenset[str] = frozenset()
    creates: bool = True

    def allows(self, verb: str, namespace: str, name: str | None) -> bool:
        """Whether the verb (get, list, create, patch, delete) is allowed."""
        if self.namespace is None:
            return True
        if namespace != self.namespace:
            return False
        return (verb == "create" and self.creates) or (verb in {"get", "patch"} and name in self.names)


ADMIN = Grant()


def least_privilege(namespace: str = AIO_NAMESPACE, names: Iterable[str] = AIO_LISTS) -> Grant:
    """The rights that `infra/kubernetes/role.yaml` grants to the service's account."""
    return Grant(f"system:serviceaccount:{namespace}:trustcast", namespace, frozenset(names))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Cluster:
    """The state of one cluster; thread-safe.

    Attributes:
        name: it is served under this name.
        server: URL of its API server.
        ca_pem: certificate authority of that server.
        token: the service's current token; see `rotate`.
        requests: the number of requests by verb: get, list, create, apply, merge, delete.
    """

    def __init__(
        self,
        name: str,
        *,
        server: str = "",
        ca_pem: bytes = b"",
        namespaces: Iterable[str] = (AIO_NAMESPACE,),
        grant: Grant = ADMIN,
        clock: Callable[[], str] = _now,
    ) -> None:
        self.name, self.server, self.ca_pem = name, server, ca_pem
        self.requests: Counter[str] = Counter()
        self._namespaces = set(namespaces)
        self._secrets: dict[tuple[str, str], Secret] = {}
        self._version = 1
        self._grant, self._clock = grant, clock
        self._tokens: dict[str, Grant] = {}
        self._fault: Fault | None = None
        self._lock = RLock()
        self.admin_token = self.issue(ADMIN)
        self.token = self.issue(grant)

    # What the API server does.

    def authenticate(self, token: str) -> Grant:
        """What the token may do; `Refused` with 401 if it is unknown."""
        grant = self._tokens.get(token)
        if grant is None:
            raise unauthorized()
        return grant

    def authorize(self, token: str, verb: str, namespace: str, name: str | None) -> Grant:
        """The same; `Refused` with 403 if it may not do this."""
        grant = self.authenticate(token)
        if not grant.allows(verb, namespace, name):
            raise forbidden(grant.user, verb, namespace, name)
        return grant

    def get(self, namespace: str, name: str) -> Secret:
        """The Secret."""
        found = self._secrets.get((namespace, name))
        if found is None:
            raise not_found("secrets", name)
        return found

    def has(self, namespace: str, name: str) -> bool:
        """Whether the Secret exists."""
        return (namespace, name) in self._secrets

    def list(self, namespace: str) -> tuple[Secret, ...]:
        """All Secrets of a namespace, by name."""
        with self._lock:
            return tuple(self._secrets[key] for key in sorted(self._secrets) if key[0] == namespace)

    def create(self, namespace: str, body: Mapping[str, Any], manager: str) -> Secret:
        """POST."""
        with self._lock:
            self._check_namespace(namespace)
            secret = objects.created(namespace, body, manager, self._stamp())
            if (namespace, secret.name) in self._secrets:
                raise already_exists(secret.name)
            return self._keep(secret)

    def apply(
        self,
        namespace: str,
        name: str,
        config: Mapping[str, Any],
        manager: str,
        *,
        force: bool = False,
        grant: Grant = ADMIN,
    ) -> Secret:
        """Server-side apply; if the Secret is missing, the grant must allow creating it."""
        with self._lock:
            live = self._secrets.get((namespace, name))
            if live is None and not grant.allows("create", namespace, name):
                raise forbidden(grant.user, "create", namespace, name)
            if live is None:
                self._check_namespace(namespace)
            return self._keep(objects.applied(live, namespace, name, config, manager, self._stamp(), force=force))

    def merge(self, namespace: str, name: str, patch: Mapping[str, Any], manager: str) -> Secret:
        """JSON merge patch."""
        with self._lock:
            return self._keep(objects.merged(self.get(namespace, name), patch, manager, self._stamp()))

    def delete(self, namespace: str, name: str, *, uid: str | None = None) -> Secret:
        """DELETE; if a uid is given, only the Secret with that uid."""
        with self._lock:
            found = self.get(namespace, name)
            if uid not in {None, found.uid}:
                raise stale(name)
            self._version += 1
            return self._secrets.pop((namespace, name))

    # What people do, and what breaks.

    def issue(self, grant: Grant) -> str:
        """A new token."""
        token = secrets.token_urlsafe(24)
        self._tokens[token] = grant
        return token

    def rotate(self) -> str:
        """Replace the service's token; the old one gets 401 from now on."""
        self._tokens.pop(self.token, None)
        self.token = self.issue(self._grant)
        return self.token

    def add_namespace(self, name: str) -> None:
        """Add a namespace."""
        self._namespaces.add(name)

    def files(self, namespace: str, name: str) -> dict[str, bytes]:
        """The decoded data of a Secret; empty if it is missing."""
        found = self._secrets.get((namespace, name))
        return found.files() if found else {}

    def edit(
        self,
        namespace: str,
        name: str,
        files: Mapping[str, bytes | None],
        *,
        manager: str = "kubectl-edit",
    ) -> Secret:
        """Set keys (None removes) as a person with kubectl does; creates a missing Secret."""
        data = {key: None if content is None else base64.b64encode(content).decode() for key, content in files.items()}
        with self._lock:
            if (namespace, name) in self._secrets:
                return self.merge(namespace, name, {"data": data}, manager)
            return self.create(namespace, {"metadata": {"name": name}, "data": data}, "kubectl-create")

    def make_sse_owned(self, namespace: str, name: str) -> Secret:
        """Mark a Secret as the Secret Store extension's controller does."""
        owner = {
            "apiVersion": "secret-sync.x-k8s.io/v1alpha1",
            "kind": "SecretSync",
            "name": name,
            "uid": str(uuid.uuid4()),
        }
        metadata = {"labels": {_SSE_LABEL: ""}, "ownerReferences": [owner]}
        return self.merge(namespace, name, {"metadata": metadata}, "secrets-store-sync-controller")

    def set_fault(self, fault: Fault | None) -> None:
        """Set the fault that strikes from now on; None removes it."""
        with self._lock:
            self._fault = fault

    def next_fault(self, method: str) -> Fault | None:
        """The fault that strikes this request; counts the strike."""
        with self._lock:
            fault = self._fault
            if fault is None or (fault.methods and method not in fault.methods):
                return None
            if fault.times is not None:
                self._fault = replace(fault, times=fault.times - 1) if fault.times > 1 else None
            return fault

    def _check_namespace(self, namespace: str) -> None:
        if namespace not in self._namespaces:
            raise not_found("namespaces", namespace)

    def _stamp(self) -> Stamp:
        return Stamp(self._version + 1, str(uuid.uuid4()), self._clock())

    def _keep(self, secret: Secret) -> Secret:
        self._version = max(self._version, secret.version)
        self._secrets[secret.namespace, secret.name] = secret
        return secret


def kubeconfig(cluster: Cluster, *, token: str | None = None) -> str:
    """The cluster's kubeconfig, in JSON (which is YAML), with an inline CA and the service's token."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": cluster.name,
                "cluster": {
                    "server": cluster.server,
                    "certificate-authority-data": base64.b64encode(cluster.ca_pem).decode(),
                },
            }
        ],
        "users": [{"name": "trustcast", "user": {"token": token or cluster.token}}],
        "contexts": [{"name": cluster.name, "context": {"cluster": cluster.name, "user": "trustcast"}}],
        "current-context": cluster.name,
    }
    return json.dumps(config, indent=2)
