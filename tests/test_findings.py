"""The vocabulary of findings: its table in the docs, its sentences, and foreign text made printable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.findings import Code, Finding, Role, Severity
from sync.text import SHOWN_LENGTH, printable

DOCS = Path(__file__).parent.parent / "docs" / "findings.md"


def test_the_documented_table_is_the_code_table() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (\w+)s \| (.+) \| (.+) \|$", DOCS.read_text("utf-8"), re.MULTILINE)
    expected = [
        (code.value, severity.value, code.meaning, code.remedy)
        for severity in Severity
        for code in Code
        if code.severity is severity
    ]
    assert rows == expected


@pytest.mark.parametrize("code", Code)
def test_every_code_is_a_word_with_a_meaning_and_a_remedy(code: Code) -> None:
    assert re.fullmatch(r"[a-z][a-z-]+", code.value)
    for text in (code.meaning, code.remedy):
        assert text[0].isupper()
        assert text.endswith(".")
        assert ". " not in text
        assert "|" not in text
    assert {each.value: each for each in Code}[code.value] is code


def test_a_sentence_says_what_is_the_matter_what_exactly_and_what_to_do() -> None:
    finding = Finding(Code.NOT_A_CA, "CN=plc7 is an end-entity certificate", (Role.ISSUER,))
    assert finding.sentence() == (
        "An issuer list takes CA certificates only, and this is not one: CN=plc7 is an end-entity certificate. "
        "Assign it to the trust list, or upload the CA that issued it."
    )
    assert Finding(Code.DUPLICATE).sentence() == f"{Code.DUPLICATE.meaning} {Code.DUPLICATE.remedy}"


def test_a_finding_without_roles_counts_on_every_list() -> None:
    assert all(Finding(Code.EXPIRED).counts_on(role) for role in Role)
    assert [role for role in Role if Finding(Code.NOT_A_CA, roles=(Role.ISSUER,)).counts_on(role)] == [Role.ISSUER]


def test_a_warning_that_the_policy_insists_on_rejects() -> None:
    assert Finding(Code.CA_IN_TRUST_LIST).severity is Severity.WARN
    assert Finding(Code.CA_IN_TRUST_LIST, insisted=True).severity is Severity.REJECT


def test_a_fault_that_is_tolerated_warns() -> None:
    assert Finding(Code.WEAK_SIGNATURE).severity is Severity.REJECT
    assert Finding(Code.WEAK_SIGNATURE, tolerated=True).severity is Severity.WARN


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CN=Prüfstand 7,O=Ex\\, Inc.", "CN=Prüfstand 7,O=Ex\\, Inc."),
        ("[/x]", "[/x]"),
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("line\u2028para\u2029nel\x85", "line\\u2028para\\u2029nel\\x85"),
        ("lone\ud800", "lone\\ud800"),
        ("", ""),
    ],
)
def test_law9_foreign_text_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_law9_foreign_text_is_cut_at_256_characters() -> None:
    assert printable("x" * 256) == "x" * 256
    assert printable("x" * 257) == "x" * 255 + "…"
    assert len(printable("\n" * 10_000)) == SHOWN_LENGTH


@given(st.text(st.characters(exclude_categories=()), max_size=600))
def test_law9_whatever_the_text_it_is_shown_printable_and_short(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) <= SHOWN_LENGTH
    assert printable(shown) == shown
