"""Answering what waits for a person."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sync.catalogue.questions import settings_digest
from sync.catalogue.rows import AnswerRow, ConfigurationRow
from sync.catalogue.snapshot import Answer
from sync.errors import Invalid, TrustcastError
from sync.ports.decisions import Write
from sync.ports.stored import ANYTHING
from sync.reports.removals import Asked, Question, find_question, questions
from sync.steps.admission import admit
from sync.steps.configuration import put_into_force
from sync.steps.planning import request_pushes
from sync.steps.transaction import Writes, transact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sync.catalogue.snapshot import Snapshot
    from sync.steps.runtime import Runtime

log = logging.getLogger("trustcast.commands")

MOST_AT_ONCE = 20
"""Deletions that an approval looks at itself; the vault's next sweeps look at the others."""


def waiting(runtime: Runtime) -> tuple[Question, ...]:
    """All that waits for a person."""
    return questions(runtime.decisions.snapshot(fresh=True), runtime.statuses.all())


def approve(runtime: Runtime, digest: str) -> Question:
    """Consent to exactly what a question asks; it is carried out at once, where it is as it was shown.

    Raises:
        Invalid: nothing waits under this digest (it may have changed since it was shown).
    """

    def step(snapshot: Snapshot) -> tuple[Writes, Question]:
        question = find_question(questions(snapshot, runtime.statuses.all()), digest)
        names, vault = _deletions(question)
        servers = _servers(runtime, snapshot, question)
        answer = Answer(question.digest, runtime.clock(), True, question.removals, names, vault, servers)
        return (Write(AnswerRow(question.digest), answer, ANYTHING), *_along(runtime, snapshot, question)), question

    question = transact(runtime, step)
    try:
        _carry_out(runtime, question)
    except TrustcastError as error:
        log.warning("%s is approved, and carried out with the next checks: %s", question.digest, error)
    return question


def waits_again(runtime: Runtime, question: Question) -> bool:
    """Whether what was approved had changed in the meantime, so that the same secrets wait for another answer.

    Of files held on clusters their next pushes tell.
    """
    if question.asked is Asked.FILES:
        return False
    keys = {removal.key for removal in question.removals}
    open_ones = (each for each in waiting(runtime) if each.asked is question.asked and not each.rejected)
    return any(keys & {removal.key for removal in each.removals} for each in open_ones)


def _deletions(question: Question) -> tuple[tuple[str, ...], str]:
    keys = [r.key for r in question.removals if r.key] if question.asked is Asked.DELETIONS else []
    return tuple(key.name for key in keys), keys[0].vault if keys else ""


def _servers(runtime: Runtime, snapshot: Snapshot, question: Question) -> tuple[str, ...]:
    """The API servers on which labels, settings and selectors may take what is named: those concerned today.

    They are the clusters of the question; of files held, also those that were not heard of and that none of the
    secrets reaches either; and those to which the same was said before.
    """
    named = {registration.server for name, registration in snapshot.clusters.items() if name in question.clusters}
    before = snapshot.answers.get(question.digest)
    if before is not None and before.approved:
        named |= {*before.servers}
    if question.asked is Asked.FILES:
        named |= {*_unreached(runtime, snapshot, question)}
    return tuple(sorted(named)) or ("",)  # none at all is not every one


def _unreached(runtime: Runtime, snapshot: Snapshot, question: Question) -> Iterator[str]:
    state = runtime.desired_state(snapshot)
    keys = {removal.key for removal in question.removals if removal.key is not None}
    entries = [snapshot.entries[key] for key in keys if key in snapshot.entries]
    for registration in snapshot.clusters.values():
        definition = registration.definition(question.list, state.configuration)
        reach = state.reach_of(registration.labels)
        if definition is None or not any(state.reaches(entry, definition, reach) for entry in entries):
            yield registration.server


def _along(runtime: Runtime, snapshot: Snapshot, question: Question) -> Writes:
    """What an approval of settings puts into force: what was proposed, whoever approves it."""
    if question.asked is not Asked.SETTINGS or snapshot.proposal is None:
        return ()
    if snapshot.proposal is None or settings_digest(snapshot.proposal) != question.digest:
        raise Invalid("the settings that waited are others by now; read `trustcast removals list` again")
    stored = runtime.decisions.row(ConfigurationRow())
    return put_into_force(runtime, snapshot, stored, snapshot.proposal.settings)


def _carry_out(runtime: Runtime, question: Question) -> None:
    match question.asked:
        case Asked.FILES:
            request_pushes(runtime, question.clusters, "approved")
        case Asked.ASSIGNMENT | Asked.DELETIONS:
            keys = [removal.key for removal in question.removals if removal.key is not None]
            for key in keys[:MOST_AT_ONCE]:
                admit(runtime, key, on_a_list=True)
        case Asked.SETTINGS:
            pass


def reject(runtime: Runtime, digest: str) -> Question:
    """Refuse what a question asks: it goes on waiting, and is asked no more.

    Raises:
        Invalid: nothing waits under this digest.
    """

    def step(snapshot: Snapshot) -> tuple[Writes, Question]:
        question = find_question(questions(snapshot, runtime.statuses.all()), digest)
        answer = Answer(question.digest, runtime.clock(), approved=False)
        return (Write(AnswerRow(question.digest), answer, ANYTHING),), question

    return transact(runtime, step)
