"""The catalogue, as text or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sync.cli.output import ago, document, few, finding, say, say_findings, table
from sync.cli.show.removals import say_question
from sync.reports.secrets import SecretReport, SecretState
from sync.text import many

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sync.catalogue.entry import Entry
    from sync.commands.assignment import AssignmentPreview
    from sync.reports.removals import Question

STYLES = {
    SecretState.IN_FORCE: "green",
    SecretState.UNASSIGNED: "dim",
    SecretState.DELETED: "dim",
    SecretState.REJECTED: "red",
    SecretState.LAST_STAYS: "red",
}
"""States that are not yellow."""


def say_where(preview: AssignmentPreview) -> None:
    """Before tags are written: which clusters they name."""
    selector, reached = preview.assignment.clusters, preview.clusters
    if not preview.assignment.lists:
        say(f"{preview.key} will be on no list; {many(len(preview.loses), 'cluster')} lose it.")
    elif reached:
        say(f"{selector} selects {many(len(reached), 'cluster')}: {few(reached)}")
    else:
        say(f"{selector} selects no registered cluster that this vault's secrets may reach.")


def show_preview(preview: AssignmentPreview, *, as_json: bool) -> None:
    """What an assignment would do."""
    if as_json:
        document(
            {
                "secret": str(preview.key),
                "lists": preview.assignment.lists,
                "selector": preview.assignment.clusters,
                "files": preview.files,
                "clusters": preview.clusters,
                "gains": preview.gains,
                "loses": preview.loses,
                "waits": preview.waits,
            }
        )
        return
    say_where(preview)
    say(f"files: {few(preview.files) or 'known once its value is read'}")
    say(f"clusters that get it: {few(preview.gains) or 'none'}")
    say(f"clusters that lose it: {few(preview.loses) or 'none'}")
    if preview.waits:
        say("That is too many at once: the assignment would wait, see `trustcast removals list` then.")
    say("Nothing was written.")


def show_assigned(
    report: tuple[Entry, SecretReport] | None, waits: Question | None, now: datetime, *, as_json: bool
) -> None:
    """The secret that was assigned, and the question that its assignment waits for."""
    if as_json:
        document({"secret": _entry(*report) if report else None, "waits": waits.digest if waits else None})
        return
    show_secrets([report] if report else [], now, as_json=False)
    if waits:
        say_question(waits)


def show_secrets(reports: Sequence[tuple[Entry, SecretReport]], now: datetime, *, as_json: bool) -> None:
    """What the catalogue says of secrets: a table, and beneath it the findings."""
    if as_json:
        document([_entry(entry, report) for entry, report in reports])
        return
    if not reports:
        say("The catalogue is empty: no secret of a watched vault was looked at yet.")
        return
    several = len({entry.key.vault for entry, _ in reports}) > 1
    names = [str(entry.key) if several else entry.name for entry, _ in reports]
    rows = [(name, *_row(entry, report, now)) for name, (entry, report) in zip(names, reports, strict=True)]
    styles = {state.value: STYLES.get(state, "yellow") for state in SecretState}
    table(("secret", "state", "lists", "clusters", "looked at"), rows, styles=styles)
    for name, (_, report) in zip(names, reports, strict=True):
        if report.findings or report.differs:
            say(f"{name}:")
            if report.differs:
                say(_by_list(report), indent=2)
            say_findings(report.findings)


def _by_list(report: SecretReport) -> str:
    """How it stands on each list: `in force on trust; rejected on issuer`."""
    return "; ".join(f"{state.value} on {name}" for name, state in report.lists.items())


def _row(entry: Entry, report: SecretReport, now: datetime) -> tuple[str, ...]:
    clusters = entry.assignment.clusters if entry.assignment.lists else ""
    return (report.state.value, ",".join(entry.assignment.lists), clusters, ago(entry.looked, now))


def _entry(entry: Entry, report: SecretReport) -> dict[str, Any]:
    """A secret as JSON has it."""
    return {
        "vault": entry.key.vault,
        "secret": entry.name,
        "state": report.state.value,
        "states": {name: state.value for name, state in report.lists.items()} if report.differs else {},
        "lists": entry.assignment.lists,
        "clusters": entry.assignment.clusters if entry.assignment.lists else None,
        "version": entry.newest.version if entry.newest else None,
        "findings": [finding(found) for found in report.findings],
        "looked_at": entry.looked,
    }
