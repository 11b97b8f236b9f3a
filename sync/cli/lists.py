"""The commands `plan`, `sync` and `status`: what is on the clusters' lists, and what should be."""
# ruff: noqa: PLC0415  each command imports what it needs when it runs: --help starts at once

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from sync.cli.command import AsJson, Names, answer, current_runtime
from sync.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sync.fleet.clusters import Registration
    from sync.steps.runtime import Runtime

T = TypeVar("T")

CLI_WORKERS = 16
"""Clusters worked on at the same time by one command."""


def plan(names: Names = None, as_json: AsJson = False) -> None:
    """Show what a push would change on each list. Nothing is written; exit 1 if one could not be read."""
    from sync.cli.show.plans import show_plans
    from sync.commands.preview import preview_cluster

    runtime = current_runtime()
    previews = _each(_chosen(runtime, names), lambda name: preview_cluster(runtime, name))
    show_plans(previews, as_json=as_json)
    answer(all(each.plan is not None for each in previews))


def sync_now(names: Names = None, as_json: AsJson = False) -> None:
    """Push clusters now. Exit 1 if a list is not in sync afterwards."""
    from sync.steps.push import push_cluster

    runtime = current_runtime()
    chosen = _chosen(runtime, names)
    _each(chosen, lambda name: push_cluster(runtime, name))
    _status(runtime, chosen, as_json)


def status(
    names: Names = None,
    thumbprint: Annotated[
        str | None, typer.Option(help="SHA-256 or SHA-1 of a certificate: where is it, no matter who wrote it?")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every list, or where a certificate is. Exit 1 if anything is not as it should be, or it is nowhere."""
    runtime = current_runtime()
    chosen = _chosen(runtime, names)
    if thumbprint is None:
        _status(runtime, chosen, as_json)
    else:
        _whereabouts(runtime, chosen, thumbprint, as_json)


def _status(runtime: Runtime, chosen: Sequence[Registration], as_json: bool) -> None:
    from sync.cli.show.lists import show_status
    from sync.reports.freshness import Freshness, status_report
    from sync.reports.removals import questions
    from sync.reports.secrets import Verdicts

    freshness = Freshness(runtime.clock(), runtime.intervals.bound)
    snapshot, statuses = runtime.decisions.snapshot(fresh=True), runtime.statuses.all()
    state = runtime.desired_state(snapshot)
    verdicts = Verdicts(state, now=runtime.clock(), expiry_warning=runtime.expiry_warning)
    report = status_report(
        statuses,
        chosen,
        state.configuration,
        freshness,
        secrets=verdicts.not_as_they_should_be(),
        questions=sum(not question.rejected for question in questions(snapshot, statuses)),
    )
    show_status(report, as_json=as_json)
    answer(report.in_sync)


def _whereabouts(runtime: Runtime, chosen: Sequence[Registration], thumbprint: str, as_json: bool) -> None:
    from sync.cli.show.lists import show_whereabouts
    from sync.reports.freshness import as_called_now
    from sync.reports.whereabouts import find_certificate

    configuration = runtime.in_force(runtime.decisions.snapshot())
    found = find_certificate(as_called_now(runtime.statuses.all(), chosen, configuration), thumbprint)
    show_whereabouts(found, runtime.clock(), as_json=as_json)
    answer(found.anywhere)


def _chosen(runtime: Runtime, names: Sequence[str] | None) -> list[Registration]:
    """The registered clusters of these names, by name; all of them where none is named."""
    registered = runtime.decisions.snapshot(fresh=True).clusters
    unknown = [name for name in names or () if name not in registered]
    if unknown:
        raise NotFound(f"no cluster {', '.join(unknown)} is registered; see `trustcast clusters list`")
    return [registered[name] for name in sorted(set(names or registered))]


def _each(chosen: Sequence[Registration], work: Callable[[str], tuple[T, ...]]) -> tuple[T, ...]:
    """The work's results for every cluster, several clusters at a time."""
    with ThreadPoolExecutor(CLI_WORKERS) as pool:
        return tuple(result for results in pool.map(work, [each.name for each in chosen]) for result in results)
