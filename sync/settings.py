"""The settings, read once from the environment; all problems are reported together.

Only this module reads the environment, at first use, never at import. Each field of `Settings` carries the name,
default and example of its variable; `docs/settings.md` lists them all.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sync.errors import Invalid
from sync.fleet.configuration import Configuration
from sync.fleet.lists import DEFAULT_LISTS, LISTS_EXAMPLE, parse_lists
from sync.fleet.vaults import VAULTS_EXAMPLE, parse_vaults, vault_host, vault_url
from sync.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

T = TypeVar("T")

ADMISSION = timedelta(seconds=15)
"""The admission of one secret ends within this time: Event Grid waits 30 s for the answer."""

_DURATION = re.compile(r"(?P<number>[0-9]{1,6}(\.[0-9]{1,3})?) ?(?P<unit>s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_PERCENT = re.compile(r"(?P<number>[0-9]{1,3}(\.[0-9]{1,3})?) ?%")
_NCRONTAB_FIELD = re.compile(r"[0-9A-Za-z*,/-]+")
_NCRONTAB_FIELDS = 6
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")


MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class BackOff:
    """Waits between attempts: the first, then twice as long each time up to the longest."""

    first: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class Storage:
    """Azure Storage, by connection string or by account name: exactly one is set.

    Attributes:
        connection_string: carries a key, so it is never shown.
        account: name of the account, used with the app's identity.
    """

    connection_string: str | None = field(default=None, repr=False)
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """An environment variable, as it is documented.

    Attributes:
        name: of the variable.
        default: as it would be written; None: it must be set.
        example: a value that is accepted.
        parse: reads the text; raises Invalid.
    """

    name: str
    default: str | None
    example: str
    parse: Callable[[str], T]


def duration(text: str) -> timedelta:
    """A positive time span such as `60s`, `30m`, `1h`, `30d`.

    Raises:
        Invalid: it is anything else.
    """
    match = _DURATION.fullmatch(text)
    span = timedelta(**{_UNITS[match["unit"]]: float(match["number"])}) if match else timedelta(0)
    if span <= timedelta(0):
        raise Invalid(f"'{printable(text)}' is not a positive time span in s, m, h or d")
    return span


def days(text: str) -> timedelta:
    """A positive number of days.

    Raises:
        Invalid: it is anything else.
    """
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= MOST_DAYS):
        raise Invalid(f"'{printable(text)}' is not a number of days from 1 to {MOST_DAYS}")
    return timedelta(days=int(text))


def call_timeout(text: str) -> timedelta:
    """A time span short enough for one of several calls.

    Raises:
        Invalid: it is anything else.
    """
    span = duration(text)
    if span >= ADMISSION:
        raise Invalid(f"'{printable(text)}' is not below {ADMISSION.seconds}s, the time that one admission may take")
    return span


def back_off(text: str) -> BackOff:
    """A first and a longest wait such as `30s..1h`.

    Raises:
        Invalid: it is anything else, or the first is longer.
    """
    first, dots, longest = (part.strip() for part in text.partition(".."))
    if not dots:
        raise Invalid(f"'{printable(text)}' is not a first and a longest wait joined by '..'")
    waits = BackOff(duration(first), duration(longest))
    if waits.first > waits.longest:
        raise Invalid(f"'{printable(text)}' has a first wait that is longer than the longest")
    return waits


def share(text: str) -> float:
    """A percentage such as `25%`, as a number from 0 to 1.

    Raises:
        Invalid: it is anything else.
    """
    match = _PERCENT.fullmatch(text)
    if match is None or not 0 <= (number := float(match["number"])) <= 100:  # noqa: PLR2004 - per cent
        raise Invalid(f"'{printable(text)}' is not a percentage from 0% to 100%")
    return number / 100


def count(text: str) -> int:
    """A whole number, 0 or more.

    Raises:
        Invalid: it is anything else.
    """
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise Invalid(f"'{printable(text)}' is not a whole number")
    return int(text)


def rate(text: str) -> int:
    """A whole number, 1 or more.

    Raises:
        Invalid: it is anything else.
    """
    number = count(text)
    if not number:
        raise Invalid("0 would stop everything")
    return number


def moment(text: str) -> str:
    """A time as ISO 8601 in UTC, so that texts compare as times; empty where it is not set.

    Raises:
        Invalid: it is no time with a zone.
    """
    if not text:
        return ""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise Invalid("it must be a time such as 2026-11-29T12:00:00Z, with its zone")
    return read.astimezone(UTC).isoformat()


def account_name(text: str) -> str:
    """The name of a storage account.

    Raises:
        Invalid: it is anything else.
    """
    if not _ACCOUNT.fullmatch(text):
        raise Invalid(f"'{printable(text)}' is not 3 to 24 lower-case letters and digits, as accounts are named")
    return text


def ncrontab(text: str) -> str:
    """A schedule of six fields, seconds first, as Azure Functions' timers take it.

    Raises:
        Invalid: it does not have six fields of NCRONTAB's characters; the host checks their ranges.
    """
    words = text.split()
    if len(words) != _NCRONTAB_FIELDS or not all(map(_NCRONTAB_FIELD.fullmatch, words)):
        raise Invalid(f"'{printable(text)}' is not an NCRONTAB schedule of six fields")
    return " ".join(words)


_LISTS_DEFAULT = json.dumps([{"name": x.name, "role": x.role, "object": x.object} for x in DEFAULT_LISTS])

VAULTS = Setting("TRUSTCAST_VAULTS", None, VAULTS_EXAMPLE, str)  # parsed with the lists that it names
LISTS = Setting("TRUSTCAST_LISTS", _LISTS_DEFAULT, LISTS_EXAMPLE, parse_lists)
"""What is watched and where it goes: the two variables behind `Settings.configuration`."""

CONNECTION_STRING = Setting("AzureWebJobsStorage", None, "UseDevelopmentStorage=true", str)
ACCOUNT = Setting("AzureWebJobsStorage__accountName", None, "trustcaststore", account_name)
"""Where the state is: two of Azure Functions' own settings, one of which is needed, behind `Settings.storage`."""


def _variable(name: str, default: str | None, example: str, parse: Callable[[str], T]) -> dict[str, Setting[T]]:
    """The metadata of a field that is read from one variable."""
    return {"setting": Setting(name, default, example, parse)}


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, valid.

    Attributes:
        configuration: watched vaults and defined lists.
        storage: where the state is.
        credentials_vault: URL.
        check_schedule: NCRONTAB, six fields.
        hold_share, hold_cluster_share: from 0 to 1.
    """

    configuration: Configuration
    storage: Storage
    credentials_vault: str = field(
        metadata=_variable("TRUSTCAST_CREDENTIALS_VAULT", None, "https://clusters.vault.azure.net", vault_url)
    )
    check_schedule: str = field(metadata=_variable("TRUSTCAST_TICK", "0 * * * * *", "*/10 * * * * *", ncrontab))
    vault_interval: timedelta = field(metadata=_variable("TRUSTCAST_VAULT_INTERVAL", "60s", "5m", duration))
    verify_interval: timedelta = field(metadata=_variable("TRUSTCAST_VERIFY_INTERVAL", "30m", "2h", duration))
    offline_retry: BackOff = field(metadata=_variable("TRUSTCAST_OFFLINE_RETRY", "30s..1h", "1m..30m", back_off))
    quiet_period: timedelta = field(metadata=_variable("TRUSTCAST_STILL", "5s", "2s", duration))
    hold_share: float = field(metadata=_variable("TRUSTCAST_HOLD_SHARE", "25%", "10%", share))
    hold_files: int = field(metadata=_variable("TRUSTCAST_HOLD_FILES", "3", "5", count))
    hold_cluster_share: float = field(metadata=_variable("TRUSTCAST_HOLD_CLUSTER_SHARE", "10%", "5%", share))
    hold_clusters: int = field(metadata=_variable("TRUSTCAST_HOLD_CLUSTERS", "3", "1", count))
    expiry_warning: timedelta = field(metadata=_variable("TRUSTCAST_EXPIRY_WARNING", "30d", "60d", duration))
    call_timeout: timedelta = field(metadata=_variable("TRUSTCAST_CALL_TIMEOUT", "5s", "3s", call_timeout))
    push_timeout: timedelta = field(metadata=_variable("TRUSTCAST_PUSH_TIMEOUT", "30s", "20s", duration))
    deployed: str = field(metadata=_variable("TRUSTCAST_DEPLOYED", "", "2026-11-29T12:00:00Z", moment))
    history: timedelta = field(metadata=_variable("TRUSTCAST_HISTORY_DAYS", "400", "800", days))
    vault_reads_per_second: int = field(metadata=_variable("TRUSTCAST_VAULT_READS_PER_SECOND", "300", "100", rate))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """The settings in these variables; blank counts as absent.

        Raises:
            Invalid: every problem on a line of its own: the variable, what is wrong, an example.
        """
        reading = _Reading(environ)
        values: dict[str, Any] = {"configuration": reading.configuration()}
        values |= {name: reading.value(setting) for name, setting in SETTING_OF.items()}
        values["storage"] = reading.storage()
        reading.refuse(_contradictions(values))
        return cls(**values)


SETTING_OF: dict[str, Setting[Any]] = {
    each.name: each.metadata["setting"] for each in fields(Settings) if "setting" in each.metadata
}
"""The variable of each field that is read from one alone."""

SETTINGS: tuple[Setting[Any], ...] = (VAULTS, LISTS, *SETTING_OF.values())
"""All settings of our own; `docs/settings.md` says what each means."""


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read at the first call.

    Raises:
        Invalid: see `Settings.from_environment`.
    """
    return Settings.from_environment(os.environ)


class _Reading:
    """One pass over the environment that collects every problem."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: list[str] = []

    def value(self, setting: Setting[T]) -> T | None:
        """The parsed value; None where it is missing or refused."""
        text = self._text(setting) or setting.default
        if text is None:
            self._problems.append(f"{setting.name} is not set (example: {setting.example})")
            return None
        return self._checked(setting, lambda: setting.parse(text))

    def configuration(self) -> Configuration | None:
        """Vaults and lists, read together since vaults name lists."""
        text, lists = self.value(VAULTS), self.value(LISTS)
        if text is None or lists is None:
            return None
        return self._checked(VAULTS, lambda: Configuration(parse_vaults(text, lists), lists))

    def storage(self) -> Storage:
        if connection_string := self._text(CONNECTION_STRING):
            return Storage(connection_string=connection_string)
        if self._text(ACCOUNT):
            return Storage(account=self.value(ACCOUNT))
        either = f"{CONNECTION_STRING.name} or {ACCOUNT.name}"
        self._problems.append(f"{either} is not set (example: {CONNECTION_STRING.example})")
        return Storage()

    def refuse(self, contradictions: Iterable[str]) -> None:
        """Raise all problems, one a line, if there are any."""
        if problems := [*self._problems, *contradictions]:
            raise Invalid("\n".join(problems))

    def _text(self, setting: Setting[Any]) -> str:
        return self._environ.get(setting.name, "").strip()

    def _checked(self, setting: Setting[Any], parse: Callable[[], T]) -> T | None:
        """What `parse` returns; None where it refuses."""
        try:
            return parse()
        except Invalid as error:
            hint = "" if "(example: " in str(error) else f" (example: {setting.example})"
            self._problems.append(f"{setting.name}: {error}{hint}")
            return None


def _contradictions(values: Mapping[str, Any]) -> Iterator[str]:
    """Conflicts between settings; None stands for one that is already refused."""
    configuration, credentials = values["configuration"], values["credentials_vault"]
    if configuration and credentials and configuration.vault(vault_host(credentials)):
        yield (
            "TRUSTCAST_CREDENTIALS_VAULT: it is a watched vault; keep the clusters' credentials in a vault of "
            "their own (example: https://clusters.vault.azure.net)"
        )
    call, push = values["call_timeout"], values["push_timeout"]
    if call and push and push < call:
        yield "TRUSTCAST_PUSH_TIMEOUT: it is shorter than TRUSTCAST_CALL_TIMEOUT (example: 30s)"
