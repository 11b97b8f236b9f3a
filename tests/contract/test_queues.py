"""What queues of plan and push messages must do: Azure Queue Storage, read as the host does, and in memory."""

from __future__ import annotations

import base64
import itertools
import os
import socket
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from azure.storage.queue import QueueServiceClient

from sync.adapters.storage.queues import StorageQueues
from sync.errors import Unreachable
from sync.ports.messages import PlanFleet, PushCluster, parse_message
from tests.support.memory import MemoryQueues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from sync.ports.queues import Queues

_prefixes = itertools.count()

Taken = tuple[str, int]
"""Text and dequeue count."""


@dataclass(frozen=True)
class QueuesUnderTest:
    """Queues, and how the host takes from them.

    Attributes:
        take: gives text and dequeue count of the next message of `plan` or `push`, or None; the message comes back.
        pass_time: lets that many seconds pass.
    """

    queues: Queues
    take: Callable[[str], Taken | None]
    pass_time: Callable[[float], None]


@contextmanager
def in_azurite(request: pytest.FixtureRequest) -> Iterator[QueuesUnderTest]:
    account = request.getfixturevalue("azurite").connection_string
    prefix = f"t{os.getpid()}x{next(_prefixes)}"
    queues = StorageQueues(account, call_timeout=30, prefix=prefix)
    with QueueServiceClient.from_connection_string(account) as runtime:

        def take(queue: str) -> Taken | None:
            with runtime.get_queue_client(f"{prefix}-{queue}") as client:
                message = client.receive_message(visibility_timeout=1)
                if message is None:
                    return None
                assert message.dequeue_count is not None
                client.update_message(message, visibility_timeout=0)
                return base64.b64decode(message.content, validate=True).decode(), message.dequeue_count

        yield QueuesUnderTest(queues, take, time.sleep)
    queues.close()


@contextmanager
def in_memory(_: pytest.FixtureRequest) -> Iterator[QueuesUnderTest]:
    now = [datetime(2026, 6, 1, tzinfo=UTC)]
    queues = MemoryQueues(clock=lambda: now[0])

    def take(queue: str) -> Taken | None:
        message = queues.take(queue)
        if message is None:
            return None
        queues.give_back(message)
        return message.text, message.dequeued

    def pass_time(seconds: float) -> None:
        now[0] += timedelta(seconds=seconds)

    yield QueuesUnderTest(queues, take, pass_time)


OPENERS: dict[str, Callable[[pytest.FixtureRequest], AbstractContextManager[QueuesUnderTest]]] = {
    "azurite": in_azurite,
    "memory": in_memory,
}


@pytest.fixture(params=OPENERS)
def under_test(request: pytest.FixtureRequest) -> Iterator[QueuesUnderTest]:
    with OPENERS[request.param](request) as opened:
        yield opened


def taken(under_test: QueuesUnderTest, queue: str) -> Taken:
    message = under_test.take(queue)
    assert message is not None
    return message


def test_a_plan_message_arrives_as_it_was_sent(under_test: QueuesUnderTest) -> None:
    under_test.queues.send_plan(PlanFleet("ünï: admitted"))
    text, dequeued = taken(under_test, "plan")
    assert parse_message(text, PlanFleet) == PlanFleet("ünï: admitted")
    assert dequeued == 1


def test_a_push_message_arrives_in_its_own_queue(under_test: QueuesUnderTest) -> None:
    under_test.queues.send_plan(PlanFleet("x"))
    under_test.queues.send_push(PushCluster("plant-1", "plan"))
    text, _ = taken(under_test, "push")
    assert parse_message(text, PushCluster) == PushCluster("plant-1", "plan")


def test_a_message_that_was_not_done_comes_again_and_says_so(under_test: QueuesUnderTest) -> None:
    under_test.queues.send_push(PushCluster("plant-1", "plan"))
    first, second = taken(under_test, "push"), taken(under_test, "push")
    assert first[0] == second[0]
    assert (first[1], second[1]) == (1, 2)


def test_every_message_of_a_burst_arrives(under_test: QueuesUnderTest) -> None:
    for number in range(40):
        under_test.queues.send_push(PushCluster(f"plant-{number}", "plan"))
    arrived = {parse_message(taken(under_test, "push")[0], PushCluster).cluster for _ in range(40)}
    assert arrived == {f"plant-{number}" for number in range(40)}


def test_a_delay_is_rounded_up_to_a_whole_second(under_test: QueuesUnderTest) -> None:
    under_test.queues.send_plan(PlanFleet("later"), delay=0.01)
    assert under_test.take("plan") is None
    under_test.pass_time(1.1)
    assert parse_message(taken(under_test, "plan")[0], PlanFleet) == PlanFleet("later")


def test_a_delayed_message_holds_no_other_up(under_test: QueuesUnderTest) -> None:
    under_test.queues.send_push(PushCluster("plant-1", "later"), delay=16.0)
    under_test.queues.send_push(PushCluster("plant-2", "now"))
    assert parse_message(taken(under_test, "push")[0], PushCluster).cluster == "plant-2"


def test_a_message_of_the_longest_names_is_taken(under_test: QueuesUnderTest) -> None:
    """Law 9: messages carry names and a reason only, so they are small."""
    under_test.queues.send_push(PushCluster("p" * 253, "r" * 256))
    assert len(taken(under_test, "push")[0]) < 1024


def test_an_account_that_does_not_answer_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/devstoreaccount1"
        account = f"AccountName=devstoreaccount1;AccountKey=c2VjcmV0;QueueEndpoint={url}"
        queues = StorageQueues(account, call_timeout=0.1)
        with pytest.raises(Unreachable, match="sending to queue trustcast-plan"):
            queues.send_plan(PlanFleet("x"))
        queues.close()
