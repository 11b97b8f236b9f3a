"""The outside world in a process of its own, so that its work is not counted as ours: vaults, clusters, identity.

Storage is Azurite, which is a process of its own anyway.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from local.identity import Identity
from local.keyvault.server import Vault
from local.kubernetes.server import Fleet, kubeconfig
from local.support.serving import Server
from local.support.tls import Authority
from sync.fleet.kubeconfig import parse

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


class Door(msgspec.Struct, frozen=True):
    """A cluster as a client reaches it."""

    name: str
    server: str
    host: str
    ca_pem: bytes
    ca_sha256: str
    token: str


class Facts(msgspec.Struct, frozen=True):
    """What a client must know of the world."""

    vault: str
    credentials: str
    environment: dict[str, str]
    doors: tuple[Door, ...]


class World:
    """Stand-ins in a child process, inside a `with` block."""

    def __init__(self, clusters: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, clusters), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self.facts: Facts = self._ours.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.send(None)
        self._process.join(20)

    def ask(self, what: str, *arguments: Any) -> Any:
        """Have the child do something; see `_answer`."""
        self._ours.send((what, *arguments))
        return self._ours.recv()

    def set_secrets(self, secrets: dict[str, str], tags: dict[str, str]) -> dict[str, str]:
        """New versions of secrets; their versions' names."""
        versions: dict[str, str] = self.ask("set", secrets, tags)
        return versions

    def requests(self) -> dict[str, int]:
        """How many requests came to all clusters since the last `forget`, by verb, and to the watched vault."""
        counts: dict[str, int] = self.ask("requests")
        return counts

    def forget(self) -> None:
        """Count from zero."""
        self.ask("forget")


def _serve(pipe: Connection, clusters: int) -> None:
    os.environ["TRUSTCAST_BENCH_CHILD"] = "1"
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="trustcast-bench-")))
        authority = Authority.in_folder(folder)
        identity = Identity()
        metadata = opened.enter_context(Server(identity.app()))
        vault = opened.enter_context(Vault("kv-trust", authority=authority, identity=identity))
        credentials = opened.enter_context(Vault("kv-clusters", authority=authority, identity=identity))
        fleet = opened.enter_context(Fleet(authority))
        doors = tuple(_register(fleet, credentials, f"c{number:04}") for number in range(clusters))
        environment = {**identity.environment(metadata.url), "REQUESTS_CA_BUNDLE": str(authority.ca_file)}
        pipe.send(Facts(vault.url, credentials.url, environment, doors))
        while (asked := pipe.recv()) is not None:
            pipe.send(_answer(vault, credentials, fleet, *asked))


def _register(fleet: Fleet, credentials: Vault, name: str) -> Door:
    text = kubeconfig(fleet.add(name))
    credentials.set(f"{name}-kubeconfig", text, tags={"trustcast-credential": name})
    endpoint = parse(text)
    return Door(name, endpoint.server, endpoint.host, endpoint.ca_pem, endpoint.ca_sha256, endpoint.token)


def _answer(vault: Vault, credentials: Vault, fleet: Fleet, what: str, *arguments: Any) -> Any:
    match what:
        case "set":
            secrets, tags = arguments
            return {name: vault.set(name, value, tags=tags) for name, value in secrets.items()}
        case "requests":
            total: dict[str, int] = {f"vault {kind}": n for kind, n in vault.faults.counts().items()}
            total |= {f"credentials {kind}": n for kind, n in credentials.faults.counts().items()}
            for name in fleet.names():
                for verb, n in fleet[name].requests.items():
                    total[verb] = total.get(verb, 0) + n
            return total
        case "forget":
            vault.faults.reset_counts()
            credentials.faults.reset_counts()
            for name in fleet.names():
                fleet[name].requests.clear()
            return None
        case "writes":
            return [sum(n for verb, n in fleet[c].requests.items() if verb != "get") for c in fleet.names()]
    raise ValueError(what)
