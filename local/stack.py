"""The whole stack on one machine: two vaults, Event Grid, clusters, Azurite, and the host that runs function_app.py.

python -m local.stack     empty, until Ctrl-C; prints the addresses and how to use the CLI
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Self

import httpx

from local.azure_cli import AzureCli, resource_manager
from local.clusters import NAMESPACE, LocalCluster, StandIn
from local.eventgrid.events import Subscription
from local.eventgrid.server import EventGrid
from local.identity import Identity
from local.keyvault.server import Vault
from local.kubernetes.cluster import least_privilege
from local.kubernetes.server import Fleet
from local.storage import Azurite
from local.support.children import Child
from local.support.ports import free_ports
from local.support.serving import Server
from local.support.tls import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from local.eventgrid.events import Delivery

ROOT = Path(__file__).resolve().parent.parent
EVENT_KEY = "local-event-grid-key"
MASTER_KEY = "local-master-key"
LABELS = {
    "hamburg": {"site": "hamburg", "env": "prod"},
    "lyon": {"site": "lyon", "env": "prod"},
    "lab": {"env": "test"},
}
"""The clusters of the demo and their labels."""

RESPONSIVE = {
    "TRUSTCAST_TICK": "*/1 * * * * *",
    "TRUSTCAST_VAULT_INTERVAL": "2s",
    "TRUSTCAST_VERIFY_INTERVAL": "3s",
    "TRUSTCAST_OFFLINE_RETRY": "1s..2s",
}
"""Settings that make everything due within seconds, for demonstrations; the defaults suit a fleet."""


class Stack:
    """All parts, started and connected inside the `with` block.

    Args:
        clusters: names of stand-ins to make, or existing clusters.
        settings: added to those that connect the parts.
        watch: called for every delivery attempt.
        python: the interpreter that the host runs on.
    """

    def __init__(
        self,
        clusters: Sequence[str | LocalCluster] = tuple(LABELS),
        *,
        settings: Mapping[str, str] | None = None,
        watch: Callable[[Delivery], None] = lambda _: None,
        python: str = sys.executable,
    ) -> None:
        self._clusters = clusters
        self._settings = dict(settings or {})
        self._watch = watch
        self._python = python
        self._open = ExitStack()
        self._host: Child | None = None

    def __enter__(self) -> Self:
        try:
            return self._start()
        except BaseException:
            self._open.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def _start(self) -> Self:
        enter = self._open.enter_context
        self.folder = Path(enter(tempfile.TemporaryDirectory(prefix="trustcast-")))
        self.log = self.folder / "host.log"
        self.authority = Authority.in_folder(self.folder / "tls")
        self.azurite = enter(Azurite())
        self.identity = Identity()
        metadata = enter(Server(self.identity.app()))
        self.events = enter(EventGrid(watch=self._watch))
        self.vault = enter(
            Vault("kv-trust", authority=self.authority, identity=self.identity, raised=self.events.publish)
        )
        self.credentials = enter(Vault("kv-clusters", authority=self.authority, identity=self.identity))
        self.fleet = enter(Fleet(self.authority))
        self.clusters: dict[str, LocalCluster] = {
            cluster.name: cluster for cluster in map(self._cluster, self._clusters)
        }
        self.host_url = f"http://127.0.0.1:{free_ports(1)[0]}"
        self.environment = self._environment(metadata.url)
        self.start_host()
        self._open.callback(self.stop_host)
        self.events.subscribe(
            Subscription(
                "trustcast",
                f"{self.host_url}/runtime/webhooks/EventGrid?functionName=on_secret_event&code={EVENT_KEY}",
            )
        )
        return self

    def _cluster(self, cluster: str | LocalCluster) -> LocalCluster:
        if not isinstance(cluster, str):
            return cluster
        return StandIn(self.fleet.add(cluster, grant=least_privilege(NAMESPACE)))

    def _environment(self, metadata_url: str) -> dict[str, str]:
        return {
            "AzureWebJobsStorage": self.azurite.connection_string,
            "TRUSTCAST_VAULTS": json.dumps([{"url": self.vault.url}]),
            "TRUSTCAST_CREDENTIALS_VAULT": self.credentials.url,
            "TRUSTCAST_TICK": "0 * * * * *",
            **self.identity.environment(metadata_url),
            "REQUESTS_CA_BUNDLE": str(self.authority.ca_file),
            **self._settings,
        }

    def start_host(self) -> None:
        """Start the host of function_app.py and wait until it answers."""
        port = self.host_url.rpartition(":")[2]
        keys = {"HOST_SYSTEM_KEY": EVENT_KEY, "HOST_MASTER_KEY": MASTER_KEY, "PYTHONUNBUFFERED": "1"}
        with self.log.open("ab") as log:
            self._host = Child(
                [self._python, "-m", "local.functions.host", "--app", str(ROOT), "--port", port],
                output=log,
                environment={**os.environ, **self.environment, **keys},
                folder=ROOT,
            )
        self._await_host()

    def _await_host(self) -> None:
        transport = httpx.HTTPTransport(retries=0)
        with httpx.Client(transport=transport, timeout=5, trust_env=False) as client:
            for _ in range(600):
                if self._host is None or not self._host.running:
                    raise RuntimeError(f"the host ended: {self.log.read_text()[-2000:]}")
                try:
                    if client.get(f"{self.host_url}/admin/host/status", headers=_MASTER).is_success:
                        return
                except httpx.TransportError:
                    pass
                Event().wait(0.05)
        raise RuntimeError(f"the host does not answer: {self.log.read_text()[-2000:]}")

    def stop_host(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop the host, or kill it."""
        if self._host is not None:
            self._host.end(how)
            self._host = None

    def run_function(self, name: str) -> None:
        """Run a function now, as the portal does."""
        answer = httpx.post(
            f"{self.host_url}/admin/functions/{name}", headers=_MASTER, json={"input": ""}, timeout=60, trust_env=False
        )
        answer.raise_for_status()

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line against the stack."""
        return subprocess.run(
            [self._python, "-m", "sync", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment, "COLUMNS": "140", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    def cli_json(self, *arguments: str) -> Any:
        """The JSON that a command prints."""
        done = self.cli(*arguments, "--json")
        try:
            return json.loads(done.stdout)
        except json.JSONDecodeError as error:
            raise RuntimeError(f"{arguments}: {done.stdout}{done.stderr}") from error

    def register(self, name: str, labels: Mapping[str, str] | None = None, **options: str) -> None:
        """Store a cluster's credential in its vault and register it, as an operator does."""
        tags = {"trustcast-credential": name}
        self.credentials.set(f"{name}-kubeconfig", self.clusters[name].kubeconfig(), tags=tags)
        wanted = LABELS.get(name, {}) if labels is None else labels
        flags = [word for key, value in wanted.items() for word in ("--label", f"{key}={value}")]
        flags += [word for key, value in options.items() for word in (f"--{key}", value)]
        done = self.cli("clusters", "add", name, "--credential", f"{name}-kubeconfig", *flags)
        if done.returncode:
            raise RuntimeError(f"clusters add {name}: {done.stdout}{done.stderr}")

    def exports(self) -> str:
        """Shell lines that point the command line at this stack."""
        return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in self.environment.items())


_MASTER = {"x-functions-key": MASTER_KEY}


def main() -> None:
    """Run an empty stack until Ctrl-C."""
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with Stack(settings=RESPONSIVE) as stack, Server(resource_manager(), authority=stack.authority) as manager:
        for name in stack.clusters:
            stack.register(name)
        _write(ENV_FILE, stack.exports())
        az = AzureCli(
            program=Path("az"),
            folder=stack.folder / "azure",
            vault_url=stack.vault.url,
            resource_manager_url=manager.url,
            ca_file=stack.authority.ca_file,
            identity={name: stack.environment[name] for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")},
        )
        _write(AZ_FILE, "\n".join(az.shell_lines()))
        print(_introduction(stack, az.vault_name), flush=True)
        try:
            stop.wait()
        except KeyboardInterrupt:
            print("stopping")


ENV_FILE = ROOT / ".local" / "env"
AZ_FILE = ROOT / ".local" / "az"


_AZ_OPTIONS = (
    "--name my-server-der --file my-server.der --encoding hex --content-type application/pkix-cert "
    "--tags trustcast-lists=trust 'trustcast-clusters=*'"
)


def _write(path: Path, text: str) -> None:
    """Write a file that only this user can read: it holds keys of the stack."""
    path.parent.mkdir(exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text + "\n")


def _introduction(stack: Stack, vault_name: str) -> str:
    python = os.path.relpath(sys.executable)
    return "\n".join(
        (
            "The stack runs; Ctrl-C ends it and forgets everything.",
            f"  watched vault      {stack.vault.url}",
            f"  credentials vault  {stack.credentials.url}",
            f"  clusters           {', '.join(stack.clusters)} behind {stack.fleet.url} (registered)",
            f"  functions host     {stack.host_url}, log {stack.log}",
            "In another terminal, in this folder:",
            f"  source {ENV_FILE.relative_to(ROOT)}",
            f"  {python} -m sync status",
            f"  {python} -m local.put my-server.der --lists trust --clusters '*'",
            f"  {python} -m sync secrets",
            "With the Azure CLI, if it is installed:",
            f"  source {AZ_FILE.relative_to(ROOT)}",
            f"  az keyvault secret set --vault-name {vault_name} {_AZ_OPTIONS}",
        )
    )


if __name__ == "__main__":
    main()
