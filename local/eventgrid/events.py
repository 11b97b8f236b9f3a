"""Key Vault's events as Event Grid sends them, and what happens to each on its way.

Followed, on Microsoft Learn: "Azure Key Vault as Event Grid source", "Event Grid event schema",
"CloudEvents v1.0 schema with Azure Event Grid".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

Schema = Literal["EventGridSchema", "CloudEventSchemaV1_0"]
Result = Literal["delivered", "retrying", "refused", "expired", "dropped"]
"""Accepted; will be retried; will not be retried; retried too often; dropped on purpose."""


@dataclass(frozen=True, slots=True)
class SecretEvent:
    """What happened to a secret, before it takes a schema's shape.

    Attributes:
        kind: `SecretNewVersionCreated`, `SecretNearExpiry` or `SecretExpired`.
        vault_name, vault_url: where.
        not_before, expires: the secret's own attributes, seconds since 1970; None where unset.
    """

    kind: str
    vault_name: str
    vault_url: str
    name: str
    version: str
    not_before: int | None = None
    expires: int | None = None

    @property
    def type(self) -> str:
        """The event's type."""
        return f"Microsoft.KeyVault.{self.kind}"

    @property
    def topic(self) -> str:
        """The vault as an Azure resource."""
        group = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/local"
        return f"{group}/providers/Microsoft.KeyVault/vaults/{self.vault_name}"

    def data(self) -> dict[str, Any]:
        """The event's data, the same in both schemas."""
        return {
            "Id": f"{self.vault_url}/secrets/{self.name}/{self.version}",
            "VaultName": self.vault_name,
            "ObjectType": "Secret",
            "ObjectName": self.name,
            "Version": self.version,
            "NBF": self.not_before,
            "EXP": self.expires,
        }


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook that receives the events."""

    name: str
    endpoint: str
    schema: Schema = "EventGridSchema"


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done to events on purpose, besides what the network does to them.

    Attributes:
        copies: how often each is delivered; 0 drops it.
        delay: seconds before the first attempt.
        hold: keep them back until `release`, which may reverse their order.
    """

    copies: int = 1
    delay: float = 0.0
    hold: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One line of the log, the outcome of one attempt; also an event on its way.

    Attributes:
        id: the event's, the same for every copy and attempt.
        at: when, seconds since 1970.
        attempt: from 1; 0 before the first.
        status: HTTP status; None without an answer.
    """

    event: SecretEvent
    subscription: Subscription
    id: str
    raised_at: float
    at: float
    attempt: int = 0
    status: int | None = None
    result: Result = "dropped"


def message(delivery: Delivery) -> tuple[bytes, dict[str, str]]:
    """Body and headers of one delivery, in its subscription's schema."""
    headers = _headers("Notification", delivery.subscription.name)
    headers["aeg-delivery-count"] = str(delivery.attempt - 1)
    if delivery.subscription.schema == "CloudEventSchemaV1_0":
        headers["Content-Type"] = "application/cloudevents+json; charset=utf-8"
        return msgspec.json.encode(_cloud_event(delivery)), headers
    return msgspec.json.encode([_event_grid_event(delivery)]), headers


def validation(subscription: Subscription, code: str, at: float) -> tuple[bytes, dict[str, str]]:
    """Body and headers of the handshake of the Event Grid schema."""
    event = {
        "id": code,
        "topic": "/subscriptions/00000000-0000-0000-0000-000000000001",
        "subject": "",
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": _time(at),
        "data": {"validationCode": code},
        "dataVersion": "2",
        "metadataVersion": "1",
    }
    return msgspec.json.encode([event]), _headers("SubscriptionValidation", subscription.name)


def _headers(event_type: str, subscription: str) -> dict[str, str]:
    """Headers of every POST by Event Grid."""
    return {
        "Content-Type": "application/json; charset=utf-8",
        "aeg-event-type": event_type,
        "aeg-subscription-name": subscription.upper(),
    }


def _event_grid_event(delivery: Delivery) -> dict[str, Any]:
    event = delivery.event
    return {
        "id": delivery.id,
        "topic": event.topic,
        "subject": event.name,
        "eventType": event.type,
        "eventTime": _time(delivery.raised_at),
        "data": event.data(),
        "dataVersion": "1",
        "metadataVersion": "1",
    }


def _cloud_event(delivery: Delivery) -> dict[str, Any]:
    event = delivery.event
    return {
        "specversion": "1.0",
        "id": delivery.id,
        "source": event.topic,
        "subject": event.name,
        "type": event.type,
        "time": _time(delivery.raised_at),
        "datacontenttype": "application/json",
        "data": event.data(),
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
