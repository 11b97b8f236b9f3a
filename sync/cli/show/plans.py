"""Plans, as text or JSON: what would change on each list, and what is held back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sync.cli.output import document, say, table
from sync.cli.show.clusters import NO_CLUSTER
from sync.cli.show.removals import held_as_json, say_held
from sync.reconcile.comparison import WRITES, Action
from sync.text import many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sync.commands.preview import Preview
    from sync.reconcile.comparison import Change
    from sync.reconcile.plan import Plan


def show_plans(previews: Sequence[Preview], *, as_json: bool) -> None:
    """What would change, list by list."""
    if as_json:
        document([_plan(each) for each in previews])
    elif not previews:
        say(NO_CLUSTER)
    else:
        for each in previews:
            _say_plan(each)
        say(_counts(previews))


def _plan(preview: Preview) -> dict[str, Any]:
    plan = preview.plan
    return {
        "cluster": preview.cluster,
        "list": preview.list,
        "error": str(preview.error) if preview.error else None,
        "writes": plan.writes if plan else None,
        "withheld": preview.withheld,
        "changes": [_change(change) for change in plan.changes] if plan else [],
        "held": held_as_json(plan.held, preview.list) if plan else None,
        "left_within_24_hours": [{"file": each.file, "at": each.at} for each in plan.left] if plan else [],
    }


def _change(change: Change) -> dict[str, Any]:
    """A change; what people call the owner is a secret everywhere."""
    fields = asdict(change)
    del fields["owner"]
    return fields | {"secret": str(change.owner) if change.owner else None}


def _say_plan(preview: Preview) -> None:
    plan, name = preview.plan, f"{preview.cluster}/{preview.list}"
    if plan is None:
        say(f"{name}: {preview.error}")
        return
    rows = [_row(change) for change in plan.changes if _is_worth_a_line(change)]
    if rows or preview.withheld:
        say(f"{name}:{f' {preview.withheld}' if preview.withheld else ''}")
    if rows:
        table(("  what", "file", "before", "after", "secret", "why"), rows)
    if plan.held:
        say_held(name, plan.held, preview.list, sorted({each.file for each in plan.left}), names=False)


def _is_worth_a_line(change: Change) -> bool:
    """Whether something is written, or stays for a reason; what others wrote is listed in JSON."""
    return change.action in WRITES or bool(change.reason and change.action is not Action.UNMANAGED)


def _row(change: Change) -> tuple[str, ...]:
    after = change.after if change.after != change.before else ""
    secret = str(change.owner) if change.owner else ""
    return (f"  {change.action.value}", change.file, change.before[:12], after[:12], secret, change.reason)


def _counts(previews: Sequence[Preview]) -> str:
    plans: list[Plan] = [each.plan for each in previews if each.plan is not None]
    same = sum(not plan.writes for plan in plans)
    held = sum(bool(plan.held) for plan in plans)
    waits = f" {many(held, 'list')} hold{'s'[: held == 1]} files back, see `trustcast removals list`." if held else ""
    return f"{same} of {many(len(previews), 'list')} need no write.{waits}"
