"""How commands print: foreign text is escaped and cut, tables fit, colours are for terminals."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sync.desired.reasons import KeptReason, RemovalReason
from sync.reconcile.holds import Leaving, Left
from sync.reconcile.ownership import OwnedFile
from sync.reconcile.status import KeptFile
from sync.text import SHOWN_LENGTH
from tests.cli.command import ROOT, SERVER, TAGS, held
from tests.support import certs
from tests.support.certs import DAY, NOW
from tests.support.fleet import registration

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.command import Run
    from tests.support.fleet import Fleet

NO_OWNER = KeptReason.NO_OWNER.value
HOSTILE = "[/x] [red]\nnew\x1b[31mline\u202eevil"


def test_law9_hostile_text_breaks_no_output(run: Run, fleet: Fleet, tmp_path: Path) -> None:
    subject = "CN=[/x] [red]x\u202eevil\x1b[31m\\0Anew"
    hostile = certs.server(name="h", subject=subject, not_after=NOW + 3650 * DAY)
    (tmp_path / "h.der").write_bytes(hostile.der)
    fleet.upload("h", certs.server(name="w", subject=subject, key="rsa-1024").pem, TAGS)
    fleet.upload("t", SERVER.pem, {"trustcast-lists": HOSTILE, "trustcast-clusters": "*"})
    fleet.work_off()
    fleet.clusters["edge"].state.edit("azure-iot-operations", "trust-list", {"k": b""})
    commands = (["secrets"], ["status"], ["plan"], ["removals", "list"], ["check", str(tmp_path / "h.der")])
    for command in commands:
        for form in ([], ["--json"]):
            done = run(*command, *form)
            assert done.code in {0, 1}
            assert all(each.isprintable() for each in done.out.replace("\n", "")), command
            assert "Traceback" not in done.err
    assert "[/x] [red]" in run("check", str(tmp_path / "h.der")).out
    assert "[/x] [red]" in " ".join(run("secrets").out.split())


def test_law9_names_that_a_hostile_cluster_gives_are_escaped_and_cut(run: Run, filled: Fleet) -> None:
    name = "[red]\n\x1b[2J" + "x" * 5000
    stored = filled.statuses.get("edge/azure-iot-operations/trust-list")
    assert stored is not None
    leaving = Leaving(name, None, "", RemovalReason.DELETED, "", subject=HOSTILE, expires=NOW, thumbprint=name)
    status = replace(
        stored.value, unmanaged={name: "0"}, kept=(KeptFile(name, None, "", NO_OWNER, NO_OWNER),), detail=HOSTILE,
        thumbprints={name: ("abcdef0123456789",)}, held=(leaving,), left=(Left(name, "", NOW),),
        files={name: OwnedFile("0" * 64, None)},
    )  # fmt: skip
    filled.statuses.put(status, stored.unchanged)
    commands = (["status"], ["status", "--thumbprint", "abcdef01"], ["removals", "list"], ["orphans", "list"])
    for arguments in commands:
        shown, document = run(*arguments).out, run(*arguments, "--json").out
        assert "xxx" in shown
        assert all(each.isprintable() for each in (shown + document).replace("\n", ""))
        assert "x" * SHOWN_LENGTH not in shown + document


@pytest.mark.parametrize("columns", [None, "100"])
def test_tables_fit_a_hundred_columns(
    run: Run, filled: Fleet, monkeypatch: pytest.MonkeyPatch, columns: str | None
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    filled.register(registration("plant-" + "x" * 50, site="a" * 60))
    held(filled)
    for command in (["status"], ["secrets"], ["clusters", "list"], ["plan"], ["removals", "list"]):
        lines = run(*command).out.splitlines()
        assert max(map(len, lines)) <= 100, command


@pytest.mark.usefixtures("filled")
def test_states_are_coloured_for_a_terminal_only(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" not in run("status").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert re.search(r"\x1b\[32min-sync", run("status").out)


def test_the_first_answer_imports_no_sdk() -> None:
    code = (
        "import sys; from sync.cli.app import app; from typer.testing import CliRunner;"
        "r = CliRunner().invoke(app, ['--help']);"
        "assert r.exit_code == 0, r.output;"
        "print([m for m in ('azure', 'kubernetes', 'cryptography', 'rich.table') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
