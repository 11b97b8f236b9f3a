"""Places and API servers outlive their names; two lists never share an object; settings come from the decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sync.catalogue.snapshot import Stamp
from sync.commands import removals
from sync.commands.clusters import RegistrationRequest, register, rename, unregister
from sync.errors import Invalid
from sync.reconcile.ownership import OwnedFile, Owners, encode_owners
from sync.reconcile.status import State
from sync.reports.removals import Asked
from tests.commands.test_clusters import pointing
from tests.owners.plant import BOTH, DAY, HOUR, ISSUER, MINUTE, TO_TRUST, TRUST, A, B, Plant, server
from tests.support.certs import NOW
from tests.support.fleet import registration

WHERE = ("azure-iot-operations", "trust-list")


def annotate(plant: Plant, text: str, cluster: str = "edge") -> None:
    """The annotation edited by hand."""
    state = plant.clusters[cluster].state
    patch = {"metadata": {"annotations": {"trustcast.io/owners": text}}}
    state.merge(*WHERE, patch, "kubectl-edit")


def test_36_confirming_another_ca_keeps_holds_and_names() -> None:
    plant = Plant.of()
    files = set(plant.fill(12))
    moved = replace(registration("edge", site="edge"), ca_sha256="1" * 64)
    plant.register(moved)
    plant.settle(3)
    assert plant.names() == files
    assert len(plant.status("edge").files) == 12
    for number in range(6):
        plant.tag(f"s{number:02}", {"trustcast-lists": "none"})
    assert plant.status("edge").state is State.REMOVAL_HELD


def test_36_two_lists_that_come_to_share_one_object_are_both_blocked() -> None:
    plant = Plant.of()
    files = set(plant.fill(4))
    plant.put("root", server("root"), {"trustcast-lists": "trust,issuer", "trustcast-clusters": "*"})
    shared = replace(BOTH, lists=(TRUST, replace(ISSUER, object=TRUST.object)))
    plant.reconfigure(shared)
    plant.settle(3)
    assert files <= plant.names()
    assert plant.status("edge").state is State.BLOCKED
    assert "trust" in plant.status("edge").detail


def test_27_an_object_that_says_it_is_another_registered_place_is_blocked_until_confirmed() -> None:
    plant = Plant.of("edge", "second")
    files = set(plant.fill(4))
    copied = plant.clusters["edge"].observe(*WHERE).annotation
    annotate(plant, copied, "second")
    plant.clock.move(HOUR)
    plant.put("more", server("more"))
    assert plant.status("second").state is State.BLOCKED
    assert "edge/azure-iot-operations/trust-list" in plant.status("second").detail
    plant.register(replace(registration("second", site="second"), separate=True))
    plant.clock.move(HOUR)
    plant.settle(3)
    assert plant.names("second") == files | {"more.der"}
    assert plant.status("second").state is State.IN_SYNC


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "{}",
        encode_owners(Owners("edge/x/y", {"s00.der": OwnedFile("0" * 64, None)}), 10_000),
        '{"schema":1,"place":"","vaults":{"b.vault.azure.net":{"s00.der":{"secret":"evil","version":"2099","sha256":"'
        + "0" * 64
        + '"}}}}',
    ],
)
def test_27_an_annotation_edited_by_hand_is_written_again_and_takes_nothing(text: str) -> None:
    plant = Plant.of()
    files = set(plant.fill(4))
    before = plant.status("edge").files
    annotate(plant, text)
    plant.clock.move(HOUR)
    plant.settle(3)
    assert plant.names() == files
    assert plant.status("edge").files == before
    assert set(plant.clusters["edge"].observe(*WHERE).owners.files) == files


def test_35_an_object_restored_from_a_backup_loses_what_was_deleted_since() -> None:
    plant = Plant.of()
    files = set(plant.fill(6))
    state = plant.clusters["edge"].state
    saved = state.get(*WHERE).body()
    plant.delete("s00")
    plant.clock.move(7 * DAY)
    plant.settle()
    state.delete(*WHERE)
    body = {
        "metadata": {"name": "trust-list", "annotations": saved["metadata"]["annotations"]},
        "data": saved["data"],
        "type": "Opaque",
    }
    state.create("azure-iot-operations", body, "restore")
    assert plant.names() == files
    plant.clock.move(HOUR)
    plant.settle(3)
    assert plant.names() == files - {"s00.der"}


def test_a_cluster_removed_and_added_again_goes_on_with_what_is_remembered() -> None:
    plant = Plant.of()
    plant.fill(6)
    before = registration("edge", site="edge")
    unregister(plant.runtime, "edge")
    plant.delete("s00")
    plant.register(before)
    plant.settle(3)
    assert len(plant.names()) == 5


def test_a_place_that_no_definition_names_any_more_is_still_looked_after() -> None:
    plant = Plant.of()
    files = set(plant.fill(2))
    plant.reconfigure(replace(BOTH, lists=(replace(TRUST, object="another"), ISSUER)))
    plant.settle(3)
    assert plant.names() == set()
    moved = set(plant.files("edge", replace(TRUST, object="another")))
    assert moved == files


def test_7_an_operator_with_last_months_settings_puts_into_force_what_was_proposed() -> None:
    plant = Plant.of(*(f"c{number}" for number in range(6)))
    plant.fill(2)
    narrowed = replace(BOTH, vaults=(replace(BOTH.vaults[0], clusters="site=c0"), BOTH.vaults[1]))
    plant.reconfigure(narrowed)
    (question,) = plant.questions()
    assert question.asked is Asked.SETTINGS
    last_month = replace(plant.runtime, configured=replace(BOTH, vaults=BOTH.vaults[1:]))
    removals.approve(last_month, question.digest)
    settings = plant.decisions.snapshot(fresh=True).settings
    assert settings is not None
    assert settings.configuration == narrowed
    plant.settle(3)
    assert (plant.names("c0"), plant.names("c1")) == ({"s00.der", "s01.der"}, set())


def test_16_a_proposal_that_is_set_back_waits_no_more() -> None:
    plant = Plant.of(*(f"c{number}" for number in range(6)))
    plant.fill(2)
    plant.reconfigure(replace(BOTH, vaults=(replace(BOTH.vaults[0], clusters="site=c0"), BOTH.vaults[1])))
    assert len(plant.questions()) == 1
    plant.reconfigure(BOTH)
    assert plant.questions() == ()
    assert {s.state for s in plant.statuses.all()} == {State.IN_SYNC}


def test_16_a_proposal_whose_vault_is_dropped_waits_no_more() -> None:
    plant = Plant.of(*(f"c{number}" for number in range(6)))
    plant.fill(2)
    plant.reconfigure(replace(BOTH, vaults=(replace(BOTH.vaults[0], clusters="site=c0"), BOTH.vaults[1])))
    plant.reconfigure(replace(BOTH, vaults=BOTH.vaults[1:]))
    assert plant.questions() == ()
    assert plant.names("c1") == {"s00.der", "s01.der"}


def test_15_5000_clusters_losing_301_secrets_by_one_change_are_one_question() -> None:
    plant = Plant.of(*(f"c{number:04}" for number in range(500)))
    from sync.steps.configuration import adopt_configuration  # noqa: PLC0415

    for number in range(301):
        plant.vaults[A].set(f"s{number:03}", server("one").pem, tags=TO_TRUST)
    plant.clock.move(MINUTE)
    from sync.steps.drift import check_drift  # noqa: PLC0415

    check_drift(plant.runtime)
    narrowed = replace(BOTH, vaults=(replace(BOTH.vaults[0], clusters="site=c0000"), BOTH.vaults[1]))
    plant.start(narrowed, replace_stamp(plant))
    adopt_configuration(plant.runtime)
    adopt_configuration(plant.runtime)
    (question,) = plant.questions()
    assert len(question.clusters) == 499
    removals.approve(plant.runtime, question.digest)
    assert plant.questions() == ()


def replace_stamp(plant: Plant) -> Stamp:
    return Stamp("", str(int(plant.stamp.imported) + 1))


def test_17_rows_of_deleted_secrets_are_let_go_once_no_list_knows_them() -> None:
    plant = Plant.of()
    for number in range(3):
        plant.put(f"s{number}", server(f"s{number}"))
    for number in range(3):
        plant.delete(f"s{number}")
        plant.clock.move(2 * DAY)
    plant.clock.move(31 * DAY)
    plant.clock.now = plant.clock.now.replace(minute=59)
    plant.settle(3)
    assert plant.decisions.snapshot(fresh=True).entries == {}


def test_17_a_version_that_a_wrong_clock_refused_heals() -> None:
    plant = Plant.of()
    right = plant.clock.now
    plant.clock.now = NOW + timedelta(days=20 * 365)
    plant.upload("plc", server("plc").pem, TO_TRUST)
    plant.work_off()
    assert plant.names() == set()
    plant.clock.now = right + HOUR
    plant.settle(3)
    assert plant.names() == {"plc.der"}


def test_18_the_value_of_a_secret_assigned_nowhere_is_not_read_when_versions_tie() -> None:
    plant = Plant.of()
    for number in range(2):
        plant.vaults[A].set("hidden", f"secret {number}", tags={"trustcast-lists": "none"})
    plant.settle(3)
    assert plant.vaults[A].reads == []


def test_25_a_fresh_installation_with_one_vault_in_403_works_all_the_same() -> None:
    plant = Plant(BOTH)
    plant.vaults[B].away = True
    plant.register(registration("edge", site="edge"))
    plant.put("plc", server("plc"))
    assert plant.names() == {"plc.der"}


def test_25_nothing_new_goes_on_a_marked_list_while_a_vault_is_away_after_the_tables_were_lost() -> None:
    plant = Plant.of()
    files = set(plant.fill(3))
    clusters = [*plant.decisions.snapshot(fresh=True).clusters.values()]
    plant.vaults[B].away = True
    plant.lose_tables()
    plant.vaults[A].set("new", server("new").pem, tags=TO_TRUST)
    plant.register(*clusters)
    plant.settle(3)
    assert plant.names() == files
    assert B in plant.status("edge").detail
    plant.vaults[B].away = False
    plant.settle(3)
    assert plant.names() == files | {"new.der"}


def test_21_a_name_stays_its_owners_throughout() -> None:
    """B gives A's public bytes under A's file name; A renews, is refused, is disabled; the tables are lost."""
    plant = Plant.of()
    named = {**TO_TRUST, "trustcast-file": "plc.der"}
    plant.put("mine", server("plc"), named)
    plant.put("theirs", server("plc"), named, B)
    assert plant.status("edge").files["plc.der"].owner == plant.entry("mine").key
    version = plant.put("mine", server("plc", 2), named)
    assert plant.files("edge")["plc.der"] == server("plc", 2).der
    plant.vaults[A].away = True
    plant.settle(2)
    plant.vaults[A].away = False
    plant.vaults[A].set_enabled("mine", version, enabled=False)
    plant.settle(3)
    assert plant.names() == set()
    clusters = [*plant.decisions.snapshot(fresh=True).clusters.values()]
    plant.lose_tables()
    plant.register(*clusters)
    plant.settle(4)
    assert plant.names() == set()


def test_37_a_vault_fills_a_list_and_anothers_renewal_still_grows() -> None:
    plant = Plant.of()
    plant.put("small", server("small"), host=B)
    large = "".join(server(f"x{n}").pem for n in range(12))
    from sync.desired.capacity import ADDED_UP_TO, OBJECT_LIMIT  # noqa: PLC0415

    assert ADDED_UP_TO < OBJECT_LIMIT
    plant.put("big", large)
    plant.put("small", server("small", 2), host=B)
    assert plant.files("edge")["small.der"] == server("small", 2).der


def test_a_place_registered_already_is_refused_by_name() -> None:
    from tests.commands.test_clusters import Site  # noqa: PLC0415

    site = Site()
    site.credentials.endpoints["good"] = pointing()
    register(site.runtime, RegistrationRequest("edge", "good"))
    with pytest.raises(Invalid, match="registered already, as cluster edge"):
        register(site.runtime, RegistrationRequest("again", "good"))
    renamed = rename(site.runtime, "edge", "again")
    assert (renamed.name, renamed.server) == ("again", "edge")
