"""Files of ours whose owner is not known, or whose vault is gone for good; what a person does about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.catalogue.questions import removals_digest
from sync.catalogue.rows import AnswerRow, VaultRow
from sync.catalogue.snapshot import Answer, Removal, VaultFacts
from sync.desired.reasons import KeptReason, RemovalReason
from sync.errors import Invalid, NotFound
from sync.ports.decisions import Write
from sync.ports.stored import ANYTHING, as_read
from sync.steps.planning import request_pushes
from sync.steps.transaction import Writes, transact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sync.catalogue.snapshot import Snapshot
    from sync.reconcile.status import ListStatus
    from sync.steps.runtime import Runtime

SHORTEST = 8


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file without owner.

    Attributes:
        list, file, sha256: which list, the file's name, and the SHA-256 of its bytes.
        was: the secret that it came from, where its vault was forgotten; empty where that is not known.
        clusters: that hold it, sorted.
    """

    list: str
    file: str
    sha256: str
    was: str
    clusters: tuple[str, ...]


def orphans(statuses: Iterable[ListStatus]) -> tuple[Orphan, ...]:
    """The files without owner, by list and name; equal ones of several clusters are one."""
    found: dict[tuple[str, str, str, str], set[str]] = {}
    for status in statuses:
        for kept in status.kept:
            if kept.fact == KeptReason.NO_OWNER.value and kept.file in status.files:
                file = status.files[kept.file]
                was = str(file.owner) if file.owner else ""
                found.setdefault((status.list, kept.file, file.sha256, was), set()).add(status.cluster)
    return tuple(Orphan(*names, tuple(sorted(clusters))) for names, clusters in sorted(found.items()))


def remove_orphans(runtime: Runtime, sha256: str) -> tuple[Orphan, ...]:
    """Remove the files without owner that have these bytes, wherever they are.

    Raises:
        NotFound: there are none.
        Invalid: too few digits, or files with different bytes begin so.
    """
    wanted = sha256.lower()
    if len(wanted) < SHORTEST:
        raise Invalid(f"give at least the first {SHORTEST} hexadecimal digits of the SHA-256")
    found = tuple(each for each in orphans(runtime.statuses.all()) if each.sha256.startswith(wanted))
    if not found:
        raise NotFound("no file without owner has this SHA-256; see `trustcast orphans list`")
    if len({each.sha256 for each in found}) > 1:
        raise Invalid("files with different bytes begin so: give more digits")
    removal = Removal(None, RemovalReason.ORPHANED.name, found[0].sha256, "*")

    def step(_: Snapshot) -> tuple[Writes, None]:
        digest = removals_digest([removal])
        return (Write(AnswerRow(digest), Answer(digest, runtime.clock(), True, (removal,)), ANYTHING),), None

    transact(runtime, step, on_head=False)
    request_pushes(runtime, sorted({cluster for each in found for cluster in each.clusters}), "orphans removed")
    return found


def forget_vault(runtime: Runtime, host: str) -> VaultFacts:
    """Declare a vault gone for good: its files have no owner from now on, and its names are free.

    Raises:
        Invalid: the settings in force still name it.
        NotFound: nothing is known of it.
    """

    def step(snapshot: Snapshot) -> tuple[Writes, VaultFacts]:
        if runtime.in_force(snapshot).vault(host) is not None:
            raise Invalid(f"{host} is still a watched vault: take it out of TRUSTCAST_VAULTS first")
        stored = runtime.decisions.row(VaultRow(host))
        known = stored is not None or any(key.vault == host for key in snapshot.entries)
        if not known and not _gave_files(runtime, host):
            raise NotFound(f"nothing is known of a vault {host}")
        before = stored.value if stored and isinstance(stored.value, VaultFacts) else VaultFacts()
        facts = VaultFacts(before.swept, before.left or runtime.clock(), runtime.clock())
        return (Write(VaultRow(host), facts, as_read(stored)),), facts

    return transact(runtime, step)


def _gave_files(runtime: Runtime, host: str) -> bool:
    """Whether files on lists say that they came from this vault: it left before the tables were lost."""
    owned = (file.owner for status in runtime.statuses.all() for file in status.files.values())
    return any(owner is not None and owner.vault == host for owner in owned)


def waive_vault(runtime: Runtime, host: str) -> VaultFacts:
    """Let lists gain files though this vault was not gone through since the tables began.

    Raises:
        NotFound: it is not a watched vault.
    """

    def step(snapshot: Snapshot) -> tuple[Writes, VaultFacts]:
        if runtime.in_force(snapshot).vault(host) is None:
            raise NotFound(f"{host} is not a watched vault; see the setting TRUSTCAST_VAULTS")
        stored = runtime.decisions.row(VaultRow(host))
        before = stored.value if stored and isinstance(stored.value, VaultFacts) else VaultFacts()
        facts = VaultFacts(before.swept or runtime.clock(), before.left, before.forgotten)
        return (Write(VaultRow(host), facts, as_read(stored)),), facts

    return transact(runtime, step)
