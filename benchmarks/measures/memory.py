"""Memory at 1,000 secrets on 1,000 clusters: a worker plans the whole fleet and verifies part of it, from the tables.

Every secret reaches every cluster: the largest list that fits. Three interpreters: one holds what is no part of the
service (fixtures; the servers are in children of its own), one the service and nothing else, one the SDKs alone: the
floor.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import msgspec

from benchmarks.figures import Figure, Report
from benchmarks.measures.starting import SDKS
from benchmarks.stack.rig import TAGS, THREADS, Rig, certificate
from sync.adapters.kubernetes.connections import OPEN_CLIENTS
from sync.catalogue.assignment import Assignment
from sync.catalogue.entry import Candidate, Entry, ListedVersion, StoredItem
from sync.catalogue.rows import SecretRow
from sync.catalogue.secret import SecretKey
from sync.certificates.items import Kind
from sync.ports.decisions import Write
from sync.ports.stored import ABSENT, ANYTHING
from sync.reconcile.status import ListStatus, State
from sync.steps.push import push_cluster

SECRETS = 1000
CLUSTERS = 1000
VERIFIED = 24
GOAL = 60.0
AT = datetime(2026, 6, 1, tzinfo=UTC)

_SAY = """
def memory(field):
    return next(int(l.split()[1]) / 1024 for l in open('/proc/self/status') if l.startswith(field))
"""
BARE = f"{SDKS}{_SAY}print(memory('VmRSS'))"
SERVICE = f"""
import function_app, json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from sync.deadline import Deadline
from sync.steps.planning import plan_fleet
from sync.steps.push import push_cluster
{_SAY}
runtime = function_app.runtime()
started = memory('VmRSS')
runtime.work.set_planned('another head')
plan_fleet(runtime)
planned = memory('VmHWM')
fleet = runtime.decisions.snapshot().clusters
names = sorted(fleet)
with ThreadPoolExecutor({THREADS}) as pool:
    pushed = list(pool.map(lambda name: push_cluster(runtime, name), names[:{VERIFIED}]))
verified = memory('VmHWM')
for name in names[:{OPEN_CLIENTS + 20}]:
    runtime.clusters.connect(fleet[name], Deadline.after(5)).observe('azure-iot-operations', 'none')
asked = len(runtime.work.due(runtime.clock() + timedelta(minutes=5)))
states = sorted({{status.state for statuses in pushed for status in statuses}})
print(json.dumps([started, planned, verified, memory('VmRSS'), memory('VmHWM'), asked, states]))
"""


class Held(msgspec.Struct, array_like=True):
    """Memory of the runtime's process in MiB, as it goes, and what came of its work."""

    started: float
    planned: float
    verified: float
    end: float
    peak: float
    asked: int
    states: list[str]


def run() -> Report:
    bare = float(_alone(BARE))
    with Rig(CLUSTERS) as rig:
        data = _fill(rig)
        held = msgspec.json.decode(_alone(SERVICE), type=Held)
    if held.states != ["in-sync"] or held.asked:
        raise AssertionError(f"{held.states}, {held.asked} pushes asked for")
    floor = bare + data
    return Report(
        "memory",
        (
            Figure(
                "memory at 1,000 secrets on 1,000 clusters, peak",
                f"{bare:.0f} MiB imports + {data:.1f} MiB of bytes",
                f"{held.peak:.0f} MiB",
                f"+{held.peak - floor:.0f} MiB",
                f"≤ {GOAL:.0f} MiB above",
                held.peak - floor <= GOAL,
            ),
        ),
        (
            "The service runs in an interpreter of its own that imports `function_app` and nothing else of ours.",
            (
                f"{held.started:.0f} MiB once it is built, before anything is read; {held.planned:.0f} MiB at the peak "
                f"of a plan; {held.verified:.0f} MiB of {VERIFIED} verifications of lists of {SECRETS:,} files, "
                f"{THREADS} at a time; {held.end:.0f} MiB at the end, with {OPEN_CLIENTS} clients open."
            ),
        ),
    )


def _alone(program: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True).stdout


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
            assigned_at=AT,
            admitted=AT,
            versions=(ListedVersion("1", AT, AT, enabled=True),),
            complete=True,
        )
        writes.append(Write(SecretRow(entry.key), entry, ANYTHING))
    decisions = rig.runtime.decisions
    for start in range(0, len(writes), 90):
        decisions.commit(writes[start : start + 90], head=rig.runtime.next_head(decisions.head().value))
    names = [door.name for door in rig.doors]
    first = push_cluster(rig.runtime, names[0])[0]
    list(rig.pool.map(lambda name: push_cluster(rig.runtime, name), names[1:VERIFIED]))
    for name in names[VERIFIED:]:
        status = ListStatus(
            first.place.replace(names[0], name, 1),
            name,
            "trust",
            State.IN_SYNC,
            digest=first.digest,
            head=first.head,
            files=first.files,
            thumbprints=first.thumbprints,
            verified=AT,
            changed=AT,
            due=AT + timedelta(days=3650),
        )
        rig.runtime.statuses.put(status, ABSENT)
    return size / 2**20
