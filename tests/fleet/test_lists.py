from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sync.errors import Invalid
from sync.findings import Code, Role
from sync.fleet.configuration import Configuration
from sync.fleet.lists import DEFAULT_LISTS, LISTS_EXAMPLE, Delivery, ListDefinition, parse_lists
from sync.fleet.policy import Policy
from sync.fleet.vaults import VAULTS_EXAMPLE, Default, WatchedVault, parse_vaults, vault_host, vault_url

VAULT = {"url": "https://kv1.vault.azure.net"}
LIST = {"name": "cameras", "role": "trust", "object": "camera-trust"}
CONFIGURATION = Configuration(
    (
        WatchedVault("https://kv1.vault.azure.net", ("trust",), "site=h", Default(("trust",), "env=prod")),
        WatchedVault("https://kv2.vault.azure.net"),
    ),
    (
        *DEFAULT_LISTS,
        ListDefinition(
            "old",
            Role.TRUST,
            "plant",
            "old-trust",
            policy=Policy(
                frozenset({Code.EXPIRED, Code.WEAK_KEY, Code.WEAK_SIGNATURE}), frozenset({Code.CA_IN_TRUST_LIST})
            ),
        ),
    ),
)


def test_the_default_lists_are_the_opc_ua_connectors() -> None:
    assert [(x.name, x.role, x.namespace, x.object, x.delivery) for x in DEFAULT_LISTS] == [
        ("trust", "trust", "azure-iot-operations", "aio-opc-ua-broker-trust-list", "secret"),
        ("issuer", "issuer", "azure-iot-operations", "aio-opc-ua-broker-issuer-list", "secret"),
    ]


def test_a_list_is_read_with_all_its_fields() -> None:
    policy = {"accept": ["expired"], "reject": ["ca-in-trust-list"]}
    given = {**LIST, "namespace": "plant", "delivery": "secret", "policy": policy}
    assert parse_lists(json.dumps([given])) == (
        ListDefinition(
            "cameras",
            Role.TRUST,
            "plant",
            "camera-trust",
            Delivery.SECRET,
            Policy(frozenset({Code.EXPIRED}), frozenset({Code.CA_IN_TRUST_LIST})),
        ),
    )


def test_a_vault_is_read_with_all_its_fields() -> None:
    given = {
        "url": "https://KV1.vault.azure.net/",
        "lists": ["trust"],
        "clusters": "site=h",
        "default": {"lists": ["trust"], "clusters": "*"},
    }
    (vault,) = parse_vaults(json.dumps([given]), DEFAULT_LISTS)
    assert vault == WatchedVault("https://KV1.vault.azure.net", ("trust",), "site=h", Default(("trust",), "*"))
    assert vault.host == "kv1.vault.azure.net"
    assert vault.allows("trust")
    assert not vault.allows("issuer")


def test_a_vault_without_a_ceiling_reaches_every_list_and_cluster_and_has_no_default() -> None:
    (vault,) = parse_vaults(json.dumps([VAULT]), DEFAULT_LISTS)
    assert (vault.lists, vault.clusters, vault.default) == (None, "*", None)
    assert vault.allows("anything")


def test_the_examples_are_accepted() -> None:
    assert parse_vaults(VAULTS_EXAMPLE, parse_lists(LISTS_EXAMPLE))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"rôle": "trust"}, "unknown field"),
        ({"role": "trusted"}, "`$[0].role`"),
        ({"object": 1}, "`$[0].object`"),
        ({"policy": {"acept": []}}, "unknown field `acept` - at `$[0].policy`"),
        ({"name": "Cameras"}, "the list name 'Cameras' must be"),
        ({"name": "none"}, "and not 'none'"),
        ({"name": ""}, "the list name '' must be"),
        ({"name": "x" * 64}, "must be 1 to 63"),
        ({"namespace": "a.b"}, "'a.b' is not a Kubernetes namespace"),
        ({"object": "Camera"}, "'Camera' is not the name of a Kubernetes object"),
        ({"object": "x" * 254}, "is not the name of a Kubernetes object"),
        ({"delivery": "secretsync"}, "delivery 'secretsync' is not available in this version"),
        ({"delivery": "arm"}, "delivery 'arm' is not available in this version"),
        ({"delivery": "configmap"}, "delivery 'configmap' is not available in this version"),
        ({"policy": {"accept": ["revoked"]}}, "nothing can waive 'revoked'"),
        ({"policy": {"accept": ["expires-soon"]}}, "nothing can waive 'expires-soon'"),
        ({"policy": {"reject": ["expired"]}}, "'expired' in policy.reject has no effect, it already rejects"),
        ({"policy": {"reject": ["nonsense"]}}, "`$[0].policy.reject[0]`"),
    ],
)
def test_a_faulty_list_is_refused_in_clear_words(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid, match=re.escape(complaint)):
        parse_lists(json.dumps([LIST | change]))


@pytest.mark.parametrize("text", ["", "[", "{}", "[1]", "null", "[[", "\ud800", "[" * 100_000, "[]"])
def test_what_is_no_array_of_lists_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"\(example: "):
        parse_lists(text)


def test_every_problem_of_the_lists_is_told_at_once() -> None:
    other = {**LIST, "object": "camera-trust"}
    with pytest.raises(Invalid) as refusal:
        parse_lists(json.dumps([LIST, other, {**LIST, "name": "X"}]))
    told = str(refusal.value)
    assert "the list 'cameras' is defined twice" in told
    assert "two lists name one object, azure-iot-operations/camera-trust" in told
    assert "the list name 'X'" in told


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"cluster": "site=h"}, "unknown field `cluster`"),
        ({"lists": ["trsut"]}, "the list 'trsut' is not defined; there are issuer, trust"),
        ({"lists": []}, "'lists' is empty; leave it out for every list"),
        ({"clusters": ""}, "clusters: '' is not a cluster selector"),
        ({"clusters": "a b"}, "is not a cluster selector"),
        ({"default": {"lists": ["trust"]}}, "missing required field `clusters` - at `$[0].default`"),
        ({"default": {"lists": [], "clusters": "*"}}, "'default.lists' is empty"),
        ({"default": {"lists": ["x"], "clusters": "*"}}, "the default list 'x' is not defined"),
        ({"default": {"lists": ["trust"], "clusters": "!"}}, "default.clusters: '!' is not a cluster selector"),
        (
            {"lists": ["issuer"], "default": {"lists": ["trust"], "clusters": "*"}},
            "the default list 'trust' is beyond the vault's own 'lists'",
        ),
        ({"url": "http://kv1.vault.azure.net"}, "is not a vault's https URL"),
        ({"url": "kv1.vault.azure.net"}, "is not a vault's https URL"),
        ({"url": "https://kv1.vault.azure.net/secrets"}, "must end after the host"),
        ({"url": "https://kv1.vault.azure.net?x=1"}, "must end after the host"),
        ({"url": "https://kv1|x.vault.azure.net"}, "is not a vault's https URL"),
    ],
)
def test_law13_a_faulty_vault_is_refused_in_clear_words(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid, match=re.escape(complaint)):
        parse_vaults(json.dumps([VAULT | change]), DEFAULT_LISTS)


def test_a_password_in_a_vaults_url_is_not_shown() -> None:
    with pytest.raises(Invalid) as refusal:
        vault_url("https://me:hunter2@kv1.vault.azure.net")
    assert "hunter2" not in str(refusal.value)


def test_a_vault_named_twice_in_two_spellings_is_refused() -> None:
    given = [VAULT, {"url": "https://KV1.vault.azure.net:443/"}]
    with pytest.raises(Invalid, match=r"the vault kv1\.vault\.azure\.net is named twice"):
        parse_vaults(json.dumps(given), DEFAULT_LISTS)


def test_no_vault_at_all_is_refused() -> None:
    with pytest.raises(Invalid, match="no vault is named"):
        parse_vaults("[]", DEFAULT_LISTS)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://KV1.vault.azure.net", "kv1.vault.azure.net"),
        ("https://kv1.vault.azure.net:443/secrets/x", "kv1.vault.azure.net"),
        ("https://127.0.0.1:8443", "127.0.0.1:8443"),
        ("https://[::1]:8443/", "[::1]:8443"),
    ],
)
def test_a_vaults_host_has_one_spelling(url: str, host: str) -> None:
    assert vault_host(url) == host


def test_a_configuration_survives_being_stored() -> None:
    stored = msgspec.json.encode(CONFIGURATION)
    assert msgspec.json.decode(stored, type=Configuration) == CONFIGURATION


def test_the_digest_is_the_same_for_equal_configurations_and_another_for_others() -> None:
    again = msgspec.json.decode(msgspec.json.encode(CONFIGURATION), type=Configuration)
    assert again.digest == CONFIGURATION.digest
    assert Configuration(CONFIGURATION.vaults, DEFAULT_LISTS).digest != CONFIGURATION.digest


def test_the_digest_is_the_same_in_every_process() -> None:
    """Sets are ordered by randomized hashes, and a digest that moved with them would move the head."""
    program = "from tests.fleet.test_lists import CONFIGURATION; print(CONFIGURATION.digest)"
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            cwd=Path(__file__).parents[2],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in range(3)
    }
    assert printed == {f"{CONFIGURATION.digest}\n".encode()}


def test_lists_and_vaults_are_found_by_name_and_host_in_any_case() -> None:
    assert CONFIGURATION.definition("issuer") is DEFAULT_LISTS[1]
    assert CONFIGURATION.definition("Issuer") is None
    assert CONFIGURATION.vault("KV1.vault.azure.net") is CONFIGURATION.vaults[0]
    assert CONFIGURATION.vault("kv3.vault.azure.net") is None


def test_direct_deliveries_convert_and_the_extensions_map_one_secret_to_one_file() -> None:
    assert [each for each in Delivery if each.converts] == [Delivery.SECRET, Delivery.CONFIGMAP]
    assert [each for each in Delivery if each.one_file_per_secret] == [Delivery.SECRETSYNC, Delivery.ARM]
