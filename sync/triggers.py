"""What each trigger does with its message: decode, call, decide whether a retry helps. `function_app.py` only binds."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from sync.adapters.event_grid import Ignored, SecretChanged, parse_event
from sync.errors import Changed, Permanent, TrustcastError
from sync.ports.messages import PlanFleet, PushCluster, parse_message
from sync.ports.stored import as_read
from sync.ports.work import ClusterWork
from sync.steps.admission import admit
from sync.steps.planning import plan_fleet
from sync.steps.push import push_cluster

if TYPE_CHECKING:
    from sync.steps.runtime import Runtime

log = logging.getLogger("trustcast")

AFTER_FAILURE = timedelta(minutes=5)
"""When a cluster whose message failed for good is tried again by its due time."""


def handle_event(runtime: Runtime, text: str) -> None:
    """Admit the secrets that an Event Grid delivery names.

    What is malformed, foreign or permanently refused is logged and succeeds; the sweep looks again in any case.

    Raises:
        Temporary: the vault or the storage does not answer; Event Grid delivers again.
    """
    for event in parse_event(text):
        match event:
            case Ignored():
                log.warning("event ignored: %s", event.reason)
            case SecretChanged():
                _admit(runtime, event)
            case _:
                assert_never(event)


def _admit(runtime: Runtime, event: SecretChanged) -> None:
    if event.key.vault not in runtime.vaults:
        log.warning("event ignored: %s is not a watched vault", event.key.vault)
        return
    try:
        admit(runtime, event.key, event_version=event.version)
    except Permanent as error:
        log.error("%s could not be looked at: %s", event.key, error)  # noqa: TRY400  the message is the safe part


def handle_plan(runtime: Runtime, text: str, dequeue_count: int) -> None:
    """Plan the fleet.

    Raises:
        TrustcastError: the storage failed; the message comes back.
    """
    try:
        parse_message(text, PlanFleet)
    except Permanent as error:
        log.error("plan message dropped: %s", error)  # noqa: TRY400  the message is the safe part
        return
    plan_fleet(runtime, redelivered=dequeue_count > 1)


def handle_push(runtime: Runtime, text: str, dequeue_count: int) -> None:
    """Push one cluster.

    Raises:
        TrustcastError: the storage failed; the message comes back.
    """
    try:
        message = parse_message(text, PushCluster)
    except Permanent as error:
        log.error("push message dropped: %s", error)  # noqa: TRY400  the message is the safe part
        return
    push_cluster(runtime, message.cluster, redelivered=dequeue_count > 1)


def record_failure(runtime: Runtime, text: str) -> None:
    """A push message failed for good: its cluster is tried again by its due time. Never raises."""
    try:
        message = parse_message(text, PushCluster)
        log.error("pushing %s failed for good; it is tried again in %s", message.cluster, AFTER_FAILURE)
        stored = runtime.work.cluster(message.cluster)
        work = ClusterWork(None, runtime.clock() + AFTER_FAILURE)
        runtime.work.set_cluster(message.cluster, work, as_read(stored))
    except Changed:
        log.info("somebody asked for the cluster again meanwhile")
    except TrustcastError as error:
        log.error("a failed push could not be recorded; the sweep finds it: %s", error)  # noqa: TRY400
    except Exception:  # a poison handler that fails gets its message back for days
        log.exception("a failed push could not be recorded")


def record_plan_failure(text: str) -> None:
    """A plan message failed for good: the next minute's check finds the head unplanned. Never raises."""
    log.error("a plan failed for good; the next check asks for it again (%d characters)", len(text))
