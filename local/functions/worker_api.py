"""The worker half of the local Functions host: what loads a function app and runs its functions.

Azure runs a Python app in Microsoft's worker process, beside the host. The worker's library is on PyPI for
Python 3.13 and later (`worker_runtime`); on earlier versions the binding converters of `azure-functions`, which
the worker uses too, take its place (`worker_converters`). Both implement one interface and pass one suite.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HAS_RUNTIME = sys.version_info >= (3, 13)


class AppError(Exception):
    """The function app cannot be loaded; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class FunctionMetadata:
    """One function of the app, as it describes itself.

    Attributes:
        name: unique in the app, ignoring case.
        bindings: as in a `function.json`, with settings in `%percent signs%` not yet resolved.
    """

    name: str
    bindings: tuple[Mapping[str, Any], ...]

    @property
    def trigger(self) -> Mapping[str, Any]:
        """The binding that starts the function; there is exactly one."""
        return next(binding for binding in self.bindings if str(binding["type"]).endswith("Trigger"))


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A request for a function with an HTTP trigger; `params` are those of its route."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    params: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpReply:
    """The function's response; cookies are not supported."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Kind = Literal["string", "json", "http"]
"""How the worker reads a text; a request is of kind `http`."""


@dataclass(frozen=True, slots=True)
class TriggerData:
    """The input that a trigger passes to its function.

    Attributes:
        value: the text, or the request.
        kind: how the worker reads the text.
        metadata: further facts of the trigger, each value as JSON text.
    """

    value: str | HttpCall
    kind: Kind
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Invocation:
    """How a run ended.

    Attributes:
        error: type and message of the exception; None if it succeeded.
        trace: the stack trace of the error.
        reply: its response, if its trigger is HTTP.
    """

    error: str | None = None
    trace: str = ""
    reply: HttpReply | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the function returned."""
        return self.error is None


class Worker(Protocol):
    """A loaded function app."""

    @property
    def functions(self) -> tuple[FunctionMetadata, ...]:
        """Every function, in the order of the app."""

    async def invoke(self, name: str, trigger: TriggerData) -> Invocation:
        """Run one function to its end; an exception is returned, not raised.

        Synchronous functions run in a thread pool of the size that Azure uses.
        """


@cache
def load_worker(folder: Path) -> Worker:
    """Load the app of a folder, once per process: the SDK refuses to index an app twice.

    The folder is put on `sys.path`, as in Azure. The script is `function_app.py`, unless the app setting
    `PYTHON_SCRIPT_FILE_NAME` names another.

    Raises:
        AppError: the folder has no app, or the app cannot be imported or indexed.
    """
    sys.path.insert(0, str(folder))
    if HAS_RUNTIME:
        from local.functions.worker_runtime import RuntimeWorker  # noqa: PLC0415  not installable before 3.13

        return RuntimeWorker(folder)
    from local.functions.worker_converters import ConverterWorker  # noqa: PLC0415

    return ConverterWorker(folder)
