"""VAULTS and LISTS as they take effect: stored with a new head by the timer alone, held where they take too much.

Settings come from the decisions, never from who happens to ask. Of several hosts the later deployment's win; of one
deployment those of the process that was started later. An earlier process never takes them back.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sync.catalogue.questions import settings_digest
from sync.catalogue.rows import ConfigurationRow, SettingsProposalRow, VaultRow
from sync.catalogue.snapshot import Settings, SettingsProposal, VaultFacts
from sync.desired.reach import losing_by_settings
from sync.errors import Changed
from sync.ports.decisions import Write
from sync.ports.stored import ANYTHING, as_read

if TYPE_CHECKING:
    from sync.catalogue.snapshot import Snapshot
    from sync.ports.decisions import Row
    from sync.ports.stored import Stored
    from sync.steps.runtime import Runtime

log = logging.getLogger("trustcast.configuration")

ROW, PROPOSED = ConfigurationRow(), SettingsProposalRow()


def adopt_configuration(runtime: Runtime) -> None:
    """Put the environment's VAULTS and LISTS into force, if this process is later than the one whose settings are.

    One worker wins where several try; a change that would take too much is proposed and waits for approval.
    """
    snapshot = runtime.decisions.snapshot()
    if snapshot.settings is not None and not _is_news(runtime, snapshot):
        return
    try:
        _adopt(runtime)
    except Changed:
        log.info("another worker put the settings into force")


def _is_news(runtime: Runtime, snapshot: Snapshot) -> bool:
    """Whether there is anything to do about these settings; that of an earlier process is said and ignored."""
    known = snapshot.settings
    if known is None:
        return True
    differs = known.configuration.digest != runtime.configured.digest
    if differs and runtime.stamp < known.stamp:
        log.warning(
            "the settings of this process (deployed %s, started %s) are older than those in force: it is being "
            "replaced, or its TRUSTCAST_DEPLOYED is too early",
            runtime.stamp.deployed or "at a time that is not set",
            runtime.stamp.imported,
        )
        return False
    if snapshot.proposal is not None:
        return not runtime.stamp < snapshot.proposal.settings.stamp
    return differs or known.stamp < runtime.stamp


def _adopt(runtime: Runtime) -> None:
    head = runtime.decisions.head()
    stored = runtime.decisions.row(ROW)
    snapshot = runtime.decisions.snapshot()
    wanted = Settings(runtime.configured, runtime.stamp)
    old = snapshot.settings
    if old is not None and old.configuration.digest != wanted.configuration.digest:
        lost = losing_by_settings(snapshot, old.configuration, wanted.configuration)
        if runtime.limits.too_wide(len(lost), len(snapshot.clusters)):
            secrets = tuple(sorted({key for keys in lost.values() for key in keys}))
            _propose(runtime, snapshot, SettingsProposal(wanted, runtime.clock(), tuple(sorted(lost)), secrets))
            return
    moves = old is None or old.configuration.digest != wanted.configuration.digest or snapshot.proposal is not None
    new = runtime.next_head(head.value) if moves else None
    runtime.decisions.commit([*put_into_force(runtime, snapshot, stored, wanted)], head=new)
    log.info("VAULTS and LISTS in force: %s", runtime.configured.digest[:12])


def put_into_force(
    runtime: Runtime, snapshot: Snapshot, stored: Stored[Row] | None, wanted: Settings
) -> tuple[Write, ...]:
    """The writes that put settings into force: what waited is dropped, and it is noted which vaults left."""
    dropped = (Write(PROPOSED, None, ANYTHING),) if snapshot.proposal is not None else ()
    return (Write(ROW, wanted, as_read(stored)), *dropped, *_vaults(runtime, snapshot, wanted))


def _vaults(runtime: Runtime, snapshot: Snapshot, wanted: Settings) -> tuple[Write, ...]:
    """What changes of the vaults that settings name no more, or again."""
    now = runtime.clock()
    named = {vault.host for vault in wanted.configuration.vaults}
    known = {entry.key.vault for entry in snapshot.entries.values()} | snapshot.vaults.keys() | named
    writes: list[Write] = []
    for host in sorted(known):
        facts = snapshot.vaults.get(host, VaultFacts())
        left = None if host in named else facts.left or now
        after = VaultFacts(facts.swept, left, facts.forgotten if host not in named else None)
        if after != facts:
            writes.append(Write(VaultRow(host), after, ANYTHING))
    return tuple(writes)


def _propose(runtime: Runtime, snapshot: Snapshot, proposal: SettingsProposal) -> None:
    """Let settings wait; what waited before is replaced where it differs."""
    before = snapshot.proposal
    if before is not None and settings_digest(before) == settings_digest(replace(proposal, since=before.since)):
        return
    head = runtime.next_head(runtime.decisions.head().value)
    runtime.decisions.commit([Write(PROPOSED, proposal, ANYTHING)], head=head)
    log.warning("the settings wait for approval: they would take secrets from %d clusters", len(proposal.clusters))
