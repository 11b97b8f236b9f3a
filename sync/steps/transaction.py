"""One read-decide-write step, run until nothing changed under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.errors import Changed, Temporary
from sync.ports.stored import ANYTHING
from sync.steps.enqueue import request_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from sync.catalogue.snapshot import Snapshot
    from sync.ports.decisions import Write
    from sync.steps.runtime import Runtime

TRIES = 6


def transact(runtime: Runtime, step: Callable[[Snapshot], tuple[Write, ...]], *, on_head: bool = True) -> None:
    """Run one read-decide-write step until nothing changed under it.

    Args:
        runtime: ports and settings.
        step: the writes, from all that decides.
        on_head: they are refused where anything at all changed; False: only where the rows did that they name.
    """
    for _ in range(TRIES):
        head = runtime.decisions.head()
        snapshot = runtime.decisions.snapshot(fresh=True)
        new = runtime.next_head(head.value)
        try:
            writes = step(snapshot)
            if writes:
                runtime.decisions.commit(writes, head=new, on_head=head.unchanged if on_head else ANYTHING)
                request_plan(runtime, new, "steered")
        except Changed:
            continue
        return
    raise Temporary("others change the same rows at the same time; run the command again")
