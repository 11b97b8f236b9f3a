"""Two vaults, two lists, some clusters, and what people do to them: the ground of the scenarios."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sync.catalogue.secret import SecretKey
from sync.catalogue.snapshot import Stamp
from sync.commands import removals
from sync.findings import Role
from sync.fleet.configuration import Configuration
from sync.fleet.lists import CONNECTOR_NAMESPACE, ListDefinition
from sync.fleet.vaults import WatchedVault
from tests.support import certs
from tests.support.fleet import Fleet, registration

if TYPE_CHECKING:
    from sync.catalogue.entry import Entry
    from sync.reports.removals import Question

A, B = "a.vault.azure.net", "b.vault.azure.net"
TRUST = ListDefinition("trust", Role.TRUST, CONNECTOR_NAMESPACE, "trust-list")
ISSUER = ListDefinition("issuer", Role.ISSUER, CONNECTOR_NAMESPACE, "issuer-list")
BOTH = Configuration((WatchedVault(f"https://{A}"), WatchedVault(f"https://{B}")), (TRUST, ISSUER))
TO_TRUST = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
TO_ISSUER = {"trustcast-lists": "issuer", "trustcast-clusters": "*"}
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def server(name: str, number: int = 0) -> certs.Built:
    """A server's certificate; another number is another key."""
    return certs.server(name=name, key_name=f"{name}-{number}")


class Plant(Fleet):
    """A fleet of the vaults A and B, swept so that its tables are known to be whole."""

    @classmethod
    def of(cls, *clusters: str, configured: Configuration = BOTH) -> Plant:
        made = cls(configured, Stamp("", "1"))
        made.register(*(registration(name, site=name) for name in clusters or ("edge",)))
        made.sweep()
        return made

    def settle(self, times: int = 2) -> None:
        """Let a minute or two pass, with all that follows."""
        self.work_off()
        for _ in range(times):
            self.sweep()

    def put(self, name: str, built: certs.Built | certs.BuiltCrl | str, tags: Any = None, host: str = A) -> str:
        """A new version of a secret, taken up."""
        value = built if isinstance(built, str) else built.pem
        self.clock.move(timedelta(seconds=3))
        version = self.upload(name, value, TO_TRUST if tags is None else tags, host=host)
        self.settle(1)
        return version

    def fill(self, count: int, host: str = A, prefix: str = "s", tags: Any = None) -> list[str]:
        """So many secrets with a certificate each; gives the names of their files."""
        for number in range(count):
            self.clock.move(timedelta(seconds=3))
            self.upload(f"{prefix}{number:02}", server(f"{prefix}{number:02}").pem, tags or TO_TRUST, host=host)
        self.settle()
        return [f"{prefix}{number:02}.der" for number in range(count)]

    def delete(self, *names: str, host: str = A) -> None:
        for name in names:
            self.vaults[host].delete(name)
        self.settle()

    def tag(self, name: str, tags: dict[str, str], host: str = A) -> None:
        """Other tags on the newest version, without an event."""
        self.clock.move(timedelta(seconds=3))
        newest = self.vaults[host].versions(name).items[0]
        self.vaults[host].update(name, newest.version, tags=tags)
        self.settle()

    def reconfigure(self, configured: Configuration, deployed: str = "") -> None:
        """The same process started again with other settings."""
        later = str(int(self.stamp.imported) + 1)
        self.start(configured, Stamp(deployed, later))
        self.settle()

    def names(self, cluster: str = "edge", definition: ListDefinition = TRUST) -> set[str]:
        return set(self.files(cluster, definition))

    def entry(self, name: str, host: str = A) -> Entry:
        return self.runtime.decisions.snapshot(fresh=True).entries[SecretKey(host, name)]

    def questions(self) -> tuple[Question, ...]:
        return removals.waiting(self.runtime)

    def approve(self, number: int = 0) -> None:
        removals.approve(self.runtime, self.questions()[number].digest)
        self.settle()

    def kept(self, cluster: str = "edge", definition: ListDefinition = TRUST) -> dict[str, str]:
        """Why the files of a list stay that it does not want."""
        return {each.file: each.why for each in self.status(cluster, definition).kept}
