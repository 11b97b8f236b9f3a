"""The lists of clusters, as text or JSON: plans, statuses, where a certificate is."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sync.cli.output import ago, document, few, say, table
from sync.cli.show.clusters import NO_CLUSTER
from sync.reconcile.comparison import WRITES, Action
from sync.reconcile.status import ListStatus, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sync.commands.preview import Preview
    from sync.reconcile.comparison import Change
    from sync.reconcile.ownership import OwnedFile
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


def show_plans(previews: Sequence[Preview], *, as_json: bool) -> None:
    """What would change, list by list."""
    if as_json:
        document([_plan(each) for each in previews])
    else:
        _say_plans(previews)


def _plan(preview: Preview) -> dict[str, Any]:
    return {
        "cluster": preview.cluster,
        "list": preview.list,
        "error": str(preview.error) if preview.error else None,
        "writes": preview.plan.writes if preview.plan else None,
        "withheld": preview.withheld,
        "changes": [_change(change) for change in preview.plan.changes] if preview.plan else [],
    }


def _change(change: Change) -> dict[str, Any]:
    return asdict(change) | {"owner": str(change.owner) if change.owner else None}


def _say_plans(previews: Sequence[Preview]) -> None:
    for each in previews:
        if each.plan is None:
            say(f"{each.cluster}/{each.list}: {each.error}")
            continue
        rows = [
            (c.action.value, c.file, c.before[:12], c.after[:12], str(c.owner or ""), c.reason)
            for c in each.plan.changes
            if c.action in WRITES or (c.reason and c.action is not Action.UNMANAGED)
        ]
        if rows:
            say(f"{each.cluster}/{each.list}:{f' {each.withheld}' if each.withheld else ''}")
            table(
                ("  what", "file", "before", "after", "secret", "why"),
                [(f"  {action}", *rest) for action, *rest in rows],
            )
    same = sum(each.plan is not None and not each.plan.writes for each in previews)
    say(f"{same} of {len(previews)} lists need no write.")


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
    if any(map(freshness.stale, report.lists)):
        minutes = int(freshness.bound.total_seconds() // 60)
        say(f"STALE: not verified within {minutes} min; unless it is offline, look whether check_drift runs.")
    say(_counts(report))


def _counts(report: StatusReport) -> str:
    """One line: lists by state, secrets that are not as they should be, what waits for a person."""
    lists = ", ".join(f"{count} {state}" for state, count in report.counts.items())
    secrets = ", ".join(f"{count} {state}" for state, count in report.secrets.items())
    parts = [f"lists: {lists}", f"secrets: {secrets or 'all as they should be'}"]
    if report.questions:
        parts.append(f"{report.questions} wait for a person, see `trustcast removals list`")
    return "; ".join(parts)


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
    if status.detail:
        yield status.detail
    for why in dict.fromkeys(each.why for each in status.kept):
        yield f"kept: {few([each.file for each in status.kept if each.why == why])} ({why})"
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
        "left": [{"file": each.file, "at": each.at} for each in status.left],
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
