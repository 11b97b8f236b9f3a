"""A whole service over real HTTPS: vaults and clusters are the stand-ins, stores and queues are in memory.

The servers are started once and serve one fleet after the other.
"""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from local.identity import Identity
from local.keyvault.secrets import Secrets
from local.keyvault.server import Vault
from local.kubernetes.cluster import Cluster, kubeconfig, least_privilege
from local.kubernetes.server import Fleet as Clusters
from sync.adapters.keyvault.vault import KeyVault
from sync.adapters.kubernetes.connections import ClusterConnections
from sync.adapters.kubernetes.secrets import KubernetesSecrets
from sync.commands.clusters import RegistrationRequest, register
from sync.fleet.configuration import Configuration
from sync.fleet.lists import DEFAULT_LISTS
from sync.fleet.vaults import WatchedVault
from tests.support.fleet import Fleet, event
from tests.support.vaults import IssuedCredential

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.support.tls import Authority
    from sync.fleet.lists import ListDefinition
    from sync.reconcile.status import ListStatus

TRUST = DEFAULT_LISTS[0]


@dataclass(frozen=True, slots=True)
class Stands:
    """The servers, and the service's clients of the two vaults."""

    authority: Authority
    clusters: Clusters
    watched: Vault
    credentials: Vault
    watched_client: KeyVault
    credentials_client: KeyVault


@contextmanager
def stands(authority: Authority) -> Iterator[Stands]:
    """Servers that end with the block."""
    identity = Identity()

    def client(vault: Vault) -> KeyVault:
        ca_file = str(authority.ca_file)
        return KeyVault(vault.url, IssuedCredential(identity), call_timeout=10, connection_verify=ca_file)

    with (
        Clusters(authority) as clusters,
        Vault("kv-trust", authority=authority, identity=identity) as watched,
        Vault("kv-clusters", authority=authority, identity=identity) as credentials,
        closing(client(watched)) as watched_client,
        closing(client(credentials)) as credentials_client,
    ):
        yield Stands(authority, clusters, watched, credentials, watched_client, credentials_client)


class HttpFleet(Fleet):
    """As `Fleet`; `watched` (its `vault`), `credentials` and `api_servers` are stand-ins that count requests."""

    def __init__(self, servers: Stands, closes: ExitStack, *, call_timeout: float, push_timeout: float) -> None:
        self._servers, self._closes = servers, closes
        self._call_timeout, self._push_timeout = call_timeout, push_timeout
        self.api_servers: dict[str, Cluster] = {}
        self.watched, self.credentials = servers.watched, servers.credentials
        super().__init__()

    def __post_init__(self) -> None:
        self.configured = Configuration((WatchedVault(self._servers.watched.url),), DEFAULT_LISTS)
        super().__post_init__()
        self.vault = cast("Any", self.watched)
        for vault in (self._servers.watched, self.credentials):
            vault.secrets = Secrets(clock=lambda: self.clock().timestamp(), seed=vault.name)
            vault.faults.clear()
            vault.faults.reset_counts()
        self.runtime = replace(
            self.runtime,
            vaults={self.host: self._servers.watched_client},
            clusters=ClusterConnections(self._servers.credentials_client, self._open),
            configured=self.configured,
            push_timeout=self._push_timeout,
        )

    @property
    def host(self) -> str:
        """The watched vault's, as secrets' keys bear it."""
        return self.configured.vaults[0].host

    def join(self, *names: str, mode: str = "repair") -> None:
        """Store the credentials of new clusters and register them, as an operator does."""
        for name in names:
            self.api_servers[name] = self._servers.clusters.add(name, grant=least_privilege())
            self.store_credential(name)
            register(self.runtime, RegistrationRequest(name, name, (f"site={name}",), mode=mode))
        self.work_off()

    def store_credential(self, name: str, text: str | None = None, *, tagged: str | None = None) -> None:
        """Set a new version of a cluster's credential."""
        tags = {"trustcast-credential": tagged or name}
        self.credentials.set(name, text or kubeconfig(self.api_servers[name]), tags=tags)

    def upload(self, name: str, value: str, tags: Any = None, *, enabled: bool = True, host: str = "") -> str:
        version = self._servers.watched.set(name, value, tags=dict(tags) if tags else None, enabled=enabled)
        self.events.append(event(name, version, host=host or self.host))
        return version

    def files(self, cluster: str, definition: ListDefinition = TRUST) -> dict[str, bytes]:
        return self.api_servers[cluster].files(definition.namespace, definition.object)

    def status(self, cluster: str, definition: ListDefinition = TRUST) -> ListStatus:
        """The list's status row."""
        return super().status(cluster, definition)

    def forget_counts(self) -> None:
        """Count requests from zero."""
        self._servers.watched.faults.reset_counts()
        self.credentials.faults.reset_counts()
        for plant in self.api_servers.values():
            plant.requests.clear()

    def _open(self, at: Any) -> KubernetesSecrets:
        client = KubernetesSecrets(at, call_timeout=self._call_timeout)
        self._closes.callback(client.close)
        return client


@contextmanager
def http_fleet(servers: Stands, *, call_timeout: float = 10, push_timeout: float = 60) -> Iterator[HttpFleet]:
    """A fleet with nothing in it; its connections end with the block."""
    with ExitStack() as closes:
        yield HttpFleet(servers, closes, call_timeout=call_timeout, push_timeout=push_timeout)
