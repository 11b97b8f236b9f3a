"""Azure Queue Storage for plan and push messages: the only importer of azure.storage.queue.

The Functions host reads these queues and expects base64. It makes the `-poison` queues itself.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import LinearRetry, QueueServiceClient, TextBase64EncodePolicy

from sync.adapters.azure_errors import translated
from sync.ports.messages import encode

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.queue import QueueClient

    from sync.ports.messages import PlanFleet, PushCluster


class StorageQueues:
    """`ports.Queues` over a storage account; queues are created when first sent to.

    Args:
        account: a connection string; or, with a credential, the URL of the account's queue service.
        credential: whose token opens the account; None with a connection string.
        call_timeout: seconds to wait for a connection, and for an answer.
        prefix: lower-case letters and digits that the queues' names begin with.
    """

    def __init__(
        self,
        account: str,
        credential: TokenCredential | None = None,
        *,
        call_timeout: float,
        prefix: str = "trustcast",
    ) -> None:
        options: dict[str, Any] = {
            "retry_policy": bounded_retry(),
            "connection_timeout": call_timeout,
            "read_timeout": call_timeout,
        }
        if credential is None:
            self._service = QueueServiceClient.from_connection_string(account, **options)
        else:
            self._service = QueueServiceClient(account, credential=credential, **options)
        self._plan = self._queue(f"{prefix}-plan")
        self._push = self._queue(f"{prefix}-push")

    def send_plan(self, message: PlanFleet, delay: float = 0.0) -> None:
        """Send a message that becomes visible after `delay` seconds, rounded up to whole ones."""
        _send(self._plan, encode(message), delay)

    def send_push(self, message: PushCluster, delay: float = 0.0) -> None:
        """Send a message that becomes visible after `delay` seconds, rounded up to whole ones."""
        _send(self._push, encode(message), delay)

    def close(self) -> None:
        """Close the connections."""
        self._service.close()

    def _queue(self, name: str) -> QueueClient:
        return self._service.get_queue_client(name, message_encode_policy=TextBase64EncodePolicy())


def bounded_retry() -> LinearRetry:
    """Few and quick retries: callers have time limits and redeliveries of their own.

    A lost answer is retried once, as servers close idle connections at any moment; a message sent twice does no harm.
    """
    return LinearRetry(backoff=1, random_jitter_range=1, retry_total=2, retry_connect=1, retry_read=1, retry_status=2)


def _send(queue: QueueClient, text: str, delay: float) -> None:
    seconds = math.ceil(delay)
    with translated(f"sending to queue {queue.queue_name}"):
        try:
            queue.send_message(text, visibility_timeout=seconds)
        except ResourceNotFoundError:
            with suppress(ResourceExistsError):
                queue.create_queue()
            queue.send_message(text, visibility_timeout=seconds)
