"""Law 8: one bad secret, list, cluster, vault, row or event blocks nothing else."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sync.desired.capacity import ADDED_UP_TO
from sync.errors import Changed, Permanent, Temporary, Unauthorized, Unreachable
from sync.reconcile.status import State
from tests.support import certs
from tests.support.catalogues import CONFIGURATION, HOST, ISSUER, TRUST
from tests.support.failing import failing
from tests.support.fleet import Fleet, event, registration
from tests.support.memory import MemoryVault

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.kubernetes.cluster import Cluster
    from sync.deadline import Deadline
    from sync.fleet.clusters import Registration
    from sync.fleet.kubeconfig import Endpoint
    from sync.fleet.lists import ListDefinition
    from sync.ports.clusters import Target
    from sync.reconcile.observed import Observed
    from tests.support.memory import MemoryCluster

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
BOTH = {"trustcast-lists": "issuer,trust", "trustcast-clusters": "*"}
GOOD, ROOT = certs.server(), certs.ca()
MINUTE = timedelta(minutes=1)


@pytest.fixture
def fleet() -> Fleet:
    made = Fleet(configured=CONFIGURATION)
    made.register(registration("bad"), registration("good"), registration("other"))
    return made


def state(fleet: Fleet, cluster: str, definition: ListDefinition = TRUST) -> State:
    return fleet.status(cluster, definition).state


# --- Secrets ---------------------------------------------------------------------------------------------

BAD_VALUES = ["", "\x00", "%PDF-1.7", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----", "A" * 25_000]


@pytest.mark.parametrize("value", BAD_VALUES, ids=["empty", "control", "a document", "broken PEM", "25 kB of base64"])
def test_law8_a_bad_secret_keeps_no_other_from_its_lists(fleet: Fleet, value: str) -> None:
    fleet.upload("a-bad", value, TAGS)
    fleet.upload("good", GOOD.pem, TAGS)
    fleet.upload("z-bad", value, TAGS)
    fleet.work_off()
    fleet.sweep(MINUTE)
    assert fleet.files("good") == {"good.der": GOOD.der}


UNFORESEEN = RecursionError("planted: of a kind that no adapter should let pass")


@pytest.mark.parametrize("error", [Temporary("500"), Permanent("400"), Unauthorized("403"), UNFORESEEN], ids=repr)
def test_law8_a_secret_that_cannot_be_looked_at_stops_no_sweep(fleet: Fleet, error: Exception) -> None:
    for name in ("a-bad", "good", "z-good"):
        fleet.upload(name, GOOD.pem, TAGS)
    fleet.events.clear()
    vault = failing(fleet.vault, error, lambda _, *of: "a-bad" in of)
    fleet.runtime = replace(fleet.runtime, vaults={HOST: vault})
    fleet.sweep(MINUTE)
    assert set(fleet.files("good")) == {"good.der", "z-good.der"}
    fleet.runtime = replace(fleet.runtime, vaults={HOST: fleet.vault})
    fleet.sweep(MINUTE)
    assert set(fleet.files("good")) == {"a-bad.der", "good.der", "z-good.der"}


def test_law8_and_law9_of_an_error_that_nobody_foresaw_only_its_kind_is_told(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    fleet.vault.set("bad", GOOD.pem, tags=TAGS)
    fleet.runtime = replace(
        fleet.runtime,
        vaults={HOST: failing(fleet.vault, ValueError("PLANTED"), lambda called, *_: called == "versions")},
    )
    fleet.sweep(MINUTE)
    assert "ValueError" in caplog.text
    assert "PLANTED" not in caplog.text


def test_law8_one_bad_event_of_a_delivery_keeps_the_others(fleet: Fleet) -> None:
    version = fleet.upload("good", GOOD.pem, TAGS)
    good = json.loads(fleet.events.pop())
    foreign = json.loads(event("x", "1" * 32).replace(HOST, "other.vault.azure.net"))
    fleet.events = [json.dumps([17, {"eventType": None}, *foreign, *good, *json.loads(event("never-was", version))])]
    fleet.work_off()
    assert fleet.files("good") == {"good.der": GOOD.der}


# --- Vaults ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [Unreachable("time-out"), UNFORESEEN], ids=repr)
def test_law8_a_vault_that_fails_keeps_no_other_from_being_listed(error: Exception) -> None:
    hosts = ["a-bad.vault.azure.net", HOST, "z-good.vault.azure.net"]
    vaults = tuple(replace(CONFIGURATION.vaults[0], url=f"https://{host}") for host in hosts)
    fleet = Fleet(configured=replace(CONFIGURATION, vaults=vaults))
    fleet.register(registration("plant"))
    last = MemoryVault(clock=fleet.clock, seed="other")
    bad = failing(MemoryVault(clock=fleet.clock), error)
    fleet.runtime = replace(fleet.runtime, vaults=dict(zip(hosts, (bad, fleet.vault, last), strict=True)))
    fleet.vault.set("one", GOOD.pem, tags=TAGS)
    last.set("two", GOOD.pem, tags=TAGS)
    fleet.sweep(MINUTE)
    assert set(fleet.files("plant")) == {"one.der", "two.der"}


# --- Lists -----------------------------------------------------------------------------------------------


def spoil_immutable(state: Cluster) -> None:
    state.create(TRUST.namespace, {"metadata": {"name": TRUST.object}, "immutable": True}, "kubectl-create")


def spoil_sse(state: Cluster) -> None:
    state.edit(TRUST.namespace, TRUST.object, {"x": b"x"})
    state.make_sse_owned(TRUST.namespace, TRUST.object)


def spoil_conflict(state: Cluster) -> None:
    state.edit(TRUST.namespace, TRUST.object, {"root.der": b"somebody else's"})


@pytest.mark.parametrize(
    ("spoil", "told"),
    [(spoil_immutable, State.BLOCKED), (spoil_sse, State.SSE_MANAGED), (spoil_conflict, State.CONFLICT)],
    ids=["immutable", "the extension's", "conflict"],
)
def test_law8_a_list_that_cannot_be_written_keeps_no_other_list_nor_cluster(
    fleet: Fleet, spoil: Callable[[Cluster], object], told: State
) -> None:
    spoil(fleet.clusters["bad"].state)
    fleet.upload("root", ROOT.pem, BOTH)
    fleet.work_off()
    assert (state(fleet, "bad"), state(fleet, "bad", ISSUER)) == (told, State.IN_SYNC)
    assert fleet.files("bad", ISSUER) == fleet.files("good") == {"root.der": ROOT.der}


def test_law8_a_conflict_over_one_file_keeps_no_other_file_of_the_list(fleet: Fleet) -> None:
    spoil_conflict(fleet.clusters["bad"].state)
    fleet.upload("root", ROOT.pem, TAGS)
    fleet.upload("good", GOOD.pem, TAGS)
    fleet.work_off()
    assert fleet.files("bad") == {"root.der": b"somebody else's", "good.der": GOOD.der}


def test_law8_a_full_list_keeps_its_newest_addition_waiting_and_removes_all_the_same(fleet: Fleet) -> None:
    others = {"notes": b"n" * (ADDED_UP_TO - len(ROOT.der) - len(GOOD.der) - 10)}
    fleet.clusters["bad"].state.edit(TRUST.namespace, TRUST.object, others)
    for name, built in {"root": ROOT, "good": GOOD, "newest": certs.server(name="newest")}.items():
        fleet.clock.move(MINUTE)
        fleet.upload(name, built.pem, TAGS)
        fleet.work_off()
    assert set(fleet.files("bad")) == {"notes", "root.der", "good.der"}
    assert state(fleet, "bad") is State.BLOCKED
    assert fleet.status("bad").over_limit == ("newest.der",)
    assert set(fleet.files("good")) == {"root.der", "good.der", "newest.der"}
    fleet.vault.delete("good")
    fleet.sweep(MINUTE)
    assert set(fleet.files("bad")) == {"notes", "root.der", "newest.der"}


def test_law8_a_tenth_of_the_limit_is_kept_for_the_growth_of_what_is_there(fleet: Fleet) -> None:
    fleet.upload("root", ROOT.pem, TAGS)
    fleet.work_off()
    fleet.clusters["bad"].state.edit(TRUST.namespace, TRUST.object, {"notes": b"n" * ADDED_UP_TO})
    larger = certs.ca(key="rsa-4096")
    for name, built in {"root": larger, "newest": GOOD}.items():
        fleet.clock.move(MINUTE)
        fleet.upload(name, built.pem, TAGS)
        fleet.work_off()
    assert {n: data for n, data in fleet.files("bad").items() if n != "notes"} == {"root.der": larger.der}
    assert fleet.status("bad").over_limit == ("newest.der",)


# --- Clusters --------------------------------------------------------------------------------------------

FAULTS = {
    "no answer": (Unreachable("time-out"), State.OFFLINE),
    "no permission": (Unauthorized("403"), State.UNAUTHORIZED),
    "refuses": (Permanent("422"), State.BLOCKED),
    "busy": (Temporary("429"), State.PENDING),
}


@pytest.mark.parametrize("method", ["observe", "create_empty", "apply"])
@pytest.mark.parametrize(("error", "told"), FAULTS.values(), ids=FAULTS)
def test_law8_a_cluster_that_fails_keeps_no_other_waiting(
    fleet: Fleet, error: Exception, told: State, method: str
) -> None:
    fleet.clusters["bad"] = failing(fleet.clusters["bad"], error, lambda called, *_: called == method)
    fleet.upload("root", ROOT.pem, TAGS)
    fleet.work_off()
    assert state(fleet, "bad") is told
    assert fleet.files("good") == fleet.files("other") == {"root.der": ROOT.der}


@pytest.mark.parametrize("error", [Permanent("no credential"), Temporary("the credentials vault is busy")], ids=repr)
def test_law8_a_cluster_without_a_usable_credential_keeps_no_other_waiting(fleet: Fleet, error: Exception) -> None:
    real = fleet.runtime.clusters

    class Access:
        def endpoint(self, cluster: str, secret: str) -> Endpoint:
            return real.endpoint(cluster, secret)

        def connect(self, registration: Registration, deadline: Deadline, *, renew: bool = False) -> Target:
            if registration.name == "bad":
                raise error
            return real.connect(registration, deadline, renew=renew)

    fleet.runtime = replace(fleet.runtime, clusters=Access())
    fleet.upload("root", ROOT.pem, TAGS)
    fleet.work_off()
    assert state(fleet, "bad") in {State.BLOCKED, State.PENDING}
    assert fleet.files("good") == {"root.der": ROOT.der}


def test_law8_a_list_that_fails_keeps_not_the_next_list_of_its_cluster(fleet: Fleet) -> None:
    def fails(_: str, *where: object) -> bool:
        return TRUST.object in where

    fleet.clusters["bad"] = failing(fleet.clusters["bad"], Unreachable("time-out"), fails)
    fleet.upload("root", ROOT.pem, BOTH)
    fleet.work_off()
    assert (state(fleet, "bad"), state(fleet, "bad", ISSUER)) == (State.OFFLINE, State.IN_SYNC)


def crowded(monkeypatch: pytest.MonkeyPatch, cluster: MemoryCluster, *, ours: bool) -> dict[str, bytes]:
    """The trust list as a hostile cluster shows it: more keys than a row can hold, said to be ours or others'."""
    keys = {f"{number:x}": random.Random(number).randbytes(32) for number in range(30_000)}
    real, owned = cluster.observe, frozenset(keys if ours else ())

    def observe(*where: str) -> Observed:
        seen = real(*where)
        if TRUST.object not in where:
            return seen
        found = replace(seen, data={**seen.data, **keys}, owned=seen.owned | owned)
        return replace(found, uid=seen.uid or "uid", resource_version=seen.resource_version or "1")

    monkeypatch.setattr(cluster, "observe", observe)
    return keys


def test_law8_others_keys_without_end_are_counted_and_keep_not_the_next_list(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = crowded(monkeypatch, fleet.clusters["bad"], ours=False)
    fleet.upload("root", ROOT.pem, {**TAGS, "trustcast-lists": "issuer"})
    fleet.work_off()
    assert fleet.files("bad", ISSUER) == {"root.der": ROOT.der}
    assert state(fleet, "bad") is State.IN_SYNC
    told = fleet.status("bad")
    assert sorted(keys)[: len(told.unmanaged)] == list(told.unmanaged)
    assert 500 < len(told.unmanaged) == len(keys) - told.unlisted


def test_law8_a_status_that_the_storage_refuses_is_told_and_keeps_not_the_next_list(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.upload("good", GOOD.pem, TAGS)
    fleet.work_off()
    before = fleet.status("bad")
    crowded(monkeypatch, fleet.clusters["bad"], ours=True)
    fleet.upload("root", ROOT.pem, {**TAGS, "trustcast-lists": "issuer"})
    fleet.work_off()
    fleet.sweep(timedelta(hours=1))
    told = fleet.status("bad")
    assert fleet.files("bad", ISSUER) == {"root.der": ROOT.der}
    assert (told.state, told.files) == (State.BLOCKED, before.files)
    assert "too large for a row" in told.detail
    assert "remove keys from it on the cluster" in told.detail


# --- Rows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["secret", "cluster"])
def test_law8_a_damaged_row_keeps_no_other_from_being_served(fleet: Fleet, kind: str) -> None:
    fleet.upload("a-bad", GOOD.pem, TAGS)
    fleet.work_off()
    rows = fleet.decisions.table.partitions["decisions"]
    damaged = next(name for name in sorted(rows) if name.startswith(f"{kind}|"))
    rows[damaged] = replace(rows[damaged], value={"schema": 1, "body0": b"\x00damaged"}, etag="damaged")
    fleet.upload("good", ROOT.pem, TAGS)
    fleet.work_off()
    fleet.sweep(MINUTE)
    assert "good.der" in fleet.files("good")
    assert "a-bad.der" in fleet.files("good")


def test_law8_a_list_that_changes_under_every_try_is_pending_and_asked_for_again(fleet: Fleet) -> None:
    fleet.upload("good", GOOD.pem, TAGS)
    of_bad = failing(
        fleet.runtime.clusters, Changed("409"), lambda _, *of: any(getattr(o, "name", "") == "bad" for o in of)
    )
    calm, fleet.runtime = fleet.runtime, replace(fleet.runtime, clusters=of_bad)
    fleet.work_off()
    assert state(fleet, "bad") is State.PENDING
    assert set(fleet.files("good")) == {"good.der"}
    fleet.runtime = calm
    fleet.sweep(MINUTE)
    assert state(fleet, "bad") is State.IN_SYNC
