"""What CAs revoked is remembered again where its rows were lost, from the CRLs that the catalogue has."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sync.adapters.storage.table import Operation
from sync.catalogue.rows import ConfigurationRow, SecretRow, VaultRow
from sync.ports.decisions import Damaged, Write
from sync.ports.stored import ANYTHING
from sync.reconcile.ownership import OWNERS_ANNOTATION
from tests.owners.plant import ISSUER, TO_ISSUER, TRUST, A, Plant, server
from tests.support import certs
from tests.support.memory import MemoryStatuses
from tests.support.stores import there

if TYPE_CHECKING:
    from sync.catalogue.rows import RowKey

ROOT = certs.ca(name="Root")
REVOKED = certs.server(name="revoked", issuer=ROOT)
CRL = certs.crl(ROOT, revoked=[REVOKED.certificate.serial_number])


@pytest.fixture
def plant() -> Plant:
    """A list from which a CRL took one of two certificates."""
    plant = Plant.of()
    plant.put("root", ROOT, TO_ISSUER)
    plant.put("revoked", REVOKED)
    plant.put("good", server("good"))
    plant.put("crl", CRL, TO_ISSUER)
    plant.settle()
    assert plant.names() == {"good.der"}
    return plant


def test_law8_a_damaged_row_is_made_again_by_the_next_look_at_its_crl(plant: Plant) -> None:
    (row,) = plant.decisions.snapshot().authorities
    key = f"authority|{row.name_sha256}|{row.key_sha256}"
    plant.decisions.table.write("decisions", Operation(key, {"schema": 3, "body0": b"}{"}, ANYTHING))
    assert isinstance(there(plant.decisions.row(row)).value, Damaged)
    plant.clock.move(timedelta(days=1))  # a value in force is read again once a day
    plant.settle(3)
    assert list(plant.decisions.snapshot(fresh=True).authorities) == [row]
    assert plant.names() == {"good.der"}


def as_of_schema_2(plant: Plant) -> None:
    """The tables and objects as a version before left them: no row of an authority, no annotation, no new status."""
    known = plant.decisions.snapshot(fresh=True)
    lost: list[RowKey] = [*known.authorities, *map(VaultRow, known.vaults), ConfigurationRow()]
    writes = [Write(row, None, ANYTHING) for row in lost]
    for key, entry in known.entries.items():
        before = replace(entry, needs_second_look=True, versions=(), complete=False, judged="")
        writes.append(Write(SecretRow(key), before, ANYTHING))
    plant.decisions.commit(writes, head=plant.runtime.next_head(known.head))
    plant.statuses = MemoryStatuses()
    for each in (TRUST, ISSUER):
        patch = {"metadata": {"annotations": {OWNERS_ANNOTATION: None}}}
        plant.clusters["edge"].state.merge(each.namespace, each.object, patch, "trustcast")
    plant.start()


def test_what_was_revoked_before_rows_of_authorities_is_proven_again(plant: Plant) -> None:
    as_of_schema_2(plant)
    assert not plant.decisions.snapshot().authorities
    plant.settle(3)
    (authority,) = plant.decisions.snapshot().authorities.values()
    assert [list(crl.revoked) for crl in authority.crls] == [[REVOKED.certificate.serial_number]]
    assert plant.names() == {"good.der"}
    assert plant.names(definition=ISSUER) == {"root.der", "crl.crl"}


def test_what_was_revoked_before_rows_of_authorities_is_never_there_again(plant: Plant) -> None:
    as_of_schema_2(plant)
    seen: list[set[str]] = []

    def before_the_listing(label: str) -> None:
        if label == "listing":
            plant.vaults[A].pause = lambda _: None
            plant.work_off()
            seen.append(plant.names())

    plant.vaults[A].pause = before_the_listing
    plant.settle(3)
    assert seen == [{"good.der"}]
