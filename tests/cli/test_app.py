"""The commands as a person runs them: arguments in, text or one JSON document out, and the exit code."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sync import bootstrap
from sync.catalogue.secret import SecretKey
from sync.cli import app as cli
from sync.errors import NotFound, Unreachable
from sync.fleet.kubeconfig import Endpoint
from sync.reconcile.status import State
from sync.steps.admission import admit
from sync.text import SHOWN_LENGTH
from tests.support import certs
from tests.support.certs import DAY, NOW
from tests.support.fleet import HOST, Fleet, Targets, registration
from tests.support.memory import MemoryVault
from tests.support.stores import there

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.certs import Built


ROOT = Path(__file__).parents[2]
TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
HOSTILE = "[/x] [red]\nnew\x1b[31mline\u202eevil"
SERVER = certs.server()
CA = certs.ca()


class Enrolling(Targets):
    """Clusters of which every credential is good."""

    def endpoint(self, cluster: str, secret: str) -> Endpoint:
        if secret == "missing":
            raise NotFound(f"the credentials vault has no secret {secret}: store the cluster's kubeconfig there")
        return Endpoint(f"https://{cluster}:6443", CA.pem.encode(), "token")


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture
def fleet() -> Fleet:
    made = Fleet()
    made.runtime = replace(made.runtime, clusters=Enrolling(made.clusters))
    registered = registration("edge", site="hamburg"), registration("far", site="oz")
    made.register(*(replace(each, ca_sha256=CA.sha256) for each in registered))
    return made


@pytest.fixture
def run(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run a command line against the fleet, as `python -m sync` does."""
    level = logging.getLogger("azure").level

    def command(*arguments: str) -> Done:
        monkeypatch.setattr(bootstrap, "runtime", lambda: fleet.runtime)
        monkeypatch.setattr(sys, "argv", ["trustcast", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return Done(int(ended.value.code or 0), shown.out, shown.err)

    yield command
    logging.getLogger("azure").setLevel(level)


@pytest.fixture
def filled(fleet: Fleet) -> Fleet:
    """The fleet with one server on both clusters."""
    fleet.upload("plc7", SERVER.pem, TAGS)
    fleet.work_off()
    return fleet


def held(fleet: Fleet) -> None:
    fleet.upload("lines", "".join(certs.server(name=f"line{n}").pem for n in range(5)), TAGS)
    fleet.work_off()
    fleet.vault.delete("lines")
    fleet.sweep()


# check


def checked(run: Run, folder: Path, name: str, content: str | bytes, *options: str) -> Done:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return run("check", str(path), *options)


def fresh(**kinds: Any) -> Built:
    return certs.server(not_before=NOW - DAY, not_after=NOW + 3650 * DAY, **kinds)


@pytest.mark.parametrize(
    "content",
    [fresh().pem, fresh().der, fresh().der.hex(), fresh().pem.encode("utf-16")],
    ids=["pem", "der", "hex", "utf-16"],
)
def test_check_tells_what_a_file_holds_however_it_is_dressed(run: Run, tmp_path: Path, content: bytes | str) -> None:
    done = checked(run, tmp_path, "plc7.crt", content)
    assert done.code == 0
    assert "plc7.crt: passes" in done.out
    assert f"SHA-256 {fresh().sha256}" in done.out
    assert "SHA-1" in done.out
    assert "certificate O=Example,CN=plc7" in done.out
    assert "to 2036-05-29" in done.out


def test_check_rejects_with_the_reason_and_what_to_do(run: Run, tmp_path: Path) -> None:
    done = checked(run, tmp_path, "old.der", certs.server(not_after=NOW - DAY).der)
    assert done.code == 1
    assert "old.der: rejected" in done.out
    assert "expired: " in done.out
    assert "Upload a renewed certificate" in done.out


def test_check_judges_by_the_role_of_the_list(run: Run, tmp_path: Path) -> None:
    root = certs.ca(not_after=NOW + 3650 * DAY).pem
    assert checked(run, tmp_path, "root.crt", root, "--role", "issuer").code == 0
    assert checked(run, tmp_path, "plc7.crt", fresh().pem, "--role", "issuer").code == 1
    assert checked(run, tmp_path, "plc7.crt", fresh().pem, "--role", "friend").code == 2


def test_law9_check_refuses_a_private_key_and_shows_nothing_of_it(run: Run, tmp_path: Path) -> None:
    done = checked(run, tmp_path, "both.pem", fresh().key_pem + fresh().pem)
    assert done.code == 1
    assert "private-key" in done.out
    assert not {line for line in fresh().key_pem.splitlines() if line in done.out + done.err}


def test_check_speaks_of_several_files_in_one_document(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.der").write_bytes(fresh().der)
    (tmp_path / "b.der").write_bytes(b"nothing")
    done = run("check", str(tmp_path / "a.der"), str(tmp_path / "b.der"), "--json")
    assert done.code == 1
    assert [(each["file"], each["passes"]) for each in done.json] == [("a.der", True), ("b.der", False)]
    assert done.json[0]["items"][0]["sha256"] == fresh().sha256
    assert done.json[1]["findings"][0]["code"] == "not-a-certificate"


def test_check_needs_neither_settings_nor_network(tmp_path: Path) -> None:
    (tmp_path / "root.crt").write_text(certs.ca(not_after=NOW + 3650 * DAY).pem)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TRUSTCAST", "AZURE", "Azure"))}
    code = "import socket; socket.socket.connect = None; import sync.cli.app; sync.cli.app.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "check", "--role", "issuer", str(tmp_path / "root.crt")],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_that_is_not_there_is_said_and_asks_for_a_person(run: Run, tmp_path: Path) -> None:
    done = run("check", str(tmp_path / "none.crt"))
    assert done.code == 3
    assert "none.crt cannot be read: No such file or directory" in done.err
    assert run("check", str(tmp_path)).code == 3


# clusters


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


def test_law4_a_registration_that_takes_too_much_waits_and_says_what_to_do(run: Run, fleet: Fleet) -> None:
    fleet.upload("lines", "".join(certs.server(name=f"line{n}").pem for n in range(5)),
                 {"trustcast-lists": "trust", "trustcast-clusters": "site=hamburg"})  # fmt: skip
    fleet.work_off()
    done = run("clusters", "add", "edge", "--credential", "edge", "--label", "site=oz")
    assert done.code == 1
    (digest,) = re.findall(r"removals approve ([0-9a-f]{12})", done.out)
    assert run("removals", "approve", digest).code == 0
    assert dict(fleet.runtime.decisions.snapshot(fresh=True).clusters["edge"].labels) == {"site": "oz"}


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["status", "nowhere"], 3, "no cluster nowhere is registered; see `trustcast clusters list`"),
        (["plan", "nowhere"], 3, "trustcast clusters list"),
        (["sync", "nowhere"], 3, "trustcast clusters list"),
        (["clusters", "pause", "nowhere"], 3, "trustcast clusters list"),
        (["clusters", "resume", "nowhere"], 3, "trustcast clusters list"),
        (["clusters", "remove", "nowhere"], 3, "trustcast clusters list"),
        (["clusters", "add", "lab", "--credential", "missing"], 3, "store the cluster's kubeconfig there"),
        (["clusters", "add", "Bad_Name", "--credential", "c"], 3, "lower-case letters"),
        (["clusters", "add", "lab", "--credential", "c", "--mode", "wild"], 3, "mode"),
        (["clusters", "add", "lab"], 3, "--credential"),
        (["assign", "none", "--lists", "trust", "--clusters", "*"], 3, f"{HOST} has no secret none"),
        (["assign", "plc7"], 2, "say which lists"),
        (["assign", "plc7", "--clear-revoked", "--clusters", "*"], 2, "say which lists"),
        (["assign", "plc7", "--clear-revoked", "--file", "a.der"], 2, "say which lists"),
        (["assign", "plc7", "--clear-revoked", "--accept", "expired"], 2, "--clear-revoked alone needs none"),
        (["assign", "plc7", "--lists", "nowhere"], 3, "'nowhere' is not among the lists (trust)"),
        (["assign", "plc7", "--lists", "trust", "--clusters", "a=b=c"], 3, "label selector"),
        (["assign", "elsewhere.vault.azure.net/plc7", "--lists", "trust"], 3, f"there are {HOST}"),
        (["assign", "plc7", "--lists", "nowhere", "--lists", "trust"], 2, "--lists is given twice"),
        (["clusters", "add", "edge", "--mode=report", "--mode", "repair"], 2, "--mode is given twice"),
        (["clusters", "add", "edge", "--credential", ""], 3, "which secret holds the kubeconfig of edge"),
        (["status", "--thumbprint", "0" * 64, "--thumbprint", "1" * 64], 2, "--thumbprint is given twice"),
        (["check", __file__, "--role", "issuer", "--role", "trust"], 2, "--role is given twice"),
        (["unassign", "none"], 3, "has no secret none"),
        (["assign", "none", "--clear-revoked"], 3, "the catalogue knows no secret"),
        (["secrets", "none"], 3, "the catalogue knows no secret"),
        (["removals", "approve", "0123456789"], 3, "trustcast removals list"),
        (["removals", "reject", "0"], 3, "trustcast removals list"),
        (["status", "--thumbprint", "short"], 3, "SHA-256 or SHA-1 in hexadecimal"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_to_do(run: Run, arguments: list[str], code: int, said: str) -> None:
    done = run(*arguments)
    assert done.code == code
    assert said in " ".join(done.err.split())
    assert done.out == ""
    assert done.err.count("Traceback") == 0


def test_of_several_vaults_the_secret_names_its_own(run: Run, fleet: Fleet) -> None:
    other = "other.vault.azure.net"
    fleet.runtime = replace(fleet.runtime, vaults={**fleet.runtime.vaults, other: MemoryVault()})
    done = run("unassign", "plc7")
    assert done.code == 3
    assert f"several vaults are watched: say which, {HOST}/plc7 or {other}/plc7" in done.err


def test_settings_that_are_missing_are_named_with_an_example() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TRUSTCAST", "AzureWebJobs"))}
    done = subprocess.run(
        [sys.executable, "-m", "sync", "status"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "TRUSTCAST_VAULTS" in done.stderr
    assert "AzureWebJobsStorage" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_answers_later_is_told_from_what_a_person_must_mend(
    run: Run, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(**_: object) -> None:
        raise Unreachable("the storage account does not answer")

    monkeypatch.setattr(fleet.decisions, "snapshot", unreachable)
    done = run("status")
    assert (done.code, done.err) == (4, "trustcast: the storage account does not answer\n")


def test_law9_a_fault_of_our_own_tells_where_and_quotes_nothing(
    run: Run, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(**_: object) -> None:
        raise ValueError("the token is hunter2")

    monkeypatch.setattr(fleet.decisions, "snapshot", faulty)
    done = run("status")
    assert done.code == 5
    assert "ValueError in test_app.py:" in done.err
    assert "hunter2" not in done.out + done.err


# secrets


def test_a_secret_is_assigned_shown_and_unassigned(run: Run, fleet: Fleet) -> None:
    fleet.vault.set("plc7", SERVER.pem)
    done = run("assign", "plc7", "--lists", "trust", "--clusters", "site=hamburg", "--json")
    assert done.code == 0
    assert (done.json["secret"]["state"], done.json["secret"]["clusters"]) == ("in force", "site=hamburg")
    fleet.work_off()
    assert fleet.files("edge") == {"plc7.der": SERVER.der}
    assert fleet.files("far") == {}
    assert "in force" in run("secrets", "plc7").out
    done = run("unassign", "plc7", "--json")
    assert (done.code, done.json["secret"]["state"]) == (0, "unassigned")
    fleet.work_off()
    assert fleet.files("edge") == {}


def test_an_assignment_of_what_is_rejected_answers_no(run: Run, fleet: Fleet) -> None:
    fleet.vault.set("plc7", certs.server(key="rsa-1024").pem)
    done = run("assign", "plc7", "--lists", "trust", "--clusters", "*")
    assert done.code == 1
    assert "weak-key: " in done.out


def test_law4_an_unassignment_that_takes_too_much_answers_that_it_waits(run: Run, fleet: Fleet) -> None:
    fleet.upload("lines", "".join(certs.server(name=f"line{n}").pem for n in range(5)), TAGS)
    fleet.work_off()
    fleet.clock.move(timedelta(minutes=1))
    done = run("unassign", "lines", "--json")
    assert (done.code, done.json["secret"]["state"]) == (1, "removal held")


@pytest.mark.usefixtures("filled")
def test_a_revocation_is_cleared_and_told_in_the_same_document(run: Run) -> None:
    done = run("assign", "plc7", "--clear-revoked", "--json")
    assert (done.code, done.json) == (0, {"cleared": 0, "secret": None})


def test_secrets_shows_every_secret_with_its_findings(run: Run, filled: Fleet) -> None:
    filled.upload("weak", certs.server(key="rsa-1024").pem, TAGS)
    filled.work_off()
    done = run("secrets")
    assert re.search(r"plc7 +in force +trust +\*", done.out)
    assert re.search(r"weak +rejected +trust +\*", done.out)
    assert "weak-key: The public key is too short" in done.out
    assert [each["state"] for each in run("secrets", "--json").json] == ["in force", "rejected"]


# plan, sync, status


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
    stored = there(filled.statuses.get("edge", "trust"))
    filled.statuses.put(replace(stored.value, unmanaged={"a.txt": "0" * 64}, unlisted=29_999), stored.unchanged)
    shown = " ".join(run("status", "edge").out.split())
    assert "30000" in shown
    assert "29999 more files of others are not listed" in shown
    assert run("status", "edge", "--json").json["lists"][0]["unlisted"] == 29_999
    nowhere = run("status", "--thumbprint", "0" * 64)
    assert nowhere.code == 1
    assert "not looked into: edge/trust" in " ".join(nowhere.out.split())


# removals


def test_a_held_removal_is_shown_and_approved(run: Run, fleet: Fleet) -> None:
    held(fleet)
    shown = run("removals", "list").out
    assert "the secret was deleted" in shown
    assert "trust: 5 of 5 files on 2 clusters" in shown
    digest = run("removals", "list", "--json").json[0]["digest"]
    assert digest[:16] in shown
    done = run("removals", "approve", digest[:8], "--json")
    assert (done.code, done.json["approved"], done.json["digest"]) == (0, True, digest)
    fleet.work_off()
    assert fleet.files("edge") == {}
    assert run("removals", "list").out == "Nothing waits.\n"
    assert run("removals", "list", "--json").json == []


def test_a_rejected_removal_leaves_the_files(run: Run, fleet: Fleet) -> None:
    held(fleet)
    digest = run("removals", "list", "--json").json[0]["digest"]
    assert run("removals", "reject", digest, "--json").json["rejected"] is True
    fleet.sweep()
    assert len(fleet.files("edge")) == 5
    assert run("removals", "list", "--json").json[0]["rejected"] is True


def test_a_removal_on_a_thousand_clusters_is_a_few_lines_and_whole_in_json(run: Run, fleet: Fleet) -> None:
    plants = [registration(f"plant-{n:04}") for n in range(998)]
    for at in range(0, len(plants), 98):
        fleet.register(*plants[at : at + 98])
    fleet.upload("lines", "".join(certs.server(name=f"line{n}").pem for n in range(30)), TAGS)
    while fleet.deliver_event():
        pass
    fleet.vault.delete("lines")
    fleet.clock.move(timedelta(minutes=2))
    assert run("unassign", "lines").code == 3
    admit(fleet.runtime, SecretKey(HOST, "lines"))
    done = run("removals", "list")
    assert len(done.out.splitlines()) < 20
    assert "… and 990 more" in done.out
    assert "… and 20 more" in done.out
    losses = run("removals", "list", "--json").json[0]["losses"]
    assert len(losses[0]["clusters"]) == 1000


# How it is shown


def test_law9_hostile_text_breaks_no_output(run: Run, fleet: Fleet, tmp_path: Path) -> None:
    subject = "CN=[/x] [red]x\u202eevil\x1b[31m\\0Anew"
    hostile = certs.server(name="h", subject=subject, not_after=NOW + 3650 * DAY)
    (tmp_path / "h.der").write_bytes(hostile.der)
    fleet.upload("h", certs.server(name="w", subject=subject, key="rsa-1024").pem, TAGS)
    fleet.upload("t", SERVER.pem, {"trustcast-lists": HOSTILE, "trustcast-clusters": "*"})
    fleet.work_off()
    fleet.clusters["edge"].state.edit("azure-iot-operations", "trust-list", {"k": b""})
    commands = (["secrets"], ["status"], ["plan"], ["removals", "list"], ["check", str(tmp_path / "h.der")])
    for command in commands:
        for form in ([], ["--json"]):
            done = run(*command, *form)
            assert done.code in {0, 1}
            assert all(each.isprintable() for each in done.out.replace("\n", "")), command
            assert "Traceback" not in done.err
    assert "[/x] [red]" in run("check", str(tmp_path / "h.der")).out
    assert "[/x] [red]" in " ".join(run("secrets").out.split())


def test_law9_names_that_a_hostile_cluster_gives_are_escaped_and_cut(run: Run, filled: Fleet) -> None:
    name = "[red]\n\x1b[2J" + "x" * 5000
    status = replace(
        filled.status("edge"), unmanaged={name: "0"}, unaccounted=(name,), detail=HOSTILE,
        thumbprints={name: ("abcdef0123456789",)},
    )  # fmt: skip
    filled.statuses.put(status, there(filled.statuses.get("edge", "trust")).unchanged)
    for arguments in (["status"], ["status", "--thumbprint", "abcdef01"]):
        shown, document = run(*arguments).out, run(*arguments, "--json").out
        assert all(each.isprintable() for each in (shown + document).replace("\n", ""))
        assert "x" * SHOWN_LENGTH not in shown + document


@pytest.mark.parametrize("columns", [None, "100"])
def test_tables_fit_a_hundred_columns(
    run: Run, filled: Fleet, monkeypatch: pytest.MonkeyPatch, columns: str | None
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    filled.register(registration("plant-" + "x" * 50, site="a" * 60))
    held(filled)
    for command in (["status"], ["secrets"], ["clusters", "list"], ["plan"], ["removals", "list"]):
        lines = run(*command).out.splitlines()
        assert max(map(len, lines)) <= 100, command


@pytest.mark.usefixtures("filled")
def test_states_are_coloured_for_a_terminal_only(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" not in run("status").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert re.search(r"\x1b\[32min-sync", run("status").out)


def test_the_first_answer_imports_no_sdk() -> None:
    code = (
        "import sys; from sync.cli.app import app; from typer.testing import CliRunner;"
        "r = CliRunner().invoke(app, ['--help']);"
        "assert r.exit_code == 0, r.output;"
        "print([m for m in ('azure', 'kubernetes', 'cryptography', 'rich.table') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
