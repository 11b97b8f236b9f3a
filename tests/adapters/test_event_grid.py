from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.adapters.event_grid import Ignored, SecretChanged, SecretEvent, parse_event
from sync.catalogue.secret import SecretKey
from sync.errors import Invalid
from sync.ports.messages import Message, PlanFleet, PushCluster, encode, parse_message

if TYPE_CHECKING:
    from collections.abc import Callable

    Event = dict[str, Any]

VERSION = "ee059b2bb5a6488fa5bd3f5a6d2d5f3c"
ID = f"https://kv1.vault.azure.net/secrets/plc7-der/{VERSION}"
KEY = SecretKey("kv1.vault.azure.net", "plc7-der")
SOURCE = "/subscriptions/1/resourceGroups/g/providers/Microsoft.KeyVault/vaults/kv1"
NEW = "Microsoft.KeyVault.SecretNewVersionCreated"
DATA = {
    "Id": ID,
    "VaultName": "kv1",
    "ObjectType": "Secret",
    "ObjectName": "plc7-der",
    "Version": VERSION,
    "NBF": "1559081980",
    "EXP": "1559082102",
}


def grid(data: Any = None, **change: Any) -> Event:
    return {
        "id": "00ec",
        "topic": SOURCE,
        "subject": "plc7-der",
        "eventType": NEW,
        "eventTime": "2019-07-25T01:08:33.1036736Z",
        "data": DATA if data is None else data,
        "dataVersion": "1",
        "metadataVersion": "1",
    } | change


def cloud(data: Any = None, **change: Any) -> Event:
    return {
        "specversion": "1.0",
        "id": "00ec",
        "source": SOURCE,
        "subject": "plc7-der",
        "type": NEW,
        "time": "2019-07-25T01:08:33.1036736Z",
        "data": DATA if data is None else data,
    } | change


def read(*events: Event | int) -> tuple[SecretChanged | Ignored, ...]:
    return parse_event(json.dumps(events[0] if len(events) == 1 else events))


def changed(event: Event) -> SecretChanged:
    (outcome,) = read(event)
    assert isinstance(outcome, SecretChanged)
    return outcome


CHANGED = SecretChanged(KEY, VERSION, SecretEvent.NEW_VERSION, "00ec")


@pytest.mark.parametrize("event", [grid(), cloud()], ids=["event grid", "cloud events"])
def test_an_event_of_either_schema_names_the_secret_and_its_version(event: Event) -> None:
    assert read(event) == (CHANGED,)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SecretNewVersionCreated", SecretEvent.NEW_VERSION),
        ("SecretNearExpiry", SecretEvent.NEAR_EXPIRY),
        ("SecretExpired", SecretEvent.EXPIRED),
    ],
)
def test_the_three_events_of_secrets_are_known(name: str, kind: SecretEvent) -> None:
    assert changed(grid(eventType=f"Microsoft.KeyVault.{name}")).kind is kind
    assert changed(cloud(type=f"Microsoft.KeyVault.{name}")).kind is kind


def test_an_array_gives_one_outcome_for_each_of_its_events() -> None:
    outcomes = read(grid(), 7, cloud(id="00ed"))
    assert outcomes == (CHANGED, Ignored("not a JSON object"), SecretChanged(KEY, VERSION, CHANGED.kind, "00ed"))
    assert parse_event("[]") == ()


def without(*names: str) -> dict[str, str]:
    return {key: value for key, value in DATA.items() if key not in names}


@pytest.mark.parametrize(
    "event",
    [
        grid({**without("ObjectName"), "ObjectName ": "plc7-der"}),
        grid({**DATA, "Version": f" {VERSION}"}),
        grid({key[0].lower() + key[1:]: value for key, value in DATA.items()}),
        grid({**DATA, "NBF": 1559081980, "EXP": None}),
        grid({**DATA, "Id": f" {ID.upper().replace('HTTPS', 'https')} "}),
        grid({**DATA, "Id": ID.replace(".net/", ".net:443/")}),
        grid({"Id": ID}),
        grid({**DATA, "Version": "of something else"}),
        grid(eventTime="the day before yesterday"),
        grid(topic=None),
        grid(topic=SOURCE.upper() + "/"),
        cloud(time=7),
        cloud(Odd_Extension=1, traceparent="00"),
        {key: value for key, value in grid().items() if key in {"eventType", "data"}} | {"id": "00ec"},
    ],
    ids=str,
)
def test_odd_spellings_are_understood(event: Event) -> None:
    assert read(event) == (CHANGED,)


def test_an_id_without_a_version_names_none() -> None:
    assert changed(grid({**DATA, "Id": "https://kv1.vault.azure.net/secrets/plc7-der"})).version is None


def test_the_host_of_a_vault_on_this_machine_keeps_its_port() -> None:
    data = {**DATA, "Id": f"https://127.0.0.1:8443/secrets/plc7-der/{VERSION}"}
    assert changed(grid(data)).key == SecretKey("127.0.0.1:8443", "plc7-der")


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (grid(eventType="Microsoft.KeyVault.KeyExpired"), "'Microsoft.KeyVault.KeyExpired' is not about secrets"),
        (grid(eventType=None), "type '' is not about secrets"),
        (grid(eventType="x\n\x1b[31m" + "y" * 999), "type 'x\\n\\x1b[31my"),
        (grid("text"), "its data is not an object"),
        (grid([DATA]), "its data is not an object"),
        (grid(without("Id")), "no Id that identifies a secret"),
        (grid({**DATA, "Id": 7}), "no Id that identifies a secret"),
        (grid({**DATA, "Id": ID.replace("https", "http")}), "no Id that identifies a secret"),
        (grid({**DATA, "Id": ID.replace("secrets", "keys")}), "no Id that identifies a secret"),
        (grid({**DATA, "Id": ID + "/more"}), "no Id that identifies a secret"),
        (grid({**DATA, "Id": ID.replace("plc7-der", "a%2fb")}), "no Id that identifies a secret"),
        (grid({**DATA, "Id": ID.replace("kv1", "me:pw@kv1")}), "no Id that identifies a secret"),
        (grid({**DATA, "Id": "https://[/secrets/a"}), "no Id that identifies a secret"),
        (cloud(type=None), "is not about secrets"),
        ({"specversion": "1.0"}, "of neither"),
        ({}, "type '' is not about secrets"),
    ],
)
def test_what_is_foreign_or_malformed_is_ignored_with_a_reason_that_is_safe_to_show(event: Event, reason: str) -> None:
    (outcome,) = read(event)
    assert isinstance(outcome, Ignored)
    assert reason in outcome.reason
    assert outcome.reason.isprintable()
    assert len(outcome.reason) < 400


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (grid({**DATA, "VaultName": "kv2"}), "VaultName"),
        (grid({**DATA, "ObjectName": "other"}), "ObjectName"),
        (grid({**without("ObjectName"), " objectname ": " other "}), "ObjectName"),
        (grid({**DATA, "ObjectType": "Key"}), "ObjectType"),
        (grid(topic=SOURCE[:-1] + "2"), "source"),
        (cloud(source=SOURCE[:-1] + "2"), "source"),
    ],
)
def test_law13_an_event_that_contradicts_itself_is_not_believed(event: Event, field: str) -> None:
    assert read(event) == (Ignored(f"its Id and its {field} contradict each other"),)


@pytest.mark.parametrize(
    "text",
    ["", "no", "{", "[" * 100_000, '{"a":' * 100_000, "\ud800", "null", "7", '"x"', "x" * 25_000, "\x00"],
    ids=lambda text: text[:8],
)
def test_what_is_no_event_at_all_is_ignored(text: str) -> None:
    (outcome,) = parse_event(text)
    assert isinstance(outcome, Ignored)


def test_an_event_of_25_kb_is_read() -> None:
    assert read(grid({**DATA, "padding": "x" * 25_000})) == (CHANGED,)


def test_a_delivery_beyond_event_grids_own_limit_is_ignored() -> None:
    assert parse_event(" " * (1024 * 1024 + 1)) == (Ignored("larger than 1048576 characters"),)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.text())
def test_any_text_gives_outcomes(text: str) -> None:
    assert all(isinstance(each, SecretChanged | Ignored) for each in parse_event(text))


@given(
    st.sampled_from([grid, cloud]),
    st.dictionaries(st.sampled_from([*grid(), *cloud(), "data_base64"]), JSON, max_size=4),
    st.dictionaries(st.sampled_from([*DATA, "ObjectName "]), JSON, max_size=3),
)
def test_an_event_with_anything_anywhere_gives_one_outcome(
    schema: Callable[[Event], Event], change: Event, data: Event
) -> None:
    (outcome,) = read(schema({**DATA, **data}) | change)
    assert isinstance(outcome, SecretChanged | Ignored)
    if isinstance(outcome, SecretChanged):
        assert outcome.key == KEY or "Id" in data or "data" in change


@pytest.mark.parametrize("message", [PlanFleet("a burst"), PushCluster("plant-1", 'he said "now"\n')])
def test_a_message_is_read_back_as_it_was_sent(message: Message) -> None:
    assert parse_message(encode(message), type(message)) == message
    assert json.loads(encode(message))["schema"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "\ud800",
        '{"schema":2,"type":"push-cluster","message":{"cluster":"a","reason":"b"}}',
        '{"schema":1,"type":"plan-fleet","message":{"reason":"b"}}',
        '{"schema":1,"type":"push-cluster","message":{"reason":"b"}}',
        '{"schema":1,"type":"push-cluster","message":{"cluster":7,"reason":"b"}}',
        '{"schema":1,"type":"push-cluster","message":{"cluster":"a","reason":"b"},"more":1}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:40],
)
def test_a_malformed_message_or_one_of_another_schema_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="the queue message is"):
        parse_message(text, PushCluster)
