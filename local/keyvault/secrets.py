"""The secrets of one stand-in vault: Key Vault's rules without HTTP.

Limits and refusals follow "About Azure Key Vault secrets" and the REST reference on Microsoft Learn.
"""

from __future__ import annotations

import random
import re
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
_MAX_VALUE_BYTES = 25 * 1024
_MAX_CONTENT_TYPE = 255
_MAX_TAGS = 15
_MAX_TAG_TEXT = 512
RECOVERABLE_DAYS = 90
_DAY_SECONDS = 86_400


class Refused(Exception):
    """An error answer.

    Attributes:
        status: HTTP status.
        code, message: as Azure sends them.
        inner: the inner error's code, if Azure sends one.
    """

    def __init__(self, status: int, code: str, message: str, inner: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.inner = status, code, message, inner


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a secret; times are whole seconds since 1970.

    Attributes:
        not_before, expires: the secret's own attributes; informational only.
        key_id: the `kid` of the certificate that the secret backs, which makes it `managed`.
    """

    name: str
    id: str
    value: str = field(repr=False)
    created: int
    updated: int
    enabled: bool = True
    content_type: str | None = None
    tags: Mapping[str, str] | None = None
    not_before: int | None = None
    expires: int | None = None
    key_id: str | None = None

    @property
    def managed(self) -> bool:
        """Whether a Key Vault certificate owns the secret."""
        return self.key_id is not None


@dataclass(frozen=True, slots=True)
class Properties:
    """A request's fields other than the value; None leaves a field as it is (unset on a new version).

    Raises:
        Refused: one is over Key Vault's limits.
    """

    content_type: str | None = None
    tags: Mapping[str, str] | None = None
    enabled: bool | None = None
    not_before: int | None = None
    expires: int | None = None

    def __post_init__(self) -> None:
        """Check them against Key Vault's limits."""
        if len(self.content_type or "") > _MAX_CONTENT_TYPE:
            raise _bad_parameter(f"The content type is longer than {_MAX_CONTENT_TYPE} characters.")
        tags = self.tags or {}
        if len(tags) > _MAX_TAGS:
            raise _bad_parameter(f"There are more than {_MAX_TAGS} tags.")
        if any(len(text) > _MAX_TAG_TEXT for pair in tags.items() for text in pair):
            raise _bad_parameter(f"A tag's name or value is longer than {_MAX_TAG_TEXT} characters.")


@dataclass(frozen=True, slots=True)
class Deleted:
    """A soft-deleted secret with all its versions, oldest first."""

    versions: tuple[Version, ...]
    deleted: int

    @property
    def purged_at(self) -> int:
        """When it would be purged."""
        return self.deleted + RECOVERABLE_DAYS * _DAY_SECONDS


class Secrets:
    """Secrets by name, ignoring case; thread-safe.

    Args:
        clock: seconds since 1970.
        seed: determines the version identifiers.
        raised: called with every new version.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        seed: object = 0,
        raised: Callable[[Version], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._random = random.Random(str(seed))  # noqa: S311  repeatable on purpose
        self._raised = raised
        self._lock = threading.RLock()
        self._live: dict[str, list[Version]] = {}
        self._deleted: dict[str, Deleted] = {}

    def set(self, name: str, value: str, properties: Properties, *, key_id: str | None = None) -> Version:
        """Add a version: the first of a new secret, or the newest of an existing one."""
        _check_name(name)
        if len(value.encode()) > _MAX_VALUE_BYTES:
            raise _bad_parameter(f"The secret value is longer than {_MAX_VALUE_BYTES} bytes.")
        with self._lock:
            if name.casefold() in self._deleted:
                raise _deleted_but_recoverable(name)
            versions = self._live.setdefault(name.casefold(), [])
            if key_id is None:
                _check_unmanaged("set", versions)
            added = self._new(versions[0].name if versions else name, value, properties, key_id)
            versions.append(added)
        self._raised(added)
        return added

    def get(self, name: str, version: str = "") -> Version:
        """One version, by default the newest, disabled or not."""
        with self._lock:
            versions = self._live.get(name.casefold(), [])
            found = [v for v in versions if version in ("", v.id)]
        if not found:
            raise _not_found(name)
        return found[-1]

    def read(self, name: str, version: str = "") -> Version:
        """One version, to read its value: a disabled one is refused."""
        found = self.get(name, version)
        if not found.enabled:
            message = "Operation get is not allowed on a disabled secret."
            raise Refused(403, "Forbidden", message, inner="SecretDisabled")
        return found

    def update(self, name: str, version: str, properties: Properties) -> Version:
        """Change the given properties of one version, by default the newest."""
        with self._lock:
            old = self.get(name, version)
            new = replace(
                old,
                updated=self._now(),
                content_type=_either(properties.content_type, old.content_type),
                tags=_either(properties.tags, old.tags),
                enabled=_either(properties.enabled, old.enabled),
                not_before=_either(properties.not_before, old.not_before),
                expires=_either(properties.expires, old.expires),
            )
            versions = self._live[name.casefold()]
            versions[versions.index(old)] = new
        return new

    def versions(self, name: str) -> tuple[Version, ...]:
        """All versions, oldest first; empty if the secret does not exist."""
        with self._lock:
            return tuple(self._live.get(name.casefold(), ()))

    def newest(self) -> tuple[Version, ...]:
        """The newest version of every secret."""
        with self._lock:
            return tuple(versions[-1] for versions in self._live.values())

    def delete(self, name: str) -> Deleted:
        """Soft-delete a secret with all its versions."""
        with self._lock:
            self.get(name)
            _check_unmanaged("delete", self._live[name.casefold()])
            deleted = Deleted(tuple(self._live.pop(name.casefold())), self._now())
            self._deleted[name.casefold()] = deleted
        return deleted

    def deleted(self, name: str) -> Deleted:
        """A soft-deleted secret."""
        with self._lock:
            found = self._deleted.get(name.casefold())
        if found is None:
            raise Refused(404, "SecretNotFound", f"Deleted Secret not found: {name}")
        return found

    def all_deleted(self) -> tuple[Deleted, ...]:
        """Every soft-deleted secret."""
        with self._lock:
            return tuple(self._deleted.values())

    def recover(self, name: str) -> Version:
        """Restore a soft-deleted secret with all its versions; returns the newest."""
        with self._lock:
            back = self.deleted(name)
            del self._deleted[name.casefold()]
            self._live[name.casefold()] = list(back.versions)
        return back.versions[-1]

    def purge(self, name: str) -> None:
        """Remove a soft-deleted secret permanently."""
        with self._lock:
            self.deleted(name)
            del self._deleted[name.casefold()]

    def _new(self, name: str, value: str, properties: Properties, key_id: str | None) -> Version:
        now = self._now()
        return Version(
            name,
            f"{self._random.getrandbits(128):032x}",
            value,
            created=now,
            updated=now,
            enabled=_either(properties.enabled, old=True),
            content_type=properties.content_type,
            tags=properties.tags,
            not_before=properties.not_before,
            expires=properties.expires,
            key_id=key_id,
        )

    def _now(self) -> int:
        return int(self._clock())


def _either(new: Any, old: Any) -> Any:
    return old if new is None else new


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise _bad_parameter(f"The request URI contains an invalid name: {name}")


def _check_unmanaged(operation: str, versions: Sequence[Version]) -> None:
    if any(version.managed for version in versions):
        message = f'Operation "{operation}" is not allowed as this object\'s lifetime is managed by Key Vault.'
        raise Refused(403, "Forbidden", message, inner="SecretManagedByKeyVault")


def _bad_parameter(message: str) -> Refused:
    return Refused(400, "BadParameter", message)


def _not_found(name: str) -> Refused:
    message = (
        f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted this "
        "secret you may be able to recover it using the correct recovery command."
    )
    return Refused(404, "SecretNotFound", message)


def _deleted_but_recoverable(name: str) -> Refused:
    message = (
        f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; "
        "in this state, the secret can only be recovered or purged."
    )
    return Refused(409, "Conflict", message, inner="ObjectIsDeletedButRecoverable")
