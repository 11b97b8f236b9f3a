"""Two real clusters for the whole run; whatever is collected here is marked `e2e`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.apiserver.programs import programs_folder
from local.apiserver.server import RealCluster

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def kube_programs() -> Path:
    """Folder of etcd, kube-apiserver and kubectl; built now if `make kube` was not run before."""
    return programs_folder()


@pytest.fixture(scope="session")
def real_clusters(
    kube_programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RealCluster, RealCluster]]:
    folder = tmp_path_factory.mktemp("clusters")
    with (
        RealCluster.start(folder / "plant-a", kube_programs) as first,
        RealCluster.start(folder / "plant-b", kube_programs) as second,
    ):
        yield first, second


@pytest.fixture(scope="session")
def real_cluster(real_clusters: tuple[RealCluster, RealCluster]) -> RealCluster:
    return real_clusters[0]
