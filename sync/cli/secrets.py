"""What the commands about secrets show: checked files, the catalogue, removals that wait."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sync.certificates.items import Certificate
from sync.cli.output import ago, document, few, finding, say, say_findings, table
from sync.reports.secrets import SecretReport, SecretState, Verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sync.catalogue.entry import Entry, Held
    from sync.catalogue.secret import SecretKey
    from sync.certificates.items import Item
    from sync.commands.check import Checked
    from sync.reports.removals import HeldRemoval
    from sync.steps.runtime import Runtime

STYLES = {
    SecretState.IN_FORCE: "green",
    SecretState.UNASSIGNED: "dim",
    SecretState.DELETED: "dim",
    SecretState.REJECTED: "red",
    SecretState.LAST_STAYS: "red",
}
"""Standings that are not yellow."""


def show_checked(checked: Sequence[Checked], *, as_json: bool) -> None:
    """What the files hold, and what is wrong with them."""
    if as_json:
        document([_checked(each) for each in checked])
        return
    for each in checked:
        say(f"{each.name}: {'passes' if each.verdict.passes else 'rejected'}")
        for item in each.items:
            for line in _facts(item):
                say(line, indent=2)
        say_findings(each.verdict.findings)


def _checked(checked: Checked) -> dict[str, Any]:
    return {
        "file": checked.name,
        "passes": checked.verdict.passes,
        "items": [_item(item) for item in checked.items],
        "findings": [finding(found) for found in checked.verdict.findings],
    }


def _sha1(item: Item) -> str:
    return hashlib.sha1(item.der, usedforsecurity=False).hexdigest()


def _item(item: Item) -> dict[str, Any]:
    told = {"kind": item.kind.value, "sha256": item.sha256, "sha1": _sha1(item), "issuer": item.issuer}
    if isinstance(item, Certificate):
        named: dict[str, Any] = {"subject": item.subject, "application_uri": item.application_uri}
        return told | named | {"not_before": item.not_before, "not_after": item.not_after}
    counted: dict[str, Any] = {"number": item.number, "revoked": len(item.revoked)}
    return told | counted | {"this_update": item.this_update, "next_update": item.next_update}


def _facts(item: Item) -> Iterator[str]:
    if isinstance(item, Certificate):
        yield f"certificate {item.subject}"
        yield f"  issued by {'itself' if item.self_issued else item.issuer}"
        yield f"  valid {item.not_before:%Y-%m-%d} to {item.not_after:%Y-%m-%d %H:%M} UTC"
    else:
        until = f"next due {item.next_update:%Y-%m-%d %H:%M} UTC" if item.next_update else "no next one promised"
        yield f"CRL of {item.issuer}"
        yield f"  of {item.this_update:%Y-%m-%d %H:%M} UTC, {until}, revokes {len(item.revoked)}"
    yield f"  SHA-256 {item.sha256}"
    yield f"  SHA-1 {_sha1(item)}"


def judged(runtime: Runtime, entries: Sequence[Entry]) -> tuple[tuple[Entry, SecretReport], ...]:
    """The secrets with their verdicts, by vault and name."""
    desires = runtime.desires(runtime.decisions.snapshot())
    verdicts = Verdicts(desires, now=runtime.clock(), expiry_warning=runtime.expiry_warning)
    return tuple((entry, verdicts.of(entry)) for entry in sorted(entries, key=_by_key))


def _by_key(entry: Entry) -> SecretKey:
    return entry.key


def show_secrets(told: Sequence[tuple[Entry, SecretReport]], now: datetime, *, as_json: bool) -> None:
    """What the catalogue says of secrets: a table, and beneath it the findings."""
    if as_json:
        document([entry_document(entry, about) for entry, about in told])
        return
    if not told:
        say("The catalogue is empty: no secret of a watched vault was looked at yet.")
        return
    several = len({entry.key.vault for entry, _ in told}) > 1
    names = [str(entry.key) if several else entry.name for entry, _ in told]
    rows = [(name, *_row(entry, about, now)) for name, (entry, about) in zip(names, told, strict=True)]
    styles = {state.value: STYLES.get(state, "yellow") for state in SecretState}
    table(("secret", "state", "lists", "clusters", "looked at"), rows, styles=styles)
    for name, (_, about) in zip(names, told, strict=True):
        if about.findings:
            say(f"{name}:")
            say_findings(about.findings)


def _row(entry: Entry, about: SecretReport, now: datetime) -> tuple[str, ...]:
    clusters = entry.assignment.clusters if entry.assignment.lists else ""
    return (about.state.value, ",".join(entry.assignment.lists), clusters, ago(entry.looked, now))


def entry_document(entry: Entry, about: SecretReport) -> dict[str, Any]:
    """A secret as JSON has it."""
    return {
        "vault": entry.key.vault,
        "secret": entry.name,
        "state": about.state.value,
        "lists": entry.assignment.lists,
        "clusters": entry.assignment.clusters if entry.assignment.lists else None,
        "version": entry.newest.version if entry.newest else None,
        "findings": [finding(found) for found in about.findings],
        "looked_at": entry.looked,
    }


def show_removals(waiting: Sequence[HeldRemoval], *, as_json: bool) -> None:
    """What waits for a person."""
    if as_json:
        document([_held(each.held) for each in waiting])
        return
    for each in waiting:
        held = each.held
        say(f"{held.digest[:16]}  {'rejected' if held.rejected else 'waits'} since {held.since:%Y-%m-%d %H:%M} UTC")
        say(held.cause, indent=2)
        for loss in held.losses:
            count = len(loss.clusters)
            say(f"{loss.list}: {len(loss.files)} of {loss.held} files on {count} cluster{'s'[: count != 1]}", indent=2)
            say(f"files: {few(loss.files)}", indent=4)
            say(f"clusters: {few(loss.clusters)}", indent=4)
    say("To decide: `trustcast removals approve DIGEST` or `reject DIGEST`." if waiting else "Nothing waits.")


def _held(held: Held) -> dict[str, Any]:
    return {
        "digest": held.digest,
        "cause": held.cause,
        "since": held.since,
        "rejected": held.rejected,
        "losses": [asdict(loss) for loss in held.losses],
    }
