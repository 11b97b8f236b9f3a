"""The processes that an owner leaves behind when it ends; found through Linux's /proc."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0


def left_behind(program: str, *, how: signal.Signals = signal.SIGKILL, at_least: int = 1) -> list[str]:
    """Run Python code that starts processes, end it with a signal, and wait for those processes to end.

    Args:
        program: the code; the processes that it starts must keep running.
        how: the signal that ends the owner.
        at_least: the fewest processes that must run before, including guards.

    Returns:
        The command lines of those still running after half a minute.
    """
    waiting = f"{program}\nprint('started', flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", waiting], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == "started\n"
        found = {os.pidfd_open(pid): _command(pid) for pid in _descendants(owner.pid)}
        owner.send_signal(how)
    try:
        assert len(found) >= at_least, found
        return _remaining(found)
    finally:
        for process in found:
            os.close(process)


def _remaining(processes: dict[int, str]) -> list[str]:
    left, end = dict(processes), time.monotonic() + PATIENCE
    while left and (seconds := end - time.monotonic()) > 0:
        for ended in select.select(left, [], [], seconds)[0]:
            del left[ended]
    return list(left.values())


def _descendants(pid: int) -> Iterator[int]:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            yield child
            yield from _descendants(child)


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[:200]
