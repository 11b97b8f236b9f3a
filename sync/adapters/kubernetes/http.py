"""HTTPS to a server that may be hostile: urllib3 bounded in time and size, without redirects and decompression.

urllib3's time-outs are per socket operation: a server that sends a byte per second can hold a caller forever. Here the
socket knows when the call must end, and every handshake, send and receive gets only the time left until then. Two
things are not covered: resolving the host's name, and that each of its addresses is tried for the call's whole time.
"""

from __future__ import annotations

import ssl
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import urllib3

from sync.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BODY = 4 * 1024 * 1024  # bytes; a Secret of 1 MiB with its managedFields takes under 2 MiB of JSON

_ends: ContextVar[float] = ContextVar("_ends")


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End every socket operation of this thread's calls within this many seconds from now."""
    token = _ends.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends.reset(token)


def connections(ca_pem: bytes) -> urllib3.PoolManager:
    """Connections that trust one CA, for calls inside `time_limit`; no retry, no redirect, no proxy.

    Args:
        ca_pem: the certificates to trust, each as an anchor, as in Go's clients. Python 3.13's strict RFC 5280 checks
            stay off: many clusters' own CAs lack key identifiers.

    Raises:
        Invalid: the text holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.sslsocket_class = _TimedSocket
    try:
        context.load_verify_locations(cadata=ca_pem.decode("ascii"))
    except (ValueError, ssl.SSLError) as error:
        raise Invalid("the CA of the cluster's kubeconfig is not a PEM certificate: register it again") from error
    return urllib3.PoolManager(num_pools=1, maxsize=1, retries=False, ssl_context=context)


def read_body(response: urllib3.BaseHTTPResponse) -> bytes:
    """The whole body of an unread response; its connection goes back to the pool.

    Raises:
        Invalid: the body is compressed or longer than `MAX_BODY`; the rest stays unread.
        urllib3.exceptions.HTTPError: the connection broke, or time ran out.
    """
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        response.close()
        raise Invalid("the cluster answered with a compressed body: is its address that of the API server itself?")
    body = response.read(MAX_BODY + 1, decode_content=False)
    if len(body) > MAX_BODY:
        response.close()
        raise Invalid("the cluster answered with more than 4 MiB: is its address that of the API server itself?")
    response.read(1, decode_content=False)  # a truncated body shows only on reading past it
    response.release_conn()
    return body


class _TimedSocket(ssl.SSLSocket):
    """A TLS socket whose operations end when the call's time is over; their own time-outs are ignored."""

    def settimeout(self, value: float | None) -> None:  # noqa: ARG002  only the call's end counts
        self._use_what_is_left()

    def recv_into(self, buffer: bytearray, nbytes: int | None = None, flags: int = 0) -> int:  # type: ignore[override]
        self._use_what_is_left()
        return super().recv_into(buffer, nbytes, flags)

    def send(self, data: bytes, flags: int = 0) -> int:  # type: ignore[override]
        self._use_what_is_left()
        return super().send(data, flags)

    def _use_what_is_left(self) -> None:
        left = _ends.get() - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for this call is over")
        super().settimeout(left)
