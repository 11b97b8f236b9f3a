"""Law 12: a cluster that cannot be reached waits in its row, fills no queue, and catches up by itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sync.errors import Unreachable
from sync.reconcile.status import State
from sync.steps.push import push_cluster
from tests.support import certs
from tests.support.catalogues import ISSUER
from tests.support.failing import failing
from tests.support.fleet import CONFIGURATION, TRUST, Fleet, registration

if TYPE_CHECKING:
    from datetime import datetime

    from sync.reconcile.status import ListStatus
    from tests.support.memory import MemoryCluster, Message

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FAR = "offshore"


@dataclass
class Offshore(Fleet):
    """Keeps what is behind the link, and when it was tried."""

    real: MemoryCluster = field(init=False)
    attempts: list[datetime] = field(default_factory=list)

    def attempted(self, *_: object) -> bool:
        self.attempts.append(self.clock())
        return True


@pytest.fixture
def fleet() -> Offshore:
    """One cluster whose link is down and one that is up; attempts on the first are counted."""
    made = Offshore()
    made.register(registration(FAR), registration("near"))
    made.upload("first", certs.server(name="first").pem, TAGS)
    made.work_off()
    made.real = made.clusters[FAR]
    made.clusters[FAR] = failing(made.real, Unreachable("no connection"), made.attempted)
    return made


def status(fleet: Fleet, name: str = FAR) -> ListStatus:
    return fleet.status(name)


def due(fleet: Fleet) -> datetime | None:
    stored = fleet.work.cluster(FAR)
    assert stored is not None
    return stored.value.due


def upload(fleet: Fleet, name: str) -> None:
    fleet.clock.move(MINUTE)
    fleet.upload(name, certs.server(name=name).pem, TAGS)
    fleet.work_off()


def waiting(fleet: Fleet) -> int:
    return sum(map(len, fleet.queues.waiting.values())) + len(fleet.queues.taken)


def test_law12_it_is_called_offline_with_its_next_attempt_in_its_row(fleet: Offshore) -> None:
    upload(fleet, "second")
    assert (status(fleet).state, status(fleet).failures) == (State.OFFLINE, 1)
    assert status(fleet).due == due(fleet) == fleet.clock() + timedelta(seconds=30)
    assert status(fleet, "near").state is State.IN_SYNC


def test_law12_the_earlier_due_time_holds_where_another_push_ended_meanwhile(fleet: Offshore) -> None:
    begun: list[str] = []

    def drops(*_: object) -> bool:
        if not begun:
            begun.append("the push that loses its link while another runs and ends well")
            fleet.clusters[FAR] = fleet.real
            push_cluster(fleet.runtime, FAR)
            fleet.clusters[FAR] = dropping
        return True

    fleet.clusters[FAR] = dropping = failing(fleet.real, Unreachable("no connection"), drops)
    push_cluster(fleet.runtime, FAR)
    assert status(fleet).state is State.OFFLINE
    assert due(fleet) == status(fleet).due


def test_law12_a_push_that_ends_well_leaves_the_due_time_of_one_that_did_not(fleet: Offshore) -> None:
    begun: list[str] = []

    def well(*_: object) -> bool:
        if not begun:
            begun.append("the push during which another one finds the link dead")
            fleet.clusters[FAR] = failing(fleet.real, Unreachable("no connection"))
            push_cluster(fleet.runtime, FAR)
            fleet.clusters[FAR] = fleet.real
        return False

    fleet.clusters[FAR] = failing(fleet.real, Unreachable("no connection"), well)
    push_cluster(fleet.runtime, FAR)
    assert due(fleet) == fleet.clock() + timedelta(seconds=30)


def test_law12_a_cluster_is_due_when_the_first_of_its_lists_is(fleet: Offshore) -> None:
    fleet.runtime = replace(fleet.runtime, configured=replace(CONFIGURATION, lists=(TRUST, ISSUER)))
    fleet.clusters[FAR] = failing(
        fleet.real, Unreachable("no connection"), lambda _, *where: where[1:2] == (ISSUER.object,)
    )
    fleet.sweep()
    dues = [fleet.status(FAR, each).due for each in (TRUST, ISSUER)]
    first, second = dues
    assert first is not None
    assert second is not None
    assert due(fleet) == second < first


def test_law12_attempts_back_off_to_an_hour_and_never_end(fleet: Offshore) -> None:
    upload(fleet, "second")
    for _ in range(24 * 60):
        fleet.sweep(MINUTE)
    gaps = [later - earlier for earlier, later in zip(fleet.attempts, fleet.attempts[1:], strict=False)]
    assert max(gaps) <= HOUR + MINUTE
    assert gaps[-1] >= HOUR
    assert len(fleet.attempts) < 24 + 12


def test_law12_changes_meanwhile_ask_nothing_of_it_before_its_time(fleet: Offshore) -> None:
    upload(fleet, "second")
    for _ in range(240):
        fleet.sweep(MINUTE)
    last = len(fleet.attempts)
    while (before := len(fleet.attempts)) == last:
        fleet.sweep(MINUTE)
    for n in range(9):
        upload(fleet, f"more-{n}")
    assert len(fleet.attempts) == before
    assert "more-8.der" in fleet.files("near")


def test_law12_it_never_fills_a_queue_and_no_message_of_it_fails(
    fleet: Offshore, monkeypatch: pytest.MonkeyPatch
) -> None:
    dequeued: list[int] = []
    take = fleet.queues.take

    def counting(queue: str) -> Message | None:
        message = take(queue)
        if message:
            dequeued.append(message.dequeued)
        return message

    monkeypatch.setattr(fleet.queues, "take", counting)
    upload(fleet, "second")
    for _ in range(300):
        fleet.sweep(MINUTE)
        assert waiting(fleet) == 0
    assert set(dequeued) == {1}


def test_law12_it_catches_up_by_itself_with_all_that_happened_meanwhile(fleet: Offshore) -> None:
    for name in ("second", "third"):
        upload(fleet, name)
    fleet.vault.delete("first")
    for _ in range(300):
        fleet.sweep(MINUTE)
    assert set(fleet.real.state.files(TRUST.namespace, TRUST.object)) == {"first.der"}
    fleet.clusters[FAR] = fleet.real
    for _ in range(61):
        fleet.sweep(MINUTE)
    assert set(fleet.files(FAR)) == {"second.der", "third.der"}
    assert (status(fleet).state, status(fleet).failures) == (State.IN_SYNC, 0)


def test_law12_a_link_that_is_back_and_goes_again_begins_anew(fleet: Offshore) -> None:
    for _ in range(120):
        fleet.sweep(MINUTE)
    cut_off = fleet.clusters[FAR]
    fleet.clusters[FAR] = fleet.real
    for _ in range(61):
        fleet.sweep(MINUTE)
    assert status(fleet).failures == 0
    fleet.clusters[FAR] = cut_off
    for _ in range(31):
        fleet.sweep(MINUTE)
    assert status(fleet).failures in range(1, 7)


def test_law12_many_that_are_offline_at_once_are_tried_apart_from_the_others() -> None:
    fleet = Fleet()
    names = [f"far-{n}" for n in range(40)]
    fleet.register(registration("near"), *(registration(name) for name in names))
    for name in names:
        fleet.clusters[name] = failing(fleet.clusters[name], Unreachable("no connection"))
    upload(fleet, "first")
    for n in range(20):
        fleet.sweep(MINUTE)
        upload(fleet, f"more-{n}")
        assert f"more-{n}.der" in fleet.files("near")
        assert waiting(fleet) == 0
