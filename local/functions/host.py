"""The local Functions host: runs the app that is deployed, unchanged, on one machine.

The host half of Azure Functions is not available outside Azure. This one is ours, and behaves as the real one
does wherever the app can notice. The worker half is Microsoft's (`local.functions.worker_api`).

    python -m local.functions.host --app FOLDER --port 7071

App settings are environment variables. The keys come from HOST_MASTER_KEY, HOST_SYSTEM_KEY and
HOST_FUNCTION_KEY, and are random (so that nobody knows them) if unset. Once it serves, it prints its URL.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Self

from starlette.applications import Starlette

from local.functions.http import HostRoutes
from local.functions.invocations import Runs
from local.functions.logs import start_logging
from local.functions.queue_listener import QueueListener
from local.functions.settings import Keys, read_host_json
from local.functions.timer import run_timer
from local.functions.triggers import QueueTrigger, TimerTrigger, triggers_of
from local.functions.worker_api import AppError, load_worker
from local.support.running import Running
from local.support.serving import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Mapping

_log = logging.getLogger("host")

_STORAGE_THREADS = 16
_LEASE = timedelta(minutes=10)


class Host(Running):
    """One Functions host for one app, in this process.

    It serves and listens inside the `with` block (or between `start` and `stop`). Two hosts may work the same
    queues. A process loads an app once, so two hosts in one process share its worker.

    Args:
        folder: the app's: `function_app.py` and `host.json`.
        environment: the app settings that the bindings name; the functions themselves read `os.environ`.
        keys: for the webhook, the functions and the administration.
        port: of the loopback; 0 takes a free one.
        lease: how long a message belongs to this host while it is worked.

    Raises:
        AppError: the app cannot be loaded, or needs something that this host does not serve.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        keys: Keys,
        port: int = 0,
        lease: timedelta = _LEASE,
    ) -> None:
        rules = read_host_json(folder)
        worker = load_worker(folder)
        self.keys = keys
        self._triggers = triggers_of(worker.functions, environment)
        self._queue_rules = replace(rules.queues, lease=lease)
        self._runs = Runs(worker)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listening: list[asyncio.Task[None]] = []
        routes = HostRoutes(self._triggers, rules.route_prefix, keys, self._runs).routes()
        self._server = Server(Starlette(routes=routes, lifespan=self._lifespan), port=port)
        self.url = self._server.url

    def start(self) -> Self:
        """Serve and listen; returns once it answers."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Take no new work, let running functions end (as Azure does), then stop. May be called twice."""
        if self._loop and not self._runs.stopping.is_set():
            asyncio.run_coroutine_threadsafe(self._settle(), self._loop).result()
        self._server.stop()

    async def _settle(self) -> None:
        self._runs.stopping.set()
        await asyncio.gather(*self._listening)
        await self._runs.settle()

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(_STORAGE_THREADS, "storage") as threads:
            listeners = self._listeners(threads)
            timers = [trigger for trigger in self._triggers if isinstance(trigger, TimerTrigger)]
            loops = [listener.listen() for listener in listeners] + [run_timer(t, self._runs) for t in timers]
            self._listening = [asyncio.create_task(_outliving(loop)) for loop in loops]
            yield
            for listener in listeners:
                listener.close()

    def _listeners(self, threads: ThreadPoolExecutor) -> list[QueueListener]:
        def announce(queue: str) -> None:
            for listener in listeners:
                if listener.queue_name == queue:
                    listener.wake()

        listeners = [
            QueueListener(trigger, self._queue_rules, self._runs, threads, announce)
            for trigger in self._triggers
            if isinstance(trigger, QueueTrigger)
        ]
        return listeners


async def _outliving(loop: Coroutine[None, None, None]) -> None:
    """A trigger that breaks is logged and does not end the others."""
    try:
        await loop
    except Exception:  # noqa: BLE001  whatever it is, the others continue
        _log.exception("a trigger broke and is no longer served")


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; 0 after a clean stop, 1 with a message if the app cannot be served."""
    parser = argparse.ArgumentParser(prog="python -m local.functions.host", description="The local Functions host.")
    parser.add_argument("--app", type=Path, required=True, help="folder of function_app.py and host.json")
    parser.add_argument("--port", type=int, default=7071, help="of the loopback; 0 takes a free one")
    parser.add_argument("--lease", type=float, default=_LEASE.total_seconds(), help="of a message, in seconds")
    parser.add_argument("--debug", action="store_true", help="log the stacks of functions that fail")
    options = parser.parse_args(arguments)
    start_logging(debug=options.debug)
    stopped = Event()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wanted, lambda *_: stopped.set())
    try:
        host = Host(
            options.app.resolve(),
            os.environ,
            keys=Keys.of(os.environ),
            port=options.port,
            lease=timedelta(seconds=options.lease),
        )
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    with host:
        print(host.url, flush=True)
        stopped.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
