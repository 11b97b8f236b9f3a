"""What an approval names: another fact is another question, and consent is to just what was named (law 4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from sync.catalogue.assignment import Assignment
from sync.catalogue.entry import WaitingAssignment
from sync.catalogue.questions import assignment_digest, deletions_digest, removals_digest, settings_digest
from sync.catalogue.snapshot import Answer, Deletions, Removal, Settings, SettingsProposal, Stamp
from tests.support.catalogues import CONFIGURATION, HOST, TRUST, key, snapshot
from tests.support.certs import DAY, NOW

if TYPE_CHECKING:
    from collections.abc import Callable

WAITING = WaitingAssignment(Assignment(("trust",), "site=h"), NOW, ("plant-1", "plant-2"))
DELETIONS = Deletions(NOW, ("a", "b"))
PROPOSAL = SettingsProposal(Settings(CONFIGURATION, Stamp("", "1")), NOW, ("plant",), (key("a"), key("b")))
REMOVAL = Removal(key("a"), "DELETED", "2026-06-01T00:00:00Z", "trust")
OTHER_SETTINGS = structs.replace(PROPOSAL.settings, configuration=replace(CONFIGURATION, lists=(TRUST,)))

DIGESTS: dict[str, tuple[Callable[..., str], tuple[Any, ...], list[tuple[Any, ...]]]] = {
    "an assignment": (
        assignment_digest,
        (key("a"), WAITING),
        [
            (key("b"), WAITING),
            (key("a"), structs.replace(WAITING, assignment=Assignment(("trust",), "site=b"))),
            (key("a"), structs.replace(WAITING, since=NOW + DAY)),
            (key("a"), structs.replace(WAITING, clusters=("plant-1",))),
        ],
    ),
    "deletions": (
        deletions_digest,
        (HOST, DELETIONS),
        [
            ("b.vault.azure.net", DELETIONS),
            (HOST, structs.replace(DELETIONS, since=NOW + DAY)),
            (HOST, structs.replace(DELETIONS, secrets=("a",))),
        ],
    ),
    "settings": (
        settings_digest,
        (PROPOSAL,),
        [
            (structs.replace(PROPOSAL, settings=OTHER_SETTINGS),),
            (structs.replace(PROPOSAL, secrets=(key("a"),)),),
            (structs.replace(PROPOSAL, clusters=("other",)),),
        ],
    ),
    "removals": (
        removals_digest,
        ([REMOVAL],),
        [
            ([],),
            ([REMOVAL, structs.replace(REMOVAL, key=key("b"))],),
            ([structs.replace(REMOVAL, key=None)],),
            ([structs.replace(REMOVAL, reason="DISABLED")],),
            ([structs.replace(REMOVAL, since="2026-06-01T00:00:01Z")],),
            ([structs.replace(REMOVAL, list="issuer")],),
        ],
    ),
}


@pytest.mark.parametrize(("digest", "asked", "others"), DIGESTS.values(), ids=DIGESTS)
def test_law4_another_fact_is_another_question(
    digest: Callable[..., str], asked: tuple[Any, ...], others: list[tuple[Any, ...]]
) -> None:
    digests = [digest(*each) for each in (asked, *others)]
    assert len({*digests}) == len(digests)
    assert digest(*asked) == digests[0]


def test_the_same_settings_of_a_later_process_are_the_same_question() -> None:
    later = structs.replace(PROPOSAL.settings, stamp=Stamp("", "2"))
    assert settings_digest(structs.replace(PROPOSAL, settings=later)) == settings_digest(PROPOSAL)


def test_settings_that_are_proposed_again_later_are_another_question() -> None:
    assert settings_digest(structs.replace(PROPOSAL, since=NOW + DAY)) != settings_digest(PROPOSAL)


def test_the_order_of_removals_does_not_matter() -> None:
    other = structs.replace(REMOVAL, key=key("b"))
    assert removals_digest([REMOVAL, other]) == removals_digest([other, REMOVAL])


# --- Answers ---------------------------------------------------------------------------------------------


def answered(*, approved: bool = True, **more: Any) -> Any:
    return snapshot(answers={"digest": Answer("digest", NOW, approved=approved, **more)})


def test_a_question_is_approved_by_its_digest_alone() -> None:
    assert answered().approved("digest")
    assert not answered().approved("other")
    assert not answered(approved=False).approved("digest")


@pytest.mark.parametrize(("named", "asked", "expected"), [("trust", "trust", True), ("trust", "issuer", False)])
def test_a_removal_is_approved_on_the_lists_that_were_named(named: str, asked: str, expected: bool) -> None:
    found = answered(removals=(structs.replace(REMOVAL, list=named),))
    assert found.approves(key("a"), "DELETED", REMOVAL.since, asked) is expected
    everywhere = answered(removals=(structs.replace(REMOVAL, list="*"),))
    assert everywhere.approves(key("a"), "DELETED", REMOVAL.since, asked)


def test_what_a_person_refused_is_not_approved() -> None:
    assert not answered(approved=False, removals=(REMOVAL,)).approves(key("a"), "DELETED", REMOVAL.since, "trust")


def test_deletions_are_approved_by_name_in_their_vault() -> None:
    named = Removal(key("a"), "DELETED", f"{NOW:%Y-%m-%dT%H:%M:%SZ}", "*")
    found = answered(deletions=("a",), vault=HOST, removals=(named,))
    assert found.approves_deletion(key("a"), NOW)
    assert not found.approves_deletion(key("a"), NOW + DAY)
    assert not found.approves_deletion(key("b"), NOW)
    refused = answered(approved=False, deletions=("a",), vault=HOST, removals=(named,))
    assert not refused.approves_deletion(key("a"), NOW)
