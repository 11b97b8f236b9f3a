"""Two lists never share one object: seen in every push, whatever names and addresses say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sync.desired.state import DesiredState
from sync.errors import Invalid
from sync.fleet.clusters import ListOverride
from sync.reconcile.ownership import Owners
from sync.reconcile.sharing import refuse_shared
from tests.support.catalogues import CONFIGURATION, ISSUER, TRUST, snapshot
from tests.support.fleet import registration
from tests.support.lists import PLACE, seen

if TYPE_CHECKING:
    from sync.fleet.clusters import Registration
    from sync.fleet.configuration import Configuration
    from sync.reconcile.observed import Observed

PLANT = registration("plant")
OTHER = registration("other")
OTHER_PLACE = PLACE.replace("plant", "other", 1)


def refused(
    *clusters: Registration,
    observed: Observed | None = None,
    configuration: Configuration = CONFIGURATION,
    place: str = PLACE,
) -> str:
    """What is said against pushing the place of the first cluster; empty if nothing."""
    found = replace(snapshot(), clusters={each.name: each for each in clusters})
    try:
        refuse_shared(DesiredState(found, configuration), clusters[0], place, observed or seen())
    except Invalid as error:
        return str(error)
    return ""


def says(place: str) -> Observed:
    return seen(owners=Owners(place))


ALONE: dict[str, dict[str, Any]] = {
    "one list, one object": {},
    "the object says nothing": {"observed": says("")},
    "the object says that it is this place": {"observed": says(PLACE)},
    "it says a place of no registered server": {"observed": says(PLACE.replace("plant", "gone", 1))},
    "no definition names the place any more": {"configuration": replace(CONFIGURATION, lists=(ISSUER,))},
}


@pytest.mark.parametrize("case", ALONE.values(), ids=ALONE)
def test_a_place_that_is_one_lists_alone_is_pushed(case: dict[str, Any]) -> None:
    assert refused(PLANT, OTHER, **case) == ""


def test_two_lists_that_come_to_name_one_object_are_both_blocked() -> None:
    both = replace(CONFIGURATION, lists=(TRUST, replace(ISSUER, object=TRUST.object)))
    assert "plant: issuer, plant: trust" in refused(PLANT, configuration=both)


def test_another_namespace_is_another_object() -> None:
    apart = replace(CONFIGURATION, lists=(TRUST, replace(ISSUER, object=TRUST.object, namespace="other")))
    assert refused(PLANT, configuration=apart) == ""


def test_a_clusters_own_object_may_collide_as_well() -> None:
    overridden = replace(PLANT, lists=(ListOverride("trust"), ListOverride("issuer", object=TRUST.object)))
    assert "several lists name this object" in refused(overridden)


def test_two_registrations_of_one_server_share_its_objects() -> None:
    second = replace(OTHER, server_id="plant")
    assert "other: trust, plant: trust" in refused(PLANT, second)
    assert refused(PLANT, replace(second, lists=(ListOverride("issuer"),))) == ""


def test_an_object_that_names_another_registered_place_is_the_same_server_twice() -> None:
    said = refused(PLANT, OTHER, observed=says(OTHER_PLACE))
    assert OTHER_PLACE in said
    assert "clusters add plant --confirm" in said


def test_a_person_may_declare_it_another_object() -> None:
    assert refused(replace(PLANT, separate=True), OTHER, observed=says(OTHER_PLACE)) == ""


def test_an_object_that_names_another_place_of_its_own_server_is_blocked_as_well() -> None:
    """A Secret that was copied from one list to another."""
    issuer_place = PLANT.place(ISSUER)
    assert issuer_place in refused(PLANT, observed=says(issuer_place))
