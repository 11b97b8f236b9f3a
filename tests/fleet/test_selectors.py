from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import Invalid
from sync.fleet.selectors import Operator, Requirement, Selector, label_problem

NAMES = st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,8}[A-Za-z0-9])?", fullmatch=True)
KEYS = st.one_of(NAMES, st.tuples(st.sampled_from(["example.com", "a.b"]), NAMES).map("/".join))
VALUES = st.one_of(st.just(""), NAMES)
REQUIREMENTS = st.one_of(
    st.builds(Requirement, KEYS, st.sampled_from([Operator.EXISTS, Operator.ABSENT])),
    st.builds(Requirement, KEYS, st.sampled_from([Operator.IN, Operator.NOT_IN]), VALUES.map(lambda v: (v,))),
    st.builds(
        Requirement,
        KEYS,
        st.sampled_from([Operator.IN, Operator.NOT_IN]),
        st.sets(NAMES, min_size=2, max_size=4).map(lambda v: tuple(sorted(v))),
    ),
)
SELECTORS = st.lists(REQUIREMENTS, max_size=4, unique=True).map(lambda r: Selector(tuple(r)))
LABELS = st.dictionaries(KEYS, VALUES, max_size=5)


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("a=b", {"a": "b"}, True),
        ("a=b", {"a": "c"}, False),
        ("a=b", {}, False),
        ("a==b", {"a": "b"}, True),
        ("a = b", {"a": "b"}, True),
        ("a!=b", {"a": "c"}, True),
        ("a!=b", {}, True),  # as in Kubernetes: also where the label is absent
        ("a!=b", {"a": "b"}, False),
        ("a in (x, y)", {"a": "y"}, True),
        ("a in (x,y)", {"a": "z"}, False),
        ("a in(x)", {"a": "x"}, True),
        ("a notin (x,y)", {"a": "z"}, True),
        ("a notin (x,y)", {}, True),
        ("a notin (x,y)", {"a": "x"}, False),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {}, True),
        ("! a", {"a": "x"}, False),
        ("a=", {"a": ""}, True),
        ("a=", {"a": "x"}, False),
        ("in in (in)", {"in": "in"}, True),
        ("notin", {"notin": ""}, True),
        ("example.com/site=h,env in (p,t),!old", {"example.com/site": "h", "env": "t"}, True),
        ("example.com/site=h,env in (p,t),!old", {"example.com/site": "h", "env": "t", "old": ""}, False),
        ("*", {}, True),
        (" * ", {"a": "b"}, True),
    ],
)
def test_a_selector_matches_what_kubernetes_would_match(text: str, labels: dict[str, str], matches: bool) -> None:
    assert Selector.parse(text).matches(labels) is matches


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "it is empty; write * to select every cluster"),
        ("  ", "it is empty"),
        ("a,", "'' is not a requirement"),
        (",a", "',a' is not a requirement"),
        ("a b", "is not a requirement"),
        ("a=b c", "is not a requirement"),
        ("a>1", "the label key 'a>1' must be"),
        ("a=*", "the label value '*' must be"),
        ("*,a", "the label key '*' must be"),
        ("a in ()", "a value between the parentheses after 'in' is missing"),
        ("a in (x,)", "a value between the parentheses after 'in' is missing"),
        ("a in (x", "is not a requirement"),
        ("a in ((x))", "is not a requirement"),
        ("a in (b c)", "the label value 'b c' must be"),
        ("a===b", "is not a requirement"),
        ("-a", "the label key '-a' must be"),
        ("a" * 64, "must be 1 to 63"),
        ("a=" + "b" * 64, "must be at most 63"),
        ("UPPER.com/a", "has a prefix that is not a DNS name"),
        ("/a", "has a prefix that is not a DNS name"),
        ("a/b/c", "has a prefix that is not a DNS name"),
        ("a/", "must be 1 to 63"),
        ("x" * 2000, "longer than 1024"),
        ("a\n=b;\x1b[31m", "\\x1b"),
    ],
)
def test_what_is_no_selector_is_refused_with_the_reason_and_an_example(text: str, complaint: str) -> None:
    with pytest.raises(Invalid, match=re.escape(complaint)) as refusal:
        Selector.parse(text)
    assert "(example: site=plant-1,env in (prod,test))" in str(refusal.value)
    assert str(refusal.value).isprintable()


@given(SELECTORS)
def test_the_text_of_a_selector_reads_back_as_the_same(selector: Selector) -> None:
    assert Selector.parse(selector.text) == selector


@given(KEYS, VALUES, LABELS)
def test_a_requirement_and_its_negation_never_agree(key: str, value: str, labels: dict[str, str]) -> None:
    for one, other in [(f"{key}={value}", f"{key}!={value}"), (key, f"!{key}")]:
        assert Selector.parse(one).matches(labels) is not Selector.parse(other).matches(labels)


@given(st.text(max_size=60))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    try:
        selector = Selector.parse(text)
    except Invalid:
        return
    assert Selector.parse(selector.text) == selector


@given(KEYS, VALUES)
def test_labels_by_kubernetes_rules_are_accepted(key: str, value: str) -> None:
    assert label_problem(key, value) is None
