"""What waits for a person: one question for each thing that happened, however many clusters hold it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sync.catalogue.assignment import Assignment
from sync.catalogue.entry import WaitingAssignment
from sync.catalogue.snapshot import Answer, Deletions, Removal, Settings, SettingsProposal, Stamp
from sync.desired.reasons import RemovalReason
from sync.errors import Invalid
from sync.reconcile.holds import Leaving
from sync.reconcile.status import ListStatus
from sync.reports.removals import Asked, find_question, questions
from tests.support import certs
from tests.support.catalogues import CONFIGURATION, HOST, candidate, entry, key, snapshot, version_name
from tests.support.certs import NOW

if TYPE_CHECKING:
    from sync.catalogue.snapshot import Snapshot
    from sync.reports.removals import Question

SINCE = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
SECRET = entry("a", candidate(1, certs.server()))
WAITING = WaitingAssignment(Assignment(("trust",), "site=h"), NOW, ("plant-1", "plant-2"))


def held(cluster: str, *names: str, list_name: str = "trust", since: str = SINCE) -> ListStatus:
    """A list that holds back the deletion of these secrets' files."""
    leaving = tuple(Leaving(f"{n}.der", key(n), version_name(1), RemovalReason.DELETED, since) for n in names)
    return ListStatus(f"{cluster}/ns/{list_name}", cluster, list_name, held=leaving)


def asked(*statuses: ListStatus, found: Snapshot | None = None, **more: Any) -> tuple[Question, ...]:
    return questions(found or snapshot(SECRET, clusters=("one", "two"), **more), statuses)


def test_where_nothing_waits_nothing_is_asked() -> None:
    assert asked(ListStatus("plant/ns/trust", "plant", "trust")) == ()


def test_law4_what_clusters_hold_alike_is_one_question() -> None:
    (question,) = asked(held("two", "a", "b"), held("one", "b", "a"))
    assert (question.asked, question.clusters, question.list) == (Asked.FILES, ("one", "two"), "trust")
    assert question.removals == tuple(Removal(key(n), "DELETED", SINCE, "trust") for n in "ab")
    assert len(question.files) == 2


@pytest.mark.parametrize(
    "other", [held("two", "a"), held("two", "a", "b", list_name="issuer"), held("two", "a", "b", since="later")]
)
def test_what_they_hold_otherwise_is_another_question(other: ListStatus) -> None:
    found = asked(held("one", "a", "b"), other)
    assert len({question.digest for question in found}) == 2


def test_deletions_are_one_question_that_approves_their_files() -> None:
    (question,) = asked(deletions={HOST: Deletions(NOW, ("a", "b"))})
    assert (question.asked, question.since) == (Asked.DELETIONS, NOW)
    assert question.removals == tuple(Removal(key(n), "DELETED", SINCE, "*") for n in "ab")


def test_a_waiting_assignment_is_a_question_with_the_clusters_that_would_lose_it() -> None:
    (question,) = asked(found=snapshot(replace(SECRET, waiting=WAITING)))
    assert (question.asked, question.clusters) == (Asked.ASSIGNMENT, WAITING.clusters)
    assert question.removals == (Removal(key("a"), "ELSEWHERE", SINCE, "*"),)


def test_settings_are_a_question_with_what_each_cluster_would_lose() -> None:
    settings = Settings(CONFIGURATION, Stamp("", "1"))
    proposal = SettingsProposal(settings, NOW, ("plant-1", "plant-2"), (key("a"), key("gone")))
    (question,) = asked(proposal=proposal)
    assert (question.asked, question.clusters) == (Asked.SETTINGS, ("plant-1", "plant-2"))
    assert {(removal.key, removal.reason) for removal in question.removals} == {
        (key("a"), "ELSEWHERE"),
        (key("a"), "UNASSIGNED"),
    }


@pytest.mark.parametrize(("approved", "left"), [(True, 0), (False, 1)])
def test_what_was_approved_is_asked_no_more_and_what_was_refused_says_so(approved: bool, left: int) -> None:
    (question,) = asked(held("one", "a"))
    answers = {question.digest: Answer(question.digest, NOW, approved, question.removals)}
    again = asked(held("one", "a"), answers=answers)
    assert [each.rejected for each in again] == [True] * left


def test_a_question_is_found_by_the_beginning_of_its_digest() -> None:
    found = asked(held("one", "a"), held("one", "b", list_name="issuer"))
    assert find_question(found, found[1].digest[:8]) is found[1]


@pytest.mark.parametrize("digest", ["", "1234567", "not-a-digest"])
def test_too_short_or_unknown_a_digest_finds_none(digest: str) -> None:
    found = asked(held("one", "a"))
    with pytest.raises(Invalid):
        find_question(found, digest or found[0].digest[:7])
