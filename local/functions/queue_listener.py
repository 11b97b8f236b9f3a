"""Queue triggers, worked as Azure's WebJobs queue listener does.

Source of the rules: QueueListener, QueueProcessor and RandomizedExponentialBackoffStrategy of
github.com/Azure/azure-sdk-for-net (Microsoft.Azure.WebJobs.Extensions.Storage.Queues).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError

from local.functions.worker_api import TriggerData

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from concurrent.futures import Executor
    from datetime import datetime

    from azure.storage.queue import QueueMessage

    from local.functions.invocations import Runs
    from local.functions.settings import QueueRules
    from local.functions.triggers import QueueTrigger

from local.functions.queue_client import StorageQueue

_log = logging.getLogger("host.queue")

SHORTEST_WAIT = 0.1
_POISON = "-poison"


def next_wait(wait: float, longest: float) -> float:
    """Seconds until the next poll of a queue that was empty after `wait`: double, up to the longest."""
    return min(max(wait * 2, SHORTEST_WAIT), longest)


class QueueListener:
    """Works one queue with one function, for as long as the host runs.

    Args:
        trigger: queue, account and function.
        rules: from `host.json`.
        runs: runs the functions.
        threads: run the storage calls.
        announce: called with the name of a queue that got a message.
    """

    def __init__(
        self,
        trigger: QueueTrigger,
        rules: QueueRules,
        runs: Runs,
        threads: Executor,
        announce: Callable[[str], None],
    ) -> None:
        self.queue_name = trigger.queue
        self._function = trigger.function
        self._rules = rules
        self._lease = rules.lease.total_seconds()
        self._runs = runs
        self._announce = announce
        self._queue = StorageQueue(trigger.connection, trigger.queue, threads)
        is_poison = trigger.queue.endswith(_POISON)
        self._poison = None if is_poison else StorageQueue(trigger.connection, trigger.queue + _POISON, threads)
        self._working: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Poll the queue now."""
        self._wake.set()

    async def listen(self) -> None:
        """Take and work messages until the host stops, then finish those that were started."""
        wait = 0.0
        while not self._runs.stopping.is_set():
            messages = await self._receive()
            for message in messages:
                task = asyncio.create_task(self._work(message))
                self._working.add(task)
                task.add_done_callback(self._working.discard)
            if messages:
                wait = 0.0
                await self._below_threshold(self._rules.new_batch_threshold)
            else:
                wait = next_wait(wait, self._rules.max_polling_interval.total_seconds())
                await self._runs.stops_within(wait, wake=self._wake)
                self._wake.clear()
        await self._below_threshold(0)

    def close(self) -> None:
        """Close the connections."""
        for queue in (self._queue, self._poison):
            if queue:
                queue.close()

    async def _below_threshold(self, threshold: int) -> None:
        while len(self._working) > threshold:
            await asyncio.wait(self._working, return_when=asyncio.FIRST_COMPLETED)

    async def _receive(self) -> list[QueueMessage]:
        try:
            return await self._queue.receive(self._rules.batch_size, self._lease)
        except AzureError as error:
            self._complain("cannot poll the queue", error)
            return []

    async def _work(self, message: QueueMessage) -> None:
        try:
            text = _decoded(message.content) if self._rules.is_base64 else message.content
            if text is None or self._is_spent(message, more_than=True):
                await self._set_aside(message)
                return
            async with self._held(message):
                outcome = await self._runs.run(self._function, _data(message, text), "queue")
            await self._settle(message, succeeded=outcome.succeeded)
        except AzureError as error:
            self._complain("a message could not be settled, and comes back when its lease ends", error)

    async def _settle(self, message: QueueMessage, *, succeeded: bool) -> None:
        if succeeded:
            await self._queue.delete(message)
        elif self._poison is None:
            return  # a failed poison message comes back when its lease ends, and not before
        elif self._is_spent(message, more_than=False):
            await self._set_aside(message)
        else:
            await self._queue.hide(message, self._rules.visibility_timeout.total_seconds())

    def _is_spent(self, message: QueueMessage, *, more_than: bool) -> bool:
        tries = message.dequeue_count or 0
        return self._poison is not None and tries >= self._rules.max_dequeue_count + more_than

    async def _set_aside(self, message: QueueMessage) -> None:
        if self._poison is None:
            return
        await self._poison.put(message.content)
        await self._queue.delete(message)
        _log.error("a message is poison", extra={"facts": {"queue": self.queue_name, "to": self._poison.name}})
        self._announce(self._poison.name)

    @asynccontextmanager
    async def _held(self, message: QueueMessage) -> AsyncIterator[None]:
        """Keep the message ours: renew the lease whenever half of it has passed."""
        holding = asyncio.create_task(self._hold(message))
        try:
            yield
        finally:
            holding.cancel()
            await asyncio.wait([holding])

    async def _hold(self, message: QueueMessage) -> None:
        while True:
            await asyncio.sleep(self._lease / 2)
            try:
                await asyncio.shield(self._queue.hide(message, self._lease))
            except AzureError as error:
                self._complain("a lease could not be renewed", error)

    def _complain(self, what: str, error: AzureError) -> None:
        _log.warning(what, extra={"facts": {"queue": self.queue_name, "error": type(error).__name__}})


def _decoded(content: str) -> str | None:
    try:
        return base64.b64decode(content, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _data(message: QueueMessage, text: str) -> TriggerData:
    facts = {
        "QueueTrigger": text,
        "Id": message.id,
        "DequeueCount": message.dequeue_count,
        "PopReceipt": message.pop_receipt,
        "InsertionTime": _iso(message.inserted_on),
        "ExpirationTime": _iso(message.expires_on),
        "NextVisibleTime": _iso(message.next_visible_on),
    }
    return TriggerData(text, "string", {key: json.dumps(value) for key, value in facts.items()})


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
