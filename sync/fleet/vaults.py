"""The watched vaults: how far the secrets of each may reach, and where those without tags go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from sync.errors import Invalid
from sync.fleet.documents import decode_json, joined, refuse, repeated
from sync.fleet.lists import ListDefinition
from sync.fleet.selectors import EVERY_CLUSTER, Selector
from sync.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator


VAULTS_EXAMPLE = '[{"url": "https://plant-1.vault.azure.net", "lists": ["trust"], "clusters": "site=plant-1"}]'

_HOST = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?|[0-9a-f:.]*:[0-9a-f:.]*")  # a name or an IPv6 address
_HTTPS_PORT = 443


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
    """A vault whose secrets are trusted, up to its ceiling.

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


@lru_cache(maxsize=256)
def vault_host(url: str) -> str:
    """The host of a vault's https URL, case-folded, with its port unless that is 443.

    Raises:
        Invalid: it is not an https URL, or carries credentials.
    """
    if "@" in url:
        raise Invalid("a vault's URL must not hold user and password (example: https://plant-1.vault.azure.net)")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme != "https" or not _HOST.fullmatch(host or ""):
        raise Invalid(f"'{printable(url)}' is not a vault's https URL (example: https://plant-1.vault.azure.net)")
    name = f"[{host}]" if host and ":" in host else host or ""
    return name if port in {None, _HTTPS_PORT} else f"{name}:{port}"


def vault_url(text: str) -> str:
    """The URL of a vault without its trailing slash.

    Raises:
        Invalid: it is not an https URL, or has more than a host and a port.
    """
    url = text.strip().rstrip("/")
    vault_host(url)
    parts = urlsplit(url)
    if parts.path or "?" in url or "#" in url:
        raise Invalid(f"'{printable(text)}' must end after the host (example: https://plant-1.vault.azure.net)")
    return url


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


def parse_vaults(text: str, lists: tuple[ListDefinition, ...]) -> tuple[WatchedVault, ...]:
    """The vaults in the JSON text of `TRUSTCAST_VAULTS`.

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
    problems += [f"the vault {host} is named twice" for host in repeated(each.host for each in vaults)]
    if not vaults:
        problems.append("no vault is named")
    refuse(problems, example=VAULTS_EXAMPLE)
    return vaults


def _vault_problems(vault: WatchedVault, names: list[str]) -> Iterator[str]:
    where = f"vault {vault.host}"
    if vault.lists == ():
        yield f"{where}: 'lists' is empty; leave it out for every list"
    for name in vault.lists or ():
        if name not in names:
            yield f"{where}: the list '{printable(name)}' is not defined; there are {joined(names)}"
    yield from _selector_problems(where, "clusters", vault.clusters)
    if vault.default is not None:
        yield from _default_problems(where, vault, vault.default, names)


def _default_problems(where: str, vault: WatchedVault, default: Default, names: list[str]) -> Iterator[str]:
    if not default.lists:
        yield f"{where}: 'default.lists' is empty; leave 'default' out for no default"
    for name in default.lists:
        if name not in names:
            yield f"{where}: the default list '{printable(name)}' is not defined; there are {joined(names)}"
        elif not vault.allows(name):
            yield f"{where}: the default list '{name}' is beyond the vault's own 'lists'"
    yield from _selector_problems(where, "default.clusters", default.clusters)


def _selector_problems(where: str, field: str, text: str) -> Iterator[str]:
    try:
        Selector.parse(text)
    except Invalid as error:
        yield f"{where}: {field}: {error}"
