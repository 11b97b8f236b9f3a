"""The commands `revocations …`, `orphans …` and `vaults …`: an operator's word where the vaults cannot give one."""
# ruff: noqa: PLC0415  each command imports what it needs when it runs: --help starts at once

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from sync.cli import output
from sync.cli.command import AsJson, current_runtime, group
from sync.errors import Invalid
from sync.text import many

app = group("Certificates that CAs revoked.")
orphans_app = group("Files of ours whose secret is not known.")
vaults_app = group("Vaults that are gone, or that lists wait for.")

Thumbprint = Annotated[str, typer.Argument(help="SHA-256 of the certificate, or its first 8 digits or more.")]
Sha256 = Annotated[str, typer.Argument(help="SHA-256 of the file as `orphans list` shows it, 8 digits or more.")]
Host = Annotated[str, typer.Argument(help="The vault's host: plant-1.vault.azure.net.")]
Key = Annotated[str, typer.Argument(help="SHA-256 of the CA's public key as `revocations list` shows it.")]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show the certificates of the catalogue that CRLs revoke, wherever these came from."""
    from sync.cli.show.revocations import show_revocations
    from sync.commands.revocation import revoked_certificates

    snapshot = current_runtime().decisions.snapshot(fresh=True)
    show_revocations(revoked_certificates(snapshot), snapshot.authorities.values(), as_json=as_json)


@app.command("clear")
def clear(thumbprint: Thumbprint, as_json: AsJson = False) -> None:
    """Let a revoked certificate back in; another revocation date revokes it again."""
    from sync.commands.revocation import clear_revoked

    found = clear_revoked(current_runtime(), thumbprint)
    subject, sha = found.certificate.subject, found.certificate.sha256
    sentence = (
        f"{subject} ({sha}) may come back, though it was revoked on {found.date:%Y-%m-%d %H:%M} UTC: an accepted risk."
    )
    output.done(sentence, {"cleared": sha, "subject": subject, "date": found.date}, as_json=as_json)


@app.command("forget")
def forget(
    key: Key,
    before: Annotated[str, typer.Option(help="A day, YYYY-MM-DD: older CRLs of this key prove nothing.")],
    as_json: AsJson = False,
) -> None:
    """Let the older CRLs of a CA's key prove nothing: its numbers began anew."""
    from sync.commands.revocation import forget_older

    try:
        day = datetime.strptime(before, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise Invalid(f"'{before}' is not a day; write YYYY-MM-DD") from error
    authority = forget_older(current_runtime(), key, day)
    sentence = f"CRLs of the key {authority.key} from before {before} prove nothing any more; upload its newest one."
    output.done(sentence, {"key": authority.key, "before": day}, as_json=as_json)


@orphans_app.command("list")
def orphans(as_json: AsJson = False) -> None:
    """Show the files of ours of which no secret is known; they stay where they are."""
    from sync.cli.show.revocations import show_orphans
    from sync.commands.orphans import find_orphans

    show_orphans(find_orphans(current_runtime()), as_json=as_json)


@orphans_app.command("remove")
def remove(sha256: Sha256, as_json: AsJson = False) -> None:
    """Remove a file of which no secret is known from every list that holds it."""
    from sync.commands.orphans import remove_orphans

    removed = remove_orphans(current_runtime(), sha256)
    clusters = sorted({cluster for each in removed for cluster in each.clusters})
    counted = many(len(clusters), "cluster")
    sentence = f"{removed[0].file} leaves {counted} with the next pushes: {output.few(clusters)}"
    output.done(sentence, {"file": removed[0].file, "sha256": removed[0].sha256, "clusters": clusters}, as_json=as_json)


@vaults_app.command("forget")
def forget_vault(host: Host, as_json: AsJson = False) -> None:
    """Declare a vault gone for good. Its files stay, belong to no secret any more, and their names are free."""
    from sync.commands import orphans

    host = host.casefold()
    orphans.forget_vault(current_runtime(), host)
    sentence = f"{host} is forgotten; once the lists were checked, `trustcast orphans list` shows its files."
    output.done(sentence, {"forgotten": host}, as_json=as_json)


@vaults_app.command("waive")
def waive(host: Host, as_json: AsJson = False) -> None:
    """Let lists gain files, after the tables were lost, though this vault could not be gone through yet."""
    from sync.commands.orphans import waive_vault

    host = host.casefold()
    waive_vault(current_runtime(), host)
    output.done(f"Lists wait for {host} no more.", {"waived": host}, as_json=as_json)
