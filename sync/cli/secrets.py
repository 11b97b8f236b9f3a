"""The commands `assign`, `unassign` and `secrets`: where secrets go, and their state."""
# ruff: noqa: PLC0415  each command imports what it needs when it runs: --help starts at once

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sync.catalogue.questions import assignment_digest
from sync.catalogue.secret import SecretKey
from sync.cli.command import AsJson, SecretName, answer, current_runtime
from sync.errors import Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sync.catalogue.entry import Entry
    from sync.reports.secrets import SecretReport
    from sync.steps.runtime import Runtime


def assign(
    secret: SecretName,
    lists: Annotated[str, typer.Option(help="Lists, separated by commas: trust, issuer, …")],
    clusters_: Annotated[str | None, typer.Option("--clusters", help="Label selector, or * for all.")] = None,
    file: Annotated[str | None, typer.Option(help="File name on the lists; derived where absent.")] = None,
    accept: Annotated[str | None, typer.Option(help="Finding codes that it may carry.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would do; write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say where a secret goes. By tags on its newest version; other tags stay; exit 1 if it is rejected or held."""
    from sync.cli.show.secrets import say_where, show_preview
    from sync.commands.assignment import Tags, assign_secret, preview_assignment

    runtime = current_runtime()
    key, tags = _key(runtime, secret), Tags(lists, clusters_, file, accept)
    preview = preview_assignment(runtime, key, tags)
    if dry_run:
        show_preview(preview, as_json=as_json)
        answer(not preview.waits)
        return
    if not as_json:
        say_where(preview)
    _assigned(runtime, assign_secret(runtime, key, tags), as_json)


def unassign(secret: SecretName, as_json: AsJson = False) -> None:
    """Take a secret off every list; it stays in the vault."""
    from sync.commands.assignment import unassign_secret

    runtime = current_runtime()
    _assigned(runtime, unassign_secret(runtime, _key(runtime, secret)), as_json)


def _assigned(runtime: Runtime, entry: Entry | None, as_json: bool) -> None:
    from sync.cli.show.secrets import show_assigned
    from sync.commands.removals import waiting
    from sync.reports.secrets import SecretState

    report = next(iter(_reports(runtime, (entry,) if entry else ())), None)
    digest = assignment_digest(entry.key, entry.waiting) if entry and entry.waiting else ""
    waits = next((question for question in waiting(runtime) if question.digest == digest), None)
    show_assigned(report, waits, runtime.clock(), as_json=as_json)
    answer(report is None or report[1].state not in {SecretState.HELD, SecretState.REJECTED})


def secrets(
    names: Annotated[list[str] | None, typer.Argument(help="Secrets; none means all of them.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the catalogue. Every secret, where it goes, its state, and the findings about it."""
    from sync.cli.show.secrets import show_secrets

    runtime = current_runtime()
    entries = runtime.decisions.snapshot(fresh=True).entries
    keys = [_key(runtime, name) for name in names or ()]
    unknown = [str(key) for key in keys if key not in entries]
    if unknown:
        raise NotFound(f"the catalogue knows no secret {', '.join(unknown)}; see `trustcast secrets`")
    show_secrets(_reports(runtime, [entries[key] for key in keys or entries]), runtime.clock(), as_json=as_json)


def _reports(runtime: Runtime, entries: Iterable[Entry]) -> tuple[tuple[Entry, SecretReport], ...]:
    """The secrets with what is reported of them, by vault and name."""
    from sync.reports.secrets import Verdicts

    desired_state = runtime.desired_state(runtime.decisions.snapshot())
    verdicts = Verdicts(desired_state, now=runtime.clock(), expiry_warning=runtime.expiry_warning)
    return tuple((entry, verdicts.of(entry)) for entry in sorted(entries, key=lambda each: each.key))


def _key(runtime: Runtime, secret: str) -> SecretKey:
    vault, _, name = secret.rpartition("/")
    if vault and vault.casefold() not in runtime.vaults:
        raise NotFound(f"{vault} is not a watched vault; there are {', '.join(sorted(runtime.vaults))}")
    if not vault and len(runtime.vaults) != 1:
        hosts = " or ".join(f"{host}/{name}" for host in sorted(runtime.vaults))
        raise Invalid(f"several vaults are watched: say which, {hosts}")
    return SecretKey.of(vault or next(iter(runtime.vaults)), name)
