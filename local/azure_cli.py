"""The Azure CLI, pointed at the local vault: nothing of it is changed, and nothing leaves the machine.

It is given a cloud of its own: a resource manager that knows no subscription, the local managed identity to
sign in with, and `.0.0.1:PORT` as the suffix of vault names, so that the vault named `127` is the stand-in at
https://127.0.0.1:PORT. `python -m local.azure_cli install` installs the CLI and prints its path.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from local.support.cache import cached

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.requests import Request

VERSION = "2.91.0"
_CLOUD = "Local"
_CALL_SECONDS = 120.0  # a call takes about one; the first ones compile half the package


class CliError(Exception):
    """The CLI ended with an error; its words are the message."""


def installed() -> Path:
    """The `az` program, in a virtual environment of its own; installed at the first call (minutes, 730 MB).

    Raises:
        subprocess.CalledProcessError: the installation failed; pip has said why on standard error.
    """
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"
    return cached(f"azure-cli-{VERSION}-{python}", _install) / "bin" / "az"


def _install(folder: Path) -> None:
    print(f"installing azure-cli {VERSION}, once; it takes minutes", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", f"azure-cli=={VERSION}"]
    subprocess.run(command, check=True, stdout=sys.stderr)


def resource_manager() -> Starlette:
    """What the CLI asks of Azure Resource Manager when it signs in; to be served over HTTPS."""

    async def subscriptions(_: Request) -> JSONResponse:
        return JSONResponse({"value": []})

    return Starlette(routes=[Route("/subscriptions", subscriptions)])


@dataclass(frozen=True, slots=True)
class AzureCli:
    """The CLI with a configuration of its own.

    Attributes:
        program: `az`, as `installed` gives it.
        folder: holds its configuration and tokens.
        vault_url: `https://127.0.0.1:PORT` of the vault that `vault_name` names.
        resource_manager_url: where `resource_manager` is served.
        ca_file: authority of both, in PEM.
        identity: `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`.
    """

    program: Path
    folder: Path
    vault_url: str
    resource_manager_url: str
    ca_file: Path
    identity: Mapping[str, str]

    @property
    def vault_name(self) -> str:
        """The value for `--vault-name`."""
        return self._vault_host()[0]

    def environment(self) -> dict[str, str]:
        """The variables that a shell needs beside its own."""
        return {
            "AZURE_CONFIG_DIR": str(self.folder),
            "AZURE_CORE_COLLECT_TELEMETRY": "0",
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
            **self.identity,
        }

    def sign_in(self) -> None:
        """Register the local cloud and sign in to it; once per `folder`.

        Raises:
            CliError: a command failed, for one because the cloud is registered already.
        """
        for command in self._sign_in_commands():
            self.run(*command)

    def run(self, *arguments: str) -> Any:
        """What `az` with these arguments prints, as parsed JSON; None where it prints nothing.

        Raises:
            CliError: it ended with an error.
        """
        done = subprocess.run(
            [self.program, *arguments],
            env=os.environ | self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=_CALL_SECONDS,
        )
        if done.returncode:
            raise CliError(done.stderr.strip())
        return json.loads(done.stdout) if done.stdout.strip() else None

    def shell_lines(self) -> tuple[str, ...]:
        """The lines that let a person do the same in a shell, up to being signed in."""
        exports = [f"export {name}={shlex.quote(value)}" for name, value in self.environment().items()]
        return *exports, *(shlex.join(["az", *command]) for command in self._sign_in_commands())

    def _sign_in_commands(self) -> tuple[tuple[str, ...], ...]:
        url = self.resource_manager_url
        register = ["cloud", "register", "--name", _CLOUD, "--skip-endpoint-discovery"]
        for option in ("resource-manager", "active-directory", "active-directory-resource-id"):
            register += [f"--endpoint-{option}", url]
        return (
            (*register, "--suffix-keyvault-dns", self._vault_host()[1]),
            ("cloud", "set", "--name", _CLOUD, "--only-show-errors"),
            ("login", "--identity", "--allow-no-subscriptions"),
        )

    def _vault_host(self) -> tuple[str, str]:
        name, dot, suffix = urlsplit(self.vault_url).netloc.partition(".")
        return name, dot + suffix


if __name__ == "__main__":
    if sys.argv[1:] != ["install"]:
        sys.exit("usage: python -m local.azure_cli install")
    print(installed())
