"""Answers to what waits for a person: to exactly what was shown, carried out at once, and not asked twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sync.commands.removals import MOST_AT_ONCE, approve, reject, waits_again
from sync.errors import Invalid, Unreachable
from sync.fleet.configuration import Configuration
from sync.reports.removals import Asked
from tests.owners.plant import BOTH, TO_TRUST, A, Plant
from tests.support.failing import failing

if TYPE_CHECKING:
    from sync.reports.removals import Question

CLUSTERS = ("a", "b", "c", "d", "e")
AT_A = {"trustcast-lists": "trust", "trustcast-clusters": "site=a"}
AT_B = {"trustcast-lists": "trust", "trustcast-clusters": "site=b"}


def only(plant: Plant) -> Question:
    (question,) = plant.questions()
    return question


def narrowed(clusters: str) -> Configuration:
    """The settings with another ceiling of the first vault."""
    return Configuration((replace(BOTH.vaults[0], clusters=clusters), BOTH.vaults[1]), BOTH.lists)


@pytest.fixture
def deleted() -> Plant:
    """A plant of whose vault more secrets are missing at once than an approval looks at itself."""
    plant = Plant.of()
    plant.fill(MOST_AT_ONCE + 10)
    for number in range(MOST_AT_ONCE + 5):
        plant.vaults[A].delete(f"s{number:02}")
    plant.settle()
    return plant


@pytest.fixture
def retagged() -> Plant:
    """A plant whose secret would go to one of five clusters only."""
    plant = Plant.of(*CLUSTERS)
    plant.fill(1)
    plant.tag("s00", AT_A)
    return plant


def test_deletions_that_were_approved_are_not_asked_again_while_they_are_carried_out(deleted: Plant) -> None:
    asked = only(deleted)
    assert (asked.asked, len(asked.removals)) == (Asked.DELETIONS, MOST_AT_ONCE + 5)
    approve(deleted.runtime, asked.digest)
    for _ in range(4):
        assert deleted.questions() == ()
        deleted.sweep()
    assert len(deleted.names()) == 5


def test_deletions_that_were_rejected_take_nothing_and_one_more_is_asked_anew(deleted: Plant) -> None:
    reject(deleted.runtime, only(deleted).digest)
    deleted.settle()
    assert only(deleted).rejected
    assert len(deleted.names()) == MOST_AT_ONCE + 10
    deleted.delete(f"s{MOST_AT_ONCE + 5:02}")
    assert not only(deleted).rejected
    assert len(deleted.names()) == MOST_AT_ONCE + 10


def test_what_was_rejected_may_be_approved_after_all(deleted: Plant) -> None:
    digest = only(deleted).digest
    reject(deleted.runtime, digest)
    approve(deleted.runtime, digest)
    deleted.settle()
    assert deleted.questions() == ()
    assert len(deleted.names()) == 5


def test_an_approval_stands_though_the_vault_does_not_answer(deleted: Plant) -> None:
    vault = deleted.runtime.vaults[A]
    deleted.runtime = replace(deleted.runtime, vaults={A: failing(vault, Unreachable("the vault does not answer"))})
    approve(deleted.runtime, only(deleted).digest)
    assert deleted.questions() == ()
    deleted.start()
    deleted.settle(3)
    assert len(deleted.names()) == 5


def test_an_assignment_that_was_approved_is_carried_out_at_once(retagged: Plant) -> None:
    question = only(retagged)
    assert (question.asked, question.clusters) == (Asked.ASSIGNMENT, ("b", "c", "d", "e"))
    approve(retagged.runtime, question.digest)
    retagged.work_off()
    assert [sorted(retagged.names(name)) for name in CLUSTERS] == [["s00.der"], [], [], [], []]
    assert not waits_again(retagged.runtime, question)


def test_an_assignment_that_changed_since_it_was_shown_waits_again(retagged: Plant) -> None:
    question = only(retagged)
    newest = retagged.vaults[A].versions("s00").items[0]
    retagged.vaults[A].update("s00", newest.version, tags=AT_B)
    approve(retagged.runtime, question.digest)
    assert waits_again(retagged.runtime, question)
    retagged.settle()
    assert all(retagged.names(name) == {"s00.der"} for name in CLUSTERS)
    assert only(retagged).digest != question.digest


def test_settings_that_were_approved_are_those_that_were_shown() -> None:
    plant = Plant.of(*CLUSTERS)
    plant.fill(1)
    plant.reconfigure(narrowed("site=a"))
    shown = only(plant)
    assert (shown.asked, shown.clusters) == (Asked.SETTINGS, ("b", "c", "d", "e"))
    plant.reconfigure(narrowed("site=b"))
    with pytest.raises(Invalid, match="nothing waits under this digest"):
        approve(plant.runtime, shown.digest)
    approve(plant.runtime, only(plant).digest)
    plant.settle()
    assert [sorted(plant.names(name)) for name in CLUSTERS] == [[], ["s00.der"], [], [], []]


def test_settings_that_change_in_the_instant_of_their_approval_are_not_approved() -> None:
    plant = Plant.of(*CLUSTERS)
    plant.fill(1)
    plant.reconfigure(narrowed("site=a"))
    shown, pending = only(plant), [narrowed("site=b")]

    def between(label: str) -> None:
        if label.startswith("transact") and pending:
            plant.reconfigure(pending.pop())

    plant.decisions.table.pause = between
    with pytest.raises(Invalid, match="nothing waits under this digest"):
        approve(plant.runtime, shown.digest)
    assert all(plant.names(name) == {"s00.der"} for name in CLUSTERS)


def test_files_that_were_approved_leave_every_cluster_that_holds_them_back() -> None:
    plant = Plant.of("a", "b")
    plant.fill(12, tags={**TO_TRUST, "trustcast-clusters": "site in (a, b)"})
    plant.register(*(replace(each, labels={}) for each in plant.decisions.snapshot(fresh=True).clusters.values()))
    plant.settle()
    question = only(plant)
    assert (question.asked, question.clusters, len(question.files)) == (Asked.FILES, ("a", "b"), 12)
    assert question.cause == "12 files taken by labels or settings would leave the list 'trust' at once"
    approve(plant.runtime, question.digest)
    plant.work_off()
    assert plant.names("a") == plant.names("b") == set()


def test_what_is_held_names_what_left_within_24_hours() -> None:
    plant = Plant.of()
    plant.fill(12)
    plant.tag("s00", {"trustcast-lists": "none"})
    plant.tag("s01", {"trustcast-lists": "none"})
    plant.tag("s02", {"trustcast-lists": "none"})
    assert plant.questions() == ()
    plant.tag("s03", {"trustcast-lists": "none"})
    question = only(plant)
    assert question.left == ("s00.der", "s01.der", "s02.der")
    assert [each.file for each in question.files] == ["s03.der"]
    assert question.cause == f"1 file of {A} would leave the list 'trust' at once"


@pytest.mark.parametrize("digest", ["", "0123456", "0123456789"])
def test_a_digest_that_names_nothing_is_said(digest: str) -> None:
    plant = Plant.of()
    for answer in (approve, reject):
        with pytest.raises(Invalid, match="`trustcast removals list`"):
            answer(plant.runtime, digest)
