"""What fits into one Kubernetes object."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sync.desired.claims import WantedFile

OBJECT_LIMIT = 1024 * 1024
"""Bytes that the values of one Secret or ConfigMap may have together (kubernetes.io, "Secrets")."""

ADDED_UP_TO = OBJECT_LIMIT * 9 // 10
"""Bytes up to which files are added: the rest is kept for the growth of what is there, a CRL or a renewal (law 8)."""


def over_limit(growing: Iterable[WantedFile], present: Mapping[str, int]) -> tuple[WantedFile, ...]:
    """The files that do not fit; of new ones, those given the shortest time.

    Args:
        growing: the files to add or to change.
        present: bytes of each file that the object holds and keeps; empty where no cluster is looked at.
    """
    total = sum(present.values())
    over = []
    for wanted in sorted(growing, key=lambda wanted: (wanted.name not in present, wanted.priority)):
        grown = total - present.get(wanted.name, 0) + len(wanted.data)
        limit = OBJECT_LIMIT if wanted.name in present else ADDED_UP_TO
        if grown > limit and grown > total:
            over.append(wanted)
        else:
            total = grown
    return tuple(over)
