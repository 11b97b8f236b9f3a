"""The Event Grid stand-in: what it delivers, how often, and what it does on demand."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent, SystemEventNames
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.eventgrid.events import SecretEvent, Subscription, Treatment
from local.eventgrid.server import EventGrid, HandshakeFailed
from local.identity import Identity
from local.keyvault.server import Vault
from local.support.serving import Server
from local.support.tls import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.datastructures import Headers
    from starlette.requests import Request

    from local.eventgrid.events import Delivery


class Endpoint:
    """A webhook that shakes hands, keeps what it is sent, and answers as it is told."""

    def __init__(self) -> None:
        self.reset()
        self.app = Starlette(routes=[Route("/", self.answer, methods=["POST", "OPTIONS"])])

    def reset(self) -> None:
        self.handshake = 200
        self.answers: list[int] = []  # statuses of the next deliveries; then 200
        self.code: str | None = None  # given back in the handshake in place of the right one
        self.allowed = "*"
        self.received: list[tuple[Headers, Any]] = []

    async def answer(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            assert request.headers["WebHook-Request-Origin"]
            return Response(status_code=self.handshake, headers={"WebHook-Allowed-Origin": self.allowed})
        body = await request.json()
        if request.headers["aeg-event-type"] == "SubscriptionValidation":
            code = self.code or body[0]["data"]["validationCode"]
            return JSONResponse({"validationResponse": code}, self.handshake)
        self.received.append((request.headers, body))
        return Response(status_code=self.answers.pop(0) if self.answers else 200)

    def names(self) -> list[str]:
        return [(body[0] if isinstance(body, list) else body)["subject"] for _, body in self.received]


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Endpoint, Server]]:
    endpoint = Endpoint()
    with Server(endpoint.app) as running:
        yield endpoint, running


@pytest.fixture
def endpoint(shared: tuple[Endpoint, Server]) -> Endpoint:
    shared[0].reset()
    return shared[0]


@pytest.fixture
def server(shared: tuple[Endpoint, Server]) -> Server:
    return shared[1]


@pytest.fixture
def grid() -> Iterator[EventGrid]:
    with EventGrid(retry_seconds=(0.0, 0.0, 0.0)) as running:
        yield running


def event(name: str = "plc7-der", **fields: int) -> SecretEvent:
    return SecretEvent("SecretNewVersionCreated", "kv1", "https://kv1.vault.azure.net", name, "e" * 32, **fields)


def results(grid: EventGrid) -> list[Any]:
    return [(line.attempt, line.status, line.result) for line in grid.log()]


def test_an_event_in_the_event_grid_schema_is_read_by_the_sdk(
    grid: EventGrid, server: Server, endpoint: Endpoint
) -> None:
    grid.subscribe(Subscription("s", server.url))
    grid.publish(event(not_before=1559081980, expires=1559082102))
    assert grid.settled()
    ((headers, body),) = endpoint.received
    assert headers["aeg-event-type"] == "Notification"
    assert headers["aeg-subscription-name"] == "S"
    assert headers["aeg-delivery-count"] == "0"
    read = EventGridEvent.from_dict(body[0])
    assert read.event_type == SystemEventNames.KeyVaultSecretNewVersionCreatedEventName
    assert read.subject == "plc7-der"
    assert str(read.topic).endswith("/providers/Microsoft.KeyVault/vaults/kv1")
    assert read.data == {
        "Id": f"https://kv1.vault.azure.net/secrets/plc7-der/{'e' * 32}",
        "VaultName": "kv1",
        "ObjectType": "Secret",
        "ObjectName": "plc7-der",
        "Version": "e" * 32,
        "NBF": 1559081980,
        "EXP": 1559082102,
    }


def test_a_cloud_event_is_read_by_the_sdk(grid: EventGrid, server: Server, endpoint: Endpoint) -> None:
    grid.subscribe(Subscription("s", server.url, "CloudEventSchemaV1_0"))
    grid.publish(event())
    assert grid.settled()
    ((headers, body),) = endpoint.received
    assert headers["content-type"].startswith("application/cloudevents+json")
    read: CloudEvent[dict[str, Any]] = CloudEvent.from_dict(body)
    assert read.type == SystemEventNames.KeyVaultSecretNewVersionCreatedEventName
    assert read.source.endswith("/vaults/kv1")
    assert read.data is not None
    assert read.data["NBF"] is None


def test_an_endpoint_without_the_validation_code_gets_nothing(
    grid: EventGrid, server: Server, endpoint: Endpoint
) -> None:
    endpoint.code = "wrong"
    with pytest.raises(HandshakeFailed):
        grid.subscribe(Subscription("s", server.url))
    grid.publish(event())
    assert grid.settled()
    assert endpoint.received == []


@pytest.mark.parametrize("status", [202, 401, 500])
def test_only_200_shakes_hands(grid: EventGrid, server: Server, endpoint: Endpoint, status: int) -> None:
    endpoint.handshake = status
    with pytest.raises(HandshakeFailed):
        grid.subscribe(Subscription("s", server.url))


@pytest.mark.parametrize(("allowed", "status"), [("evil.example", 200), ("*", 405)])
def test_an_origin_that_is_not_allowed_makes_no_subscription(
    grid: EventGrid, server: Server, endpoint: Endpoint, allowed: str, status: int
) -> None:
    endpoint.allowed, endpoint.handshake = allowed, status
    with pytest.raises(HandshakeFailed):
        grid.subscribe(Subscription("s", server.url, "CloudEventSchemaV1_0"))


def test_an_endpoint_that_is_not_there_makes_no_subscription(grid: EventGrid, endpoint: Endpoint) -> None:
    with Server(endpoint.app) as gone:
        url = gone.url
    with pytest.raises(HandshakeFailed):
        grid.subscribe(Subscription("s", url))


@pytest.mark.parametrize("status", [200, 201, 202, 203, 204])
def test_what_is_taken_is_delivered_once(grid: EventGrid, server: Server, endpoint: Endpoint, status: int) -> None:
    endpoint.answers = [status]
    grid.subscribe(Subscription("s", server.url))
    grid.publish(event())
    assert grid.settled()
    assert results(grid) == [(1, status, "delivered")]


@pytest.mark.parametrize("status", [205, 302, 404, 408, 429, 500, 503])
def test_what_fails_is_delivered_again(grid: EventGrid, server: Server, endpoint: Endpoint, status: int) -> None:
    endpoint.answers = [status, status]
    grid.subscribe(Subscription("s", server.url))
    grid.publish(event())
    assert grid.settled()
    assert results(grid) == [(1, status, "retrying"), (2, status, "retrying"), (3, 200, "delivered")]
    ids = {body[0]["id"] for _, body in endpoint.received}
    assert len(ids) == 1
    assert [headers["aeg-delivery-count"] for headers, _ in endpoint.received] == ["0", "1", "2"]


@pytest.mark.parametrize("status", [400, 401, 403, 413])
def test_what_is_refused_is_not_delivered_again(
    grid: EventGrid, server: Server, endpoint: Endpoint, status: int
) -> None:
    endpoint.answers = [status]
    grid.subscribe(Subscription("s", server.url))
    grid.publish(event())
    assert grid.settled()
    assert results(grid) == [(1, status, "refused")]


def test_what_never_succeeds_is_given_up(grid: EventGrid, server: Server, endpoint: Endpoint) -> None:
    endpoint.answers = [500] * 10
    grid.subscribe(Subscription("s", server.url))
    grid.publish(event())
    assert grid.settled()
    assert [line.result for line in grid.log()] == ["retrying"] * 3 + ["expired"]


def test_an_endpoint_that_went_away_is_tried_again(endpoint: Endpoint) -> None:
    with EventGrid(retry_seconds=(0.0,)) as grid:
        with Server(endpoint.app) as gone:
            grid.subscribe(Subscription("s", gone.url))
        grid.publish(event())
        assert grid.settled()
        assert results(grid) == [(1, None, "retrying"), (2, None, "expired")]


def test_an_endpoint_that_is_too_slow_is_tried_again() -> None:
    released = threading.Event()

    async def slow(request: Request) -> Response:
        if request.headers["aeg-event-type"] == "SubscriptionValidation":
            return JSONResponse({"validationResponse": (await request.json())[0]["data"]["validationCode"]})
        await request.body()
        await asyncio.to_thread(released.wait, 10)
        return Response()

    app = Starlette(routes=[Route("/", slow, methods=["POST"])])
    with Server(app) as server, EventGrid(retry_seconds=(), response_limit=0.3) as grid:
        grid.subscribe(Subscription("s", server.url))
        grid.publish(event())
        assert grid.settled()
        released.set()
        assert results(grid) == [(1, None, "expired")]


def test_every_subscription_gets_every_event(grid: EventGrid, server: Server, endpoint: Endpoint) -> None:
    grid.subscribe(Subscription("one", server.url))
    grid.subscribe(Subscription("two", server.url, "CloudEventSchemaV1_0"))
    grid.publish(event())
    assert grid.settled()
    assert len(endpoint.received) == 2


def test_a_subscription_that_is_gone_gets_nothing(grid: EventGrid, server: Server, endpoint: Endpoint) -> None:
    grid.subscribe(Subscription("s", server.url))
    grid.unsubscribe("s")
    grid.publish(event())
    assert grid.settled()
    assert endpoint.received == []


def test_on_demand_events_come_twice(grid: EventGrid, server: Server, endpoint: Endpoint) -> None:
    grid.subscribe(Subscription("s", server.url))
    grid.treat(Treatment(copies=2))
    grid.publish(event())
    assert grid.settled()
    first, second = (body[0] for _, body in endpoint.received)
    assert first == second


def test_on_demand_events_are_dropped_and_logged(grid: EventGrid, server: Server, endpoint: Endpoint) -> None:
    grid.subscribe(Subscription("s", server.url))
    grid.treat(Treatment(copies=0))
    grid.publish(event())
    assert grid.settled()
    assert endpoint.received == []
    assert results(grid) == [(0, None, "dropped")]


@pytest.mark.parametrize(("turned_around", "expected"), [(False, ["a", "b", "c"]), (True, ["c", "b", "a"])])
def test_on_demand_events_are_held_and_come_late_in_either_order(
    grid: EventGrid, server: Server, endpoint: Endpoint, turned_around: bool, expected: list[str]
) -> None:
    grid.subscribe(Subscription("s", server.url))
    grid.treat(Treatment(hold=True))
    for name in "abc":
        grid.publish(event(name))
    assert grid.settled()
    assert endpoint.received == []
    grid.release(turned_around=turned_around)
    assert grid.settled()
    assert endpoint.names() == expected
    grid.publish(event("d"))
    assert grid.settled()
    assert endpoint.names()[-1] == "d"


def test_on_demand_events_are_late_and_those_still_under_way_end_with_the_grid(
    server: Server, endpoint: Endpoint
) -> None:
    with EventGrid() as grid:
        grid.subscribe(Subscription("s", server.url))
        grid.treat(Treatment(delay=3600))
        grid.publish(event())
        assert not grid.settled(timeout=0)
    assert grid.settled(timeout=0)
    assert endpoint.received == []


def test_the_log_is_told_as_it_is_written(server: Server, endpoint: Endpoint) -> None:
    seen: list[Delivery] = []
    with EventGrid(watch=seen.append) as grid:
        grid.subscribe(Subscription("s", server.url))
        grid.publish(event())
        assert grid.settled()
        assert tuple(seen) == grid.log()
        assert len(endpoint.received) == len(seen) == 1


@contextmanager
def vault_on(grid: EventGrid, tmp_path: Path) -> Iterator[Vault]:
    authority = Authority.in_folder(tmp_path)
    with Vault("kv1", authority=authority, identity=Identity(), raised=grid.publish) as vault:
        yield vault


def test_a_vault_raises_events_for_new_versions_and_for_nothing_else(
    grid: EventGrid, server: Server, endpoint: Endpoint, tmp_path: Path
) -> None:
    """Law 2: tag edits, disabling, deletion and recovery are silent; only looking finds them."""
    grid.subscribe(Subscription("s", server.url))
    with vault_on(grid, tmp_path) as vault:
        version = vault.set("a", "x", tags={"a": "b"})
        vault.update("a", tags={"c": "d"}, enabled=False)
        vault.secrets.delete("a")
        vault.secrets.recover("a")
        vault.secrets.delete("a")
        vault.secrets.purge("a")
        assert grid.settled()
        ((_, body),) = endpoint.received
        assert body[0]["data"]["Id"] == f"{vault.url}/secrets/a/{version}"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("SecretNearExpiry", SystemEventNames.KeyVaultSecretNearExpiryEventName),
        ("SecretExpired", SystemEventNames.KeyVaultSecretExpiredEventName),
    ],
)
def test_a_vault_raises_expiry_on_demand(
    grid: EventGrid, server: Server, endpoint: Endpoint, tmp_path: Path, kind: str, name: Any
) -> None:
    grid.subscribe(Subscription("s", server.url))
    with vault_on(grid, tmp_path) as vault:
        vault.set("a", "x")
        vault.raise_event(kind, "a")
        assert grid.settled()
    assert {body[0]["eventType"] for _, body in endpoint.received} == {
        SystemEventNames.KeyVaultSecretNewVersionCreatedEventName,
        name,
    }
