"""From an event to the list on 1 cluster and on 100: latency with nothing waiting, beside the same calls made bare."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.figures import Figure, Report, milliseconds, ratios
from benchmarks.stack.replay import Bare
from benchmarks.stack.rig import Rig, certificate
from benchmarks.stack.traffic import Traffic

if TYPE_CHECKING:
    from benchmarks.stack.traffic import Call

SECRETS = 24
GOAL = 1.5


def run() -> Report:
    one, one_calls = _measure(1, 20)
    many, many_calls = _measure(100, 4)
    return Report(
        "changes",
        (
            _figure("change → 1 cluster (20 changes)", *one),
            _figure("change → 100 clusters (4 changes, each cluster counts)", *many),
        ),
        (
            f"A change → 1 cluster makes {len(one_calls)} requests: {_said(one_calls)}.",
            f"A change → 100 clusters makes {len(many_calls)} requests.",
            "The floor makes the same requests with the same SDK clients in the same order and with as many threads.",
            "Coalescing delays and waiting in queues are in neither; see the host's row.",
        ),
    )


def _figure(bench: str, ours: list[float], floor: list[float]) -> Figure:
    each = ratios(ours, floor)
    said = " / ".join(f"{ratio:.2f}" for ratio in each)
    return Figure(
        bench, milliseconds(floor), milliseconds(ours), said, f"≤ {GOAL} of floor", all(r <= GOAL for r in each)
    )


def _measure(clusters: int, changes: int) -> tuple[tuple[list[float], list[float]], list[Call]]:
    """Ours and floor alternately, so that what else the machine does strikes both."""
    with Rig(clusters, spare=clusters) as rig:
        rig.change({f"plc{n:02}": certificate(f"plc{n:02}").pem for n in range(SECRETS)})
        time.sleep(1.1)  # versions of one second have no order
        bare = Bare(rig, files=SECRETS, size=len(certificate("plc00").der))
        _change(rig, SECRETS - 1)
        ours: list[float] = []
        floor: list[float] = []
        for number in range(changes):
            seen, calls = _change(rig, number)
            if len(seen) != clusters:
                raise AssertionError(f"{len(seen)} of {clusters} clusters were written")
            ours += seen
            floor += bare.change(calls)
        return (ours, floor), calls


def _change(rig: Rig, number: int) -> tuple[list[float], list[Call]]:
    name = f"plc{number:02}"
    events = rig.upload({name: certificate(name, 1).pem})
    with Traffic() as traffic:
        began = time.perf_counter()
        rig.deliver(events)
        rig.relay.prune()
    return [call.ended - began for call in traffic.calls if call.kind == "cluster PATCH"], traffic.calls


def _said(calls: list[Call]) -> str:
    kinds = sorted({call.kind for call in calls})
    return ", ".join(f"{sum(call.kind == kind for call in calls)} {kind}" for kind in kinds)
