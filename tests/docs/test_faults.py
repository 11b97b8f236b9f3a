"""docs/faults.md names tests that exist, and every test of a fault is on it."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "docs" / "faults.md").read_text()
NAMED = set(re.findall(r"\| `(\S+\.py(?:::\w+)?)` \|$", PAGE, re.MULTILINE))
FILES = [*sorted((TESTS / "faults").glob("test_*.py")), TESTS / "e2e" / "test_faults_real.py"]


def test_every_test_of_a_fault_is_on_the_page_and_the_page_names_no_other() -> None:
    found = {
        f"{path.relative_to(TESTS).as_posix()}::{name}"
        for path in FILES
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert {each for each in NAMED if "::" in each} == found


def test_whole_files_on_the_page_exist() -> None:
    whole = {each for each in NAMED if "::" not in each}
    assert whole
    assert all((TESTS / each).is_file() for each in whole)
