"""The commands `removals …`, `revocations …`, `orphans …` and `vaults …`: what a person decides."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sync.catalogue.snapshot import Stamp
from sync.fleet.configuration import Configuration
from sync.fleet.vaults import WatchedVault
from tests.cli.command import CA, SERVER, TAGS, held
from tests.support import certs
from tests.support.certs import NOW
from tests.support.fleet import CONFIGURATION, HOST, TRUST, registration

if TYPE_CHECKING:
    from tests.cli.command import Run
    from tests.support.fleet import Fleet


LEAF = certs.server(issuer=CA)


# removals


def test_files_held_on_clusters_are_shown_and_approved(run: Run, fleet: Fleet) -> None:
    held(fleet)
    shown = run("removals", "list")
    (question,) = run("removals", "list", "--json").json
    short = question["digest"][:16]
    assert shown.out.startswith(f"{short}  files: waits\n")
    assert f"5 files of {HOST} would leave the list 'trust' at once" in shown.words
    assert "on 2 clusters: edge, far" in shown.words
    assert f"its secret was deleted ({HOST}/lines, version " in shown.words
    assert "O=Example,CN=line0, until 2027-06-01, SHA-256 " in shown.words
    assert "left within 24 hours: nothing" in shown.words
    assert f"if they should leave: `trustcast removals approve {short}`" in shown.words
    assert (question["about"], question["clusters"], question["list"]) == ("files", ["edge", "far"], "trust")
    assert {(each["secret"], each["reason"]) for each in question["files"]} == {
        (f"{HOST}/lines", "its secret was deleted")
    }
    done = run("removals", "approve", question["digest"][:8], "--json")
    assert (done.code, done.json["approved"], done.json["digest"]) == (0, True, question["digest"])
    fleet.work_off()
    assert fleet.files("edge") == fleet.files("far") == {}
    assert run("removals", "list").out == "Nothing waits.\n"
    assert run("removals", "list", "--json").json == []
    assert run("status").code == 0


def test_a_rejection_leaves_the_files_and_asks_no_more(run: Run, fleet: Fleet) -> None:
    held(fleet)
    digest = run("removals", "list", "--json").json[0]["digest"]
    assert run("removals", "reject", digest, "--json").json["rejected"] is True
    fleet.sweep()
    assert len(fleet.files("edge")) == 5
    assert run("removals", "list", "--json").json[0]["rejected"] is True
    shown = run("removals", "list").words
    assert f"{digest[:16]} files: rejected" in shown
    assert f"to approve after all: `trustcast removals approve {digest[:16]}`" in shown
    assert run("status", "--json").json["waiting_for_a_person"] == 0


@pytest.fixture
def deleted(fleet: Fleet) -> Fleet:
    """A fleet of whose vault five of six secrets are missing at once."""
    for number in range(6):
        fleet.upload(f"plc{number}", certs.server(name=f"plc{number}").pem, TAGS)
    fleet.work_off()
    for number in range(5):
        fleet.vault.delete(f"plc{number}")
    fleet.sweep()
    return fleet


def test_deletions_are_one_question_and_leave_once_they_are_approved(run: Run, deleted: Fleet) -> None:
    shown = run("removals", "list")
    assert re.match(r"[0-9a-f]{16}  deletions: waits since 2026-06-01 00:0\d UTC\n", shown.out)
    assert f"5 assigned secrets missing from {HOST}" in shown.words
    assert f"5 secrets: {HOST}/plc0, {HOST}/plc1, " in shown.words
    assert "if they were meant to be deleted (otherwise recover them in the vault): " in shown.words
    assert "left within" not in shown.words
    assert len(deleted.files("edge")) == 6
    (question,) = run("removals", "list", "--json").json
    assert (question["about"], len(question["removals"])) == ("deletions", 5)
    done = run("removals", "approve", question["digest"])
    assert (done.code, done.words) == (
        0,
        f"approved, and carried out from now on: 5 assigned secrets missing from {HOST}",
    )
    deleted.work_off()
    assert list(deleted.files("edge")) == ["plc5.der"]
    assert run("removals", "list").out == "Nothing waits.\n"


def test_settings_that_take_too_much_are_a_question(run: Run, fleet: Fleet) -> None:
    fleet.register(*(registration(f"plant-{number}") for number in range(3)))
    fleet.upload("plc7", SERVER.pem, TAGS)
    fleet.sweep()
    narrow = Configuration((WatchedVault(f"https://{HOST}", clusters="site=oz"),), (TRUST,))
    fleet.start(narrow, Stamp("", "1"))
    fleet.sweep()
    shown = run("removals", "list").words
    assert "settings: waits since" in shown
    assert "VAULTS or LISTS changed: 1 secret would leave lists of 4 clusters" in shown
    assert "on 4 clusters: edge, plant-0, plant-1, plant-2" in shown
    assert f"1 secret: {HOST}/plc7" in shown
    assert "if the settings are right (otherwise deploy others): `trustcast removals approve " in shown
    assert run("status").code == 1
    digest = run("removals", "list", "--json").json[0]["digest"]
    assert run("removals", "approve", digest).code == 0
    fleet.work_off()
    assert (len(fleet.files("edge")), len(fleet.files("far"))) == (0, 1)


def test_an_assignment_that_changed_since_it_was_shown_answers_that_it_waits(run: Run, fleet: Fleet) -> None:
    fleet.register(*(registration(f"plant-{number}") for number in range(3)))
    fleet.upload("plc7", SERVER.pem, TAGS)
    fleet.work_off()
    fleet.clock.move(timedelta(minutes=1))
    assert run("assign", "plc7", "--lists", "trust", "--clusters", "site=oz").code == 1
    digest = run("removals", "list", "--json").json[0]["digest"]
    newest = fleet.vault.versions("plc7").items[0].version
    fleet.vault.update("plc7", newest, tags={**TAGS, "trustcast-clusters": "site=hamburg"})
    done = run("removals", "approve", digest)
    assert done.code == 1
    assert "this has changed in the meantime and waits again, see `trustcast removals list`" in done.words


def test_a_question_about_many_clusters_and_files_is_a_few_lines_and_whole_in_json(run: Run, fleet: Fleet) -> None:
    fleet.register(*(registration(f"plant-{number:03}") for number in range(98)))
    fleet.upload("lines", "".join(certs.server(name=f"line{n}").pem for n in range(30)), TAGS)
    fleet.work_off()
    fleet.vault.delete("lines")
    fleet.sweep()
    done = run("removals", "list")
    assert len(done.out.splitlines()) <= 40
    assert "on 100 clusters: edge, far, " in done.words
    assert "… and 90 more" in done.words
    assert "… and 20 more; --json shows all" in done.words
    (question,) = run("removals", "list", "--json").json
    assert (len(question["clusters"]), len(question["files"])) == (100, 30)


# revocations


@pytest.fixture
def revoked(fleet: Fleet) -> Fleet:
    """A server, whose CA has revoked it."""
    fleet.upload("root", CA.pem, TAGS)
    fleet.upload("plc7", LEAF.pem, TAGS)
    fleet.upload("root-crl", certs.crl(CA, number=1, revoked=[LEAF]).pem, TAGS)
    fleet.work_off()
    return fleet


def test_a_revoked_certificate_is_shown_and_cleared(run: Run, revoked: Fleet) -> None:
    assert "plc7.der" not in revoked.files("edge")
    assert "let this one back in with trustcast revocations clear" in run("secrets", "plc7").words
    shown = run("revocations", "list")
    assert re.search(rf"CN=plc7 +{LEAF.sha256[:16]} +20\d\d-\d\d-\d\d +{HOST}/root-crl +revoked", shown.out)
    assert "To let one back in: `trustcast revocations clear SHA256`." in shown.out
    assert re.search(r"The CRLs of O=Example,CN=Plant Root CA, key \w{64}, revoke 1 serial number\.", shown.words)
    done = run("revocations", "clear", LEAF.sha256[:16])
    assert done.code == 0
    assert f"({LEAF.sha256}) may come back, though it was revoked on" in done.words
    revoked.work_off()
    assert "plc7.der" in revoked.files("edge")
    assert "accepted risk" in run("revocations", "list").out
    (document,) = run("revocations", "list", "--json").json["certificates"]
    assert (document["sha256"], document["cleared"], document["crl"]) == (LEAF.sha256, True, None)


def test_crls_of_a_key_are_forgotten_up_to_a_day(run: Run, revoked: Fleet) -> None:
    (key,) = run("revocations", "list", "--json").json["keys"]
    assert (key["ca"], key["revoked"], key["forgotten_before"]) == ("O=Example,CN=Plant Root CA", 1, None)
    done = run("revocations", "forget", key["sha256"][:12], "--before", f"{NOW:%Y-%m-%d}", "--json")
    assert (done.code, done.json["key"]) == (0, key["sha256"])
    revoked.work_off()
    assert "plc7.der" in revoked.files("edge")
    shown = run("revocations", "list").words
    assert "No certificate of the catalogue is revoked." in shown
    assert f"revoke 0 serial numbers; those from before {NOW:%Y-%m-%d} are forgotten." in shown


# orphans, vaults


@pytest.fixture
def orphaned(filled: Fleet, run: Run) -> Fleet:
    """A fleet whose vault is gone for good."""
    filled.sweep()
    filled.start(Configuration((WatchedVault("https://other.vault.azure.net"),), (TRUST,)), Stamp("", "1"))
    filled.sweep()
    assert run("orphans", "list").out == "Every file of ours is known to come from a secret.\n"
    done = run("vaults", "forget", HOST.upper())
    assert done.words == f"{HOST} is forgotten; once the lists were checked, `trustcast orphans list` shows its files."
    filled.work_off()
    return filled


def test_an_orphan_is_shown_and_removed(run: Run, orphaned: Fleet) -> None:
    shown = run("orphans", "list")
    assert re.search(rf"trust +plc7\.der +{SERVER.sha256[:16]} +{HOST}/plc7 +edge, far", shown.out)
    assert "To remove one: `trustcast orphans remove SHA256`." in shown.words
    orphan = {"list": "trust", "file": "plc7.der", "sha256": SERVER.sha256, "came_from": f"{HOST}/plc7"}
    assert run("orphans", "list", "--json").json == [orphan | {"clusters": ["edge", "far"]}]
    assert "1 file kept, no secret is known to have given it; see `trustcast orphans list`" in run("status").words
    done = run("orphans", "remove", SERVER.sha256[:8])
    assert (done.code, done.out) == (0, "plc7.der leaves 2 clusters with the next pushes: edge, far\n")
    orphaned.work_off()
    assert orphaned.files("edge") == orphaned.files("far") == {}
    assert run("orphans", "list", "--json").json == []


def test_a_vault_that_lists_wait_for_is_waived(run: Run, filled: Fleet) -> None:
    registered = [*filled.decisions.snapshot(fresh=True).clusters.values()]
    other = WatchedVault("https://other.vault.azure.net")
    filled.start(Configuration((*CONFIGURATION.vaults, other), (TRUST,)), Stamp("", "1"))
    filled.vaults[other.host].away = True
    filled.lose_tables()
    filled.register(*registered)
    filled.upload("new", certs.server(name="new").pem, TAGS)
    filled.sweep()
    waits = f"new.der: waits until {other.host} was gone through once (`trustcast vaults waive` ends the wait)"
    assert run("status", "--json").json["lists"][0]["detail"] == waits
    assert run("vaults", "waive", other.host).out == f"Lists wait for {other.host} no more.\n"
    filled.work_off()
    assert set(filled.files("edge")) == {"new.der", "plc7.der"}
