"""The functions that Azure runs: bindings only. What each does is in `sync/triggers.py`, in the order of the flow.

Key Vault ─▶ Event Grid ─▶ on_secret_event ─▶ plan_fleet ─▶ push_cluster ─▶ lists on clusters
                           every minute ▶ check_drift: what is due
"""

from __future__ import annotations

import azure.functions as func

from sync import triggers
from sync.bootstrap import runtime
from sync.steps import drift

app = func.FunctionApp()

STORAGE = "AzureWebJobsStorage"


@app.event_grid_trigger(arg_name="event")
def on_secret_event(event: str) -> None:
    """Key Vault says that a secret changed; bound to text, as typed bindings fail on odd payloads before our code."""
    triggers.handle_event(runtime(), event)


@app.queue_trigger(arg_name="message", queue_name="trustcast-plan", connection=STORAGE)
def plan_fleet(message: func.QueueMessage) -> None:
    """Find the clusters that differ."""
    triggers.handle_plan(runtime(), message.get_body().decode(), message.dequeue_count or 1)


@app.queue_trigger(arg_name="message", queue_name="trustcast-push", connection=STORAGE)
def push_cluster(message: func.QueueMessage) -> None:
    """Bring one cluster's lists to what they should hold."""
    triggers.handle_push(runtime(), message.get_body().decode(), message.dequeue_count or 1)


@app.timer_trigger(arg_name="timer", schedule="%TRUSTCAST_TICK%", use_monitor=False)
def check_drift(timer: func.TimerRequest) -> None:
    """Do what is due."""
    del timer
    drift.check_drift(runtime())


@app.queue_trigger(arg_name="message", queue_name="trustcast-push-poison", connection=STORAGE)
def record_failure(message: func.QueueMessage) -> None:
    """A cluster's message failed for good."""
    triggers.record_failure(runtime(), message.get_body().decode(errors="replace"))


@app.queue_trigger(arg_name="message", queue_name="trustcast-plan-poison", connection=STORAGE)
def record_plan_failure(message: func.QueueMessage) -> None:
    """A plan message failed for good."""
    triggers.record_plan_failure(message.get_body().decode(errors="replace"))
