"""Memory at 1,000 secrets on 1,000 clusters: a worker plans the whole fleet and verifies part of it, from the tables.

Every secret reaches every cluster: the largest list that fits. A second interpreter with the SDKs alone is the floor.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

from benchmarks.figures import Figure, Report, memory_of
from benchmarks.rig import TAGS, Rig, certificate
from benchmarks.starting import SDKS
from sync.access import OPEN_CLIENTS
from sync.assignment import Assignment
from sync.catalogue import Candidate, Entry, StoredItem
from sync.deadline import Deadline
from sync.planning import plan_fleet
from sync.ports import RowName, Write
from sync.push import push_cluster
from sync.secret import SecretKey
from sync.status import ListStatus, State
from sync.x509_items import Kind

SECRETS = 1000
CLUSTERS = 1000
VERIFIED = 24
GOAL = 60.0
AT = datetime(2026, 6, 1, tzinfo=UTC)


def run() -> Report:
    bare = float(subprocess.run([sys.executable, "-c", SDKS + _SAY], check=True, capture_output=True, text=True).stdout)
    with Rig(CLUSTERS) as rig:
        data = _fill(rig)
        started = memory_of("VmRSS")
        head = rig.service.decisions.head().value
        rig.service.work.set_planned("another head")
        rig.relay.held = []
        plan_fleet(rig.service)
        planned, asked = memory_of("VmHWM"), len(rig.relay.held)
        names = [door.name for door in rig.doors]
        statuses = list(rig.pool.map(lambda name: push_cluster(rig.service, name), names[:VERIFIED]))
        registrations = rig.service.decisions.snapshot().clusters
        for name in names[: OPEN_CLIENTS + 20]:
            rig.service.clusters.connect(registrations[name], Deadline.after(5)).observe("azure-iot-operations", "none")
        now, peak = memory_of("VmRSS"), memory_of("VmHWM")
    states = {status.state.value for each in statuses for status in each}
    if states != {"in-sync"} or asked:
        raise AssertionError(f"{states}, {asked} pushes asked for; head {head.token[:6]}")
    floor = bare + data
    return Report(
        "memory",
        (
            Figure(
                "memory at 1,000 secrets on 1,000 clusters, peak",
                f"{bare:.0f} MiB imports + {data:.1f} MiB of bytes",
                f"{peak:.0f} MiB",
                f"+{peak - floor:.0f} MiB",
                f"≤ {GOAL:.0f} MiB above",
                peak - floor <= GOAL,
            ),
        ),
        (
            f"{started:.0f} MiB before anything is read from the tables, the benchmark's own imports included.",
            f"{planned:.0f} MiB at the peak of a plan; {now:.0f} MiB at the end, with {OPEN_CLIENTS} clients open.",
        ),
    )


_SAY = """
print(next(int(l.split()[1]) / 1024 for l in open('/proc/self/status') if l.startswith('VmRSS:')))
"""


def _fill(rig: Rig) -> float:
    """Catalogue, clusters and statuses as they are long after all was pushed; MiB of the certificates."""
    host = rig.world.facts.vault.removeprefix("https://")
    size = 0
    writes = []
    for number in range(SECRETS):
        name = f"plc{number:04}"
        der = certificate(name).der
        size += len(der)
        entry = Entry(
            SecretKey.of(host, name),
            name,
            None,
            Assignment(("trust",), TAGS["trustcast-clusters"]),
            AT,
            candidates=(Candidate("1", AT, True, (StoredItem(Kind.CERTIFICATE, der),), ()),),
            since=AT,
        )
        writes.append(Write(RowName.secret(entry.key), entry, "*"))
    decisions = rig.service.decisions
    for start in range(0, len(writes), 90):
        decisions.commit(writes[start : start + 90], head=rig.service.next_head(decisions.head().value))
    names = [door.name for door in rig.doors]
    first = push_cluster(rig.service, names[0])[0]
    list(rig.pool.map(lambda name: push_cluster(rig.service, name), names[1:VERIFIED]))
    for name in names[VERIFIED:]:
        status = ListStatus(
            name,
            "trust",
            State.IN_SYNC,
            digest=first.digest,
            head=first.head,
            applied=first.applied,
            thumbprints=first.thumbprints,
            verified=AT,
            changed=AT,
            due=AT + timedelta(days=3650),
        )
        rig.service.statuses.put(status, None)
    return size / 2**20
