"""Removals that wait, as text or JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sync.cli.output import document, few, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sync.catalogue.entry import Held
    from sync.reports.removals import HeldRemoval


def show_removals(waiting: Sequence[HeldRemoval], *, as_json: bool) -> None:
    """What waits for a person."""
    if as_json:
        document([_held(each.held) for each in waiting])
        return
    for each in waiting:
        held = each.held
        say(f"{held.digest[:16]}  {'rejected' if held.rejected else 'waits'} since {held.since:%Y-%m-%d %H:%M} UTC")
        say(held.cause, indent=2)
        for loss in held.losses:
            count = len(loss.clusters)
            say(f"{loss.list}: {len(loss.files)} of {loss.held} files on {count} cluster{'s'[: count != 1]}", indent=2)
            say(f"files: {few(loss.files)}", indent=4)
            say(f"clusters: {few(loss.clusters)}", indent=4)
    say("To decide: `trustcast removals approve DIGEST` or `reject DIGEST`." if waiting else "Nothing waits.")


def _held(held: Held) -> dict[str, Any]:
    return {
        "digest": held.digest,
        "cause": held.cause,
        "since": held.since,
        "rejected": held.rejected,
        "losses": [asdict(loss) for loss in held.losses],
    }
