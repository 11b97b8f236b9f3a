"""Approving and rejecting removals that wait."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sync.catalogue.entry import Entry
from sync.catalogue.snapshot import Approval
from sync.commands.clusters import register, registered
from sync.errors import Changed, NotFound
from sync.ports.decisions import RowKind, RowName, Write
from sync.reports.removals import HeldRemoval, find_held
from sync.steps.admission import admit
from sync.steps.configuration import PROPOSED, adopt_configuration
from sync.steps.transaction import transact

if TYPE_CHECKING:
    from sync.catalogue.snapshot import Snapshot
    from sync.fleet.clusters import Registration
    from sync.steps.runtime import Service


def approve(service: Service, digest: str) -> HeldRemoval:
    """Consent to a held removal exactly as shown; it is carried out at once, from a fresh look.

    Raises:
        Invalid: nothing waits under this digest (it may have changed since it was shown).
    """
    removal = find_held(service.decisions.snapshot(fresh=True), digest)
    approval = Approval(removal.held.digest, service.clock())

    def step(_snapshot: Snapshot) -> tuple[Write, ...]:
        return (Write(RowName(RowKind.APPROVAL, approval.digest), approval, "*"),)

    transact(service, step, on_head=False)
    _carry_out(service, removal)
    return removal


def _carry_out(service: Service, removal: HeldRemoval) -> None:
    if removal.key is not None:
        admit(service, removal.key)
    elif removal.proposal == PROPOSED.rest:
        adopt_configuration(service)
    elif removal.proposal is not None:
        proposal = service.decisions.snapshot().proposals.get(removal.proposal)
        if proposal is None or proposal.registration is None:
            raise NotFound("what waited is gone since; see `trustcast removals list`")
        register(service, partial(_as_proposed, proposed=proposal.registration))


def _as_proposed(snapshot: Snapshot, proposed: Registration) -> Registration:
    """The registration that waited; whether the cluster is paused is as it is now.

    Raises:
        NotFound: the cluster was removed meanwhile.
    """
    return replace(proposed, paused=registered(snapshot, proposed.name).paused)


def reject(service: Service, digest: str) -> HeldRemoval:
    """Refuse a held removal: the files stay; a registration as it was proposed is dropped.

    Raises:
        Invalid: nothing waits under this digest.
    """
    removal = find_held(service.decisions.snapshot(fresh=True), digest)

    def step(snapshot: Snapshot) -> tuple[Write, ...]:
        now = find_held(snapshot, removal.held.digest)
        refused = replace(now.held, refused=True)
        if now.key is not None:
            row = RowName.secret(now.key)
            stored = service.decisions.row(row)
            if stored is None or not isinstance(stored.value, Entry) or stored.value.held != now.held:
                raise Changed("the removal changed while it was rejected")
            return (Write(row, replace(stored.value, held=refused), stored.etag),)
        name = RowName(RowKind.PROPOSAL, now.proposal or "")
        if now.proposal == PROPOSED.rest:
            return (Write(name, replace(snapshot.proposals[name.rest], held=refused), "*"),)
        return (Write(name, None, "*"),)

    transact(service, step)
    return removal
