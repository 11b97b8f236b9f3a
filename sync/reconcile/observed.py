"""A list as a cluster holds it, read once: the frozen input of every plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from sync.reconcile.ownership import NO_OWNERS, Owners, room_beside

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELD_MANAGER = "trustcast"


@dataclass(frozen=True, slots=True)
class Observed:
    """One object (a Kubernetes Secret) as one GET gave it.

    Attributes:
        uid: None while the object does not exist; then everything else is empty.
        resource_version: sent with every write, beside the uid; None while the object does not exist.
        data: file name to bytes, decoded.
        owned: names that managedFields give to manager `trustcast`, operation Apply.
        others: name to the managers other than our Apply that own the key too (our own Update entries count as others:
            an apply cannot remove what an Update entry owns).
        sse_managed: the object has the Secret Store extension's label or an ownerReference to a SecretSync.
        immutable: the API server rejects every change of its data.
        annotation: text of the annotation `trustcast.io/owners`; empty if there is none.
        owners: what that text says, whoever wrote it.
        annotation_room: the bytes that the text may have beside the object's other annotations.
    """

    uid: str | None = None
    resource_version: str | None = None
    data: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    owned: frozenset[str] = frozenset()
    others: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    sse_managed: bool = False
    immutable: bool = False
    annotation: str = ""
    owners: Owners = NO_OWNERS
    annotation_room: int = room_beside({})

    @property
    def exists(self) -> bool:
        """Whether the cluster has the object."""
        return self.uid is not None


MISSING = Observed()
