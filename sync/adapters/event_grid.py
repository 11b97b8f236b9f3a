"""Events of Event Grid, read as far as they can be trusted.

An event only says "look". Only the host, name and version in its `Id` are used, and its URL is never followed. Its
other fields (vault, object, source) can only contradict the `Id`; then the event is ignored. Both schemas occur (Event
Grid's and CloudEvents 1.0), with keys in any case, stray white space in keys and values, and numbers as text.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent, SystemEventNames

from sync.catalogue.secret import SecretKey
from sync.errors import Invalid
from sync.fleet.names import SECRET_NAME
from sync.fleet.vaults import vault_host
from sync.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONGEST_DELIVERY = 1024 * 1024
"""Characters of one delivery; Event Grid's own limit is 1 MB."""


_PATH = re.compile(rf"/secrets/(?P<name>{SECRET_NAME})(/(?P<version>[0-9A-Za-z]{{1,64}}))?/?", re.IGNORECASE)
_CLOUD_EVENT = ("id", "source", "type", "specversion", "subject", "data")
_GRID_EVENT = ("id", "topic", "subject", "eventtype", "data", "dataversion")


class SecretEvent(StrEnum):
    """What Key Vault says happened to a secret."""

    NEW_VERSION = "new-version"
    NEAR_EXPIRY = "near-expiry"
    EXPIRED = "expired"


_KINDS: dict[str, SecretEvent] = {
    SystemEventNames.KeyVaultSecretNewVersionCreatedEventName.value: SecretEvent.NEW_VERSION,
    SystemEventNames.KeyVaultSecretNearExpiryEventName.value: SecretEvent.NEAR_EXPIRY,
    SystemEventNames.KeyVaultSecretExpiredEventName.value: SecretEvent.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class SecretChanged:
    """A secret to look at.

    Attributes:
        key: which; its vault need not be a watched one.
        version: the version that the event names, case-folded; None if it names none.
        kind: what happened.
        event_id: for logs, safe to show; empty if it has none.
    """

    key: SecretKey
    version: str | None
    kind: SecretEvent
    event_id: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that is not for us; the reason is safe to show."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Envelope:
    """What both schemas have in common."""

    kind: Any
    event_id: Any
    source: Any
    data: Any


def parse_event(text: str) -> tuple[SecretChanged | Ignored, ...]:
    """Read one event or an array of events. Never raises: what cannot be read is ignored with a reason."""
    if len(text) > LONGEST_DELIVERY:
        return (Ignored(f"larger than {LONGEST_DELIVERY} characters"),)
    try:
        given = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return (Ignored("not JSON"),)
    return tuple(_parse_one(event) for event in (given if isinstance(given, list) else [given]))


def _parse_one(event: object) -> SecretChanged | Ignored:
    if not isinstance(event, dict):
        return Ignored("not a JSON object")
    try:
        return _changed(_envelope(event))
    except Invalid as error:
        return Ignored(str(error))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return Ignored("of neither Event Grid's nor CloudEvents' schema")


def _envelope(event: Mapping[str, Any]) -> _Envelope:
    """The event as the SDK reads it, without its time: an odd one makes the SDK refuse the whole event."""
    named = {key.casefold(): value for key, value in event.items()}
    if "specversion" in named:
        cloud: CloudEvent[Any] = CloudEvent.from_dict({key: named[key] for key in _CLOUD_EVENT if key in named})
        return _Envelope(cloud.type, named.get("id"), cloud.source, cloud.data)
    grid: Any = EventGridEvent.from_dict({key: named[key] for key in _GRID_EVENT if key in named})
    return _Envelope(grid.event_type, grid.id, grid.topic, grid.data)


def _changed(envelope: _Envelope) -> SecretChanged:
    kind = _KINDS.get(_text(envelope.kind))
    if kind is None:
        raise Invalid(f"type '{printable(_text(envelope.kind))}' is not about secrets")
    data = _normalised(envelope.data)
    key, version = _identifier(data.get("id", ""))
    if contradiction := next(_contradictions(key, data, _text(envelope.source)), None):
        raise Invalid(f"its Id and its {contradiction} contradict each other")
    return SecretChanged(key, version, kind, printable(_text(envelope.event_id)))


def _normalised(data: object) -> dict[str, str]:
    """The text values of the event's data, without stray white space, keys case-folded."""
    if not isinstance(data, dict):
        raise Invalid("its data is not an object")
    return {str(key).strip().casefold(): value.strip() for key, value in data.items() if isinstance(value, str)}


def _identifier(url: str) -> tuple[SecretKey, str | None]:
    """Secret and version of an identifier such as `https://kv1.vault.azure.net/secrets/name/version`."""
    try:
        host, path = vault_host(url), urlsplit(url).path
    except (Invalid, ValueError):
        host, path = "", ""
    match = _PATH.fullmatch(path)
    if not host or match is None:
        raise Invalid("its data has no Id that identifies a secret")
    version = match["version"]
    return SecretKey.of(host, match["name"]), version.casefold() if version else None


def _contradictions(key: SecretKey, data: Mapping[str, str], source: str) -> Iterator[str]:
    """The fields that name another vault or object than the Id."""
    if data.get("objecttype", "secret").casefold() != "secret":
        yield "ObjectType"
    if data.get("objectname", key.name).casefold() != key.name:
        yield "ObjectName"
    vault = _vault_name(key.vault)
    named = data.get("vaultname", "").casefold()
    if vault and named not in {"", vault}:
        yield "VaultName"
    resource = source.rstrip("/").casefold().rpartition("/vaults/")[2] if "/vaults/" in source.casefold() else ""
    if resource not in {"", vault or named or resource}:
        yield "source"


def _vault_name(host: str) -> str:
    """The vault's name by its host; empty where the host is an address or a bare name, as on one machine."""
    name, _, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    bare = (name if port.isdigit() else host).strip("[]")
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        label, dot, _ = bare.partition(".")
        return label if dot else ""
    return ""


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
