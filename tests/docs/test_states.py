"""The tables of states, and of why files stay, are those of the code."""

import re
from pathlib import Path

import pytest

from sync.desired.reasons import KeptReason
from sync.reconcile.status import State

DOCS = Path(__file__).parents[2] / "docs" / "states.md"


def test_the_documented_states_are_those_of_the_code_with_their_sentences() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", DOCS.read_text("utf-8"), re.MULTILINE)
    assert rows == [(state.value, state.sentence) for state in State]


@pytest.mark.parametrize("state", State)
def test_every_state_says_in_a_sentence_what_it_is_and_what_to_do(state: State) -> None:
    assert state.sentence[0].isupper()
    assert state.sentence.endswith(".")
    assert "|" not in state.sentence


def test_the_documented_reasons_for_which_files_stay_are_those_of_the_code() -> None:
    table = DOCS.read_text("utf-8").partition("## Files that stay")[2]
    rows = re.findall(r"^\| (.+) \| (.+\.) \|$", table, re.MULTILINE)
    assert [why for why, _ in rows] == [why.value for why in KeptReason]
