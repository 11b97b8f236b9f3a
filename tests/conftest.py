"""Hypothesis finds the same examples on every run, no slow machine decides a test, and the longest file comes first.

Also the stand-ins, for whoever asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from local.identity import Identity
from local.kubernetes.server import Fleet
from local.support.tls import Authority
from tests.support.http_fleet import stands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.kubernetes.cluster import Cluster
    from tests.support.http_fleet import Stands


settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fixed")


LONGEST = "test_law07_"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST not in item.nodeid)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.in_folder(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def identity() -> Identity:
    return Identity()


@pytest.fixture(scope="session")
def kubernetes(authority: Authority) -> Iterator[Fleet]:
    with Fleet(authority) as running:
        yield running


@pytest.fixture
def cluster(kubernetes: Fleet, request: pytest.FixtureRequest) -> Cluster:
    """One that no other test sees."""
    return kubernetes.add(f"edge-{abs(hash(request.node.nodeid))}")


@pytest.fixture(scope="session")
def servers(authority: Authority) -> Iterator[Stands]:
    """The servers of the laws that speak of requests."""
    with stands(authority) as started:
        yield started
