"""What waits for a person, as text or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sync.cli.output import document, few, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sync.reconcile.holds import Leaving
    from sync.reports.removals import Question


def show_questions(waiting: Sequence[Question], *, as_json: bool) -> None:
    """What waits for a person."""
    if as_json:
        document([_question(each) for each in waiting])
        return
    for each in waiting:
        since = f" since {each.since:%Y-%m-%d %H:%M} UTC" if each.since else ""
        say(f"{each.digest[:16]}  {each.asked.value} {'rejected' if each.rejected else 'wait'}{since}")
        say(each.cause, indent=2)
        if each.clusters:
            say(f"clusters: {few(each.clusters)}", indent=2)
        for leaving in each.files:
            say(f"{leaving.file}: {_of(leaving)}", indent=4)
    say("To decide: `trustcast removals approve DIGEST` or `reject DIGEST`." if waiting else "Nothing waits.")


def _of(leaving: Leaving) -> str:
    """Whose it is, and why it would leave."""
    secret = f"{leaving.owner}, version {leaving.version[:8]}" if leaving.owner else "no secret"
    holds = f"; {leaving.subject}, until {leaving.expires:%Y-%m-%d}" if leaving.expires else ""
    return f"{leaving.reason.value} ({secret}){holds}, SHA-256 {leaving.thumbprint}"


def _question(question: Question) -> dict[str, Any]:
    return {
        "digest": question.digest,
        "about": question.asked.value,
        "cause": question.cause,
        "since": question.since,
        "rejected": question.rejected,
        "clusters": question.clusters,
        "list": question.list,
        "files": [_file(each) for each in question.files],
        "removals": [
            {"secret": str(each.key) if each.key else None, "reason": each.reason, "since": each.since}
            for each in question.removals
        ],
    }


def _file(leaving: Leaving) -> dict[str, Any]:
    return {
        "file": leaving.file,
        "secret": str(leaving.owner) if leaving.owner else None,
        "version": leaving.version,
        "reason": leaving.reason.value,
        "since": leaving.since,
        "subject": leaving.subject or None,
        "thumbprint": leaving.thumbprint,
        "expires": leaving.expires,
    }
