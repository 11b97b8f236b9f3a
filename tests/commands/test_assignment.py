"""Assigning by tags: merged and never dropped, checked before anything is written."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sync.catalogue.secret import SecretKey
from sync.commands.assignment import MOST_TAGS, Tags, assign_secret, preview_assignment, unassign_secret
from sync.errors import Invalid, NotFound
from tests.support import certs
from tests.support.fleet import HOST, Fleet, registration

KEY = SecretKey(HOST, "it")
OWN = {"owner": "line 4", "file-encoding": "utf-8"}
EVERYWHERE = Tags("trust", "*")


@pytest.fixture
def fleet() -> Fleet:
    made = Fleet()
    made.register(registration("edge", site="hamburg"))
    return made


def tags_of(fleet: Fleet) -> dict[str, str]:
    return dict(fleet.vault.versions("it").items[0].tags)


def renew(fleet: Fleet, tags: dict[str, str] | None = None) -> str:
    fleet.clock.move(timedelta(minutes=1))
    return fleet.vault.set("it", certs.server(key_name="renewed").pem, tags=tags)


def test_tags_are_added_to_those_that_are_there_and_the_secret_is_admitted(fleet: Fleet) -> None:
    fleet.vault.set("it", certs.server().pem, tags=OWN)
    entry = assign_secret(fleet.runtime, KEY, Tags("trust", "*", file="plc.der"))
    assert entry is not None
    assert tags_of(fleet) == {
        **OWN, "trustcast-lists": "trust", "trustcast-clusters": "*", "trustcast-file": "plc.der"
    }  # fmt: skip
    assert entry.assignment.lists == ("trust",)
    fleet.work_off()
    assert fleet.files("edge") == {"plc.der": certs.server().der}


def test_what_is_not_said_stays_as_the_assignment_in_force_has_it(fleet: Fleet) -> None:
    fleet.vault.set("it", certs.server().pem)
    assign_secret(fleet.runtime, KEY, Tags("trust", "site=hamburg", accept="expired"))
    assign_secret(fleet.runtime, KEY, Tags("trust", file="other.der"))
    told = tags_of(fleet)
    assert (told["trustcast-clusters"], told["trustcast-accept"]) == ("site=hamburg", "expired")


def test_tags_of_an_earlier_version_that_still_decide_are_carried_over(fleet: Fleet) -> None:
    fleet.vault.set("it", certs.server().pem)
    assign_secret(fleet.runtime, KEY, Tags("trust", "site=hamburg", file="plc.der"))
    renew(fleet, OWN)
    entry = assign_secret(fleet.runtime, KEY, Tags("trust"))
    assert entry is not None
    expected = {"trustcast-lists": "trust", "trustcast-clusters": "site=hamburg", "trustcast-file": "plc.der"}
    assert tags_of(fleet) == OWN | expected
    assert entry.secret_findings == ()


def test_unassigning_leaves_the_secret_and_its_other_tags(fleet: Fleet) -> None:
    fleet.vault.set("it", certs.server().pem, tags=OWN)
    assign_secret(fleet.runtime, KEY, EVERYWHERE)
    fleet.work_off()
    fleet.clock.move(timedelta(minutes=1))
    entry = unassign_secret(fleet.runtime, KEY)
    assert entry is not None
    fleet.work_off()
    assert (entry.assignment.lists, fleet.files("edge")) == ((), {})
    assert OWN.items() <= tags_of(fleet).items()
    assert fleet.vault.read("it", None).value == certs.server().pem


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        (Tags("nowhere", "*"), "not among the lists"),
        (Tags("trust", "a=b=c"), "label selector"),
        (Tags("trust"), "no clusters"),
        (Tags("trust", "*", file="../x"), "file name"),
        (Tags("", "*"), "empty"),
    ],
)
def test_tags_that_would_be_refused_are_not_written(fleet: Fleet, tags: Tags, word: str) -> None:
    fleet.vault.set("it", certs.server().pem, tags=OWN)
    with pytest.raises(Invalid, match=word):
        assign_secret(fleet.runtime, KEY, tags)
    assert tags_of(fleet) == OWN
    assert fleet.vault.reads == []


def test_more_tags_than_a_version_can_bear_are_refused_before_anything_is_written(fleet: Fleet) -> None:
    many = {f"t{n}": "" for n in range(MOST_TAGS - 1)}
    fleet.vault.set("it", certs.server().pem, tags=many)
    with pytest.raises(Invalid, match="would have 16 tags, and Key Vault allows 15"):
        assign_secret(fleet.runtime, KEY, EVERYWHERE)
    assert tags_of(fleet) == many


@pytest.mark.parametrize("key", [KEY, SecretKey("other.vault.azure.net", "it")])
def test_an_unknown_secret_or_vault_is_said(fleet: Fleet, key: SecretKey) -> None:
    with pytest.raises(NotFound, match=key.vault):
        assign_secret(fleet.runtime, key, EVERYWHERE)
    with pytest.raises(NotFound, match=key.vault):
        unassign_secret(fleet.runtime, key)
    with pytest.raises(NotFound, match=key.vault):
        preview_assignment(fleet.runtime, key, EVERYWHERE)


# What tags would do, before they are written


SITES = ("a", "b", "c", "d", "e")


@pytest.fixture
def sites() -> Fleet:
    made = Fleet()
    made.register(*(registration(site, site=site) for site in SITES))
    return made


def test_a_preview_writes_nothing_and_reads_no_value(sites: Fleet) -> None:
    sites.vault.set("it", certs.server().pem, tags=OWN)
    shown = preview_assignment(sites.runtime, KEY, Tags("trust", "site in (a, b)", file="plc.der"))
    assert (shown.clusters, shown.gains, shown.loses, shown.waits) == (("a", "b"), ("a", "b"), (), False)
    assert shown.tags == OWN | {
        "trustcast-lists": "trust", "trustcast-clusters": "site in (a, b)", "trustcast-file": "plc.der"
    }  # fmt: skip
    assert (tags_of(sites), sites.vault.reads, sites.decisions.snapshot(fresh=True).entries) == (OWN, [], {})


def test_a_preview_names_the_files_of_a_secret_that_the_catalogue_knows(sites: Fleet) -> None:
    sites.vault.set("it", certs.server().pem)
    assert preview_assignment(sites.runtime, KEY, EVERYWHERE).files == ()
    assign_secret(sites.runtime, KEY, EVERYWHERE)
    assert preview_assignment(sites.runtime, KEY, Tags("trust", file="plc.der")).files == ("plc.der",)


@pytest.mark.parametrize(
    ("clusters", "gains", "loses", "waits"),
    [
        ("*", (), (), False),
        ("site!=e", (), ("e",), False),
        ("site=e", (), ("a", "b", "c", "d"), True),
    ],
)
def test_law4_a_preview_says_who_gains_who_loses_and_whether_it_waits(
    sites: Fleet, clusters: str, gains: tuple[str, ...], loses: tuple[str, ...], waits: bool
) -> None:
    sites.vault.set("it", certs.server().pem)
    assign_secret(sites.runtime, KEY, EVERYWHERE)
    shown = preview_assignment(sites.runtime, KEY, Tags("trust", clusters))
    assert (shown.gains, shown.loses, shown.waits) == (gains, loses, waits)
    sites.clock.move(timedelta(minutes=1))
    entry = assign_secret(sites.runtime, KEY, Tags("trust", clusters))
    assert entry is not None
    assert (entry.waiting is not None) is waits


def test_law4_unassigning_waits_no_more_than_a_deletion_does(sites: Fleet) -> None:
    sites.vault.set("it", certs.server().pem)
    assign_secret(sites.runtime, KEY, EVERYWHERE)
    shown = preview_assignment(sites.runtime, KEY, Tags("none"))
    assert (shown.clusters, shown.loses, shown.waits) == ((), SITES, False)
