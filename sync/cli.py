"""The command line, `trustcast` or `python -m sync`: it steers the same code that the functions run.

Exit codes: 0 done; 1 the answer is no (a file is rejected, a list is not in sync, a change waits for approval);
2 the command was misspelt; 3 a person must act (settings, permissions, bad input); 4 try again later.
"""

from __future__ import annotations

import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from sync import cli_output as output
from sync.errors import Invalid, NotFound, Temporary, TrustcastError
from sync.findings import Role
from sync.secret import SecretKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sync.ports import Snapshot
    from sync.service import Service

T = TypeVar("T")

NO = 1
PERMANENT = 3
TEMPORARY = 4
AT_ONCE = 16
"""Clusters worked on at the same time by one command."""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
clusters = typer.Typer(no_args_is_help=True, help="Register clusters, pause and resume them.")
removals = typer.Typer(no_args_is_help=True, help="Removals that wait for a person.")
app.add_typer(clusters, name="clusters")
app.add_typer(removals, name="removals")

Names = Annotated[list[str] | None, typer.Argument(help="Clusters; none means all of them.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]
SecretName = Annotated[str, typer.Argument(help="The secret: NAME, or VAULT-HOST/NAME where several are watched.")]


def main() -> NoReturn:
    """Run a command; an error of ours becomes one sentence and an exit code."""
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    try:
        app()
    except TrustcastError as error:
        output.error(str(error))
        sys.exit(TEMPORARY if isinstance(error, Temporary) else PERMANENT)
    sys.exit(0)


def _service() -> Service:
    from sync.wiring import service  # noqa: PLC0415  `check` and `--help` need no settings

    return service()


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Certificates or CRLs: PEM, DER, hex or base64.")],
    role: Annotated[Role, typer.Option("--role", help="The kind of list that they are meant for.")] = Role.TRUST,
    as_json: AsJson = False,
) -> None:
    """Decode and validate files offline, by the rules that admission uses; exit 1 if one is rejected."""
    from sync.checking import check_file  # noqa: PLC0415
    from sync.service import utc_now  # noqa: PLC0415

    checked = [check_file(path.name, _bytes(path), role, now=utc_now()) for path in files]
    output.show_checked(checked, as_json=as_json)
    if not all(each.verdict.passes for each in checked):
        raise typer.Exit(NO)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error


@clusters.command("add")
def clusters_add(
    name: Annotated[str, typer.Argument(help="The cluster's name.")],
    credential: Annotated[str, typer.Option(help="Secret in the credentials vault that holds its kubeconfig.")],
    label: Annotated[list[str] | None, typer.Option(help="key=value; repeat for several.")] = None,
    list_name: Annotated[list[str] | None, typer.Option("--list", help="A list it has; none means all.")] = None,
    mode: Annotated[str, typer.Option(help="repair, or report: nothing is ever written to it.")] = "repair",
    confirm: Annotated[bool, typer.Option("--confirm", help="Accept another host or CA than registered.")] = False,
    as_json: AsJson = False,
) -> None:
    """Register a cluster, or change its registration; its host and CA are pinned."""
    from sync.enrolment import Wish, enrol  # noqa: PLC0415

    wish = Wish(name, credential, tuple(label or ()), tuple(list_name or ()), mode, confirm)
    registration, held = enrol(_service(), wish)
    output.show_registered(registration, held, as_json=as_json)
    if held:
        raise typer.Exit(NO)


@clusters.command("list")
def clusters_list(as_json: AsJson = False) -> None:
    """Show the registered clusters."""
    output.show_clusters(tuple(_snapshot(_service()).clusters.values()), as_json=as_json)


@clusters.command("remove")
def clusters_remove(name: str) -> None:
    """Forget a cluster; its lists stay as they are."""
    from sync.steering import unregister  # noqa: PLC0415

    unregister(_service(), name)
    output.say(f"{name} is forgotten; its lists stay as they are")


@clusters.command("pause")
def clusters_pause(name: str) -> None:
    """Leave a cluster alone until it is resumed."""
    from sync.steering import set_paused  # noqa: PLC0415

    set_paused(_service(), name, paused=True)
    output.say(f"{name} is paused")


@clusters.command("resume")
def clusters_resume(name: str) -> None:
    """Take a paused cluster up again."""
    from sync.steering import set_paused  # noqa: PLC0415

    set_paused(_service(), name, paused=False)
    output.say(f"{name} is resumed; it is pushed within a minute")


@app.command()
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
    """Say where a secret goes, by tags on its newest version; other tags stay."""
    from sync.steering import clear_revoked as clear  # noqa: PLC0415
    from sync.tagging import Tags, assign_secret  # noqa: PLC0415

    service = _service()
    key = _key(service, secret)
    if clear_revoked:
        output.say(f"{clear(service, key)} certificates of {key.name} are cleared")
    if lists is not None:
        entry = assign_secret(service, key, Tags(lists, clusters_, file, accept))
        output.show_secrets(service, (entry,) if entry else (), as_json=as_json)
    elif not clear_revoked:
        raise typer.BadParameter("say which lists: --lists trust,issuer")


@app.command()
def unassign(secret: SecretName, as_json: AsJson = False) -> None:
    """Take a secret off every list; it stays in the vault."""
    from sync.tagging import unassign_secret  # noqa: PLC0415

    service = _service()
    entry = unassign_secret(service, _key(service, secret))
    output.show_secrets(service, (entry,) if entry else (), as_json=as_json)


@app.command()
def plan(names: Names = None, as_json: AsJson = False) -> None:
    """Show what a push would change on each list; nothing is written."""
    from sync.preview import preview_cluster  # noqa: PLC0415

    service = _service()
    previews = _each(_chosen(service, names), lambda name: preview_cluster(service, name))
    output.show_plans(previews, as_json=as_json)


@app.command("sync")
def sync_now(names: Names = None, as_json: AsJson = False) -> None:
    """Push clusters now; exit 1 if a list is not in sync afterwards."""
    from sync.push import push_cluster  # noqa: PLC0415

    service = _service()
    statuses = _each(_chosen(service, names), lambda name: push_cluster(service, name))
    if not output.show_statuses(statuses, _snapshot(service), service, as_json=as_json):
        raise typer.Exit(NO)


@app.command()
def status(
    names: Names = None,
    thumbprint: Annotated[
        str | None, typer.Option(help="SHA-256 or SHA-1 of a certificate: where is it, whoever wrote it?")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every list of every cluster, or where a certificate is; exit 1 if a list is not in sync."""
    service = _service()
    chosen = set(_chosen(service, names))
    statuses = tuple(s for s in service.statuses.all() if s.cluster in chosen)
    if thumbprint is not None:
        output.show_where(statuses, thumbprint, as_json=as_json)
    elif not output.show_statuses(statuses, _snapshot(service), service, as_json=as_json):
        raise typer.Exit(NO)


@app.command()
def secrets(as_json: AsJson = False) -> None:
    """Show the catalogue: every secret, where it goes, its verdict with reasons."""
    service = _service()
    output.show_secrets(service, tuple(_snapshot(service).entries.values()), as_json=as_json)


@removals.command("list")
def removals_list(as_json: AsJson = False) -> None:
    """Show what waits, with the digest that an approval names."""
    from sync.steering import held_removals  # noqa: PLC0415

    output.show_removals(held_removals(_snapshot(_service())), as_json=as_json)


@removals.command("approve")
def removals_approve(digest: str) -> None:
    """Consent to a removal exactly as it was shown."""
    from sync.steering import approve  # noqa: PLC0415

    removal = approve(_service(), digest)
    output.say(f"approved: {removal.held.cause}")


@removals.command("reject")
def removals_reject(digest: str) -> None:
    """Refuse a removal: the files stay."""
    from sync.steering import reject  # noqa: PLC0415

    removal = reject(_service(), digest)
    output.say(f"rejected, the files stay: {removal.held.cause}")


def _snapshot(service: Service) -> Snapshot:
    return service.decisions.snapshot(fresh=True)


def _chosen(service: Service, names: list[str] | None) -> tuple[str, ...]:
    known = _snapshot(service).clusters
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise NotFound(f"no cluster {', '.join(unknown)} is registered; see `trustcast clusters list`")
    return tuple(names or sorted(known))


def _each(names: Sequence[str], work: Callable[[str], tuple[T, ...]]) -> tuple[T, ...]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return tuple(result for results in pool.map(work, names) for result in results)


def _key(service: Service, secret: str) -> SecretKey:
    vault, _, name = secret.rpartition("/")
    if vault:
        return SecretKey.of(vault, name)
    if len(service.vaults) != 1:
        raise Invalid(f"several vaults are watched: say which, as HOST/{name}")
    return SecretKey.of(next(iter(service.vaults)), name)
