"""The local host's configuration: `host.json` and its keys."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import msgspec

from local.functions.worker_api import AppError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2}(?:\.\d{1,7})?)")


class _Queues(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    batch_size: int = 16
    new_batch_threshold: int | None = None
    max_polling_interval: str = "00:01:00"
    visibility_timeout: str = "00:00:00"
    max_dequeue_count: int = 5
    message_encoding: Literal["base64", "none"] = "base64"


class _Http(msgspec.Struct, frozen=True, rename="camel"):
    route_prefix: str = "api"


class _Extensions(msgspec.Struct, frozen=True):
    queues: _Queues = _Queues()
    http: _Http = _Http()


class _HostJson(msgspec.Struct, frozen=True):
    version: Literal["2.0"]
    extensions: _Extensions = _Extensions()


@dataclass(frozen=True, slots=True)
class QueueRules:
    """How queues are worked: `extensions.queues` of `host.json`, otherwise Azure's defaults.

    Attributes:
        batch_size: messages taken at once.
        new_batch_threshold: more are taken once at most this many are being worked.
        max_polling_interval: the longest wait between two polls of an empty queue.
        visibility_timeout: how long a message rests after a failure.
        max_dequeue_count: failures after which a message is poison.
        is_base64: whether messages are base64-encoded.
        lease: how long a message is ours while it is worked; fixed in Azure.
    """

    batch_size: int
    new_batch_threshold: int
    max_polling_interval: timedelta
    visibility_timeout: timedelta
    max_dequeue_count: int
    is_base64: bool
    lease: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class HostRules:
    """The rules for queues and HTTP in `host.json`."""

    queues: QueueRules
    route_prefix: str


@dataclass(frozen=True, slots=True)
class Keys:
    """The host's keys, random unless given.

    Attributes:
        master: opens everything, and is the only key to the administration.
        system: the Event Grid webhook (`eventgrid_extension` in Azure).
        function: HTTP functions.
    """

    master: str = field(default_factory=secrets.token_urlsafe, repr=False)
    system: str = field(default_factory=secrets.token_urlsafe, repr=False)
    function: str = field(default_factory=secrets.token_urlsafe, repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Keys:
        """The keys of `HOST_MASTER_KEY`, `HOST_SYSTEM_KEY` and `HOST_FUNCTION_KEY`."""
        names = ("master", "system", "function")
        given = {name: environment.get(f"HOST_{name.upper()}_KEY") for name in names}
        return cls(**{name: key for name, key in given.items() if key})


def read_host_json(folder: Path) -> HostRules:
    """The rules of an app's `host.json`.

    Raises:
        AppError: it is missing or invalid.
    """
    try:
        content = msgspec.json.decode((folder / "host.json").read_bytes(), type=_HostJson)
        queues = content.extensions.queues
        default_threshold = queues.batch_size // 2
        rules = QueueRules(
            batch_size=queues.batch_size,
            new_batch_threshold=default_threshold if queues.new_batch_threshold is None else queues.new_batch_threshold,
            max_polling_interval=time_span(queues.max_polling_interval),
            visibility_timeout=time_span(queues.visibility_timeout),
            max_dequeue_count=queues.max_dequeue_count,
            is_base64=queues.message_encoding == "base64",
        )
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise AppError(f"host.json: {error}") from error
    return HostRules(rules, content.extensions.http.route_prefix.strip("/"))


def time_span(text: str) -> timedelta:
    """A .NET TimeSpan: `[days.]hours:minutes:seconds[.fraction]`.

    Raises:
        ValueError: the text is not one.
    """
    match = _TIME_SPAN.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a time span such as 00:00:30")
    days, hours, minutes, seconds = match.groups(default="0")
    return timedelta(days=int(days), hours=int(hours), minutes=int(minutes), seconds=float(seconds))
