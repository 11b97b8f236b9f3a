"""The commands `plan`, `sync` and `status`."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sync.catalogue.snapshot import Stamp
from sync.errors import Unreachable
from sync.fleet.configuration import Configuration
from sync.fleet.vaults import WatchedVault
from sync.reconcile.status import State
from tests.cli.command import LINES, SERVER, TAGS, held
from tests.support import certs
from tests.support.fleet import CONFIGURATION, HOST, TRUST, registration

if TYPE_CHECKING:
    from tests.cli.command import Done, Run
    from tests.support.fleet import Fleet


def test_a_plan_shows_what_would_change_and_writes_nothing(run: Run, fleet: Fleet) -> None:
    fleet.upload("plc7", SERVER.pem, TAGS)
    while fleet.deliver_event():
        pass
    done = run("plan", "edge")
    assert done.code == 0
    assert re.search(rf"add +plc7\.der +{SERVER.sha256[:12]}", done.out)
    assert fleet.files("edge") == {}
    document = run("plan", "--json").json
    assert [(each["cluster"], each["writes"]) for each in document] == [("edge", True), ("far", True)]


@pytest.mark.usefixtures("filled")
def test_a_plan_that_changes_nothing_is_one_line(run: Run) -> None:
    assert run("plan").out == "2 of 2 lists need no write.\n"


def test_a_plan_of_a_cluster_that_cannot_be_read_is_one_line_and_answers_no(
    run: Run, filled: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise Unreachable("edge does not answer")

    monkeypatch.setattr(filled.clusters["edge"], "observe", down)
    done = run("plan")
    assert done.code == 1
    assert "edge/trust: edge does not answer\n" in done.out
    assert "1 of 2 lists need no write." in done.out


def test_a_plan_says_why_its_writes_are_withheld(run: Run, filled: Fleet) -> None:
    filled.clusters["edge"].state.edit("azure-iot-operations", "trust-list", {"plc7.der": b"other"})
    assert run("clusters", "pause", "edge").code == 0
    assert "edge/trust: the cluster is paused" in run("plan", "edge").out


def test_sync_pushes_now_and_answers_whether_all_is_in_sync(run: Run, fleet: Fleet) -> None:
    fleet.upload("plc7", SERVER.pem, TAGS)
    while fleet.deliver_event():
        pass
    done = run("sync", "edge", "--json")
    assert (done.code, done.json["in_sync"]) == (0, True)
    assert [each["cluster"] for each in done.json["lists"]] == ["edge"]
    assert (fleet.files("edge"), fleet.files("far")) == ({"plc7.der": SERVER.der}, {})


def test_law10_a_status_tells_the_age_of_the_verification_and_of_the_change(run: Run, filled: Fleet) -> None:
    filled.clock.move(timedelta(minutes=10))
    done = run("status")
    assert done.code == 0
    assert re.search(r"edge +trust +in-sync +1 +0 +10 min ago +10 min ago", done.out)
    first = run("status", "--json").json["lists"][0]
    assert (first["age_seconds"], first["stale"]) == (600, False)


def test_law10_a_verification_beyond_the_bound_is_called_stale_and_answers_no(run: Run, filled: Fleet) -> None:
    filled.clock.move(filled.runtime.intervals.bound + timedelta(seconds=1))
    done = run("status")
    assert done.code == 1
    assert "33 min ago STALE" in done.out
    assert "STALE: not verified within 33 min" in done.out
    assert run("status", "--json").json["in_sync"] is False


def test_a_cluster_that_was_never_pushed_is_shown_and_answers_no(run: Run, filled: Fleet) -> None:
    filled.register(registration("new"))
    done = run("status")
    assert done.code == 1
    assert re.search(r"new +trust +not pushed yet", done.out)
    assert run("status", "--json").json["not_pushed"] == [{"cluster": "new", "list": "trust"}]
    assert run("status", "edge").code == 0


def test_a_list_that_is_not_in_sync_comes_first_with_what_to_do(
    run: Run, filled: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise Unreachable("far does not answer")

    monkeypatch.setattr(filled.clusters["far"], "observe", down)
    done = run("sync")
    assert done.code == 1
    assert done.out.index("far ") < done.out.index("edge ")
    assert "far does not answer; next attempt in 30 s" in " ".join(done.out.split())
    assert f"offline: {State.OFFLINE.sentence}" in " ".join(done.out.split())


def test_a_paused_cluster_is_nothing_to_do(run: Run, filled: Fleet) -> None:
    assert run("clusters", "pause", "far").code == 0
    filled.work_off()
    assert run("status", "far").code == 0


def test_a_thumbprint_is_found_ours_unmanaged_and_offline(
    run: Run, filled: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.clusters["far"].state.edit("azure-iot-operations", "trust-list", {"hand.der": certs.ca().der})
    run("sync")
    monkeypatch.setattr(filled.clusters["far"], "observe", lambda *_: (_ for _ in ()).throw(Unreachable("down")))
    run("sync")
    colons = ":".join(re.findall("..", SERVER.sha256.upper()))
    places = run("status", "--thumbprint", colons, "--json").json
    assert [(each["cluster"], each["file"], each["ours"], each["state"]) for each in places] == [
        ("edge", "plc7.der", True, "in-sync"),
        ("far", "plc7.der", True, "offline"),
    ]
    done = run("status", "--thumbprint", certs.ca().sha256[:12])
    assert done.code == 0
    assert re.search(r"far +trust +hand\.der +another writer's +offline", done.out)
    assert run("status", "--thumbprint", "0" * 64).code == 1


def test_others_files_that_are_not_listed_are_counted_and_told(run: Run, filled: Fleet) -> None:
    stored = filled.statuses.get("edge/azure-iot-operations/trust-list")
    assert stored is not None
    filled.statuses.put(replace(stored.value, unmanaged={"a.txt": "0" * 64}, unlisted=29_999), stored.unchanged)
    shown = run("status", "edge").words
    assert "30000" in shown
    assert "29999 more files of others are not listed" in shown
    assert run("status", "edge", "--json").json["lists"][0]["unlisted"] == 29_999
    nowhere = run("status", "--thumbprint", "0" * 64)
    assert nowhere.code == 1
    assert "not looked into: edge/trust" in nowhere.words


# The last line of a status, and whether its answer is yes


def last_line(done: Done) -> str:
    """The line of counts, which may be broken between words."""
    return "lists: " + done.words.rpartition("lists: ")[2]


@pytest.mark.usefixtures("filled")
def test_the_last_line_counts_lists_secrets_and_what_waits(run: Run) -> None:
    done = run("status")
    assert last_line(done) == "lists: 2 in-sync; secrets: all as they should be; waiting for a person: none"
    document = run("status", "--json").json
    assert (document["counts"], document["secrets"], document["waiting_for_a_person"]) == ({"in-sync": 2}, {}, 0)


def test_a_rejected_secret_is_counted_and_answers_no(run: Run, filled: Fleet) -> None:
    filled.upload("weak", certs.server(key="rsa-1024").pem, TAGS)
    filled.work_off()
    done = run("status")
    assert done.code == 1
    assert "secrets: rejected 1;" in last_line(done)
    assert run("status", "--json").json["secrets"] == {"rejected": 1}


def test_a_secret_that_waits_is_counted_and_answers_no(run: Run, filled: Fleet) -> None:
    filled.upload("crl", certs.crl(certs.ca(name="Unknown CA"), number=1).pem, TAGS)
    filled.work_off()
    done = run("status")
    assert done.code == 1
    assert "secrets: waits 1;" in last_line(done)


def test_a_held_assignment_is_counted_twice_and_answers_no(run: Run, filled: Fleet) -> None:
    filled.register(*(registration(f"plant-{number}") for number in range(5)))
    filled.work_off()
    filled.clock.move(timedelta(minutes=1))
    assert run("assign", "plc7", "--lists", "trust", "--clusters", "site=oz").code == 1
    done = run("status")
    assert done.code == 1
    assert "secrets: assignment held 1; waiting for a person: 1, see `trustcast removals list`" in last_line(done)


def test_secrets_of_a_vault_that_is_watched_no_more_are_nothing_to_do(run: Run, filled: Fleet) -> None:
    other = Configuration((WatchedVault("https://other.vault.azure.net"),), (TRUST,))
    filled.start(other, Stamp("", "1"))
    filled.sweep()
    done = run("status")
    assert (done.code, len(filled.files("edge"))) == (0, 1)
    assert "secrets: all as they should be" in last_line(done)
    assert "far/trust: 1 file kept, its vault is not among the watched vaults" in done.words


# Whose files are, and why they stay


@pytest.mark.usefixtures("filled")
def test_json_names_the_secret_and_version_of_each_file(run: Run, filled: Fleet) -> None:
    (version,) = filled.vault.versions("plc7").items
    owned = {"sha256": SERVER.sha256, "secret": f"{HOST}/plc7", "version": version.version, "shared": False}
    first = run("status", "--json").json["lists"][0]
    assert (first["files"], first["kept"], first["held"]) == ({"plc7.der": owned}, [], None)
    change = run("plan", "edge", "--json").json[0]["changes"][0]
    assert (change["action"], change["secret"], change["version"]) == ("keep", f"{HOST}/plc7", version.version)


def test_a_kept_file_is_told_with_its_secret_and_why(run: Run, filled: Fleet) -> None:
    (version,) = filled.vault.versions("plc7").items
    filled.start(Configuration(CONFIGURATION.vaults, (replace(TRUST, name="trusted"),)), Stamp("", "1"))
    filled.sweep()
    why = "its secret names a list that is not defined"
    shown = run("status").words
    assert f"edge/trusted, far/trusted: 1 file kept, {why}: plc7.der of {HOST}/plc7" in shown
    kept = {"file": "plc7.der", "secret": f"{HOST}/plc7", "version": version.version, "why": why}
    assert run("status", "--json").json["lists"][0]["kept"] == [kept]
    planned = run("plan", "edge")
    assert planned.code == 0
    assert re.search(rf"keep +plc7\.der +{SERVER.sha256[:12]} +{HOST}/plc7 +its secret", planned.out)


def test_law4_a_held_list_tells_digest_why_what_left_and_what_to_do(run: Run, fleet: Fleet) -> None:
    fleet.upload("lone", SERVER.pem, TAGS)
    fleet.work_off()
    fleet.vault.delete("lone")
    fleet.sweep()
    held(fleet)
    (question,) = run("removals", "list", "--json").json
    status, plan = run("status"), run("plan")
    assert (status.code, plan.code) == (1, 0)
    for shown in (status.words, plan.words):
        assert f"held as {question['digest'][:16]}: {question['cause']}" in shown
        assert "left within 24 hours: lone.der" in shown
        assert "next: read `trustcast removals list`, then approve or reject" in shown
    assert f"edge/trust, far/trust: held as {question['digest'][:16]}" in status.words
    assert f"held: {question['files'][0]['file']} of {HOST}/lines" in status.words
    assert re.search(r"edge +trust +removal-held +5 .* 5 files held", status.out)
    assert re.search(rf"hold +lines-\w+\.der +\w+ +{HOST}/lines +its secret", plan.out)
    assert "2 of 2 lists need no write. 2 lists hold files back, see `trustcast removals list`." in plan.words
    for document in (run("status", "--json").json["lists"][0], run("plan", "--json").json[0]):
        assert document["held"]["digest"] == question["digest"]
        assert document["held"]["files"] == question["files"]
        assert [each["file"] for each in document["left_within_24_hours"]] == ["lone.der"]


@pytest.mark.usefixtures("filled")
def test_a_plan_shows_that_a_cluster_is_paused_though_nothing_differs(run: Run) -> None:
    assert run("clusters", "pause", "far").code == 0
    done = run("plan")
    assert (done.code, done.out) == (0, "far/trust: the cluster is paused\n2 of 2 lists need no write.\n")


def test_a_list_that_no_definition_names_any_more_is_shown_while_it_holds_ours(run: Run, fleet: Fleet) -> None:
    fleet.upload("lines", LINES, TAGS)
    fleet.sweep()
    fleet.start(Configuration(CONFIGURATION.vaults, (replace(TRUST, object="another-list"),)), Stamp("", "1"))
    fleet.sweep()
    fleet.work_off()
    shown = [(each["cluster"], each["list"]) for each in run("status", "edge", "--json").json["lists"]]
    assert shown == [("edge", "trust-list"), ("edge", "trust")]
    assert "edge/trust-list: held as " in run("status", "edge").words
    assert "edge/trust-list: held as " in run("plan", "edge").words
