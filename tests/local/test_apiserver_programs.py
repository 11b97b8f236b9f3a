"""What `make e2e` says on a machine that lacks the programs of a real cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from subprocess import CompletedProcess


ROOT = Path(__file__).parents[2]


def build(cache: Path, **variables: str) -> CompletedProcess[str]:
    settings = os.environ | {"TRUSTCAST_CACHE": str(cache), "KUBEBUILDER_ASSETS": "", **variables}
    command = [sys.executable, "-m", "local.apiserver.server", "build"]
    return subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)


def test_without_go_and_without_programs_a_sentence_says_what_to_install(tmp_path: Path) -> None:
    done = build(tmp_path, PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "install Go 1.25" in done.stderr
    assert "set KUBEBUILDER_ASSETS" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_given_folder_that_lacks_a_program_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "etcd").touch()
    done = build(tmp_path, KUBEBUILDER_ASSETS=str(tmp_path))
    assert (done.returncode, done.stderr) == (1, f"KUBEBUILDER_ASSETS={tmp_path} lacks kube-apiserver, kubectl\n")


def test_a_given_folder_is_used_as_it_is(tmp_path: Path) -> None:
    for program in ("etcd", "kube-apiserver", "kubectl"):
        (tmp_path / program).touch()
    done = build(tmp_path, KUBEBUILDER_ASSETS=str(tmp_path), PATH="")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}\n")
