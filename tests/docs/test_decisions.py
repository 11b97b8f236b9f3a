"""The pages link to and name what exists; the decisions have one form and are all listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = ROOT / "docs" / "decisions"
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY", "CHANGELOG")),
]
RECORDS = sorted(DECISIONS.glob("[0-9]*.md"))
SECTIONS = ["Context", "Decision", "What was rejected", "What it costs", "Where it lives"]

FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")
ELSEWHERE = re.compile(r"[a-z]+:|#")
NAMED = re.compile(r"`((?:sync|tests|local|infra|docs|benchmarks)/[^`\s]*)`")
LISTED = re.compile(r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \| (.+) \|$", re.MULTILINE)


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text("utf-8"))


def linked(text: str) -> list[str]:
    return [target for target in LINK.findall(text) if not ELSEWHERE.match(target)]


def is_there(name: str, *bases: Path) -> bool:
    """Whether a path or pattern matches from the root or another base, and defines the test after `::`, if any."""
    pattern, _, test = name.partition("::")
    found = [path for base in (ROOT, *bases) for path in base.glob(pattern.rstrip("/"))]
    return any(not test or f"def {test}(" in path.read_text("utf-8") for path in found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_of_a_page_leads_to_a_file(page: Path) -> None:
    targets = (target.partition("#")[0] for target in linked(prose(page)))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_path_that_a_page_names_is_there(page: Path) -> None:
    bases = [ROOT / "tests"] if page.name == "faults.md" else []  # it names tests by their paths from there
    assert [name for name in NAMED.findall(prose(page)) if not is_there(name, *bases)] == []


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("docs/decisions/", True),
        ("tests/docs/test_d*", True),
        ("tests/docs/test_decisions.py::test_what_is_not_there_is_noticed", True),
        ("tests/docs/test_decisions.py::test_that_nobody_wrote", False),
        ("docs/nothing.md", False),
        ("docs/nothing*", False),
    ],
)
def test_what_is_not_there_is_noticed(name: str, there: bool) -> None:
    assert is_there(name) is there


def test_links_to_other_sites_and_within_the_page_are_left_out() -> None:
    assert linked("[a](https://b.example) [c](#d) ![e](f.svg) [g](h.md#i)") == ["f.svg", "h.md#i"]


def test_the_decisions_are_numbered_without_a_gap() -> None:
    assert [record.name[:5] for record in RECORDS] == [f"{number:04}-" for number in range(1, len(RECORDS) + 1)]


def test_the_list_of_decisions_is_that_of_the_records() -> None:
    found = []
    for record in RECORDS:
        title, status = re.findall(r"^(?:# |Status: )(.+)$", record.read_text("utf-8"), re.MULTILINE)
        found.append((record.name[:4], record.name, title, status))
    assert LISTED.findall((DECISIONS / "README.md").read_text("utf-8")) == found


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_decision_has_the_sections_of_a_decision(record: Path) -> None:
    assert re.findall(r"^## (.+)$", record.read_text("utf-8"), re.MULTILINE) == SECTIONS
