"""Registered clusters, as text or JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sync.cli.output import document, say, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sync.fleet.clusters import Registration

NO_CLUSTER = "No cluster is registered; see `trustcast clusters add --help`."


def show_registered(registration: Registration, *, as_json: bool) -> None:
    """A registration."""
    if as_json:
        document({"cluster": registration.name, "registered": True, **_pins(registration)})
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
        say(NO_CLUSTER)


def _cluster_row(registration: Registration) -> tuple[str, ...]:
    return (
        registration.name,
        ",".join(f"{k}={v}" for k, v in sorted(registration.labels.items())),
        " ".join(map(str, registration.lists)) or "all",
        "paused" if registration.paused else registration.mode.value,
        registration.host,
        registration.access.secret,
    )
