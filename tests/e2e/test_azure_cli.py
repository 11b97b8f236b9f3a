"""The unmodified Azure CLI sets secrets with the commands of the Azure IoT Operations documentation.

The commands: "Configure OPC UA certificates infrastructure for the connector for OPC UA" on Microsoft Learn.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from local.azure_cli import AzureCli, CliError, installed, resource_manager
from local.identity import Identity
from local.keyvault.server import Vault
from local.support.serving import Server
from local.support.tls import Authority
from sync.certificates.decoding import decode_value
from tests.support import certs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.keyvault.secrets import Version

DER, PEM, CRL = "application/pkix-cert", "application/x-pem-file", "application/pkix-crl"
CERTIFICATE = certs.server()
CRL_OF_A_CA = certs.crl(certs.ca())


class Shell:
    """A person with the CLI before a vault."""

    def __init__(self, cli: AzureCli, vault: Vault, folder: Path) -> None:
        self.cli, self.vault, self._folder = cli, vault, folder

    def secret(self, verb: str, name: str, *options: str) -> object:
        return self.cli.run("keyvault", "secret", verb, "--vault-name", self.cli.vault_name, "--name", name, *options)

    def set_file(self, name: str, content: bytes, *options: str) -> Version:
        file = self._folder / name
        file.write_bytes(content)
        self.secret("set", name, "--file", str(file), *options)
        return self.vault.secrets.get(name)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("azure-cli")
    authority, identity = Authority.in_folder(folder), Identity()
    with contextlib.ExitStack() as stack:
        vault = stack.enter_context(Vault("plants", authority=authority, identity=identity))
        manager = stack.enter_context(Server(resource_manager(), authority=authority))
        tokens = stack.enter_context(Server(identity.app()))
        cli = AzureCli(
            program=installed(),
            folder=folder / "config",
            vault_url=vault.url,
            resource_manager_url=manager.url,
            ca_file=authority.ca_file,
            identity=identity.environment(tokens.url),
        )
        cli.sign_in()
        yield Shell(cli, vault, folder)


@pytest.mark.parametrize(
    ("name", "content", "options", "encoding"),
    [
        ("my-cert-der", CERTIFICATE.der, ("--encoding", "hex", "--content-type", DER), "hex"),
        ("my-cert-crt", CERTIFICATE.pem.encode(), ("--encoding", "hex", "--content-type", PEM), "hex"),
        ("base64-der", CERTIFICATE.der, ("--encoding", "base64", "--content-type", DER), "base64"),
        ("base64-crt", CERTIFICATE.pem.encode(), ("--encoding", "base64", "--content-type", PEM), "base64"),
        ("text-crt", CERTIFICATE.pem.encode(), ("--encoding", "utf-8", "--content-type", PEM), "utf-8"),
        ("plain-crt", CERTIFICATE.pem.encode(), ("--content-type", PEM), "utf-8"),
        ("ascii-crt", CERTIFICATE.pem.encode(), ("--encoding", "ascii", "--content-type", PEM), "ascii"),
        ("wide-crt", CERTIFICATE.pem.encode(), ("--encoding", "utf-16le", "--content-type", PEM), "utf-16le"),
        ("my-ca-crl", CRL_OF_A_CA.der, ("--encoding", "hex", "--content-type", CRL), "hex"),
    ],
)
def test_what_the_cli_sets_is_read_as_the_very_file(
    shell: Shell, name: str, content: bytes, options: tuple[str, ...], encoding: str
) -> None:
    version = shell.set_file(name, content, *options)
    decoded = decode_value(version.value, content_type=version.content_type, file_encoding=encoding)
    expected = CRL_OF_A_CA if name == "my-ca-crl" else CERTIFICATE
    assert [item.der for item in decoded.items] == [expected.der]
    assert decoded.findings == ()
    assert version.tags == {"file-encoding": encoding}
    assert version.content_type == options[-1]


def test_the_cli_itself_refuses_der_as_text(shell: Shell) -> None:
    with pytest.raises(CliError, match="Unable to decode file"):
        shell.set_file("der-as-text", CERTIFICATE.der)


def test_a_second_version_without_tags_keeps_only_the_encoding(
    shell: Shell,
) -> None:
    options = ("--encoding", "hex", "--content-type", DER)
    first = shell.set_file("twice-der", CERTIFICATE.der, *options, "--tags", "trustcast-lists=trust")
    second = shell.set_file("twice-der", certs.server(name="plc8").der, *options)
    assert second.id != first.id
    assert second.tags == {"file-encoding": "hex"}
    assert shell.vault.secrets.get("twice-der", first.id).tags == {
        "trustcast-lists": "trust",
        "file-encoding": "hex",
    }


def test_setting_tags_afterwards_replaces_them_all_in_the_same_version(shell: Shell) -> None:
    """What `assign` merges, the CLI's own command does not: the encoding's tag is gone."""
    version = shell.set_file("tagged-der", CERTIFICATE.der, "--encoding", "hex")
    shell.secret("set-attributes", "tagged-der", "--tags", "trustcast-lists=trust")
    tagged = shell.vault.secrets.get("tagged-der")
    assert (tagged.id, tagged.tags) == (version.id, {"trustcast-lists": "trust"})


def test_disable_delete_and_recover_as_an_operator_does_them(shell: Shell) -> None:
    version = shell.set_file("leaves-der", CERTIFICATE.der, "--encoding", "hex")
    shell.secret("set-attributes", "leaves-der", "--enabled", "false")
    assert not shell.vault.secrets.get("leaves-der").enabled
    shell.secret("delete", "leaves-der")
    assert [deleted.versions[-1].id for deleted in shell.vault.secrets.all_deleted()] == [version.id]
    shell.secret("recover", "leaves-der")
    assert shell.vault.secrets.get("leaves-der").id == version.id


def test_download_gives_the_file_back(shell: Shell, tmp_path: Path) -> None:
    shell.set_file("back-der", CERTIFICATE.der, "--encoding", "base64")
    file = tmp_path / "back.der"
    shell.secret("download", "back-der", "--file", str(file))
    assert file.read_bytes() == CERTIFICATE.der


def test_the_listing_walks_all_pages(shell: Shell) -> None:
    for number in range(60):
        shell.vault.set(f"many-{number}", "text")
    listed = shell.cli.run("keyvault", "secret", "list", "--vault-name", shell.cli.vault_name)
    names = {secret["name"] for secret in listed}
    assert {f"many-{number}" for number in range(60)} <= names


def test_the_lines_for_a_person_sign_in_as_well(shell: Shell, tmp_path: Path) -> None:
    cli = replace(shell.cli, folder=tmp_path)
    path = {"PATH": f"{cli.program.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    script = "\n".join(("set -e", *cli.shell_lines()))
    subprocess.run(["/bin/sh", "-c", script], env=path, check=True, capture_output=True)
    assert cli.run("account", "show")["environmentName"] == "Local"
