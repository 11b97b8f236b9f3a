"""The commands `removals …`: what waits for a person."""
# ruff: noqa: PLC0415  each command imports what it needs when it runs: --help starts at once

from __future__ import annotations

from sync.cli import output
from sync.cli.command import AsJson, Digest, answer, current_runtime, group

app = group("What waits for a person: files held on clusters, deletions, assignments, settings.")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show what waits and why, what it would take, and the digest that an approval names."""
    from sync.cli.show.removals import show_questions
    from sync.commands.removals import waiting

    show_questions(waiting(current_runtime()), as_json=as_json)


@app.command("approve")
def approve(digest: Digest, as_json: AsJson = False) -> None:
    """Approve exactly what was shown, on every cluster. Exit 1 if it has changed since and waits again."""
    from sync.commands import removals

    runtime = current_runtime()
    question = removals.approve(runtime, digest)
    again = removals.waits_again(runtime, question)
    sentence = f"approved, and carried out from now on: {question.cause}"
    if again:
        sentence = f"{question.cause}: this has changed in the meantime and waits again, see `trustcast removals list`"
    content = {"digest": question.digest, "cause": question.cause, "approved": not again}
    output.done(sentence, content, as_json=as_json)
    answer(not again)


@app.command("reject")
def reject(digest: Digest, as_json: AsJson = False) -> None:
    """Reject it: all stays as it is, and it is asked no more."""
    from sync.commands import removals

    question = removals.reject(current_runtime(), digest)
    content = {"digest": question.digest, "cause": question.cause, "rejected": True}
    output.done(f"rejected, all stays as it is: {question.cause}", content, as_json=as_json)
