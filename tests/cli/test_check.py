"""The command `check`: files offline, as admission would find them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.command import ROOT
from tests.support import certs
from tests.support.certs import DAY, NOW

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.command import Done, Run
    from tests.support.certs import Built


def checked(run: Run, folder: Path, name: str, content: str | bytes, *options: str) -> Done:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return run("check", str(path), *options)


def fresh(**kinds: Any) -> Built:
    return certs.server(not_before=NOW - DAY, not_after=NOW + 3650 * DAY, **kinds)


@pytest.mark.parametrize(
    "content",
    [fresh().pem, fresh().der, fresh().der.hex(), fresh().pem.encode("utf-16")],
    ids=["pem", "der", "hex", "utf-16"],
)
def test_check_tells_what_a_file_holds_however_it_is_dressed(run: Run, tmp_path: Path, content: bytes | str) -> None:
    done = checked(run, tmp_path, "plc7.crt", content)
    assert done.code == 0
    assert "plc7.crt: passes" in done.out
    assert f"SHA-256 {fresh().sha256}" in done.out
    assert "SHA-1" in done.out
    assert "certificate O=Example,CN=plc7" in done.out
    assert "to 2036-05-29" in done.out


def test_check_rejects_with_the_reason_and_what_to_do(run: Run, tmp_path: Path) -> None:
    done = checked(run, tmp_path, "old.der", certs.server(not_after=NOW - DAY).der)
    assert done.code == 1
    assert "old.der: rejected" in done.out
    assert "expired: " in done.out
    assert "Upload a renewed certificate" in done.out


def test_check_judges_by_the_role_of_the_list(run: Run, tmp_path: Path) -> None:
    root = certs.ca(not_after=NOW + 3650 * DAY).pem
    assert checked(run, tmp_path, "root.crt", root, "--role", "issuer").code == 0
    assert checked(run, tmp_path, "plc7.crt", fresh().pem, "--role", "issuer").code == 1
    assert checked(run, tmp_path, "plc7.crt", fresh().pem, "--role", "friend").code == 2


def test_law9_check_refuses_a_private_key_and_shows_nothing_of_it(run: Run, tmp_path: Path) -> None:
    done = checked(run, tmp_path, "both.pem", fresh().key_pem + fresh().pem)
    assert done.code == 1
    assert "private-key" in done.out
    assert not {line for line in fresh().key_pem.splitlines() if line in done.out + done.err}


def test_check_speaks_of_several_files_in_one_document(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.der").write_bytes(fresh().der)
    (tmp_path / "b.der").write_bytes(b"nothing")
    done = run("check", str(tmp_path / "a.der"), str(tmp_path / "b.der"), "--json")
    assert done.code == 1
    assert [(each["file"], each["passes"]) for each in done.json] == [("a.der", True), ("b.der", False)]
    assert done.json[0]["items"][0]["sha256"] == fresh().sha256
    assert done.json[1]["findings"][0]["code"] == "not-a-certificate"


def test_check_needs_neither_settings_nor_network(tmp_path: Path) -> None:
    (tmp_path / "root.crt").write_text(certs.ca(not_after=NOW + 3650 * DAY).pem)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TRUSTCAST", "AZURE", "Azure"))}
    code = "import socket; socket.socket.connect = None; import sync.cli.app; sync.cli.app.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "check", "--role", "issuer", str(tmp_path / "root.crt")],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_that_is_not_there_is_said_and_asks_for_a_person(run: Run, tmp_path: Path) -> None:
    done = run("check", str(tmp_path / "none.crt"))
    assert done.code == 3
    assert "none.crt cannot be read: No such file or directory" in done.err
    assert run("check", str(tmp_path)).code == 3
