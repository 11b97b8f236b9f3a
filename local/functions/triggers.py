"""The triggers of an app's functions, read from their bindings, with the app settings that they name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.functions.ncrontab import Schedule
from local.functions.worker_api import AppError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from local.functions.worker_api import FunctionMetadata

_SETTING = re.compile(r"%([^%]+)%")
_ALL_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class EventGridTrigger:
    """A function that the Event Grid webhook runs."""

    function: str


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    """A function that runs on a schedule and, with `at_start`, when the host starts."""

    function: str
    schedule: Schedule
    at_start: bool


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    """A function that works a queue; `connection` is the storage account's connection string."""

    function: str
    queue: str
    connection: str


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    """A function behind a route; `level` is `anonymous`, `function` or `admin`."""

    function: str
    route: str
    methods: tuple[str, ...]
    level: str


Trigger = EventGridTrigger | TimerTrigger | QueueTrigger | HttpTrigger


def triggers_of(functions: Iterable[FunctionMetadata], environment: Mapping[str, str]) -> tuple[Trigger, ...]:
    """The triggers of the functions.

    Raises:
        AppError: a binding's kind is not served by this host, a setting is missing, or a value cannot be
            read; the message names the function and the setting.
    """
    return tuple(_trigger(function, environment) for function in functions)


def _trigger(function: FunctionMetadata, environment: Mapping[str, str]) -> Trigger:
    try:
        _refuse_other_bindings(function)
        return _parsed(function.name, _resolved(function.trigger, environment), environment)
    except (AppError, ValueError) as error:
        raise AppError(f"function {function.name}: {error}") from error


def _refuse_other_bindings(function: FunctionMetadata) -> None:
    others = {binding["type"] for binding in function.bindings if binding is not function.trigger} - {"http"}
    if others:
        raise AppError(f"bindings {sorted(others)} are not served by the local host")


def _parsed(name: str, binding: Mapping[str, Any], environment: Mapping[str, str]) -> Trigger:
    match binding["type"]:
        case "eventGridTrigger":
            return EventGridTrigger(name)
        case "timerTrigger":
            at_start = bool(binding.get("runOnStartup"))
            return TimerTrigger(name, Schedule.parse(binding["schedule"]), at_start)
        case "queueTrigger":
            connection = _connection(binding.get("connection") or "AzureWebJobsStorage", environment)
            return QueueTrigger(name, binding["queueName"], connection)
        case "httpTrigger":
            methods = tuple(method.upper() for method in binding.get("methods") or _ALL_METHODS)
            level = str(binding.get("authLevel") or "function").lower()
            return HttpTrigger(name, binding.get("route") or name, methods, level)
        case kind:
            raise AppError(f"a {kind} is not served by the local host")


def _resolved(binding: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    def setting(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise AppError(f"the app setting {match[1]} is missing")
        return environment[match[1]]

    return {key: _SETTING.sub(setting, value) if isinstance(value, str) else value for key, value in binding.items()}


def _connection(name: str, environment: Mapping[str, str]) -> str:
    """The connection string of a setting; as in Azure, the name prefixed with `AzureWebJobs` is tried first."""
    for setting in (f"AzureWebJobs{name}", name):
        if found := environment.get(setting):
            return found
        if any(key.startswith(f"{setting}__") for key in environment):
            raise AppError(f"{setting}__… signs in with an identity: the local host needs a connection string")
    raise AppError(f"the app setting {name}, a storage connection, is missing")
