"""Every HTTP request that the SDKs send, as it is sent: counted, and replayed bare as the floor of a figure.

A replay makes the same calls with the same SDK clients, in the same order and with as many threads, and nothing else.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit

from azure.core.pipeline.transport import RequestsTransport
from kubernetes.client.api_client import ApiClient

from benchmarks.stack.rig import doing

if TYPE_CHECKING:
    from collections.abc import Callable

_ROW = re.compile(r"/(?P<table>\w+)\(PartitionKey='(?P<partition>[^']*)',\s?RowKey='(?P<key>[^']*)'\)")


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its kind, what it names, the size of its body, and what it was sent for."""

    kind: str
    what: tuple[str, ...] = ()
    size: int = 0
    label: str = ""
    ended: float = 0.0


@dataclass
class Traffic:
    """What is sent inside the `with` block."""

    calls: list[Call] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._send, self._call_api = RequestsTransport.send, ApiClient.call_api
        RequestsTransport.send = self._watching(self._send, lambda _, request, **__: _azure(request))
        ApiClient.call_api = self._watching(  # type: ignore[method-assign]
            self._call_api, lambda _, method, url, *__, **___: Call(f"cluster {method}", (url,))
        )
        return self

    def __exit__(self, *_: object) -> None:
        RequestsTransport.send, ApiClient.call_api = self._send, self._call_api  # type: ignore[method-assign]

    def _watching(self, original: Callable[..., Any], name: Callable[..., Call]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            call = name(*args, **kwargs)
            try:
                return original(*args, **kwargs)
            finally:
                seen = Call(call.kind, call.what, call.size, doing.get(), time.perf_counter())
                with self._lock:
                    self.calls.append(seen)

        return watched

    def of(self, label: str) -> list[Call]:
        """The calls made for one thing, in their order."""
        return [call for call in self.calls if call.label == label]

    def kinds(self) -> Counter[str]:
        """How many calls of each kind."""
        return Counter(call.kind for call in self.calls)

    def storage(self) -> int:
        """How many of them went to the storage account: each is a transaction that Azure charges."""
        return sum(n for kind, n in self.kinds().items() if kind.startswith(("table", "queue")))


def _azure(request: Any) -> Call:
    url = urlsplit(request.url)
    body = request.body if isinstance(request.body, (str, bytes)) else b""
    path = unquote(url.path)
    if path.endswith("/messages"):
        return Call("queue send", (path,), len(body))
    if "/secrets" in path:
        parts = path.split("/")
        kind = "vault listing" if len(parts) == 2 else "vault versions" if parts[3] == "versions" else "vault value"
        return Call(kind, tuple(parts[2:]))
    if path.endswith("$batch"):
        return Call("table transaction", (), len(body))
    if row := _ROW.search(path):
        return Call("table read" if request.method == "GET" else "table write", row.groups(), len(body))
    if request.method == "GET" and path.endswith("()"):
        return Call("table scan", (path.rpartition("/")[2].removesuffix("()"), unquote(url.query)))
    return Call("table write" if "trustcast" in path else f"other {request.method}", (), len(body))
