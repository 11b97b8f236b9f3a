"""The commands `clusters …`: what is registered, and what is remembered of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.cli.command import LINES, SERVER
from tests.support.memory import MemoryCluster

if TYPE_CHECKING:
    from tests.cli.command import Run
    from tests.support.fleet import Fleet


def test_a_cluster_is_added_listed_paused_resumed_and_removed(run: Run, fleet: Fleet) -> None:
    added = run("clusters", "add", "lab", "--credential", "lab-kubeconfig", "--label", "env=test", "--json")
    assert (added.code, added.json["registered"], added.json["host"]) == (0, True, "lab:6443")
    listed = run("clusters", "list", "--json").json
    assert {each["name"]: each["labels"] for each in listed}["lab"] == {"env": "test"}
    assert run("clusters", "pause", "lab", "--json").json == {"cluster": "lab", "paused": True}
    assert "paused" in run("clusters", "list").out
    assert run("clusters", "resume", "lab", "--json").json == {"cluster": "lab", "paused": False}
    assert run("clusters", "remove", "lab", "--json").json == {"cluster": "lab", "removed": True}
    assert "lab" not in fleet.runtime.decisions.snapshot(fresh=True).clusters


def test_law4_a_registration_never_waits_and_what_it_takes_is_held_at_the_place(run: Run, fleet: Fleet) -> None:
    fleet.upload("lines", LINES, {"trustcast-lists": "trust", "trustcast-clusters": "site=hamburg"})
    fleet.work_off()
    assert run("clusters", "add", "edge", "--credential", "edge", "--label", "site=oz").code == 0
    fleet.work_off()
    assert len(fleet.files("edge")) == 5
    shown = run("removals", "list").out
    assert "5 files taken by labels or settings would leave the list 'trust' at once" in shown
    (digest,) = re.findall(r"removals approve ([0-9a-f]{16})", " ".join(shown.split()))
    assert run("removals", "approve", digest).code == 0
    fleet.work_off()
    assert fleet.files("edge") == {}


def test_a_cluster_is_renamed_and_found_under_its_new_name(run: Run, filled: Fleet) -> None:
    filled.clusters["hamburg"] = filled.clusters["edge"]
    done = run("clusters", "rename", "edge", "hamburg")
    assert (done.code, done.out) == (0, "edge is now called hamburg; what is known of its lists stays.\n")
    for arguments in (["status"], ["status", "--thumbprint", SERVER.sha256]):
        shown = run(*arguments, "--json").json
        places = shown["lists"] if isinstance(shown, dict) else shown
        assert [each["cluster"] for each in places] == ["far", "hamburg"]
    assert run("status", "edge").code == 3
    filled.work_off()
    assert run("status").code == 0
    assert run("clusters", "rename", "hamburg", "edge", "--json").json == {"cluster": "edge", "was": "hamburg"}


def test_a_place_that_is_registered_already_is_refused_by_name(run: Run) -> None:
    done = run("clusters", "add", "twin", "--credential", "edge-kubeconfig")
    assert done.code == 3
    assert "edge:6443 is registered already, as cluster edge" in done.err
    assert "trustcast clusters rename edge twin" in done.err


def test_a_cluster_removed_and_added_goes_on_and_another_under_its_name_does_not(run: Run, filled: Fleet) -> None:
    assert "Added again within a day, it goes on from there." in " ".join(run("clusters", "remove", "edge").out.split())
    assert run("status", "--thumbprint", SERVER.sha256, "--json").json[0]["cluster"] == "far"
    assert run("clusters", "add", "edge", "--credential", "lab-kubeconfig").code == 0
    filled.clusters["edge"] = MemoryCluster()
    filled.work_off()
    ids = {each["name"]: each["server_id"] for each in run("clusters", "list", "--json").json}
    assert ids["edge"] not in {"edge", "far"}
    assert [each["cluster"] for each in run("status", "--json").json["lists"]] == ["edge", "far"]
