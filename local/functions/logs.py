"""The local host's log: one line of JSON per record, on standard error."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

SHOWN = 256


def start_logging(*, debug: bool) -> None:
    """Write what host and functions log; with `debug`, also the stacks of failed functions."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines())
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if debug else logging.INFO)
    for noisy in ("azure", "urllib3", "httpx", "httpcore", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class _Lines(logging.Formatter):
    """One line per record, whatever it holds: JSON escapes line ends and control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1]:
            line["error"] = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"[:SHOWN]
        return json.dumps(line | getattr(record, "facts", {}))
