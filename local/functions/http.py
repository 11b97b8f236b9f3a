"""What the local host serves over HTTP: the Event Grid webhook, its administration, and the HTTP functions.

Sources of the webhook's rules: the Event Grid extension of Azure Functions, and "Webhook event delivery" in the
documentation of Azure Event Grid (both schemas' handshakes).
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from local.functions.timer import timer_data
from local.functions.triggers import EventGridTrigger, HttpTrigger, TimerTrigger
from local.functions.worker_api import HttpCall, TriggerData

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

    from local.functions.invocations import Runs
    from local.functions.settings import Keys
    from local.functions.triggers import Trigger

_PARAMETER = re.compile(r"{(\*?)(\w+)(?::\w+)?(\??)}")
_METADATA = {"DequeueCount": "1", "Id": '"by-hand"', "PopReceipt": '""'}


class HostRoutes:
    """The requests that the host answers, each guarded by its key.

    A host that is stopping answers 503, and Event Grid delivers again later.
    """

    def __init__(self, triggers: Iterable[Trigger], route_prefix: str, keys: Keys, runs: Runs) -> None:
        self._triggers = {trigger.function.lower(): trigger for trigger in triggers}
        self._prefix = route_prefix
        self._keys = keys
        self._runs = runs

    def routes(self) -> list[Route]:
        """All routes, for a Starlette application."""
        own = [
            Route("/runtime/webhooks/{extension}", self._event_grid, methods=["POST", "OPTIONS"]),
            Route("/admin/functions/{name}", self._run_now, methods=["POST"]),
            Route("/admin/host/status", self._status),
        ]
        functions = [trigger for trigger in self._triggers.values() if isinstance(trigger, HttpTrigger)]
        return own + [route for trigger in functions for route in self._function_routes(trigger)]

    async def _event_grid(self, request: Request) -> Response:
        if request.path_params["extension"].lower() != "eventgrid":
            return Response(status_code=404)
        if not _opens(request, self._keys.system, self._keys.master):
            return Response(status_code=401)
        name = request.query_params.get("functionName", "")
        trigger = self._triggers.get(name.lower())
        if not isinstance(trigger, EventGridTrigger):
            return PlainTextResponse("cannot find that function", 404)
        if request.method == "OPTIONS":
            origin = request.headers.get("webhook-request-origin", "eventgrid.azure.net")
            return Response(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})
        try:
            body = json.loads(await request.body())
        except ValueError:
            return PlainTextResponse("the body is not JSON", 400)
        return await self._answer(trigger, request.headers.get("aeg-event-type", "").lower(), body)

    async def _answer(self, trigger: EventGridTrigger, kind: str, body: Any) -> Response:
        events = body if isinstance(body, list) else [body]
        match kind:
            case "subscriptionvalidation":
                return _validated(events)
            case "notification":
                return await self._deliver(trigger, events)
            case "unsubscribe" | "subscriptiondeletion":
                return Response(status_code=202)
        return PlainTextResponse("the header aeg-event-type is missing or unknown", 400)

    async def _deliver(self, trigger: EventGridTrigger, events: list[Any]) -> Response:
        if self._runs.stopping.is_set():
            return Response(status_code=503)
        data = (TriggerData(json.dumps(event), "json") for event in events)
        tasks = [self._runs.start(trigger.function, item, "event") for item in data]
        outcomes = await asyncio.gather(*(asyncio.shield(task) for task in tasks))
        return Response(status_code=202 if all(outcome.succeeded for outcome in outcomes) else 500)

    async def _run_now(self, request: Request) -> Response:
        if not _opens(request, self._keys.master):
            return Response(status_code=401)
        trigger = self._triggers.get(request.path_params["name"].lower())
        if trigger is None:
            return Response(status_code=404)
        try:
            data = _by_hand(trigger, json.loads(await request.body() or b"{}").get("input"))
        except (ValueError, AttributeError):
            return PlainTextResponse('the body is {"input": "…"}', 400)
        if self._runs.stopping.is_set():
            return Response(status_code=503)
        self._runs.start(trigger.function, data, "admin")
        return Response(status_code=202)

    async def _status(self, request: Request) -> Response:
        if not _opens(request, self._keys.master):
            return Response(status_code=401)
        state = "Stopping" if self._runs.stopping.is_set() else "Running"
        return JSONResponse({"id": "local", "state": state, "version": "4.0.0-local", "errors": []})

    def _function_routes(self, trigger: HttpTrigger) -> list[Route]:
        async def serve(request: Request) -> Response:
            return await self._call(trigger, request)

        paths = _paths(f"/{self._prefix}/{trigger.route.strip('/')}".replace("//", "/"))
        return [Route(path, serve, methods=list(trigger.methods)) for path in paths]

    async def _call(self, trigger: HttpTrigger, request: Request) -> Response:
        allowed = (self._keys.master,) if trigger.level == "admin" else (self._keys.master, self._keys.function)
        if trigger.level != "anonymous" and not _opens(request, *allowed):
            return Response(status_code=401)
        if self._runs.stopping.is_set():
            return Response(status_code=503)
        outcome = await self._runs.run(trigger.function, TriggerData(await _call_of(request), "http"), "http")
        if not outcome.succeeded:
            return Response(status_code=500)
        if outcome.reply is None:
            return Response(status_code=204)
        return Response(outcome.reply.body, outcome.reply.status, dict(outcome.reply.headers))


def _opens(request: Request, *keys: str) -> bool:
    given = request.headers.get("x-functions-key") or request.query_params.get("code") or ""
    return any(hmac.compare_digest(given.encode(), key.encode()) for key in keys)


def _validated(events: list[Any]) -> Response:
    try:
        return JSONResponse({"validationResponse": events[0]["data"]["validationCode"]})
    except (LookupError, TypeError):
        return PlainTextResponse("no validation code", 400)


def _by_hand(trigger: Trigger, given: Any) -> TriggerData:
    """The trigger data of a function that an operator runs.

    Raises:
        ValueError: the function needs a text, or cannot run without a request.
    """
    if isinstance(trigger, TimerTrigger):
        return timer_data()
    if isinstance(trigger, HttpTrigger) or not isinstance(given, str):
        raise ValueError("cannot be run by hand")  # noqa: TRY004  the caller catches one kind
    if isinstance(trigger, EventGridTrigger):
        return TriggerData(given, "json")
    return TriggerData(given, "string", _METADATA)


async def _call_of(request: Request) -> HttpCall:
    return HttpCall(
        method=request.method,
        url=str(request.url),
        headers=dict(request.headers),
        query=dict(request.query_params),
        params={name: str(value) for name, value in request.path_params.items()},
        body=await request.body(),
    )


def _paths(route: str) -> list[str]:
    """The route in Starlette's syntax: an optional last parameter makes a second path."""
    path = _PARAMETER.sub(lambda match: f"{{{match[2]}:path}}" if match[1] else f"{{{match[2]}}}", route)
    *_, last = [None, *_PARAMETER.finditer(route)]
    return [path, path.rpartition("/")[0] or "/"] if last and last[3] else [path]
