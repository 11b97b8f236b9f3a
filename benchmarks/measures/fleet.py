"""1,000 clusters: one change pushed to all of them, beside bare GET and PATCH; and their verification in sync."""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import mean
from typing import TYPE_CHECKING

from benchmarks.figures import Figure, Report, memory_of
from benchmarks.stack.replay import applied, open_cluster, send
from benchmarks.stack.rig import Rig, certificate
from benchmarks.stack.traffic import Traffic
from sync.steps.push import push_cluster
from tests.support.memory import MemoryDecisions, MemoryStatuses, MemoryWork

if TYPE_CHECKING:
    from benchmarks.stack.world import Door
    from sync.adapters.storage.table import Table
    from sync.steps.runtime import Runtime


CLUSTERS = 1000
SECRETS = 24


def push() -> Report:
    with Rig(CLUSTERS, spare=CLUSTERS) as rig:
        rig.change({f"plc{n:02}": certificate(f"plc{n:02}").pem for n in range(SECRETS)})
        body = applied(SECRETS, len(certificate("plc00").der))
        _bare(rig, body)  # creates the objects
        _gather(rig, 0)
        floor = [_bare(rig, body)]
        in_memory = _in_memory(rig)
        floor.append(_bare(rig, body))
        with Traffic() as traffic:
            _gather(rig, 1)
            rig.world.forget()
            took = rig.relay.release()
        asked = rig.world.requests()
        credentials = sum(n for kind, n in asked.items() if kind.startswith("credentials"))
        floor.append(_bare(rig, body))
        storage = sum(n for kind, n in traffic.kinds().items() if kind.startswith("table"))
    return Report(
        "push",
        (
            _row("push one change to 1,000 clusters, storage included", floor[1:], took),
            _row("the same with the stores in memory: our code and the client", floor[:2], in_memory),
        ),
        (
            f"The push of 1,000 clusters made {asked.get('get', 0)} GET and {asked.get('apply', 0)} applies.",
            (
                f"It asked the credentials vault {credentials} times, the tables {storage / CLUSTERS:.1f} times each: "
                "eight are the push's, one the plan's look at its mark."
            ),
            "Every cluster's client was opened anew, in the floor too: 256 are kept open, and 1,000 take turns.",
        ),
    )


def _row(bench: str, floor: list[float], took: float) -> Figure:
    """The floor is the mean of what was measured just before and just after."""
    rate, bare = CLUSTERS / took, CLUSTERS / mean(floor)
    return Figure(
        bench,
        f"{bare:.0f} clusters/s",
        f"{rate:.0f} clusters/s",
        f"{rate / bare:.2f}",
        "≥ 0.7 of floor",
        rate / bare >= 0.7,
    )


def _gather(rig: Rig, number: int) -> None:
    """One more change, admitted and planned, its pushes gathered."""
    time.sleep(1.1)
    rig.relay.held = rig.relay.held or []
    name = f"plc{number:02}"
    rig.deliver(rig.upload({name: certificate(name, 1).pem}))
    rig.relay.prune()
    if len(rig.relay.held) != CLUSTERS:
        raise AssertionError(f"{len(rig.relay.held)} pushes")


def _bare(rig: Rig, body: dict[str, object]) -> float:
    def one(door: Door) -> None:
        client = open_cluster(door)
        send(client, "GET")
        send(client, "PATCH", body)
        client.close()  # type: ignore[no-untyped-call]

    began = time.perf_counter()
    list(rig.pool.map(one, rig.spare))
    return time.perf_counter() - began


def _in_memory(rig: Rig) -> float:
    """The gathered pushes over copies of the stores; the messages stay gathered, for the next change."""
    runtime = _copied(rig)
    names = [label.partition(" ")[2] for label, _ in rig.relay.held or ()]
    began = time.perf_counter()
    statuses = list(rig.pool.map(lambda name: push_cluster(runtime, name), names))
    took = time.perf_counter() - began
    if any(status.state != "in-sync" for each in statuses for status in each):
        raise AssertionError("not all in sync")
    return took


def _copied(rig: Rig) -> Runtime:
    real = rig.runtime
    decisions, work, statuses = MemoryDecisions(), MemoryWork(), MemoryStatuses()
    copies = {
        "decisions": (real.decisions, decisions.table),
        "cluster": (real.work, work.table),
        "status": (real.statuses, statuses.table),
    }
    for partition, (original, copy) in copies.items():
        table: Table = original._table  # type: ignore[attr-defined]  # noqa: SLF001  the adapter's own
        copy.partitions[partition] = dict(table.scan(partition))
    return replace(real, decisions=decisions, work=work, statuses=statuses)


def sweep() -> Report:
    with Rig(CLUSTERS, lists=None) as rig:
        before = memory_of("VmRSS")
        rig.change({f"plc{n:02}": certificate(f"plc{n:02}").pem for n in range(SECRETS)})
        names = [door.name for door in rig.doors]
        rig.world.forget()
        with Traffic() as traffic:
            began = time.perf_counter()
            statuses = list(rig.pool.map(lambda name: push_cluster(rig.runtime, name), names))
            took = time.perf_counter() - began
        asked = rig.world.requests()
        peak = memory_of("VmHWM")
    gets, writes = asked.get("get", 0), sum(asked.get(verb, 0) for verb in ("apply", "merge", "create", "delete"))
    lists = sum(len(each) for each in statuses)
    return Report(
        "sweep",
        (
            Figure(
                "sweep of 1,000 in-sync clusters with 2 lists: requests",
                f"{lists} GET, 0 writes",
                f"{gets} GET, {writes} writes",
                f"{gets / lists:.2f}",
                "exactly that",
                (gets, writes) == (lists, 0),
            ),
            Figure("the same: peak memory", f"{before:.0f} MiB before", f"{peak:.0f} MiB", f"+{peak - before:.0f} MiB"),
        ),
        (f"The sweep took {took:.0f} s, {traffic.storage() / CLUSTERS:.1f} storage operations a cluster.",),
    )
