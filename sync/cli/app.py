"""The command line, `trustcast` or `python -m sync`: it steers the same code that the functions run.

Exit codes:
  0  done
  1  the answer is no: a file or secret is rejected, a list is not in sync or could not be read,
     a certificate is nowhere, a change waits for approval
  2  the command was misspelt
  3  a person must act: settings, permissions, an unknown name, bad input
  4  try again later: vault, storage or cluster do not answer
  5  a fault of trustcast itself
"""
# ruff: noqa: PLC0415  each command imports what it needs, so that --help and check start at once

from __future__ import annotations

import logging
import sys
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from typer.core import TyperCommand, TyperOption

from sync.catalogue.secret import SecretKey
from sync.cli import output
from sync.errors import Invalid, NotFound, Temporary, TrustcastError
from sync.findings import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sync.catalogue.entry import Entry
    from sync.catalogue.snapshot import Snapshot
    from sync.fleet.clusters import Registration
    from sync.steps.runtime import Runtime

T = TypeVar("T")

NO, PERMANENT, TEMPORARY, FAULT = 1, 3, 4, 5
CLI_WORKERS = 16
"""Clusters worked on at the same time by one command."""

LARGEST_FILE = 1024 * 1024
"""Bytes of a file that `check` reads; a secret holds 25 KB."""

_HELP = (__doc__ or "").replace("Exit codes", "\b\nExit codes")  # click breaks no line of a paragraph after this mark
_GROUP = {"no_args_is_help": True, "rich_markup_mode": None, "context_settings": {"max_content_width": 100}}
app = typer.Typer(help=_HELP, add_completion=False, pretty_exceptions_enable=False, **_GROUP)  # type: ignore[arg-type]
clusters = typer.Typer(help="Register clusters, pause and resume them.", **_GROUP)  # type: ignore[arg-type]
removals = typer.Typer(help="Removals that wait for a person.", **_GROUP)  # type: ignore[arg-type]
app.add_typer(clusters, name="clusters")
app.add_typer(removals, name="removals")

Names = Annotated[list[str] | None, typer.Argument(help="Clusters; none means all of them.")]
Cluster = Annotated[str, typer.Argument(help="The cluster's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]
SecretName = Annotated[str, typer.Argument(help="The secret: NAME, or VAULT-HOST/NAME where several are watched.")]
Digest = Annotated[str, typer.Argument(help="Its digest as `removals list` shows it, or the first 8 digits or more.")]


def main() -> NoReturn:
    """Run a command; an error becomes one sentence and an exit code."""
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may know ASCII only
    try:
        app()
    except TrustcastError as error:
        output.error(str(error))
        sys.exit(TEMPORARY if isinstance(error, Temporary) else PERMANENT)
    except Exception as error:  # noqa: BLE001  its message may quote anything, so where it arose must do
        at = traceback.extract_tb(error.__traceback__)[-1]
        output.error(f"a fault of trustcast itself: {type(error).__name__} in {Path(at.filename).name}:{at.lineno}")
        sys.exit(FAULT)
    sys.exit(0)


def _runtime() -> Runtime:
    from sync.bootstrap import runtime

    return runtime()


class Once(TyperCommand):
    """A command that refuses an option of one value if it is given twice: only the last would count."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments that are left."""
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for option, times in Counter(each for each in given if isinstance(each, TyperOption)).items():
            if times > 1 and not (option.multiple or option.is_flag):
                raise typer.BadParameter(f"{option.opts[0]} is given twice", ctx=ctx)
        return super().parse_args(ctx, args)


@app.command(cls=Once)
def check(
    files: Annotated[list[Path], typer.Argument(help="Certificates or CRLs: PEM, DER, hex or base64.")],
    role: Annotated[Role, typer.Option("--role", help="The kind of list that they are meant for.")] = Role.TRUST,
    as_json: AsJson = False,
) -> None:
    """Decode and validate files offline. By the rules that admission uses; exit 1 if one is rejected."""
    from sync.cli.secrets import show_checked
    from sync.commands.check import check_file
    from sync.steps.runtime import utc_now

    checked = [check_file(path.name, _bytes(path), role, now=utc_now()) for path in files]
    show_checked(checked, as_json=as_json)
    _answer(all(each.verdict.passes for each in checked))


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_FILE)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error


@clusters.command("add", cls=Once)
def clusters_add(
    name: Cluster,
    credential: Annotated[
        str | None, typer.Option(help="Secret in the credentials vault that holds its kubeconfig; new ones need it.")
    ] = None,
    label: Annotated[list[str] | None, typer.Option(help="key=value; repeat for several.")] = None,
    list_name: Annotated[
        list[str] | None,
        typer.Option("--list", help="A list it has, with what differs: NAME[,FIELD=VALUE]…; repeat for several."),
    ] = None,
    mode: Annotated[str | None, typer.Option(help="repair, or report: nothing is ever written to it.")] = None,
    confirm: Annotated[bool, typer.Option("--confirm", help="Accept another host or CA than registered.")] = False,
    as_json: AsJson = False,
) -> None:
    """Register a cluster, or change its registration. What is not named stays; its host and CA are pinned."""
    from sync.cli.fleet import show_registered
    from sync.commands.clusters import RegistrationRequest, register

    labels, lists = (tuple(each) if each else None for each in (label, list_name))
    request = RegistrationRequest(name, credential, labels, lists, mode, confirm)
    registration, held = register(_runtime(), request)
    show_registered(registration, held, as_json=as_json)
    _answer(held is None)


@clusters.command("list")
def clusters_list(as_json: AsJson = False) -> None:
    """Show the registered clusters."""
    from sync.cli.fleet import show_clusters

    show_clusters(_registered(_snapshot(_runtime())), as_json=as_json)


@clusters.command("remove")
def clusters_remove(name: Cluster, as_json: AsJson = False) -> None:
    """Forget a cluster; its lists stay as they are."""
    from sync.commands.clusters import unregister

    unregister(_runtime(), name)
    _done(f"{name} is forgotten; its lists stay as they are.", {"cluster": name, "removed": True}, as_json)


@clusters.command("pause")
def clusters_pause(name: Cluster, as_json: AsJson = False) -> None:
    """Leave a cluster alone until it is resumed."""
    from sync.commands.clusters import set_paused

    set_paused(_runtime(), name, paused=True)
    _done(f"{name} is paused; `trustcast clusters resume` ends it.", {"cluster": name, "paused": True}, as_json)


@clusters.command("resume")
def clusters_resume(name: Cluster, as_json: AsJson = False) -> None:
    """Take a paused cluster up again."""
    from sync.commands.clusters import set_paused

    set_paused(_runtime(), name, paused=False)
    _done(f"{name} is resumed; it is pushed within a minute.", {"cluster": name, "paused": False}, as_json)


@app.command(cls=Once)
def assign(
    secret: SecretName,
    lists: Annotated[str | None, typer.Option(help="Lists, separated by commas: trust, issuer, …")] = None,
    clusters_: Annotated[str | None, typer.Option("--clusters", help="Label selector, or * for all.")] = None,
    file: Annotated[str | None, typer.Option(help="File name on the lists; derived where absent.")] = None,
    accept: Annotated[str | None, typer.Option(help="Finding codes that it may carry.")] = None,
    clear_revoked: Annotated[
        bool, typer.Option("--clear-revoked", help="Let it back in after the CRL that refused it has gone.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say where a secret goes. By tags on its newest version; other tags stay; exit 1 if it is rejected or held."""
    from sync.commands.assignment import Tags, assign_secret
    from sync.commands.revocation import clear_revoked as clear

    if lists is None and (not clear_revoked or (clusters_, file, accept) != (None, None, None)):
        raise typer.BadParameter("say which lists: --lists trust,issuer (--clear-revoked alone needs none)")
    runtime = _runtime()
    key = _key(runtime, secret)
    cleared = clear(runtime, key) if clear_revoked else None
    entry = assign_secret(runtime, key, Tags(lists, clusters_, file, accept)) if lists is not None else None
    _assigned(runtime, entry, cleared, as_json)


@app.command()
def unassign(secret: SecretName, as_json: AsJson = False) -> None:
    """Take a secret off every list; it stays in the vault."""
    from sync.commands.assignment import unassign_secret

    runtime = _runtime()
    _assigned(runtime, unassign_secret(runtime, _key(runtime, secret)), None, as_json)


def _assigned(runtime: Runtime, entry: Entry | None, cleared: int | None, as_json: bool) -> None:
    from sync.cli.secrets import entry_document, judged, show_secrets
    from sync.reports.secrets import SecretState

    told = judged(runtime, (entry,) if entry else ())
    if as_json:
        output.document({"cleared": cleared, "secret": entry_document(*told[0]) if told else None})
    else:
        if cleared is not None:
            output.say(f"{cleared} certificate{'s'[: cleared != 1]} that a former CRL revoked may come back.")
        if told:
            show_secrets(told, runtime.clock(), as_json=False)
    _answer(all(about.state not in {SecretState.HELD, SecretState.REJECTED} for _, about in told))


@app.command()
def plan(names: Names = None, as_json: AsJson = False) -> None:
    """Show what a push would change on each list. Nothing is written; exit 1 if one could not be read."""
    from sync.cli.fleet import show_plans
    from sync.commands.preview import preview_cluster

    runtime = _runtime()
    chosen = _chosen(_snapshot(runtime), names)
    previews = _each([each.name for each in chosen], lambda name: preview_cluster(runtime, name))
    _answer(show_plans(previews, as_json=as_json))


@app.command("sync")
def sync_now(names: Names = None, as_json: AsJson = False) -> None:
    """Push clusters now. Exit 1 if a list is not in sync afterwards."""
    from sync.steps.push import push_cluster

    runtime = _runtime()
    chosen = _chosen(_snapshot(runtime), names)
    _each([each.name for each in chosen], lambda name: push_cluster(runtime, name))
    _show_statuses(runtime, chosen, as_json)


@app.command(cls=Once)
def status(
    names: Names = None,
    thumbprint: Annotated[
        str | None, typer.Option(help="SHA-256 or SHA-1 of a certificate: where is it, whoever wrote it?")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every list, or where a certificate is. Exit 1 if a list is not in sync, or the certificate nowhere."""
    from sync.cli.fleet import show_where

    runtime = _runtime()
    chosen = _chosen(_snapshot(runtime), names)
    if thumbprint is None:
        _show_statuses(runtime, chosen, as_json)
    else:
        shown = {each.name for each in chosen}
        statuses = [each for each in runtime.statuses.all() if each.cluster in shown]
        _answer(show_where(statuses, thumbprint, runtime.clock(), as_json=as_json))


def _show_statuses(runtime: Runtime, chosen: Sequence[Registration], as_json: bool) -> None:
    from sync.cli.fleet import show_statuses
    from sync.reports.freshness import Freshness

    freshness = Freshness(runtime.clock(), runtime.intervals.bound)
    configuration = runtime.in_force(_snapshot(runtime))
    _answer(show_statuses(tuple(runtime.statuses.all()), chosen, configuration, freshness, as_json=as_json))


@app.command()
def secrets(
    names: Annotated[list[str] | None, typer.Argument(help="Secrets; none means all of them.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the catalogue. Every secret, where it goes, how it stands, and what is found about it."""
    from sync.cli.secrets import judged, show_secrets

    runtime = _runtime()
    entries = _snapshot(runtime).entries
    keys = [_key(runtime, name) for name in names or ()]
    unknown = [str(key) for key in keys if key not in entries]
    if unknown:
        raise NotFound(f"the catalogue knows no secret {', '.join(unknown)}; see `trustcast secrets`")
    told = judged(runtime, [entries[key] for key in keys or entries])
    show_secrets(told, runtime.clock(), as_json=as_json)


@removals.command("list")
def removals_list(as_json: AsJson = False) -> None:
    """Show what waits, with the digest that an approval names."""
    from sync.cli.secrets import show_removals
    from sync.reports.removals import held_removals

    show_removals(held_removals(_snapshot(_runtime())), as_json=as_json)


@removals.command("approve")
def removals_approve(digest: Digest, as_json: AsJson = False) -> None:
    """Consent to a removal exactly as it was shown. Exit 1 if it has changed since and waits anew."""
    from sync.commands.removals import approve
    from sync.reports.removals import held_removals

    runtime = _runtime()
    removal = approve(runtime, digest)
    again = any(each.row == removal.row for each in held_removals(_snapshot(runtime)))
    cause = removal.held.cause
    told = (
        f"approved: {cause}" if not again else f"{cause}: it has changed and waits anew, see `trustcast removals list`"
    )
    _done(told, {"digest": removal.held.digest, "cause": cause, "approved": not again}, as_json)
    _answer(not again)


@removals.command("reject")
def removals_reject(digest: Digest, as_json: AsJson = False) -> None:
    """Refuse a removal: the files stay."""
    from sync.commands.removals import reject

    held = reject(_runtime(), digest).held
    _done(
        f"rejected, the files stay: {held.cause}",
        {"digest": held.digest, "cause": held.cause, "rejected": True},
        as_json,
    )


def _done(sentence: str, content: dict[str, object], as_json: bool) -> None:
    if as_json:
        output.document(content)
    else:
        output.say(sentence)


def _answer(yes: bool) -> None:
    if not yes:
        raise typer.Exit(NO)


def _snapshot(runtime: Runtime) -> Snapshot:
    return runtime.decisions.snapshot(fresh=True)


def _registered(snapshot: Snapshot) -> list[Registration]:
    return sorted(snapshot.clusters.values(), key=lambda each: each.name)


def _chosen(snapshot: Snapshot, names: Sequence[str] | None) -> list[Registration]:
    unknown = [name for name in names or () if name not in snapshot.clusters]
    if unknown:
        raise NotFound(f"no cluster {', '.join(unknown)} is registered; see `trustcast clusters list`")
    return [each for each in _registered(snapshot) if not names or each.name in names]


def _each(names: Sequence[str], work: Callable[[str], tuple[T, ...]]) -> tuple[T, ...]:
    with ThreadPoolExecutor(CLI_WORKERS) as pool:
        return tuple(result for results in pool.map(work, names) for result in results)


def _key(runtime: Runtime, secret: str) -> SecretKey:
    vault, _, name = secret.rpartition("/")
    if vault and vault.casefold() not in runtime.vaults:
        raise NotFound(f"{vault} is no watched vault; there are {', '.join(sorted(runtime.vaults))}")
    if not vault and len(runtime.vaults) != 1:
        hosts = " or ".join(f"{host}/{name}" for host in sorted(runtime.vaults))
        raise Invalid(f"several vaults are watched: say which, {hosts}")
    return SecretKey.of(vault or next(iter(runtime.vaults)), name)
