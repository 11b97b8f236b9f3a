"""What cannot be done: one sentence that says what to do, and the exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sync.errors import Unreachable
from tests.cli.command import ROOT
from tests.support.fleet import HOST
from tests.support.memory import MemoryVault

if TYPE_CHECKING:
    from tests.cli.command import Run
    from tests.support.fleet import Fleet


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["status", "nowhere"], 3, "no cluster nowhere is registered; see `trustcast clusters list`"),
        (["plan", "nowhere"], 3, "trustcast clusters list"),
        (["sync", "nowhere"], 3, "trustcast clusters list"),
        (["clusters", "pause", "nowhere"], 3, "trustcast clusters list"),
        (["clusters", "resume", "nowhere"], 3, "trustcast clusters list"),
        (["clusters", "remove", "nowhere"], 3, "trustcast clusters list"),
        (["clusters", "add", "lab", "--credential", "missing"], 3, "store the cluster's kubeconfig there"),
        (["clusters", "add", "Bad_Name", "--credential", "c"], 3, "lower-case letters"),
        (["clusters", "add", "lab", "--credential", "c", "--mode", "wild"], 3, "mode"),
        (["clusters", "add", "lab"], 3, "--credential"),
        (["assign", "none", "--lists", "trust", "--clusters", "*"], 3, f"{HOST} has no secret none"),
        (["assign", "plc7"], 2, "'--lists'"),
        (["assign", "plc7", "--lists", "trust", "--clear-revoked"], 2, "No such option: --clear-revoked"),
        (["assign", "none", "--lists", "trust", "--clusters", "*", "--dry-run"], 3, f"{HOST} has no secret none"),
        (["assign", "plc7", "--lists", "nowhere", "--dry-run"], 3, "'nowhere' is not among the lists (trust)"),
        (["assign", "plc7", "--lists", "nowhere"], 3, "'nowhere' is not among the lists (trust)"),
        (["assign", "plc7", "--lists", "trust", "--clusters", "a=b=c"], 3, "label selector"),
        (["assign", "elsewhere.vault.azure.net/plc7", "--lists", "trust"], 3, f"there are {HOST}"),
        (["assign", "plc7", "--lists", "nowhere", "--lists", "trust"], 2, "--lists is given twice"),
        (["clusters", "add", "edge", "--mode=report", "--mode", "repair"], 2, "--mode is given twice"),
        (["clusters", "add", "edge", "--credential", ""], 3, "which secret holds the kubeconfig of edge"),
        (["status", "--thumbprint", "0" * 64, "--thumbprint", "1" * 64], 2, "--thumbprint is given twice"),
        (["check", __file__, "--role", "issuer", "--role", "trust"], 2, "--role is given twice"),
        (["unassign", "none"], 3, "has no secret none"),
        (["clusters", "rename", "nowhere", "plant"], 3, "trustcast clusters list"),
        (["clusters", "rename", "edge", "far"], 3, "there is a cluster far already"),
        (["revocations", "clear", "0" * 64], 3, "trustcast revocations list"),
        (["revocations", "clear", "0"], 3, "at least the first 8"),
        (["revocations", "forget", "0" * 64, "--before", "2026-01-01"], 3, "trustcast revocations list"),
        (["revocations", "forget", "0" * 64, "--before", "1.1.2026"], 3, "write YYYY-MM-DD"),
        (["revocations", "forget", "0" * 64, "--before", "2027-01-01"], 3, "has not come yet"),
        (["orphans", "remove", "0" * 64], 3, "trustcast orphans list"),
        (["orphans", "remove", "0"], 3, "at least the first 8"),
        (["vaults", "forget", HOST], 3, "take it out of TRUSTCAST_VAULTS first"),
        (["vaults", "forget", "never.vault.azure.net"], 3, "nothing is known of a vault never.vault.azure.net"),
        (["vaults", "waive", "never.vault.azure.net"], 3, "TRUSTCAST_VAULTS"),
        (["secrets", "none"], 3, "the catalogue knows no secret"),
        (["removals", "approve", "0123456789"], 3, "trustcast removals list"),
        (["removals", "reject", "0"], 3, "trustcast removals list"),
        (["status", "--thumbprint", "short"], 3, "SHA-256 or SHA-1 in hexadecimal"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_to_do(run: Run, arguments: list[str], code: int, said: str) -> None:
    done = run(*arguments)
    assert done.code == code
    assert said in " ".join(done.err.split())
    assert done.out == ""
    assert done.err.count("Traceback") == 0


def test_of_several_vaults_the_secret_names_its_own(run: Run, fleet: Fleet) -> None:
    other = "other.vault.azure.net"
    fleet.runtime = replace(fleet.runtime, vaults={**fleet.runtime.vaults, other: MemoryVault()})
    done = run("unassign", "plc7")
    assert done.code == 3
    assert f"several vaults are watched: say which, {HOST}/plc7 or {other}/plc7" in done.err


def test_settings_that_are_missing_are_named_with_an_example() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TRUSTCAST", "AzureWebJobs"))}
    done = subprocess.run(
        [sys.executable, "-m", "sync", "status"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "TRUSTCAST_VAULTS" in done.stderr
    assert "AzureWebJobsStorage" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_answers_later_is_told_from_what_a_person_must_mend(
    run: Run, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(**_: object) -> None:
        raise Unreachable("the storage account does not answer")

    monkeypatch.setattr(fleet.decisions, "snapshot", unreachable)
    done = run("status")
    assert (done.code, done.err) == (4, "trustcast: the storage account does not answer\n")


def test_law9_a_fault_of_our_own_tells_where_and_quotes_nothing(
    run: Run, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(**_: object) -> None:
        raise ValueError("the token is hunter2")

    monkeypatch.setattr(fleet.decisions, "snapshot", faulty)
    done = run("status")
    assert done.code == 5
    assert "ValueError in test_refused.py:" in done.err
    assert "hunter2" not in done.out + done.err
