"""Removals are held where they happen: at the place, by the owner's vault, over 24 hours (law 4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sync.catalogue.rows import ClusterRow
from sync.catalogue.snapshot import Stamp
from sync.commands import removals
from sync.findings import Code
from sync.fleet.configuration import Configuration
from sync.fleet.policy import Policy
from sync.ports.decisions import Write
from sync.ports.stored import ANYTHING
from sync.reconcile.status import State
from sync.reports.removals import Asked
from tests.owners.plant import BOTH, DAY, HOUR, ISSUER, TO_TRUST, TRUST, A, B, Plant, server
from tests.support import certs
from tests.support.fleet import registration

ONLY_A = Configuration(BOTH.vaults[:1], BOTH.lists)


def gone(plant: Plant, *names: str, host: str = A) -> None:
    """The secrets are deleted one a day, so that no listing misses many at once."""
    for name in names:
        plant.vaults[host].delete(name)
    plant.settle()


def test_4_a_moved_list_and_12_files_are_held_and_asked_once_for_all_clusters() -> None:
    """The definition is pointed at another object: what it takes counts for the place as one."""
    plant = Plant.of("one", "two", "three")
    files = set(plant.fill(12))
    moved = replace(BOTH, lists=(replace(TRUST, object="another"), ISSUER))
    plant.reconfigure(moved)
    plant.settle(3)
    assert all(plant.names(name) == files for name in plant.clusters)
    (question,) = plant.questions()
    assert (question.asked, question.clusters) == (Asked.FILES, ("one", "three", "two"))
    assert {each.file for each in question.files} == files
    plant.approve()
    assert all(plant.names(name) == set() for name in plant.clusters)
    assert plant.questions() == ()


def test_5_one_api_server_under_a_second_name_is_blocked_and_loses_nothing() -> None:
    plant = Plant.of()
    files = set(plant.fill(4))
    twin = replace(registration("twin"), server_id="edge")
    plant.decisions.commit(
        [Write(ClusterRow("twin"), twin, ANYTHING)], head=plant.runtime.next_head(plant.decisions.head().value)
    )
    plant.clusters["twin"] = plant.clusters["edge"]
    plant.settle(3)
    assert plant.names() == files
    assert plant.status("edge").state is State.BLOCKED


def test_6_secrets_whose_certificates_a_policy_rejects_leave_held_once_deleted() -> None:
    plant = Plant.of()
    for number in range(20):
        plant.upload(f"s{number:02}", certs.server(name=f"s{number}", application_uri=None).pem, TO_TRUST)
    plant.settle()
    files = plant.names()
    assert len(files) == 20
    policy = Policy(reject=frozenset({Code.NO_APPLICATION_URI}))
    plant.reconfigure(replace(BOTH, lists=(replace(TRUST, policy=policy), ISSUER)))
    assert plant.names() == files
    assert set(plant.kept().values()) == {"the newer versions are rejected; the last one stays"}
    for number in range(20):
        plant.vaults[A].delete(f"s{number:02}")
    plant.settle(3)
    assert plant.names() == files
    (question,) = plant.questions()
    assert question.asked is Asked.DELETIONS
    plant.approve()
    plant.settle(3)
    assert plant.names() == set()
    assert plant.questions() == ()


def test_20_one_vaults_held_removals_never_pin_anothers() -> None:
    plant = Plant.of()
    plant.fill(12, B, "b")
    plant.fill(12, A, "a")
    for number in range(4):
        plant.vaults[B].delete(f"b{number:02}")
        plant.settle(1)
    assert len(plant.questions()) == 1
    plant.tag("a00", {"trustcast-lists": "none"})
    plant.vaults[A].set_enabled("a01", plant.entry("a01").versions[0].version, enabled=False)
    plant.settle()
    assert {"a00.der", "a01.der"} & plant.names() == set()
    assert len([name for name in plant.names() if name.startswith("b")]) >= 9


def test_20_after_an_approved_clean_up_a_single_removal_is_not_held() -> None:
    plant = Plant.of()
    plant.fill(12)
    plant.clock.move(timedelta(seconds=3))
    for number in range(6):
        newest = plant.vaults[A].versions(f"s{number:02}").items[0]
        plant.vaults[A].update(f"s{number:02}", newest.version, tags={"trustcast-lists": "none"})
    plant.settle()
    assert plant.status("edge").state is State.REMOVAL_HELD
    assert len(plant.names()) == 12
    plant.approve()
    left = len(plant.names())
    plant.tag("s11", {"trustcast-lists": "none"})
    assert len(plant.names()) == left - 1
    assert plant.questions() == ()


def test_deletions_in_small_steps_add_up_within_24_hours() -> None:
    plant = Plant.of()
    plant.fill(12)
    for number in range(8):
        plant.clock.move(HOUR)
        gone(plant, f"s{number:02}")
    assert len(plant.names()) >= 9
    assert plant.questions() != ()


def test_what_left_a_day_ago_counts_no_more() -> None:
    plant = Plant.of()
    plant.fill(12)
    for number in range(8):
        plant.clock.move(DAY + HOUR)
        gone(plant, f"s{number:02}")
    assert len(plant.names()) == 4
    assert plant.questions() == ()


def test_16_a_held_change_that_is_set_back_is_held_no_more() -> None:
    plant = Plant.of()
    plant.fill(12)
    for number in range(6):
        plant.tag(f"s{number:02}", {"trustcast-lists": "none"})
    assert plant.status("edge").state is State.REMOVAL_HELD
    for number in range(6):
        plant.tag(f"s{number:02}", TO_TRUST)
    assert plant.status("edge").state is State.IN_SYNC
    assert len(plant.names()) == 12
    assert plant.questions() == ()


def test_28_a_kept_files_clusters_are_pushed_at_once_when_its_reason_changes() -> None:
    plant = Plant.of()
    plant.put("plc", server("plc"))
    plant.reconfigure(Configuration(BOTH.vaults[1:], BOTH.lists))
    assert plant.names() == {"plc.der"}
    plant.vaults[A].delete("plc")
    plant.start(BOTH, Stamp("", "9"))
    plant.sweep()
    plant.sweep()
    assert plant.names() == set()


def test_29_an_approved_narrowing_reaches_a_cluster_that_was_offline_for_weeks() -> None:
    names = [f"c{number:02}" for number in range(8)]
    plant = Plant.of(*names)
    plant.fill(2)
    away = plant.clusters.pop("c00")
    plant.clusters["c00"] = _Away()  # type: ignore[assignment]
    plant.tag("s00", {"trustcast-lists": "trust", "trustcast-clusters": "site=c01"})
    (question,) = plant.questions()
    assert question.asked is Asked.ASSIGNMENT
    assert set(question.clusters) == set(names) - {"c01"}
    plant.approve()
    assert "s00.der" not in plant.names("c02")
    for _ in range(21):
        plant.clock.move(DAY)
        plant.sweep()
    plant.clusters["c00"] = away
    plant.clock.move(2 * HOUR)
    plant.settle(3)
    assert plant.names("c00") == {"s01.der"}


class _Away:
    """A cluster that does not answer."""

    def __getattr__(self, name: str) -> object:
        from sync.errors import Unreachable  # noqa: PLC0415

        raise Unreachable("no answer")


def test_40_a_label_mistyped_on_one_cluster_takes_nothing_of_four_vaults_unheld() -> None:
    hosts = [f"v{number}.vault.azure.net" for number in range(4)]
    vaults = tuple(replace(BOTH.vaults[0], url=f"https://{host}") for host in hosts)
    plant = Plant.of("edge", "far", configured=replace(BOTH, vaults=vaults))
    for host in hosts:
        plant.fill(3, host, f"s{hosts.index(host)}", {"trustcast-lists": "trust", "trustcast-clusters": "site=edge"})
    assert len(plant.names()) == 12
    plant.register(registration("edge", site="egde"))
    plant.settle(3)
    assert len(plant.names()) == 12
    assert plant.status("edge").state is State.REMOVAL_HELD
    plant.register(registration("edge", site="edge"))
    plant.settle(3)
    assert plant.status("edge").state is State.IN_SYNC


def test_31_the_tables_are_lost_and_the_vault_was_emptied_meanwhile() -> None:
    plant = Plant.of()
    files = set(plant.fill(12))
    clusters = [*plant.decisions.snapshot(fresh=True).clusters.values()]
    for number in range(12):
        plant.vaults[A].delete(f"s{number:02}")
    plant.lose_tables()
    plant.register(*clusters)
    plant.settle(5)
    assert plant.names() == files
    assert plant.questions() != ()


def test_31_a_default_that_drops_out_of_the_settings_takes_nothing_unasked() -> None:
    from sync.fleet.vaults import Default  # noqa: PLC0415

    names = [f"c{number}" for number in range(6)]
    by_default = replace(BOTH, vaults=(replace(BOTH.vaults[0], default=Default(("trust",), "*")), BOTH.vaults[1]))
    plant = Plant.of(*names, configured=by_default)
    for number in range(6):
        plant.clock.move(timedelta(seconds=3))
        plant.vaults[A].set(f"s{number}", server(f"s{number}").pem, content_type="application/x-pem-file")
    plant.settle(3)
    assert len(plant.names("c0")) == 6
    plant.reconfigure(BOTH)
    plant.settle(3)
    assert len(plant.names("c0")) == 6
    (question,) = plant.questions()
    assert question.asked is Asked.SETTINGS
    removals.approve(plant.runtime, question.digest)
    plant.settle(3)
    assert plant.names("c0") == set()


def test_33_a_name_that_wanders_is_one_file_and_a_version_of_two_replaces_one_as_a_whole() -> None:
    plant = Plant.of()
    for name in "abc":
        plant.put("wanderer", server(name), {**TO_TRUST, "trustcast-file": f"{name}.der"})
        assert plant.names() == {f"{name}.der"}
    two = server("x").pem + server("y").pem
    plant.put("wanderer", two, {**TO_TRUST, "trustcast-file": "w.der"})
    assert len(plant.names()) == 2
    assert all(name.startswith("w-") for name in plant.names())


def test_22_a_secret_of_five_is_renewed_and_a_conflict_keeps_the_old_ones_whole() -> None:
    plant = Plant.of()
    plant.fill(7)
    old, new = ("".join(server(f"{kind}{n}").pem for n in range(5)) for kind in ("old", "new"))
    plant.put("bundle", old)
    before = plant.names()
    assert len(before) == 12
    blocked = f"bundle-{server('new3').sha256[:8]}.der"
    plant.clusters["edge"].state.edit("azure-iot-operations", "trust-list", {blocked: b"mine"})
    plant.put("bundle", new)
    assert before <= plant.names()
    assert plant.status("edge").state is State.CONFLICT
    plant.clusters["edge"].state.edit("azure-iot-operations", "trust-list", {blocked: None})
    plant.clock.move(HOUR)
    plant.settle(3)
    assert len(plant.names()) == 12
    assert not plant.names() & {name for name in before if name.startswith("bundle")}
    assert plant.questions() == ()


def test_34_a_vault_that_drops_out_for_two_minutes_while_another_holds_copies() -> None:
    plant = Plant.of()
    files = plant.fill(4)
    for number in range(4):
        plant.put(f"s{number:02}", server(f"s{number:02}"), host=B)
    owners = {file.owner for file in plant.status("edge").files.values()}
    plant.reconfigure(Configuration(BOTH.vaults[1:], BOTH.lists))
    plant.settle(1)
    plant.reconfigure(BOTH)
    assert plant.names() == set(files)
    assert {file.owner for file in plant.status("edge").files.values()} == owners


def test_a_vault_that_was_replaced_by_another_passes_on_after_a_day() -> None:
    plant = Plant.of()
    files = plant.fill(4)
    for number in range(4):
        plant.put(f"s{number:02}", server(f"s{number:02}"), host=B)
    plant.reconfigure(Configuration(BOTH.vaults[1:], BOTH.lists))
    plant.clock.move(DAY + HOUR)
    plant.settle(3)
    assert plant.names() == set(files)
    assert {file.owner.vault for file in plant.status("edge").files.values() if file.owner} == {B}
    plant.tag("s00", {"trustcast-lists": "none"}, host=B)
    assert plant.names() == set(files[1:])


def test_26_settings_set_back_and_an_older_host() -> None:
    plant = Plant.of()
    plant.put("plc", server("plc"))
    plant.reconfigure(ONLY_A)
    plant.reconfigure(BOTH)
    settings = plant.decisions.snapshot(fresh=True).settings
    assert settings is not None
    assert settings.configuration == BOTH
    older = replace(plant.runtime, configured=ONLY_A, stamp=Stamp("", "0"))
    from sync.steps.drift import check_drift  # noqa: PLC0415

    for _ in range(60):
        plant.clock.move(timedelta(minutes=1))
        check_drift(older)
        plant.work_off()
    again = plant.decisions.snapshot(fresh=True).settings
    assert again is not None
    assert again.configuration == BOTH


def test_hand_edits_restored_and_certificates_of_others_untouched() -> None:
    plant = Plant.of()
    plant.put("plc", server("plc"))
    edit = plant.clusters["edge"].state.edit
    edit("azure-iot-operations", "trust-list", {"plc.der": b"junk", "other.der": certs.ca().der})
    plant.clock.move(HOUR)
    plant.settle()
    assert plant.files("edge") == {"plc.der": server("plc").der, "other.der": certs.ca().der}
