"""Connections to registered clusters: credentials are checked and pinned (law 13), clients kept open."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from sync.errors import Invalid, NotFound, Permanent, Temporary, Unauthorized
from sync.fleet.clusters import pinned
from sync.fleet.kubeconfig import Endpoint, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from sync.deadline import Deadline
    from sync.fleet.clusters import Registration
    from sync.ports.clusters import Target
    from sync.ports.vault import Vault

CREDENTIAL_TAG = "trustcast-credential"
"""A credential is read only if this tag names the cluster that asks for it."""

OPEN_CLIENTS = 256
"""Clients kept open in one worker; one takes about 60 KiB."""

KNOWN_ENDPOINTS = 4096
"""Endpoints cached in one worker, to reopen a client without a call to the vault; one takes about 3 KiB."""

_Key = tuple[str, ...]


class Client(Protocol):
    """An open cluster."""

    def within(self, deadline: Deadline) -> Target:
        """The cluster's Secrets, for calls that end by the deadline."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


class ClusterConnections:
    """The `Clusters` port: opens clusters with their credentials and keeps the latest open.

    Args:
        credentials: the credentials vault; None if none is configured.
        open_client: opens one cluster's API.
    """

    def __init__(self, credentials: Vault | None, open_client: Callable[[Endpoint], Client]) -> None:
        self._credentials = credentials
        self._open_client = open_client
        self._clients: OrderedDict[_Key, Client] = OrderedDict()
        self._endpoints: OrderedDict[_Key, Endpoint] = OrderedDict()
        self._lock = threading.Lock()

    def connect(self, registration: Registration, deadline: Deadline, *, renew: bool = False) -> Target:
        """See `sync.ports.clusters.Clusters.connect`."""
        key = (registration.name, registration.access.secret, registration.host, registration.ca_sha256)
        with self._lock:
            client = self._clients.pop(key, None)
            if client is not None and not renew:
                self._clients[key] = client
                return client.within(deadline)
            endpoint = None if renew else self._endpoints.get(key)
        if client is not None:
            client.close()
        if endpoint is None:
            endpoint = pinned(self.endpoint(registration.name, registration.access.secret), registration)
        opened = self._open_client(endpoint)
        self._keep(key, endpoint, opened)
        return opened.within(deadline)

    def _keep(self, key: _Key, endpoint: Endpoint, client: Client) -> None:
        with self._lock:
            self._endpoints[key] = endpoint
            self._clients[key] = client
            surplus = [self._clients.popitem(last=False)[1] for _ in range(len(self._clients) - OPEN_CLIENTS)]
            if len(self._endpoints) > KNOWN_ENDPOINTS:
                self._endpoints.popitem(last=False)
        for old in surplus:
            old.close()

    def endpoint(self, cluster: str, secret: str) -> Endpoint:
        """Read and parse a cluster's credential.

        Raises:
            Permanent: it is missing, is another cluster's, or is not an acceptable kubeconfig.
            Temporary: the credentials vault does not answer.
        """
        if self._credentials is None:
            raise Invalid("no credentials vault is configured: set TRUSTCAST_CREDENTIALS_VAULT")
        try:
            return parse(_credential(self._credentials, cluster, secret))
        except (Temporary, Unauthorized) as error:
            message = f"the credentials vault: {error}"
            if isinstance(error, Temporary):
                raise Temporary(message, retry_after=error.retry_after) from error
            raise Permanent(message) from error


def _credential(vault: Vault, cluster: str, secret: str) -> str:
    """The kubeconfig's text; the value is read only if its tag names the cluster.

    `created` has whole seconds: if versions tie for the newest, the vault's current one is read, and each of them must
    name the cluster.
    """
    found = vault.versions(secret)
    if not found.complete:
        raise Invalid(f"{secret} has too many versions to find the newest: store the kubeconfig under a new name")
    versions = found.items
    newest = [v for v in versions if v.created == versions[0].created]
    if not newest:
        raise NotFound(f"the credentials vault has no secret {secret}: store the cluster's kubeconfig there")
    if any(version.tags.get(CREDENTIAL_TAG) != cluster for version in newest):
        raise Invalid(f"the secret {secret} is not {cluster}'s credential: tag it {CREDENTIAL_TAG}={cluster}")
    if not any(version.enabled for version in newest):
        raise Invalid(f"the newest version of the credential {secret} is disabled: enable it or set a new one")
    return vault.read(secret, newest[0].version if len(newest) == 1 else None).value
