"""One read-decide-write step, run until nothing changed under it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sync.errors import Changed, Temporary
from sync.ports.decisions import Write
from sync.ports.stored import ANYTHING
from sync.steps.enqueue import request_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from sync.catalogue.snapshot import Snapshot
    from sync.steps.runtime import Runtime

TRIES = 6


T = TypeVar("T")
Writes = tuple[Write, ...]


def transact(runtime: Runtime, step: Callable[[Snapshot], tuple[Writes, T]], *, on_head: bool = True) -> T:
    """Run one read-decide-write step until nothing changed under it; returns what the step answered last.

    Args:
        runtime: ports and settings.
        step: from all that decides to the writes and the answer.
        on_head: the writes fail if anything at all changed since; False: only if the rows that they name did.

    Raises:
        Temporary: others kept changing the same rows.
    """
    for _ in range(TRIES):
        head = runtime.decisions.head()
        snapshot = runtime.decisions.snapshot(fresh=True)
        new = runtime.next_head(head.value)
        try:
            writes, answer = step(snapshot)
            if writes:
                runtime.decisions.commit(writes, head=new, on_head=head.unchanged if on_head else ANYTHING)
                request_plan(runtime, new, "a command")
        except Changed:
            continue
        return answer
    raise Temporary("others change the same rows at the same time; run the command again")
