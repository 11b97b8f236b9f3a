"""A real kube-apiserver with its etcd, as one cluster on the loopback.

`python -m local.apiserver.server build` builds its programs, unless they exist, and prints their folder.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import ssl
import subprocess
import sys
import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Self

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from local.apiserver.programs import programs_folder
from local.support.children import Child
from local.support.ports import free_ports
from local.support.tls import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_START_SECONDS = 60.0  # about two when the machine is idle
_STARTS = 3  # a port that was free a moment ago may be taken by another program


class RealCluster:
    """One kube-apiserver and its etcd, with RBAC on; several may run at once.

    Attributes:
        server: the API server's URL, the same after `kill` and `revive`.
        ca_pem: the CA that signed the API server's certificate.
        admin_token: a static token of group `system:masters`.
    """

    def __init__(self, folder: Path, assets: Path) -> None:
        self._folder, self._assets = folder, assets
        self._authority = Authority.in_folder(folder)
        self._etcd_port, self._peer_port, port = free_ports(3)
        self._running: dict[str, Child] = {}
        self.server = f"https://127.0.0.1:{port}"
        self.ca_pem = self._authority.ca_pem
        self.admin_token = secrets.token_urlsafe(24)

    @classmethod
    @contextlib.contextmanager
    def start(cls, folder: Path, assets: Path) -> Iterator[Self]:
        """A cluster that runs for the length of the `with` block.

        Args:
            folder: for its data, keys and logs; empty or missing.
            assets: the folder of the programs, from `programs_folder`.

        Raises:
            RuntimeError: a program ended or did not become ready; the message has the end of its log.
        """
        cluster = cls._started(folder, assets)
        try:
            yield cluster
        finally:
            cluster.stop()

    @classmethod
    def _started(cls, folder: Path, assets: Path) -> Self:
        for attempt in range(1, _STARTS + 1):
            cluster = cls(folder / f"start-{attempt}", assets)
            try:
                cluster._write_files()
                cluster.revive()
            except BaseException as error:
                cluster.stop()
                if attempt == _STARTS or not isinstance(error, RuntimeError):
                    raise
            else:
                return cluster
        raise AssertionError

    def revive(self) -> None:
        """Start whatever is not running, on the same ports and data, and wait until it is ready."""
        if "etcd" not in self._running:
            self._run("etcd", self._etcd_flags())
        if "kube-apiserver" not in self._running:
            self._run("kube-apiserver", self._api_server_flags())
        self._await_ready()

    def kill(self, program: str = "kube-apiserver") -> None:
        """SIGKILL the API server or `etcd`: connections break without a close."""
        self._running.pop(program).end()

    def freeze(self) -> None:
        """The API server accepts connections and answers nothing, until `thaw`."""
        self._running["kube-apiserver"].send(signal.SIGSTOP)

    def thaw(self) -> None:
        """The API server continues where `freeze` stopped it."""
        self._running["kube-apiserver"].send(signal.SIGCONT)

    def stop(self) -> None:
        """Kill both programs: their data is discarded, and a clean stop takes seconds."""
        for program in tuple(self._running):
            self.kill(program)

    def client(self, token: str | None = None) -> httpx.Client:
        """An HTTP client of this API server, by default as admin; the caller closes it."""
        context = ssl.create_default_context(cadata=self.ca_pem.decode())
        bearer = {"Authorization": f"Bearer {token or self.admin_token}"}
        return httpx.Client(base_url=self.server, verify=context, headers=bearer, trust_env=False, timeout=10)

    def kubeconfig(self, token: str | None = None) -> str:
        """A kubeconfig with an inline CA and that token, by default the admin's."""
        authority = b64encode(self.ca_pem).decode()
        config: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": self.server, "certificate-authority-data": authority}}],
            "users": [{"name": "u", "user": {"token": token or self.admin_token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        return json.dumps(config)

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl as admin; returns what it prints.

        Raises:
            RuntimeError: kubectl failed; the message has its standard error.
        """
        kubeconfig = self._folder / "admin.kubeconfig"
        command = [str(self._assets / "kubectl"), f"--kubeconfig={kubeconfig}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_START_SECONDS)
        if done.returncode:
            raise RuntimeError(f"kubectl {arguments[0]}: {done.stderr.strip()}")
        return done.stdout

    def create_namespace(self, name: str) -> None:
        """Create a namespace."""
        self.kubectl("create", "namespace", name)

    def apply_manifest(self, path: Path) -> None:
        """Apply a manifest file, or a folder of them, as `kubectl apply -f` does."""
        self.kubectl("apply", "-f", str(path))

    def service_account_token(self, namespace: str, name: str) -> str:
        """A new token of that service account, from a TokenRequest; valid for an hour."""
        return self.kubectl("create", "token", name, "--namespace", namespace).strip()

    def _write_files(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        self._write("service-accounts.key", private.decode())
        self._write("tokens.csv", f"{self.admin_token},admin,admin,system:masters\n")
        self._write("admin.kubeconfig", self.kubeconfig())

    def _write(self, name: str, text: str) -> None:
        file = self._folder / name
        file.touch(mode=0o600)
        file.write_text(text)

    def _etcd_flags(self) -> list[str]:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._peer_port}"
        return [
            f"--data-dir={self._folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]

    def _api_server_flags(self) -> list[str]:
        certificate, key = self._authority.server_files()
        accounts = self._folder / "service-accounts.key"
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",  # it would refuse to publish a loopback address
            f"--secure-port={self.server.rpartition(':')[2]}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--cert-dir={self._folder}",
            f"--token-auth-file={self._folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={accounts}",
            f"--service-account-signing-key-file={accounts}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--disable-admission-plugins=ServiceAccount",  # no controller makes the default accounts here
        ]

    def _run(self, program: str, flags: list[str]) -> None:
        with (self._folder / f"{program}.log").open("ab") as log:
            self._running[program] = Child([self._assets / program, *flags], output=log)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        with self.client() as client:
            while not _is_ready(client):
                ended = next((name for name, process in self._running.items() if not process.running), None)
                if ended or time.monotonic() > deadline:
                    raise RuntimeError(self._complaint(ended or "kube-apiserver"))
                time.sleep(0.05)

    def _complaint(self, program: str) -> str:
        log = (self._folder / f"{program}.log").read_text(errors="replace")
        return f"{program} did not become ready; its log ends:\n{log[-2000:]}"


def _is_ready(client: httpx.Client) -> bool:
    try:  # `/readyz` still reports an etcd that was just killed as ready; a read fails
        return all(client.get(path).is_success for path in ("/readyz", "/api/v1/namespaces/default"))
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    if sys.argv[1:] != ["build"]:
        sys.exit("usage: python -m local.apiserver.server build")
    try:
        print(programs_folder())
    except RuntimeError as error:
        sys.exit(str(error))
