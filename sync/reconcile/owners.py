"""Whose the files on a list are: status, else the object's annotation, else the one secret that gives these bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sync.desired.reasons import KeptReason, Stays
from sync.reconcile.ownership import OwnedFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sync.catalogue.secret import SecretKey
    from sync.desired.claims import Claim, WantedFile
    from sync.reconcile.context import ListContext
    from sync.reconcile.memory import ListMemory
    from sync.reconcile.observed import Observed


@dataclass(frozen=True, slots=True)
class Ours:
    """Which files of an object are ours.

    Attributes:
        files: those whose bytes are as we wrote them, by name.
        edited: ours by name, with bytes that another wrote since: as we remember them.
    """

    files: Mapping[str, OwnedFile]
    edited: Mapping[str, OwnedFile]

    def owner_of(self, name: str) -> OwnedFile | None:
        """The file of that name as ours, edited or not."""
        return self.files.get(name) or self.edited.get(name)


def whose(observed: Observed, memory: ListMemory, context: ListContext) -> Ours:
    """Which files are ours, and whose: an entry speaks only for the bytes whose SHA-256 it names (law 6)."""
    files: dict[str, OwnedFile] = {}
    edited: dict[str, OwnedFile] = {}
    for name, data in observed.data.items():
        sha = hashlib.sha256(data).hexdigest()
        remembered, annotated = memory.files.get(name), observed.owners.files.get(name)
        spoken = next((each for each in (remembered, annotated) if each is not None and each.sha256 == sha), None)
        if spoken is not None and (spoken is remembered or not spoken.shared or name in observed.owned):
            files[name] = spoken if spoken.owner else _inferred(name, spoken, context)
        elif name in observed.owned:
            shared = name in observed.others and remembered is None
            files[name] = _inferred(name, OwnedFile(sha, None, shared=shared), context)
        elif remembered is not None:
            edited[name] = remembered
    return Ours(files, edited)


def _inferred(name: str, file: OwnedFile, context: ListContext) -> OwnedFile:
    """The file with the one secret whose version gives these very bytes under this name, if just one does."""
    givers = context.state.givers(name, file.sha256) if context.vaults_known else ()
    if len(givers) != 1:
        return file
    ((key, version),) = givers
    return replace(file, owner=key, version=version)


def holder_of(name: str, ours: Ours, memory: ListMemory) -> SecretKey | None:
    """Whose the name is on this list: the file's owner, also where somebody deleted the key on the cluster."""
    file = ours.owner_of(name) or memory.files.get(name)
    return file.owner if file else memory.reserved.get(name)


def choose_claim(
    name: str, claims: tuple[Claim, ...], ours: Ours, memory: ListMemory, context: ListContext
) -> WantedFile | None:
    """The file that the list should hold under this name; None where its owner keeps the name and gives nothing.

    A name is its owner's as long as the owner's secret exists, reaches the list, and its version in force, disabled or
    not, gives that name; it passes to the secret that was admitted first (law 4).
    """
    file = ours.owner_of(name)
    holder = holder_of(name, ours, memory)
    if holder is not None:
        own = next((claim for claim in claims if claim.key == holder), None)
        if own is not None:
            return own.file
        version = file.version if file else ""
        said = context.reason_of(holder, version, name)
        if isinstance(said, Stays) and not _passes(said, file, claims[0].file, context):
            return None
    return claims[0].file


def _passes(said: Stays, file: OwnedFile | None, wanted: WantedFile | None, context: ListContext) -> bool:
    """Whether another secret that gives the same bytes takes over: the owner's vault was forgotten, or replaced."""
    if file is None or file.owner is None or wanted is None or wanted.sha256 != file.sha256:
        return False
    left = said.why is KeptReason.VAULT_LEFT and context.vault_left_for_good(file.owner.vault)
    return left or said.why is KeptReason.NO_OWNER
