"""The local Functions host, with the sample app and Azurite, over real HTTP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient

from local.functions.host import Host
from local.functions.queue_client import StorageQueue
from local.functions.queue_listener import next_wait
from local.functions.settings import Keys
from local.functions.worker_api import AppError, load_worker
from local.storage import Azurite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from httpx import Client, Response


SAMPLE = Path(__file__).parents[1] / "apps" / "sample"
KEYS = Keys(master="the-master", system="the-system", function="the-function")
NEVER = "0 0 0 29 2 *"
WAIT = 30


@pytest.fixture(scope="module")
def azurite() -> Iterator[Azurite]:
    with Azurite() as started:
        yield started


@pytest.fixture(scope="module")
def sample() -> Iterator[ModuleType]:
    """The sample app's folder and module; a process loads it once, so its hosts differ in settings only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHON_SCRIPT_FILE_NAME", "sample_app.py")
        patch.syspath_prepend(str(SAMPLE))
        load_worker(SAMPLE)
        yield sys.modules["sample_app"]


@pytest.fixture
def settings(azurite: Azurite) -> dict[str, str]:
    """Every test has queues of its own: the queues' names are app settings."""
    name = f"work-{uuid4().hex[:8]}"
    return {
        "SAMPLE_STORAGE": azurite.connection_string,
        "SAMPLE_TICK": NEVER,
        "SAMPLE_QUEUE": name,
    }


@pytest.fixture
def host(sample: ModuleType, settings: dict[str, str]) -> Iterator[Host]:
    sample.released.clear()
    with Host(SAMPLE, settings, keys=KEYS) as running:
        yield running
        sample.released.set()
    assert sample.seen.empty(), "a function ran that no test expected"


@pytest.fixture(scope="module")
def serving(sample: ModuleType, azurite: Azurite) -> Iterator[Host]:
    """One host for all tests that only ask it something over HTTP."""
    settings = {"SAMPLE_STORAGE": azurite.connection_string, "SAMPLE_TICK": NEVER, "SAMPLE_QUEUE": "asked"}
    assert sample.seen.empty()
    with Host(SAMPLE, settings, keys=KEYS) as running:
        yield running


@pytest.fixture
def client(serving: Host, sample: ModuleType) -> Iterator[Client]:
    with httpx.Client(base_url=serving.url, timeout=WAIT) as session:
        yield session
    assert sample.seen.empty(), "a function ran that no test expected"


@pytest.fixture
def queue(settings: dict[str, str]) -> Iterator[Any]:
    with opened(settings, settings["SAMPLE_QUEUE"]) as found:
        yield found


@pytest.fixture
def poison(settings: dict[str, str]) -> Iterator[Any]:
    with opened(settings, f"{settings['SAMPLE_QUEUE']}-poison") as found:
        yield found


def opened(settings: dict[str, str], name: str) -> Any:
    queue = QueueClient.from_connection_string(settings["SAMPLE_STORAGE"], name)
    with contextlib.suppress(ResourceExistsError):  # the host may have made it before
        queue.create_queue()
    return queue


def put(queue: Any, text: str, **options: int) -> Any:
    return queue.send_message(base64.b64encode(text.encode()).decode(), **options)


def next_seen(sample: ModuleType, name: str) -> dict[str, Any]:
    seen: dict[str, Any] = sample.seen.get(timeout=WAIT)
    assert seen.pop("name") == name
    return seen


def post_events(
    client: Client,
    events: Any,
    *,
    function: str = "on_event",
    code: str = "the-system",
    kind: str | None = "Notification",
) -> Response:
    return client.post(
        "/runtime/webhooks/EventGrid",
        params={"functionName": function, "code": code},
        headers={"aeg-event-type": kind} if kind else {},
        content=events if isinstance(events, bytes) else json.dumps(events).encode(),
    )


# --- Event Grid ------------------------------------------------------------------------------------------


def test_a_delivery_runs_the_function_once_for_each_event(client: Client, sample: ModuleType) -> None:
    events = [{"id": "1", "subject": "a"}, {"id": "2", "subject": "b"}]
    assert post_events(client, events).status_code == 202
    texts = [next_seen(sample, "on_event")["event"] for _ in events]
    assert sorted(map(json.loads, texts), key=lambda event: event["id"]) == events


def test_a_cloud_event_comes_alone(client: Client, sample: ModuleType) -> None:
    assert post_events(client, {"specversion": "1.0", "subject": "a"}).status_code == 202
    assert json.loads(next_seen(sample, "on_event")["event"])["specversion"] == "1.0"


def test_one_failed_event_fails_the_whole_delivery_and_the_others_have_run(client: Client, sample: ModuleType) -> None:
    assert post_events(client, [{"subject": "bad"}, {"subject": "good"}]).status_code == 500
    assert {json.loads(next_seen(sample, "on_event")["event"])["subject"] for _ in "12"} == {"bad", "good"}


@pytest.mark.parametrize("code", ["", "wrong", "the-function"])
def test_without_the_system_key_nothing_is_delivered(client: Client, code: str) -> None:
    assert post_events(client, [{"subject": "a"}], code=code).status_code == 401
    assert post_events(client, [{}], code=code, kind="SubscriptionValidation").status_code == 401


def test_the_handshake_of_the_event_grid_schema(client: Client) -> None:
    event = {
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": "the-code"},
    }
    answer = post_events(client, [event], kind="SubscriptionValidation")
    assert (answer.status_code, answer.json()) == (200, {"validationResponse": "the-code"})


def test_the_handshake_of_cloud_events(client: Client) -> None:
    answer = client.options(
        "/runtime/webhooks/EventGrid",
        params={"functionName": "on_event", "code": "the-system"},
        headers={"WebHook-Request-Origin": "eventgrid.azure.net"},
    )
    assert (answer.status_code, answer.headers["WebHook-Allowed-Origin"]) == (200, "eventgrid.azure.net")


@pytest.mark.parametrize("function", ["work", "nobody", ""])
def test_only_functions_with_that_trigger_take_events(client: Client, function: str) -> None:
    assert post_events(client, [{}], function=function).status_code == 404


@pytest.mark.parametrize(
    ("body", "kind"), [(b"{no json", "Notification"), (b"[]", None), (b"[{}]", "SubscriptionValidation")]
)
def test_what_event_grid_would_never_send_is_a_bad_request(client: Client, body: bytes, kind: str | None) -> None:
    assert post_events(client, body, kind=kind).status_code == 400


def test_the_end_of_a_subscription_is_taken_note_of(client: Client) -> None:
    assert post_events(client, [], kind="Unsubscribe").status_code == 202


# --- administration and HTTP functions -------------------------------------------------------------------


def run_now(client: Client, name: str, body: dict[str, Any] | list[Any], key: str = "the-master") -> Response:
    return client.post(f"/admin/functions/{name}", headers={"x-functions-key": key}, json=body)


def test_a_function_is_run_by_hand(client: Client, sample: ModuleType) -> None:
    assert run_now(client, "tick", {}).status_code == 202
    assert next_seen(sample, "tick") == {"past_due": False}
    assert run_now(client, "ON_EVENT", {"input": '{"subject": "by hand"}'}).status_code == 202
    assert next_seen(sample, "on_event") == {"event": '{"subject": "by hand"}'}
    assert run_now(client, "record", {"input": "by hand"}).status_code == 202
    assert next_seen(sample, "record") == {"body": "by hand", "dequeue_count": 1}


@pytest.mark.parametrize("key", ["", "the-system", "the-function"])
def test_administration_wants_the_master_key(client: Client, key: str) -> None:
    assert run_now(client, "tick", {}, key).status_code == 401
    assert client.get("/admin/host/status", headers={"x-functions-key": key}).status_code == 401


def test_what_cannot_be_run_by_hand_is_refused(client: Client) -> None:
    assert run_now(client, "nobody", {}).status_code == 404
    bodies: list[Any] = [{}, {"input": 1}, []]
    assert [run_now(client, "on_event", body).status_code for body in bodies] == [400] * 3


def test_the_status_of_the_host(client: Client) -> None:
    answer = client.get("/admin/host/status", headers={"x-functions-key": "the-master"})
    assert (answer.status_code, answer.json()["state"]) == (200, "Running")


def test_an_http_function_answers_at_its_route(client: Client) -> None:
    answer = client.post("/api/echo/x?q=1&code=the-function", headers={"x-sample": "s"}, content=b"a body")
    assert (answer.status_code, answer.headers["x-answer"]) == (201, "yes")
    assert answer.json() == {
        "method": "POST",
        "name": "x",
        "query": {"q": "1", "code": "the-function"},
        "header": "s",
        "body": "a body",
    }
    assert client.put("/api/echo/x?code=the-function").status_code == 405


def test_each_http_function_asks_for_the_key_of_its_level(client: Client) -> None:
    statuses = {
        (path, key): client.get(f"/api/{path}", headers={"x-functions-key": key}).status_code
        for path in ("hello", "echo/x", "fails")
        for key in ("", "the-function", "the-master")
    }
    assert statuses == {
        ("hello", ""): 200,
        ("hello", "the-function"): 200,
        ("hello", "the-master"): 200,
        ("echo/x", ""): 401,
        ("echo/x", "the-function"): 201,
        ("echo/x", "the-master"): 201,
        ("fails", ""): 401,
        ("fails", "the-function"): 401,
        ("fails", "the-master"): 500,
    }


def test_law9_a_failed_http_function_tells_its_caller_nothing(client: Client) -> None:
    assert client.get("/api/fails?code=the-master").content == b""


# --- timers ----------------------------------------------------------------------------------------------


def test_a_timer_runs_at_the_moments_of_its_schedule(sample: ModuleType, settings: dict[str, str]) -> None:
    with Host(SAMPLE, settings | {"SAMPLE_TICK": "* * * * * *"}, keys=KEYS):
        assert [next_seen(sample, "tick") for _ in range(2)] == [{"past_due": False}] * 2
    while not sample.seen.empty():
        next_seen(sample, "tick")


# --- queues ----------------------------------------------------------------------------------------------


def test_a_message_is_worked_with_its_metadata_and_removed(host: Host, sample: ModuleType, queue: Any) -> None:
    sent = put(queue, "text")
    seen = next_seen(sample, "work")
    assert seen == {
        "body": "text",
        "id": sent.id,
        "dequeue_count": 1,
        "has_receipt": True,
        "inserted": sent.inserted_on.isoformat(),
        "expires": sent.expires_on.isoformat(),
    }
    host.stop()
    assert queue.get_queue_properties().approximate_message_count == 0


def test_a_queue_that_is_missing_is_made_by_whoever_comes_first(settings: dict[str, str]) -> None:
    async def look_and_put(into: StorageQueue, poison: StorageQueue) -> None:
        assert await into.receive(1, 30) == []
        await poison.put("text")

    with ThreadPoolExecutor() as threads:
        into = StorageQueue(settings["SAMPLE_STORAGE"], settings["SAMPLE_QUEUE"], threads)
        poison = StorageQueue(settings["SAMPLE_STORAGE"], f"{settings['SAMPLE_QUEUE']}-poison", threads)
        with contextlib.closing(into), contextlib.closing(poison):
            asyncio.run(look_and_put(into, poison))
    with QueueClient.from_connection_string(settings["SAMPLE_STORAGE"], settings["SAMPLE_QUEUE"]) as made:
        assert made.peek_messages() == []


def test_what_fails_as_often_as_allowed_is_poison_and_goes_to_its_recorder(
    host: Host, sample: ModuleType, queue: Any, poison: Any
) -> None:
    put(queue, "fail")
    assert [next_seen(sample, "work")["dequeue_count"] for _ in range(3)] == [1, 2, 3]
    assert next_seen(sample, "record") == {"body": "fail", "dequeue_count": 1}
    host.stop()
    counts = [each.get_queue_properties().approximate_message_count for each in (queue, poison)]
    assert counts == [0, 0]


def test_what_is_not_base64_is_poison_without_a_run(host: Host, sample: ModuleType, queue: Any, poison: Any) -> None:
    queue.send_message("!YQ==")  # lenient decoders read an "a"
    put(queue, "text")
    assert next_seen(sample, "work")["body"] == "text"
    host.stop()
    assert queue.get_queue_properties().approximate_message_count == 0
    assert poison.get_queue_properties().approximate_message_count == 1


def test_a_failing_poison_handler_has_its_message_back_when_the_lease_ends(
    sample: ModuleType, settings: dict[str, str], poison: Any
) -> None:
    with Host(SAMPLE, settings, keys=KEYS, lease=timedelta(seconds=1)):
        put(poison, "fail the record")
        counts = [next_seen(sample, "record")["dequeue_count"] for _ in range(4)]
    assert counts == [1, 2, 3, 4]  # more often than maxDequeueCount: there is no poison of poison


def test_what_is_worked_is_leased_anew_as_long_as_it_takes(
    sample: ModuleType, settings: dict[str, str], queue: Any
) -> None:
    sample.released.clear()
    with Host(SAMPLE, settings, keys=KEYS, lease=timedelta(seconds=3)):
        put(queue, "wait")
        assert next_seen(sample, "work")["body"] == "wait"
        put(queue, "seen after the first lease", visibility_timeout=4)
        assert next_seen(sample, "work")["body"] == "seen after the first lease"
        sample.released.set()
    assert next_seen(sample, "released") == {}
    assert sample.seen.empty()
    assert queue.get_queue_properties().approximate_message_count == 0


def test_a_stop_lets_what_runs_end(sample: ModuleType, settings: dict[str, str], queue: Any) -> None:
    sample.released.clear()
    host = Host(SAMPLE, settings, keys=KEYS).start()
    put(queue, "wait")
    next_seen(sample, "work")
    sample.released.set()
    host.stop()
    assert next_seen(sample, "released") == {}
    assert queue.get_queue_properties().approximate_message_count == 0


def test_two_hosts_share_a_queue_and_no_message_is_worked_twice(
    sample: ModuleType, settings: dict[str, str], queue: Any
) -> None:
    with Host(SAMPLE, settings, keys=KEYS), Host(SAMPLE, settings, keys=KEYS):
        for number in range(40):
            put(queue, str(number))
        seen = [next_seen(sample, "work")["body"] for _ in range(40)]
    assert sorted(map(int, seen)) == list(range(40))
    assert sample.seen.empty()


def test_the_wait_for_messages_doubles_from_100_ms_to_the_longest() -> None:
    waits = [0.0]
    while waits[-1] < 1:
        waits.append(next_wait(waits[-1], 1.0))
    assert waits == [0.0, 0.1, 0.2, 0.4, 0.8, 1.0]
    assert next_wait(0.0, 0.05) == 0.05


# --- what is refused at the start ------------------------------------------------------------------------


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"SAMPLE_TICK": None}, "function tick: the app setting SAMPLE_TICK is missing"),
        ({"SAMPLE_TICK": "* * *"}, "function tick: .* not six"),
        ({"SAMPLE_STORAGE": None}, "function work: the app setting SAMPLE_STORAGE, a storage"),
        (
            {"SAMPLE_STORAGE": None, "SAMPLE_STORAGE__accountName": "a"},
            "function work: SAMPLE_STORAGE__… signs in with an identity",
        ),
    ],
)
def test_a_setting_that_is_missing_or_wrong_is_named(
    settings: dict[str, str], change: dict[str, Any], said: str
) -> None:
    given = {name: value for name, value in (settings | change).items() if value is not None}
    with pytest.raises(AppError, match=said):
        Host(SAMPLE, given, keys=KEYS)


def test_keys_do_not_show() -> None:
    assert "the-master" not in repr(KEYS)
