"""Step `admit`: one secret is looked at, judged and catalogued; the same for an event, the sweep and a command.

The row is read first and the vault after, and the row is written on its ETag together with a new head; any other order
loses updates. Then, also when nothing was new, a plan is asked for unless the head is planned already: an earlier run
may have died here.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from sync.catalogue.assignment import NOWHERE, assign
from sync.catalogue.entry import Entry
from sync.catalogue.examination import examine, refuse_managed
from sync.catalogue.update import Look, judge, proof_is_due, settle, walk
from sync.desired.removals import hold, losses, may_lose
from sync.desired.revocation import ended_refusals, remembering
from sync.desired.state import Desires
from sync.errors import Changed, NotFound, Temporary, Unauthorized
from sync.findings import Code, Finding
from sync.fleet.configuration import Configuration
from sync.ports.decisions import RowKind, RowName, Write
from sync.steps.enqueue import request_plan
from sync.steps.holding import must_wait, refusal_rows, removal_rows
from sync.steps.versions import newest_first

if TYPE_CHECKING:
    from datetime import datetime

    from sync.catalogue.assignment import Assigned
    from sync.catalogue.entry import Reading
    from sync.catalogue.secret import SecretKey, SecretValue, VersionProperties
    from sync.catalogue.snapshot import Head, Snapshot
    from sync.fleet.vaults import WatchedVault
    from sync.ports.decisions import Row
    from sync.ports.stored import Stored
    from sync.ports.vault import Vault
    from sync.steps.runtime import Service

log = logging.getLogger("trustcast.admission")

TRIES = 8
READS = 10
"""Values read in one admission at the most; a secret with more unreadable versions stops there."""

LONGEST = timedelta(seconds=10)
"""No further call to the vault begins after this time, so that an admission ends within 15 s."""


def admit(service: Service, key: SecretKey, *, event_version: str | None = None) -> Entry | None:
    """Bring the catalogue's row of one secret up to date, and see to a plan if that is owed.

    Args:
        service: ports and settings.
        key: which secret.
        event_version: the version that an event names; one that the catalogue knows costs no call to the vault.

    Returns:
        The row as it is now; None where vault and catalogue know no such secret.

    Raises:
        TrustcastError: the vault or the storage failed; nothing was decided.
    """
    entry, moved = _catalogue(service, key, event_version)
    head = service.decisions.head().value
    if head.token and service.work.planned() != head.token:
        request_plan(service, head, f"admitted {key.name}", regardless=not moved)
    return entry


def _catalogue(service: Service, key: SecretKey, event_version: str | None) -> tuple[Entry | None, bool]:
    values: dict[str, SecretValue] = {}
    for _ in range(TRIES):
        stored = service.decisions.row(RowName.secret(key))
        old = stored.value if stored and isinstance(stored.value, Entry) else None
        if old and event_version is not None and event_version in old.known:
            return old, False
        head = service.decisions.head()
        configuration = _configuration(service)
        watched = configuration.vault(key.vault)
        if watched is None:
            return old, False
        new = _judged(service, old, Source(service.vaults[key.vault], key, values), watched, configuration, head.value)
        if old is None and new.gone:
            return None, False
        try:
            return _write(service, stored, old, new, head, configuration)
        except Changed:
            continue
    raise Temporary(f"{key} changes faster than it can be catalogued; it is looked at again")


def _configuration(service: Service) -> Configuration:
    stored = service.decisions.row(RowName(RowKind.CONFIGURATION))
    return stored.value if stored and isinstance(stored.value, Configuration) else service.configured


@dataclass(frozen=True, slots=True)
class Source:
    """Where a secret is read, and what was read of it in this admission: a write begun anew reads nothing twice."""

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
        return examine(replace(self.values[version.version], properties=version), now=now)


def _judged(
    service: Service,
    old: Entry | None,
    source: Source,
    watched: WatchedVault,
    configuration: Configuration,
    head: Head,
) -> Entry:
    """Look at the secret, reading the value of a version only if it is new, assigned and may decide."""
    now = service.clock()
    look = Look(now, newest_first(source.vault, source.key, old), {}, head.rebuilt(now))
    assigned = assign(look.versions, watched, configuration)
    assignment = assigned.assignment or (old.assignment if old else None)
    if assignment is not None and assignment.lists:
        due = proof_is_due(old, look.at)
        if due and (version := next((v for v in look.versions if v.version == due and v.enabled), None)):
            look = replace(look, readings={due: source.reading(version, look.at)})
        for _ in range(READS):
            wanted = walk(old, look, assignment, configuration).wants
            if wanted is None:
                break
            if service.clock() - look.at > LONGEST:
                raise Temporary(f"the vault answers too slowly to look at {source.key}")
            try:
                reading = source.reading(wanted, look.at)
            except Unauthorized:
                return _unreadable(old, source.key, look, assigned, wanted)
            look = replace(look, readings={**look.readings, wanted.version: reading})
    return judge(old, source.key, look, assigned, configuration)


def _unreadable(old: Entry | None, key: SecretKey, look: Look, assigned: Assigned, version: VersionProperties) -> Entry:
    """The vault tells the secret's properties and refuses its value: that is said, and decides nothing (law 4)."""
    entry = old or Entry(key, version.name, None, assigned.assignment or NOWHERE, look.at)
    finding = Finding(Code.UNREADABLE, f"version {version.version}")
    return replace(
        entry, newest=look.versions[0], notes=(*assigned.findings, finding), looked=look.at, settled=False, gone=False
    )


def _write(
    service: Service,
    stored: Stored[Row] | None,
    old: Entry | None,
    new: Entry,
    head: Stored[Head],
    configuration: Configuration,
) -> tuple[Entry, bool]:
    """Write the row, with a new head where it decides anything; the row as written, and whether the head moved.

    What was compared must still be so when it is written: another's change may lose nothing alone and much with this.
    """
    along: tuple[Write, ...] = ()
    on_head: str | None = None
    if may_lose(old, new) or len(new.candidates) > 1:
        head = service.decisions.head()
        on_head = head.etag
        new, along = _guarded(service, configuration, old, new)
    row = Write(RowName.secret(new.key), new, stored.etag if stored else None)
    _tell(old, new)
    if new.decides_like(old):
        if new != old:
            service.decisions.commit([row], head=None)
        return new, False
    service.decisions.commit([row, *along], head=service.next_head(head.value), on_head=on_head)
    return new, True


def _guarded(
    service: Service, configuration: Configuration, old: Entry | None, new: Entry
) -> tuple[Entry, tuple[Write, ...]]:
    """The entry as it may be written, held where it would take too much; and the rows that go with a removal."""
    snapshot = service.decisions.snapshot()
    before = Desires(with_entry(snapshot, new.key, old), configuration)
    after = Desires(with_entry(snapshot, new.key, new), configuration)
    lost = losses(before, after)
    held = old.held if old else None
    waits = hold(str(new.key), f"{new.key}: {_cause(old, new)}", lost, now=new.looked, before=held)
    steered = old is not None and old.assignment.clusters != new.assignment.clusters
    if must_wait(service, after, waits, now=new.looked, steered=steered, held=held is not None):
        base = old or Entry(new.key, new.name, None, NOWHERE, new.looked)
        return replace(base, held=waits, looked=new.looked, settled=False, waiting=new.candidates), ()
    ended = ended_refusals(before, after)
    new = remembering(settle(new, in_force(after, new)), ended.get(new.key, ()))
    others = {key: refusals for key, refusals in ended.items() if key != new.key}
    return new, (*removal_rows(service, snapshot, waits), *refusal_rows(service, others))


def with_entry(snapshot: Snapshot, key: SecretKey, entry: Entry | None) -> Snapshot:
    """The snapshot as it would be with this entry; None: without any for the key."""
    entries = {k: e for k, e in snapshot.entries.items() if k != key}
    if entry is not None:
        entries[key] = entry
    return replace(snapshot, entries=entries)


def in_force(desires: Desires, entry: Entry) -> frozenset[str]:
    """The versions of the secret that are in force on any list of any cluster."""
    return frozenset(
        version
        for registration in desires.snapshot.clusters.values()
        for definition in registration.definitions(desires.configuration)
        if (version := desires.of(registration, definition).chosen.get(entry.key)) is not None
    )


def _cause(old: Entry | None, new: Entry) -> str:
    if new.gone:
        return "the secret was deleted"
    if not new.assignment.lists:
        return "it was unassigned"
    if old is not None and old.assignment != new.assignment:
        return "it is assigned elsewhere"
    if any(not c.enabled for c in new.candidates):
        return "its version in force was disabled"
    return "a newer version takes the place of the one in force"


def _tell(old: Entry | None, new: Entry) -> None:
    """Log what a person would read, and nothing where only the times of looking differ."""
    if old and old == replace(new, looked=old.looked, proved=old.proved, settled=old.settled):
        return
    tampered = any(note.code is Code.CATALOGUE_TAMPERED for note in new.notes)
    level = logging.WARNING if tampered else logging.INFO
    state = "held" if new.held else "gone" if new.gone else "assigned" if new.assigned else "unassigned"
    codes = sorted({finding.code.value for rejected in new.rejected[:1] for finding in rejected.findings})
    log.log(level, "catalogued %s: %s%s %s", new.key, state, "" if old else " (new)", " ".join(codes))
