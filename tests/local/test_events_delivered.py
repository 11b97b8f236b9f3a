"""Events through the real path: Event Grid's stand-in, the host's webhook, function_app.py; nothing lost, no crash.

One stack serves every test; each has secrets of its own. Timers run only when told (`check_drift` by hand), so what
arrives without it arrived by its event.
"""

from __future__ import annotations

import json
import time
from threading import Event
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from local.eventgrid.events import SecretEvent, Subscription, Treatment
from local.keyvault.faults import Fault
from local.stack import EVENT_KEY, Stack
from tests.support import certs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.certs import Built


TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
TRUST = "aio-opc-ua-broker-trust-list"
NEVER = "0 0 0 29 2 *"
SETTINGS = {"TRUSTCAST_TICK": NEVER, "TRUSTCAST_VAULT_INTERVAL": "0.1s", "TRUSTCAST_STILL": "0.1s"}
NEW_VERSION = "Microsoft.KeyVault.SecretNewVersionCreated"
PATIENCE = 60  # seconds


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(["plant"], settings=SETTINGS) as started:
        started.register("plant", {})
        yield started
        log = started.log.read_text()
        assert httpx.get(f"{started.host_url}/admin/host/status", trust_env=False).status_code == 401
        assert "Traceback" not in log


@pytest.fixture(autouse=True)
def _quiet(stack: Stack) -> Iterator[None]:
    """Whatever a test did to Event Grid or the vault ends with it; nothing it raised is still being tried."""
    yield
    stack.events.release()
    stack.vault.faults.clear()
    assert stack.events.settled(PATIENCE)


def certificate(name: str, number: int = 0) -> Built:
    return certs.server(
        name=name, key_name=str(number), not_before=certs.NOW - certs.YEAR, not_after=certs.NOW + 30 * certs.YEAR
    )


def upload(stack: Stack, name: str, number: int = 0, **more: Any) -> Built:
    """A new version of a secret; gives the certificate."""
    built = certificate(name, number)
    stack.vault.set(name, built.pem, tags=TAGS, **more)
    return built


def until(
    holds: Callable[[], bool], what: str, *, meanwhile: Callable[[], object] = lambda: None, pause: float = 0.02
) -> None:
    """Wait until it holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, what
        meanwhile()
        Event().wait(pause)


def arrives(
    stack: Stack,
    name: str,
    built: Built | None,
    *,
    meanwhile: Callable[[], object] = lambda: None,
    pause: float = 0.02,
) -> None:
    """Wait until the list holds the certificate, or nothing, under the secret's name."""

    def there() -> bool:
        return stack.clusters["plant"].files(TRUST).get(f"{name}.der") == (built.der if built else None)

    until(there, f"{name} did not become what it should on the cluster", meanwhile=meanwhile, pause=pause)


def sweep_brings(stack: Stack, name: str, built: Built | None) -> None:
    """The same with the timer running; the vault is listed again and again."""
    arrives(stack, name, built, meanwhile=lambda: stack.run_function("check_drift"), pause=0.3)


def attempts(stack: Stack, name: str) -> list[int | None]:
    """Status of every delivery tried for the secret's events, in order."""
    assert stack.events.settled(PATIENCE)
    return [each.status for each in stack.events.log() if each.event.name == name and each.attempt]


def value_reads(stack: Stack, name: str) -> int:
    return stack.vault.faults.count("value", name)


def post(stack: Stack, body: Any) -> int:
    """Deliver these bytes as Event Grid would."""
    return httpx.post(
        f"{stack.host_url}/runtime/webhooks/EventGrid",
        params={"functionName": "on_secret_event", "code": EVENT_KEY},
        headers={"aeg-event-type": "Notification", "Content-Type": "application/json"},
        content=body if isinstance(body, bytes) else json.dumps(body).encode(),
        timeout=PATIENCE,
        trust_env=False,
    ).status_code


def claims(stack: Stack, name: str, **differs: str) -> dict[str, Any]:
    """The event of the secret's newest version."""
    version = stack.vault.secrets.get(name).id
    data = {"Id": f"{stack.vault.url}/secrets/{name}/{version}", "ObjectType": "Secret", "ObjectName": name}
    return {"id": "1", "subject": name, "eventType": NEW_VERSION, "data": data, "dataVersion": "1", **differs}


def unannounced(stack: Stack, name: str) -> Built:
    """A new secret whose event is dropped."""
    stack.events.treat(Treatment(copies=0))
    built = upload(stack, name)
    stack.events.treat(Treatment())
    return built


# --- What becomes of events on their way -------------------------------------------------------------------


def test_an_event_brings_its_secret_to_the_cluster(stack: Stack) -> None:
    arrives(stack, "plain", upload(stack, "plain"))
    assert attempts(stack, "plain") == [202]


def test_duplicated_events_are_taken_each_and_read_the_value_once_or_twice_at_most(stack: Stack) -> None:
    """Copies that run at the same moment may each read; none is refused or tried again."""
    stack.events.treat(Treatment(copies=5))
    arrives(stack, "duplicated", upload(stack, "duplicated"))
    assert attempts(stack, "duplicated") == [202] * 5
    reads = value_reads(stack, "duplicated")
    assert post(stack, [claims(stack, "duplicated")] * 3) == 202
    assert value_reads(stack, "duplicated") == reads


def test_reordered_events_leave_the_newest_version(stack: Stack) -> None:
    stack.events.treat(Treatment(hold=True))
    newest = [upload(stack, "reordered", number) for number in range(4)][-1]
    stack.events.release(turned_around=True)
    arrives(stack, "reordered", newest)
    assert attempts(stack, "reordered") == [202] * 4
    arrives(stack, "reordered", newest)


def test_an_event_delayed_until_all_has_moved_on_brings_nothing_old_back(stack: Stack) -> None:
    """Held while its version is replaced, the newest disabled and the list emptied: then it comes, late."""
    stack.events.treat(Treatment(hold=True))
    upload(stack, "delayed", 1)
    sweep_brings(stack, "delayed", certificate("delayed", 1))
    newest = upload(stack, "delayed", 2)
    sweep_brings(stack, "delayed", newest)
    stack.vault.update("delayed", enabled=False)
    sweep_brings(stack, "delayed", None)
    stack.events.release()
    assert attempts(stack, "delayed") == [202, 202]
    sweep_brings(stack, "after-delayed", upload(stack, "after-delayed"))
    assert "delayed.der" not in stack.clusters["plant"].files(TRUST)


def test_an_event_an_hour_old_by_its_own_time_still_says_look(stack: Stack) -> None:
    built = unannounced(stack, "hour-old")
    assert post(stack, [claims(stack, "hour-old", eventTime="2020-01-01T00:00:00Z")]) == 202
    arrives(stack, "hour-old", built)


def test_a_dropped_event_is_made_good_by_the_sweep(stack: Stack) -> None:
    built = unannounced(stack, "dropped")
    assert attempts(stack, "dropped") == []
    sweep_brings(stack, "dropped", built)


def test_while_the_vault_fails_event_grid_tries_again_and_then_it_arrives(stack: Stack) -> None:
    stack.vault.faults.add(Fault(kind="versions", name="retried", status=503, times=2))
    arrives(stack, "retried", upload(stack, "retried"))
    assert attempts(stack, "retried") == [500, 500, 202]


def test_a_vault_that_refuses_for_good_is_no_reason_to_deliver_again(stack: Stack) -> None:
    stack.vault.faults.add(Fault(kind="versions", name="refused", status=403, code="Forbidden"))
    built = upload(stack, "refused")
    assert attempts(stack, "refused") == [202]
    stack.vault.faults.clear()
    sweep_brings(stack, "refused", built)


# --- Events about other things -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["SecretNewVersionCreated", "SecretNearExpiry", "SecretExpired"])
def test_an_event_of_an_unknown_vault_is_taken_and_asks_nobody(stack: Stack, kind: str) -> None:
    stack.vault.faults.reset_counts()
    name = f"foreign-{kind}"
    stack.events.publish(SecretEvent(kind, "other", "https://other.vault.azure.net", name, "1" * 32))
    assert attempts(stack, name) == [202]
    asked = stack.vault.faults.counts()
    asked.pop("listing", None)  # a sweep that an earlier test asked for may still be ending
    assert asked == {}


def test_a_secret_that_is_no_certificate_is_never_read_and_its_event_is_taken(stack: Stack) -> None:
    stack.vault.set("password", "hunter2")
    assert attempts(stack, "password") == [202]
    assert value_reads(stack, "password") == 0


def test_an_assigned_secret_that_is_no_certificate_is_taken_once_and_never_again(stack: Stack) -> None:
    stack.vault.set("nonsense", "hunter2", tags=TAGS)
    assert attempts(stack, "nonsense") == [202]
    reads = value_reads(stack, "nonsense")
    sweep_brings(stack, "after-nonsense", upload(stack, "after-nonsense"))
    assert (reads, value_reads(stack, "nonsense")) == (1, 1)


@pytest.mark.parametrize("kind", ["SecretNearExpiry", "SecretExpired"])
def test_near_expiry_and_expiry_only_say_look(stack: Stack, kind: str) -> None:
    name = f"expiring-{kind.lower()}"
    built = unannounced(stack, name)
    stack.vault.raise_event(kind, name)
    arrives(stack, name, built)
    assert attempts(stack, name) == [202]


# --- Shapes and sizes ------------------------------------------------------------------------------------

MALFORMED = {
    "an empty array": [],
    "a number": 17,
    "text": "hello",
    "null": None,
    "an empty object": {},
    "nested arrays": [[[]]],
    "no data": [{"id": "1", "eventType": NEW_VERSION, "subject": "x", "dataVersion": "1"}],
    "data is text": [{"id": "1", "eventType": NEW_VERSION, "subject": "x", "data": "x", "dataVersion": "1"}],
    "an Id that is no URL": [{"id": "1", "eventType": NEW_VERSION, "subject": "x", "data": {"Id": "x"}}],
    "an odd time": [{"id": "1", "eventType": NEW_VERSION, "eventTime": "yesterday", "data": {}}],
    "another service's": [{"id": "1", "eventType": "Microsoft.Storage.BlobCreated", "subject": "x", "data": {}}],
    "a certificate's": [{"id": "1", "eventType": "Microsoft.KeyVault.CertificateNewVersionCreated", "data": {}}],
    "a CloudEvent without a source": {"specversion": "1.0", "id": "1", "type": NEW_VERSION, "data": {}},
    "lone surrogates": [{"id": "\ud800", "eventType": "\udfff", "data": {"Id": "\ud800"}}],
    "deep": json.loads("[" * 200 + "]" * 200),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_event_is_taken_so_that_it_never_comes_again(stack: Stack, body: Any) -> None:
    assert post(stack, body) == 202


def test_malformed_events_in_one_delivery_keep_no_good_one_from_being_taken(stack: Stack) -> None:
    built = unannounced(stack, "among-bad")
    assert post(stack, [17, {}, claims(stack, "among-bad"), None, "x"]) == 202
    arrives(stack, "among-bad", built)


def test_an_event_of_25_kilobytes_is_taken(stack: Stack) -> None:
    built = unannounced(stack, "large-event")
    large = claims(stack, "large-event")
    large["data"]["padding"] = "x" * (25 * 1024)
    assert post(stack, [large]) == 202
    arrives(stack, "large-event", built)


def test_a_secret_of_25_kilobytes_arrives(stack: Stack) -> None:
    several = [certificate(f"part-{number}") for number in range(60)]
    text = ""
    while len(text) + len(several[0].pem) + 10 < 25 * 1024:
        text += several.pop().pem
    stack.vault.set("large-pem", text, tags=TAGS)
    count = text.count("BEGIN")

    def there() -> bool:
        return sum(name.startswith("large-") for name in stack.clusters["plant"].files(TRUST)) >= count

    until(there, "the files of a secret of 25 kB did not arrive")
    assert attempts(stack, "large-pem") == [202]


def odd_spellings(stack: Stack, name: str) -> dict[str, dict[str, Any]]:
    event = claims(stack, name)
    data, version = event["data"], stack.vault.secrets.get(name).id
    url = f"{stack.vault.url}/secrets/{name}/{version}"
    cloud = {"specversion": "1.0", "id": "1", "source": "/x", "type": NEW_VERSION, "data": data}
    return {
        "keys in other cases": {key.upper(): value for key, value in event.items()},
        "data's keys in lower case": event | {"data": {key.lower(): value for key, value in data.items()}},
        "white space around keys and values": event
        | {"data": {f" {key} ": f" {value}\n" for key, value in data.items()}},
        "numbers as text and the other way": event | {"data": data | {"NBF": "0", "EXP": 17, "Version": 3}},
        "no time and no version": {key: value for key, value in event.items() if key != "dataVersion"},
        "the secret's name in capitals": event | {"data": {"Id": url.replace(f"/{name}/", f"/{name.upper()}/")}},
        "an Id without a version": event | {"data": {"Id": f"{stack.vault.url}/secrets/{name}"}},
        "a CloudEvent": cloud,
        "a CloudEvent with keys in other cases": {key.capitalize(): value for key, value in cloud.items()},
        "a CloudEvent with an odd time": cloud | {"time": "yesterday", "datacontenttype": "application/json"},
    }


SPELLINGS = (
    "keys in other cases",
    "data's keys in lower case",
    "white space around keys and values",
    "numbers as text and the other way",
    "no time and no version",
    "the secret's name in capitals",
    "an Id without a version",
    "a CloudEvent",
    "a CloudEvent with keys in other cases",
    "a CloudEvent with an odd time",
)


@pytest.fixture(scope="module")
def spelt(stack: Stack) -> dict[str, tuple[str, Built, int]]:
    """An event in every spelling, each of a secret of its own: the certificates and the answers."""
    return {
        spelling: (
            name := f"spelt-{number}",
            unannounced(stack, name),
            post(stack, [odd_spellings(stack, name)[spelling]]),
        )
        for number, spelling in enumerate(SPELLINGS)
    }


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_odd_spelling_is_understood(stack: Stack, spelt: dict[str, tuple[str, Built, int]], spelling: str) -> None:
    name, built, status = spelt[spelling]
    assert status == 202
    arrives(stack, name, built)


def test_cloud_events_are_delivered_as_well(stack: Stack) -> None:
    webhook = f"{stack.host_url}/runtime/webhooks/EventGrid?functionName=on_secret_event&code={EVENT_KEY}"
    stack.events.unsubscribe("trustcast")
    stack.events.subscribe(Subscription("cloud", webhook, "CloudEventSchemaV1_0"))
    try:
        arrives(stack, "cloud", upload(stack, "cloud"))
        assert attempts(stack, "cloud") == [202]
    finally:
        stack.events.unsubscribe("cloud")
        stack.events.subscribe(Subscription("trustcast", webhook))


# --- At the end ------------------------------------------------------------------------------------------


def test_nothing_was_lost_and_nothing_is_being_tried_again(stack: Stack) -> None:
    """Last on purpose: every event of every test has been taken, but where the vault failed on purpose."""
    assert stack.events.settled(PATIENCE)
    log = stack.events.log()
    assert {each.result for each in log if each.attempt} <= {"delivered", "retrying"}
    assert {each.event.name for each in log if each.result == "retrying"} <= {"retried"}
    delivered = {each.id for each in log if each.result == "delivered"}
    assert {each.id for each in log if each.attempt} <= delivered
