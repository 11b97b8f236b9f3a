"""Limits of the calls to a vault: how many per second, and to which host."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.pipeline.policies import SansIOHTTPPolicy

from sync.errors import Permanent, Temporary

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.core.pipeline import PipelineRequest


class ReadBudget:
    """A token bucket that holds one second's worth of calls (generic cell rate algorithm); thread-safe.

    Args:
        per_second: calls per second in the long run.
        longest_wait: seconds that a call may have to wait.
        clock, sleep: monotonic seconds, and how to wait.
    """

    def __init__(
        self,
        per_second: float,
        *,
        longest_wait: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / per_second
        self._burst = max(0.0, 1.0 - self._interval)
        self._longest_wait = longest_wait
        self._clock, self._sleep = clock, sleep
        self._due = -math.inf
        self._lock = threading.Lock()

    def take(self) -> None:
        """Let one call pass, after a wait if the second's worth is used up.

        Raises:
            Temporary: the wait would be too long; nothing was taken.
        """
        with self._lock:
            now = self._clock()
            due = max(self._due, now - self._burst)
            wait = due - now
            if wait > self._longest_wait:
                raise Temporary("this vault's budget of reads is used up", retry_after=wait)
            self._due = due + self._interval
        if wait > 0:
            self._sleep(wait)


class BoundedCalls(SansIOHTTPPolicy[Any, Any]):
    """Sends requests within the budget, and to the vault's own host only.

    A listing's link to its next page is the vault's text: it could send us, with a token, anywhere.
    """

    def __init__(self, vault_url: str, budget: ReadBudget) -> None:
        super().__init__()
        self._vault = _origin(vault_url)
        self._budget = budget

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Refuse another host, and wait for the budget.

        Raises:
            Permanent: the request would go elsewhere.
            Temporary: the budget is used up.
        """
        if _origin(request.http_request.url) != self._vault:
            raise Permanent("the vault's listing links to another host: is its address that of a Key Vault?")
        self._budget.take()


def _origin(url: str) -> tuple[str, str]:
    """Where a request goes. Azure's links to the next page name port 443, the URLs of vaults do not."""
    parts = urlsplit(url)
    scheme, host = parts.scheme.casefold(), parts.netloc.casefold()
    return scheme, host.removesuffix(":443") if scheme == "https" else host
