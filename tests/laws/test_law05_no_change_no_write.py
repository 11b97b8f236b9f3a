"""Law 5: equal content means no request that writes; an in-sync list costs one read. Counted over real HTTPS."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from sync.fleet.lists import DEFAULT_LISTS
from sync.reconcile.status import State
from sync.steps.push import push_cluster
from tests.support import certs
from tests.support.http_fleet import TRUST, http_fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.http_fleet import HttpFleet, Stands

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
GOOD, ROOT = certs.server(), certs.ca()
MINUTE = timedelta(minutes=1)
IN_SYNC = Counter(get=len(DEFAULT_LISTS))


@pytest.fixture
def fleet(servers: Stands) -> Iterator[HttpFleet]:
    """Two clusters whose lists are in sync, and counts from zero."""
    with http_fleet(servers) as made:
        made.join("hamburg", "lyon")
        made.upload("plc7", GOOD.pem, TAGS)
        made.upload("root", ROOT.pem, TAGS | {"trustcast-lists": "issuer"})
        made.work_off()
        assert made.files("hamburg") == {"plc7.der": GOOD.der}
        made.clock.move(MINUTE)
        made.sweep(MINUTE)
        made.forget_counts()
        yield made


def asked(fleet: HttpFleet) -> dict[str, Counter[str]]:
    return {name: plant.requests for name, plant in fleet.api_servers.items()}


def longest_unverified(fleet: HttpFleet) -> datetime:
    times = [fleet.status(name).verified for name in fleet.api_servers]
    assert all(times)
    return min(filter(None, times))


def test_law5_a_verification_costs_one_read_a_list_and_no_write(fleet: HttpFleet) -> None:
    for name in fleet.api_servers:
        assert {status.state for status in push_cluster(fleet.runtime, name)} == {State.IN_SYNC}
    assert asked(fleet) == {"hamburg": IN_SYNC, "lyon": IN_SYNC}
    assert fleet.credentials.faults.counts() == {}


def test_law5_three_hours_without_changes_are_reads_alone(fleet: HttpFleet) -> None:
    for _ in range(3 * 60):
        fleet.sweep(MINUTE)
    assert all(set(requests) == {"get"} for requests in asked(fleet).values())
    assert set(fleet.watched.faults.counts()) == {"listing"}


NO_CHANGES: dict[str, Callable[[HttpFleet], object]] = {
    "the same bytes as a new version": lambda fleet: fleet.upload("plc7", GOOD.pem, TAGS),
    "the same certificate in another dress": lambda fleet: fleet.upload("plc7", GOOD.der.hex(), TAGS),
    "an invalid version": lambda fleet: fleet.upload("plc7", "no certificate", TAGS),
    "a secret that goes nowhere": lambda fleet: fleet.upload("password", "hunter2"),
    "a secret for other clusters": lambda fleet: fleet.upload("x", GOOD.pem, TAGS | {"trustcast-clusters": "site=x"}),
    "tags that come to the same": lambda fleet: fleet.watched.update(
        "plc7", tags={"trustcast-lists": " trust ,", "trustcast-clusters": "*"}
    ),
}


@pytest.mark.parametrize("change", NO_CHANGES.values(), ids=NO_CHANGES)
def test_law5_a_change_that_leaves_a_list_as_it_is_writes_nothing(
    fleet: HttpFleet, change: Callable[[HttpFleet], object]
) -> None:
    change(fleet)
    fleet.work_off()
    fleet.clock.move(MINUTE)
    fleet.sweep(MINUTE)
    for name in fleet.api_servers:
        push_cluster(fleet.runtime, name)
    assert all(set(requests) == {"get"} for requests in asked(fleet).values())
    assert fleet.files("hamburg") == {"plc7.der": GOOD.der}


def test_law5_a_change_of_one_list_writes_to_that_list_alone_and_once(fleet: HttpFleet) -> None:
    fleet.upload("plc8", certs.server(name="plc8").pem, TAGS)
    fleet.work_off()
    assert {name: requests["apply"] for name, requests in asked(fleet).items()} == {"hamburg": 1, "lyon": 1}
    assert not any(requests["create"] or requests["merge"] for requests in asked(fleet).values())


def test_law5_what_somebody_else_wrote_first_is_adopted_once_and_left_alone_then(fleet: HttpFleet) -> None:
    new = certs.server(name="plc8")
    fleet.api_servers["lyon"].edit(TRUST.namespace, TRUST.object, {"plc8.der": new.der})
    fleet.upload("plc8", new.pem, TAGS)
    fleet.work_off()
    assert fleet.api_servers["lyon"].requests["apply"] == 1
    fleet.forget_counts()
    for _ in range(3):
        push_cluster(fleet.runtime, "lyon")
    assert set(fleet.api_servers["lyon"].requests) == {"get"}


def test_law5_an_empty_list_is_not_even_created(servers: Stands) -> None:
    with http_fleet(servers) as fleet:
        fleet.join("hamburg")
        fleet.sweep(MINUTE)
        push_cluster(fleet.runtime, "hamburg")
        assert set(fleet.api_servers["hamburg"].requests) == {"get"}


def test_law5_a_verification_of_a_hundred_clusters_is_one_get_a_list_and_no_write(servers: Stands) -> None:
    with http_fleet(servers) as fleet:
        names = [f"plant-{n:03}" for n in range(100)]
        fleet.join(*names)
        fleet.upload("plc7", GOOD.pem, TAGS)
        fleet.work_off()
        assert all(fleet.files(name) == {"plc7.der": GOOD.der} for name in names)
        fleet.sweep(MINUTE)
        fleet.forget_counts()
        verified = longest_unverified(fleet)
        while longest_unverified(fleet) == verified:
            fleet.sweep(MINUTE)
            fleet.clock.move(MINUTE)
        while any(not requests for requests in asked(fleet).values()):
            fleet.sweep(MINUTE)
        assert {frozenset(each.items()) for each in asked(fleet).values()} == {frozenset(IN_SYNC.items())}
        assert set(fleet.watched.faults.counts()) == {"listing"}
        assert fleet.credentials.faults.counts() == {}
