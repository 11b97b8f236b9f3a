"""Ports for servers that must come back on the port they had.

The system also uses its upper range of ports (from 32768 on Linux) for outgoing connections. A server on such a port
that is away for a moment may find it taken when it returns.
"""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack

FIRST, AFTER = 16_384, 32_768


def free_ports(count: int) -> list[int]:
    """That many unused ports of 127.0.0.1, below the range of outgoing connections."""
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
