"""What people command: registrations, approvals, lasting revocations. Assignments are tags: `commands.assignment`.

Every command that changes what decides goes through one transaction with a new head, compares desired before and after
(law 4), and asks for a plan like an admission does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from sync.catalogue.entry import Entry, Held
from sync.certificates.items import Kind
from sync.desired.removals import hold, losses
from sync.desired.state import Desires
from sync.errors import Changed, Invalid, NotFound, Temporary
from sync.fleet.clusters import Registration
from sync.ports.decisions import Approval, Proposal, RowKind, RowName, Write
from sync.steps.admission import admit
from sync.steps.configuration import PROPOSED, adopt_configuration
from sync.steps.enqueue import request_plan
from sync.steps.holding import amended, must_wait, removal_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from sync.catalogue.secret import SecretKey
    from sync.ports.decisions import Snapshot
    from sync.steps.runtime import Service

TRIES = 6

MOST_CLEARED = 90
"""CRLs whose refusals one command forgets: as many as one transaction takes."""


@dataclass(frozen=True, slots=True)
class HeldRemoval:
    """A removal that waits: what is shown, and where it was found."""

    held: Held
    key: SecretKey | None = None
    proposal: str | None = None


def _decide(service: Service, step: Callable[[Snapshot], tuple[Write, ...]], *, on_head: bool = True) -> None:
    """Run one read-decide-write step until nothing changed under it.

    Args:
        service: ports and settings.
        step: the writes, from all that decides.
        on_head: they are refused where anything at all changed; False: only where the rows did that they name.
    """
    for _ in range(TRIES):
        head = service.decisions.head()
        snapshot = service.decisions.snapshot(fresh=True)
        new = service.next_head(head.value)
        try:
            writes = step(snapshot)
            if writes:
                service.decisions.commit(writes, head=new, on_head=head.etag if on_head else None)
                request_plan(service, new, "steered")
        except Changed:
            continue
        return
    raise Temporary("others change the same rows at the same time; run the command again")


def register(service: Service, asked: Callable[[Snapshot], Registration]) -> tuple[Registration, Held | None]:
    """Add a cluster or change its registration.

    Args:
        service: ports and settings.
        asked: the registration as it is to be, from all that decides; asked anew where that changed meanwhile.

    Returns:
        The registration. With None it is in force; otherwise with the removal that it would cause, which waits for
        approval: until then the registration stays as it was.
    """
    answer: list[tuple[Registration, Held | None]] = []

    def step(snapshot: Snapshot) -> tuple[Write, ...]:
        registration = asked(snapshot)
        writes, held = _registration_writes(service, snapshot, registration)
        answer.append((registration, held))
        return writes

    _decide(service, step)
    return answer[-1]


def _registration_writes(
    service: Service, snapshot: Snapshot, registration: Registration
) -> tuple[tuple[Write, ...], Held | None]:
    row = RowName(RowKind.CLUSTER, registration.name)
    proposed = _proposed(registration.name)
    waiting = snapshot.proposals.get(proposed.rest)
    if snapshot.clusters.get(registration.name) == registration:
        return (), None
    configuration = service.in_force(snapshot)
    clusters = {**snapshot.clusters, registration.name: registration}
    after = Desires(replace(snapshot, clusters=clusters), configuration)
    lost = losses(Desires(snapshot, configuration), after)
    now = service.clock()
    before = waiting.held if waiting else None
    waits = hold(proposed.rest, f"cluster {registration.name} registered anew", lost, now=now, before=before)
    again = waiting is not None and waiting.registration == registration
    if must_wait(service, after, waits, now=now, steered=True, held=again):
        return (Write(proposed, Proposal(waits, registration=registration), "*"),), waits
    along = removal_rows(service, snapshot, waits)
    used = (Write(proposed, None, "*"),) if waiting else ()
    return (Write(row, registration, "*"), *along, *used), None


def _proposed(cluster: str) -> RowName:
    return RowName(RowKind.PROPOSAL, f"{RowKind.CLUSTER}|{cluster}")


def unregister(service: Service, name: str) -> None:
    """Forget a cluster, and a change of it that waits; its lists stay as they are.

    Raises:
        NotFound: no such cluster is registered.
    """

    def step(snapshot: Snapshot) -> tuple[Write, ...]:
        _registered(snapshot, name)
        waiting = _proposed(name)
        dropped = (Write(waiting, None, "*"),) if waiting.rest in snapshot.proposals else ()
        return (Write(RowName(RowKind.CLUSTER, name), None, "*"), *dropped)

    _decide(service, step)
    service.work.forget_cluster(name)
    service.statuses.forget_cluster(name)


def set_paused(service: Service, name: str, paused: bool) -> None:
    """Pause or resume a cluster.

    Raises:
        NotFound: no such cluster is registered.
    """
    row = RowName(RowKind.CLUSTER, name)

    def step(_: Snapshot) -> tuple[Write, ...]:
        stored = service.decisions.row(row)
        if stored is None or not isinstance(stored.value, Registration):
            raise NotFound(_UNKNOWN.format(name))
        if stored.value.paused == paused:
            return ()
        return (Write(row, replace(stored.value, paused=paused), stored.etag),)

    _decide(service, step, on_head=False)


_UNKNOWN = "no cluster {} is registered; see `trustcast clusters list`"


def _registered(snapshot: Snapshot, name: str) -> Registration:
    registration = snapshot.clusters.get(name)
    if registration is None:
        raise NotFound(_UNKNOWN.format(name))
    return registration


def held_removals(snapshot: Snapshot) -> tuple[HeldRemoval, ...]:
    """Every removal that waits for a person or was rejected, oldest first."""
    secrets = [HeldRemoval(e.held, key=e.key) for e in snapshot.entries.values() if e.held]
    proposals = [HeldRemoval(p.held, proposal=name) for name, p in snapshot.proposals.items()]
    return tuple(sorted((*secrets, *proposals), key=lambda removal: removal.held.since))


def find_held(snapshot: Snapshot, digest: str) -> HeldRemoval:
    """The held removal whose digest begins so (at least 8 characters).

    Raises:
        Invalid: none or several do.
    """
    found = [r for r in held_removals(snapshot) if r.held.digest.startswith(digest)]
    if len(digest) < 8 or len(found) != 1:  # noqa: PLR2004  shorter is too easily mistaken
        raise Invalid("no single removal waits under this digest; copy it anew from `trustcast removals list`")
    return found[0]


def approve(service: Service, digest: str) -> HeldRemoval:
    """Consent to a held removal exactly as shown; it is carried out at once, from a fresh look.

    Raises:
        Invalid: nothing waits under this digest (it may have changed since it was shown).
    """
    removal = find_held(service.decisions.snapshot(fresh=True), digest)
    approval = Approval(removal.held.digest, service.clock())

    def step(_snapshot: Snapshot) -> tuple[Write, ...]:
        return (Write(RowName(RowKind.APPROVAL, approval.digest), approval, "*"),)

    _decide(service, step, on_head=False)
    _carry_out(service, removal)
    return removal


def _carry_out(service: Service, removal: HeldRemoval) -> None:
    if removal.key is not None:
        admit(service, removal.key)
    elif removal.proposal == PROPOSED.rest:
        adopt_configuration(service)
    elif removal.proposal is not None:
        proposal = service.decisions.snapshot().proposals.get(removal.proposal)
        if proposal is None or proposal.registration is None:
            raise NotFound("what waited is gone since; see `trustcast removals list`")
        register(service, partial(_as_proposed, proposed=proposal.registration))


def _as_proposed(snapshot: Snapshot, proposed: Registration) -> Registration:
    """The registration that waited; whether the cluster is paused is as it is now.

    Raises:
        NotFound: the cluster was removed meanwhile.
    """
    return replace(proposed, paused=_registered(snapshot, proposed.name).paused)


def reject(service: Service, digest: str) -> HeldRemoval:
    """Refuse a held removal: the files stay; a registration as it was proposed is dropped.

    Raises:
        Invalid: nothing waits under this digest.
    """
    removal = find_held(service.decisions.snapshot(fresh=True), digest)

    def step(snapshot: Snapshot) -> tuple[Write, ...]:
        now = find_held(snapshot, removal.held.digest)
        refused = replace(now.held, refused=True)
        if now.key is not None:
            row = RowName.secret(now.key)
            stored = service.decisions.row(row)
            if stored is None or not isinstance(stored.value, Entry) or stored.value.held != now.held:
                raise Changed("the removal changed while it was rejected")
            return (Write(row, replace(stored.value, held=refused), stored.etag),)
        name = RowName(RowKind.PROPOSAL, now.proposal or "")
        if now.proposal == PROPOSED.rest:
            return (Write(name, replace(snapshot.proposals[name.rest], held=refused), "*"),)
        return (Write(name, None, "*"),)

    _decide(service, step)
    return removal


def clear_revoked(service: Service, key: SecretKey) -> int:
    """Let a secret's certificates back in that a CRL refused which is in force no more; how many that are.

    A CRL in force goes on refusing what it lists.

    Raises:
        NotFound: the catalogue knows no such secret.
    """
    cleared: list[int] = []

    def step(snapshot: Snapshot) -> tuple[Write, ...]:
        entry = snapshot.entries.get(key)
        if entry is None:
            raise NotFound(f"the catalogue knows no secret {key}")
        own = {s.item.sha256 for c in entry.candidates for s in c.items if s.kind is Kind.CERTIFICATE}
        refusing = [e for e in snapshot.entries.values() if any(r.sha256 in own for r in e.refused)][:MOST_CLEARED]
        cleared.append(len(own & {refusal.sha256 for e in refusing for refusal in e.refused}))
        return tuple(amended(service, e.key, partial(_without, own=own)) for e in refusing)

    _decide(service, step, on_head=False)
    return cleared[-1]


def _without(entry: Entry, own: set[str]) -> Entry:
    return replace(entry, refused=tuple(refusal for refusal in entry.refused if refusal.sha256 not in own))
