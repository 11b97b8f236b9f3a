"""The real clusters are what the other tests take them for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.owners import left_behind

if TYPE_CHECKING:
    from pathlib import Path

    from local.apiserver.server import RealCluster


def test_two_clusters_share_neither_data_nor_authority_nor_tokens(
    real_clusters: tuple[RealCluster, RealCluster],
) -> None:
    first, second = real_clusters
    first.create_namespace("only-here")
    assert "only-here" in first.kubectl("get", "namespaces")
    assert "only-here" not in second.kubectl("get", "namespaces")
    with first.client(second.admin_token) as stranger:
        assert stranger.get("/api/v1/namespaces").status_code == 401
    assert first.ca_pem != second.ca_pem


def test_a_service_account_may_nothing_until_a_role_says_so(real_cluster: RealCluster) -> None:
    real_cluster.create_namespace("rbac")
    real_cluster.kubectl("create", "serviceaccount", "nobody", "--namespace", "rbac")
    with real_cluster.client(real_cluster.service_account_token("rbac", "nobody")) as nobody:
        assert nobody.get("/api/v1/namespaces/rbac/secrets").status_code == 403


@pytest.mark.parametrize("program", ["kube-apiserver", "etcd"])
def test_a_killed_program_comes_back_on_the_same_port_with_the_data(real_cluster: RealCluster, program: str) -> None:
    namespace = f"survives-{program}"
    real_cluster.create_namespace(namespace)
    real_cluster.kill(program)
    real_cluster.revive()
    assert namespace in real_cluster.kubectl("get", "namespaces")


def test_a_killed_api_server_refuses_connections(real_cluster: RealCluster) -> None:
    real_cluster.kill()
    with real_cluster.client() as client, pytest.raises(httpx.ConnectError):
        client.get("/readyz")
    real_cluster.revive()


def test_a_frozen_api_server_answers_nothing(real_cluster: RealCluster) -> None:
    real_cluster.freeze()
    try:
        with real_cluster.client() as client, pytest.raises(httpx.TimeoutException):
            client.get("/readyz", timeout=0.3)
    finally:
        real_cluster.thaw()
    real_cluster.revive()


def test_its_programs_end_with_an_owner_that_is_killed(kube_programs: Path, tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from local.apiserver.server import RealCluster
cluster = RealCluster.start(Path({str(tmp_path)!r}), Path({str(kube_programs)!r}))
cluster.__enter__()
"""
    assert left_behind(program, at_least=4) == []


def test_kubectl_says_why_it_failed(real_cluster: RealCluster) -> None:
    with pytest.raises(RuntimeError, match="not found"):
        real_cluster.kubectl("get", "namespace", "nowhere")
