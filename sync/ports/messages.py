"""The messages of our own queues: names and a reason, never content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

import msgspec

from sync.errors import Invalid
from sync.text import printable
from sync.typed_json import decoded

SCHEMA = 1
"""Of the queues' messages."""


@dataclass(frozen=True, slots=True)
class PlanFleet:
    """Asks to find the clusters whose lists differ from what decides; the reason is for logs."""

    reason: str
    type: ClassVar[str] = "plan-fleet"


@dataclass(frozen=True, slots=True)
class PushCluster:
    """Asks to bring one cluster's lists to what they should hold; the reason is for logs."""

    cluster: str
    reason: str
    type: ClassVar[str] = "push-cluster"


Message = TypeVar("Message", PlanFleet, PushCluster)


class _Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message as it lies in a queue."""

    schema: int
    type: str
    message: msgspec.Raw


def encode(message: PlanFleet | PushCluster) -> str:
    """The message as JSON text."""
    return msgspec.json.encode(_Wire(SCHEMA, message.type, msgspec.Raw(msgspec.json.encode(message)))).decode()


def parse_message(text: str | bytes, wanted: type[Message]) -> Message:
    """The message that a queue of this type of message held.

    Raises:
        Invalid: malformed, of another type, or of a schema that this version does not know.
    """
    try:
        wire = decoded(text, _Wire)
        if (wire.schema, wire.type) == (SCHEMA, wanted.type):
            return decoded(wire.message, wanted)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"the queue message is malformed: {printable(str(error))}") from error
    raise Invalid(
        f"the queue message is '{printable(wire.type)}' of schema {wire.schema}, not '{wanted.type}' of schema {SCHEMA}"
    )
