"""A thousand clusters, three in ten of them offline: over real HTTPS, pushed by as many threads as a worker has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from local.kubernetes.faults import Fault, Kind
from local.kubernetes.server import kubeconfig
from sync.adapters.kubernetes.connections import ClusterConnections
from sync.adapters.kubernetes.secrets import KubernetesSecrets
from sync.fleet.kubeconfig import parse
from sync.reconcile.status import State
from sync.steps.drift import check_drift
from sync.triggers import handle_push
from tests.faults.world import EVERYWHERE, certificate
from tests.support.fleet import TRUST, Fleet, registration
from tests.support.memory import MemoryVault

if TYPE_CHECKING:
    from local.kubernetes.cluster import Cluster
    from local.kubernetes.server import Fleet as KubernetesStandIn
    from sync.fleet.kubeconfig import Endpoint
    from sync.steps.runtime import Runtime

CLUSTERS = 1_000
THREADS = 6
PORTION = 90
MINUTE = timedelta(minutes=1)


def opened(at: Endpoint) -> KubernetesSecrets:
    return KubernetesSecrets(at, call_timeout=30)


def push_all(fleet: Fleet) -> int:
    """Work off the pushes that are waiting, on threads; how many there were."""
    messages = []
    while message := fleet.queues.take("push"):
        messages.append(message)
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda each: handle_push(fleet.runtime, each.text, each.dequeued), messages))
    for message in messages:
        fleet.queues.done(message)
    return len(messages)


def states(runtime: Runtime) -> dict[State, int]:
    found = [status.state for status in runtime.statuses.all()]
    return {state: found.count(state) for state in set(found)}


def test_a_thousand_clusters_of_which_three_in_ten_are_offline_and_come_back(kubernetes: KubernetesStandIn) -> None:
    """A change while 300 of 1,000 are down → the 700 have it after one push each, the 300 are offline and asked ever
    more rarely, no message is left over; once they are back each catches up by its own due time, by one write.
    """
    fleet, credentials = Fleet(), MemoryVault()
    fleet.runtime = replace(fleet.runtime, clusters=ClusterConnections(credentials, opened))
    clusters: dict[str, Cluster] = {}
    for number in range(CLUSTERS):
        name = f"edge-{number:04}"
        cluster = clusters[name] = kubernetes.add(name)
        credentials.set(name, kubeconfig(cluster), tags={"trustcast-credential": name})
        if number % 10 < 3:
            cluster.set_fault(Fault(Kind.DOWN))
    ca_sha256 = parse(kubeconfig(clusters["edge-0000"])).ca_sha256
    registrations = [
        replace(registration(name), host=cluster.server.removeprefix("https://"), ca_sha256=ca_sha256)
        for name, cluster in clusters.items()
    ]
    for at in range(0, CLUSTERS, PORTION):
        fleet.register(*registrations[at : at + PORTION])
    away = {name for name, cluster in clusters.items() if cluster._fault}
    fleet.upload("plc1-der", certificate("plc1").pem, EVERYWHERE)
    fleet.deliver_event()
    fleet.clock.move(MINUTE)
    fleet.deliver("plan")

    assert push_all(fleet) == CLUSTERS
    assert states(fleet.runtime) == {State.IN_SYNC: CLUSTERS - len(away), State.OFFLINE: len(away)}
    assert {name for name, c in clusters.items() if not c.files(TRUST.namespace, TRUST.object)} == away
    fleet.clock.move(MINUTE)
    fleet.work_off()
    assert not any(fleet.queues.waiting.values())

    for name in away:
        clusters[name].set_fault(None)
    fleet.clock.move(MINUTE)
    check_drift(fleet.runtime)
    assert push_all(fleet) == len(away)
    assert states(fleet.runtime) == {State.IN_SYNC: CLUSTERS}
    assert all(set(c.files(TRUST.namespace, TRUST.object)) == {"plc1.der"} for c in clusters.values())
    assert all(c.requests["apply"] == 1 for c in clusters.values())
