"""Step `admit`: one secret is looked at, judged and catalogued; the same for an event, the sweep and a command.

    1  read the row, with its ETag
    2  read the head
    3  look at the vault: the versions' properties, the value only of a new version that is assigned and may decide
    4  judge: from the row and the look to the new entry (pure), about this secret alone
    5  beside it: what its CAs and CRLs prove of their names, read on those names' own rows; what waits for a person
    6  write the row on its ETag and a new head in one transaction; where either changed, begin again at 1
    7  if the head is not planned, ask for a plan, also when nothing was new: an earlier run may have died here

Row before vault, and row and head in one transaction: other orders lose updates (tests/laws/test_law07_*).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from sync.catalogue.assignment import NOWHERE, assign
from sync.catalogue.entry import Entry
from sync.catalogue.examination import read_version, refuse_managed
from sync.catalogue.reading import Done, Read, Stop, VaultReading, next_read
from sync.catalogue.rows import ConfigurationRow, SecretRow
from sync.catalogue.snapshot import Settings
from sync.catalogue.update import prune, update_entry
from sync.errors import Changed, NotFound, Temporary, Unauthorized
from sync.findings import Code, Finding
from sync.ports.decisions import Write
from sync.ports.stored import as_read
from sync.steps.authorities import proofs
from sync.steps.enqueue import request_plan
from sync.steps.questions import may_count_as_deleted, with_wide_change_waiting
from sync.steps.versions import newest_first

if TYPE_CHECKING:
    from datetime import datetime

    from sync.catalogue.assignment import Assigned
    from sync.catalogue.entry import Reading
    from sync.catalogue.secret import SecretKey, SecretValue, VersionProperties
    from sync.catalogue.snapshot import Head
    from sync.fleet.configuration import Configuration
    from sync.fleet.vaults import WatchedVault
    from sync.ports.decisions import Row
    from sync.ports.stored import Stored
    from sync.ports.vault import Vault
    from sync.steps.runtime import Runtime

log = logging.getLogger("trustcast.admission")

TRIES = 8
READS = 10
"""Values read in one admission at the most; a secret with more unreadable versions stops there."""

LONGEST = timedelta(seconds=10)
"""No further call to the vault begins after this time, so that an admission ends within 15 s."""


def admit(
    runtime: Runtime, key: SecretKey, *, event_version: str | None = None, on_a_list: bool = False
) -> Entry | None:
    """Bring the catalogue's row of one secret up to date, and see to a plan if one is due.

    Args:
        runtime: ports and settings.
        key: which secret.
        event_version: the version that an event names; one that the catalogue knows makes no call to the vault.
        on_a_list: a file on some list is known to be the secret's: that there is no such secret is worth a row.

    Returns:
        The row as it is now; None where vault and catalogue know no such secret.

    Raises:
        TrustcastError: the vault or the storage failed; nothing was decided.
    """
    decision = _catalogue(runtime, key, event_version, on_a_list)
    head = runtime.decisions.head().value  # 7: also when nothing was new, an earlier run may have died before it
    if head.token and runtime.work.planned() != head.token:
        request_plan(runtime, head, f"admitted {key.name}", force=decision.head is None)
    return decision.entry


@dataclass(frozen=True, slots=True)
class Decision:
    """What an admission came to.

    Attributes:
        entry: the secret's row; None where vault and catalogue know no such secret.
        along: rows that change with it, in the same transaction.
        head: the head that it moves to; None where nothing that decides has changed.
    """

    entry: Entry | None
    along: tuple[Write, ...] = ()
    head: Head | None = None


def _catalogue(runtime: Runtime, key: SecretKey, event_version: str | None, on_a_list: bool) -> Decision:
    """Steps 1 to 6, from the first again where the row or the head changed meanwhile."""
    values: dict[str, SecretValue] = {}
    for _ in range(TRIES):
        stored = runtime.decisions.row(SecretRow(key))  # 1: the row first, with its ETag
        old = stored.value if stored and isinstance(stored.value, Entry) else None
        if old and event_version is not None and old.knows(event_version):
            return Decision(old)
        head = runtime.decisions.head()  # 2
        configuration = _configuration(runtime)
        watched = configuration.vault(key.vault)
        if watched is None or key.vault not in runtime.vaults:
            return Decision(old)
        source = Source(runtime.vaults[key.vault], key, values)
        known = head.value if old or stored is None else replace(head.value, begun=None)  # a damaged row knew more
        new = _judged(runtime, old, source, watched, configuration, known)  # 3, 4: the vault after, then judge
        if old is None and new.deleted and not on_a_list:
            return Decision(None)
        try:
            decision = _decided(runtime, configuration, old, new, head.value)  # 5
            _write(runtime, stored, old, decision)  # 6
        except Changed:
            continue
        return decision
    raise Temporary(f"{key} changes faster than it can be catalogued; it is looked at again")


def _configuration(runtime: Runtime) -> Configuration:
    stored = runtime.decisions.row(ConfigurationRow())
    return stored.value.configuration if stored and isinstance(stored.value, Settings) else runtime.configured


@dataclass(frozen=True, slots=True)
class Source:
    """Where a secret is read, and what this admission has read of it: a retried write reads nothing twice."""

    vault: Vault
    key: SecretKey
    values: dict[str, SecretValue] = field(repr=False)

    def reading(self, version: VersionProperties, now: datetime) -> Reading:
        """What examining this version's value gives; the value of a managed one is never read (law 9).

        Raises:
            Changed: the version is gone since it was listed.
        """
        if version.managed:
            return refuse_managed(version)
        if version.version not in self.values:
            try:
                self.values[version.version] = self.vault.read(self.key.name, version.version)
            except NotFound as cause:
                raise Changed(f"{self.key} changed while it was looked at") from cause
        return read_version(replace(self.values[version.version], properties=version), now=now)


def _judged(
    runtime: Runtime,
    old: Entry | None,
    source: Source,
    watched: WatchedVault,
    configuration: Configuration,
    head: Head,
) -> Entry:
    """Look at the secret, reading the value of a version only if it is new, assigned and may decide."""
    now = runtime.clock()
    versions, complete = newest_first(source.vault, source.key, old)
    look = VaultReading(now, versions, {}, head.rebuilt(now), complete, head.begun)
    assigned = assign(look.versions, watched, configuration)
    assignment = assigned.assignment or (old.assignment if old else None)
    if assignment is not None and assignment.lists:
        due = old.reread_due(look.at) if old else None
        if due and (version := next((v for v in look.versions if v.version == due and v.enabled), None)):
            look = replace(look, readings={due: source.reading(version, look.at)})
        for _ in range(READS):
            match next_read(old, look, assignment, configuration):
                case Stop() | Done():
                    break
                case Read(wanted):
                    if runtime.clock() - look.at > LONGEST:
                        raise Temporary(f"the vault answers too slowly to look at {source.key}")
                    try:
                        reading = source.reading(wanted, look.at)
                    except Unauthorized:
                        return _unreadable(old, source.key, look, assigned, wanted)
                    look = replace(look, readings={**look.readings, wanted.version: reading})
    return update_entry(old, source.key, look, assigned, configuration)


def _unreadable(
    old: Entry | None, key: SecretKey, look: VaultReading, assigned: Assigned, version: VersionProperties
) -> Entry:
    """The vault gives the secret's properties and refuses its value: a finding, which decides nothing (law 4)."""
    entry = old or Entry.unseen(key, version.name, assigned.assignment or NOWHERE, look.at)
    finding = Finding(Code.UNREADABLE, f"version {version.version}")
    return replace(
        entry,
        newest=look.versions[0],
        secret_findings=(*assigned.findings, finding),
        looked=look.at,
        needs_second_look=True,
        deleted_at=None,
    )


def _decided(runtime: Runtime, configuration: Configuration, old: Entry | None, new: Entry, head: Head) -> Decision:
    """What is written of the new entry, and what its CAs and CRLs prove; what takes too much at once waits."""
    if new.deleted and not (old and old.deleted):
        since = may_count_as_deleted(runtime, new.key)
        if since is None:
            return Decision(replace(old or new, looked=new.looked, needs_second_look=True) if old else None)
        new = replace(new, deleted_at=since)
    if old is not None and old.assignment != new.assignment:
        new = with_wide_change_waiting(runtime, configuration, old, new)
    proven = proofs(runtime, old, new)
    new = prune(new, configuration, proven.holds)
    if new.decides_like(old) and not proven.writes:
        return Decision(new)
    return Decision(new, proven.writes, runtime.next_head(head))


def _write(runtime: Runtime, stored: Stored[Row] | None, old: Entry | None, decision: Decision) -> None:
    """Write the row on its ETag, with the head if that moves; times of looking are written without."""
    if decision.entry is None or decision.entry == old:
        return
    row = Write(SecretRow(decision.entry.key), decision.entry, as_read(stored))
    runtime.decisions.commit([row, *decision.along], head=decision.head)
    _log_change(old, decision.entry)


def _log_change(old: Entry | None, new: Entry) -> None:
    """Log what a person would read, and nothing where only the times of looking differ."""
    if old and old == replace(new, looked=old.looked, reread_at=old.reread_at, needs_second_look=old.needs_second_look):
        return
    tampered = any(note.code is Code.CATALOGUE_TAMPERED for note in new.secret_findings)
    level = logging.WARNING if tampered else logging.INFO
    state = "deleted" if new.deleted else "assigned" if new.assigned else "unassigned"
    codes = sorted({finding.code.value for rejected in new.rejected[:1] for finding in rejected.findings})
    log.log(level, "catalogued %s: %s%s %s", new.key, state, "" if old else " (new)", " ".join(codes))
