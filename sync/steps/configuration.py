"""VAULTS and LISTS as they take effect: stored with a new head where they changed, held where they take too much."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from sync.catalogue.rows import ConfigurationProposal, ConfigurationRow
from sync.catalogue.snapshot import Proposal
from sync.desired.removals import hold, losses
from sync.desired.state import DesiredState
from sync.errors import Changed
from sync.fleet.configuration import Configuration
from sync.ports.decisions import Write
from sync.ports.stored import ANYTHING, as_read
from sync.steps.holding import needs_approval, removal_rows

if TYPE_CHECKING:
    from sync.ports.decisions import Row
    from sync.ports.stored import Stored
    from sync.steps.runtime import Runtime

log = logging.getLogger("trustcast.configuration")

ROW = ConfigurationRow()
PROPOSED = ConfigurationProposal()


def adopt_configuration(runtime: Runtime) -> None:
    """Put the environment's VAULTS and LISTS into force if they differ from the stored ones.

    One worker wins where several try; a change that would take too much is proposed and waits for approval.
    """
    snapshot = runtime.decisions.snapshot()
    if snapshot.configuration is not None and snapshot.configuration.digest == runtime.configured.digest:
        return
    stored = runtime.decisions.row(ROW)
    try:
        _adopt(runtime, stored.value if stored and isinstance(stored.value, Configuration) else None, stored)
    except Changed:
        log.info("another worker put the configuration into force")


def _adopt(runtime: Runtime, old: Configuration | None, stored: Stored[Row] | None) -> None:
    head = runtime.decisions.head()
    snapshot = runtime.decisions.snapshot()
    now = runtime.clock()
    row = Write(ROW, runtime.configured, as_read(stored))
    if old is None:
        runtime.decisions.commit([row], head=runtime.next_head(head.value))
        return
    after = DesiredState(replace(snapshot, configuration=runtime.configured), runtime.configured)
    lost = losses(DesiredState(snapshot, old), after)
    proposed = snapshot.proposals.get(PROPOSED)
    waits = hold(str(PROPOSED), "VAULTS or LISTS changed", lost, now=now, before=proposed.held if proposed else None)
    again = proposed is not None and proposed.configuration == runtime.configured
    if needs_approval(runtime, after, waits, now=now, scope_change=True, held=again):
        if proposed is None or proposed.held != waits:
            proposal = Write(PROPOSED, Proposal(waits, configuration=runtime.configured), ANYTHING)
            runtime.decisions.commit([proposal], head=runtime.next_head(head.value), on_head=head.unchanged)
        return
    along = (*removal_rows(runtime, snapshot, waits), *([Write(PROPOSED, None, ANYTHING)] if proposed else []))
    log.info("VAULTS and LISTS in force: %s", runtime.configured.digest[:12])
    runtime.decisions.commit([row, *along], head=runtime.next_head(head.value), on_head=head.unchanged)
