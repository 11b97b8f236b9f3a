"""A web application, served on a thread of this process for the length of a `with` block."""

from __future__ import annotations

import asyncio
import socket
from threading import Event, Thread
from typing import TYPE_CHECKING, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from local.support.running import Running

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from local.support.tls import Authority

_START_SECONDS = 10.0


class _Uvicorn(uvicorn.Server):
    """uvicorn that signals when it answers, and closes its connections when it stops."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled = Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.settled.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Clients keep connections open; over TLS, each would delay the stop until it answers the close.
        self._abort(idle_only=True)
        await super().shutdown(sockets)
        self._abort(idle_only=False)
        await asyncio.sleep(0.01)  # the loop closes what was aborted

    def _abort(self, *, idle_only: bool) -> None:
        for connection in tuple(self.server_state.connections):
            if isinstance(connection, H11Protocol) and (_is_idle(connection) or not idle_only):
                connection.transport.abort()


class Server(Running):
    """One application on one port of the loopback, over HTTPS if an authority is given.

    The port is bound when the object is created (so that `url` is known before the application runs);
    requests are answered between `start` and `stop`, or inside the `with` block.
    """

    def __init__(self, app: ASGIApp, *, port: int = 0, authority: Authority | None = None) -> None:
        self._socket = _listen(port)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"{'https' if authority else 'http'}://127.0.0.1:{self.port}"
        certificate, key = authority.server_files() if authority else (None, None)
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                log_level="warning",
                http="h11",
                ws="none",
                server_header=False,
                timeout_graceful_shutdown=1,
                ssl_certfile=certificate,
                ssl_keyfile=key,
            )
        )
        self._thread = Thread(target=self._run, name=f"server-{self.port}", daemon=True)

    def start(self) -> Self:
        """Start, and return once it answers.

        Raises:
            RuntimeError: the application's own start failed, or took longer than ten seconds.
        """
        self._thread.start()
        if not self._server.settled.wait(_START_SECONDS) or not self._server.started:
            self.stop()
            raise RuntimeError(f"the server on port {self.port} did not start")
        return self

    def stop(self) -> None:
        """Stop, with a second for running requests; the port is free afterwards. May be called twice."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._server.settled.set()


def _is_idle(connection: H11Protocol) -> bool:
    return connection.cycle is None or connection.cycle.response_complete


def _listen(port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only if the protocol is named; without it each answer waits 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    return listening
