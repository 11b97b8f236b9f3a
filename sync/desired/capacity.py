"""What fits into one Kubernetes object."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sync.desired.state import WantedFile

OBJECT_LIMIT = 1024 * 1024
"""Bytes that the values of one Secret or ConfigMap may have together (kubernetes.io, "Secrets")."""


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
        if grown > OBJECT_LIMIT and grown > total:
            over.append(wanted)
        else:
            total = grown
    return tuple(over)
