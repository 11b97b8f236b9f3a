from __future__ import annotations

import base64
import hashlib
import json
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import Invalid
from sync.fleet.kubeconfig import LONGEST, Endpoint, parse
from tests.support import certs

if TYPE_CHECKING:
    from collections.abc import Callable

    Fields = dict[str, Any]

CA = certs.ca()
OTHER_CA = certs.ca(name="Other CA")
CA_PEM, OTHER_PEM = CA.pem.encode(), OTHER_CA.pem.encode()
TOKEN = "eyJhbGciOi.planted-token"
PLANTED = "planted-secret"


def encoded(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


def config(
    change: Fields | None = None,
    *,
    cluster: Fields | None = None,
    user: Fields | None = None,
    context: Fields | None = None,
) -> Fields:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "clusters": [
            {
                "name": "plant",
                "cluster": {
                    "server": "https://k8s.example:6443",
                    "certificate-authority-data": encoded(CA_PEM),
                }
                | (cluster or {}),
            }
        ],
        "users": [{"name": "trustcast", "user": {"token": TOKEN} | (user or {})}],
        "contexts": [{"name": "here", "context": {"cluster": "plant", "user": "trustcast"} | (context or {})}],
        "current-context": "here",
    } | (change or {})


EXPECTED = Endpoint(server="https://k8s.example:6443", ca_pem=CA_PEM, token=TOKEN)


@pytest.mark.parametrize("write", [json.dumps, yaml.safe_dump], ids=["json", "yaml"])
def test_server_ca_and_token_are_read_from_yaml_and_json(write: Callable[[Fields], str]) -> None:
    endpoint = parse(write(config(context={"namespace": "azure-iot-operations"})))
    assert endpoint == EXPECTED
    assert (endpoint.host, endpoint.ca_sha256) == ("k8s.example:6443", CA.sha256)


def test_the_current_context_decides_among_several() -> None:
    given_config = config({"current-context": "there"})
    given_config["clusters"].append(
        {
            "name": "other",
            "cluster": {
                "server": "https://other.example",
                "certificate-authority-data": encoded(OTHER_PEM),
            },
        }
    )
    given_config["contexts"].append({"name": "there", "context": {"cluster": "other", "user": "trustcast"}})
    endpoint = parse(json.dumps(given_config))
    assert (endpoint.host, endpoint.ca_pem) == ("other.example:443", OTHER_PEM)
    del given_config["current-context"]
    with pytest.raises(Invalid, match="current context"):
        parse(json.dumps(given_config))


def test_the_only_context_counts_where_none_is_current() -> None:
    given_config = config()
    del given_config["current-context"]
    assert parse(json.dumps(given_config)) == EXPECTED


@pytest.mark.parametrize(
    ("server", "host"),
    [
        ("https://K8s.Example:6443/", "k8s.example:6443"),
        ("https://10.0.0.1", "10.0.0.1:443"),
        ("https://[::1]:6443", "[::1]:6443"),
        ("https://rancher.example/k8s/clusters/c-1/", "rancher.example:443/k8s/clusters/c-1"),
    ],
)
def test_host_port_and_path_are_what_is_pinned(server: str, host: str) -> None:
    endpoint = parse(json.dumps(config(cluster={"server": server})))
    assert (endpoint.server, endpoint.host) == (server.rstrip("/"), host)


def test_several_cas_are_taken_and_what_is_around_them_is_dropped() -> None:
    pem = b"# comment\n" + CA_PEM + b"\nmore\n" + OTHER_PEM
    endpoint = parse(json.dumps(config(cluster={"certificate-authority-data": encoded(pem)})))
    assert endpoint.ca_pem == CA_PEM + OTHER_PEM
    assert endpoint.ca_sha256 == hashlib.sha256(CA.der + OTHER_CA.der).hexdigest()


REFUSED_CLUSTER: Fields = {
    "insecure-skip-tls-verify": True,
    "certificate-authority": "/etc/planted-secret",
    "proxy-url": "http://planted-secret",
    "tls-server-name": PLANTED,
}
REFUSED_USER: Fields = {
    "exec": {"command": PLANTED},
    "auth-provider": {"name": PLANTED},
    "client-certificate": PLANTED,
    "client-certificate-data": PLANTED,
    "client-key": PLANTED,
    "client-key-data": PLANTED,
    "tokenFile": PLANTED,
    "username": PLANTED,
    "password": PLANTED,
    "as": PLANTED,
    "as-uid": PLANTED,
    "as-groups": [PLANTED],
    "as-user-extra": {"a": [PLANTED]},
}


def refusal(text: Fields | list[str] | str) -> str:
    with pytest.raises(Invalid) as refused:
        parse(text if isinstance(text, str) else json.dumps(text))
    told = "".join(traceback.format_exception(refused.value))
    assert PLANTED not in told
    assert TOKEN not in told
    assert str(refused.value).startswith("the kubeconfig is refused: ")
    return str(refused.value)


@pytest.mark.parametrize(("name", "value"), REFUSED_CLUSTER.items())
def test_law13_what_weakens_or_redirects_a_cluster_is_refused_by_name(name: str, value: bool | str) -> None:
    assert f"'{name}' in 'clusters' is not accepted" in refusal(config(cluster={name: value}))


@pytest.mark.parametrize("value", [False, None, ""])
def test_law13_a_refused_field_is_refused_whatever_its_value(value: bool | str | None) -> None:
    assert "'insecure-skip-tls-verify'" in refusal(config(cluster={"insecure-skip-tls-verify": value}))


@pytest.mark.parametrize(("name", "value"), REFUSED_USER.items())
def test_law13_what_runs_reads_or_impersonates_is_refused_by_name(name: str, value: Any) -> None:
    assert f"'{name}' in 'users' is not accepted" in refusal(config(user={name: value}))


def test_law13_what_is_refused_is_refused_in_unused_entries_too() -> None:
    given_config = config()
    given_config["users"].append({"name": "unused", "user": {"exec": {"command": PLANTED}}})
    assert "'exec'" in refusal(given_config)


@pytest.mark.parametrize(
    ("given_config", "complaint"),
    [
        (config(cluster={"server": "http://planted-secret"}), "'server' must be an https URL"),
        (config(cluster={"server": "https://planted-secret@evil"}), "'server' must be an https URL"),
        (config(cluster={"server": "https://a\\planted-secret"}), "'server' must be an https URL"),
        (config(cluster={"server": "https://a?planted-secret"}), "'server' must be an https URL"),
        (config(cluster={"server": "https://a:99999"}), "'server' is not a URL"),
        (config(cluster={"server": None}), "'server' must be an https URL"),
        (config(cluster={"certificate-authority-data": PLANTED}), "must be the cluster's CA as PEM"),
        (config(cluster={"certificate-authority-data": None}), "must be the cluster's CA as PEM"),
        (config(cluster={"certificate-authority-data": encoded(b"planted-secret")}), "must be the cluster's CA"),
        (
            config(cluster={"certificate-authority-data": encoded(CA_PEM.replace(b"CERTIFICATE", b"PRIVATE KEY"))}),
            "holds something other than certificates",
        ),
        (config(user={"token": ""}), "the user needs 'token'"),
        (config(user={"token": None}), "the user needs 'token'"),
        (config(user={"token": "planted-secret\r\nX-Evil: 1"}), "the user needs 'token'"),
        (config(user={"planted-secret": 1}), "'users' has a field that trustcast does not know"),
        (config({PLANTED: 1}), "the file has a field that trustcast does not know"),
        (config({"clusters": []}), "the cluster of the current context is not in 'clusters'"),
        (config({"users": PLANTED}), "'users' must be a list"),
        (config({"users": [PLANTED]}), "each entry of 'users' needs 'name' and 'user'"),
        (
            config({"users": [{"name": "trustcast", "user": {"token": TOKEN}, "exec": {}}]}),
            "'exec' in 'users' is not accepted",
        ),
        (config({"users": [{"name": "x", "user": {}}] * 2}), "two entries of 'users' have the same name"),
        (config({"current-context": PLANTED}), "the context of the current context is not in 'contexts'"),
        (config({"current-context": ["here"]}), "the context of the current context is not in 'contexts'"),
        ([PLANTED], "it is not a mapping of fields"),
        ("planted-secret", "it is not a mapping of fields"),
        ("{planted-secret", "it is neither YAML nor JSON"),
        ("a: 2024-99-99", "it is neither YAML nor JSON"),
        ("!!python/object/apply:os.system [planted-secret]", "it is neither YAML nor JSON"),
        ("a: &x [planted-secret]\nb: *x", "it uses YAML aliases"),
        ("x" * (LONGEST + 1), f"it is longer than {LONGEST} characters"),
    ],
)
def test_law9_and_13_a_faulty_kubeconfig_is_refused_without_a_word_of_its_content(
    given_config: Fields | list[str] | str, complaint: str
) -> None:
    assert complaint in refusal(given_config)


@pytest.mark.parametrize("text", ["[" * LONGEST, "{a: " * 8000, "- " * 15_000, "? " * 15_000, "[a," * 10_000])
def test_law13_deep_nesting_is_refused_before_it_is_parsed(text: str) -> None:
    assert "it is nested too deeply" in refusal(text)


def test_law9_the_token_is_not_in_the_endpoints_text() -> None:
    assert TOKEN not in repr(parse(json.dumps(config())))


@given(st.text(max_size=200))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse(text)
