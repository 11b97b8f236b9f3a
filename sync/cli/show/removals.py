"""What waits for a person, as text or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sync.cli.output import SHOWN, document, few, say
from sync.reports.removals import Asked, held_because, held_digest
from sync.text import many, printable

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
        say_question(each)
    if not waiting:
        say("Nothing waits.")


def say_question(question: Question) -> None:
    """One question: what waits, why, what it concerns, and what to do."""
    since = f" since {question.since:%Y-%m-%d %H:%M} UTC" if question.since else ""
    short = question.digest[:16]
    say(f"{short}  {question.asked.value}: {'rejected' if question.rejected else 'waits'}{since}")
    say(question.cause, indent=2)
    if question.clusters:
        say(f"on {many(len(question.clusters), 'cluster')}: {few(question.clusters)}", indent=2)
    if question.asked is not Asked.FILES:
        secrets = sorted({str(each.key) for each in question.removals if each.key})
        say(f"{many(len(secrets), 'secret')}: {few(secrets)}", indent=2)
    for leaving in question.files[:SHOWN]:
        say(f"{printable(leaving.file)}: {_of(leaving)}", indent=4)
    if len(question.files) > SHOWN:
        say(f"… and {len(question.files) - SHOWN} more; --json shows all", indent=4)
    if question.asked is Asked.FILES:
        say(f"left within 24 hours: {few(question.left) or 'nothing'}", indent=2)
    say(_next(question), indent=2)


_MEANT = {
    Asked.FILES: "if they should leave",
    Asked.DELETIONS: "if they were meant to be deleted (otherwise recover them in the vault)",
    Asked.ASSIGNMENT: "if the tags are right (otherwise set others)",
    Asked.SETTINGS: "if the settings are right (otherwise deploy others)",
}
"""When to approve, and what to do otherwise."""


def _next(question: Question) -> str:
    short = question.digest[:16]
    if question.rejected:
        return (
            f"all stays as it is, and it is asked no more; to approve after all: `trustcast removals approve {short}`"
        )
    return (
        f"{_MEANT[question.asked]}: `trustcast removals approve {short}`; to keep all as it is and be asked no more: "
        f"`trustcast removals reject {short}`"
    )


def _of(leaving: Leaving) -> str:
    """Why it would leave, whose it is, and what it holds."""
    secret = f"{leaving.owner}, version {leaving.version[:8]}" if leaving.owner else "of no secret"
    holds = f"; {printable(leaving.subject)}, until {leaving.expires:%Y-%m-%d}" if leaving.expires else ""
    return f"{leaving.reason.value} ({secret}){holds}, SHA-256 {leaving.thumbprint[:16]}"


def _question(question: Question) -> dict[str, Any]:
    return {
        "digest": question.digest,
        "about": question.asked.value,
        "cause": question.cause,
        "since": question.since,
        "rejected": question.rejected,
        "clusters": question.clusters,
        "list": question.list,
        "files": [leaving_as_json(each) for each in question.files],
        "left_within_24_hours": question.left,
        "removals": [
            {"secret": str(each.key) if each.key else None, "reason": each.reason, "since": each.since}
            for each in question.removals
        ],
    }


def leaving_as_json(leaving: Leaving) -> dict[str, Any]:
    """A file that is held, as JSON has it."""
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


def say_held(where: str, held: Sequence[Leaving], list_name: str, left: Sequence[str], *, names: bool) -> None:
    """What lists hold back: the digest, why, the files, what left before, and what to do.

    Args:
        where: the lists, as text.
        held: what each of them holds back.
        list_name: their name.
        left: names of files that left within 24 hours.
        names: say the files' names, too.
    """
    say(f"{where}: held as {held_digest(held, list_name)[:16]}: {held_because(held, list_name)}")
    if names:
        say(f"held: {few([f'{each.file} of {each.owner}' if each.owner else each.file for each in held])}", indent=2)
    say(f"left within 24 hours: {few(left) or 'nothing'}", indent=2)
    say("next: read `trustcast removals list`, then approve or reject", indent=2)


def held_as_json(held: Sequence[Leaving], list_name: str) -> dict[str, Any] | None:
    """What a list holds back; null where that is nothing."""
    if not held:
        return None
    return {
        "digest": held_digest(held, list_name),
        "cause": held_because(held, list_name),
        "files": [leaving_as_json(each) for each in held],
    }
