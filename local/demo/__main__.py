"""The demo: the whole way of a certificate, step by step; each step is checked by reading the clusters.

python -m local.demo            for people
python -m local.demo --json     one JSON object: steps (name, held, ms, detail) and latency_ms
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.text import Text

from local.demo.steps import STEPS, Failed, Scene
from local.stack import RESPONSIVE, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from local.clusters import LocalCluster
    from local.eventgrid.events import Delivery

STILL = "1s"


class Report:
    """Shows each step as it happens, or collects them for one JSON document."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.steps: list[dict[str, Any]] = []
        self._console = Console(highlight=False, soft_wrap=True, stderr=as_json, quiet=as_json)

    def say(self, text: str, style: str = "dim") -> None:
        """Print one line; foreign text is never read as markup."""
        self._console.print(Text(f"      {text}", style=style))

    def event(self, delivery: Delivery) -> None:
        """Print the outcome of a delivery."""
        self.say(f"event {delivery.event.name}: {delivery.result} ({delivery.status})", "cyan")

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Print and record one step: its name, whether it held, how long it took, what was seen."""
        number = len(self.steps) + 1
        self._console.print(Text(f"{number:>2}. {name}", style="bold"))
        detail: list[str] = []
        began = time.monotonic()
        held = False
        try:
            yield detail
            held = True
        except Failed as failure:
            detail.append(str(failure))
        finally:
            ms = round((time.monotonic() - began) * 1000)
            self.steps.append({"name": name, "held": held, "ms": ms, "detail": "; ".join(detail)})
            for line in detail:
                self.say(line, "" if held else "red")
            self._console.print(
                Text(f"    {'✓ held' if held else '✗ FAILED'} after {ms} ms", "green" if held else "bold red")
            )


def run(report: Report, clusters: Sequence[str | LocalCluster] | None) -> dict[str, list[float]]:
    """Start the stack and go through the steps; returns the latencies by cluster, in milliseconds."""
    settings = {**RESPONSIVE, "TRUSTCAST_STILL": STILL}
    with ExitStack() as open_parts:
        with report.step(
            "the stack starts: two vaults, Event Grid, three clusters, Azurite, the functions host"
        ) as seen:
            stack = open_parts.enter_context(
                Stack(clusters, settings=settings, watch=report.event)
                if clusters
                else Stack(settings=settings, watch=report.event)
            )
            seen.append(f"watched vault {stack.vault.url}, host {stack.host_url}")
        os.environ.update(stack.environment)
        scene = open_parts.enter_context(Scene(stack, report.say))
        for step in STEPS:
            with report.step((step.__doc__ or step.__name__).rstrip(".")) as seen:
                seen.extend(step(scene))
            if not report.steps[-1]["held"]:
                break
        return scene.latencies


def summary(report: Report, latencies: dict[str, list[float]]) -> dict[str, Any]:
    """The JSON document: steps, and latencies with their medians."""
    medians = {name: round(statistics.median(values)) for name, values in latencies.items() if values}
    return {
        "steps": report.steps,
        "latency_ms": {name: [round(v) for v in values] for name, values in latencies.items()},
        "latency_median_ms": medians,
    }


def main() -> None:
    """Run the demo; exit 0 only if every step held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--kube", choices=["stand-in", "real"], default="stand-in")
    chosen = parser.parse_args()
    report = Report(as_json=chosen.json)
    with ExitStack() as open_parts:
        clusters = open_parts.enter_context(_real_clusters()) if chosen.kube == "real" else None
        latencies = run(report, clusters)
    document = summary(report, latencies)
    failed = [step["name"] for step in report.steps if not step["held"]]
    if chosen.json:
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    else:
        report.say("")
        for name, median in document["latency_median_ms"].items():
            report.say(f"secret set → list applied on {name}: median {median} ms of {len(latencies[name])}", "bold")
        report.say(f"FAILED: {', '.join(failed)}" if failed else f"all {len(report.steps)} steps held", "bold")
    if failed:
        sys.stderr.write(f"the demo failed at: {', '.join(failed)}\n")
        sys.exit(1)


@contextmanager
def _real_clusters() -> Iterator[Sequence[LocalCluster]]:
    from local.demo.real_clusters import real_clusters  # noqa: PLC0415  needs kube-apiserver

    with real_clusters() as clusters:
        yield clusters


if __name__ == "__main__":
    main()
