"""Hypothesis finds the same examples on every run, no slow machine decides a test, and the longest file comes first."""

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fixed")

if TYPE_CHECKING:
    import pytest

LONGEST = "test_law7_interleavings"


def pytest_collection_modifyitems(items: list["pytest.Item"]) -> None:
    items.sort(key=lambda item: LONGEST not in item.nodeid)
