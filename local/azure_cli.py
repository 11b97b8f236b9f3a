"""The unmodified Azure CLI, pointed at the local vault; nothing leaves the machine.

It gets a cloud of its own: a resource manager without subscriptions, the local managed identity to sign in with,
and `.0.0.1:PORT` as the suffix of vault names, so that the vault named `127` is the stand-in at
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
    """The CLI failed; the message is what it wrote to standard error."""


def installed() -> Path:
    """The `az` program, in a virtual environment of its own; installed at the first call (minutes, 730 MB).

    Raises:
        subprocess.CalledProcessError: the installation failed; the reason is on standard error.
    """
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"
    return cached(f"azure-cli-{VERSION}-{python}", _install) / "bin" / "az"


def _install(folder: Path) -> None:
    print(f"installing azure-cli {VERSION}, once; this takes minutes", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", f"azure-cli=={VERSION}"]
    subprocess.run(command, check=True, stdout=sys.stderr)


def resource_manager() -> Starlette:
    """The part of Azure Resource Manager that the CLI uses to sign in; serve it over HTTPS."""

    async def subscriptions(_: Request) -> JSONResponse:
        return JSONResponse({"value": []})

    return Starlette(routes=[Route("/subscriptions", subscriptions)])


@dataclass(frozen=True, slots=True)
class AzureCli:
    """The CLI with a configuration of its own.

    Attributes:
        program: `az`, from `installed`.
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
        """The variables that a shell needs besides its own."""
        return {
            "AZURE_CONFIG_DIR": str(self.folder),
            "AZURE_CORE_COLLECT_TELEMETRY": "0",
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
            **self.identity,
        }

    def sign_in(self) -> None:
        """Register the local cloud and sign in to it; once per `folder`.

        Raises:
            CliError: a command failed, for example because the cloud is already registered.
        """
        for command in self._sign_in_commands():
            self.run(*command)

    def run(self, *arguments: str) -> Any:
        """The parsed JSON that `az` prints for these arguments; None if it prints nothing.

        Raises:
            CliError: it failed.
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
        """Shell lines that set up and sign in to the same cloud by hand."""
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
