"""What becomes of each file: what is wanted and what is there, compared by bytes and by owner."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sync.catalogue.revocation import is_newer
from sync.certificates.contents import items_in
from sync.certificates.items import RevocationList
from sync.desired.reasons import KeptReason, Leaves, RemovalReason, Stays
from sync.reconcile.ownership import OwnedFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sync.catalogue.secret import SecretKey
    from sync.desired.claims import WantedFile
    from sync.reconcile.context import ListContext
    from sync.reconcile.holds import Leaving
    from sync.reconcile.memory import ListMemory
    from sync.reconcile.observed import Observed
    from sync.reconcile.owners import Ours


class Action(StrEnum):
    """What happens to one file, or why nothing does."""

    ADD = "add"
    REPLACE = "replace"
    RESTORE = "restore"
    ADOPT = "adopt"
    REMOVE = "remove"
    HOLD = "hold"
    WAIT = "wait"
    CONFLICT = "conflict"
    UNMANAGED = "unmanaged"
    UNACCOUNTED = "unaccounted"
    KEEP = "keep"


PUTS = frozenset({Action.ADD, Action.REPLACE, Action.RESTORE, Action.ADOPT})
"""What writes a wanted file."""

GOES = frozenset({Action.REMOVE, Action.REPLACE})
"""How a file with a reason leaves: for nothing, or for another secret's file of its name."""

WRITES = PUTS | {Action.REMOVE}
"""What closes a difference: a file with one of these is drift until it is written."""


@dataclass(frozen=True, slots=True)
class Change:
    """One file's line of a plan.

    Attributes:
        action, file: what happens to which file.
        before, after: SHA-256 of the bytes, empty where there are none.
        reason: why; empty where the action says it.
        owner, version: whose the file is, or will be; None where it is nobody's that is known.
    """

    action: Action
    file: str
    before: str = ""
    after: str = ""
    reason: str = ""
    owner: SecretKey | None = None
    version: str = ""


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class Comparison:
    """A list as observed and remembered, with whose its files are, beside what decides."""

    observed: Observed
    memory: ListMemory
    ours: Ours
    context: ListContext

    @property
    def known(self) -> bool:
        """Whether it may gain files: one found without a status, and with files of ours, gains none at first (law 1).

        Our annotation tells, and what managedFields give us: a version before wrote no annotation.
        """
        marked = bool(self.observed.owners.place or self.observed.owners.files or self.observed.owned)
        return self.memory.known or not marked or not self.context.awaited

    def wanted(self, wanted: WantedFile) -> Change | None:
        """What becomes of a wanted file; None where it may only stay where it is, and is not there (law 3)."""
        present = self.observed.data.get(wanted.name)
        if present is None:
            return self._absent(wanted)
        file = self.ours.files.get(wanted.name)
        if file is not None:
            return self._ours(wanted, file, present)
        same = sha256(present) == wanted.sha256
        edited = self.ours.edited.get(wanted.name)
        if edited is not None and not edited.shared and not same and _may_return(wanted, edited):
            return _change(Action.RESTORE, wanted, present)
        if same:
            return self._gained(Action.ADOPT, wanted, present)
        managers = ", ".join(self.observed.others.get(wanted.name, ())) or "another writer"
        return _change(Action.CONFLICT, wanted, present, f"owned by {managers}")

    def present(self, name: str, data: bytes) -> tuple[Change, Leaves | None]:
        """What becomes of a file that is there and not wanted, and the reason for which it may leave."""
        sha = sha256(data)
        file = self.ours.files.get(name)
        if file is None:
            return Change(Action.UNMANAGED, name, sha, sha), None
        said = self._said(name, file, data)
        match said:
            case Leaves():
                return Change(Action.REMOVE, name, sha, "", said.reason.value, file.owner, file.version), said
            case Stays(KeptReason.NO_OWNER):
                return Change(Action.UNACCOUNTED, name, sha, sha, said.why.value), None
            case Stays(why):
                return Change(Action.KEEP, name, sha, sha, why.value, file.owner, file.version), None

    def _said(self, name: str, file: OwnedFile, data: bytes) -> Leaves | Stays:
        """What a proven CRL says of the file, then what the catalogue says of its owner."""
        if (date := self.context.revoked(data)) is not None:
            return Leaves(RemovalReason.REVOKED, f"{date:%Y-%m-%dT%H:%M:%SZ}")
        if self.context.removed_by_hand(file):
            return Leaves(RemovalReason.ORPHANED, file.sha256)
        return self.context.reason_of(file.owner, file.version, name)

    def _absent(self, wanted: WantedFile) -> Change | None:
        if not _may_return(wanted, self.memory.files.get(wanted.name)):
            return None
        if self._is_newer_crl_there(wanted):
            return _change(Action.WAIT, wanted, None, "the list holds a newer CRL of the same CA")
        return self._gained(Action.ADD, wanted, None)

    def _ours(self, wanted: WantedFile, file: OwnedFile, present: bytes) -> Change:
        if sha256(present) == wanted.sha256:
            passes = file.owner is not None
            return Change(
                Action.KEEP,
                wanted.name,
                wanted.sha256,
                wanted.sha256,
                owner=wanted.key if passes else None,
                version=wanted.version if passes else "",
            )
        if file.owner is None and isinstance(self._said(wanted.name, file, present), Stays):
            return Change(Action.UNACCOUNTED, wanted.name, file.sha256, wanted.sha256, KeptReason.NO_OWNER.value)
        if file.owner == wanted.key:
            return self._newer_of_owner(wanted, file, present)
        if isinstance(said := self._said(wanted.name, file, present), Stays):
            return Change(Action.KEEP, wanted.name, file.sha256, file.sha256, said.why.value, file.owner, file.version)
        return _change(Action.REPLACE, wanted, present)

    def is_out(self, change: Change, leaves: Leaves | None) -> bool:
        """Whether a file of ours leaves though its name is wanted: nothing replaces it.

        It is revoked; or it stayed only as the newest that the list held, and its very version ended.
        """
        if leaves is None or change.action in PUTS:
            return False
        return leaves.reason is RemovalReason.REVOKED or change.reason == KeptReason.OLDER.value

    def is_taken(self, change: Change) -> bool:
        """Whether another secret's file takes the place of the one that is there."""
        file = self.ours.files.get(change.file)
        return change.action is Action.REPLACE and file is not None and file.owner != change.owner

    def _newer_of_owner(self, wanted: WantedFile, file: OwnedFile, present: bytes) -> Change:
        """Of an owner no older version is written than the one that the list holds, of a CA no older CRL (law 3)."""
        entry = self.context.state.snapshot.entries[wanted.key]
        older = entry.age(wanted.version) > entry.age(file.version) and entry.listed(file.version) is not None
        if older or not wanted.anew or self._is_newer_crl_there(wanted):
            return Change(
                Action.KEEP, wanted.name, file.sha256, file.sha256, KeptReason.OLDER.value, file.owner, file.version
            )
        return _change(Action.REPLACE, wanted, present)

    def _is_newer_crl_there(self, wanted: WantedFile) -> bool:
        """Whether one of our files there is a newer CRL of the same CA and scope, and not forgotten."""
        crl = wanted.item
        if not isinstance(crl, RevocationList):
            return False
        authorities = [a for a in self.context.state.snapshot.authorities.values() if a.name == crl.issuer_name]
        there = (item for name in self.ours.files for item in items_in(self.observed.data[name]))
        return any(isinstance(other, RevocationList) and is_newer(authorities, other, crl) for other in there)

    def _gained(self, action: Action, wanted: WantedFile, present: bytes | None) -> Change:
        """A file more, where the list is known."""
        if not self.known:
            awaited = ", ".join(self.context.awaited)
            why = f"waits until {awaited} was gone through once (`trustcast vaults waive` ends the wait)"
            return _change(Action.WAIT, wanted, present, why)
        return _change(action, wanted, present)


def _may_return(wanted: WantedFile, remembered: OwnedFile | None) -> bool:
    """Whether it may go on where it is not now: if it goes onto no list anew, only where it was (law 3)."""
    was_there = remembered is not None and (remembered.owner, remembered.sha256) == (wanted.key, wanted.sha256)
    return wanted.anew or was_there


def _change(action: Action, wanted: WantedFile, present: bytes | None, reason: str = "") -> Change:
    before = sha256(present) if present is not None else ""
    return Change(action, wanted.name, before, wanted.sha256, reason, wanted.key, wanted.version)


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan before it is known what must stay all the same.

    Attributes:
        changes: by file name.
        wanted: by file name.
        leaving: what has a reason, by file name.
    """

    changes: dict[str, Change]
    wanted: Mapping[str, WantedFile]
    leaving: Mapping[str, Leaving]
