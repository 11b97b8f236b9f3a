"""Rows that versions before wrote are read or passed over; nothing that decides is lost, and no file leaves for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from sync.adapters.storage.rows import SCHEMA, JsonRows
from sync.adapters.storage.table import Operation
from sync.catalogue.entry import Entry
from sync.catalogue.rows import SecretRow
from sync.errors import Invalid
from sync.fleet.clusters import Registration
from sync.ports.decisions import Write
from sync.ports.stored import ABSENT, ANYTHING
from tests.support.memory import MemoryDecisions, MemoryStatuses
from tests.support.stores import NOW, SECRET, full_entry, head, place, registration, status, there

EARLIER = NOW - timedelta(days=30)
VERSION = {"version": "v", "created": NOW.isoformat(), "enabled": True, "items": [], "findings": []}
SAME_IN_BOTH: dict[str, Any] = {
    "key": {"vault": "kv1.vault.azure.net", "name": "corp-root"},
    "name": "corp-root",
    "newest": None,
    "assignment": {"lists": ["trust"], "clusters": "*"},
    "looked": NOW.isoformat(),
    "candidates": [VERSION],
    "former": ["old.der"],
    "claims": [
        {"since": NOW.isoformat(), "clusters": "*", "files": [["trust", "a.der"]]},
        {"since": EARLIER.isoformat(), "clusters": "*", "files": []},
    ],
    "stop": None,
    "known": ["v"],
}
HELD = {"digest": "d" * 64, "cause": "it was unassigned", "since": NOW.isoformat(), "losses": []}
OF_SCHEMA_1 = SAME_IN_BOTH | {
    "notes": [{"code": "tags-dropped"}],
    "gone": False,
    "refused": [{"list": "trust", "clusters": "*", "sha256": "a" * 64}],
    "proved": NOW.isoformat(),
    "settled": True,
    "held": {**HELD, "refused": True},
    "waiting": [VERSION],
}
OF_SCHEMA_2 = SAME_IN_BOTH | {
    "secret_findings": [{"code": "tags-dropped"}],
    "deleted": False,
    "revocations": [{"list": "trust", "clusters": "*", "sha256": "a" * 64}],
    "reread_at": NOW.isoformat(),
    "needs_second_look": False,
    "held": {**HELD, "rejected": True},
    "held_candidates": [VERSION],
}
OLD = {1: OF_SCHEMA_1, 2: OF_SCHEMA_2}


def columns(content: Any, schema: int) -> dict[str, Any]:
    return {"schema": schema, "zlib": False, "body0": msgspec.json.encode(content)}


def read(content: Any, kind: type[Any], schema: int) -> Any:
    return JsonRows().decode(columns(content, schema), kind, "a row")


def plant(decisions: MemoryDecisions, key: str, content: Any, schema: int) -> None:
    decisions.table.write("decisions", Operation(key, columns(content, schema), ANYTHING))


@pytest.mark.parametrize("schema", OLD)
def test_an_entry_keeps_what_decides(schema: int) -> None:
    found: Entry = read(OLD[schema], Entry, schema)
    assert (found.assignment.lists, found.assignment.clusters) == (("trust",), "*")
    assert [each.version for each in found.candidates] == ["v"]
    assert [each.code.value for each in found.secret_findings] == ["tags-dropped"]
    assert (found.reread_at, found.deleted, found.stop, found.waiting) == (NOW, False, None, None)


@pytest.mark.parametrize("schema", OLD)
def test_law4_an_entry_was_admitted_with_the_first_of_what_it_gave(schema: int) -> None:
    """So that no name changes hands with the new version of ours."""
    found: Entry = read(OLD[schema], Entry, schema)
    assert found.admitted == EARLIER
    without: Entry = read({**OLD[schema], "claims": []}, Entry, schema)
    assert without.admitted == NOW


@pytest.mark.parametrize("schema", OLD)
def test_law4_an_entry_proves_no_version_gone_before_its_next_look(schema: int) -> None:
    """It does not say what the vault lists: it is owed a look, settled or not."""
    found: Entry = read(OLD[schema], Entry, schema)
    assert found.needs_second_look
    assert not found.complete
    assert found.versions == ()


@pytest.mark.parametrize(("schema", "name"), [(1, "gone"), (2, "deleted")])
def test_a_secret_that_was_deleted_still_is_since_the_last_look(schema: int, name: str) -> None:
    found: Entry = read({**OLD[schema], name: True}, Entry, schema)
    assert found.deleted_at == NOW


def test_an_entry_is_written_in_the_present_schema_with_its_next_change() -> None:
    decisions = MemoryDecisions()
    plant(decisions, "secret|kv1.vault.azure.net|corp-root", OF_SCHEMA_1, 1)
    stored = there(decisions.row(SECRET))
    decisions.commit([Write(SECRET, full_entry(), stored.unchanged)], head=head())
    written = there(decisions.table.get("decisions", "secret|kv1.vault.azure.net|corp-root"))
    assert written.value["schema"] == SCHEMA
    assert there(decisions.row(SECRET)).value == full_entry()


def test_a_cluster_keeps_its_registration_and_its_name_is_its_servers_id() -> None:
    content = msgspec.to_builtins(registration())
    del content["server_id"], content["separate"]
    found: Registration = read(content, Registration, 2)
    assert (found.name, found.server) == ("plant-1", "plant-1")
    assert (found.host, found.ca_sha256, found.labels) == ("h:6443", "c" * 64, {"site": "ham"})


def test_what_waited_or_was_stored_as_settings_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """It is found and asked again, and the timer adopts the settings; no line a minute says so."""
    decisions = MemoryDecisions()
    plant(decisions, "secret|kv1.vault.azure.net|corp-root", OF_SCHEMA_2, 2)
    for key in ("losses|2026|f00d", "proposal|plant-1", "proposal|", f"approval|{'a' * 64}", "configuration|"):
        plant(decisions, key, {"held": HELD}, 2)
    decisions.commit([], head=head(), on_head=ABSENT)
    found = decisions.snapshot()
    assert list(found.entries) == [SECRET.key]
    assert (found.settings, found.proposal, found.answers, found.deletions) == (None, None, {}, {})
    assert caplog.messages == []


def test_law6_statuses_of_before_are_not_read() -> None:
    """They lay under cluster and list: a list is taken up by what its object says is ours."""
    statuses = MemoryStatuses()
    content = {"cluster": "plant-1", "list": "trust", "applied": {"a.der": "0" * 64}}
    statuses.table.write("status", Operation("plant-1|trust", columns(content, 2), ANYTHING))
    assert statuses.all() == ()
    assert statuses.summaries() == {}
    assert statuses.get(place()) is None
    statuses.put(status(), ABSENT)
    assert statuses.all() == (status(),)


@pytest.mark.parametrize("schema", OLD)
@pytest.mark.parametrize("body", [b"}{", b"[]", b'{"claims": 7}', b'{"claims": [{}]}', b'{"key": null}'])
def test_a_damaged_row_is_damaged_all_the_same(schema: int, body: bytes) -> None:
    with pytest.raises(Invalid):
        JsonRows().decode({"schema": schema, "zlib": False, "body0": body}, Entry, "a row")


def test_one_damaged_row_of_before_blocks_no_other() -> None:
    """Law 8."""
    decisions = MemoryDecisions()
    plant(decisions, "secret|kv1.vault.azure.net|corp-root", OF_SCHEMA_2, 2)
    plant(decisions, "secret|kv1.vault.azure.net|other", {"claims": "none"}, 2)
    decisions.commit([], head=head())
    assert [SecretRow(key) for key in decisions.snapshot().entries] == [SECRET]
