"""Faults of real API servers: killed, frozen, without their etcd, without Role or namespace, edited all the while."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from sync.adapters.kubernetes.connections import ClusterConnections
from sync.adapters.kubernetes.secrets import KubernetesSecrets
from sync.deadline import Deadline
from sync.fleet.kubeconfig import parse
from sync.fleet.lists import CONNECTOR_NAMESPACE
from sync.reconcile.status import State
from tests.support.certs import server
from tests.support.fleet import TRUST, Fleet, registration
from tests.support.memory import MemoryVault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.apiserver.server import RealCluster
    from sync.fleet.kubeconfig import Endpoint

EVERYWHERE = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
MINUTE = timedelta(minutes=1)
CALL_TIMEOUT = 5.0
SICK, WELL = "sick", "well"


class RealFleet:
    """A service over two real API servers; vault and storage are in memory, the clock moves when told."""

    def __init__(self, sick: RealCluster, well: RealCluster) -> None:
        self.servers = {SICK: sick, WELL: well}
        self.fleet = Fleet()
        self.credentials = MemoryVault()
        self.opened: list[KubernetesSecrets] = []
        self.fleet.runtime = replace(self.fleet.runtime, clusters=ClusterConnections(self.credentials, self._open))
        for name, cluster in self.servers.items():
            self.store_credential(name)
            told = parse(cluster.kubeconfig())
            self.fleet.register(replace(registration(name), host=told.host, ca_sha256=told.ca_sha256))

    def _open(self, at: Endpoint) -> KubernetesSecrets:
        self.opened.append(KubernetesSecrets(at, call_timeout=CALL_TIMEOUT))
        return self.opened[-1]

    def store_credential(self, name: str, token: str | None = None) -> None:
        tags = {"trustcast-credential": name}
        self.credentials.set(name, self.servers[name].kubeconfig(token), tags=tags)

    def upload(self, name: str) -> None:
        self.fleet.upload(f"{name}-der", server(name=name).pem, EVERYWHERE)
        self.fleet.work_off()

    def state(self, name: str = SICK) -> State:
        stored = self.fleet.statuses.get(f"{name}/{TRUST.namespace}/{TRUST.object}")
        assert stored
        return stored.value.state

    def on(self, name: str) -> set[str]:
        target = self._open(parse(self.servers[name].kubeconfig()))
        return set(target.within(Deadline.after(30)).observe(TRUST.namespace, TRUST.object).data)

    def catches_up(self) -> bool:
        """Whether, by its due times alone, the sick one comes to hold what the other holds."""
        for _ in range(8):
            self.fleet.sweep(MINUTE)
            if self.state() is State.IN_SYNC:
                break
        return self.on(SICK) == self.on(WELL)


@pytest.fixture
def real(real_clusters: tuple[RealCluster, RealCluster]) -> Iterator[RealFleet]:
    """Both in sync with one certificate."""
    for cluster in real_clusters:
        if CONNECTOR_NAMESPACE not in cluster.kubectl("get", "namespaces"):
            cluster.create_namespace(CONNECTOR_NAMESPACE)
        cluster.kubectl("delete", "secret", TRUST.object, "-n", CONNECTOR_NAMESPACE, "--ignore-not-found")
    fleet = RealFleet(*real_clusters)
    fleet.upload("plc1")
    assert fleet.state() is State.IN_SYNC
    yield fleet
    for opened in fleet.opened:
        opened.close()


Stroke = tuple["Callable[[RealCluster], None]", "Callable[[RealCluster], None]", set[State]]

FAULTS: dict[str, Stroke] = {
    "killed": (lambda c: c.kill(), lambda c: c.revive(), {State.OFFLINE}),
    "frozen": (lambda c: c.freeze(), lambda c: c.thaw(), {State.OFFLINE}),
    "without etcd": (lambda c: c.kill("etcd"), lambda c: c.revive(), {State.OFFLINE, State.PENDING}),
}


@pytest.mark.parametrize(("strike", "mend", "states"), FAULTS.values(), ids=FAULTS)
def test_an_api_server_that_goes_and_comes_back(
    real: RealFleet,
    strike: Callable[[RealCluster], None],
    mend: Callable[[RealCluster], None],
    states: set[State],
) -> None:
    """Killed, frozen, or its etcd killed, while a certificate comes → told so; the other has it at once; back again it
    catches up by itself.
    """
    strike(real.servers[SICK])
    try:
        real.upload("plc2")
        assert real.state() in states
        assert real.on(WELL) == {"plc1.der", "plc2.der"}
    finally:
        mend(real.servers[SICK])
    assert real.catches_up()


def test_a_token_that_is_refused_until_a_new_one_is_stored(real: RealFleet) -> None:
    """401 → unauthorized and nothing lost; a credential stored anew heals it."""
    real.store_credential(SICK, "no-such-token")
    real.fleet.runtime = replace(real.fleet.runtime, clusters=ClusterConnections(real.credentials, real._open))
    real.upload("plc2")
    assert real.state() is State.UNAUTHORIZED
    assert real.on(SICK) == {"plc1.der"}
    real.store_credential(SICK)
    assert real.catches_up()


def test_an_account_without_the_role(real: RealFleet) -> None:
    """403 → unauthorized, and nothing lost; with a Role it goes on."""
    cluster, namespace = real.servers[SICK], ("-n", CONNECTOR_NAMESPACE)
    cluster.kubectl("create", "serviceaccount", "bare", *namespace)
    cluster.kubectl("create", "role", "bare", *namespace, "--verb=get,create,patch", "--resource=secrets")
    try:
        token = cluster.service_account_token(CONNECTOR_NAMESPACE, "bare")
        real.store_credential(SICK, token)
        real.fleet.runtime = replace(real.fleet.runtime, clusters=ClusterConnections(real.credentials, real._open))
        real.upload("plc2")
        assert (real.state(), real.on(SICK)) == (State.UNAUTHORIZED, {"plc1.der"})
        account = f"--serviceaccount={CONNECTOR_NAMESPACE}:bare"
        cluster.kubectl("create", "rolebinding", "bare", *namespace, "--role=bare", account)
        _await_right(cluster, token)
        assert real.catches_up()
    finally:
        for kind in ("rolebinding", "role", "serviceaccount"):
            cluster.kubectl("delete", kind, "bare", *namespace, "--ignore-not-found")


def _await_right(cluster: RealCluster, token: str) -> None:
    """The API server learns of a binding a moment after it was made."""
    end = time.monotonic() + 15
    path = f"/api/v1/namespaces/{CONNECTOR_NAMESPACE}/secrets/{TRUST.object}"
    with cluster.client(token) as account:
        while account.get(path).status_code == HTTPStatus.FORBIDDEN:
            assert time.monotonic() < end, "the Role never counted"


def test_an_immutable_secret(real: RealFleet) -> None:
    """422 for good → blocked; deleted by hand it is made anew."""
    cluster = real.servers[SICK]
    cluster.kubectl("patch", "secret", TRUST.object, "-n", CONNECTOR_NAMESPACE, "-p", '{"immutable": true}')
    real.upload("plc2")
    assert real.state() is State.BLOCKED
    cluster.kubectl("delete", "secret", TRUST.object, "-n", CONNECTOR_NAMESPACE)
    real.fleet.sweep(timedelta(minutes=31))
    assert real.catches_up()


def test_a_secret_deleted_and_made_anew_by_hand(real: RealFleet) -> None:
    """Another object under the same name → our files come back, the other's key stays."""
    cluster = real.servers[SICK]
    cluster.kubectl("delete", "secret", TRUST.object, "-n", CONNECTOR_NAMESPACE)
    cluster.kubectl("create", "secret", "generic", TRUST.object, "-n", CONNECTOR_NAMESPACE, "--from-literal=theirs=1")
    real.upload("plc2")
    assert (real.state(), real.on(SICK)) == (State.IN_SYNC, {"plc1.der", "plc2.der", "theirs"})


def test_a_storm_of_real_conflicts(real: RealFleet) -> None:
    """Another writer changes the Secret without pause → pushes end, and once it is quiet the list is right and holds
    the other's key too.
    """
    cluster, stop = real.servers[SICK], threading.Event()

    def storm() -> None:
        path = f"/api/v1/namespaces/{CONNECTOR_NAMESPACE}/secrets/{TRUST.object}"
        headers = {"Content-Type": "application/merge-patch+json"}
        with cluster.client() as client:
            number = 0
            while not stop.is_set():
                number += 1
                client.patch(path, headers=headers, content=f'{{"stringData": {{"theirs": "{number}"}}}}')

    writer = threading.Thread(target=storm)
    writer.start()
    try:
        for number in range(2, 7):
            real.upload(f"plc{number}")
    finally:
        stop.set()
        writer.join()
    for _ in range(3):
        real.fleet.sweep(MINUTE)
    assert real.state() is State.IN_SYNC
    assert real.on(SICK) == real.on(WELL) | {"theirs"}
