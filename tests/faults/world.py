"""A whole service over the stand-ins, by real HTTP: vaults and API servers; storage in memory, a clock to move."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from local.kubernetes.server import kubeconfig
from sync.adapters.keyvault.vault import KeyVault
from sync.adapters.kubernetes.connections import ClusterConnections
from sync.adapters.kubernetes.secrets import KubernetesSecrets
from sync.fleet.clusters import Access, AccessKind, Registration
from sync.fleet.configuration import Configuration
from sync.fleet.kubeconfig import parse
from sync.fleet.vaults import WatchedVault
from tests.support.certs import server
from tests.support.fleet import TRUST, Fleet, event
from tests.support.vaults import IssuedCredential

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local.identity import Identity
    from local.keyvault.server import Vault as VaultStandIn
    from local.kubernetes.cluster import Cluster
    from local.kubernetes.server import Fleet as KubernetesStandIn
    from local.support.tls import Authority
    from sync.catalogue.snapshot import Stamp
    from tests.support.fleet import Clock

PATIENT = 30.0
"""Seconds for a call that ends by itself; only one that would never end is given less."""

EVERYWHERE = {"trustcast-lists": "trust", "trustcast-clusters": "*"}


@dataclass(frozen=True)
class Site:
    """The servers: a watched vault, the credentials vault, API servers."""

    authority: Authority
    identity: Identity
    vault: VaultStandIn
    credentials: VaultStandIn
    kubernetes: KubernetesStandIn

    def open_vault(self, stand_in: VaultStandIn, **options: Any) -> KeyVault:
        """The adapter that the service uses, on a stand-in."""
        usual: dict[str, Any] = {"call_timeout": PATIENT, "connection_verify": str(self.authority.ca_file)}
        return KeyVault(stand_in.url, IssuedCredential(self.identity), **usual | options)


@dataclass(kw_only=True)
class World(Fleet):
    """The service with real adapters for vaults and clusters, beside what their owners do.

    Attributes:
        call_timeouts: seconds for each call, by server, where it is not the patient one.
    """

    site: Site
    call_timeouts: dict[str, float] = field(default_factory=dict)
    api_servers: dict[str, Cluster] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._open = ExitStack()
        super().__post_init__()
        self.vault = cast("Any", self.site.vault)  # what owners do goes to the stand-in

    @property
    def host(self) -> str:
        return self.configured.vaults[0].host

    def start(self, configured: Configuration | None = None, stamp: Stamp | None = None) -> None:
        super().start(configured, stamp)
        vault = self._open.enter_context(_closing(self.site.open_vault(self.site.vault)))
        credentials = self._open.enter_context(_closing(self.site.open_vault(self.site.credentials)))
        access = ClusterConnections(credentials, self._open_client)
        self.runtime = replace(self.runtime, vaults={self.host: vault}, clusters=access)

    def close(self) -> None:
        self._open.close()

    def wait_for(self, cluster: str, seconds: float) -> None:
        """From now on a call to that cluster is given up after so long; all clusters are opened anew."""
        self.call_timeouts[self.api_servers[cluster].server] = seconds
        credentials = self._open.enter_context(_closing(self.site.open_vault(self.site.credentials)))
        self.runtime = replace(self.runtime, clusters=ClusterConnections(credentials, self._open_client))

    def _open_client(self, at: Any) -> KubernetesSecrets:
        call_timeout = self.call_timeouts.get(at.server, PATIENT)
        client = KubernetesSecrets(at, call_timeout=call_timeout)
        self._open.enter_context(_closing(client))
        return client

    def add(self, name: str, **options: Any) -> Cluster:
        """A cluster, its credential stored and itself registered."""
        where = f"{name}-{self.site.vault.name}"  # the API servers are shared, their clusters are not
        cluster = self.api_servers[name] = self.site.kubernetes.add(where, **options)
        self.store_credential(name)
        endpoint = parse(kubeconfig(cluster))
        access = Access(AccessKind.KUBECONFIG, where)
        self.register(Registration(name, {"site": name}, access, host=endpoint.host, ca_sha256=endpoint.ca_sha256))
        return cluster

    def store_credential(self, name: str) -> None:
        """The cluster's kubeconfig, as it is now, in the credentials vault."""
        cluster = self.api_servers[name]
        self.site.credentials.set(cluster.name, kubeconfig(cluster), tags={"trustcast-credential": name})

    def upload(
        self,
        name: str,
        value: str,
        tags: Mapping[str, str] | None = EVERYWHERE,
        *,
        enabled: bool = True,
        host: str = "",
    ) -> str:
        assert host in {"", self.host}
        version = self.site.vault.set(name, value, tags=dict(tags) if tags else None, enabled=enabled)
        self.events.append(self.told(name, version))
        return version

    def told(self, name: str, version: str) -> str:
        """The event about a version, true or forged."""
        (told,) = json.loads(event(name, version))
        told["data"]["Id"] = f"{self.site.vault.url}/secrets/{name}/{version}"
        return json.dumps([told])

    def on(self, cluster: str) -> dict[str, bytes]:
        """What the list holds on a cluster."""
        return self.api_servers[cluster].files(TRUST.namespace, TRUST.object)

    def requests(self, cluster: str) -> int:
        """How many requests its API server has had."""
        return self.api_servers[cluster].requests.total()

    def idle(self) -> bool:
        """No event, no message waits or is being worked on."""
        return not self.events and not any(self.queues.waiting.values()) and not self.queues.taken


@contextmanager
def world_of(site: Site, clock: Clock) -> Iterator[World]:
    """A world of its own on these servers."""
    world = World(site=site, clock=clock, configured=Configuration((WatchedVault(site.vault.url),), (TRUST,)))
    try:
        yield world
    finally:
        world.close()


@contextmanager
def _closing(opened: Any) -> Iterator[Any]:
    try:
        yield opened
    finally:
        opened.close()


def certificate(name: str, key: str | None = None) -> Any:
    """A server's certificate; another key makes another one of the same name."""
    return server(name=name, key_name=key)
