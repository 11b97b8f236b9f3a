from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from sync.errors import Invalid
from sync.findings import Code
from sync.fleet.clusters import (
    EXAMPLE,
    LIST_EXAMPLE,
    Access,
    AccessKind,
    ListOverride,
    Mode,
    Registration,
    parse_labels,
    parse_list,
    parse_registration,
)
from sync.fleet.configuration import Configuration
from sync.fleet.lists import DEFAULT_LISTS, Delivery
from sync.fleet.policy import Policy
from sync.fleet.vaults import WatchedVault

CONFIGURATION = Configuration((WatchedVault("https://kv1.vault.azure.net"),), DEFAULT_LISTS)
CA = "a" * 64
GIVEN = {"name": "plant-1", "access": {"secret": "plant-1-kubeconfig"}}


def parse(change: dict[str, Any] | None = None, configuration: Configuration = CONFIGURATION) -> Registration:
    return parse_registration(GIVEN | (change or {}), configuration, host="k8s.example:6443", ca_sha256=CA)


def test_a_registration_needs_a_name_and_an_access_and_pins_host_and_ca() -> None:
    assert parse() == Registration(
        name="plant-1",
        labels={},
        access=Access(AccessKind.KUBECONFIG, "plant-1-kubeconfig"),
        lists=(),
        mode=Mode.REPAIR,
        paused=False,
        host="k8s.example:6443",
        ca_sha256=CA,
    )


def test_a_registration_is_read_from_json_text_with_all_its_fields() -> None:
    given = GIVEN | {
        "labels": {"site": "hamburg"},
        "access": {"kind": "kubeconfig", "secret": "x"},
        "lists": [{"name": "trust", "object": "other", "policy": {"accept": ["expired"]}}],
        "mode": "report",
        "paused": True,
    }
    registration = parse_registration(json.dumps(given), CONFIGURATION, host="h:1", ca_sha256=CA)
    assert registration.labels == {"site": "hamburg"}
    assert registration.lists == (ListOverride("trust", object="other", policy=Policy(frozenset({Code.EXPIRED}))),)
    assert (registration.mode, registration.paused) == (Mode.REPORT, True)


@pytest.mark.parametrize(
    "override",
    [
        ListOverride("trust"),
        ListOverride("trust", object="other"),
        ListOverride("issuer", "plant", "other", Delivery.SECRET, Policy(frozenset({Code.EXPIRED, Code.WEAK_KEY}))),
        ListOverride("trust", policy=Policy(reject=frozenset({Code.CA_IN_TRUST_LIST}))),
    ],
    ids=str,
)
def test_a_list_is_shown_as_it_is_given(override: ListOverride) -> None:
    assert parse({"lists": [parse_list(str(override))]}).lists == (override,)


def test_the_example_of_a_list_is_accepted() -> None:
    assert str(parse({"lists": [parse_list(LIST_EXAMPLE)]}).lists[0]) == LIST_EXAMPLE


def test_the_example_is_accepted() -> None:
    assert parse_registration(EXAMPLE, CONFIGURATION, host="h:1", ca_sha256=CA).labels == {"site": "hamburg"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"name": "Plant 1"}, "the cluster name 'Plant 1' must be 1 to 63"),
        ({"name": "x" * 64}, "must be 1 to 63"),
        ({"labels": {"a b": "c"}}, "the label key 'a b'"),
        ({"labels": {"a": "c d"}}, "the label value 'c d'"),
        ({"labels": {"a": 1}}, "Expected `str`, got `int` - at `$.labels[...]`"),
        ({"label": {}}, "unknown field `label`"),
        ({"access": {"secret": "a/b"}}, "access.secret 'a/b' must be"),
        ({"access": {"secret": "a", "kind": "arc"}}, "`$.access.kind`"),
        ({"mode": "write"}, "`$.mode`"),
        ({"lists": [{"name": "cameras"}]}, "the list 'cameras' is not defined; there are trust, issuer"),
        ({"lists": [{"name": "trust"}, {"name": "trust"}]}, "the list 'trust' is defined twice"),
        ({"lists": [{"name": "trust", "delivery": "arm"}]}, "delivery 'arm' is not available"),
        ({"lists": [{"name": "trust", "namespace": "A"}]}, "is not a Kubernetes namespace"),
        ({"lists": [{"name": "trust", "policy": {"accept": ["revoked"]}}]}, "nothing can waive 'revoked'"),
        (
            {"lists": [{"name": "trust"}, {"name": "issuer", "object": DEFAULT_LISTS[0].object}]},
            "two lists name one object, azure-iot-operations/aio-opc-ua-broker-trust-list",
        ),
        ({"labels": {"a": object()}}, "the registration is not JSON"),
    ],
)
def test_a_faulty_registration_is_refused_in_clear_words(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid, match=re.escape(complaint)):
        parse(change)


@pytest.mark.parametrize(("host", "ca"), [("", CA), ("h:1", ""), ("h:1", "A" * 64), ("h:1", "a" * 63)])
def test_law13_a_registration_without_a_pinned_host_and_ca_is_refused(host: str, ca: str) -> None:
    with pytest.raises(Invalid, match="must be pinned"):
        parse_registration(GIVEN, CONFIGURATION, host=host, ca_sha256=ca)


def test_every_problem_of_a_registration_is_told_at_once() -> None:
    with pytest.raises(Invalid) as refusal:
        parse({"name": "X", "labels": {"a b": ""}, "lists": [{"name": "y"}]})
    assert all(word in str(refusal.value) for word in ("'X'", "'a b'", "'y'"))


def test_a_cluster_has_every_configured_list_unless_it_names_some() -> None:
    assert parse().definitions(CONFIGURATION) == DEFAULT_LISTS
    assert parse({"lists": [{"name": "issuer"}]}).definitions(CONFIGURATION) == (DEFAULT_LISTS[1],)


def test_a_clusters_list_differs_from_the_definition_only_in_what_the_cluster_names() -> None:
    policy = Policy(reject=frozenset({Code.CA_IN_TRUST_LIST}))
    registration = replace(parse(), lists=(ListOverride("trust", namespace="ns", policy=policy),))
    assert registration.definitions(CONFIGURATION) == (replace(DEFAULT_LISTS[0], namespace="ns", policy=policy),)


def test_a_list_that_is_not_configured_any_more_is_left_out() -> None:
    registration = replace(parse(), lists=(ListOverride("gone"), ListOverride("trust")))
    assert registration.definitions(CONFIGURATION) == (DEFAULT_LISTS[0],)


def test_a_place_lies_under_the_api_servers_id_whatever_cluster_and_list_are_called() -> None:
    moved = replace(parse(), name="renamed", server_id="plant-1", host="elsewhere:6443")
    places = {each.place(replace(DEFAULT_LISTS[0], name=name)) for each in (parse(), moved) for name in ("trust", "x")}
    assert places == {"plant-1/azure-iot-operations/aio-opc-ua-broker-trust-list"}


def test_another_object_or_namespace_is_another_place() -> None:
    definitions = (DEFAULT_LISTS[0], replace(DEFAULT_LISTS[0], object="o"), replace(DEFAULT_LISTS[0], namespace="n"))
    assert len({parse().place(each) for each in definitions}) == 3


def test_a_registration_survives_being_stored() -> None:
    registration = parse({"labels": {"a": "b"}, "lists": [{"name": "trust", "policy": {"accept": ["expired"]}}]})
    assert msgspec.json.decode(msgspec.json.encode(registration), type=Registration) == registration


def test_only_repair_writes() -> None:
    assert [mode for mode in Mode if mode.writes] == [Mode.REPAIR]


def test_labels_are_read_from_the_command_line() -> None:
    assert parse_labels(" site=hamburg, env = prod,empty=,") == {"site": "hamburg", "env": "prod", "empty": ""}
    assert parse_labels("") == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("site", "'site' is not a label; write key=value"),
        ("a=b,a=c", "the label 'a' is given twice"),
        ("a b=c", "the label key 'a b'"),
        ("a=b=c", "the label value 'b=c'"),
        ("=x", "must be 1 to 63"),
    ],
)
def test_faulty_labels_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(Invalid, match=re.escape(complaint)):
        parse_labels(text)
