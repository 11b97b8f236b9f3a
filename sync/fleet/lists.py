"""What is configured: the lists that clusters may have, and the vaults that are watched.

Both come as JSON text from settings (`TRUSTCAST_LISTS`, `TRUSTCAST_VAULTS`) and are parsed once, strictly: an
unknown field is refused, because a misspelt ceiling would be no ceiling.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import msgspec

from sync.certificates.checks import WAIVABLE
from sync.errors import Invalid
from sync.findings import Code, Role, Severity, printable
from sync.fleet.selectors import EVERY_CLUSTER, Selector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")

NO_LIST = "none"
"""What the tag `trustcast-lists` says to unassign a secret; so no list has this name."""

CONNECTOR_NAMESPACE = "azure-iot-operations"
LISTS_EXAMPLE = '[{"name": "trust", "role": "trust", "object": "aio-opc-ua-broker-trust-list"}]'
VAULTS_EXAMPLE = '[{"url": "https://plant-1.vault.azure.net", "lists": ["trust"], "clusters": "site=plant-1"}]'

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_HOST = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?|[0-9a-f:.]*:[0-9a-f:.]*")  # a name or an IPv6 address
_HTTPS_PORT = 443


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
class Policy:
    """What a list tolerates and what it insists on.

    Attributes:
        accept: rejecting codes that a secret's tag `trustcast-accept` may waive on this list.
        reject: warnings that reject on this list.
    """

    accept: frozenset[Code] = frozenset()
    reject: frozenset[Code] = frozenset()


@dataclass(frozen=True, slots=True)
class ListDefinition:
    """A list: where it is on a cluster, what it is for, how it is delivered."""

    name: str
    role: Role
    namespace: str
    object: str
    delivery: Delivery = Delivery.SECRET
    policy: Policy = Policy()


@dataclass(frozen=True, slots=True)
class Default:
    """Where certificates and CRLs without tags go.

    Attributes:
        lists: names of lists, within the vault's ceiling.
        clusters: text of a cluster selector; the vault's ceiling narrows it further.
    """

    lists: tuple[str, ...]
    clusters: str


@dataclass(frozen=True, slots=True)
class WatchedVault:
    """A vault whose secrets are believed, up to its ceiling.

    Attributes:
        url: https, without a path.
        lists: names of the lists that its secrets may reach; None is every list.
        clusters: text of the selector of the clusters that they may reach.
        default: assignment of certificates and CRLs without tags; None leaves them unassigned.
    """

    url: str
    lists: tuple[str, ...] | None = None
    clusters: str = EVERY_CLUSTER
    default: Default | None = None

    @property
    def host(self) -> str:
        """Its name in a `SecretKey`."""
        return vault_host(self.url)

    def allows(self, list_name: str) -> bool:
        """Whether the ceiling lets its secrets reach the list."""
        return self.lists is None or list_name in self.lists


@dataclass(frozen=True, slots=True)
class Configuration:
    """The watched vaults and the defined lists."""

    vaults: tuple[WatchedVault, ...]
    lists: tuple[ListDefinition, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over its canonical JSON, hexadecimal."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    def definition(self, name: str) -> ListDefinition | None:
        """The list of that name, or None."""
        return next((each for each in self.lists if each.name == name), None)

    def vault(self, host: str) -> WatchedVault | None:
        """The watched vault of that host (`SecretKey.vault`), or None."""
        return next((each for each in self.vaults if each.host == host.casefold()), None)


DEFAULT_LISTS = (
    ListDefinition("trust", Role.TRUST, CONNECTOR_NAMESPACE, "aio-opc-ua-broker-trust-list"),
    ListDefinition("issuer", Role.ISSUER, CONNECTOR_NAMESPACE, "aio-opc-ua-broker-issuer-list"),
)
"""The two lists of Azure IoT Operations' connector for OPC UA."""


@lru_cache(maxsize=256)
def vault_host(url: str) -> str:
    """The host of a vault's https URL, case-folded, with its port unless that is 443.

    Raises:
        Invalid: it is no https URL, or carries credentials.
    """
    if "@" in url:
        raise Invalid("a vault's URL holds no user and password (example: https://plant-1.vault.azure.net)")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme != "https" or not _HOST.fullmatch(host or ""):
        raise Invalid(f"'{printable(url)}' is no https URL of a vault (example: https://plant-1.vault.azure.net)")
    name = f"[{host}]" if host and ":" in host else host or ""
    return name if port in {None, _HTTPS_PORT} else f"{name}:{port}"


def vault_url(text: str) -> str:
    """The URL of a vault without its trailing slash.

    Raises:
        Invalid: it is no https URL, or has more than a host and a port.
    """
    url = text.strip().rstrip("/")
    vault_host(url)
    parts = urlsplit(url)
    if parts.path or "?" in url or "#" in url:
        raise Invalid(f"'{printable(text)}' must end after the host (example: https://plant-1.vault.azure.net)")
    return url


class PolicyInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy as JSON gives it."""

    accept: frozenset[Code] = frozenset()
    reject: frozenset[Code] = frozenset()

    def value(self) -> Policy:
        """The policy that it spells."""
        return Policy(self.accept, self.reject)


class _ListInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    role: Role
    object: str
    namespace: str = CONNECTOR_NAMESPACE
    delivery: Delivery = Delivery.SECRET
    policy: PolicyInput = PolicyInput()

    def value(self) -> ListDefinition:
        return ListDefinition(self.name, self.role, self.namespace, self.object, self.delivery, self.policy.value())


class _DefaultInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    lists: tuple[str, ...]
    clusters: str


class _VaultInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    lists: tuple[str, ...] | None = None
    clusters: str = EVERY_CLUSTER
    default: _DefaultInput | None = None

    def value(self) -> WatchedVault:
        default = Default(self.default.lists, self.default.clusters) if self.default else None
        return WatchedVault(vault_url(self.url), self.lists, self.clusters, default)


def parse_lists(text: str) -> tuple[ListDefinition, ...]:
    """The definitions that the JSON text of `TRUSTCAST_LISTS` spells.

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


def parse_vaults(text: str, lists: tuple[ListDefinition, ...]) -> tuple[WatchedVault, ...]:
    """The vaults that the JSON text of `TRUSTCAST_VAULTS` spells.

    Args:
        text: JSON.
        lists: the defined lists, which ceilings and defaults name.

    Raises:
        Invalid: with every problem, in words.
    """
    given = decode_json(text, tuple[_VaultInput, ...], example=VAULTS_EXAMPLE)
    vaults = tuple(each.value() for each in given)
    names = [each.name for each in lists]
    problems = [problem for vault in vaults for problem in _vault_problems(vault, names)]
    problems += [f"the vault {host} is named twice" for host in _repeated(each.host for each in vaults)]
    if not vaults:
        problems.append("no vault is named")
    refuse(problems, example=VAULTS_EXAMPLE)
    return vaults


def decode_json(text: str | bytes, wanted: type[T], *, example: str) -> T:
    """Read JSON strictly; a failure names the field and never more than its kind.

    Raises:
        Invalid: it is no JSON, or not of the wanted shape.
    """
    try:
        return msgspec.json.decode(text, type=wanted)
    except (ValueError, RecursionError) as error:  # msgspec's errors and UnicodeEncodeError are ValueErrors
        raise Invalid(f"{printable(str(error))} (example: {example})") from error


def refuse(problems: Iterable[str], *, example: str) -> None:
    """Raise all problems at once, if there are any.

    Raises:
        Invalid: there are.
    """
    if told := "; ".join(problems):
        raise Invalid(f"{told} (example: {example})")


def definition_problems(definitions: tuple[ListDefinition, ...]) -> Iterator[str]:
    """What is wrong with lists that one cluster may have together, in words."""
    for each in definitions:
        yield from _definition_problems(each)
    for name in _repeated(each.name for each in definitions):
        yield f"the list '{printable(name)}' is defined twice"
    for namespace, name in _repeated((each.namespace, each.object) for each in definitions):
        yield f"two lists name one object, {printable(namespace)}/{printable(name)}; give each list its own"


def is_dns_label(text: str) -> bool:
    """Whether it is a DNS label of RFC 1123: at most 63 lower-case letters, digits and inner hyphens."""
    return _LABEL.fullmatch(text) is not None


def _definition_problems(definition: ListDefinition) -> Iterator[str]:
    name = printable(definition.name)
    if not is_dns_label(definition.name) or definition.name == NO_LIST:
        yield (
            f"the list name '{name}' must be 1 to 63 lower-case letters, digits and inner hyphens, and not '{NO_LIST}'"
        )
    if not is_dns_label(definition.namespace):
        yield f"list '{name}': '{printable(definition.namespace)}' is no Kubernetes namespace"
    if not _SUBDOMAIN.fullmatch(definition.object):
        yield f"list '{name}': '{printable(definition.object)}' is no name of a Kubernetes object"
    if definition.delivery not in AVAILABLE:
        yield f"list '{name}': delivery '{definition.delivery}' is not available in this version; use secret"
    yield from _policy_problems(name, definition.policy)


def _policy_problems(name: str, policy: Policy) -> Iterator[str]:
    for code in sorted(policy.accept - WAIVABLE):
        yield f"list '{name}': nothing can waive '{code}'; policy.accept takes {_words(WAIVABLE)}"
    for code in sorted(policy.reject):
        if code.severity is not Severity.WARN:
            yield f"list '{name}': '{code}' in policy.reject is no warning; it rejects already"


def _vault_problems(vault: WatchedVault, names: list[str]) -> Iterator[str]:
    where = f"vault {vault.host}"
    if vault.lists == ():
        yield f"{where}: 'lists' is empty; leave it out for every list"
    for name in vault.lists or ():
        if name not in names:
            yield f"{where}: the list '{printable(name)}' is not defined; there are {_words(names)}"
    yield from _selector_problems(where, "clusters", vault.clusters)
    if vault.default is not None:
        yield from _default_problems(where, vault, vault.default, names)


def _default_problems(where: str, vault: WatchedVault, default: Default, names: list[str]) -> Iterator[str]:
    if not default.lists:
        yield f"{where}: 'default.lists' is empty; leave 'default' out for no default"
    for name in default.lists:
        if name not in names:
            yield f"{where}: the default list '{printable(name)}' is not defined; there are {_words(names)}"
        elif not vault.allows(name):
            yield f"{where}: the default list '{name}' is beyond the vault's own 'lists'"
    yield from _selector_problems(where, "default.clusters", default.clusters)


def _selector_problems(where: str, field: str, text: str) -> Iterator[str]:
    try:
        Selector.parse(text)
    except Invalid as error:
        yield f"{where}: {field}: {error}"


def _repeated(values: Iterable[T]) -> list[T]:
    return [value for value, count in Counter(values).items() if count > 1]


def _words(values: Iterable[str]) -> str:
    return ", ".join(sorted(values))
