"""Rows that the version before wrote are read; nothing that decides is lost with the names of their fields."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec
import pytest

from sync.adapters.storage.rows import JsonRows
from sync.catalogue.entry import Entry, Revocation
from sync.catalogue.snapshot import Proposal
from sync.errors import Invalid
from sync.reconcile.status import ListStatus
from tests.support.stores import NOW, configuration, full_entry, registration, status

HELD = {"digest": "d" * 64, "cause": "it was unassigned", "since": NOW.isoformat(), "losses": []}
OLD_ENTRY: dict[str, Any] = {
    "key": {"vault": "kv1.vault.azure.net", "name": "crl"},
    "name": "crl",
    "newest": None,
    "assignment": {"lists": ["trust"], "clusters": "*"},
    "looked": NOW.isoformat(),
    "notes": [{"code": "tags-dropped"}],
    "former": ["crl.crl"],
    "gone": True,
    "refused": [{"list": "trust", "clusters": "*", "sha256": "a" * 64}],
    "proved": NOW.isoformat(),
    "settled": True,
    "held": {**HELD, "refused": True},
    "waiting": [{"version": "v", "created": NOW.isoformat(), "enabled": True, "items": [], "findings": []}],
}


def read(content: dict[str, Any], kind: type[Any]) -> Any:
    columns = {"schema": 1, "zlib": False, "body0": msgspec.json.encode(content)}
    return JsonRows().decode(columns, kind, "a row")


def test_an_entry_keeps_what_decides() -> None:
    found: Entry = read(OLD_ENTRY, Entry)
    assert found.deleted
    assert found.revocations == (Revocation("trust", "*", "a" * 64),)
    assert [each.code.value for each in found.secret_findings] == ["tags-dropped"]
    assert found.reread_at == NOW
    assert [each.version for each in found.held_candidates] == ["v"]
    assert found.held is not None
    assert found.held.rejected


@pytest.mark.parametrize("settled", [True, False])
def test_an_entry_that_was_not_settled_is_owed_a_second_look(settled: bool) -> None:
    assert read({**OLD_ENTRY, "settled": settled}, Entry).needs_second_look is not settled


def test_a_proposal_that_was_rejected_stays_so() -> None:
    held = full_entry().held
    assert held is not None
    proposal = Proposal(held, registration(), configuration())
    content = msgspec.to_builtins(proposal)
    content["held"] = {**HELD, "refused": True}
    found: Proposal = read(content, Proposal)
    assert (found.held.rejected, found.registration) == (True, registration())


def test_a_status_keeps_what_did_not_fit() -> None:
    content = msgspec.to_builtins(status(failures=3, due=NOW)) | {"waiting": ["late.der"]}
    del content["over_limit"]
    found: ListStatus = read(content, ListStatus)
    assert asdict(found) == asdict(status(failures=3, due=NOW, over_limit=("late.der",)))


def test_a_damaged_row_is_damaged_all_the_same() -> None:
    with pytest.raises(Invalid):
        JsonRows().decode({"schema": 1, "body0": b"}{"}, Entry, "a row")
