"""One admission beside 2,000 secrets and 5,000 clusters in 500 label sets: the least processor time, storage in memory.

The secret's selector changes, so that who reaches what is compared before and after; and a CRL is proven.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from benchmarks.figures import Figure, Report
from benchmarks.stack.rig import certificate
from sync.catalogue.secret import SecretKey
from sync.catalogue.snapshot import Stamp
from sync.steps.admission import admit
from tests.support import certs
from tests.support.fleet import HOST, Fleet, registration

if TYPE_CHECKING:
    from collections.abc import Callable

CLUSTERS, SECRETS, LABEL_SETS = 5000, 2000, 500
RUNS = 5
GOAL = 0.2  # seconds


def run() -> Report:
    small, large = _measured(_fleet(8, 1)), _measured(_fleet(SECRETS, CLUSTERS))
    return Report(
        "admission",
        tuple(_figure(what, large[what], small[what]) for what in small),
        ("The floor is the same beside 8 secrets and 1 cluster. What decides was read before: see `storage`.",),
    )


def _measured(fleet: Fleet) -> dict[str, float]:
    ca = certs.ca()
    fleet.vault.set("root", ca.pem, tags=_tags(0))
    admit(fleet.runtime, SecretKey(HOST, "root"))
    return {
        "a selector changes": _least(fleet, "s0007", lambda n: _retag(fleet, n)),
        "a CRL is renewed": _least(fleet, "root-crl", lambda n: _renew_crl(fleet, ca, n)),
    }


def _figure(what: str, ours: float, floor: float) -> Figure:
    title = f"admission beside {SECRETS:,} secrets and {CLUSTERS:,} clusters, processor time: {what}"
    text = f"{ours * 1000:.1f} ms"
    return Figure(title, f"{floor * 1000:.1f} ms", text, f"{ours / floor:.1f}", "≤ 0.2 s", ours <= GOAL)


def _fleet(secrets: int, clusters: int) -> Fleet:
    fleet = Fleet(stamp=Stamp("", "1"))
    fleet.register(*(registration(f"c{n:04}", site=f"s{n % LABEL_SETS}", env="prod") for n in range(clusters)))
    pem = certificate("plc").pem
    for number in range(secrets):
        fleet.vault.set(f"s{number:04}", pem, tags=_tags(number))
    fleet.clock.move(timedelta(minutes=1))
    for number in range(secrets):
        admit(fleet.runtime, SecretKey(HOST, f"s{number:04}"))
    return fleet


def _tags(number: int) -> dict[str, str]:
    return {"trustcast-lists": "trust", "trustcast-clusters": f"site=s{number % LABEL_SETS}"}


def _retag(fleet: Fleet, number: int) -> None:
    newest = fleet.vault.versions("s0007").items[0].version
    selector = f"site in (s7, s{number})"
    fleet.vault.update("s0007", newest, tags={"trustcast-lists": "trust", "trustcast-clusters": selector})


def _renew_crl(fleet: Fleet, ca: certs.Built, number: int) -> None:
    fleet.vault.set("root-crl", certs.crl(ca, number=number + 1, revoked=range(1, 501)).pem, tags=_tags(0))


def _least(fleet: Fleet, name: str, change: Callable[[int], None]) -> float:
    found = []
    for number in range(RUNS):
        fleet.clock.move(timedelta(seconds=5))
        change(number)
        fleet.runtime.decisions.snapshot()
        found.append(_timed(lambda: admit(fleet.runtime, SecretKey(HOST, name))))
    return min(found)


def _timed(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return time.process_time() - began
