"""What the commands about clusters show: registrations, plans, statuses, where a certificate is."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sync.cli.output import ago, document, few, say, table
from sync.errors import Invalid
from sync.reconcile.plan import WRITES, Action
from sync.reconcile.status import ListStatus, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sync.catalogue.entry import Held
    from sync.commands.preview import Preview
    from sync.fleet.clusters import Registration
    from sync.fleet.configuration import Configuration
    from sync.reports.freshness import Freshness

SHORTEST_THUMBPRINT = 8
"""Hexadecimal digits; fewer are too easily mistaken."""

STYLES = {
    State.IN_SYNC: "green",
    State.PAUSED: "dim",
    State.PENDING: "yellow",
    State.OFFLINE: "yellow",
    State.DRIFTED: "yellow",
    State.REMOVAL_HELD: "yellow",
}
"""States that are not red."""


def show_registered(registration: Registration, held: Held | None, *, as_json: bool) -> None:
    """A registration, or what it waits for."""
    if as_json:
        digest = held.digest if held else None
        document({"cluster": registration.name, "registered": held is None, "held": digest, **_pins(registration)})
    elif held:
        say(f"{registration.name} stays as it was: the change takes files from lists and waits for approval.")
        say(f"Read `trustcast removals list`, then `trustcast removals approve {held.digest[:12]}` or reject it.")
    else:
        say(f"{registration.name} is registered: {registration.host}, CA SHA-256 {registration.ca_sha256}")


def _pins(registration: Registration) -> dict[str, str]:
    return {"host": registration.host, "ca_sha256": registration.ca_sha256}


def show_clusters(registrations: Sequence[Registration], *, as_json: bool) -> None:
    """The registered clusters."""
    if as_json:
        document([asdict(each) for each in registrations])
    elif registrations:
        table(("cluster", "labels", "lists", "mode", "host", "credential"), map(_cluster_row, registrations))
    else:
        say("No cluster is registered; see `trustcast clusters add --help`.")


def _cluster_row(registration: Registration) -> tuple[str, ...]:
    return (
        registration.name,
        ",".join(f"{k}={v}" for k, v in sorted(registration.labels.items())),
        " ".join(map(str, registration.lists)) or "all",
        "paused" if registration.paused else registration.mode.value,
        registration.host,
        registration.access.secret,
    )


def show_plans(previews: Sequence[Preview], *, as_json: bool) -> bool:
    """What would change, list by list; whether every list could be read."""
    if as_json:
        document([_plan(each) for each in previews])
    else:
        _say_plans(previews)
    return all(each.plan is not None for each in previews)


def _plan(preview: Preview) -> dict[str, Any]:
    return {
        "cluster": preview.cluster,
        "list": preview.list,
        "error": str(preview.error) if preview.error else None,
        "writes": preview.plan.writes if preview.plan else None,
        "withheld": preview.withheld,
        "changes": [asdict(change) for change in preview.plan.changes] if preview.plan else [],
    }


def _say_plans(previews: Sequence[Preview]) -> None:
    for each in previews:
        if each.plan is None:
            say(f"{each.cluster}/{each.list}: {each.error}")
            continue
        rows = [
            (c.action.value, c.file, c.before[:12], c.after[:12], c.reason)
            for c in each.plan.changes
            if c.action in WRITES or (c.reason and c.action is not Action.UNMANAGED)
        ]
        if rows:
            say(f"{each.cluster}/{each.list}:{f' {each.withheld}' if each.withheld else ''}")
            table(("  what", "file", "before", "after", "why"), [(f"  {action}", *rest) for action, *rest in rows])
    same = sum(each.plan is not None and not each.plan.writes for each in previews)
    say(f"{same} of {len(previews)} lists need no write.")


def show_statuses(
    statuses: Sequence[ListStatus],
    registrations: Sequence[Registration],
    configuration: Configuration,
    freshness: Freshness,
    *,
    as_json: bool,
) -> bool:
    """Every list of these clusters, those that differ first; whether there is nothing to do."""
    known = {(s.cluster, s.list): s for s in statuses}
    wanted = [(r, d.name) for r in registrations for d in r.definitions(configuration)]
    shown = [known[r.name, name] for r, name in wanted if (r.name, name) in known]
    missing = sorted((r.name, name) for r, name in wanted if (r.name, name) not in known and not r.paused)
    shown.sort(key=lambda s: (freshness.fine(s), s.cluster, s.list))
    fine = not missing and all(freshness.fine(s) for s in shown)
    if as_json:
        rows = [_status(s, freshness) for s in shown]
        document({"in_sync": fine, "lists": rows, "not_pushed": [{"cluster": c, "list": name} for c, name in missing]})
    else:
        _say_statuses(shown, missing, freshness)
    return fine


def _say_statuses(shown: Sequence[ListStatus], missing: Sequence[tuple[str, str]], freshness: Freshness) -> None:
    rows = [_status_row(s, freshness) for s in shown] + [
        (*each, "not pushed yet", "", "", "", "", "") for each in missing
    ]
    if not rows:
        say("No cluster is registered; see `trustcast clusters add --help`.")
        return
    styles = {state.value: STYLES.get(state, "red") for state in State}
    headings = ("cluster", "list", "state", "files", "others'", "verified", "changed", "detail")
    table(headings, rows, styles=styles)
    for state in dict.fromkeys(s.state for s in shown if s.state is not State.IN_SYNC):
        say(f"{state.value}: {state.sentence}")
    if any(freshness.stale(s) for s in shown):
        minutes = int(freshness.bound.total_seconds() // 60)
        say(f"STALE: not verified within {minutes} min; unless it is offline, look whether check_drift runs.")


def _status_row(status: ListStatus, freshness: Freshness) -> tuple[str, ...]:
    return (
        status.cluster,
        status.list,
        status.state.value,
        str(len(status.applied)),
        str(len(status.unmanaged) + status.unlisted),
        ago(status.verified, freshness.now) + (" STALE" if freshness.stale(status) else ""),
        ago(status.changed, freshness.now),
        "; ".join(_details(status, freshness)),
    )


def _details(status: ListStatus, freshness: Freshness) -> Iterable[str]:
    if status.detail:
        yield status.detail
    if status.unaccounted:
        yield f"unaccounted: {few(status.unaccounted)}"
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
        "files": status.applied,
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


def show_where(statuses: Sequence[ListStatus], thumbprint: str, now: datetime, *, as_json: bool) -> bool:
    """Where a certificate is, as last observed: ours and others', offline clusters included; whether anywhere.

    Raises:
        Invalid: it is no thumbprint, nor the beginning of one.
    """
    wanted = "".join(thumbprint.replace(":", "").split()).lower()
    if len(wanted) < SHORTEST_THUMBPRINT or set(wanted) - set("0123456789abcdef"):
        raise Invalid(
            f"a thumbprint is SHA-256 or SHA-1 in hexadecimal, at least its first {SHORTEST_THUMBPRINT} digits"
        )
    found = [
        (status, name)
        for status in sorted(statuses, key=lambda s: (s.cluster, s.list))
        for name, prints in sorted(status.thumbprints.items())
        if any(each.startswith(wanted) for each in prints)
    ]
    if as_json:
        document([_place(status, name) for status, name in found])
    elif found:
        headings = ("cluster", "list", "file", "whose", "state", "last verified")
        rows = [(s.cluster, s.list, n, _whose(s, n), s.state.value, ago(s.verified, now)) for s, n in found]
        table(headings, rows)
    else:
        say("No list holds it, as last observed.")
    if (beyond := [f"{s.cluster}/{s.list}" for s in statuses if s.unlisted]) and not as_json:
        say(f"Of very many files of others the last by name were not looked into: {few(beyond)}")
    return bool(found)


def _place(status: ListStatus, name: str) -> dict[str, Any]:
    return {
        "cluster": status.cluster,
        "list": status.list,
        "file": name,
        "ours": name in status.applied,
        "state": status.state.value,
        "last_verified": status.verified,
    }


def _whose(status: ListStatus, name: str) -> str:
    return "ours" if name in status.applied else "another writer's"
