"""One storage queue, used from an event loop: the SDK's calls run in threads."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import ExponentialRetry, QueueClient

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from azure.storage.queue import QueueMessage

_T = TypeVar("_T")
_SECONDS = 10
_RETRIES = 4


class StorageQueue:
    """A queue, created if missing.

    Receiving is tried once (the next poll comes anyway); settling a message is retried for some seconds, since
    a message that is not settled stays leased.
    """

    def __init__(self, connection: str, name: str, threads: Executor) -> None:
        self.name = name
        self._threads = threads
        self._client = QueueClient.from_connection_string(
            connection,
            name,
            retry_policy=ExponentialRetry(
                initial_backoff=0, increment_base=2, retry_total=_RETRIES, random_jitter_range=0
            ),
            connection_timeout=_SECONDS,
            read_timeout=_SECONDS,
        )

    async def receive(self, count: int, lease: float) -> list[QueueMessage]:
        """Up to `count` messages, invisible to others for `lease` seconds."""
        return await self._creating(partial(self._take, count, round(lease)))

    def _take(self, count: int, lease: int) -> list[QueueMessage]:
        return list(self._client.receive_messages(max_messages=count, visibility_timeout=lease, retry_total=0))

    async def put(self, text: str) -> None:
        """Add a message."""
        await self._creating(partial(self._client.send_message, text))

    async def hide(self, message: QueueMessage, seconds: float) -> None:
        """Make the message invisible for that many seconds; replaces the message's receipt."""
        update = partial(self._client.update_message, message, visibility_timeout=round(seconds))
        message.pop_receipt = (await self._call(update)).pop_receipt

    async def delete(self, message: QueueMessage) -> None:
        """Delete the message."""
        await self._call(partial(self._client.delete_message, message))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    async def _creating(self, call: Callable[[], _T]) -> _T:
        try:
            return await self._call(call)
        except ResourceNotFoundError:
            await self._call(self._create)
            return await self._call(call)

    def _create(self) -> None:
        try:
            self._client.create_queue()
        except ResourceExistsError:
            return  # another host created it first

    async def _call(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)
