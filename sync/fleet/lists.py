"""The lists that clusters may have: `TRUSTCAST_LISTS`, JSON that is parsed once, strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from sync.findings import INSISTABLE, WAIVABLE, Role, Severity
from sync.fleet.documents import decode_json, joined, refuse, repeated
from sync.fleet.names import is_dns_label
from sync.fleet.policy import NO_POLICY, Policy, PolicyInput, Verdict, verdict
from sync.text import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from sync.findings import Code, Finding


NO_LIST = "none"
"""The value of the tag `trustcast-lists` that unassigns a secret; so no list may have this name."""

CONNECTOR_NAMESPACE = "azure-iot-operations"
LISTS_EXAMPLE = '[{"name": "trust", "role": "trust", "object": "aio-opc-ua-broker-trust-list"}]'

_SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


class Delivery(StrEnum):
    """How a list gets its files.

    Members:
        SECRET: the Kubernetes Secret is written.
        SECRETSYNC: the Secret Store extension is driven on the cluster.
        ARM: the same, driven through Azure Resource Manager.
        CONFIGMAP: a PEM bundle in a ConfigMap is written.
    """

    SECRET = "secret"  # noqa: S105 - a kind of Kubernetes object
    SECRETSYNC = "secretsync"
    ARM = "arm"
    CONFIGMAP = "configmap"

    @property
    def converts(self) -> bool:
        """Whether DER and PEM are converted into each other; the extension passes values on as they are."""
        return self in {Delivery.SECRET, Delivery.CONFIGMAP}

    @property
    def one_file_per_secret(self) -> bool:
        """Whether each secret gives exactly one file."""
        return self in {Delivery.SECRETSYNC, Delivery.ARM}


AVAILABLE = frozenset({Delivery.SECRET})


@dataclass(frozen=True, slots=True)
class ListDefinition:
    """A list: where it is on a cluster, what it is for, how it is delivered."""

    name: str
    role: Role
    namespace: str
    object: str
    delivery: Delivery = Delivery.SECRET
    policy: Policy = NO_POLICY

    def verdict(self, findings: Iterable[Finding], accepted: Collection[Code]) -> Verdict:
        """What the findings about one version amount to on this list.

        Args:
            findings: for all roles.
            accepted: codes that the secret's tag waives; each counts only if the list's policy allows it.
        """
        return verdict(findings, self.role, accept=self.policy.accept & {*accepted}, reject=self.policy.reject)


DEFAULT_LISTS = (
    ListDefinition("trust", Role.TRUST, CONNECTOR_NAMESPACE, "aio-opc-ua-broker-trust-list"),
    ListDefinition("issuer", Role.ISSUER, CONNECTOR_NAMESPACE, "aio-opc-ua-broker-issuer-list"),
)
"""The two lists of Azure IoT Operations' connector for OPC UA."""


class _ListInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    role: Role
    object: str
    namespace: str = CONNECTOR_NAMESPACE
    delivery: Delivery = Delivery.SECRET
    policy: PolicyInput = PolicyInput()

    def value(self) -> ListDefinition:
        return ListDefinition(self.name, self.role, self.namespace, self.object, self.delivery, self.policy.value())


def parse_lists(text: str) -> tuple[ListDefinition, ...]:
    """The definitions in the JSON text of `TRUSTCAST_LISTS`.

    Raises:
        Invalid: with every problem, in words.
    """
    given = decode_json(text, tuple[_ListInput, ...], example=LISTS_EXAMPLE)
    definitions = tuple(each.value() for each in given)
    problems = list(definition_problems(definitions))
    if not definitions:
        problems.append("no list is defined; leave the setting out for the OPC UA connector's two")
    refuse(problems, example=LISTS_EXAMPLE)
    return definitions


def definition_problems(definitions: tuple[ListDefinition, ...]) -> Iterator[str]:
    """What is wrong with lists that one cluster may have together, in words."""
    for each in definitions:
        yield from _definition_problems(each)
    for name in repeated(each.name for each in definitions):
        yield f"the list '{printable(name)}' is defined twice"
    for namespace, name in repeated((each.namespace, each.object) for each in definitions):
        yield f"two lists name one object, {printable(namespace)}/{printable(name)}; give each list its own"


def _definition_problems(definition: ListDefinition) -> Iterator[str]:
    name = printable(definition.name)
    if not is_dns_label(definition.name) or definition.name == NO_LIST:
        yield (
            f"the list name '{name}' must be 1 to 63 lower-case letters, digits and inner hyphens, and not '{NO_LIST}'"
        )
    if not is_dns_label(definition.namespace):
        yield f"list '{name}': '{printable(definition.namespace)}' is not a Kubernetes namespace"
    if not _SUBDOMAIN.fullmatch(definition.object):
        yield f"list '{name}': '{printable(definition.object)}' is not the name of a Kubernetes object"
    if definition.delivery not in AVAILABLE:
        yield f"list '{name}': delivery '{definition.delivery}' is not available in this version; use secret"
    yield from _policy_problems(name, definition.policy)


def _policy_problems(name: str, policy: Policy) -> Iterator[str]:
    for code in sorted(policy.accept - WAIVABLE):
        yield f"list '{name}': nothing can waive '{code}'; policy.accept takes {joined(WAIVABLE)}"
    for code in sorted(policy.reject - INSISTABLE):
        why = "it already rejects" if code.severity is not Severity.WARN else "it is about no single version"
        yield f"list '{name}': '{code}' in policy.reject has no effect, {why}; policy.reject takes {joined(INSISTABLE)}"
