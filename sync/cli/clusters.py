"""The commands `clusters …`: what is registered."""
# ruff: noqa: PLC0415  each command imports what it needs when it runs: --help starts at once

from __future__ import annotations

from typing import Annotated

import typer

from sync.cli import output
from sync.cli.command import AsJson, Cluster, Once, current_runtime, group

app = group("Register clusters, pause and resume them.")


@app.command("add", cls=Once)
def add(
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
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Accept another host or CA than registered, and objects that are copies.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Register a cluster, or change its registration. What is not named stays; its host and CA are pinned."""
    from sync.cli.show.clusters import show_registered
    from sync.commands.clusters import RegistrationRequest, register

    labels, lists = (tuple(each) if each else None for each in (label, list_name))
    request = RegistrationRequest(name, credential, labels, lists, mode, confirm)
    show_registered(register(current_runtime(), request), as_json=as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show the registered clusters."""
    from sync.cli.show.clusters import show_clusters

    registered = current_runtime().decisions.snapshot(fresh=True).clusters.values()
    show_clusters(sorted(registered, key=lambda each: each.name), as_json=as_json)


@app.command("rename")
def rename(name: Cluster, new: Annotated[str, typer.Argument(help="Its new name.")], as_json: AsJson = False) -> None:
    """Give a cluster another name; what is known of its lists stays."""
    from sync.commands import clusters

    clusters.rename(current_runtime(), name, new)
    output.done(
        f"{name} is now called {new}; what is known of its lists stays.", {"cluster": new, "was": name}, as_json=as_json
    )


@app.command("remove")
def remove(name: Cluster, as_json: AsJson = False) -> None:
    """Forget a cluster; its lists stay as they are. Added again within a day, it goes on from there."""
    from sync.commands.clusters import unregister

    unregister(current_runtime(), name)
    output.done(
        f"{name} is forgotten; its lists stay as they are. Added again within a day, it goes on from there.",
        {"cluster": name, "removed": True},
        as_json=as_json,
    )


@app.command("pause")
def pause(name: Cluster, as_json: AsJson = False) -> None:
    """Leave a cluster alone until it is resumed."""
    from sync.commands.clusters import set_paused

    set_paused(current_runtime(), name, paused=True)
    sentence = f"{name} is paused; `trustcast clusters resume {name}` ends it."
    output.done(sentence, {"cluster": name, "paused": True}, as_json=as_json)


@app.command("resume")
def resume(name: Cluster, as_json: AsJson = False) -> None:
    """Take a paused cluster up again."""
    from sync.commands.clusters import set_paused

    set_paused(current_runtime(), name, paused=False)
    output.done(
        f"{name} is resumed; it is pushed within a minute.", {"cluster": name, "paused": False}, as_json=as_json
    )
