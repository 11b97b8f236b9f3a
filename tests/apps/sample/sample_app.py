"""A function app with every kind of trigger that the local host serves; each tells what it saw.

What it sees goes to `seen` (a host in the same process) and, a line of JSON each, to the file descriptor named
by SAMPLE_OUTPUT (a host in a process of its own).
"""

import asyncio
import json
import os
import time
from queue import SimpleQueue
from threading import Event
from typing import Any

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
seen: SimpleQueue[dict[str, Any]] = SimpleQueue()
released = Event()


def tell(name: str, **facts: Any) -> None:
    if output := os.environ.get("SAMPLE_OUTPUT"):
        os.write(int(output), json.dumps({"name": name, **facts}).encode() + b"\n")
    else:
        seen.put({"name": name, **facts})


@app.event_grid_trigger(arg_name="event")
def on_event(event: str) -> None:
    tell("on_event", event=event)
    if json.loads(event).get("subject") == "pause":
        time.sleep(1.5)  # more than a server grants its requests when it stops
    if json.loads(event).get("subject") == "bad":
        raise ValueError("a bad event")


@app.event_grid_trigger(arg_name="event")
def on_typed_event(event: func.EventGridEvent) -> None:
    tell("on_typed_event", subject=event.subject)


@app.queue_trigger(arg_name="message", queue_name="%SAMPLE_QUEUE%", connection="SAMPLE_STORAGE")
def work(message: func.QueueMessage) -> None:
    body = message.get_body().decode()
    tell(
        "work",
        body=body,
        id=message.id,
        dequeue_count=message.dequeue_count,
        has_receipt=bool(message.pop_receipt),
        inserted=message.insertion_time and message.insertion_time.isoformat(),
        expires=message.expiration_time and message.expiration_time.isoformat(),
    )
    if body == "wait":
        released.wait(60)
        tell("released")
    if body == "pause":
        time.sleep(0.5)  # outlasts the signal to stop; nothing depends on how long
        tell("paused")
    if body == "fail":
        raise ValueError("this one always fails")


@app.queue_trigger(arg_name="message", queue_name="%SAMPLE_QUEUE%-poison", connection="SAMPLE_STORAGE")
async def record(message: func.QueueMessage) -> None:
    await asyncio.sleep(0)
    body = message.get_body().decode()
    tell("record", body=body, dequeue_count=message.dequeue_count)
    if body == "fail the record":
        raise ValueError("a poison handler that fails")


@app.timer_trigger(arg_name="timer", schedule="%SAMPLE_TICK%")
def tick(timer: func.TimerRequest) -> None:
    tell("tick", past_due=timer.past_due)


@app.route(route="echo/{name}", methods=["POST", "GET"])
def echo(req: func.HttpRequest) -> func.HttpResponse:
    facts = {
        "method": req.method,
        "name": req.route_params["name"],
        "query": dict(req.params),
        "header": req.headers.get("x-sample"),
        "body": req.get_body().decode(),
    }
    return func.HttpResponse(
        json.dumps(facts), status_code=201, mimetype="application/json", headers={"x-answer": "yes"}
    )


@app.route(auth_level=func.AuthLevel.ANONYMOUS)
def hello(req: func.HttpRequest) -> str:  # noqa: ARG001
    return "hello"


@app.route(auth_level=func.AuthLevel.ADMIN)
def fails(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    raise ValueError("planted-secret")
