"""Ports for servers that are to come back on the port they had.

The system gives ports of its upper range (from 32768 on Linux) to outgoing connections too. A server that was given one
of those, and is away for a moment, may find it taken by somebody's connection when it returns.
"""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack

FIRST, AFTER = 16_384, 32_768


def free_ports(count: int) -> list[int]:
    """So many ports of 127.0.0.1 that nothing is bound to, below those of outgoing connections."""
    with ExitStack() as held:
        return [_bound(held) for _ in range(count)]


def _bound(held: ExitStack) -> int:
    while True:
        port = FIRST + secrets.randbelow(AFTER - FIRST)
        try:
            held.enter_context(socket.create_server(("127.0.0.1", port)))
        except OSError:
            continue
        return port
