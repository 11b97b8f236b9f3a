"""A command line run against a fleet in memory, and what people did there before."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sync.errors import NotFound
from sync.fleet.kubeconfig import Endpoint
from tests.support import certs
from tests.support.fleet import Targets

if TYPE_CHECKING:
    from tests.support.fleet import Fleet

ROOT = Path(__file__).parents[2]
TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
SERVER = certs.server()
CA = certs.ca()
LINES = "".join(certs.server(name=f"line{n}").pem for n in range(5))
"""Five certificates."""


class Enrolling(Targets):
    """Clusters of which every credential is good: `NAME-kubeconfig` is that of the API server `NAME:6443`."""

    def endpoint(self, cluster: str, secret: str) -> Endpoint:  # noqa: ARG002
        if secret == "missing":
            raise NotFound(f"the credentials vault has no secret {secret}: store the cluster's kubeconfig there")
        return Endpoint(f"https://{secret.removesuffix('-kubeconfig')}:6443", CA.pem.encode(), "token")


@dataclass
class Done:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def words(self) -> str:
        """Its output without line breaks."""
        return " ".join(self.out.split())


Run = Callable[..., Done]


def held(fleet: Fleet) -> None:
    """A secret of five files is deleted, and each cluster holds all five back."""
    fleet.upload("lines", LINES, TAGS)
    fleet.work_off()
    fleet.vault.delete("lines")
    fleet.sweep()
