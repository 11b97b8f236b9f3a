"""What every list must hold, and whose it is, worked out from what was done to vault and clusters alone.

Nothing of `sync` is used. Changes that the service must have seen one by one to tell them apart (a version disabled
before or after it was in force; two secrets that come for one name) are never made within one round; whoever drives the
model sees to that.
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
    """One version: its file's bytes, None where it must be refused.

    Attributes:
        expired: time alone refuses it.
        revoked: a CRL of its CA lists it.
    """

    der: bytes | None
    expired: bool = False
    enabled: bool = True
    revoked: bool = False


@dataclass
class Secret:
    """One secret as its owner left it.

    Attributes:
        is_ca: it passes on the issuer list too; others pass on the trust list alone.
        lists, clusters: of the newest version that bears tags.
        named: the file name that its tags give; empty where it has its own.
        admitted: in which round it last began to give files.
        in_force: the newest version that passes, enabled or not; None: there is none.
    """

    name: str
    is_ca: bool
    lists: frozenset[str]
    clusters: str
    named: str = ""
    admitted: int = 0
    versions: list[Version] = field(default_factory=list)
    in_force: Version | None = None
    deleted: bool = False

    @property
    def file(self) -> str:
        return self.named or self.name.removesuffix("-der") + ".der"

    def uploaded(self, version: Version) -> None:
        """An enabled version comes: a good one takes over, another leaves the last good one in force."""
        self.versions.append(version)
        if version.der is not None and self.lists:
            self.in_force = version

    def assigned(self, lists: frozenset[str], clusters: str, now: int) -> None:
        """Other tags. A secret that was on no list is looked at as if for the first time."""
        anew = bool(lists) and not self.lists
        self.lists, self.clusters = lists, clusters
        if not lists:
            self.in_force = None
        elif anew:
            self.admitted = now
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

    def recovered(self, now: int) -> None:
        self.deleted, self.admitted = False, now
        if self.lists:
            self.rebuilt()

    def claims(self, list_name: str, labels: dict[str, str]) -> bool:
        """Whether its file's name is to be its own on that list of a cluster with these labels."""
        fits = list_name in self.lists and (list_name == "trust" or self.is_ca) and SELECTORS[self.clusters](labels)
        return self.in_force is not None and fits and not self.deleted

    def given(self) -> bytes | None:
        """The file's bytes; None where it has only the name: its version is disabled, or revoked."""
        version = self.in_force
        return version.der if version and version.enabled and not version.revoked else None


@dataclass
class Model:
    """All secrets, whose the names on the lists are, and the keys that others keep there.

    Attributes:
        clusters: labels by name.
        always: files that every list has: the CA's and its CRL's.
        holders: by cluster and list, the secret that has each name; it keeps it as long as it claims it.
        foreign: other writers' keys, by cluster and list.
        rounds: begun so far.
    """

    clusters: dict[str, dict[str, str]]
    lists: tuple[str, ...] = ("trust", "issuer")
    secrets: dict[str, Secret] = field(default_factory=dict)
    always: dict[str, bytes] = field(default_factory=dict)
    holders: dict[tuple[str, str], dict[str, Secret]] = field(default_factory=dict)
    foreign: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    rounds: int = 0

    def settle(self) -> None:
        """The end of a round: a name that its holder no longer claims passes to who was admitted first."""
        self.rounds += 1
        first = sorted(self.secrets.values(), key=lambda secret: secret.admitted)
        for cluster, labels in self.clusters.items():
            for name in self.lists:
                claiming = [secret for secret in first if secret.claims(name, labels)]
                before = self.holders.get((cluster, name), {})
                holders = {file: secret for file, secret in before.items() if secret in claiming}
                for secret in claiming:
                    holders.setdefault(secret.file, secret)
                self.holders[cluster, name] = holders

    def owners(self, cluster: str, list_name: str) -> dict[str, str]:
        """By file that the list must hold, the secret that it came from; but for those that are always there."""
        held = self.holders.get((cluster, list_name), {})
        return {file: secret.name for file, secret in held.items() if secret.given() is not None}

    def list(self, cluster: str, list_name: str) -> dict[str, bytes]:
        """What the list must hold."""
        held = self.holders.get((cluster, list_name), {})
        ours = {file: data for file, secret in held.items() if (data := secret.given()) is not None}
        return ours | self.always | self.foreign.get((cluster, list_name), {})
