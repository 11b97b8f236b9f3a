"""Faults on demand: what an API server, or anything in front of it, may do to a request."""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.responses import Response, StreamingResponse

from local.kubernetes.status import of_code

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

HUGE = 300 * 1024 * 1024  # bytes
_CHUNK = 64 * 1024


class Kind(StrEnum):
    """What goes wrong. Only `SLOW`, `DRIP` and `RESET` carry the request out."""

    DOWN = "down"
    SLOW = "slow"
    DRIP = "drip"
    RESET = "reset"
    REDIRECT = "redirect"
    HUGE = "huge"
    COMPRESSED = "compressed"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        kind: what happens. `DOWN` closes the connection without an answer; `SLOW` waits, then answers; `DRIP` sends
            a byte at a time; `RESET` breaks off in the middle of the body; `REDIRECT` answers 307.
        status: the code of a `STATUS`.
        seconds: before the answer of `SLOW`, between the bytes of `DRIP`.
        location: where `REDIRECT` points to.
        retry_after: header of a `STATUS`, as sent; None: omitted.
        methods: the HTTP methods that it strikes; empty: all.
        times: how many requests it strikes; None: all, until it is removed.
    """

    kind: Kind
    status: int = 0
    seconds: float = 1.0
    location: str = "http://127.0.0.1:9/"
    retry_after: str | None = None
    methods: frozenset[str] = frozenset()
    times: int | None = None

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Fault:
        """A fault as the admin interface takes it."""
        return cls(**{**body, "kind": Kind(body["kind"]), "methods": frozenset(body.get("methods", ()))})


def instead(fault: Fault) -> Response | None:
    """The answer that replaces the real one; None if the request is carried out."""
    match fault.kind:
        case Kind.STATUS:
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else None
            return Response(json.dumps(of_code(fault.status).status), fault.status, headers, "application/json")
        case Kind.REDIRECT:
            return Response(status_code=307, headers={"Location": fault.location})
        case Kind.HUGE:
            return StreamingResponse(_spaces(), media_type="application/json")
        case Kind.COMPRESSED:
            return Response(_bomb(), 200, {"Content-Encoding": "gzip"}, "application/json")
    return None


async def spoiled(fault: Fault, answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the answer as the fault distorts it."""
    match fault.kind:
        case Kind.SLOW:
            if not await _gone_within(fault.seconds, receive):
                await answer(scope, receive, send)
        case Kind.DRIP:
            await _start(answer, send)
            for byte in bytes(answer.body):
                await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
                if await _gone_within(fault.seconds, receive):
                    return
            await send({"type": "http.response.body"})
        case Kind.RESET:
            await _start(answer, send)
            half = bytes(answer.body)[: len(answer.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            await break_off(receive, send)


async def break_off(receive: Receive, send: Send) -> None:
    """Close the connection at once. ASGI cannot express it, so this uses the transport of uvicorn's cycle."""
    send.__self__.transport.abort()  # type: ignore[attr-defined]
    await receive()  # until uvicorn notices, so that it does not expect an answer


async def _gone_within(seconds: float, receive: Receive) -> bool:
    """Wait that long; whether the client left meanwhile. The request's body must have been read."""
    try:
        async with asyncio.timeout(seconds):
            await receive()
    except TimeoutError:
        return False
    return True


async def _start(answer: Response, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})


async def _spaces() -> AsyncIterator[bytes]:
    for _ in range(HUGE // _CHUNK):
        yield b" " * _CHUNK


@cache
def _bomb() -> bytes:
    """Megabytes in a few hundred kilobytes."""
    return gzip.compress(bytes(HUGE), compresslevel=1)
