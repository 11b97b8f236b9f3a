"""Access to registered clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sync.fleet.clusters import Registration

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sync.deadline import Deadline
    from sync.fleet.kubeconfig import Endpoint
    from sync.reconcile.observed import Observed


class Target(Protocol):
    """One cluster's Secrets within the time of one push."""

    def observe(self, namespace: str, name: str) -> Observed:
        """Read the object; `MISSING` where there is none."""
        ...

    def create_empty(self, namespace: str, name: str) -> Observed:
        """Create the object without data."""
        ...

    def remove_keys(
        self, namespace: str, name: str, keys: Collection[str], *, uid: str, resource_version: str
    ) -> Observed:
        """Remove keys, whichever manager owns them, by a merge patch."""
        ...

    def apply(
        self, namespace: str, name: str, files: Mapping[str, bytes], *, owners: str, uid: str, resource_version: str
    ) -> Observed:
        """Apply our files in full, by server-side apply, with whose they are.

        Args:
            namespace: of the object.
            name: of the object.
            files: name to bytes.
            owners: text of our annotation; empty removes it.
            uid: of the object as read.
            resource_version: of the object as read.
        """
        ...


class Clusters(Protocol):
    """Gives access to registered clusters."""

    def endpoint(self, cluster: str, secret: str) -> Endpoint:
        """Read and parse a cluster's credential, for its registration.

        Raises:
            Permanent: there is none, it is not this cluster's, or it is no acceptable kubeconfig.
            Temporary: the credentials vault does not answer.
        """
        ...

    def connect(self, registration: Registration, deadline: Deadline, *, renew: bool = False) -> Target:
        """Open, or take from the cache, the cluster's client, for calls that end by the deadline.

        Args:
            registration: the cluster; host and CA of its credential must be the pinned ones.
            deadline: of the whole push.
            renew: read the credential again (after a 401).

        Raises:
            Permanent: the credential is missing, malformed, another cluster's, or points elsewhere than pinned.
            Temporary: the credentials vault does not answer.
        """
        ...
