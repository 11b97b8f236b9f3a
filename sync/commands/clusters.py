"""Registering a cluster as an operator asks: its credential is read, its host and CA are pinned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.adapters.kubernetes.connections import pinned
from sync.commands.steering import register
from sync.errors import Changed, Invalid
from sync.fleet.clusters import parse_labels, parse_list, parse_registration

if TYPE_CHECKING:
    from sync.catalogue.entry import Held
    from sync.fleet.clusters import Registration
    from sync.ports.decisions import Snapshot
    from sync.steps.runtime import Service


@dataclass(frozen=True, slots=True)
class Wish:
    """A registration as asked for; None keeps what is registered, or the default where nothing is.

    Attributes:
        name: the cluster's.
        credential: its secret in the credentials vault; a new cluster needs one.
        labels: `key=value` each; all that it is to have.
        lists: `NAME` or `NAME,field=value,…` each; all that it is to have, and told in full.
        mode: `repair` or `report`; by default `repair`.
        confirm: another host or CA than was pinned before is accepted.
    """

    name: str
    credential: str | None = None
    labels: tuple[str, ...] | None = None
    lists: tuple[str, ...] | None = None
    mode: str | None = None
    confirm: bool = False


def enrol(service: Service, wish: Wish) -> tuple[Registration, Held | None]:
    """Register a cluster or change its registration.

    Returns:
        The registration, and the removal that it would cause and that waits for approval, if it is too large.

    Raises:
        Permanent: the credential is not acceptable, or points elsewhere than pinned and `confirm` is not set.
        Invalid: the registration is not acceptable; the message names every problem.
    """
    before = service.decisions.snapshot(fresh=True).clusters.get(wish.name)
    credential = before.access.secret if wish.credential is None and before else wish.credential
    if not credential:
        raise Invalid(f"say which secret holds the kubeconfig of {wish.name}: --credential SECRET")
    endpoint = service.clusters.endpoint(wish.name, credential)

    def asked(snapshot: Snapshot) -> Registration:
        before = snapshot.clusters.get(wish.name)
        if wish.credential is None and (before is None or before.access.secret != credential):
            raise Changed(f"{wish.name} got another credential while this one was read")
        if before is not None and not wish.confirm:
            pinned(endpoint, before)
        given = {"name": wish.name, **_kept(before), **_asked(wish), "access": {"secret": credential}}
        configuration = service.in_force(snapshot)
        return parse_registration(given, configuration, host=endpoint.host, ca_sha256=endpoint.ca_sha256)

    return register(service, asked)


def _kept(before: Registration | None) -> dict[str, object]:
    return {field: getattr(before, field) for field in ("labels", "lists", "mode", "paused")} if before else {}


def _asked(wish: Wish) -> dict[str, object]:
    asked: dict[str, object] = {}
    if wish.labels is not None:
        asked["labels"] = parse_labels(",".join(wish.labels))
    if wish.lists is not None:
        asked["lists"] = [parse_list(each) for each in wish.lists if wish.lists != ("",)]
    if wish.mode is not None:
        asked["mode"] = wish.mode
    return asked
