"""One read-decide-write step, run until nothing changed under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.errors import Changed, Temporary
from sync.steps.enqueue import request_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from sync.catalogue.snapshot import Snapshot
    from sync.ports.decisions import Write
    from sync.steps.runtime import Service

TRIES = 6


def transact(service: Service, step: Callable[[Snapshot], tuple[Write, ...]], *, on_head: bool = True) -> None:
    """Run one read-decide-write step until nothing changed under it.

    Args:
        service: ports and settings.
        step: the writes, from all that decides.
        on_head: they are refused where anything at all changed; False: only where the rows did that they name.
    """
    for _ in range(TRIES):
        head = service.decisions.head()
        snapshot = service.decisions.snapshot(fresh=True)
        new = service.next_head(head.value)
        try:
            writes = step(snapshot)
            if writes:
                service.decisions.commit(writes, head=new, on_head=head.etag if on_head else None)
                request_plan(service, new, "steered")
        except Changed:
            continue
        return
    raise Temporary("others change the same rows at the same time; run the command again")
