"""Law 13: vaults, clusters and events may be hostile; the next cluster is served all the same."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import PlainTextResponse

from local.keyvault.faults import Fault as VaultFault
from local.kubernetes.cluster import kubeconfig
from local.kubernetes.faults import Fault, Kind
from local.support.serving import Server
from sync.commands.clusters import RegistrationRequest, register, unregister
from sync.errors import Invalid, Permanent
from sync.reconcile.status import State
from sync.steps.push import push_cluster
from tests.support import certs
from tests.support.fleet import event
from tests.support.http_fleet import TRUST, http_fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

    from local.keyvault.faults import Kind as VaultKind
    from tests.support.certs import Built
    from tests.support.http_fleet import HttpFleet, Stands

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
GOOD = certs.server()
MINUTE = timedelta(minutes=1)
WHERE = (TRUST.namespace, TRUST.object)


@dataclass
class Trap:
    """A server that nobody should ever ask for anything."""

    asked: list[str] = field(default_factory=list)
    url: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.asked.append(scope["path"])
            await PlainTextResponse("got you")(scope, receive, send)


@pytest.fixture(scope="module")
def trap_server() -> Iterator[Trap]:
    trap = Trap()
    with Server(trap) as server:
        trap.url = server.url
        yield trap


@pytest.fixture
def trap(trap_server: Trap) -> Iterator[Trap]:
    trap_server.asked.clear()
    yield trap_server
    assert trap_server.asked == []


@pytest.fixture
def fleet(servers: Stands) -> Iterator[HttpFleet]:
    """Two clusters; `hostile` is pushed first."""
    with http_fleet(servers) as made:
        made.join("hostile", "quiet")
        yield made


def upload(fleet: HttpFleet, name: str = "plc7", built: Built = GOOD) -> None:
    fleet.clock.move(MINUTE)
    fleet.upload(name, built.pem, TAGS)
    fleet.work_off()


# --- Clusters' answers -----------------------------------------------------------------------------------

ANSWERS = {
    "closes the connection": (Fault(Kind.DOWN), State.OFFLINE),
    "breaks off in mid-body": (Fault(Kind.RESET), State.OFFLINE),
    "redirects": (Fault(Kind.REDIRECT), State.BLOCKED),
    "more than 4 MiB": (Fault(Kind.HUGE), State.BLOCKED),
    "a compressed body": (Fault(Kind.COMPRESSED), State.BLOCKED),
    "401": (Fault(Kind.STATUS, status=401), State.UNAUTHORIZED),
    "403": (Fault(Kind.STATUS, status=403), State.UNAUTHORIZED),
    "404 of something else": (Fault(Kind.STATUS, status=404), State.BLOCKED),
    "422": (Fault(Kind.STATUS, status=422), State.BLOCKED),
    "429": (Fault(Kind.STATUS, status=429, retry_after="120"), State.PENDING),
    "500": (Fault(Kind.STATUS, status=500), State.PENDING),
    "503": (Fault(Kind.STATUS, status=503), State.PENDING),
}


@pytest.mark.parametrize("methods", [frozenset(), frozenset({"POST", "PATCH"})], ids=["reading", "writing"])
@pytest.mark.parametrize(("fault", "told"), ANSWERS.values(), ids=ANSWERS)
def test_law13_a_hostile_answer_is_a_state_and_the_next_cluster_is_served(
    fleet: HttpFleet, trap: Trap, fault: Fault, told: State, methods: frozenset[str]
) -> None:
    fault = replace(fault, location=f"{trap.url}/stolen", methods=methods)
    fleet.api_servers["hostile"].set_fault(fault)
    upload(fleet)
    assert fleet.status("hostile").state is told
    assert fleet.status("hostile").detail
    assert fleet.files("quiet") == {"plc7.der": GOOD.der}
    fleet.api_servers["hostile"].set_fault(None)
    push_cluster(fleet.runtime, "hostile")
    assert fleet.files("hostile") == {"plc7.der": GOOD.der}


WORDS = {Kind.HUGE: "more than 4 MiB", Kind.COMPRESSED: "compressed", Kind.REDIRECT: "redirects"}


@pytest.mark.parametrize("kind", WORDS)
def test_law13_the_limit_that_an_answer_breaks_is_named(fleet: HttpFleet, kind: Kind) -> None:
    """Refused for what it is, before anything looks into it."""
    fleet.api_servers["hostile"].set_fault(Fault(kind))
    upload(fleet)
    assert WORDS[kind] in fleet.status("hostile").detail


def test_law13_a_404_that_speaks_of_something_else_is_no_empty_list(fleet: HttpFleet) -> None:
    """As from a wrong path: nothing is created for it."""
    upload(fleet)
    plant = fleet.api_servers["hostile"]
    plant.requests.clear()
    plant.set_fault(Fault(Kind.STATUS, status=404, methods=frozenset({"GET"})))
    push_cluster(fleet.runtime, "hostile")
    assert set(plant.requests) == {"get"}
    assert fleet.status("hostile").state is State.BLOCKED


def test_law13_a_cluster_that_asks_for_time_gets_it(fleet: HttpFleet) -> None:
    fleet.api_servers["hostile"].set_fault(Fault(Kind.STATUS, status=429, retry_after="120"))
    upload(fleet)
    due, attempted = fleet.status("hostile").due, fleet.status("hostile").attempted
    assert due is not None
    assert attempted is not None
    assert due - attempted == timedelta(seconds=120)


@pytest.mark.parametrize(
    "fault", [Fault(Kind.DRIP, seconds=0.05), Fault(Kind.SLOW, seconds=60.0)], ids=["drips", "sleeps"]
)
def test_law13_a_whole_push_ends_in_its_time(servers: Stands, fault: Fault) -> None:
    """A body of a byte every 50 ms would take minutes; both lists of the cluster share one limit."""
    with http_fleet(servers, call_timeout=60, push_timeout=0.5) as fleet:
        fleet.join("hostile")
        upload(fleet)
        fleet.api_servers["hostile"].set_fault(fault)
        statuses = push_cluster(fleet.runtime, "hostile")
        assert [status.state for status in statuses] == [State.OFFLINE, State.OFFLINE]


LIES = {
    "no JSON": b"<html>sign in</html>",
    "no object": b"[]",
    "another kind": b'{"kind": "ConfigMap", "data": {"a.der": "QQ=="}}',
    "no base64": b'{"metadata": {"uid": "u", "resourceVersion": "1"}, "data": {"a.der": "!!!"}}',
    "nested deep": b"[" * 100_000,
}


@pytest.mark.parametrize("body", LIES.values(), ids=LIES)
def test_law13_an_answer_that_is_no_secret_proves_nothing_and_is_blocked(
    fleet: HttpFleet, authority_server: Answering, body: bytes
) -> None:
    authority_server.body = body
    text = json.loads(kubeconfig(fleet.api_servers["hostile"]))
    text["clusters"][0]["cluster"]["server"] = authority_server.url
    fleet.store_credential("hostile", json.dumps(text))
    register(fleet.runtime, RegistrationRequest("hostile", "hostile", ("site=hostile",), confirm=True))
    upload(fleet)
    assert fleet.status("hostile").state is State.BLOCKED
    assert fleet.files("quiet") == {"plc7.der": GOOD.der}


@dataclass
class Answering:
    """A server that answers everything with 200 and the same bytes."""

    body: bytes = b""
    url: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await PlainTextResponse(self.body, 200)(scope, receive, send)


@pytest.fixture
def authority_server(servers: Stands) -> Iterator[Answering]:
    """An API server, properly certified."""

    answering = Answering()
    with Server(answering, authority=servers.authority) as server:
        answering.url = server.url
        yield answering


# --- Credentials and pins --------------------------------------------------------------------------------


def moved(fleet: HttpFleet, **cluster: str) -> str:
    """The hostile cluster's kubeconfig with other fields of its server."""
    text = json.loads(kubeconfig(fleet.api_servers["hostile"]))
    text["clusters"][0]["cluster"] |= {name.replace("_", "-"): value for name, value in cluster.items()}
    return json.dumps(text)


def reads(fleet: HttpFleet, name: str = "hostile") -> int:
    return fleet.credentials.faults.count("value", name)


def expire(fleet: HttpFleet) -> None:
    """The token is refused from now on, so that the credential is read again."""
    fleet.api_servers["hostile"].rotate()


def test_law13_on_a_401_the_credential_is_read_again_once_and_a_new_token_heals(fleet: HttpFleet) -> None:
    upload(fleet)
    expire(fleet)
    fleet.store_credential("hostile")
    before = reads(fleet)
    upload(fleet, "second")
    assert fleet.status("hostile").state is State.IN_SYNC
    assert reads(fleet) == before + 1
    assert set(fleet.files("hostile")) == {"plc7.der", "second.der"}


def test_law13_a_token_that_stays_refused_is_read_again_once_a_list_and_attempt(fleet: HttpFleet) -> None:
    expire(fleet)
    before = reads(fleet)
    push_cluster(fleet.runtime, "hostile")
    assert fleet.status("hostile").state is State.UNAUTHORIZED
    assert reads(fleet) - before <= len(fleet.configured.lists)


PINS = {
    "another server": {"server": "https://127.0.0.1:9/clusters/hostile"},
    "another path": {"server": "https://127.0.0.1:9/other"},
    "another CA": {"certificate_authority_data": base64.b64encode(certs.ca().pem.encode()).decode()},
}


@pytest.mark.parametrize("change", PINS.values(), ids=PINS)
def test_law13_a_credential_that_points_elsewhere_is_blocked_until_confirmed(
    fleet: HttpFleet, change: dict[str, str]
) -> None:
    upload(fleet)
    fleet.store_credential("hostile", moved(fleet, **change))
    expire(fleet)
    upload(fleet, "second")
    assert fleet.status("hostile").state is State.BLOCKED
    assert "--confirm" in fleet.status("hostile").detail
    assert set(fleet.files("quiet")) == {"plc7.der", "second.der"}
    with pytest.raises(Permanent, match="confirm"):
        register(fleet.runtime, RegistrationRequest("hostile", "hostile"))
    registration = register(fleet.runtime, RegistrationRequest("hostile", "hostile", confirm=True))
    assert fleet.decisions.snapshot(fresh=True).clusters["hostile"] == registration


def test_law13_a_confirmed_move_is_followed(fleet: HttpFleet) -> None:
    upload(fleet)
    other = fleet.api_servers["quiet"]
    fleet.store_credential("hostile", kubeconfig(other), tagged="hostile")
    with pytest.raises(Invalid, match="registered already, as cluster quiet"):
        register(fleet.runtime, RegistrationRequest("hostile", "hostile", ("site=quiet",), confirm=True))
    unregister(fleet.runtime, "quiet")
    register(fleet.runtime, RegistrationRequest("hostile", "hostile", ("site=quiet",), confirm=True))
    fleet.work_off()
    assert fleet.status("hostile").state is State.IN_SYNC


@pytest.mark.parametrize("tag", ["quiet", "Hostile", "hostile ", "*", ""])
def test_law13_a_credential_is_read_only_if_its_tag_names_the_cluster(fleet: HttpFleet, tag: str) -> None:
    fleet.credentials.set("hostile", kubeconfig(fleet.api_servers["hostile"]), tags={"trustcast-credential": tag})
    expire(fleet)
    before = reads(fleet)
    upload(fleet)
    assert fleet.status("hostile").state is State.BLOCKED
    assert reads(fleet) == before
    assert fleet.files("quiet") == {"plc7.der": GOOD.der}


KUBECONFIGS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "runs a program": ("users", "user", {"exec": {"command": "sh", "apiVersion": "v1"}}),
    "names a file": ("users", "user", {"tokenFile": "/var/run/secrets/token"}),
    "trusts anybody": ("clusters", "cluster", {"insecure-skip-tls-verify": True}),
    "leads through a proxy": ("clusters", "cluster", {"proxy-url": "http://127.0.0.1:9"}),
    "impersonates": ("users", "user", {"as": "system:admin"}),
}


@pytest.mark.parametrize(("section", "entry", "field_"), KUBECONFIGS.values(), ids=KUBECONFIGS)
def test_law13_a_kubeconfig_that_is_more_than_data_is_refused(
    fleet: HttpFleet, section: str, entry: str, field_: dict[str, Any]
) -> None:
    text = json.loads(kubeconfig(fleet.api_servers["hostile"]))
    text[section][0][entry] |= field_
    fleet.store_credential("hostile", json.dumps(text))
    expire(fleet)
    upload(fleet)
    assert fleet.status("hostile").state is State.BLOCKED
    assert fleet.files("quiet") == {"plc7.der": GOOD.der}
    with pytest.raises(Permanent):
        register(fleet.runtime, RegistrationRequest("hostile", "hostile", confirm=True))


def test_law13_credentials_are_in_a_vault_that_is_never_watched(fleet: HttpFleet) -> None:
    fleet.credentials.set("plc7", GOOD.pem, tags=TAGS)
    fleet.sweep(MINUTE)
    assert fleet.files("quiet") == {}
    assert fleet.credentials.faults.count("listing") == 0


# --- Events and vaults -----------------------------------------------------------------------------------


def test_law13_an_events_url_is_never_followed(fleet: HttpFleet, trap: Trap) -> None:
    upload(fleet)
    version = fleet.watched.secrets.get("plc7").id
    host = trap.url.removeprefix("http://")
    claims = json.loads(event("plc7", version, host=fleet.host))[0]
    claims["data"] |= {"VaultUrl": trap.url, "Url": f"{trap.url}/x", "Link": trap.url}
    fleet.events = [
        event("plc7", version, host=host),
        event("plc7", version, host=host).replace("https://", "http://"),
        event("plc7", "f" * 32, host=f"{fleet.host}@{host}"),
        json.dumps([claims | {"topic": trap.url, "dataSchema": trap.url}]),
    ]
    fleet.forget_counts()
    fleet.work_off()
    assert fleet.watched.faults.counts() == {}


VAULT_ANSWERS: dict[str, dict[str, Any]] = {
    "500": {"status": 500},
    "403": {"status": 403, "code": "Forbidden"},
    "429": {"status": 429, "headers": {"Retry-After": "30"}},
    "a redirect": {"status": 307, "headers": {"Location": "http://127.0.0.1:9/"}},
    "no JSON": {"status": 200, "body": "<html>"},
    "JSON of another shape": {"status": 200, "body": '{"value": 17}'},
    "an empty page": {"status": 200, "body": "{}"},
    "404 of something else": {"status": 404, "body": "nginx"},
}


@pytest.mark.parametrize("kind", ["listing", "versions"])
@pytest.mark.parametrize("answer", VAULT_ANSWERS.values(), ids=VAULT_ANSWERS)
def test_law13_a_vaults_odd_answer_takes_nothing_off_any_list(
    fleet: HttpFleet, answer: dict[str, Any], kind: VaultKind
) -> None:
    upload(fleet)
    before = fleet.files("quiet")
    fleet.watched.faults.add(VaultFault(kind=kind, **answer))
    fleet.watched.update("plc7", tags=TAGS | {"note": "edited"})
    for _ in range(3):
        fleet.clock.move(MINUTE)
        fleet.sweep(MINUTE)
    assert fleet.files("quiet") == before != {}
