"""The Key Vault stand-in through the unmodified SDK, beyond what the contract suite asks of every vault."""

from __future__ import annotations

import ssl
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.core.rest import HttpResponse
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import ApiVersion, SecretClient
from hypothesis import given
from hypothesis import strategies as st

from local.identity import Identity
from local.keyvault.faults import Fault
from local.keyvault.pages import Cursor, page_of
from local.keyvault.server import Vault
from local.support.serving import Server
from local.support.tls import Authority
from tests.support.vaults import IssuedCredential

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from azure.core.exceptions import ODataV4Format
    from httpx import Client


@pytest.fixture(scope="module")
def shared(authority: Authority, identity: Identity) -> Iterator[Vault]:
    with Vault("kv1", authority=authority, identity=identity, clock=lambda: 1_700_000_000.75) as opened:
        yield opened


@pytest.fixture
def vault(shared: Vault) -> Iterator[Vault]:
    yield shared
    shared.faults.clear()
    shared.faults.reset_counts()


@pytest.fixture
def client(vault: Vault, authority: Authority, identity: Identity) -> Iterator[Any]:
    with sdk(vault, authority, IssuedCredential(identity)) as opened:
        yield opened


@pytest.fixture
def http(vault: Vault, authority: Authority) -> Iterator[Client]:
    trust = ssl.create_default_context(cafile=authority.ca_file)
    with httpx.Client(base_url=vault.url, verify=trust, params={"api-version": "7.6"}) as opened:
        yield opened


def sdk(vault: Vault, authority: Authority, credential: Any, **options: Any) -> Any:
    return SecretClient(vault.url, credential, connection_verify=str(authority.ca_file), retry_total=0, **options)


def error_of(raised: pytest.ExceptionInfo[HttpResponseError]) -> ODataV4Format:
    assert raised.value.error is not None
    return raised.value.error


def token(identity: Identity, vault: Vault) -> dict[str, str]:
    return {"Authorization": f"Bearer {identity.issue('https://' + vault.url.partition('.')[2])[0]}"}


@pytest.mark.parametrize("version", ApiVersion)
def test_every_api_version_of_the_sdk_works(
    vault: Vault, authority: Authority, identity: Identity, version: Any
) -> None:
    with sdk(vault, authority, IssuedCredential(identity), api_version=version) as client:
        client.set_secret("versioned", "x")
        assert client.get_secret("versioned").value == "x"


def test_times_are_whole_seconds_of_the_given_clock(client: Any) -> None:
    properties = client.set_secret("timed", "x").properties
    assert properties.created_on.timestamp() == 1_700_000_000
    assert properties.updated_on.timestamp() == 1_700_000_000


def test_the_newest_version_is_updated_where_none_is_named(client: Any) -> None:
    client.set_secret("updated", "one")
    newest = client.set_secret("updated", "two").properties.version
    updated = client.update_secret_properties("updated", enabled=False, content_type="text/plain")
    assert updated.version == newest
    assert not updated.enabled
    assert updated.content_type == "text/plain"


def test_a_disabled_version_is_refused_in_azures_words(client: Any) -> None:
    client.set_secret("disabled", "x", enabled=False)
    with pytest.raises(HttpResponseError) as raised:
        client.get_secret("disabled")
    assert (raised.value.status_code, error_of(raised).code) == (403, "Forbidden")
    assert error_of(raised).innererror == {"code": "SecretDisabled"}


def test_an_absent_secret_is_answered_in_azures_words(client: Any) -> None:
    with pytest.raises(ResourceNotFoundError) as raised:
        client.get_secret("absent")
    assert error_of(raised).code == "SecretNotFound"


LIMITS = {
    "a value over 25 KiB": {"value": "0" * 25_601},
    "a name with a dot": {"name": "a.b"},
    "a long name": {"name": "a" * 128},
    "16 tags": {"tags": {str(number): "x" for number in range(16)}},
    "a long tag name": {"tags": {"x" * 513: ""}},
    "a long tag value": {"tags": {"x": "x" * 513}},
    "a long content type": {"content_type": "x" * 256},
}


@pytest.mark.parametrize("over", LIMITS.values(), ids=LIMITS)
def test_what_is_over_a_limit_is_refused(client: Any, over: dict[str, Any]) -> None:
    with pytest.raises(HttpResponseError) as raised:
        client.set_secret(**{"name": "limited", "value": "x", **over})
    assert raised.value.status_code == 400
    assert error_of(raised).code == "BadParameter"


def test_what_is_at_the_limits_is_taken(client: Any) -> None:
    tags = {f"{number:512}": "v" * 512 for number in range(15)}
    made = client.set_secret("n" * 127, "0" * 25_600, content_type="x" * 255, tags=tags)
    assert made.properties.tags == tags


def test_a_deleted_secret_keeps_its_name_until_it_is_recovered_with_its_versions(client: Any) -> None:
    versions = {client.set_secret("deleted", value).properties.version for value in ("one", "two")}
    client.begin_delete_secret("deleted", _polling_interval=0).wait()
    with pytest.raises(ResourceExistsError):
        client.set_secret("deleted", "three")
    assert "deleted" in {s.name for s in client.list_deleted_secrets()}
    assert client.get_deleted_secret("deleted").recovery_id.endswith("/deletedsecrets/deleted")
    client.begin_recover_deleted_secret("deleted", _polling_interval=0).wait()
    assert client.get_secret("deleted").value == "two"
    assert {p.version for p in client.list_properties_of_secret_versions("deleted")} == versions


def test_a_purged_secret_is_gone_and_its_name_is_free(client: Any) -> None:
    client.set_secret("purged", "one")
    client.begin_delete_secret("purged", _polling_interval=0).wait()
    client.purge_deleted_secret("purged")
    with pytest.raises(ResourceNotFoundError):
        client.get_deleted_secret("purged")
    client.set_secret("purged", "two")
    assert len(list(client.list_properties_of_secret_versions("purged"))) == 1


def test_the_secret_behind_a_certificate_is_managed_and_has_a_key(vault: Vault, client: Any) -> None:
    vault.add_certificate("web", "x")
    assert client.get_secret("web").properties.key_id
    (listed,) = client.list_properties_of_secret_versions("web")
    assert listed.managed
    assert listed.key_id is None


@pytest.mark.parametrize("change", ["set", "delete"])
def test_the_secret_behind_a_certificate_is_changed_by_key_vault_alone(vault: Vault, client: Any, change: str) -> None:
    """As recorded from Azure in the tests of its SDKs, for exactly these operations."""
    version = vault.add_certificate("owned", "x")
    with pytest.raises(HttpResponseError) as raised:
        client.set_secret("owned", "y") if change == "set" else client.begin_delete_secret("owned")
    assert (raised.value.status_code, error_of(raised).code) == (403, "Forbidden")
    assert error_of(raised).innererror == {"code": "SecretManagedByKeyVault"}
    assert client.get_secret("owned").properties.version == version
    vault.add_certificate("owned", "renewed")
    assert client.get_secret("owned").value == "renewed"


def test_a_page_has_at_most_25_and_some_are_empty(vault: Vault, client: Any) -> None:
    for number in range(130):
        vault.set("paged", str(number))
    sizes = [len(list(page)) for page in client.list_properties_of_secret_versions("paged").by_page()]
    assert sum(sizes) == 130
    assert max(sizes) == 25
    assert 0 in sizes


def test_the_same_seed_gives_the_same_versions_in_the_same_order(authority: Authority, identity: Identity) -> None:
    def listed(seed: int) -> list[str]:
        with (
            Vault("kv1", authority=authority, identity=identity, seed=seed) as vault,
            sdk(vault, authority, IssuedCredential(identity)) as client,
        ):
            for number in range(30):
                vault.set("a", str(number))
            return [p.version for p in client.list_properties_of_secret_versions("a")]

    assert listed(1) == listed(1)
    assert sorted(listed(1)) != sorted(listed(2))


@given(
    items=st.sets(st.text(), max_size=120),
    added=st.sets(st.text(), max_size=20),
    seed=st.integers(),
    size=st.integers(1, 25),
)
def test_pages_hold_everything_once_also_when_more_is_added_between_them(
    items: set[str], added: set[str], seed: int, size: int
) -> None:
    given: list[str] = []
    cursor: Cursor | None = Cursor()
    pages = 0
    while cursor:
        present = items if pages == 0 else items | added
        page = page_of(present, cursor, identity=str, seed=seed, size=size)
        cursor = Cursor.parse(str(page.following)) if page.following else None
        given.extend(page.items)
        pages += 1
    counted = Counter(given)
    assert set(counted.values()) <= {1}
    assert items <= set(counted) <= items | added


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "AKV10000"),
        ({"Authorization": "Basic x"}, "AKV10000"),
        ({"Authorization": "Bearer x"}, "AKV10032"),
        ({"Authorization": "Bearer a.b.c"}, "AKV10032"),
    ],
)
def test_without_a_good_token_the_answer_is_a_challenge(
    http: Client, vault: Vault, headers: dict[str, str], reason: str
) -> None:
    answer = http.get("/secrets", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["message"].startswith(reason)
    assert f'resource="https://{vault.url.partition(".")[2]}"' in answer.headers["WWW-Authenticate"]


def test_a_token_of_another_identity_is_refused(vault: Vault, authority: Authority) -> None:
    with (
        sdk(vault, authority, IssuedCredential(Identity())) as client,
        pytest.raises(ClientAuthenticationError),
    ):
        client.get_secret("x")


def test_an_expired_token_is_refused(vault: Vault) -> None:
    """Issued by the same identity when its clock showed a time long ago."""
    identity = Identity(clock=lambda: 0.0)
    resource = f"https://{vault.url.partition('.')[2]}"
    old, expires = identity.issue(resource)
    assert identity.accepts(old, resource)
    later = Identity(header=identity.header, clock=lambda: expires + 1.0, _key=identity._key)
    assert not later.accepts(old, resource)


@pytest.mark.parametrize("params", [{}, {"api-version": ""}, {"api-version": "1999-01-01"}])
def test_a_request_without_an_api_version_that_is_known_is_refused(
    vault: Vault, authority: Authority, identity: Identity, params: dict[str, str]
) -> None:
    trust = ssl.create_default_context(cafile=authority.ca_file)
    answer = httpx.get(f"{vault.url}/secrets", params=params, headers=token(identity, vault), verify=trust)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "BadParameter"


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"value": 1}', b'{"value": "x", "tags": []}'])
def test_a_malformed_body_is_a_bad_request(http: Client, vault: Vault, identity: Identity, body: bytes) -> None:
    answer = http.put("/secrets/malformed", content=body, headers=token(identity, vault))
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "BadParameter"


def test_the_managed_identity_endpoint_serves_the_default_credential(
    vault: Vault, authority: Authority, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(identity.app()) as endpoint:
        for name, value in identity.environment(endpoint.url).items():
            monkeypatch.setenv(name, value)
        with DefaultAzureCredential() as credential, sdk(vault, authority, credential) as client:
            client.set_secret("by-identity", "x")
            assert client.get_secret("by-identity").value == "x"


@pytest.mark.parametrize(
    ("headers", "params", "status"),
    [
        ({}, {"api-version": "2019-08-01", "resource": "https://r"}, 401),
        ({"X-IDENTITY-HEADER": "wrong"}, {"api-version": "2019-08-01", "resource": "https://r"}, 401),
        ({"X-IDENTITY-HEADER": "h"}, {"api-version": "2019-08-01"}, 400),
        ({"X-IDENTITY-HEADER": "h"}, {"resource": "https://r"}, 400),
        ({"X-IDENTITY-HEADER": "h"}, {"api-version": "2019-08-01", "resource": "https://r"}, 200),
    ],
)
def test_the_managed_identity_endpoint_wants_its_header_and_a_resource(
    headers: dict[str, str], params: dict[str, str], status: int
) -> None:
    with Server(Identity(header="h").app()) as endpoint:
        answer = httpx.get(f"{endpoint.url}/msi/token", headers=headers, params=params)
    assert answer.status_code == status


def test_faults_and_counts_are_driven_from_another_process(http: Client, client: Any, vault: Vault) -> None:
    vault.set("faulty", "x")
    fault = {"kind": "value", "name": "FAULTY", "status": 429, "times": 1, "headers": {"Retry-After": "3"}}
    assert http.post("/_local/faults", json=fault).status_code == 204
    with pytest.raises(HttpResponseError) as raised:
        client.get_secret("faulty")
    assert isinstance(raised.value.response, HttpResponse)
    assert raised.value.response.headers["Retry-After"] == "3"
    assert client.get_secret("faulty").value == "x"
    assert http.get("/_local/counts").json() == {"value": 2}
    http.post("/_local/faults", json={"status": 503})
    assert http.delete("/_local/faults").status_code == 204
    assert client.get_secret("faulty").value == "x"


def test_a_fault_that_cannot_be_read_is_refused(http: Client) -> None:
    assert http.post("/_local/faults", json={"kind": "nonsense"}).status_code == 400


def test_a_certificate_is_made_from_another_process(http: Client, client: Any) -> None:
    made = http.post("/_local/certificates", json={"name": "remote", "value": "x"}).json()
    assert client.get_secret("remote", made["version"]).properties.key_id


def test_a_fault_strikes_only_what_it_names(vault: Vault, client: Any) -> None:
    vault.set("spared", "x")
    vault.set("struck", "x")
    vault.faults.add(Fault(kind="value", name="struck", status=403))
    assert client.get_secret("spared").value == "x"
    with pytest.raises(HttpResponseError):
        client.get_secret("struck")
    assert vault.faults.count("value", "struck") == 1
    assert vault.faults.count("value") == 2


def test_two_vaults_in_one_process_share_nothing_but_their_identity(
    vault: Vault, client: Any, authority: Authority, identity: Identity
) -> None:
    vault.set("mine", "x")
    with (
        Vault("kv2", authority=authority, identity=identity) as other,
        sdk(other, authority, IssuedCredential(identity)) as theirs,
    ):
        assert list(theirs.list_properties_of_secrets()) == []
        assert other.url != vault.url
    assert client.get_secret("mine").value == "x"


def test_an_authority_is_made_once_and_its_files_are_private(tmp_path: Path) -> None:
    first, second = Authority.in_folder(tmp_path), Authority.in_folder(tmp_path)
    assert first == second
    assert first.ca_pem == second.ca_pem
    assert first.server_files()[1].stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_is_trusted_by_its_authority_alone(vault: Vault, authority: Authority, host: str) -> None:
    url = f"https://{host}:{vault.url.rpartition(':')[2]}/secrets"
    assert httpx.get(url, verify=ssl.create_default_context(cafile=authority.ca_file)).status_code == 401
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_a_server_stops_with_connections_open_and_its_port_is_free(authority: Authority, identity: Identity) -> None:
    trust = ssl.create_default_context(cafile=authority.ca_file)
    with httpx.Client(verify=trust) as http:
        with Vault("kv1", authority=authority, identity=identity) as first:
            http.get(f"{first.url}/secrets")
        port = int(first.url.rpartition(":")[2])
        with Vault("kv1", authority=authority, identity=identity, port=port) as second:
            assert second.url == first.url
            assert http.get(f"{second.url}/secrets").status_code == 401
