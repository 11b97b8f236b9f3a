"""Law 1: secrets, their versions and tags decide; the catalogue is derived and can be lost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.reconcile.ownership import OWNERS_ANNOTATION
from sync.reconcile.status import State
from sync.steps.push import push_cluster
from tests.support import certs
from tests.support.catalogues import CONFIGURATION, TRUST
from tests.support.certs import DAY, NOW
from tests.support.fleet import Fleet, registration

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping, Sequence

    from tests.support.certs import Built

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
A, B, C = certs.server(name="a"), certs.server(name="b"), certs.server(name="c")
WEAK = certs.server(key="rsa-1024")
SHORT = certs.server(name="short", not_after=NOW + DAY)
MINUTE = timedelta(minutes=1)
Upload = tuple[str, "Built", "Mapping[str, str] | None"]
"""Name, certificate, tags."""

PLANT = registration("plant", site="hamburg")


@pytest.fixture
def fleet() -> Fleet:
    return joined()


def joined() -> Fleet:
    made = Fleet(configured=CONFIGURATION)
    made.register(PLANT)
    return made


def uploaded(fleet: Fleet, *uploads: Upload) -> None:
    """Each upload a minute after the one before."""
    for name, built, tags in uploads:
        fleet.clock.move(MINUTE)
        fleet.upload(name, built.pem, tags)
        fleet.work_off()


def lose_catalogue(fleet: Fleet, *, statuses: bool = False) -> None:
    """The table of decisions is emptied; the operator registers the clusters anew."""
    if statuses:
        fleet.statuses.forget(PLANT.place(TRUST))
    fleet.lose_decisions()
    fleet.register(PLANT)


def requests(fleet: Fleet) -> Counter[str]:
    return fleet.clusters["plant"].state.requests


def tag(fleet: Fleet, name: str, **tags: str) -> None:
    newest = fleet.vault.secrets.get(name)
    fleet.vault.update(name, newest.id, tags={f"trustcast-{key}": value for key, value in tags.items()})


# --- What the vault says happens -------------------------------------------------------------------------


def test_law1_a_version_that_is_set_is_on_the_list(fleet: Fleet) -> None:
    uploaded(fleet, ("a", A, TAGS), ("a", B, TAGS))
    assert fleet.files("plant") == {"a.der": B.der}


def test_law1_tags_that_are_edited_move_the_file(fleet: Fleet) -> None:
    uploaded(fleet, ("a", A, TAGS))
    tag(fleet, "a", lists="trust", clusters="site=lyon")
    fleet.sweep(MINUTE)
    assert fleet.files("plant") == {}
    tag(fleet, "a", lists="trust", clusters="site=hamburg", file="renamed.crt")
    fleet.sweep(MINUTE)
    assert fleet.files("plant") == {"renamed.crt": A.pem.encode()}


def test_law1_the_newest_version_that_bears_the_tag_decides(fleet: Fleet) -> None:
    uploaded(fleet, ("a", A, TAGS), ("a", B, None))
    assert fleet.files("plant") == {"a.der": B.der}
    uploaded(fleet, ("a", C, {"trustcast-lists": "none"}))
    assert fleet.files("plant") == {}


def test_law1_deleting_disabling_enabling_and_recovering_are_followed(fleet: Fleet) -> None:
    uploaded(fleet, ("a", A, TAGS))
    version = fleet.vault.secrets.get("a").id
    steps: list[tuple[Callable[[], None], dict[str, bytes]]] = [
        (lambda: fleet.vault.delete("a"), {}),
        (lambda: fleet.vault.recover("a"), {"a.der": A.der}),
        (lambda: fleet.vault.set_enabled("a", version, enabled=False), {}),
        (lambda: fleet.vault.set_enabled("a", version, enabled=True), {"a.der": A.der}),
    ]
    for step, expected in steps:
        step()
        fleet.sweep(MINUTE)
        assert fleet.files("plant") == expected


def test_law1_disabling_the_version_in_force_brings_no_older_one_back(fleet: Fleet) -> None:
    uploaded(fleet, ("a", A, TAGS), ("a", B, TAGS))
    fleet.vault.set_enabled("a", fleet.vault.secrets.get("a").id, enabled=False)
    fleet.sweep(MINUTE)
    assert fleet.files("plant") == {}


# --- An emptied catalogue is rebuilt ---------------------------------------------------------------------

NAMED = {**TAGS, "trustcast-file": "plc.der"}
HISTORIES: dict[str, list[Upload]] = {
    "one version each": [("a", A, TAGS), ("b", B, TAGS)],
    "a replaced version": [("a", A, TAGS), ("a", B, TAGS)],
    "a rejected newest version": [("a", A, TAGS), ("a", WEAK, TAGS)],
    "dropped tags": [("a", A, TAGS), ("a", B, None)],
    "a contested name of which the holder was renewed since": [("b", A, NAMED), ("a", B, NAMED), ("b", C, NAMED)],
    "several rejected ones with dropped tags": [("a", A, TAGS), ("a", WEAK, None), ("a", WEAK, None)],
}


@pytest.mark.parametrize("statuses", [False, True], ids=["statuses kept", "statuses lost"])
@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_law1_a_rebuild_gives_the_same_lists_and_writes_nothing(
    fleet: Fleet, history: Sequence[Upload], statuses: bool
) -> None:
    uploaded(fleet, *history)
    before, requests_before = fleet.files("plant"), dict(requests(fleet))
    lose_catalogue(fleet, statuses=statuses)
    for _ in range(3):
        fleet.sweep(MINUTE)
    assert fleet.files("plant") == before != {}
    assert {verb: n for verb, n in requests(fleet).items() if verb != "get"} == {
        verb: n for verb, n in requests_before.items() if verb != "get"
    }
    assert fleet.status("plant").state is State.IN_SYNC


def test_law1_a_rebuild_adds_and_removes_nothing_at_a_disabled_version(fleet: Fleet) -> None:
    """v2 was in force and disabled while nobody looked: whether v1 ever was replaced, the catalogue cannot know."""
    uploaded(fleet, ("a", A, TAGS), ("a", B, TAGS))
    fleet.vault.set_enabled("a", fleet.vault.secrets.get("a").id, enabled=False)
    lose_catalogue(fleet)
    fleet.sweep(MINUTE)
    assert fleet.files("plant") == {"a.der": B.der}


def test_law1_a_rebuild_adds_and_removes_nothing_at_a_version_that_expired(fleet: Fleet) -> None:
    uploaded(fleet, ("a", A, TAGS), ("a", SHORT, TAGS))
    fleet.clock.move(2 * DAY)
    lose_catalogue(fleet)
    fleet.sweep(MINUTE)
    assert fleet.files("plant") == {"a.der": SHORT.der}


def test_law1_a_stopped_rebuild_goes_on_once_it_is_enabled_or_a_newer_one_is_set(fleet: Fleet) -> None:
    uploaded(fleet, ("a", A, TAGS), ("a", B, TAGS))
    version = fleet.vault.secrets.get("a").id
    fleet.vault.set_enabled("a", version, enabled=False)
    lose_catalogue(fleet)
    fleet.sweep(MINUTE)
    uploaded(fleet, ("a", C, TAGS))
    assert fleet.files("plant") == {"a.der": C.der}


@pytest.mark.parametrize("statuses", [False, True], ids=["statuses kept", "statuses lost"])
def test_law1_and_law4_what_was_deleted_before_a_rebuild_leaves_by_its_owner(fleet: Fleet, statuses: bool) -> None:
    """The list tells whose the file is, and the vault's next sweep looks at that secret."""
    uploaded(fleet, ("a", A, TAGS), ("b", B, TAGS))
    fleet.vault.delete("a")
    lose_catalogue(fleet, statuses=statuses)
    push_cluster(fleet.runtime, "plant")
    assert fleet.files("plant") == {"a.der": A.der, "b.der": B.der}
    for _ in range(3):
        fleet.sweep(MINUTE)
    assert fleet.files("plant") == {"b.der": B.der}


def test_law1_and_law4_what_was_deleted_and_is_nobodys_stays_and_is_reported(fleet: Fleet) -> None:
    uploaded(fleet, ("a", A, TAGS), ("b", B, TAGS))
    fleet.vault.delete("a")
    lose_catalogue(fleet, statuses=True)
    annotation = {"metadata": {"annotations": {OWNERS_ANNOTATION: None}}}
    fleet.clusters["plant"].state.merge(TRUST.namespace, TRUST.object, annotation, "kubectl-edit")
    fleet.sweep(MINUTE)
    fleet.clock.move(timedelta(hours=1))
    fleet.sweep(MINUTE)
    assert fleet.files("plant") == {"a.der": A.der, "b.der": B.der}
    assert fleet.status("plant").unaccounted == ("a.der",)
    owner = fleet.status("plant").files["b.der"].owner
    assert owner is not None
    assert owner.name == "b"


UPLOADS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from([A, B, C, WEAK]), st.sampled_from([TAGS, None])), max_size=5
)


@given(UPLOADS, st.integers(0, 5))
def test_law1_whenever_the_catalogue_is_lost_the_lists_come_out_as_if_it_never_was(
    uploads: Sequence[Upload], moment: int
) -> None:
    """However uploads and the loss mix, as long as every version is enabled: the vault alone decides."""
    kept, lost = joined(), joined()
    uploaded(kept, *uploads)
    uploaded(lost, *uploads[:moment])
    lose_catalogue(lost)
    uploaded(lost, *uploads[moment:])
    for fleet in (kept, lost):
        fleet.sweep(MINUTE)
    assert lost.files("plant") == kept.files("plant")
