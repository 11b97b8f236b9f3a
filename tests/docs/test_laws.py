"""docs/laws.md names tests that exist, and every law has some."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(r"^\| (\d+) \|.*\| (.+) \|$", (ROOT / "docs" / "laws.md").read_text(), re.MULTILINE)


def test_there_are_thirteen_laws() -> None:
    assert [int(number) for number, _ in ROWS] == list(range(1, 14))


@pytest.mark.parametrize(("number", "tests"), ROWS)
def test_a_law_names_tests_that_exist(number: str, tests: str) -> None:
    patterns = re.findall(r"`([^`]+)`", tests)
    assert patterns
    for pattern in patterns:
        found = list(ROOT.glob(pattern if pattern.endswith(".py") else f"{pattern}.py"))
        assert found, f"law {number}: nothing matches {pattern}"
        assert all("def test_" in path.read_text() or "TestCase" in path.read_text() for path in found)
