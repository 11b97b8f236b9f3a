"""Programs that the local stack starts: none outlives the process that started it."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import IO, TYPE_CHECKING

import pytest

from local.support import children
from local.support.children import Child
from tests.support.owners import left_behind

if TYPE_CHECKING:
    from pathlib import Path
    from signal import Signals


GENTLE = "import signal; signal.signal(signal.SIGTERM, lambda *_: exit()); print('ready', flush=True); signal.pause()"
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True)\nwhile 1: signal.pause()"
)
TWO = f"""
import signal, subprocess, sys
from local.support.children import Child
children = [Child([sys.executable, "-c", {STUBBORN!r}], output=subprocess.PIPE) for _ in range(2)]
for child in children:
    child.output.readline()
"""


def lines_of(child: Child) -> IO[str]:
    assert child.output is not None
    return child.output


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_children_end_with_their_owner_however_it_ends(how: Signals) -> None:
    assert left_behind(TWO, how=how, at_least=4) == []


def test_a_child_that_was_stopped_ends_with_its_owner_too() -> None:
    assert left_behind(f"{TWO}children[0].send(signal.SIGSTOP)", at_least=4) == []


def test_host_and_storage_of_a_stack_end_with_a_stack_that_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # it cannot clear up after itself
    assert left_behind("from local.stack import Stack; a = Stack(()).__enter__()", at_least=4) == []


def test_the_child_of_an_owner_that_goes_on_is_told_gently_and_leaves_nothing() -> None:
    child = Child([sys.executable, "-c", GENTLE], output=subprocess.PIPE)
    with lines_of(child) as lines:
        assert lines.readline() == "ready\n"
        assert child.running
        child.end(signal.SIGTERM)
        assert lines.read() == ""
    assert not child.running


def test_a_child_that_ignores_the_signal_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_PATIENCE", 0.01)
    child = Child([sys.executable, "-c", STUBBORN], output=subprocess.PIPE)
    with lines_of(child) as lines:
        assert lines.readline() == "ready\n"
        child.end(signal.SIGTERM)
    assert not child.running


def test_a_child_that_ended_by_itself_is_known_and_can_be_ended() -> None:
    child = Child([sys.executable, "-c", "print('done')"], output=subprocess.PIPE)
    with lines_of(child) as lines:
        assert lines.read() == "done\n"
    child.end()
    assert not child.running


def test_a_child_starts_in_its_folder_with_its_variables_alone(tmp_path: Path) -> None:
    code = "import os; print(os.getcwd(), os.environ['ONLY'], 'HOME' in os.environ)"
    child = Child([sys.executable, "-c", code], output=subprocess.PIPE, environment={"ONLY": "1"}, folder=tmp_path)
    with lines_of(child) as lines:
        assert lines.read() == f"{tmp_path} 1 False\n"
    child.end()
