"""One vault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sync.catalogue.secret import ListedSecret, SecretValue, VersionProperties


class Versions(Protocol):
    """A secret's versions, newest first; `complete` is False where there were more than were asked for."""

    @property
    def items(self) -> tuple[VersionProperties, ...]:
        """Newest first by `created`."""
        ...

    @property
    def complete(self) -> bool:
        """Whether these are all."""
        ...


class Vault(Protocol):
    """One vault."""

    def versions(self, name: str) -> Versions:
        """The versions' properties; empty and complete where there is no such secret."""
        ...

    def read(self, name: str, version: str | None) -> SecretValue:
        """One version's value; None reads the current one."""
        ...

    def listing(self) -> tuple[ListedSecret, ...]:
        """Every secret's newest properties; all of them or an error."""
        ...

    def update(self, name: str, version: str, *, tags: Mapping[str, str]) -> VersionProperties:
        """Replace one version's tags."""
        ...
