"""The commands `assign`, `unassign` and `secrets`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.cli.command import SERVER, TAGS
from tests.support import certs
from tests.support.fleet import HOST, registration

if TYPE_CHECKING:
    from tests.cli.command import Run
    from tests.support.fleet import Fleet


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


SITES = ("a", "b", "c", "d", "e")


@pytest.fixture
def sites(fleet: Fleet) -> Fleet:
    """One server on every cluster of a fleet of seven."""
    fleet.register(*(registration(site, site=site) for site in SITES))
    fleet.upload("plc7", SERVER.pem, TAGS)
    fleet.work_off()
    fleet.clock.move(timedelta(minutes=1))
    return fleet


def test_law4_an_assignment_that_takes_too_much_answers_that_it_waits_and_what_to_do(run: Run, sites: Fleet) -> None:
    done = run("assign", "plc7", "--lists", "trust", "--clusters", "site=a")
    shown = " ".join(done.out.split())
    assert done.code == 1
    assert "site=a selects 1 cluster: a " in shown
    assert "assignment held" in shown
    assert f"the tags of {HOST}/plc7 would take it from lists of 6 clusters" in shown
    (digest,) = re.findall(r"removals approve ([0-9a-f]{16})", shown)
    again = run("assign", "plc7", "--lists", "trust", "--clusters", "site=a", "--json")
    assert (again.code, again.json["secret"]["state"]) == (1, "assignment held")
    assert again.json["waits"].startswith(digest)
    sites.work_off()
    assert len(sites.files("b")) == 1
    assert run("removals", "approve", digest, "--json").json["approved"] is True
    sites.work_off()
    assert [len(sites.files(site)) for site in SITES] == [1, 0, 0, 0, 0]


def test_an_unassignment_says_who_loses_it_and_does_not_wait(run: Run, sites: Fleet) -> None:
    assert run("unassign", "plc7").code == 0
    sites.work_off()
    assert [len(sites.files(site)) for site in SITES] == [0] * 5


def test_a_dry_run_shows_what_an_assignment_would_do_and_writes_nothing(run: Run, sites: Fleet) -> None:
    done = run("assign", "plc7", "--lists", "trust", "--clusters", "site!=a", "--file", "press.der", "--dry-run")
    assert done.code == 0
    assert done.out.splitlines() == [
        "site!=a selects 6 clusters: b, c, d, e, edge, far",
        "files: press.der",
        "clusters that get it: none",
        "clusters that lose it: a",
        "Nothing was written.",
    ]
    wide = run("assign", "plc7", "--lists", "trust", "--clusters", "site=a", "--dry-run", "--json")
    assert (wide.code, wide.json["waits"], len(wide.json["loses"])) == (1, True, 6)
    assert (
        "That is too many at once" in run("assign", "plc7", "--lists", "trust", "--clusters", "site=a", "--dry-run").out
    )
    assert "plc7 will be on no list; 7 clusters lose it." in run("assign", "plc7", "--lists", "none", "--dry-run").out
    assert dict(sites.vault.versions("plc7").items[0].tags) == TAGS


def test_secrets_shows_every_secret_with_its_findings(run: Run, filled: Fleet) -> None:
    filled.upload("weak", certs.server(key="rsa-1024").pem, TAGS)
    filled.work_off()
    done = run("secrets")
    assert re.search(r"plc7 +in force +trust +\*", done.out)
    assert re.search(r"weak +rejected +trust +\*", done.out)
    assert "weak-key: The public key is too short" in done.out
    assert [each["state"] for each in run("secrets", "--json").json] == ["in force", "rejected"]
