"""Rows of schemas 1 and 2: what of them still decides is read, and written as schema 3 with the next change.

Statuses lay under cluster and list, and are not read: a list is taken up again by what its object says is ours, and
no file leaves for that. What waited for approval is found again, and asked again.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sync.catalogue.entry import Entry

Content = dict[str, Any]

_OF_SCHEMA_1 = {"gone": "deleted", "notes": "secret_findings", "proved": "reread_at"}

_HELD_OF_SCHEMA_1 = "waiting"
"""Versions of a removal that was held, which schema 3 does not keep; the name means something else now."""


def upgraded(body: bytes, kind: type[Any], schema: int) -> bytes:
    """The JSON of a row of an older schema as schema 3 has it.

    Raises:
        msgspec.DecodeError: it is not a JSON object.
    """
    content = msgspec.json.decode(body, type=Content)
    if kind is not Entry:
        return body
    if schema == 1:
        content = {_OF_SCHEMA_1.get(name, name): value for name, value in content.items() if name != _HELD_OF_SCHEMA_1}
    looked = content.get("looked")
    since = [claim["since"] for claim in content.get("claims", ())]
    content |= {
        "deleted_at": looked if content.get("deleted") else None,
        "admitted": min(since, default=looked),
        "assigned_at": looked,
        "needs_second_look": True,
    }
    return msgspec.json.encode(content)
