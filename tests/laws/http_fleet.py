"""A whole service over real HTTPS: vaults and clusters are the stand-ins, stores and queues are in memory."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from local.identity import Identity
from local.keyvault import Vault
from local.kubernetes import Fleet as Clusters
from local.kubernetes_cluster import Cluster, kubeconfig, least_privilege
from sync.access import ClusterAccess
from sync.enrolment import Wish, enrol
from sync.kubernetes_secret import Endpoint, KubernetesSecrets
from sync.lists import DEFAULT_LISTS, Configuration, WatchedVault
from sync.vault import KeyVault
from tests.contract.vaults import IssuedCredential
from tests.service import Fleet, event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.tls import Authority
    from sync.lists import ListDefinition
    from sync.status import ListStatus

TRUST = DEFAULT_LISTS[0]


class HttpFleet(Fleet):
    """As `Fleet`; `vault`, `credentials` and `plants` are stand-ins, which count what they are asked."""

    def __init__(self, authority: Authority, stack: ExitStack, *, call_timeout: float, push_timeout: float) -> None:
        self._authority, self._stack = authority, stack
        self._call_timeout, self._push_timeout = call_timeout, push_timeout
        self._identity = Identity()
        self._kube = stack.enter_context(Clusters(authority))
        self.plants: dict[str, Cluster] = {}
        super().__init__()

    def __post_init__(self) -> None:
        self._watched, self.credentials = (self._vault(name) for name in ("kv-trust", "kv-clusters"))
        self._adapters = [self._adapter(vault) for vault in (self._watched, self.credentials)]
        self.access = ClusterAccess(self._adapters[1], self._open)
        self.configured = Configuration((WatchedVault(self._watched.url),), DEFAULT_LISTS)
        super().__post_init__()
        self.vault = cast("Any", self._watched)
        self.service = replace(
            self.service,
            vaults={self.host: self._adapters[0]},
            clusters=self.access,
            configured=self.configured,
            push_timeout=self._push_timeout,
        )

    @property
    def host(self) -> str:
        """The watched vault's, as secrets' keys bear it."""
        return self.configured.vaults[0].host

    def join(self, *names: str, **labels: str) -> None:
        """Store the credentials of new clusters and register them, as an operator does."""
        for name in names:
            self.plants[name] = self._kube.add(name, grant=least_privilege())
            self.store_credential(name)
            enrol(self.service, Wish(name, name, tuple(f"{key}={value}" for key, value in labels.items())))
        self.work_off()

    def store_credential(self, name: str, text: str | None = None, *, tagged: str | None = None) -> None:
        """Set a new version of a cluster's credential."""
        tags = {"trustcast-credential": tagged or name}
        self.credentials.set(name, text or kubeconfig(self.plants[name]), tags=tags)

    def upload(self, name: str, value: str, tags: Any = None, *, enabled: bool = True) -> str:
        version = self._watched.set(name, value, tags=dict(tags) if tags else None, enabled=enabled)
        self.events.append(event(name, version, host=self.host))
        return version

    def files(self, cluster: str, definition: ListDefinition = TRUST) -> dict[str, bytes]:
        return self.plants[cluster].files(definition.namespace, definition.object)

    def status(self, cluster: str, definition: ListDefinition = TRUST) -> ListStatus:
        """The list's status row."""
        stored = self.statuses.get(cluster, definition.name)
        assert stored is not None
        return stored.value

    def forget_counts(self) -> None:
        """Count requests from zero."""
        self._watched.faults.reset_counts()
        self.credentials.faults.reset_counts()
        for plant in self.plants.values():
            plant.requests.clear()

    def _vault(self, name: str) -> Vault:
        seconds = lambda: self.clock().timestamp()  # noqa: E731
        return self._stack.enter_context(Vault(name, authority=self._authority, identity=self._identity, clock=seconds))

    def _adapter(self, vault: Vault) -> KeyVault:
        adapter = KeyVault(
            vault.url,
            IssuedCredential(self._identity),
            call_timeout=10,
            connection_verify=str(self._authority.ca_file),
        )
        self._stack.callback(adapter.close)
        return adapter

    def _open(self, at: Any) -> KubernetesSecrets:
        client = KubernetesSecrets(Endpoint(at.server, at.ca_pem, at.token), call_timeout=self._call_timeout)
        self._stack.callback(client.close)
        return client


@contextmanager
def http_fleet(authority: Authority, *, call_timeout: float = 10, push_timeout: float = 60) -> Iterator[HttpFleet]:
    """A fleet that ends with its servers."""
    with ExitStack() as stack:
        yield HttpFleet(authority, stack, call_timeout=call_timeout, push_timeout=push_timeout)
