"""The worker half: both of them load the same app and agree on every outcome."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.functions.worker_api import AppError, HttpCall, TriggerData, load_worker
from local.functions.worker_converters import ConverterWorker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from queue import SimpleQueue

    from local.functions.worker_api import Invocation, Kind, Worker

    Loaded = tuple[Worker, SimpleQueue[Any]]


SAMPLE = Path(__file__).parents[1] / "apps" / "sample"
QUEUE = {
    "Id": '"id-1"',
    "DequeueCount": "2",
    "PopReceipt": '"receipt"',
    "InsertionTime": '"2026-01-02T03:04:05+00:00"',
    "ExpirationTime": '"2026-01-09T03:04:05+00:00"',
    "NextVisibleTime": '"2026-01-02T03:14:05+00:00"',
}


@pytest.fixture(scope="module", params=["of this Python", "converters"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """Each worker with a copy of the app of its own: one process indexes an app once."""
    script = f"sample_for_{request.param.split()[0]}"
    folder = tmp_path_factory.mktemp("app")
    (folder / f"{script}.py").write_bytes((SAMPLE / "sample_app.py").read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHON_SCRIPT_FILE_NAME", f"{script}.py")
        patch.syspath_prepend(str(folder))
        worker = load_worker(folder) if request.param == "of this Python" else ConverterWorker(folder)
        yield worker, sys.modules[script].seen


@pytest.fixture
def worker(loaded: Loaded) -> Worker:
    return loaded[0]


@pytest.fixture
def seen(loaded: Loaded) -> SimpleQueue[Any]:
    """What the functions of the app say they were given."""
    return loaded[1]


def invoke(
    worker: Worker,
    name: str,
    value: HttpCall | str,
    kind: Kind,
    metadata: dict[str, str] | None = None,
) -> Invocation:
    return asyncio.run(worker.invoke(name, TriggerData(value, kind, metadata or {})))


def call(method: str = "POST", body: bytes = b"a body") -> HttpCall:
    return HttpCall(method, "http://127.0.0.1/api/echo/x", {"x-sample": "s"}, {"q": "1"}, {"name": "x"}, body)


def test_every_function_is_indexed_with_its_own_bindings(worker: Worker) -> None:
    triggers = {function.name: function.trigger["type"] for function in worker.functions}
    assert triggers == {
        "on_event": "eventGridTrigger",
        "on_typed_event": "eventGridTrigger",
        "work": "queueTrigger",
        "record": "queueTrigger",
        "tick": "timerTrigger",
        "echo": "httpTrigger",
        "hello": "httpTrigger",
        "fails": "httpTrigger",
    }
    work = next(function for function in worker.functions if function.name == "work")
    assert (work.trigger["queueName"], work.trigger["connection"]) == ("%SAMPLE_QUEUE%", "SAMPLE_STORAGE")


def test_an_event_bound_to_text_arrives_as_it_was_sent(worker: Worker, seen: SimpleQueue[Any]) -> None:
    text = '{"subject": "s",   "data": {}}'
    assert invoke(worker, "on_event", text, "json").succeeded
    assert seen.get(timeout=10) == {"name": "on_event", "event": text}


def test_a_queue_message_has_its_body_and_its_metadata(worker: Worker, seen: SimpleQueue[Any]) -> None:
    assert invoke(worker, "work", "text", "string", QUEUE).succeeded
    assert seen.get(timeout=10) == {
        "name": "work",
        "body": "text",
        "id": "id-1",
        "dequeue_count": 2,
        "has_receipt": True,
        "inserted": "2026-01-02T03:04:05+00:00",
        "expires": "2026-01-09T03:04:05+00:00",
    }


def test_an_asynchronous_function_runs_too(worker: Worker, seen: SimpleQueue[Any]) -> None:
    assert invoke(worker, "record", "text", "string", QUEUE).succeeded
    assert seen.get(timeout=10)["body"] == "text"


@pytest.mark.parametrize("past_due", [True, False])
def test_a_timer_knows_whether_it_is_late(worker: Worker, seen: SimpleQueue[Any], past_due: bool) -> None:
    assert invoke(worker, "tick", json.dumps({"IsPastDue": past_due}), "json").succeeded
    assert seen.get(timeout=10) == {"name": "tick", "past_due": past_due}


def test_an_http_function_gets_the_request_and_its_answer_comes_back(worker: Worker) -> None:
    outcome = invoke(worker, "echo", call(), "http")
    assert outcome.reply is not None
    assert (outcome.error, outcome.reply.status) == (None, 201)
    assert outcome.reply.headers == {"x-answer": "yes", "content-type": "application/json"}
    assert json.loads(outcome.reply.body) == {
        "method": "POST",
        "name": "x",
        "query": {"q": "1"},
        "header": "s",
        "body": "a body",
    }


def test_an_http_function_may_answer_with_plain_text(worker: Worker) -> None:
    reply = invoke(worker, "hello", call(), "http").reply
    assert reply is not None
    assert (reply.status, reply.body) == (200, b"hello")


def test_what_a_function_raises_is_an_outcome_with_its_type_and_message(worker: Worker, seen: SimpleQueue[Any]) -> None:
    outcome = invoke(worker, "work", "fail", "string", QUEUE)
    assert seen.get(timeout=10)["body"] == "fail"
    assert (outcome.succeeded, outcome.error) == (False, "ValueError: this one always fails")
    assert "sample_for_" in outcome.trace


def test_what_a_typed_binding_cannot_read_is_an_outcome_too(worker: Worker, seen: SimpleQueue[Any]) -> None:
    outcome = invoke(worker, "on_typed_event", '{"eventTime": "yesterday"}', "json")
    assert not outcome.succeeded
    assert seen.empty()


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("raises_at_import", "raise ValueError('at import')"),
        ("has_no_app", "x = 1"),
        (
            "has_a_parameter_too_many",
            """
import azure.functions as func
app = func.FunctionApp()
@app.queue_trigger(arg_name="m", queue_name="q", connection="C")
def f(m: func.QueueMessage, other: str): ...
""",
        ),
        (
            "has_the_wrong_type",
            """
import azure.functions as func
app = func.FunctionApp()
@app.queue_trigger(arg_name="m", queue_name="q", connection="C")
def f(m: func.TimerRequest): ...
""",
        ),
    ],
)
@pytest.mark.parametrize("load", [load_worker, ConverterWorker])
def test_an_app_that_cannot_be_indexed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Any, name: str, source: str
) -> None:
    monkeypatch.setenv("PYTHON_SCRIPT_FILE_NAME", f"{name}.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop(name, None)
    (tmp_path / f"{name}.py").write_text(source)
    with pytest.raises(AppError):
        load(tmp_path)


def test_a_folder_without_an_app_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AppError, match="no function app"):
        ConverterWorker(tmp_path)
    with pytest.raises(AppError, match="no function app"):
        load_worker(tmp_path)
