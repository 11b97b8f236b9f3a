"""Child processes that end with the process that started them, however that one ends.

The operating system does not ensure this: a process that is killed leaves its children running. Here each child
has a guard, a shell that reads from a pipe. Only the owner holds the pipe's other end, so it breaks exactly when
the owner is gone, and the guard then kills the child.
"""

from __future__ import annotations

import signal
import subprocess
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike
    from pathlib import Path

# The guard is the shell's own child, so that the program takes the shell's place and process id. A line in the pipe
# means that the program has ended and its process id may have been reused; its end without a line, that the owner has.
_GUARDED = 'exec 3<&0 </dev/null; { read -r _ <&3 || kill -KILL $$; } >/dev/null 2>&1 & exec "$@" 3<&-'
_PATIENCE = 20.0


class Child:
    """A running program without standard input, in a session of its own: Ctrl-C reaches only its owner.

    Attributes:
        output: its standard output, if `output` was a pipe; read it to its end.
        errors: its standard error, if `errors` was a pipe; likewise.

    Args:
        command: the program and its arguments.
        output: where standard output goes: a file, or `subprocess.PIPE`.
        errors: where standard error goes; by default to standard output.
        environment: all its variables; None: this process's.
        folder: its working directory; None: this process's.
        descriptors: numbers of the open files that it inherits.
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
        """Whether it is still running."""
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; does nothing if it has ended."""
        self._process.send_signal(number)

    def end(self, how: signal.Signals = signal.SIGKILL) -> int:
        """Send that signal and wait; if it has not ended after twenty seconds, kill it.

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
