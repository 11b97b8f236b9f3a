"""What each trigger does with its message: what succeeds, what is delivered again, what never raises."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sync.errors import Changed, Permanent, Temporary, Unauthorized
from sync.ports.messages import PlanFleet, PushCluster, encode
from sync.triggers import (
    AFTER_FAILURE,
    handle_event,
    handle_plan,
    handle_push,
    record_failure,
    record_plan_failure,
)
from tests.support import certs
from tests.support.failing import Failing
from tests.support.fleet import HOST, Fleet, event, registration
from tests.support.stores import there

if TYPE_CHECKING:
    from collections.abc import Callable

    from sync.steps.runtime import Runtime


TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
GOOD = certs.server()


@pytest.fixture
def fleet() -> Fleet:
    made = Fleet()
    made.register(registration("plant"))
    return made


def failing_vault(fleet: Fleet, error: Any) -> Runtime:
    return replace(fleet.runtime, vaults={HOST: Failing(fleet.vault, error)})


# --- Events ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [Temporary("busy"), Changed("under way")], ids=repr)
def test_an_event_is_delivered_again_where_a_retry_helps(fleet: Fleet, error: Changed | Temporary) -> None:
    with pytest.raises(Temporary):
        handle_event(failing_vault(fleet, error), event("plc7", "1" * 32))


@pytest.mark.parametrize("error", [Permanent("no"), Unauthorized("403")], ids=repr)
def test_an_event_is_taken_where_no_retry_helps_and_the_reason_is_logged(
    fleet: Fleet, error: Permanent | Unauthorized, caplog: pytest.LogCaptureFixture
) -> None:
    handle_event(failing_vault(fleet, error), event("plc7", "1" * 32))
    assert str(error) in caplog.text


@pytest.mark.parametrize("text", ["", "no JSON", "17", "[]", "[[]]", '{"data": {}}', "\ud800", "[" * 100_000])
def test_what_is_no_event_is_taken_and_changes_nothing(fleet: Fleet, text: str) -> None:
    head = fleet.decisions.head()
    handle_event(fleet.runtime, text)
    assert fleet.decisions.head() == head


def test_an_event_of_a_vault_that_is_not_watched_is_taken_and_logged(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    handle_event(failing_vault(fleet, Temporary("not to be asked")), event("x", "1" * 32, host="other.vault.azure.net"))
    assert "other.vault.azure.net" in caplog.text


def test_every_event_of_a_delivery_is_taken_also_after_one_that_is_refused(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    version = fleet.upload("good", GOOD.pem, TAGS)
    fleet.events.clear()
    refuses_one = Failing(fleet.vault, Permanent("refused"), lambda _, *of: "bad" in of)
    runtime = replace(fleet.runtime, vaults={HOST: refuses_one})
    handle_event(runtime, json.dumps([*json.loads(event("bad", "1" * 32)), *json.loads(event("good", version))]))
    fleet.work_off()
    assert "refused" in caplog.text
    assert fleet.files("plant") == {"good.der": GOOD.der}


def test_a_storage_that_fails_has_the_event_delivered_again(fleet: Fleet) -> None:
    runtime = replace(fleet.runtime, decisions=Failing(fleet.decisions, Temporary("storage")))
    with pytest.raises(Temporary):
        handle_event(runtime, event("plc7", "1" * 32))


# --- Queue messages --------------------------------------------------------------------------------------

NO_MESSAGES = ["", "no JSON", "{}", '{"schema": 99, "type": "plan-fleet", "message": {}}', "\ud800"]


@pytest.mark.parametrize("text", NO_MESSAGES)
@pytest.mark.parametrize("handle", [handle_plan, handle_push])
def test_a_malformed_message_is_dropped_with_a_log_line_instead_of_becoming_poison(
    fleet: Fleet, handle: Callable[..., Any], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    handle(fleet.runtime, text, 1)
    assert "dropped" in caplog.text


def test_a_message_of_the_other_queue_is_dropped(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    handle_plan(fleet.runtime, encode(PushCluster("plant", "x")), 1)
    handle_push(fleet.runtime, encode(PlanFleet("x")), 1)
    assert caplog.text.count("dropped") == 2


@pytest.mark.parametrize(
    ("handle", "message"), [(handle_plan, PlanFleet("x")), (handle_push, PushCluster("plant", "x"))]
)
def test_a_storage_that_fails_has_the_message_come_back(
    fleet: Fleet, handle: Callable[..., Any], message: PlanFleet | PushCluster
) -> None:
    down = Failing(fleet.decisions, Temporary("storage"))
    with pytest.raises(Temporary):
        handle(replace(fleet.runtime, decisions=down), encode(message), 1)


def test_a_planned_head_is_planned_again_only_when_the_message_is_redelivered(fleet: Fleet) -> None:
    """The delivery before it may have died after some of its requests."""
    head = fleet.decisions.head().value.token
    fleet.work.set_planned(head)
    handle_plan(fleet.runtime, encode(PlanFleet("x")), 1)
    assert fleet.queues.waiting["push"] == []
    handle_plan(fleet.runtime, encode(PlanFleet("x")), 2)
    assert len(fleet.queues.waiting["push"]) == 1


def test_a_push_of_a_cluster_that_is_registered_no_more_forgets_it(fleet: Fleet) -> None:
    fleet.work_off()
    handle_push(fleet.runtime, encode(PushCluster("gone", "x")), 1)
    assert fleet.work.cluster("gone") is None


# --- Poison ----------------------------------------------------------------------------------------------


def test_a_push_that_failed_for_good_is_tried_again_by_its_due_time(fleet: Fleet) -> None:
    record_failure(fleet.runtime, encode(PushCluster("plant", "x")))
    work = there(fleet.work.cluster("plant")).value
    assert (work.mark, work.due) == (None, fleet.clock() + AFTER_FAILURE)
    fleet.upload("plc7", GOOD.pem, TAGS)
    fleet.events.clear()
    fleet.sweep(AFTER_FAILURE + timedelta(minutes=1))
    assert fleet.files("plant") == {"plc7.der": GOOD.der}


@pytest.mark.parametrize("error", [Changed("meanwhile"), Temporary("storage"), Permanent("no"), RuntimeError("bug")])
def test_recording_a_failure_never_raises(fleet: Fleet, error: Any) -> None:
    runtime = replace(fleet.runtime, work=Failing(fleet.work, error))
    record_failure(runtime, encode(PushCluster("plant", "x")))


@pytest.mark.parametrize("text", [*NO_MESSAGES, encode(PlanFleet("x")), "x" * 100_000])
def test_recording_what_is_no_message_never_raises_and_logs_nothing_of_it(
    fleet: Fleet, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    record_failure(fleet.runtime, text)
    record_plan_failure(text)
    assert len(caplog.text) < 2000


def test_a_plan_that_failed_for_good_is_made_good_by_the_next_check(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    record_plan_failure(encode(PlanFleet("x")))
    assert caplog.records[-1].levelno == logging.ERROR
    fleet.sweep()
    assert fleet.work.planned() == fleet.decisions.head().value.token
