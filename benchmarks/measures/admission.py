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
from sync.steps.versions import newest_first
from tests.support import certs
from tests.support.fleet import HOST, Fleet, registration

if TYPE_CHECKING:
    from collections.abc import Callable

CLUSTERS, SECRETS, LABEL_SETS = 5000, 2000, 500
RUNS = 5
GOAL = 0.2  # seconds


def run() -> Report:
    fleet = _fleet()
    selector = _least(fleet, "s0007", lambda n: _retag(fleet, n))
    floor = _least_of(lambda: newest_first(fleet.vault, SecretKey(HOST, "s0007"), None))
    ca = certs.ca()
    fleet.vault.set("root", ca.pem, tags=_tags(0))
    admit(fleet.runtime, SecretKey(HOST, "root"))
    crl = _least(fleet, "root-crl", lambda n: _renew_crl(fleet, ca, n))
    return Report(
        "admission",
        (
            _figure("a selector changes", selector, floor),
            _figure("a CRL is renewed", crl, floor),
        ),
        ("The floor is the look at the vault alone. What decides was read before; reading it is in `storage`.",),
    )


def _figure(what: str, ours: float, floor: float) -> Figure:
    title = f"admission beside {SECRETS:,} secrets and {CLUSTERS:,} clusters, processor time: {what}"
    text = f"{ours * 1000:.1f} ms"
    return Figure(title, f"{floor * 1000:.1f} ms", text, f"{ours / floor:.1f}", "≤ 0.2 s", ours <= GOAL)


def _fleet() -> Fleet:
    fleet = Fleet(stamp=Stamp("", "1"))
    fleet.register(*(registration(f"c{n:04}", site=f"s{n % LABEL_SETS}", env="prod") for n in range(CLUSTERS)))
    pem = certificate("plc").pem
    for number in range(SECRETS):
        fleet.vault.set(f"s{number:04}", pem, tags=_tags(number))
    fleet.clock.move(timedelta(minutes=1))
    for number in range(SECRETS):
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


def _least_of(action: Callable[[], object]) -> float:
    return min(_timed(action) for _ in range(RUNS))


def _timed(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return time.process_time() - began
