"""The worker half from `azure-functions-runtime`: Microsoft's own library, in this process, without gRPC.

Its messages are duck-typed protocol buffers. It gets the classes of its answers as a namespace, so the plain
ones below suffice; their names and fields are those of `FunctionRpc.proto`.
"""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import azure_functions_runtime as runtime

from local.functions.worker_api import AppError, FunctionMetadata, HttpCall, HttpReply, Invocation, TriggerData

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


class TypedData(SimpleNamespace):
    """A value of one of several kinds: the one that is set."""

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802  protocol buffers' name
        """The kind that is set."""
        return next(iter(self.__dict__), None)


class StatusResult(SimpleNamespace):
    """How a request to the worker ended."""

    Failure = 0
    Success = 1


class BindingInfo(SimpleNamespace):
    """A binding, with the names of its directions and of its data type."""

    undefined = 0
    out = 1
    inout = 2


_PLAIN = (
    "FunctionMetadataResponse",
    "InvocationResponse",
    "RpcException",
    "RpcFunctionMetadata",
    "RpcHttp",
    "RpcRetryOptions",
    "WorkerInitResponse",
    "WorkerMetadata",
)
_PROTOS = SimpleNamespace(
    TypedData=TypedData,
    StatusResult=StatusResult,
    BindingInfo=BindingInfo,
    **dict.fromkeys(_PLAIN, SimpleNamespace),
)


class RuntimeWorker:
    """The app of one folder, indexed and run by Microsoft's worker library."""

    def __init__(self, folder: Path) -> None:
        runtime.start_threadpool_executor()
        self._ids: dict[str, str] = {}
        self.functions = asyncio.run(self._load(folder))

    async def _load(self, folder: Path) -> tuple[FunctionMetadata, ...]:
        init = SimpleNamespace(capabilities={}, function_app_directory=str(folder))
        answer = await _ask(runtime.worker_init_request, worker_init_request=init)
        if answer.result.status != StatusResult.Failure:
            answer = await _ask(runtime.functions_metadata_request)
        if answer.result.status == StatusResult.Failure:
            raise AppError(answer.result.exception.message)
        if not answer.function_metadata_results:
            raise AppError(f"{folder} holds no function app")
        self._ids = {found.name: found.function_id for found in answer.function_metadata_results}
        return tuple(
            FunctionMetadata(found.name, tuple(map(json.loads, found.raw_bindings)))
            for found in answer.function_metadata_results
        )

    async def invoke(self, name: str, trigger: TriggerData) -> Invocation:
        """Run one function to its end; an exception is returned, not raised."""
        function = next(function for function in self.functions if function.name == name)
        parameter = SimpleNamespace(
            name=function.trigger["name"], data=_typed(trigger), WhichOneof=lambda _group: "data"
        )
        invocation = SimpleNamespace(
            invocation_id=str(uuid4()),
            function_id=self._ids[name],
            input_data=[parameter],
            trigger_metadata={key: TypedData(json=value) for key, value in trigger.metadata.items()},
            trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        answer = await _ask(runtime.invocation_request, invocation_request=invocation)
        if answer.result.status == StatusResult.Failure:
            failure = answer.result.exception
            return Invocation(error=failure.message, trace=failure.stack_trace)
        return Invocation(reply=_reply(answer.return_value))


async def _ask(request: Callable[[SimpleNamespace], Awaitable[Any]], **message: SimpleNamespace) -> Any:
    properties = {"host": "127.0.0.1", "protos": _PROTOS}
    return await request(SimpleNamespace(request=SimpleNamespace(**message), properties=properties))


def _typed(trigger: TriggerData) -> TypedData:
    if isinstance(trigger.value, str):
        return TypedData(**{trigger.kind: trigger.value})
    return TypedData(http=_http(trigger.value))


def _http(call: HttpCall) -> SimpleNamespace:
    return SimpleNamespace(
        method=call.method,
        url=call.url,
        headers=call.headers,
        query=call.query,
        params=call.params,
        body=TypedData(bytes=call.body),
    )


def _reply(value: TypedData | None) -> HttpReply | None:
    if value is None:
        return None
    match value.WhichOneof("data"):
        case "http":
            answer = value.http
            return HttpReply(int(answer.status_code), answer.headers, answer.body.bytes)
        case "string":
            return HttpReply(200, {"content-type": "text/plain; charset=utf-8"}, value.string.encode())
    return None
