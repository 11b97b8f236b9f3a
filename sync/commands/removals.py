"""Approving and rejecting removals that wait."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sync.catalogue.entry import Entry
from sync.catalogue.snapshot import Approval
from sync.commands.clusters import registered, submit
from sync.errors import Changed, NotFound
from sync.ports.decisions import RowKind, RowName, Write
from sync.ports.stored import ANYTHING
from sync.reports.removals import HeldRemoval, find_held
from sync.steps.admission import admit
from sync.steps.configuration import PROPOSED, adopt_configuration
from sync.steps.transaction import transact

if TYPE_CHECKING:
    from sync.catalogue.snapshot import Snapshot
    from sync.fleet.clusters import Registration
    from sync.steps.runtime import Runtime


def approve(runtime: Runtime, digest: str) -> HeldRemoval:
    """Consent to a held removal exactly as shown; it is carried out at once, from a fresh look.

    Raises:
        Invalid: nothing waits under this digest (it may have changed since it was shown).
    """
    removal = find_held(runtime.decisions.snapshot(fresh=True), digest)
    approval = Approval(removal.held.digest, runtime.clock())

    def step(_snapshot: Snapshot) -> tuple[Write, ...]:
        return (Write(RowName(RowKind.APPROVAL, approval.digest), approval, ANYTHING),)

    transact(runtime, step, on_head=False)
    _carry_out(runtime, removal)
    return removal


def _carry_out(runtime: Runtime, removal: HeldRemoval) -> None:
    if removal.key is not None:
        admit(runtime, removal.key)
    elif removal.proposal == PROPOSED.rest:
        adopt_configuration(runtime)
    elif removal.proposal is not None:
        proposal = runtime.decisions.snapshot().proposals.get(removal.proposal)
        if proposal is None or proposal.registration is None:
            raise NotFound("what waited is gone since; see `trustcast removals list`")
        submit(runtime, partial(_as_proposed, proposed=proposal.registration))


def _as_proposed(snapshot: Snapshot, proposed: Registration) -> Registration:
    """The registration that waited; whether the cluster is paused is as it is now.

    Raises:
        NotFound: the cluster was removed meanwhile.
    """
    return replace(proposed, paused=registered(snapshot, proposed.name).paused)


def reject(runtime: Runtime, digest: str) -> HeldRemoval:
    """Refuse a held removal: the files stay; a registration as it was proposed is dropped.

    Raises:
        Invalid: nothing waits under this digest.
    """
    removal = find_held(runtime.decisions.snapshot(fresh=True), digest)

    def step(snapshot: Snapshot) -> tuple[Write, ...]:
        now = find_held(snapshot, removal.held.digest)
        rejected = replace(now.held, rejected=True)
        if now.key is not None:
            row = RowName.secret(now.key)
            stored = runtime.decisions.row(row)
            if stored is None or not isinstance(stored.value, Entry) or stored.value.held != now.held:
                raise Changed("the removal changed while it was rejected")
            return (Write(row, replace(stored.value, held=rejected), stored.unchanged),)
        name = RowName(RowKind.PROPOSAL, now.proposal or "")
        if now.proposal == PROPOSED.rest:
            return (Write(name, replace(snapshot.proposals[name.rest], held=rejected), ANYTHING),)
        return (Write(name, None, ANYTHING),)

    transact(runtime, step)
    return removal
