"""Azure Key Vault's secrets; nothing else in this program talks to a vault.

Values leave this module in a `SecretValue` only: no log line, error or cache holds them. An answer that proves nothing
(a time-out, a refusal, a missing page, a shape that is not Key Vault's) raises; it never looks empty.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, HttpResponseError
from azure.keyvault.secrets import SecretClient

from sync.adapters.azure_errors import code, translate
from sync.adapters.keyvault.limits import BoundedCalls, ReadBudget
from sync.catalogue.secret import ListedSecret, SecretValue, VersionProperties
from sync.deadline import Deadline
from sync.errors import Changed, Invalid, Temporary, TrustcastError
from sync.fleet.names import is_secret_name
from sync.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from azure.core.credentials import TokenCredential
    from azure.core.paging import ItemPaged
    from azure.core.pipeline import PipelineResponse
    from azure.keyvault.secrets import SecretProperties

T = TypeVar("T")

_VERSION = re.compile(r"[0-9A-Za-z]{1,64}")
_ABSENT = "SecretNotFound"  # a 404 without it, from a proxy say, proves nothing about a secret

MOST_VERSIONS = 2_500
"""Versions of one secret that are read; Key Vault lists them in no order, 25 per page."""

LOOKING = 8.0
"""Seconds after which no further page of a secret's versions is requested: an admission must end within 15 s."""

LISTING = 90.0
"""Seconds after which a vault's listing is given up: it must end within its lease (`sync.steps.drift.LEASE`)."""


class Disabled(Changed):
    """The version was disabled since its properties were read: read the secret again."""


@dataclass(frozen=True, slots=True)
class Versions:
    """A secret's versions, newest first by creation time; the order of equal times means nothing.

    Attributes:
        complete: False if there were more versions or pages than were read: then any may be missing.
    """

    items: tuple[VersionProperties, ...]
    complete: bool


class KeyVault:
    """One vault. Every method may raise the errors of `sync.errors`; safe to use from several threads.

    Args:
        url: `https://kv1.vault.azure.net`.
        credential: gives tokens; its time-outs are set where it is made.
        call_timeout: seconds to connect, and seconds between two bytes of an answer. Nothing is retried here.
        reads_per_second: requests of any kind per second; none waits longer than `call_timeout`.
        looking, listing: seconds for all pages of a secret's versions, and for those of a listing.
        client_options: for `SecretClient` (`connection_verify`, `api_version`).
    """

    def __init__(
        self,
        url: str,
        credential: TokenCredential,
        *,
        call_timeout: float,
        reads_per_second: float = 300,
        looking: float = LOOKING,
        listing: float = LISTING,
        **client_options: Any,
    ) -> None:
        self._host = urlsplit(url).netloc
        self._looking, self._listing = looking, listing
        budget = ReadBudget(reads_per_second, longest_wait=call_timeout)
        self._client = SecretClient(
            url,
            credential,
            connection_timeout=call_timeout,
            read_timeout=call_timeout,
            retry_total=0,
            permit_redirects=False,
            logging_enable=False,
            per_retry_policies=[BoundedCalls(url, budget)],
            **client_options,
        )

    def versions(self, name: str, *, at_most: int = MOST_VERSIONS) -> Versions:
        """The properties of a secret's versions; empty and complete if there is no such secret."""
        with self._translating("looking at", name):
            listed = self._client.list_properties_of_secret_versions(_name(name), raw_response_hook=_must_be_page)
            try:
                found, complete = _gather(listed, Deadline.after(self._looking), at_most)
            except HttpResponseError as error:
                if code(error) != _ABSENT:
                    raise
                return Versions((), complete=True)
            versions = map(_version, found)
            return Versions(tuple(sorted(versions, key=lambda v: (v.created, v.version), reverse=True)), complete)

    def read(self, name: str, version: str | None) -> SecretValue:
        """The value of a version, or of the current one if it is None.

        Raises:
            NotFound: there is no such secret or version.
            Disabled: it is disabled.
        """
        if version is not None and not _VERSION.fullmatch(version):
            raise Invalid(f"not the identifier of a version: {printable(version)}")
        with self._translating("reading", name):
            secret = self._client.get_secret(_name(name), version)
            return SecretValue(_version(secret.properties), _text(secret.value), secret.properties.key_id)

    def listing(self) -> tuple[ListedSecret, ...]:
        """Every secret of the vault by its newest version's properties: all pages, or an error."""
        with self._translating("listing"):
            listed = self._client.list_properties_of_secrets(raw_response_hook=_must_be_page)
            found, complete = _gather(listed, Deadline.after(self._listing))
            if not complete:
                raise Temporary(f"the listing of {self._host} takes longer than {self._listing:.0f} s")
            return tuple(map(_listed, found))

    def update(self, name: str, version: str, *, tags: Mapping[str, str]) -> VersionProperties:
        """Replace one version's tags; returns its properties afterwards."""
        with self._translating("tagging", name):
            return _version(self._client.update_secret_properties(_name(name), version, tags=dict(tags)))

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    @contextmanager
    def _translating(self, doing: str, name: str = "") -> Iterator[None]:
        """Raise every failure as ours, also those of reading a hostile answer (JSON nested without end, say)."""
        what = f"{doing} {printable(name)} in {self._host}" if name else f"{doing} {self._host}"
        try:
            with _translated(what):
                yield
        except TrustcastError:
            raise
        except Exception:  # noqa: BLE001  otherwise it would end the work on every other secret
            raise Temporary(f"{what}: the answer is not one of a Key Vault") from None


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Raise Azure's errors as ours. Those that quote the answer's body are not chained (law 9)."""
    try:
        yield
    except HttpResponseError as error:
        raise _refusal(error, what) from None
    except AzureError as cause:
        raise translate(cause, what) from cause


def _refusal(error: HttpResponseError, what: str) -> TrustcastError:
    if code(error) == "SecretDisabled":
        return Disabled(f"{what}: the version is disabled")
    if error.status_code == HTTPStatus.NOT_FOUND and code(error) != _ABSENT:
        return Temporary(f"{what}: status 404, but not a Key Vault's")
    return translate(error, what)


def _gather(
    listed: ItemPaged[SecretProperties], deadline: Deadline, at_most: int | None = None
) -> tuple[list[SecretProperties], bool]:
    """The items of the pages, and whether these are all; pages may be empty, and may never end."""
    found: list[SecretProperties] = []
    for page in listed.by_page():
        found.extend(page)
        if (at_most is not None and len(found) > at_most) or not deadline.left():
            return found[:at_most], False
    return found, True


def _must_be_page(response: PipelineResponse[Any, Any]) -> None:
    """Refuse a successful answer that is not a page: it would read as an empty one, and so as absence."""
    answer = response.http_response
    if answer.status_code == HTTPStatus.OK and not isinstance(answer.json()["value"], list):
        raise TypeError("no list of secrets")


def _version(properties: SecretProperties) -> VersionProperties:
    return VersionProperties(
        _text(properties.name),
        _text(properties.version),
        created=_given(properties.created_on, datetime),
        updated=_given(properties.updated_on, datetime),
        enabled=_given(properties.enabled, bool),
        content_type=_content_type(properties),
        tags=_tags(properties),
        managed=bool(properties.managed),
    )


def _listed(properties: SecretProperties) -> ListedSecret:
    return ListedSecret(
        _text(properties.name),
        _given(properties.updated_on, datetime),
        _given(properties.enabled, bool),
        _content_type(properties),
        _tags(properties),
        bool(properties.managed),
    )


def _content_type(properties: SecretProperties) -> str | None:
    return None if properties.content_type is None else _text(properties.content_type)


def _tags(properties: SecretProperties) -> Mapping[str, str]:
    return MappingProxyType({_text(name): _text(value) for name, value in dict(properties.tags or {}).items()})


def _text(value: object) -> str:
    """Text that can be encoded: JSON can hold lone surrogates, which cannot."""
    text = _given(value, str)
    text.encode()
    return text


def _given(value: object, kind: type[T]) -> T:
    """A field that every answer of a Key Vault has."""
    if not isinstance(value, kind):
        raise TypeError("a field is missing, or is something else")
    return value


def _name(name: str) -> str:
    if not is_secret_name(name):
        raise Invalid(f"not the name of a secret: {printable(name)}")
    return name
