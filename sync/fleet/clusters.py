"""Registered clusters: labels, lists, where their credentials are, and what is pinned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from sync.errors import Invalid, Permanent
from sync.fleet.documents import decode_json, refuse
from sync.fleet.lists import Delivery, definition_problems
from sync.fleet.names import is_dns_label, is_secret_name
from sync.fleet.policy import NO_POLICY, Policy, PolicyInput
from sync.fleet.selectors import label_problem
from sync.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sync.fleet.configuration import Configuration
    from sync.fleet.kubeconfig import Endpoint
    from sync.fleet.lists import ListDefinition


EXAMPLE = '{"name": "plant-1", "labels": {"site": "hamburg"}, "access": {"secret": "plant-1-kubeconfig"}}'
LABELS_EXAMPLE = "site=hamburg,env=prod"
LIST_EXAMPLE = "trust,object=plant-1-trust-list,accept=expired"

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Mode(StrEnum):
    """What may be done to a cluster: REPAIR writes its lists, REPORT only shows the plan."""

    REPAIR = "repair"
    REPORT = "report"

    @property
    def writes(self) -> bool:
        """Whether anything may be written to the cluster."""
        return self is Mode.REPAIR


class AccessKind(StrEnum):
    """How a cluster is reached."""

    KUBECONFIG = "kubeconfig"


@dataclass(frozen=True, slots=True)
class Access:
    """Where a cluster's credential is.

    Attributes:
        kind: what the secret holds.
        secret: its name in the credentials vault.
    """

    kind: AccessKind
    secret: str


@dataclass(frozen=True, slots=True)
class ListOverride:
    """A list that the cluster has; fields that are None are as in the list's definition."""

    name: str
    namespace: str | None = None
    object: str | None = None
    delivery: Delivery | None = None
    policy: Policy | None = None

    def __str__(self) -> str:
        """As `parse_list` reads it."""
        policy = self.policy or NO_POLICY
        fields = [("namespace", self.namespace), ("object", self.object), ("delivery", self.delivery)]
        fields += [("accept", code) for code in sorted(policy.accept)]
        fields += [("reject", code) for code in sorted(policy.reject)]
        return ",".join((self.name, *(f"{field}={value}" for field, value in fields if value)))

    def applied(self, definition: ListDefinition) -> ListDefinition:
        """The definition with what differs on this cluster."""
        return replace(
            definition,
            namespace=self.namespace or definition.namespace,
            object=self.object or definition.object,
            delivery=self.delivery or definition.delivery,
            policy=definition.policy if self.policy is None else self.policy,
        )


@dataclass(frozen=True, slots=True)
class Registration:
    """One registered cluster.

    Attributes:
        name: a DNS label.
        labels: what cluster selectors match.
        access: where its credential is.
        lists: the lists that it has; empty is every configured list, as configured.
        mode: whether it may be written to.
        paused: it is neither read nor written.
        host: the server that was confirmed (host, port and path); no other is contacted, and none if it is empty.
        ca_sha256: SHA-256 of the CA that was confirmed, hexadecimal; likewise.
        server_id: id of its API server, made at its first registration; empty: its name is the id.
        separate: an object of it that says it is another registered place is a copy (a restored backup, an image).
    """

    name: str
    labels: Mapping[str, str]
    access: Access
    lists: tuple[ListOverride, ...] = ()
    mode: Mode = Mode.REPAIR
    paused: bool = False
    host: str = ""
    ca_sha256: str = ""
    server_id: str = ""
    separate: bool = False

    @property
    def server(self) -> str:
        """Id of its API server; renaming the cluster, or confirming another host or CA, keeps it."""
        return self.server_id or self.name

    def definitions(self, configuration: Configuration) -> tuple[ListDefinition, ...]:
        """The lists of this cluster; one that is no longer configured is left out."""
        if not self.lists:
            return configuration.lists
        known = ((override, configuration.definition(override.name)) for override in self.lists)
        return tuple(override.applied(definition) for override, definition in known if definition is not None)

    def definition(self, name: str, configuration: Configuration) -> ListDefinition | None:
        """The cluster's list of that name, or None."""
        return next((each for each in self.definitions(configuration) if each.name == name), None)

    def places(self, configuration: Configuration) -> tuple[str, ...]:
        """The ids of its lists' objects."""
        return tuple(self.place(each) for each in self.definitions(configuration))

    def place(self, definition: ListDefinition) -> str:
        """Id of the list's object: what is known of it lies under this, however cluster and list are called."""
        return f"{self.server}/{definition.namespace}/{definition.object}"


class _AccessInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    secret: str
    kind: AccessKind = AccessKind.KUBECONFIG


class _ListInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    namespace: str | None = None
    object: str | None = None
    delivery: Delivery | None = None
    policy: PolicyInput | None = None

    def value(self) -> ListOverride:
        policy = self.policy.value() if self.policy else None
        return ListOverride(self.name, self.namespace, self.object, self.delivery, policy)


class _Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    access: _AccessInput
    labels: dict[str, str] = {}
    lists: tuple[_ListInput, ...] = ()
    mode: Mode = Mode.REPAIR
    paused: bool = False

    def value(self, host: str, ca_sha256: str) -> Registration:
        return Registration(
            name=self.name,
            labels=self.labels,
            access=Access(self.access.kind, self.access.secret),
            lists=tuple(each.value() for each in self.lists),
            mode=self.mode,
            paused=self.paused,
            host=host,
            ca_sha256=ca_sha256,
        )


def parse_registration(
    given: str | Mapping[str, object], configuration: Configuration, *, host: str, ca_sha256: str
) -> Registration:
    """The registration that an operator requests.

    Args:
        given: JSON text or its parsed form: `name`, `access` and optionally `labels`, `lists`, `mode`, `paused`.
        configuration: the lists that are defined.
        host: the server to pin, from the cluster's credential (`kubeconfig.Endpoint.host`).
        ca_sha256: the CA to pin, likewise.

    Raises:
        Invalid: with every problem, in words.
    """
    text = given if isinstance(given, str) else _json(given)
    registration = decode_json(text, _Input, example=EXAMPLE).value(host, ca_sha256)
    refuse(_problems(registration, configuration), example=EXAMPLE)
    return registration


def parse_labels(text: str) -> dict[str, str]:
    """The labels in `key=value,key=value`; none for an empty text.

    Raises:
        Invalid: with every problem, in words.
    """
    labels: dict[str, str] = {}
    problems: list[str] = []
    for word in filter(None, (each.strip() for each in text.split(","))):
        key, sign, value = (part.strip() for part in word.partition("="))
        if not sign:
            problems.append(f"'{printable(word)}' is not a label; write key=value")
        elif key in labels:
            problems.append(f"the label '{printable(key)}' is given twice")
        labels[key] = value
    refuse([*problems, *_label_problems(labels)], example=LABELS_EXAMPLE)
    return labels


def parse_list(text: str) -> dict[str, object]:
    """A list of a registration (one of its `lists`) as `NAME` or `NAME,field=value,…` gives it.

    The fields are those of a list's definition, and its policy's `accept` and `reject`, once for each code.

    Raises:
        Invalid: with every problem, in words.
    """
    name, *words = (word.strip() for word in text.split(","))
    fields: dict[str, object] = {"name": name}
    policy: dict[str, list[str]] = {}
    problems = [] if name else ["a list has no name"]
    for word in words:
        field, sign, value = (part.strip() for part in word.partition("="))
        if not sign or not value:
            problems.append(f"'{printable(word)}' is not a field; write field=value")
        elif field in PolicyInput.__struct_fields__:
            policy.setdefault(field, []).append(value)
        elif field in fields:
            problems.append(f"'{printable(field)}' is given twice")
        else:
            fields[field] = value
    refuse(problems, example=LIST_EXAMPLE)
    return {"policy": policy or None} | fields


def _json(given: Mapping[str, object]) -> bytes:
    try:
        return msgspec.json.encode(given)
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"the registration is not JSON (example: {EXAMPLE})") from error


def _problems(registration: Registration, configuration: Configuration) -> Iterator[str]:
    if not is_dns_label(registration.name):
        yield (
            f"the cluster name '{printable(registration.name)}' must be 1 to 63 lower-case letters, "
            "digits and inner hyphens"
        )
    yield from _label_problems(registration.labels)
    if not is_secret_name(registration.access.secret):
        yield (
            f"access.secret '{printable(registration.access.secret)}' must be 1 to 127 letters, digits and "
            "hyphens, as Key Vault names secrets"
        )
    if not registration.host or not _SHA256.fullmatch(registration.ca_sha256):
        yield "the server's host and CA must be pinned; they are read from the cluster's credential"
    yield from _list_problems(registration, configuration)


def _label_problems(labels: Mapping[str, str]) -> Iterator[str]:
    for key, value in labels.items():
        if problem := label_problem(key, value):
            yield problem


def _list_problems(registration: Registration, configuration: Configuration) -> Iterator[str]:
    defined = [each.name for each in configuration.lists]
    for override in registration.lists:
        if override.name not in defined:
            there_are = ", ".join(defined)
            yield f"the list '{printable(override.name)}' is not defined; there are {there_are}"
    yield from definition_problems(registration.definitions(configuration))


def pinned(endpoint: Endpoint, registration: Registration) -> Endpoint:
    """The endpoint, if it is the registered one.

    Raises:
        Permanent: it has another host or CA.
    """
    if (endpoint.host, endpoint.ca_sha256) != (registration.host, registration.ca_sha256):
        raise Permanent(
            f"the credential of {registration.name} now points to another host or CA than registered: if that is "
            f"right, run `trustcast clusters add {registration.name} … --confirm`"
        )
    return endpoint
