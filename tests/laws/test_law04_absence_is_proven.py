"""Law 4: too large a removal waits for a person, told by its cause; what several workers remove is counted together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sync.catalogue.secret import SecretKey
from sync.commands.removals import approve
from sync.errors import Unreachable
from sync.steps.admission import admit
from tests.support import certs
from tests.support.failing import failing
from tests.support.fleet import HOST, Fleet, registration

if TYPE_CHECKING:
    from collections.abc import Callable

    from sync.catalogue.entry import Held
    from tests.support.memory import MemoryVault

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
NAMES = ("plc1", "plc2", "plc3", "plc4")


def test_law4_two_workers_together_remove_no_more_than_one_may() -> None:
    fleet = Fleet()
    fleet.register(registration("plant"))
    for name in NAMES:
        fleet.upload(name, certs.server(name=name).pem, TAGS)
    fleet.work_off()
    for name in NAMES[:2]:
        fleet.vault.delete(name)
    fleet.sweep()
    assert set(fleet.files("plant")) == {"plc3.der", "plc4.der"}

    for name in NAMES[2:]:
        fleet.vault.delete(name)
    others = [SecretKey.of(HOST, "plc4")]

    def meanwhile(label: str) -> None:
        if label.startswith("transact") and others:
            admit(fleet.runtime, others.pop())

    fleet.decisions.table.pause = meanwhile
    admit(fleet.runtime, SecretKey.of(HOST, "plc3"))
    fleet.work_off()
    fleet.clock.move(timedelta(minutes=1))
    fleet.work_off()
    assert others == []
    assert set(fleet.files("plant")) == {"plc3.der"}
    entries = fleet.decisions.snapshot(fresh=True).entries
    assert entries[SecretKey.of(HOST, "plc3")].held is not None
    assert entries[SecretKey.of(HOST, "plc4")].deleted


def test_law4_a_ca_and_its_crl_that_come_together_are_held_as_if_one_by_one() -> None:
    """Each alone takes nothing: the CA finds no CRL, and the CRL no CA."""
    fleet = Fleet()
    fleet.register(registration("plant"))
    root = certs.ca()
    leaves = [certs.server(name=f"leaf{n}", issuer=root) for n in range(10)]
    for number, leaf in enumerate(leaves):
        fleet.upload(f"leaf{number}", leaf.pem, TAGS)
    fleet.work_off()
    fleet.vault.set("root", root.pem, tags=TAGS)
    fleet.vault.set("crl", certs.crl(root, revoked=leaves).pem, tags=TAGS)
    others = [SecretKey.of(HOST, "crl")]

    def meanwhile(label: str) -> None:
        if label.startswith("transact") and others:
            admit(fleet.runtime, others.pop())

    fleet.decisions.table.pause = meanwhile
    admit(fleet.runtime, SecretKey.of(HOST, "root"))
    fleet.work_off()
    assert others == []
    assert {f"leaf{n}.der" for n in range(10)} <= fleet.files("plant").keys()
    assert [held(fleet, "root") is None, held(fleet, "crl") is None].count(False) == 1


def held(fleet: Fleet, name: str) -> Held | None:
    return fleet.decisions.snapshot(fresh=True).entries[SecretKey.of(HOST, name)].held


def waiting(fleet: Fleet, name: str) -> Held:
    found = held(fleet, name)
    assert found is not None
    return found


def test_law4_a_secret_of_many_clusters_may_be_deleted_and_not_steered_away() -> None:
    fleet = Fleet()
    fleet.register(*(registration(f"plant-{n}", row=str(n // 6)) for n in range(12)))
    for name in NAMES[:2]:
        fleet.upload(name, certs.server(name=name).pem, TAGS)
    fleet.work_off()
    fleet.vault.delete("plc1")
    current = fleet.vault.versions("plc2").items[0].version
    fleet.vault.update("plc2", current, tags=TAGS | {"trustcast-clusters": "row=0"})
    fleet.sweep()
    assert (held(fleet, "plc1"), waiting(fleet, "plc2").cause) == (None, f"{HOST}/plc2: it is assigned elsewhere")
    assert all(set(fleet.files(f"plant-{n}")) == {"plc2.der"} for n in range(12))


LINE = tuple(certs.server(name=f"press-{n}") for n in range(5))

CAUSES: dict[str, Callable[[MemoryVault, str], object]] = {
    "the secret was deleted": lambda vault, _: vault.delete("line"),
    "it was unassigned": lambda vault, version: vault.update("line", version, tags=TAGS | {"trustcast-lists": "none"}),
    "it is assigned elsewhere": lambda vault, version: vault.update(
        "line", version, tags=TAGS | {"trustcast-clusters": "site=elsewhere"}
    ),
    "its version in force was disabled": lambda vault, version: vault.set_enabled("line", version, False),
    "a newer version takes the place of the one in force": lambda vault, _: vault.set("line", LINE[0].pem),
}


@pytest.mark.parametrize(("cause", "act"), CAUSES.items(), ids=CAUSES)
def test_law4_what_is_held_says_what_would_take_the_files(
    cause: str, act: Callable[[MemoryVault, str], object]
) -> None:
    fleet = Fleet()
    fleet.register(registration("plant"))
    version = fleet.upload("line", "".join(each.pem for each in LINE), TAGS)
    fleet.work_off()
    before = fleet.files("plant")
    fleet.clock.move(timedelta(seconds=1))
    act(fleet.vault, version)
    fleet.sweep()
    assert waiting(fleet, "line").cause == f"{HOST}/line: {cause}"
    assert fleet.files("plant") == before
    assert len(before) == len(LINE)


def test_law4_an_approval_that_was_not_used_ends_within_the_hour() -> None:
    """What it was for ended by itself; the same change half a year later is asked for anew."""
    fleet = Fleet()
    fleet.register(registration("plant"))
    version = fleet.upload("line", "".join(each.pem for each in LINE), TAGS)
    fleet.work_off()
    fleet.clock.move(timedelta(seconds=1))
    fleet.vault.set_enabled("line", version, False)
    fleet.sweep()
    fleet.vault.set_enabled("line", version, True)
    approve(fleet.runtime, waiting(fleet, "line").digest)
    fleet.work_off()
    assert set(fleet.decisions.snapshot(fresh=True).approvals) != set()
    fleet.sweep(timedelta(days=180))
    assert fleet.decisions.snapshot(fresh=True).approvals == {}
    fleet.vault.set_enabled("line", version, False)
    fleet.sweep()
    assert (held(fleet, "line") is not None, len(fleet.files("plant"))) == (True, len(LINE))


def test_law4_an_approval_counts_while_the_vault_is_away_for_some_minutes() -> None:
    fleet = Fleet()
    fleet.register(registration("plant"))
    fleet.upload("line", "".join(each.pem for each in LINE), TAGS)
    fleet.work_off()
    fleet.vault.delete("line")
    fleet.sweep()
    vaults = fleet.runtime.vaults
    fleet.runtime = replace(fleet.runtime, vaults={HOST: failing(fleet.vault, Unreachable("no answer"))})
    with pytest.raises(Unreachable):
        approve(fleet.runtime, waiting(fleet, "line").digest)
    fleet.runtime = replace(fleet.runtime, vaults=vaults)
    fleet.sweep(timedelta(minutes=30))
    assert fleet.files("plant") == {}
