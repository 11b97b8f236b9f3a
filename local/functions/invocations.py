"""Runs of functions: started, counted, logged, and waited for when the host stops."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from local.functions.logs import SHOWN

if TYPE_CHECKING:
    from local.functions.worker_api import Invocation, TriggerData, Worker

_log = logging.getLogger("host")


class Runs:
    """The functions running in this host, all on one event loop.

    Attributes:
        stopping: set once no new work may start; running functions are still awaited.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._tasks: set[asyncio.Task[Invocation]] = set()
        self.stopping = asyncio.Event()

    def start(self, function: str, trigger: TriggerData, reason: str) -> asyncio.Task[Invocation]:
        """Run a function; the task returns its outcome, and continues if its caller is cancelled."""
        task = asyncio.create_task(self._run(function, trigger, reason))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def run(self, function: str, trigger: TriggerData, reason: str) -> Invocation:
        """Run a function to its end."""
        return await asyncio.shield(self.start(function, trigger, reason))

    async def settle(self) -> None:
        """Wait until nothing is running."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stops_within(self, seconds: float, *, wake: asyncio.Event | None = None) -> bool:
        """Sleep, less if the host stops or `wake` is set; returns whether the host is stopping."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self.stopping, wake) if event]
        _, unfinished = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in unfinished:
            wait.cancel()
        return self.stopping.is_set()

    async def _run(self, function: str, trigger: TriggerData, reason: str) -> Invocation:
        started = time.monotonic()
        outcome = await self._worker.invoke(function, trigger)
        facts = {"function": function, "reason": reason, "ms": round((time.monotonic() - started) * 1000)}
        if outcome.error is None:
            _log.info("function succeeded", extra={"facts": facts})
        else:
            _log.error("function failed", extra={"facts": facts | {"error": outcome.error[:SHOWN]}})
            _log.debug("%s", outcome.trace)
        return outcome
