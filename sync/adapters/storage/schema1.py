"""Rows of schema 1, whose fields had other names: read, and written as schema 2 with their next change."""

from __future__ import annotations

from typing import Any

import msgspec

from sync.catalogue.entry import Entry
from sync.catalogue.snapshot import Proposal
from sync.reconcile.status import ListStatus

Content = dict[str, Any]

_ENTRY = {
    "gone": "deleted",
    "refused": "revocations",
    "notes": "secret_findings",
    "proved": "reread_at",
    "waiting": "held_candidates",
}
_HELD = {"refused": "rejected"}
_STATUS = {"waiting": "over_limit"}


def upgraded(body: bytes, kind: type[Any]) -> bytes:
    """The JSON of a row of schema 1 with the names of schema 2.

    Raises:
        msgspec.DecodeError: it is not a JSON object.
    """
    content = msgspec.json.decode(body, type=Content)
    if kind is Entry:
        content = _renamed(content, _ENTRY) | _held(content)
        content |= {"needs_second_look": not content.pop("settled", False)}
    elif kind is Proposal:
        content |= _held(content)
    elif kind is ListStatus:
        content = _renamed(content, _STATUS)
    return msgspec.json.encode(content)


def _renamed(content: Content, names: dict[str, str]) -> Content:
    return {names.get(name, name): value for name, value in content.items()}


def _held(content: Content) -> Content:
    held = content.get("held")
    return {"held": _renamed(held, _HELD) if isinstance(held, dict) else held}
