"""The vault adapter against a vault in trouble: every failure is told apart, and none looks like absence."""

from __future__ import annotations

import json
import logging
import socket
import traceback
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.rest import HttpRequest
from hypothesis import given
from hypothesis import strategies as st

from local.keyvault.faults import Fault
from local.keyvault.server import Vault
from sync.adapters.keyvault.limits import BoundedCalls, ReadBudget
from sync.adapters.keyvault.vault import Disabled, KeyVault
from sync.errors import (
    Changed,
    Invalid,
    NotFound,
    Permanent,
    Temporary,
    TrustcastError,
    Unauthorized,
    Unreachable,
)
from tests.support.vaults import FixedCredential, IssuedCredential

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from azure.core.credentials import TokenCredential

    from local.identity import Identity
    from local.keyvault.faults import Kind
    from local.support.tls import Authority

PLANTED = "PLANTED-VALUE-93b1"
CALLS: dict[Kind, Callable[[KeyVault], object]] = {
    "versions": lambda vault: vault.versions("a"),
    "value": lambda vault: vault.read("a", None),
    "listing": lambda vault: vault.listing(),
    "update": lambda vault: vault.update("a", "0" * 32, tags={"a": "b"}),
}


@pytest.fixture(scope="module")
def shared(authority: Authority, identity: Identity) -> Iterator[Vault]:
    with Vault("kv1", authority=authority, identity=identity) as opened:
        opened.set("a", PLANTED)
        yield opened


@pytest.fixture
def stand_in(shared: Vault) -> Iterator[Vault]:
    yield shared
    shared.faults.clear()
    shared.faults.reset_counts()


@contextmanager
def connected(
    stand_in: Vault, authority: Authority, credential: TokenCredential, *, call_timeout: float = 5, **options: Any
) -> Iterator[KeyVault]:
    options = {"connection_verify": str(authority.ca_file), **options}
    with closing(KeyVault(stand_in.url, credential, call_timeout=call_timeout, **options)) as vault:
        yield vault


@pytest.fixture
def vault(stand_in: Vault, authority: Authority, identity: Identity) -> Iterator[KeyVault]:
    with connected(stand_in, authority, IssuedCredential(identity)) as opened:
        yield opened


STATUSES = [
    (302, "Moved", Permanent),
    (400, "BadParameter", Invalid),
    (403, "Forbidden", Unauthorized),
    (404, "SecretNotFound", NotFound),
    (404, "ResourceNotFound", Temporary),
    (408, "Timeout", Temporary),
    (409, "Conflict", Changed),
    (412, "PreconditionFailed", Changed),
    (413, "TooLarge", Invalid),
    (418, "Teapot", Permanent),
    (422, "Unprocessable", Invalid),
    (429, "Throttled", Temporary),
    (500, "InternalError", Temporary),
    (502, "BadGateway", Temporary),
    (503, "Unavailable", Temporary),
    (504, "GatewayTimeout", Temporary),
]


@pytest.mark.parametrize(("status", "code", "expected"), STATUSES)
@pytest.mark.parametrize("call", ["value", "listing", "update"])
def test_every_status_has_its_error(
    stand_in: Vault, vault: KeyVault, call: Kind, status: int, code: str, expected: type[TrustcastError]
) -> None:
    stand_in.faults.add(Fault(kind=call, status=status, code=code))
    with pytest.raises(TrustcastError) as raised:
        CALLS[call](vault)
    assert type(raised.value) is expected
    assert stand_in.faults.count(call) == 1, "nothing is retried"


@pytest.mark.parametrize(("status", "code", "expected"), [s for s in STATUSES if s[1] != "SecretNotFound"])
def test_no_failed_look_reads_as_absence(
    stand_in: Vault, vault: KeyVault, status: int, code: str, expected: type[TrustcastError]
) -> None:
    """Law 4: only Key Vault's own word says that a secret is gone."""
    stand_in.faults.add(Fault(kind="versions", status=status, code=code))
    with pytest.raises(TrustcastError) as raised:
        vault.versions("a")
    assert type(raised.value) is expected


@pytest.mark.parametrize("version", ["", "..", "1/../2", "1?x", "1\n", "a" * 65])
def test_law13_what_names_no_version_is_asked_of_nobody(stand_in: Vault, vault: KeyVault, version: str) -> None:
    with pytest.raises(Invalid, match="not the identifier of a version"):
        vault.read("a", version)
    assert stand_in.faults.counts() == {}


def test_key_vaults_own_word_for_absence_is_believed(stand_in: Vault, vault: KeyVault) -> None:
    stand_in.faults.add(Fault(kind="versions", status=404, code="SecretNotFound"))
    assert vault.versions("a").items == ()


ITEM: dict[str, Any] = {
    "id": f"https://kv1/secrets/a/{'0' * 32}",
    "attributes": {"enabled": True, "created": 1, "updated": 1},
}


def page(**fields: Any) -> str:
    """A page with one item, some of whose fields are others."""
    return json.dumps({"value": [ITEM | fields]})


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        "null",
        '"text"',
        "<html>",
        '{"value": null}',
        '{"value": {}}',
        '{"value": [null]}',
        '{"value": [1]}',
        '{"value": [{}]}',
        '{"value": [{"id": "no address"}]}',
        '{"value": [{"id": "https://kv1/secrets/a/1"}]}',
        '{"value": [{"id": "https://kv1/secrets/a/1", "attributes": {"enabled": true, "created": "x"}}]}',
        '{"value": [{"id": "https://kv1/secrets/a/1", "attributes": {"created": 1, "updated": 1}}]}',
        '{"value": [{"id": "https://kv1/secrets", "attributes": {"created": 1, "updated": 1, "enabled": true}}]}',
        '{"value": ',
        "[" * 100_000,
        '{"value": ' + "[" * 100_000,
        page(tags={"trustcast-lists": None}),
        page(tags=["trustcast-lists"]),
        page(tags={"note": "\ud800"}),
        page(tags={"\ud800": "note"}),
        page(contentType="\ud800"),
        page(id=f"https://kv1/secrets/\ud800/{'0' * 32}"),
        page(attributes=ITEM["attributes"] | {"created": 1e300, "updated": 1e300}),
    ],
)
@pytest.mark.parametrize("call", ["versions", "listing", "value"])
def test_an_answer_that_is_not_key_vaults_is_no_answer(stand_in: Vault, vault: KeyVault, call: Kind, body: str) -> None:
    """Law 4: a page of something else is no proof that a secret is gone."""
    stand_in.faults.add(Fault(kind=call, status=200, body=body))
    with pytest.raises(Temporary):
        CALLS[call](vault)


ODD_REFUSALS = {
    "a wait of 400 digits": Fault(status=429, headers={"Retry-After": "9" * 400}),
    "a wait of 5,000 digits": Fault(status=503, headers={"Retry-After": "9" * 5000}),
    "nested without end": Fault(status=500, body='{"error": ' + "[" * 100_000),
    "an inner error that is text": Fault(status=400, body='{"error": {"code": 7, "innererror": "x"}}'),
    "an inner error that is a list": Fault(status=404, body='{"error": {"code": "a", "innererror": ["x"]}}'),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", ODD_REFUSALS.values(), ids=ODD_REFUSALS)
def test_an_odd_refusal_is_an_error_of_ours_laws_8_and_13(
    stand_in: Vault, vault: KeyVault, call: Kind, fault: Fault
) -> None:
    """An error of another kind would end the work on every other secret."""
    stand_in.faults.add(fault)
    with pytest.raises(TrustcastError) as raised:
        CALLS[call](vault)
    assert not isinstance(raised.value, NotFound)


def test_a_page_of_the_right_shape_is_read(stand_in: Vault, vault: KeyVault) -> None:
    stand_in.faults.add(Fault(kind="versions", status=200, body=page(tags={"note": "é"}, contentType="text/plain")))
    (found,) = vault.versions("a").items
    assert (found.tags, found.content_type) == ({"note": "é"}, "text/plain")


def test_a_value_that_is_no_text_is_no_answer(stand_in: Vault, vault: KeyVault) -> None:
    body = json.dumps(ITEM | {"value": "\ud800"})
    stand_in.faults.add(Fault(kind="value", status=200, body=body))
    with pytest.raises(Temporary):
        vault.read("a", None)


def test_a_listing_is_whole_or_an_error(stand_in: Vault, vault: KeyVault) -> None:
    """Law 4: a listing that fails on a later page proves nothing."""
    for number in range(60):
        stand_in.set(f"listed-{number}", "x")
    stand_in.faults.add(Fault(kind="listing", page=2, status=503))
    with pytest.raises(Temporary):
        vault.listing()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({}, None),
        ({"Retry-After": "soon"}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_what_the_vault_asks_us_to_wait_is_passed_on(
    stand_in: Vault, vault: KeyVault, status: int, headers: dict[str, str], seconds: float | None
) -> None:
    stand_in.faults.add(Fault(status=status, headers=headers))
    with pytest.raises(Temporary) as raised:
        vault.listing()
    assert raised.value.retry_after == seconds


def test_a_disabled_version_is_told_from_a_refusal(stand_in: Vault, vault: KeyVault) -> None:
    version = stand_in.set("disabled", "x", enabled=False)
    with pytest.raises(Disabled):
        vault.read("disabled", version)
    stand_in.faults.add(Fault(kind="value", name="A", status=403, code="Forbidden"))
    with pytest.raises(Unauthorized):
        vault.read("a", None)


def test_a_vault_that_is_not_there_is_unreachable(identity: Identity) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{taken.getsockname()[1]}"
        vault = KeyVault(url, IssuedCredential(identity), call_timeout=1)
        with closing(vault), pytest.raises(Unreachable):
            vault.listing()


def test_a_vault_of_another_authority_is_unreachable(stand_in: Vault, identity: Identity) -> None:
    vault = KeyVault(stand_in.url, IssuedCredential(identity), call_timeout=5)
    with closing(vault), pytest.raises(Unreachable):
        vault.listing()


def test_a_vault_that_does_not_answer_in_time_is_unreachable(
    stand_in: Vault, authority: Authority, identity: Identity
) -> None:
    stand_in.faults.add(Fault(latency=0.5))
    hasty = connected(stand_in, authority, IssuedCredential(identity), call_timeout=0.05)
    with hasty as vault, pytest.raises(Unreachable):
        vault.listing()


def test_a_vault_over_plain_http_is_never_given_a_token(identity: Identity) -> None:
    vault = KeyVault("http://127.0.0.1:1", IssuedCredential(identity), call_timeout=1)
    with closing(vault), pytest.raises(TrustcastError):
        vault.listing()


def test_a_token_for_something_else_is_refused(stand_in: Vault, authority: Authority, identity: Identity) -> None:
    token, _ = identity.issue("https://management.azure.com")
    with connected(stand_in, authority, FixedCredential(token)) as vault, pytest.raises(Unauthorized):
        vault.listing()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(stand_in: Vault, vault: KeyVault, status: int) -> None:
    """Law 13: a vault cannot send us elsewhere."""
    elsewhere = {"Location": f"{stand_in.url}/secrets/a/versions?api-version=7.6"}
    stand_in.faults.add(Fault(kind="value", name="a", status=status, headers=elsewhere))
    with pytest.raises(Permanent):
        vault.read("a", None)
    assert stand_in.faults.count("versions") == 0


@pytest.mark.parametrize("other", ["https://localhost:{port}", "http://127.0.0.1:{port}", "https://example.invalid"])
@pytest.mark.parametrize("call", ["versions", "listing"])
def test_no_link_to_another_host_is_followed(stand_in: Vault, vault: KeyVault, call: Kind, other: str) -> None:
    """Law 13: a vault's link to its next page goes to that vault or nowhere."""
    address = other.format(port=stand_in.url.rpartition(":")[2])
    body = f'{{"value": [], "nextLink": "{address}/secrets?$skiptoken=2..0"}}'
    stand_in.faults.add(Fault(kind=call, status=200, body=body))
    with pytest.raises(Permanent):
        CALLS[call](vault)
    assert stand_in.faults.count(call) == 1


@pytest.mark.parametrize("link", ["https://kv1.vault.azure.net:443/secrets", "https://KV1.vault.azure.net/secrets"])
def test_azures_links_name_its_port_and_are_followed(link: str) -> None:
    """As in the sample response of "Get Secrets" in the REST reference."""
    ask("https://kv1.vault.azure.net", link)


@pytest.mark.parametrize(
    "link",
    [
        "https://kv1.vault.azure.net:8443/secrets",
        "http://kv1.vault.azure.net:443/secrets",
        "https://kv1.vault.azure.net.example/secrets",
        "https://kv1.vault.azure.net:x/secrets",
        "https://user@kv1.vault.azure.net/secrets",
        "https://kv2.vault.azure.net:443/secrets",
    ],
)
def test_no_other_host_port_or_scheme_is_asked(link: str) -> None:
    """Law 13: a vault's link to its next page goes to that vault or nowhere."""
    with pytest.raises(Permanent):
        ask("https://kv1.vault.azure.net", link)


def ask(vault_url: str, url: str) -> None:
    """Have a request held to a vault, as the pipeline does before it is sent."""
    bounds = BoundedCalls(vault_url, ReadBudget(1, longest_wait=0))
    bounds.on_request(PipelineRequest(HttpRequest("GET", url), PipelineContext(None)))


def test_versions_are_newest_first_whatever_the_vaults_order(authority: Authority, identity: Identity) -> None:
    """Law 1: the newest version decides."""
    now = [1_700_000_000.0]
    with (
        Vault("kv2", authority=authority, identity=identity, clock=lambda: now[0]) as stand_in,
        connected(stand_in, authority, IssuedCredential(identity)) as vault,
    ):
        made = []
        for number in range(40):
            now[0] += 1
            made.append(stand_in.set("a", str(number)))
        assert [v.version for v in vault.versions("a").items] == made[::-1]


def endless(stand_in: Vault, kind: Kind, path: str) -> None:
    """Pages without items that always name another one."""
    body = f'{{"value": [], "nextLink": "{stand_in.url}/secrets{path}?$skiptoken=2..0"}}'
    stand_in.faults.add(Fault(kind=kind, status=200, body=body))


def test_versions_that_never_end_are_left_in_time(stand_in: Vault, authority: Authority, identity: Identity) -> None:
    endless(stand_in, "versions", "/a/versions")
    with connected(stand_in, authority, IssuedCredential(identity), looking=0.2) as vault:
        found = vault.versions("a")
    assert (found.items, found.complete) == ((), False)


def test_law4_a_listing_that_never_ends_is_given_up_in_time(
    stand_in: Vault, authority: Authority, identity: Identity
) -> None:
    endless(stand_in, "listing", "")
    with (
        connected(stand_in, authority, IssuedCredential(identity), listing=0.2) as vault,
        pytest.raises(Temporary, match="takes longer than"),
    ):
        vault.listing()


def test_the_secret_behind_a_certificate_is_known_before_and_after_its_value_is_read(
    stand_in: Vault, vault: KeyVault
) -> None:
    """Law 9: `managed` says so in the properties, `kid` in the answer."""
    version = stand_in.add_certificate("web", "x")
    assert vault.versions("web").items[0].managed
    assert next(s for s in vault.listing() if s.name == "web").managed
    assert vault.read("web", version).key_id


def test_a_look_and_a_listing_read_no_value(stand_in: Vault, vault: KeyVault) -> None:
    """Law 9: properties tell; the value of a secret that is not assigned is never read."""
    vault.versions("a")
    vault.listing()
    assert stand_in.faults.count("value") == 0


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "fault",
    [
        None,
        Fault(status=200, body=f'{{"value": "{PLANTED}", "broken'),
        Fault(status=200, body=f'{{"value": "{PLANTED}"}}'),
        Fault(status=403, code=PLANTED * 50, body=f'{{"error": {{"message": "{PLANTED}"}}}}'),
        Fault(status=500, body=PLANTED),
    ],
)
def test_neither_value_nor_token_shows_in_logs_or_errors(
    stand_in: Vault,
    authority: Authority,
    identity: Identity,
    caplog: pytest.LogCaptureFixture,
    call: Kind,
    fault: Fault | None,
) -> None:
    """Law 9: nothing private leaves, whatever the vault answers and however much is logged."""
    caplog.set_level(logging.DEBUG)
    if fault:
        stand_in.faults.add(fault)
    token, _ = identity.issue(f"https://{stand_in.url.partition('.')[2]}")
    shown = ""
    with connected(stand_in, authority, FixedCredential(token)) as vault:
        try:
            shown = repr(CALLS[call](vault))
        except TrustcastError as error:
            shown = "".join(traceback.format_exception(error))
    for text in (shown, caplog.text):
        assert PLANTED not in text
        assert token not in text
        assert token.rpartition(".")[2] not in text


def test_calls_of_every_kind_are_within_the_budget(stand_in: Vault, authority: Authority, identity: Identity) -> None:
    with connected(stand_in, authority, IssuedCredential(identity), call_timeout=0.5, reads_per_second=0.1) as vault:
        stand_in.faults.add(Fault(kind="versions", status=404, code="SecretNotFound"))
        vault.versions("a")
        with pytest.raises(Temporary) as raised:
            vault.read("a", None)
    assert raised.value.retry_after is not None
    assert 0 < raised.value.retry_after <= 10
    assert stand_in.faults.count("value") == 0


@given(
    per_second=st.floats(1, 500),
    arrivals=st.lists(st.floats(0, 2), min_size=1, max_size=200),
)
def test_the_budget_lets_no_second_have_more_than_twice_its_worth(per_second: float, arrivals: list[float]) -> None:
    """A full bucket and a second's refill: the most that can pass within any one second."""
    now = 0.0
    passed = []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    budget = ReadBudget(per_second, longest_wait=1e9, clock=lambda: now, sleep=sleep)
    for pause in arrivals:
        now += pause if pause > 1 else 0.0
        budget.take()
        passed.append(now)
    for first in passed:
        assert sum(first <= at < first + 1 for at in passed) <= 2 * per_second + 1


def test_the_budget_refuses_rather_than_wait_too_long_and_takes_nothing_then() -> None:
    now = 0.0
    budget = ReadBudget(1, longest_wait=0.5, clock=lambda: now, sleep=lambda _: None)
    budget.take()
    for _ in range(3):
        with pytest.raises(Temporary) as raised:
            budget.take()
        assert raised.value.retry_after == 1.0
    now = 1.0
    budget.take()
