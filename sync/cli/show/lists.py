"""The lists of clusters, as text or JSON: their statuses, and where a certificate is."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sync.cli.output import ago, document, few, say, table
from sync.cli.show.clusters import NO_CLUSTER
from sync.cli.show.removals import held_as_json, say_held
from sync.reconcile.status import ListStatus, State
from sync.text import many

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sync.reconcile.holds import Leaving
    from sync.reconcile.ownership import OwnedFile
    from sync.reconcile.status import KeptFile
    from sync.reports.freshness import Freshness, StatusReport
    from sync.reports.whereabouts import Place, Whereabouts

STYLES = {
    State.IN_SYNC: "green",
    State.PAUSED: "dim",
    State.PENDING: "yellow",
    State.OFFLINE: "yellow",
    State.DRIFTED: "yellow",
    State.REMOVAL_HELD: "yellow",
}
"""States that are not red."""


def show_status(report: StatusReport, *, as_json: bool) -> None:
    """Every list, those that need attention first."""
    if as_json:
        rows = [_status(each, report.freshness) for each in report.lists]
        not_pushed = [{"cluster": cluster, "list": name} for cluster, name in report.not_pushed]
        document(
            {
                "in_sync": report.in_sync,
                "counts": report.counts,
                "secrets": report.secrets,
                "waiting_for_a_person": report.questions,
                "lists": rows,
                "not_pushed": not_pushed,
            }
        )
    else:
        _say_status(report)


def _say_status(report: StatusReport) -> None:
    freshness = report.freshness
    rows = [_status_row(s, freshness) for s in report.lists]
    rows += [(*each, "not pushed yet", "", "", "", "", "") for each in report.not_pushed]
    if not rows:
        say(NO_CLUSTER)
        return
    styles = {state.value: STYLES.get(state, "red") for state in State}
    headings = ("cluster", "list", "state", "files", "others'", "verified", "changed", "detail")
    table(headings, rows, styles=styles)
    for state in dict.fromkeys(s.state for s in report.lists if s.state is not State.IN_SYNC):
        say(f"{state.value}: {state.sentence}")
    _say_held(report.lists)
    _say_kept(report.lists)
    if any(map(freshness.stale, report.lists)):
        minutes = int(freshness.bound.total_seconds() // 60)
        say(f"STALE: not verified within {minutes} min; unless it is offline, look whether check_drift runs.")
    say(_counts(report))


def _say_held(lists: Iterable[ListStatus]) -> None:
    """What lists hold back; equal ones are one question."""
    alike: dict[tuple[str, tuple[Leaving, ...]], list[ListStatus]] = defaultdict(list)
    for status in lists:
        if status.held:
            alike[status.list, status.held].append(status)
    for (list_name, held), statuses in alike.items():
        left = sorted({each.file for status in statuses for each in status.left})
        say_held(_places(statuses), held, list_name, left, names=True)


def _say_kept(lists: Iterable[ListStatus]) -> None:
    """What stays without being wanted, whose it is and why; lists that keep the same are told together."""
    alike: dict[tuple[str, tuple[str, ...]], list[ListStatus]] = defaultdict(list)
    for status in lists:
        held = {each.file for each in status.held}
        kept = [each for each in status.kept if each.file not in held]
        for why in dict.fromkeys(each.why for each in kept):
            alike[why, tuple(_of_owner(each) for each in kept if each.why == why)].append(status)
    for (why, files), statuses in alike.items():
        say(f"{_places(statuses)}: {many(len(files), 'file')} kept, {why}: {few(files)}")


def _places(statuses: Sequence[ListStatus]) -> str:
    return few([f"{status.cluster}/{status.list}" for status in statuses])


def _of_owner(kept: KeptFile) -> str:
    return f"{kept.file} of {kept.owner}" if kept.owner else kept.file


def _counts(report: StatusReport) -> str:
    """The last line: lists by state, secrets that are not as they should be, what waits for a person."""
    lists = ", ".join(f"{count} {state}" for state, count in report.counts.items())
    secrets = ", ".join(f"{state} {count}" for state, count in report.secrets.items())
    questions = f"{report.questions}, see `trustcast removals list`" if report.questions else "none"
    return f"lists: {lists}; secrets: {secrets or 'all as they should be'}; waiting for a person: {questions}"


def _status_row(status: ListStatus, freshness: Freshness) -> tuple[str, ...]:
    return (
        status.cluster,
        status.list,
        status.state.value,
        str(len(status.files)),
        str(len(status.unmanaged) + status.unlisted),
        _verified(status, freshness),
        ago(status.changed, freshness.now),
        "; ".join(_details(status, freshness)),
    )


def _verified(status: ListStatus, freshness: Freshness) -> str:
    if status.verified is None:
        return "never"
    return ago(status.verified, freshness.now) + (" STALE" if freshness.stale(status) else "")


def _details(status: ListStatus, freshness: Freshness) -> Iterable[str]:
    """What is said of one list alone; what lists hold and keep is said beneath the table."""
    if status.detail and status.state is not State.REMOVAL_HELD:
        yield status.detail
    if status.held:
        yield f"{many(len(status.held), 'file')} held"
    if kept := len(status.kept) - len(status.held):
        yield f"{many(kept, 'file')} kept"
    if status.unlisted:
        yield f"{status.unlisted} more files of others are not listed"
    if status.failures and status.due is not None:
        yield f"next attempt in {max(0, int((status.due - freshness.now).total_seconds()))} s"


def _status(status: ListStatus, freshness: Freshness) -> dict[str, Any]:
    return {
        "cluster": status.cluster,
        "list": status.list,
        "state": status.state.value,
        "detail": status.detail,
        "remedy": status.state.sentence,
        "files": {name: _owned(file) for name, file in status.files.items()},
        "kept": [
            {"file": k.file, "secret": str(k.owner) if k.owner else None, "version": k.version, "why": k.why}
            for k in status.kept
        ],
        "held": held_as_json(status.held, status.list),
        "left_within_24_hours": [{"file": each.file, "at": each.at} for each in status.left],
        "unmanaged": status.unmanaged,
        "unlisted": status.unlisted,
        "unaccounted": status.unaccounted,
        "conflicts": status.conflicts,
        "over_limit": status.over_limit,
        "last_verified": status.verified,
        "last_changed": status.changed,
        "last_attempted": status.attempted,
        "next_attempt": status.due,
        "stale": freshness.stale(status),
        "age_seconds": (freshness.now - status.verified).total_seconds() if status.verified else None,
    }


def _owned(file: OwnedFile) -> dict[str, Any]:
    secret = str(file.owner) if file.owner else None
    return {"sha256": file.sha256, "secret": secret, "version": file.version, "shared": file.shared}


def show_whereabouts(found: Whereabouts, now: datetime, *, as_json: bool) -> None:
    """Where a certificate is."""
    if as_json:
        document([_place(each) for each in found.places])
        return
    if found.places:
        table(
            ("cluster", "list", "file", "whose", "state", "last verified"),
            [_place_row(each, now) for each in found.places],
        )
    else:
        say("No list holds it, as last observed.")
    if found.not_searched:
        names = [f"{each.cluster}/{each.list}" for each in found.not_searched]
        say(f"Of very many files of others the last by name were not looked into: {few(names)}")


def _place_row(place: Place, now: datetime) -> tuple[str, ...]:
    status = place.status
    whose = "ours" if place.ours else "another writer's"
    return (status.cluster, status.list, place.file, whose, status.state.value, ago(status.verified, now))


def _place(place: Place) -> dict[str, Any]:
    return {
        "cluster": place.status.cluster,
        "list": place.status.list,
        "file": place.file,
        "ours": place.ours,
        "state": place.status.state.value,
        "last_verified": place.status.verified,
    }
