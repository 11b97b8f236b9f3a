"""Approving and rejecting removals that wait."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sync.catalogue.entry import Entry
from sync.catalogue.rows import ApprovalRow, ClusterProposal, ConfigurationProposal, SecretRow
from sync.catalogue.snapshot import Approval
from sync.commands.clusters import registered, submit
from sync.errors import Changed, NotFound
from sync.ports.decisions import Write
from sync.ports.stored import ANYTHING
from sync.reports.removals import HeldRemoval, find_held
from sync.steps.admission import admit
from sync.steps.configuration import adopt_configuration
from sync.steps.transaction import Writes, transact

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

    def step(_snapshot: Snapshot) -> tuple[Writes, None]:
        return (Write(ApprovalRow(approval.digest), approval, ANYTHING),), None

    transact(runtime, step, on_head=False)
    _carry_out(runtime, removal)
    return removal


def _carry_out(runtime: Runtime, removal: HeldRemoval) -> None:
    match removal.row:
        case SecretRow(key):
            admit(runtime, key)
        case ConfigurationProposal():
            adopt_configuration(runtime)
        case ClusterProposal():
            proposal = runtime.decisions.snapshot().proposals.get(removal.row)
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

    def step(snapshot: Snapshot) -> tuple[Writes, None]:
        return (_rejection(runtime, snapshot, find_held(snapshot, removal.held.digest)),), None

    transact(runtime, step)
    return removal


def _rejection(runtime: Runtime, snapshot: Snapshot, removal: HeldRemoval) -> Write:
    rejected = replace(removal.held, rejected=True)
    match removal.row:
        case SecretRow():
            stored = runtime.decisions.row(removal.row)
            if stored is None or not isinstance(stored.value, Entry) or stored.value.held != removal.held:
                raise Changed("the removal changed while it was rejected")
            return Write(removal.row, replace(stored.value, held=rejected), stored.unchanged)
        case ConfigurationProposal():
            return Write(removal.row, replace(snapshot.proposals[removal.row], held=rejected), ANYTHING)
        case ClusterProposal():
            return Write(removal.row, None, ANYTHING)
