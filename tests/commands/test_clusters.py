"""Registering clusters: host and CA are pinned, and a change of them waits for a person's word (law 13)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from sync.commands.clusters import RegistrationRequest, register, set_paused
from sync.errors import Invalid, NotFound, Permanent
from sync.findings import Code
from sync.fleet.clusters import ListOverride, Mode
from sync.fleet.kubeconfig import Endpoint
from sync.fleet.lists import Delivery
from sync.fleet.policy import Policy
from tests.support import certs
from tests.support.fleet import Fleet, Targets

if TYPE_CHECKING:
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


def registered(fleet: Site) -> Registration | None:
    return fleet.runtime.decisions.snapshot(fresh=True).clusters.get("edge")


def test_a_registration_pins_the_credential_s_host_and_ca(fleet: Site) -> None:
    wanted = RegistrationRequest("edge", "good", ("site=hamburg", "env=prod"), ("trust",), "report")
    made, held = register(fleet.runtime, wanted)
    assert held is None
    assert (made.host, made.ca_sha256, made.mode) == ("edge:6443", CA.sha256, Mode.REPORT)
    assert dict(made.labels) == {"site": "hamburg", "env": "prod"}
    assert registered(fleet) == made


@pytest.mark.parametrize("moved", [pointing("elsewhere:6443"), pointing(ca=OTHER_CA)], ids=["host", "CA"])
def test_law13_another_host_or_ca_is_refused_until_it_is_confirmed(fleet: Site, moved: Endpoint) -> None:
    before, _ = register(fleet.runtime, RegistrationRequest("edge", "good"))
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
    made, _ = register(fleet.runtime, RegistrationRequest("edge", "good", lists=(TOLD_APART,)))
    policy = Policy(frozenset({Code.EXPIRED, Code.WEAK_KEY}), frozenset({Code.NO_APPLICATION_URI}))
    assert made.lists == (ListOverride("trust", "plant", "own-list", Delivery.SECRET, policy),)


@pytest.mark.parametrize("lists", [("trust",), (TOLD_APART,)])
def test_what_is_not_named_stays_when_a_cluster_is_registered_anew(fleet: Site, lists: tuple[str, ...]) -> None:
    before, _ = register(fleet.runtime, RegistrationRequest("edge", "good", ("site=hamburg",), lists, "report"))
    fleet.credentials.endpoints["good"] = pointing("elsewhere:6443", OTHER_CA)
    after, _ = register(fleet.runtime, RegistrationRequest("edge", confirm=True))
    assert after == replace(before, host="elsewhere:6443", ca_sha256=OTHER_CA.sha256) == registered(fleet)


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
    before, _ = register(
        fleet.runtime, RegistrationRequest("edge", "good", ("site=hamburg", "env=prod"), (TOLD_APART,), "report")
    )
    after, _ = register(fleet.runtime, wanted)
    assert getattr(after, changed) != getattr(before, changed)
    assert replace(after, **{changed: getattr(before, changed)}) == before


def test_an_empty_label_or_list_is_none_of_them(fleet: Site) -> None:
    register(fleet.runtime, RegistrationRequest("edge", "good", ("site=hamburg",), ("trust",)))
    after, _ = register(fleet.runtime, RegistrationRequest("edge", labels=("",), lists=("",)))
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
