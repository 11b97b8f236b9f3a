"""VAULTS and LISTS as they take effect: stored with a new head where they changed, held where they take too much."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from sync.catalogue.snapshot import Proposal
from sync.desired.removals import hold, losses
from sync.desired.state import Desires
from sync.errors import Changed
from sync.fleet.configuration import Configuration
from sync.ports.decisions import RowKind, RowName, Write
from sync.steps.holding import must_wait, removal_rows

if TYPE_CHECKING:
    from sync.ports.decisions import Row
    from sync.ports.stored import Stored
    from sync.steps.runtime import Service

log = logging.getLogger("trustcast.configuration")

ROW = RowName(RowKind.CONFIGURATION)
PROPOSED = RowName(RowKind.PROPOSAL, RowKind.CONFIGURATION)


def adopt_configuration(service: Service) -> None:
    """Put the environment's VAULTS and LISTS into force if they differ from the stored ones.

    One worker wins where several try; a change that would take too much is proposed and waits for approval.
    """
    snapshot = service.decisions.snapshot()
    if snapshot.configuration is not None and snapshot.configuration.digest == service.configured.digest:
        return
    stored = service.decisions.row(ROW)
    try:
        _adopt(service, stored.value if stored and isinstance(stored.value, Configuration) else None, stored)
    except Changed:
        log.info("another worker put the configuration into force")


def _adopt(service: Service, old: Configuration | None, stored: Stored[Row] | None) -> None:
    head = service.decisions.head()
    snapshot = service.decisions.snapshot()
    now = service.clock()
    row = Write(ROW, service.configured, stored.etag if stored else None)
    if old is None:
        service.decisions.commit([row], head=service.next_head(head.value))
        return
    after = Desires(replace(snapshot, configuration=service.configured), service.configured)
    lost = losses(Desires(snapshot, old), after)
    proposed = snapshot.proposals.get(PROPOSED.rest)
    waits = hold(PROPOSED.rest, "VAULTS or LISTS changed", lost, now=now, before=proposed.held if proposed else None)
    again = proposed is not None and proposed.configuration == service.configured
    if must_wait(service, after, waits, now=now, steered=True, held=again):
        if proposed is None or proposed.held != waits:
            proposal = Write(PROPOSED, Proposal(waits, configuration=service.configured), "*")
            service.decisions.commit([proposal], head=service.next_head(head.value), on_head=head.etag)
        return
    along = (*removal_rows(service, snapshot, waits), *([Write(PROPOSED, None, "*")] if proposed else []))
    log.info("VAULTS and LISTS in force: %s", service.configured.digest[:12])
    service.decisions.commit([row, *along], head=service.next_head(head.value), on_head=head.etag)
