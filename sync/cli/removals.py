"""The commands `removals …`: what waits for a person."""
# ruff: noqa: PLC0415  each command imports what it needs when it runs: --help starts at once

from __future__ import annotations

from sync.cli import output
from sync.cli.command import AsJson, Digest, answer, current_runtime, group

app = group("Removals that wait for a person.")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show what waits, with the digest that an approval names."""
    from sync.cli.show.removals import show_removals
    from sync.reports.removals import held_removals

    show_removals(held_removals(current_runtime().decisions.snapshot(fresh=True)), as_json=as_json)


@app.command("approve")
def approve(digest: Digest, as_json: AsJson = False) -> None:
    """Approve a removal exactly as it was shown. Exit 1 if it has changed since and waits again."""
    from sync.commands import removals
    from sync.reports.removals import held_removals

    runtime = current_runtime()
    removal = removals.approve(runtime, digest)
    cause = removal.held.cause
    again = any(each.row == removal.row for each in held_removals(runtime.decisions.snapshot(fresh=True)))
    sentence = f"approved: {cause}"
    if again:
        sentence = f"{cause}: it has changed and waits again, see `trustcast removals list`"
    output.done(sentence, {"digest": removal.held.digest, "cause": cause, "approved": not again}, as_json=as_json)
    answer(not again)


@app.command("reject")
def reject(digest: Digest, as_json: AsJson = False) -> None:
    """Reject a removal: the files stay."""
    from sync.commands import removals

    held = removals.reject(current_runtime(), digest).held
    content = {"digest": held.digest, "cause": held.cause, "rejected": True}
    output.done(f"rejected, the files stay: {held.cause}", content, as_json=as_json)
