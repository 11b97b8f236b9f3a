"""The clusters of a local stack, as the demo and the tests handle them: by hand, without trustcast.

`StandIn` wraps a cluster of `local.kubernetes.server`, `Real` a kube-apiserver of `local.apiserver.server`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from local.kubernetes.faults import Fault, Kind
from local.kubernetes.server import kubeconfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.apiserver.server import RealCluster
    from local.kubernetes.cluster import Cluster

NAMESPACE = "azure-iot-operations"


class LocalCluster(Protocol):
    """One cluster, as a person on site sees it."""

    @property
    def name(self) -> str:
        """The cluster's name."""
        ...

    def kubeconfig(self) -> str:
        """The credential to register."""
        ...

    def files(self, secret: str) -> dict[str, bytes]:
        """The files of a list; empty if the Secret is missing."""
        ...

    def edit(self, secret: str, files: Mapping[str, bytes | None]) -> None:
        """Set keys (None removes) by hand, as with kubectl."""
        ...

    def cut_off(self) -> None:
        """Take the link down."""
        ...

    def reconnect(self) -> None:
        """Bring the link back."""
        ...


@dataclass(frozen=True, eq=False)
class StandIn:
    """A stand-in cluster."""

    cluster: Cluster

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.cluster.name

    def kubeconfig(self) -> str:
        """See `LocalCluster`."""
        return kubeconfig(self.cluster)

    def files(self, secret: str) -> dict[str, bytes]:
        """See `LocalCluster`."""
        return self.cluster.files(NAMESPACE, secret)

    def edit(self, secret: str, files: Mapping[str, bytes | None]) -> None:
        """See `LocalCluster`."""
        self.cluster.edit(NAMESPACE, secret, files)

    def cut_off(self) -> None:
        """See `LocalCluster`."""
        self.cluster.set_fault(Fault(Kind.DOWN))

    def reconnect(self) -> None:
        """See `LocalCluster`."""
        self.cluster.set_fault(None)


@dataclass(frozen=True, eq=False)
class Real:
    """A real kube-apiserver; the service gets a token of its own, least-privileged account."""

    name: str
    cluster: RealCluster
    token: str

    def kubeconfig(self) -> str:
        """See `LocalCluster`."""
        return self.cluster.kubeconfig(self.token)

    def files(self, secret: str) -> dict[str, bytes]:
        """See `LocalCluster`."""
        with self.cluster.client() as client:
            answer = client.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/{secret}")
        data = answer.json().get("data") or {} if answer.status_code == 200 else {}  # noqa: PLR2004
        return {name: base64.b64decode(value) for name, value in data.items()}

    def edit(self, secret: str, files: Mapping[str, bytes | None]) -> None:
        """See `LocalCluster`."""
        data = {k: None if v is None else base64.b64encode(v).decode() for k, v in files.items()}
        self.cluster.kubectl(
            "patch", "secret", secret, "-n", NAMESPACE, "--type", "merge", "-p", json.dumps({"data": data})
        )

    def cut_off(self) -> None:
        """See `LocalCluster`."""
        self.cluster.kill()

    def reconnect(self) -> None:
        """See `LocalCluster`."""
        self.cluster.revive()
