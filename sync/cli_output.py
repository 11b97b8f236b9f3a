"""What the commands print: tables for people, or one JSON document. Foreign text is plain text, never markup."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sync.findings import printable
from sync.plan import Verb
from sync.status import ListStatus, State
from sync.verdicts import secret_verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sync.catalogue import Entry, Held
    from sync.checking import Checked
    from sync.clusters import Registration
    from sync.findings import Finding
    from sync.ports import Snapshot
    from sync.preview import Preview
    from sync.secret import SecretKey
    from sync.service import Service
    from sync.steering import HeldRemoval
    from sync.verdicts import SecretVerdict

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """One line."""
    console.print(Text(printable(text)))


def error(text: str) -> None:
    """One line on standard error."""
    errors.print(Text(f"trustcast: {text}"))


def _json(document: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=2).decode() + "\n")


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(title=title, title_justify="left", show_lines=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def _said(findings: Iterable[Finding]) -> str:
    return "\n".join(dict.fromkeys(f"{f.code.value}: {f.sentence()}" for f in findings))


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code.value,
        "severity": finding.code.severity.value,
        "detail": finding.detail,
        "sentence": finding.sentence(),
        "lists": [role.value for role in finding.roles],
    }


def show_checked(checked: Sequence[Checked], *, as_json: bool) -> None:
    """What the files hold, and what is wrong with them."""
    if as_json:
        _json(
            [
                {
                    "file": each.name,
                    "passes": each.verdict.passes,
                    "items": [{"kind": item.kind.value, "sha256": item.sha256} for item in each.items],
                    "findings": [_finding(f) for f in each.verdict.findings],
                }
                for each in checked
            ]
        )
        return
    rows = [
        (each.name, "passes" if each.verdict.passes else "rejected", str(len(each.items)), _said(each.verdict.findings))
        for each in checked
    ]
    _table("Files", ("file", "verdict", "items", "findings"), rows)


def _held(held: Held) -> dict[str, Any]:
    return {
        "digest": held.digest,
        "cause": held.cause,
        "since": held.since.isoformat(),
        "rejected": held.refused,
        "losses": [asdict(loss) for loss in held.losses],
    }


def show_registered(registration: Registration, held: Held | None, *, as_json: bool) -> None:
    """A registration, or what it waits for."""
    if as_json:
        _json({"registered": held is None, "cluster": registration.name, "held": _held(held) if held else None})
    elif held:
        say(f"{registration.name} stays as it was: the change takes files from lists and waits for approval")
        say(f"read `trustcast removals list`; digest {held.digest[:12]}")
    else:
        say(f"{registration.name} is registered: {registration.host}, CA {registration.ca_sha256[:16]}")


def show_clusters(registrations: Sequence[Registration], *, as_json: bool) -> None:
    """The registered clusters."""
    if as_json:
        _json([asdict(each) for each in registrations])
        return
    rows = [
        (
            each.name,
            ",".join(f"{k}={v}" for k, v in sorted(each.labels.items())),
            ",".join(override.name for override in each.lists) or "all",
            "paused" if each.paused else each.mode.value,
            each.host,
            each.access.secret,
        )
        for each in registrations
    ]
    _table("Clusters", ("name", "labels", "lists", "mode", "host", "credential"), rows)


def _entry(entry: Entry, about: SecretVerdict) -> dict[str, Any]:
    return {
        "vault": entry.key.vault,
        "secret": entry.name,
        "standing": about.standing.value,
        "lists": list(entry.assignment.lists),
        "clusters": entry.assignment.clusters if entry.assignment.lists else "",
        "version": entry.newest.version if entry.newest else None,
        "findings": [_finding(f) for f in about.findings],
        "looked_at": entry.looked.isoformat(),
    }


def show_secrets(service: Service, entries: Sequence[Entry], *, as_json: bool) -> None:
    """What the catalogue says of secrets."""
    desires = service.desires(service.decisions.snapshot())
    warning, now = service.expiry_warning, service.clock()
    told = [
        (each, secret_verdict(each, desires, now=now, expiry_warning=warning)) for each in sorted(entries, key=_by_key)
    ]
    if as_json:
        _json([_entry(entry, about) for entry, about in told])
        return
    rows = [
        (
            f"{entry.key.vault}/{entry.name}",
            ",".join(entry.assignment.lists),
            entry.assignment.clusters if entry.assignment.lists else "",
            about.standing.value,
            _said(about.findings),
        )
        for entry, about in told
    ]
    _table("Secrets", ("secret", "lists", "clusters", "standing", "findings"), rows)


def _by_key(entry: Entry) -> SecretKey:
    return entry.key


def show_plans(previews: Sequence[Preview], *, as_json: bool) -> None:
    """What would change, list by list."""
    if as_json:
        _json(
            [
                {
                    "cluster": each.cluster,
                    "list": each.list,
                    "error": printable(str(each.error)) if each.error else None,
                    "writes": each.plan.writes if each.plan else None,
                    "changes": [asdict(change) for change in each.plan.changes] if each.plan else [],
                }
                for each in previews
            ]
        )
        return
    for each in previews:
        if each.plan is None:
            say(f"{each.cluster}/{each.list}: {each.error}")
            continue
        where = f"{each.cluster}/{each.list}: {'changes' if each.plan.writes else 'nothing to write'}"
        rows = [
            (c.verb.value, printable(c.file), c.before[:12], c.after[:12], c.reason)
            for c in each.plan.changes
            if c.verb is not Verb.KEEP or c.reason
        ]
        if rows:
            _table(where, ("what", "file", "before", "after", "why"), rows)
        else:
            say(where)


def show_statuses(statuses: Sequence[ListStatus], snapshot: Snapshot, service: Service, *, as_json: bool) -> bool:
    """Every list of every cluster, those that differ first; whether all are in sync (paused ones count as such)."""
    now = service.clock()
    bound = service.rhythm.bound
    ordered = sorted(statuses, key=lambda s: (s.state is State.IN_SYNC, s.cluster, s.list))
    fine = all(s.state in {State.IN_SYNC, State.PAUSED} for s in ordered)
    silent = sorted(set(snapshot.clusters) - {s.cluster for s in statuses})
    if as_json:
        rows = [_status(s, now, stale=s.overdue(now, bound)) for s in ordered]
        _json({"in_sync": fine, "head": snapshot.head.token, "lists": rows})
        return fine
    _table(
        "Lists",
        ("cluster", "list", "state", "files", "others'", "verified", "what to do"),
        [
            (
                s.cluster,
                s.list,
                s.state.value,
                str(len(s.applied)),
                str(len(s.unmanaged)),
                _ago(s.verified, now) + (" STALE" if s.overdue(now, bound) and s.state is not State.PAUSED else ""),
                "" if s.state is State.IN_SYNC else f"{s.detail}\n{s.state.sentence}".strip(),
            )
            for s in ordered
        ],
    )
    for name in silent:
        say(f"{name}: not pushed yet")
    return fine


def _status(status: ListStatus, now: datetime, *, stale: bool) -> dict[str, Any]:
    return {
        "cluster": status.cluster,
        "list": status.list,
        "state": status.state.value,
        "detail": status.detail,
        "remedy": status.state.sentence,
        "files": status.applied,
        "unmanaged": status.unmanaged,
        "unaccounted": list(status.unaccounted),
        "conflicts": list(status.conflicts),
        "waiting": list(status.waiting),
        "last_verified": status.verified.isoformat() if status.verified else None,
        "last_changed": status.changed.isoformat() if status.changed else None,
        "next_attempt": status.due.isoformat() if status.due else None,
        "stale": stale,
        "age_seconds": (now - status.verified).total_seconds() if status.verified else None,
    }


def _ago(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "never"
    seconds = int((now - moment).total_seconds())
    return f"{seconds} s ago" if seconds < 120 else f"{seconds // 60} min ago"  # noqa: PLR2004


def show_where(statuses: Sequence[ListStatus], thumbprint: str, *, as_json: bool) -> None:
    """Where a certificate is, as last observed: ours and others', offline clusters included."""
    wanted = thumbprint.replace(":", "").replace(" ", "").lower()
    found = [
        (s, name, name in s.applied)
        for s in statuses
        for name, prints in s.thumbprints.items()
        if any(p.startswith(wanted) for p in prints)
    ]
    if as_json:
        _json(
            [
                {
                    "cluster": s.cluster,
                    "list": s.list,
                    "file": name,
                    "ours": ours,
                    "state": s.state.value,
                    "last_verified": s.verified.isoformat() if s.verified else None,
                }
                for s, name, ours in found
            ]
        )
        return
    rows = [
        (s.cluster, s.list, printable(name), "ours" if ours else "others'", s.state.value) for s, name, ours in found
    ]
    _table("Where it is, as last observed", ("cluster", "list", "file", "whose", "state"), rows)


def show_removals(waiting: Sequence[HeldRemoval], *, as_json: bool) -> None:
    """What waits for a person."""
    if as_json:
        _json([_held(each.held) for each in waiting])
        return
    for each in waiting:
        held = each.held
        say(f"{held.digest}  {'rejected' if held.refused else 'waits'} since {held.since:%Y-%m-%d %H:%M} UTC")
        say(f"  {held.cause}")
        for loss in held.losses:
            say(f"  {loss.list}: {len(loss.files)} of {loss.held} files on {len(loss.clusters)} clusters")
            say(f"    files {', '.join(loss.files)}")
            say(f"    clusters {', '.join(loss.clusters)}")
    if not waiting:
        say("nothing waits")
