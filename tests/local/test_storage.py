"""Azurite as the storage of the local stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import ResourceExistsError, ServiceRequestError
from azure.data.tables import TableClient
from azure.storage.queue import QueueClient

from local.storage import Azurite
from tests.support.owners import left_behind

if TYPE_CHECKING:
    from pathlib import Path


def queue_of(azurite: Azurite, name: str = "work") -> Any:
    return QueueClient.from_connection_string(azurite.connection_string, name, retry_total=0)


def test_queues_and_tables_answer_at_the_connection_string() -> None:
    with Azurite() as azurite:
        with queue_of(azurite) as queue:
            queue.create_queue()
            queue.send_message("hello")
            assert [message.content for message in queue.receive_messages()] == ["hello"]
        with TableClient.from_connection_string(azurite.connection_string, "rows") as table:
            table.create_table()
            table.create_entity({"PartitionKey": "p", "RowKey": "r"})
            with pytest.raises(ResourceExistsError):
                table.create_entity({"PartitionKey": "p", "RowKey": "r"})


def test_stopped_and_started_again_it_answers_at_the_same_place_and_has_lost_nothing(tmp_path: Path) -> None:
    with Azurite(tmp_path) as azurite, queue_of(azurite) as queue:
        queue.create_queue()
        queue.send_message("kept")
        azurite.stop()
        with pytest.raises(ServiceRequestError):
            queue.peek_messages()
        azurite.start()
        assert [message.content for message in queue.peek_messages()] == ["kept"]


def test_after_a_kill_it_starts_again_on_the_same_ports(tmp_path: Path) -> None:
    with Azurite(tmp_path) as azurite:
        before = azurite.connection_string
        azurite.kill()
        azurite.start()
        assert azurite.connection_string == before


def test_two_at_once_do_not_share_anything() -> None:
    with Azurite() as one, Azurite() as other, queue_of(one) as queue, queue_of(other) as same_name:
        queue.create_queue()
        same_name.create_queue()
        queue.send_message("for one")
        assert same_name.peek_messages() == []


def test_what_keeps_it_from_starting_is_told(tmp_path: Path) -> None:
    taken = tmp_path / "a file, not a folder"
    taken.touch()
    with pytest.raises(RuntimeError, match="Azurite did not start"):
        Azurite(taken).start()


def test_it_ends_with_the_process_that_started_it_even_one_that_is_killed() -> None:
    assert left_behind("from local.storage import Azurite; a = Azurite().start()") == []
