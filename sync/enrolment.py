"""Registering a cluster as an operator asks: its credential is read, its host and CA are pinned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.access import pinned
from sync.clusters import parse_labels, parse_registration
from sync.steering import register

if TYPE_CHECKING:
    from sync.catalogue import Held
    from sync.clusters import Registration
    from sync.service import Service


@dataclass(frozen=True, slots=True)
class Wish:
    """A registration as asked for; `confirm` accepts another host or CA than was pinned before."""

    name: str
    credential: str
    labels: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    mode: str = "repair"
    confirm: bool = False


def enrol(service: Service, wish: Wish) -> tuple[Registration, Held | None]:
    """Register a cluster or change its registration.

    Returns:
        The registration, and the removal that it would cause and that waits for approval, if it is too large.

    Raises:
        Permanent: the credential is not acceptable, or points elsewhere than pinned and `confirm` is not set.
        Invalid: the registration is not acceptable; the message names every problem.
    """
    endpoint = service.clusters.endpoint(wish.name, wish.credential)
    snapshot = service.decisions.snapshot()
    before = snapshot.clusters.get(wish.name)
    if before is not None and not wish.confirm:
        pinned(endpoint, before)
    given = {
        "name": wish.name,
        "access": {"secret": wish.credential},
        "labels": parse_labels(",".join(wish.labels)),
        "lists": [{"name": name} for name in wish.lists],
        "mode": wish.mode,
        "paused": before.paused if before else False,
    }
    configuration = service.in_force(snapshot)
    registration = parse_registration(given, configuration, host=endpoint.host, ca_sha256=endpoint.ca_sha256)
    return registration, register(service, registration)
