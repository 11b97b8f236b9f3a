"""The contract suite of clusters, on a real API server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from local.support.tls import Authority
from tests.contract.test_cluster import *  # noqa: F403  pytest collects what is imported
from tests.support.clusters import ENVIRONMENT, ClusterUnderTest, open_real

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.apiserver.server import RealCluster


@pytest.fixture(scope="module")  # type: ignore[no-redef]
def cluster(real_cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """In the place of the suite's own, which knows a real server from the environment alone."""
    folder = tmp_path_factory.mktemp("contract")
    (folder / "ca.pem").write_bytes(real_cluster.ca_pem)
    named = {
        "server": real_cluster.server,
        "ca_file": str(folder / "ca.pem"),
        "token": real_cluster.admin_token,
    }
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(ENVIRONMENT, json.dumps(named))
        with open_real(Authority.in_folder(folder)) as opened:
            yield opened
