"""Who reaches which cluster, and what a change of assignments or settings takes from how many (law 4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sync.catalogue.assignment import NOWHERE, Assignment
from sync.desired.reach import assignment_in_force, classes, losing, losing_by_settings, matches, takes
from sync.fleet.clusters import ListOverride
from sync.fleet.vaults import Default, WatchedVault
from tests.support import certs
from tests.support.catalogues import CONFIGURATION, HOST, ISSUER, TRUST, VAULT, candidate, entry, key, snapshot
from tests.support.fleet import registration

if TYPE_CHECKING:
    from sync.catalogue.entry import Entry
    from sync.catalogue.secret import SecretKey
    from sync.fleet.configuration import Configuration

PLANTS = tuple(f"plant-{n:02}" for n in range(20))
CERTIFICATE = certs.server()
OTHER = WatchedVault("https://other.vault.azure.net")


def with_vaults(*vaults: WatchedVault) -> Configuration:
    return replace(CONFIGURATION, vaults=vaults)


def one(name: str = "a", **more: Any) -> Entry:
    return entry(name, candidate(1, CERTIFICATE), **more)


@pytest.mark.parametrize(
    ("ceiling", "selector", "labels", "expected"),
    [
        ("*", "*", {}, True),
        ("*", "site=h", {"site": "h"}, True),
        ("*", "site=h", {"site": "b"}, False),
        ("env=test", "*", {"env": "test"}, True),
        ("env=test", "*", {"env": "prod"}, False),
        ("env=test", "site=h", {"site": "h", "env": "prod"}, False),
        ("env=test", "env=prod", {"env": "prod"}, False),
    ],
)
def test_law13_the_vaults_ceiling_narrows_the_selector(
    ceiling: str, selector: str, labels: dict[str, str], expected: bool
) -> None:
    configuration = with_vaults(replace(VAULT, clusters=ceiling))
    assert (matches([(HOST, selector)], configuration, labels) == {(HOST, selector)}) is expected


def test_a_vault_that_is_not_watched_reaches_no_cluster() -> None:
    assert matches([("other.vault.azure.net", "*")], CONFIGURATION, {}) == frozenset()


def test_a_default_is_resolved_by_the_settings_in_force() -> None:
    by_default = entry("a", candidate(1, CERTIFICATE), lists=("trust",), clusters="*", default=True)
    given = with_vaults(replace(VAULT, default=Default(("trust", "issuer"), "site=h")))
    in_force = assignment_in_force(by_default, given)
    assert (in_force.lists, in_force.clusters) == (("issuer", "trust"), "site=h")
    assert assignment_in_force(by_default, CONFIGURATION) == NOWHERE
    assert assignment_in_force(one(), given) == one().assignment


def test_clusters_with_equal_labels_and_lists_are_of_one_class() -> None:
    both, only_trust = registration("a", site="h"), replace(registration("b", site="h"), lists=(ListOverride("trust"),))
    found = classes([both, only_trust, registration("c", site="h"), registration("d", site="b")], CONFIGURATION)
    assert sorted([each.name for each in members] for members in found.values()) == [["a", "c"], ["b"], ["d"]]


# --- One assignment --------------------------------------------------------------------------------------


def lost(before: Assignment, after: Assignment, configuration: Configuration = CONFIGURATION) -> tuple[str, ...]:
    return losing(snapshot(clusters=PLANTS), key("a"), before, after, configuration)


def to(*lists: str, clusters: str = "*") -> Assignment:
    return Assignment(lists, clusters)


ASSIGNMENTS = {
    "the same": (to("trust"), to("trust"), ()),
    "another selector of the same clusters": (to("trust", clusters="site"), to("trust"), ()),
    "fewer clusters": (to("trust"), to("trust", clusters="site notin (plant-03, plant-01)"), ("plant-01", "plant-03")),
    "more clusters": (to("trust", clusters="site=plant-01"), to("trust"), ()),
    "one list less": (to("issuer", "trust", clusters="site=plant-01"), to("trust"), ("plant-01",)),
    "one list more": (to("trust"), to("issuer", "trust"), ()),
    "nowhere": (to("trust", clusters="site in (plant-02, plant-00)"), NOWHERE, ("plant-00", "plant-02")),
    "from nowhere": (NOWHERE, to("trust"), ()),
    "a list that is not defined": (to("no-such"), to("trust"), ()),
}


@pytest.mark.parametrize(("before", "after", "clusters"), ASSIGNMENTS.values(), ids=ASSIGNMENTS)
def test_law4_who_loses_a_secret_whose_assignment_changes(
    before: Assignment, after: Assignment, clusters: tuple[str, ...]
) -> None:
    assert lost(before, after) == clusters


def test_what_the_ceiling_kept_away_is_not_lost() -> None:
    ceiling = with_vaults(replace(VAULT, clusters="site=plant-05", lists=("trust",)))
    assert lost(to("issuer", "trust"), NOWHERE, ceiling) == ("plant-05",)
    assert lost(to("issuer", "trust"), to("trust"), ceiling) == ()


def test_two_lists_of_one_object_are_one_place() -> None:
    """A list under another name that keeps its object takes nothing."""
    renamed = replace(CONFIGURATION, lists=(replace(TRUST, name="trusted"), TRUST, ISSUER))
    assert lost(to("trust"), to("trusted"), renamed) == ()


# --- The settings ----------------------------------------------------------------------------------------


def lost_by(before: Configuration, after: Configuration, *secrets: Entry) -> dict[str, tuple[SecretKey, ...]]:
    return dict(losing_by_settings(snapshot(*secrets, clusters=PLANTS[:2]), before, after))


ON_BOTH = one("both", lists=("issuer", "trust"))
SETTINGS = {
    "nothing changes": (CONFIGURATION, ()),
    "a ceiling keeps the secrets from a list": (with_vaults(replace(VAULT, lists=("issuer",))), ("a", "both")),
    "a ceiling keeps the secrets from all clusters": (
        with_vaults(replace(VAULT, clusters="site=none")),
        ("a", "both", "issuer"),
    ),
    "a list is of another object": (
        replace(CONFIGURATION, lists=(replace(TRUST, object="other"), ISSUER)),
        ("a", "both"),
    ),
    "a list moves to another namespace": (
        replace(CONFIGURATION, lists=(replace(TRUST, namespace="other"), ISSUER)),
        ("a", "both"),
    ),
    "two lists change places": (
        replace(CONFIGURATION, lists=(replace(TRUST, object=ISSUER.object), replace(ISSUER, object=TRUST.object))),
        ("a", "issuer"),
    ),
    "law 4: a vault is taken out": (with_vaults(OTHER), ()),
    "law 4: a list is taken out": (replace(CONFIGURATION, lists=(ISSUER,)), ()),
    "law 4: a list is renamed": (replace(CONFIGURATION, lists=(replace(TRUST, name="trusted"), ISSUER)), ()),
}


@pytest.mark.parametrize(("after", "names"), SETTINGS.values(), ids=SETTINGS)
def test_law4_what_a_change_of_settings_takes_of_each_cluster(after: Configuration, names: tuple[str, ...]) -> None:
    secrets = (one(), ON_BOTH, one("issuer", lists=("issuer",)), one("gone", deleted_at=certs.NOW))
    expected = dict.fromkeys(PLANTS[:2], tuple(key(name) for name in names)) if names else {}
    assert lost_by(CONFIGURATION, after, *secrets) == expected


def test_law4_a_ceiling_in_clusters_takes_of_those_alone() -> None:
    ceiling = with_vaults(replace(VAULT, clusters=f"site={PLANTS[1]}"))
    assert lost_by(CONFIGURATION, ceiling, one()) == {PLANTS[0]: (key("a"),)}


@pytest.mark.parametrize("after", [None, Default(("issuer",), "*"), Default(("trust",), "site=none")])
def test_law4_another_default_takes_what_the_default_gave(after: Default | None) -> None:
    before = with_vaults(replace(VAULT, default=Default(("trust",), "*")))
    by_default = one("by-default", default=True)
    taken = lost_by(before, with_vaults(replace(VAULT, default=after)), by_default, one())
    assert taken == dict.fromkeys(PLANTS[:2], (by_default.key,))


def test_a_wider_default_takes_nothing() -> None:
    before, after = (with_vaults(replace(VAULT, default=Default(("trust",), s))) for s in ("site=plant-00", "*"))
    assert lost_by(before, after, one("by-default", default=True)) == {}


TAKES = {
    "all is there": (one(), CONFIGURATION, True),
    "its vault is not": (one(), with_vaults(OTHER), False),
    "its list is not": (one(), replace(CONFIGURATION, lists=(ISSUER,)), False),
    "one of its lists is not": (ON_BOTH, replace(CONFIGURATION, lists=(TRUST,)), False),
    "its default is gone": (one(default=True), CONFIGURATION, True),
}


@pytest.mark.parametrize(("secret", "configuration", "expected"), TAKES.values(), ids=TAKES)
def test_law4_a_vault_or_list_that_the_settings_lack_proves_nothing(
    secret: Entry, configuration: Configuration, expected: bool
) -> None:
    assert takes(secret, configuration) is expected
