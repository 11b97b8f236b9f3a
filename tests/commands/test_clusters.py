"""Registering clusters: host and CA are pinned, a change of them waits for a person's word (law 13); one has one id."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from sync.commands.clusters import RegistrationRequest, register, rename, set_paused, unregister
from sync.errors import Invalid, NotFound, Permanent
from sync.findings import Code
from sync.fleet.clusters import ListOverride, Mode
from sync.fleet.kubeconfig import Endpoint
from sync.fleet.lists import Delivery
from sync.fleet.policy import Policy
from tests.support import certs
from tests.support.fleet import Fleet, Targets
from tests.support.memory import MemoryCluster

if TYPE_CHECKING:
    from datetime import datetime

    from sync.fleet.clusters import Registration


CA, OTHER_CA = certs.ca(), certs.ca(name="Other CA")


@dataclass
class Credentials(Targets):
    """Clusters with credentials that point wherever the test says."""

    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    def endpoint(self, cluster: str, secret: str) -> Endpoint:  # noqa: ARG002
        if secret not in self.endpoints:
            raise NotFound(f"the credentials vault has no secret {secret}")
        return self.endpoints[secret]


def pointing(host: str = "edge:6443", ca: certs.Built = CA) -> Endpoint:
    return Endpoint(f"https://{host}", ca.pem.encode(), "token")


class Site(Fleet):
    """A fleet whose clusters' credentials are the test's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.credentials = Credentials(self.clusters, {"good": pointing()})
        self.runtime = replace(self.runtime, clusters=self.credentials)


@pytest.fixture
def fleet() -> Site:
    return Site()


def registered(fleet: Site, name: str = "edge") -> Registration | None:
    return fleet.runtime.decisions.snapshot(fresh=True).clusters.get(name)


def test_a_registration_pins_the_credential_s_host_and_ca(fleet: Site) -> None:
    wanted = RegistrationRequest("edge", "good", ("site=hamburg", "env=prod"), ("trust",), "report")
    made = register(fleet.runtime, wanted)
    assert (made.host, made.ca_sha256, made.mode) == ("edge:6443", CA.sha256, Mode.REPORT)
    assert dict(made.labels) == {"site": "hamburg", "env": "prod"}
    assert registered(fleet) == made


@pytest.mark.parametrize("moved", [pointing("elsewhere:6443"), pointing(ca=OTHER_CA)], ids=["host", "CA"])
def test_law13_another_host_or_ca_is_refused_until_it_is_confirmed(fleet: Site, moved: Endpoint) -> None:
    before = register(fleet.runtime, RegistrationRequest("edge", "good"))
    fleet.credentials.endpoints["good"] = moved
    with pytest.raises(Permanent, match="--confirm"):
        register(fleet.runtime, RegistrationRequest("edge", "good", ("site=oz",)))
    assert registered(fleet) == before
    register(fleet.runtime, RegistrationRequest("edge", "good", confirm=True))
    assert (found := registered(fleet)) is not None
    assert (found.host, found.ca_sha256) == (moved.host, moved.ca_sha256)


def test_a_changed_registration_stays_paused(fleet: Site) -> None:
    register(fleet.runtime, RegistrationRequest("edge", "good"))
    set_paused(fleet.runtime, "edge", paused=True)
    register(fleet.runtime, RegistrationRequest("edge", "good", ("site=oz",)))
    found = registered(fleet)
    assert found is not None
    assert found.paused


TOLD_APART = (
    "trust,namespace=plant,object=own-list,delivery=secret,accept=expired,accept=weak-key,reject=no-application-uri"
)


def test_a_list_may_differ_on_one_cluster(fleet: Site) -> None:
    made = register(fleet.runtime, RegistrationRequest("edge", "good", lists=(TOLD_APART,)))
    policy = Policy(frozenset({Code.EXPIRED, Code.WEAK_KEY}), frozenset({Code.NO_APPLICATION_URI}))
    assert made.lists == (ListOverride("trust", "plant", "own-list", Delivery.SECRET, policy),)


@pytest.mark.parametrize("lists", [("trust",), (TOLD_APART,)])
def test_what_is_not_named_stays_when_a_cluster_is_registered_anew(fleet: Site, lists: tuple[str, ...]) -> None:
    before = register(fleet.runtime, RegistrationRequest("edge", "good", ("site=hamburg",), lists, "report"))
    fleet.credentials.endpoints["good"] = pointing("elsewhere:6443", OTHER_CA)
    after = register(fleet.runtime, RegistrationRequest("edge", confirm=True))
    moved = replace(before, host="elsewhere:6443", ca_sha256=OTHER_CA.sha256, separate=True)
    assert after == moved == registered(fleet)


@pytest.mark.parametrize(
    ("wanted", "changed"),
    [
        (RegistrationRequest("edge", "other"), "access"),
        (RegistrationRequest("edge", labels=("site=oz",)), "labels"),
        (RegistrationRequest("edge", labels=("",)), "labels"),
        (RegistrationRequest("edge", lists=("trust,object=another",)), "lists"),
        (RegistrationRequest("edge", lists=("trust",)), "lists"),
        (RegistrationRequest("edge", lists=("",)), "lists"),
        (RegistrationRequest("edge", mode="repair"), "mode"),
    ],
)
def test_what_is_named_is_told_in_full_and_changes_alone(
    fleet: Site, wanted: RegistrationRequest, changed: str
) -> None:
    fleet.credentials.endpoints["other"] = pointing()
    before = register(
        fleet.runtime, RegistrationRequest("edge", "good", ("site=hamburg", "env=prod"), (TOLD_APART,), "report")
    )
    after = register(fleet.runtime, wanted)
    assert getattr(after, changed) != getattr(before, changed)
    assert replace(after, **{changed: getattr(before, changed)}) == before


def test_an_empty_label_or_list_is_none_of_them(fleet: Site) -> None:
    register(fleet.runtime, RegistrationRequest("edge", "good", ("site=hamburg",), ("trust",)))
    after = register(fleet.runtime, RegistrationRequest("edge", labels=("",), lists=("",)))
    assert (dict(after.labels), after.lists) == ({}, ())


@pytest.mark.parametrize(
    ("wanted", "error", "word"),
    [
        (RegistrationRequest("edge", "none"), NotFound, "no secret none"),
        (RegistrationRequest("Edge!", "good"), Invalid, "cluster name"),
        (RegistrationRequest("edge", "good", ("site",)), Invalid, "key=value"),
        (RegistrationRequest("edge", "good", ("site=a", "site=b")), Invalid, "given twice"),
        (RegistrationRequest("edge", "good", (), ("nowhere",)), Invalid, "not defined; there are trust"),
        (RegistrationRequest("edge", "good", mode="wild"), Invalid, "mode"),
        (RegistrationRequest("edge"), Invalid, "--credential"),
        (
            RegistrationRequest("edge", "good", lists=("trust,object",)),
            Invalid,
            "'object' is not a field; write field=value",
        ),
        (RegistrationRequest("edge", "good", lists=("trust,colour=red",)), Invalid, "colour"),
        (RegistrationRequest("edge", "good", lists=("trust,name=other",)), Invalid, "'name' is given twice"),
        (RegistrationRequest("edge", "good", lists=("trust,object=a,object=b",)), Invalid, "'object' is given twice"),
        (RegistrationRequest("edge", "good", lists=("trust", "trust")), Invalid, "defined twice"),
        (RegistrationRequest("edge", "good", lists=("trust", "")), Invalid, "has no name"),
        (RegistrationRequest("edge", "good", lists=("trust,delivery=arm",)), Invalid, "not available"),
        (
            RegistrationRequest("edge", "good", lists=("trust,object=!",)),
            Invalid,
            "not the name of a Kubernetes object",
        ),
        (RegistrationRequest("edge", "good", lists=("trust,accept=revoked",)), Invalid, "nothing can waive"),
        (RegistrationRequest("edge", "good", lists=("trust,accept=nonsense",)), Invalid, "nonsense"),
    ],
)
def test_what_cannot_be_registered_is_said_and_not_written(
    fleet: Site, wanted: RegistrationRequest, error: type[Invalid | NotFound], word: str
) -> None:
    with pytest.raises(error, match=word):
        register(fleet.runtime, wanted)
    assert registered(fleet) is None


# One API server has one id, however it is called


GOOD = RegistrationRequest("edge", "good")
HELD = {"trustcast-lists": "trust", "trustcast-clusters": "*"}


@pytest.fixture
def running(fleet: Site) -> Site:
    """The fleet with one cluster that holds a file, and credentials for others."""
    fleet.clusters["edge"] = MemoryCluster()
    register(fleet.runtime, GOOD)
    fleet.upload("plc7", certs.server().pem, HELD)
    fleet.work_off()
    fleet.sweep()
    fleet.credentials.endpoints |= {"other": pointing("other:6443"), "moved": pointing(ca=OTHER_CA)}
    return fleet


def test_a_place_that_is_registered_already_is_refused_by_name(running: Site) -> None:
    with pytest.raises(Invalid, match=r"registered already, as cluster edge.*clusters rename edge again"):
        register(running.runtime, RegistrationRequest("again", "good"))
    assert registered(running, "again") is None


def test_one_api_server_may_have_two_names_with_objects_of_their_own(running: Site) -> None:
    second = register(running.runtime, RegistrationRequest("second", "good", lists=("trust,object=another",)))
    assert second.server == "edge"
    with pytest.raises(Invalid, match="registered already, as cluster edge"):
        register(running.runtime, RegistrationRequest("second", lists=("trust",)))


def test_law13_a_cluster_is_not_confirmed_to_be_what_another_one_is(running: Site) -> None:
    register(running.runtime, RegistrationRequest("second", "other"))
    with pytest.raises(Invalid, match="registered already, as cluster edge"):
        register(running.runtime, RegistrationRequest("second", "good", confirm=True))
    found = registered(running, "second")
    assert found is not None
    assert found.host == "other:6443"


def test_a_renamed_cluster_goes_on_with_what_is_known_of_its_lists(running: Site) -> None:
    running.clusters["plant"] = running.clusters["edge"]
    writes = running.clusters["edge"].state.requests["apply"]
    renamed = rename(running.runtime, "edge", "plant")
    running.work_off()
    running.sweep()
    assert (renamed.name, renamed.server, registered(running)) == ("plant", "edge", None)
    status = running.status("edge")
    assert (status.cluster, set(status.files)) == ("plant", {"plc7.der"})
    assert running.clusters["edge"].state.requests["apply"] == writes
    assert running.work.cluster("edge") is None


@pytest.mark.parametrize(
    ("old", "new", "error", "word"),
    [
        ("nowhere", "plant", NotFound, "no cluster nowhere is registered"),
        ("edge", "second", Invalid, "there is a cluster second already"),
        ("edge", "Plant!", Invalid, "cluster name"),
    ],
)
def test_a_name_that_cannot_be_given_is_said(
    running: Site, old: str, new: str, error: type[Invalid | NotFound], word: str
) -> None:
    register(running.runtime, RegistrationRequest("second", "other"))
    with pytest.raises(error, match=word):
        rename(running.runtime, old, new)
    assert registered(running) is not None


def test_law13_a_cluster_is_not_renamed_with_a_credential_that_points_elsewhere(running: Site) -> None:
    running.credentials.endpoints["good"] = pointing("elsewhere:6443")
    with pytest.raises(Permanent, match="--confirm"):
        rename(running.runtime, "edge", "plant")


def test_a_cluster_removed_and_added_goes_on_with_what_is_remembered(running: Site) -> None:
    unregister(running.runtime, "edge")
    running.vault.delete("plc7")
    running.work_off()
    running.sweep()
    assert set(running.files("edge")) == {"plc7.der"}
    added = register(running.runtime, RegistrationRequest("edge", "good"))
    running.work_off()
    assert (added.server, running.files("edge")) == ("edge", {})


def due(fleet: Site) -> datetime:
    work = fleet.work.cluster("edge")
    assert work is not None
    assert work.value.due is not None
    return work.value.due


def test_law10_a_cluster_removed_and_added_is_verified_again(running: Site) -> None:
    unregister(running.runtime, "edge")
    running.sweep()
    now = running.clock.now
    register(running.runtime, GOOD)
    running.work_off()
    verified = running.status("edge").verified
    assert verified is not None
    assert verified >= now
    assert due(running) > now


def test_law10_a_registration_that_dies_before_it_asks_for_a_push_is_pushed(running: Site) -> None:
    unregister(running.runtime, "edge")
    running.sweep()
    now = running.clock.now

    def dies(_: str) -> None:
        if registered(running) is not None:
            raise KeyboardInterrupt

    running.queues.pause = running.work.table.pause = dies
    with pytest.raises(KeyboardInterrupt):
        register(running.runtime, GOOD)
    running.queues.pause = running.work.table.pause = lambda _: None
    for _ in range(4):
        running.sweep()
    verified = running.status("edge").verified
    assert verified is not None
    assert verified > now
    assert due(running) > running.clock.now


def test_a_new_cluster_under_an_old_name_gets_another_id(running: Site) -> None:
    unregister(running.runtime, "edge")
    fresh = register(running.runtime, RegistrationRequest("edge", "other"))
    assert fresh.server.startswith("edge-")
    before = running.status("edge").files
    assert running.statuses.of_server(fresh.server) == ()
    assert running.status("edge").files == before


def test_a_cluster_under_a_name_that_a_renamed_one_had_gets_another_id(running: Site) -> None:
    rename(running.runtime, "edge", "plant")
    fresh = register(running.runtime, RegistrationRequest("edge", "other"))
    assert fresh.server.startswith("edge-")


def test_an_added_cluster_has_its_id_under_whatever_name_it_comes_back(running: Site) -> None:
    unregister(running.runtime, "edge")
    assert register(running.runtime, RegistrationRequest("plant", "good")).server == "edge"
