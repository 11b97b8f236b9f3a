"""Three real API servers as the demo's clusters, each with the shipped, least-privileged account."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from local.apiserver.programs import programs_folder
from local.apiserver.server import RealCluster
from local.clusters import NAMESPACE, Real
from local.stack import LABELS, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = "trustcast"


@contextmanager
def real_clusters() -> Iterator[tuple[Real, ...]]:
    """API servers that run inside the block, with the manifests of infra/kubernetes applied."""
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="trustcast-kube-")))
        yield tuple(_cluster(running, name, folder / name) for name in LABELS)


def _cluster(running: ExitStack, name: str, folder: Path) -> Real:
    cluster = running.enter_context(RealCluster.start(folder, programs_folder()))
    cluster.create_namespace(NAMESPACE)
    for manifest in sorted((ROOT / "infra" / "kubernetes").glob("*.yaml")):
        cluster.apply_manifest(manifest)
    return Real(name, cluster, cluster.service_account_token(NAMESPACE, ACCOUNT))
