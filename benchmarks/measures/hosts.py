"""The same change through everything: Event Grid's stand-in, the host with its queues, one cluster; delays included."""

from __future__ import annotations

import time

from benchmarks.figures import Figure, Report, milliseconds
from benchmarks.stack.rig import TAGS, certificate
from local.stack import Stack

CHANGES = 8
STILL = "1s"


def run() -> Report:
    samples: list[float] = []
    with Stack(("lab",), settings={"TRUSTCAST_STILL": STILL}) as stack:
        stack.register("lab")
        for number in range(CHANGES + 1):
            time.sleep(1.3)  # a change after stillness is planned without delay
            name = f"plc{number:02}"
            began = time.perf_counter()
            stack.vault.set(name, certificate(name).pem, tags=TAGS)
            while f"{name}.der" not in stack.clusters["lab"].files("aio-opc-ua-broker-trust-list"):
                if time.perf_counter() - began > 60:
                    raise TimeoutError(name)
                time.sleep(0.005)
            samples.append(time.perf_counter() - began)
    return Report(
        "hosts",
        (
            Figure(
                f"change → 1 cluster through Event Grid, host and queues ({CHANGES} changes)",
                "—",
                milliseconds(samples[1:]),
                "",
                "≤ 3 s (median)",
                sorted(samples[1:])[CHANGES // 2] <= 3,
            ),
        ),
        (
            "Most of it is waiting: the host polls its queues at most every second, twice (plan, push).",
            f"Changes within TRUSTCAST_STILL ({STILL} here, 5 s by default) wait 2 to 16 s more, to be gathered.",
        ),
    )
