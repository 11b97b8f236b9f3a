"""The worker half from `azure-functions` alone: its indexing and binding converters, used as the worker does.

For Python 3.11 and 3.12, where Microsoft's own worker library does not install.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import traceback
import typing
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from azure.functions import FunctionRegister
from azure.functions.meta import Datum, get_binding_registry

from local.functions.worker_api import AppError, FunctionMetadata, HttpCall, HttpReply, Invocation, TriggerData

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_MORE_THREADS = 4  # Azure's pool: min(32, CPUs + 4) threads


@dataclass(frozen=True, slots=True)
class _Function:
    """A function of the app, with what is needed to run it.

    Attributes:
        parameter: the one that receives the trigger's data.
        annotation: the parameter's declared type; None without one.
    """

    metadata: FunctionMetadata
    call: Callable[..., Any]
    parameter: str
    annotation: Any

    @property
    def is_text(self) -> bool:
        """Whether it takes the text as it is: the worker then converts nothing."""
        return self.annotation in (str, bytes)

    @property
    def answers(self) -> bool:
        """Whether its result is sent back, to the sender of an HTTP request."""
        return any(binding["type"] == "http" for binding in self.metadata.bindings)


class ConverterWorker:
    """The app of one folder, indexed from its decorators."""

    def __init__(self, folder: Path) -> None:
        self._found = {function.metadata.name: function for function in _load(folder)}
        self.functions = tuple(function.metadata for function in self._found.values())
        threads = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT")
        size = int(threads) if threads else min(32, (os.cpu_count() or 1) + _MORE_THREADS)
        self._threads = ThreadPoolExecutor(size)

    async def invoke(self, name: str, trigger: TriggerData) -> Invocation:
        """Run one function to its end; an exception is returned, not raised."""
        function = self._found[name]
        try:
            arguments = {function.parameter: _decoded(function, trigger)}
            if inspect.iscoroutinefunction(function.call):
                result = await function.call(**arguments)
            else:
                loop = asyncio.get_running_loop()
                result = await loop.run_in_executor(self._threads, partial(function.call, **arguments))
            return Invocation(reply=_reply(function, result))
        except Exception as error:  # noqa: BLE001  any exception is the outcome
            return Invocation(error=f"{type(error).__name__}: {error}", trace=traceback.format_exc())


def _load(folder: Path) -> list[_Function]:
    script = folder / os.environ.get("PYTHON_SCRIPT_FILE_NAME", "function_app.py")
    if not script.exists():
        raise AppError(f"{folder} holds no function app")
    try:
        return _indexed(script.stem)
    except AppError:
        raise
    except Exception as error:
        raise AppError(f"{type(error).__name__}: {error}") from error


def _indexed(module: str) -> list[_Function]:
    values = vars(importlib.import_module(module)).values()
    apps = [value for value in values if isinstance(value, FunctionRegister)]
    if len(apps) != 1:
        raise AppError(f"{module} has {len(apps)} function apps at its top level, not one")
    return [_checked(function) for function in apps[0].get_functions()]


def _checked(found: Any) -> _Function:
    """The SDK's function as ours, if the worker would accept its signature.

    Raises:
        AppError: the parameters do not match the bindings, or the trigger cannot be converted to the type.
    """
    metadata = FunctionMetadata(found.get_function_name(), tuple(map(json.loads, found.get_raw_bindings())))
    call, trigger = found.get_user_function(), metadata.trigger
    parameters = set(inspect.signature(call).parameters)
    bound = {binding["name"] for binding in metadata.bindings if binding["name"] != "$return"}
    if parameters != bound:
        raise AppError(f"function {metadata.name}: parameters {parameters}, but bindings {bound}")
    function = _Function(metadata, call, trigger["name"], typing.get_type_hints(call).get(trigger["name"]))
    if not (function.annotation is None or function.is_text or _converts(function)):
        raise AppError(f"function {metadata.name}: its {trigger['type']} cannot be a {function.annotation}")
    return function


def _converts(function: _Function) -> bool:
    takes = _converter(function.metadata.trigger["type"]).check_input_type_annotation
    return isinstance(function.annotation, type) and bool(takes(function.annotation))


def _converter(binding: str) -> Any:
    return get_binding_registry().get(binding)  # type: ignore[no-untyped-call]


def _decoded(function: _Function, trigger: TriggerData) -> Any:
    if function.is_text:
        return trigger.value
    metadata = {key: Datum(value, "json") for key, value in trigger.metadata.items()}
    value = _http(trigger.value) if isinstance(trigger.value, HttpCall) else trigger.value
    converter = _converter(function.metadata.trigger["type"])
    return converter.decode(Datum(value, trigger.kind), trigger_metadata=metadata)


def _http(call: HttpCall) -> dict[str, Any]:
    return {
        "method": Datum(call.method, "string"),
        "url": Datum(call.url, "string"),
        "headers": _texts(call.headers),
        "query": _texts(call.query),
        "params": _texts(call.params),
        "body": Datum(call.body, "bytes"),
    }


def _texts(values: Mapping[str, str]) -> dict[str, Datum]:
    return {key: Datum(value, "string") for key, value in values.items()}


def _reply(function: _Function, result: Any) -> HttpReply | None:
    if not function.answers:
        if result is not None:
            raise RuntimeError(f"{function.metadata.name} has no $return binding, and returned a value")
        return None
    datum = _converter("http").encode(result, expected_type=None)
    if datum.type == "string":
        return HttpReply(200, {"content-type": "text/plain; charset=utf-8"}, datum.value.encode())
    answer = datum.value
    if answer["cookies"]:
        raise NotImplementedError("the local host does not support cookies")
    headers = {key: value.value for key, value in answer["headers"].items()}
    return HttpReply(int(answer["status_code"].value), headers, answer["body"].value)
