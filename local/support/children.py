"""Processes of other programs that end with the one that started them, however that one ends.

The operating system keeps no such promise: who is killed leaves its children running. Here each child has a
guard beside it, a shell that reads a pipe of the owner's. Nobody else holds the pipe's other end, so it breaks
exactly when the owner is gone, and the guard then kills the child.
"""

from __future__ import annotations

import signal
import subprocess
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike
    from pathlib import Path

# The guard is the shell's own child, so that the program takes the shell's place and process id. A line read
# says that the program has ended and its process id may be another's; an end without a line, that the owner has.
_GUARDED = 'exec 3<&0 </dev/null; { read -r _ <&3 || kill -KILL $$; } >/dev/null 2>&1 & exec "$@" 3<&-'
_PATIENCE = 20.0


class Child:
    """A running program; it has no standard input, and a session of its own: Ctrl-C is for its owner alone.

    Attributes:
        output: what it writes, line by line, where `output` was a pipe; to be read to its end.
        errors: likewise what it writes to standard error, where `errors` was a pipe.

    Args:
        command: the program and its arguments.
        output: where standard output goes: a file, or `subprocess.PIPE`.
        errors: where standard error goes; to standard output if nothing is said.
        environment: all its variables; None: those of this process.
        folder: where it starts; None: where this process is.
        descriptors: open files that it inherits, by their numbers.
    """

    def __init__(
        self,
        command: Sequence[str | PathLike[str]],
        *,
        output: int | IO[bytes],
        errors: int | IO[bytes] = subprocess.STDOUT,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _GUARDED, "sh", *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
            pass_fds=descriptors,
            start_new_session=True,
            text=True,
        )
        self.output, self.errors = self._process.stdout, self._process.stderr

    @property
    def running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens where it has ended."""
        self._process.send_signal(number)

    def end(self, how: signal.Signals = signal.SIGKILL) -> int:
        """Send that signal and wait for the end; one that has not ended after twenty seconds is killed.

        Returns:
            Its exit status, or the signal's number below zero.
        """
        self.send(how)
        try:
            status = self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._dismiss_guard()
        return status

    def _dismiss_guard(self) -> None:
        assert self._process.stdin is not None
        with self._process.stdin as guard:
            guard.write("ended\n")
