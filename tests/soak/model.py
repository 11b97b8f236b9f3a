"""What every list must hold, worked out from what was done to vault and clusters alone: nothing of `sync` is used.

Changes of one secret that the service must have seen one by one to tell them apart (a version disabled before or
after it was in force) are never made within one round; whoever drives the model sees to that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SELECTORS: dict[str, Callable[[dict[str, str]], bool]] = {
    "*": lambda _: True,
    "env=prod": lambda labels: labels["env"] == "prod",
    "env in (test, prod)": lambda labels: labels["env"] in {"test", "prod"},
    "env!=prod": lambda labels: labels["env"] != "prod",
    "site=lyon": lambda labels: labels["site"] == "lyon",
}


@dataclass
class Version:
    """One version: its file's bytes, None where it must be refused; whether time alone refuses it."""

    der: bytes | None
    expired: bool = False
    enabled: bool = True


@dataclass
class Secret:
    """One secret as its owner left it.

    Attributes:
        is_ca: it passes on the issuer list too; others pass on the trust list alone.
        lists, clusters: of the newest version that bears tags.
        in_force: the version whose file the lists have; None: there is none.
    """

    name: str
    is_ca: bool
    lists: frozenset[str]
    clusters: str
    versions: list[Version] = field(default_factory=list)
    in_force: Version | None = None
    deleted: bool = False

    @property
    def file(self) -> str:
        return self.name.removesuffix("-der") + ".der"

    def uploaded(self, version: Version) -> None:
        """An enabled version comes: a good one takes over, another leaves the last good one in force."""
        self.versions.append(version)
        if version.der is not None and self.lists:
            self.in_force = version

    def assigned(self, lists: frozenset[str], clusters: str) -> None:
        """Other tags. A secret that was on no list is looked at as if for the first time."""
        anew = bool(lists) and not self.lists
        self.lists, self.clusters = lists, clusters
        if not lists:
            self.in_force = None
        elif anew:
            self.rebuilt()

    def rebuilt(self) -> None:
        """The newest version that is good, unless one that is disabled or only too old comes first."""
        self.in_force = None
        for version in reversed(self.versions):
            if not version.enabled or version.expired:
                return
            if version.der is not None:
                self.in_force = version
                return

    def removed(self) -> None:
        self.deleted, self.in_force = True, None

    def recovered(self) -> None:
        self.deleted = False
        if self.lists:
            self.rebuilt()

    def bytes_on(self, list_name: str, labels: dict[str, str]) -> bytes | None:
        """The file's bytes on that list of a cluster with these labels; None: it has none."""
        version = self.in_force
        fits = list_name in self.lists and (list_name == "trust" or self.is_ca) and SELECTORS[self.clusters](labels)
        return version.der if version and version.enabled and fits and not self.deleted else None


@dataclass
class Model:
    """All secrets, and the keys that others keep on the lists.

    Attributes:
        clusters: labels by name.
        foreign: other writers' keys, by cluster and list.
    """

    clusters: dict[str, dict[str, str]]
    secrets: dict[str, Secret] = field(default_factory=dict)
    foreign: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)

    def list(self, cluster: str, list_name: str) -> dict[str, bytes]:
        """What the list must hold."""
        labels = self.clusters[cluster]
        ours = {s.file: s.bytes_on(list_name, labels) for s in self.secrets.values()}
        present = {name: data for name, data in ours.items() if data is not None}
        return present | self.foreign.get((cluster, list_name), {})
