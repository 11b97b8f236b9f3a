"""1,000 secrets set within 10 s, to 50 clusters: how often lists are written and values are read. Delays are kept."""

from __future__ import annotations

import time

from benchmarks.figures import Figure, Report
from benchmarks.stack.rig import Rig, certificate

SECRETS = 1000
CLUSTERS = 50
SECONDS = 10.0


def run() -> Report:
    uploads = {f"plc{number:04}": certificate(f"plc{number:04}").pem for number in range(SECRETS)}
    with Rig(CLUSTERS) as rig:
        rig.change({"first": certificate("first").pem})
        rig.relay.keeps_delays = True
        rig.relay.delays.clear()
        rig.world.forget()
        began = time.perf_counter()
        for number, (name, value) in enumerate(uploads.items()):
            time.sleep(max(0.0, began + number * SECONDS / SECRETS - time.perf_counter()))
            rig.deliver(rig.upload({name: value}))
        raised = time.perf_counter() - began
        rig.relay.prune()
        ended = time.perf_counter() - began
        rig.runtime.decisions.snapshot()
        desired = len(rig.runtime.decisions.snapshot().entries)
        writes, asked = rig.world.ask("writes"), rig.world.requests()
    if desired != SECRETS + 1:
        raise AssertionError(f"{desired} secrets are catalogued")
    reads = asked["vault value"] / SECRETS
    return Report(
        "bursts",
        (
            Figure(
                "burst, 1,000 secrets in 10 s → 50 clusters: writes per list",
                "1",
                f"{sum(writes) / CLUSTERS:.1f}, at most {max(writes)}",
                f"{max(writes)}",
                "≤ 5",
                max(writes) <= 5,
            ),
            Figure("the same: value reads per secret", "1.0", f"{reads:.2f}", f"{reads:.2f}", "1.0", reads == 1.0),
        ),
        (
            f"The last event was raised after {raised:.0f} s, the last list written after {ended:.0f} s.",
            f"Plans were delayed by {', '.join(f'{delay:.0f} s' for delay in rig.relay.delays)}.",
        ),
    )
