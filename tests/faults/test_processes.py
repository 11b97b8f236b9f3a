"""Processes that die or come twice: the functions host and the storage, killed at the worst moments.

One stack with real processes serves all. Where a dead host had taken work up, what is due again in two minutes is
asked for by a check whose clock is three minutes ahead; the messages that it held stay leased for ten.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from azure.storage.queue import QueueServiceClient

from local.clusters import NAMESPACE
from local.stack import RESPONSIVE, ROOT, Stack
from local.storage import Azurite
from local.support.children import Child
from sync.bootstrap import connect
from sync.clock import utc_now
from sync.commands.clusters import RegistrationRequest, register
from sync.reconcile.status import State
from sync.settings import Settings
from sync.steps.drift import check_drift
from tests.faults.gate import Gate, endpoint, through
from tests.support.certs import server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sync.steps.runtime import Runtime

TRUST = "aio-opc-ua-broker-trust-list"
EVERYWHERE = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
PATIENCE = 60.0
NAMES = ("hamburg", "lyon", "lab")


@dataclass
class Processes:
    """A stack whose storage is on disk behind gates, and a service beside it that looks and hastens."""

    stack: Stack
    azurite: Azurite
    queues: Gate
    tables: Gate
    runtime: Runtime
    made: int = 0

    def upload(self, name: str = "plc1") -> bytes:
        """A new version, good for a year; gives the bytes that every list must have."""
        self.made += 1
        now = utc_now().replace(microsecond=0)
        first, last = now - timedelta(days=1), now + timedelta(days=365)
        made = server(name=name, key_name=f"{name} {self.made}", not_before=first, not_after=last)
        self.stack.vault.set(f"{name}-der", made.pem, tags=EVERYWHERE)
        return made.der

    def kill(self) -> None:
        self.stack.stop_host(signal.SIGKILL)

    def on(self, cluster: str) -> dict[str, bytes]:
        return self.stack.clusters[cluster].files(TRUST)

    def hasten(self) -> None:
        """What the two minutes of a lost message and the timer would bring."""
        check_drift(replace(self.runtime, clock=lambda: utc_now() + timedelta(minutes=3)))

    def until(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, f"{what}; {self.stack.log.read_text()[-3000:]}"
            time.sleep(0.02)

    def until_everywhere(self, der: bytes, name: str = "plc1") -> None:
        self.until(lambda: all(self.on(c).get(f"{name}.der") == der for c in NAMES), f"{name} is everywhere")
        self.until(self.settled, "every list is in sync, and planned")

    def settled(self) -> bool:
        head = self.runtime.decisions.head().value.token
        return self.runtime.work.planned() == head and all(
            (found := self.runtime.statuses.get(f"{c}/{NAMESPACE}/{TRUST}")) is not None
            and found.value.state is State.IN_SYNC
            and set(found.value.files) == set(self.on(c))
            for c in NAMES
        )


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with ExitStack() as opened:
        azurite = opened.enter_context(Azurite(tmp_path_factory.mktemp("azurite")))
        direct = azurite.connection_string
        queues, tables = (opened.enter_context(Gate(endpoint(direct, kind))) for kind in ("Queue", "Table"))
        settings = {
            **RESPONSIVE,
            "TRUSTCAST_OFFLINE_RETRY": "1s..2s",
            "AzureWebJobsStorage": through(direct, {"Queue": queues.url, "Table": tables.url}),
        }
        stack = opened.enter_context(Stack(NAMES, settings=settings))
        with pytest.MonkeyPatch.context() as patched:
            for name, value in stack.environment.items():
                patched.setenv(name, value)
            runtime = connect(Settings.from_environment(stack.environment | {"AzureWebJobsStorage": direct}), utc_now())
            for name in NAMES:
                tags = {"trustcast-credential": name}
                stack.credentials.set(f"{name}-kubeconfig", stack.clusters[name].kubeconfig(), tags=tags)
                register(runtime, RegistrationRequest(name, f"{name}-kubeconfig"))
            yield Processes(stack, azurite, queues, tables, runtime)


@pytest.fixture
def running(processes: Processes) -> Processes:
    """The stack at rest, with one certificate everywhere."""
    if not processes.made:
        processes.until_everywhere(processes.upload())
    return processes


def test_killed_between_apply_and_status_write(running: Processes) -> None:
    """SIGKILL after the cluster was written, before its status row → the next host finds the list right and remembers
    the file as its own; the dead host's messages stay leased for ten minutes, and nobody waits for them.
    """
    before = running.on("hamburg")
    held = running.tables.hold(
        "PUT|POST|PATCH|MERGE",
        r"trustcaststatus\(.*hamburg",
        forwarded=False,
        when=lambda: running.on("hamburg") != before,
    )
    der = running.upload()
    assert held.reached.wait(PATIENCE)
    assert running.on("hamburg")["plc1.der"] == der
    running.kill()
    with QueueServiceClient.from_connection_string(running.azurite.connection_string) as queues:
        assert queues.get_queue_client("trustcast-push").get_queue_properties().approximate_message_count
    running.stack.start_host()
    running.hasten()
    running.until_everywhere(der)


@pytest.mark.parametrize(
    ("gate", "path"),
    [("tables", r"\$batch"), ("queues", "trustcast-plan/messages"), ("queues", "trustcast-push/messages")],
    ids=[
        "after the catalogue, before the plan is asked for",
        "after the plan was asked for",
        "after a push was asked for",
    ],
)
def test_killed_between_enqueue_and_table_write(running: Processes, gate: str, path: str) -> None:
    """SIGKILL right after a message was sent or the catalogue written → nothing is forgotten: the event comes again, or
    the check finds the head unplanned; every list gets the change.
    """
    held = getattr(running, gate).hold("POST", path, forwarded=True)
    der = running.upload()
    assert held.reached.wait(PATIENCE)
    running.kill()
    running.stack.start_host()
    running.hasten()
    running.until_everywhere(der)


def test_two_hosts_on_the_same_queues(running: Processes, tmp_path: Path) -> None:
    """Two hosts share the queues while versions come in a burst → every list ends with the newest, nothing failed."""
    with (tmp_path / "second.log").open("wb") as log:
        second = Child(
            [sys.executable, "-m", "local.functions.host", "--app", str(ROOT), "--port", "0"],
            output=subprocess.PIPE,
            errors=log,
            environment={**os.environ, **running.stack.environment, "PYTHONUNBUFFERED": "1"},
            folder=ROOT,
        )
    assert second.output is not None
    with contextlib.closing(second.output) as output:
        try:
            assert output.readline()
            ders = [running.upload() for _ in range(5)]
            other = running.upload("oven")
            running.until_everywhere(ders[-1])
            running.until_everywhere(other, "oven")
        finally:
            second.end(signal.SIGTERM)
    assert "poison" not in (tmp_path / "second.log").read_text()


def test_azurite_is_away_in_mid_fan_out(running: Processes) -> None:
    """The storage goes while pushes are under way, and comes back with all that it had acknowledged → the event comes
    again, the fan-out goes on, every list gets the change.
    """
    held = running.tables.hold("GET", r"trustcaststatus\(", forwarded=True)
    der = running.upload()
    assert held.reached.wait(PATIENCE)
    running.azurite.stop()
    running.azurite.start()
    running.hasten()
    running.until_everywhere(der)


def test_azurite_is_killed_in_mid_fan_out_and_forgets_the_last_seconds(running: Processes) -> None:
    """The storage crashes, and with it what it had acknowledged since it last saved → no file leaves a cluster, and
    every list gets the change.
    """
    running.azurite.stop()
    running.azurite.start()
    held = running.tables.hold("GET", r"trustcaststatus\(", forwarded=True)
    der = running.upload()
    assert held.reached.wait(PATIENCE)
    running.azurite.kill()
    assert all("plc1.der" in running.on(c) for c in NAMES)
    running.azurite.start()
    running.hasten()
    running.until_everywhere(der)
