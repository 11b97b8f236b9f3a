"""The settings, read once from the environment, all problems told together.

This is the only module that reads the environment, and it does so at first use, never at import. Names, defaults,
meanings and examples are one table, which `docs/settings.md` shows.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sync.errors import Invalid
from sync.fleet.configuration import Configuration
from sync.fleet.lists import DEFAULT_LISTS, LISTS_EXAMPLE, parse_lists
from sync.fleet.vaults import VAULTS_EXAMPLE, parse_vaults, vault_host, vault_url
from sync.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sync.fleet.vaults import WatchedVault

PREFIX = "TRUSTCAST_"
ADMISSION = timedelta(seconds=15)
"""Within which a look at one secret ends, so that Event Grid, which waits 30 s, has its answer."""

_DURATION = re.compile(r"(?P<number>[0-9]{1,6}(\.[0-9]{1,3})?) ?(?P<unit>s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_PERCENT = re.compile(r"(?P<number>[0-9]{1,3}(\.[0-9]{1,3})?) ?%")
_NCRONTAB_FIELD = re.compile(r"[0-9A-Za-z*,/-]+")
_NCRONTAB_FIELDS = 6
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")


@dataclass(frozen=True, slots=True)
class BackOff:
    """Waits between attempts: the first, then twice as long each time up to the longest."""

    first: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class Storage:
    """Azure Storage, by connection string or by account name and the app's identity: exactly one is set.

    Attributes:
        connection_string: carries a key, so it is never shown.
        account: name of the account.
    """

    connection_string: str | None = field(default=None, repr=False)
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as it is documented.

    Attributes:
        name: of the environment variable.
        default: as it would be written; None: it must be set.
        example: a value that is accepted.
        parse: reads the text; raises Invalid.
    """

    name: str
    default: str | None
    example: str
    parse: Callable[[str], Any]


def duration(text: str) -> timedelta:
    """A positive span of time such as `60s`, `30m`, `1h`, `30d`.

    Raises:
        Invalid: it is none.
    """
    match = _DURATION.fullmatch(text)
    span = timedelta(**{_UNITS[match["unit"]]: float(match["number"])}) if match else timedelta(0)
    if span <= timedelta(0):
        raise Invalid(f"'{printable(text)}' is no positive span of time in s, m, h or d")
    return span


def call_timeout(text: str) -> timedelta:
    """A span of time short enough for one call of several.

    Raises:
        Invalid: it is none.
    """
    span = duration(text)
    if span >= ADMISSION:
        raise Invalid(f"'{printable(text)}' is not below {ADMISSION.seconds}s, the time that one look may take")
    return span


def back_off(text: str) -> BackOff:
    """A first and a longest wait such as `30s..1h`.

    Raises:
        Invalid: it is none, or the first is longer.
    """
    first, dots, longest = (part.strip() for part in text.partition(".."))
    if not dots:
        raise Invalid(f"'{printable(text)}' is no first and longest wait joined by '..'")
    waits = BackOff(duration(first), duration(longest))
    if waits.first > waits.longest:
        raise Invalid(f"'{printable(text)}' begins with the longer wait")
    return waits


def share(text: str) -> float:
    """A percentage such as `25%`, as a number from 0 to 1.

    Raises:
        Invalid: it is none.
    """
    match = _PERCENT.fullmatch(text)
    if match is None or not 0 <= (number := float(match["number"])) <= 100:  # noqa: PLR2004 - per cent
        raise Invalid(f"'{printable(text)}' is no percentage from 0% to 100%")
    return number / 100


def count(text: str) -> int:
    """A whole number, 0 or more.

    Raises:
        Invalid: it is none.
    """
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise Invalid(f"'{printable(text)}' is no whole number")
    return int(text)


def rate(text: str) -> int:
    """A whole number, 1 or more.

    Raises:
        Invalid: it is none.
    """
    number = count(text)
    if not number:
        raise Invalid("0 would stop everything")
    return number


def account_name(text: str) -> str:
    """The name of a storage account.

    Raises:
        Invalid: it is none.
    """
    if not _ACCOUNT.fullmatch(text):
        raise Invalid(f"'{printable(text)}' is not 3 to 24 lower-case letters and digits, as accounts are named")
    return text


def ncrontab(text: str) -> str:
    """A schedule of six fields, seconds first: what Azure Functions' timers take.

    Raises:
        Invalid: it has not six fields of the characters that NCRONTAB knows; ranges are for the host to check.
    """
    fields = text.split()
    if len(fields) != _NCRONTAB_FIELDS or not all(map(_NCRONTAB_FIELD.fullmatch, fields)):
        raise Invalid(f"'{printable(text)}' is no NCRONTAB schedule of six fields")
    return " ".join(fields)


_LISTS_DEFAULT = json.dumps([{"name": x.name, "role": x.role, "object": x.object} for x in DEFAULT_LISTS])

SETTINGS = (
    Setting("TRUSTCAST_VAULTS", None, VAULTS_EXAMPLE, str),  # read again beside the lists that it names
    Setting("TRUSTCAST_CREDENTIALS_VAULT", None, "https://clusters.vault.azure.net", vault_url),
    Setting("TRUSTCAST_LISTS", _LISTS_DEFAULT, LISTS_EXAMPLE, parse_lists),
    Setting("TRUSTCAST_TICK", "0 * * * * *", "*/10 * * * * *", ncrontab),
    Setting("TRUSTCAST_VAULT_INTERVAL", "60s", "5m", duration),
    Setting("TRUSTCAST_VERIFY_INTERVAL", "30m", "2h", duration),
    Setting("TRUSTCAST_OFFLINE_RETRY", "30s..1h", "1m..30m", back_off),
    Setting("TRUSTCAST_STILL", "5s", "2s", duration),
    Setting("TRUSTCAST_HOLD_SHARE", "25%", "10%", share),
    Setting("TRUSTCAST_HOLD_FILES", "3", "5", count),
    Setting("TRUSTCAST_HOLD_CLUSTER_SHARE", "10%", "5%", share),
    Setting("TRUSTCAST_HOLD_CLUSTERS", "3", "1", count),
    Setting("TRUSTCAST_EXPIRY_WARNING", "30d", "60d", duration),
    Setting("TRUSTCAST_CALL_TIMEOUT", "5s", "3s", call_timeout),
    Setting("TRUSTCAST_PUSH_TIMEOUT", "30s", "20s", duration),
    Setting("TRUSTCAST_VAULT_READS_PER_SECOND", "300", "100", rate),
)
"""All settings that are ours; `docs/settings.md` tells what each means."""

CONNECTION_STRING = Setting("AzureWebJobsStorage", None, "UseDevelopmentStorage=true", str)
ACCOUNT = Setting("AzureWebJobsStorage__accountName", None, "trustcaststore", account_name)
"""Where the state is: the settings of Azure Functions itself that are read. One of the two is needed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, valid.

    Attributes:
        configuration: watched vaults and defined lists.
        credentials_vault: URL.
        tick: NCRONTAB, six fields.
        hold_share, hold_cluster_share: from 0 to 1.
        storage: where the state is.
    """

    configuration: Configuration
    credentials_vault: str
    tick: str
    vault_interval: timedelta
    verify_interval: timedelta
    offline_retry: BackOff
    still: timedelta
    hold_share: float
    hold_files: int
    hold_cluster_share: float
    hold_clusters: int
    expiry_warning: timedelta
    call_timeout: timedelta
    push_timeout: timedelta
    vault_reads_per_second: int
    storage: Storage

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """The settings that the variables spell; blank counts as absent.

        Raises:
            Invalid: with every problem on a line of its own: the variable, what is wrong, an example.
        """
        reading = _Reading(environ)
        values = {_field(setting): reading.value(setting) for setting in SETTINGS}
        values["storage"] = reading.storage()
        vaults, lists = values.pop("vaults"), values.pop("lists")
        if vaults is not None and lists is not None:
            vaults = reading.checked(SETTINGS[0], lambda: parse_vaults(vaults, lists))
        reading.refuse(_contradictions(values, vaults if isinstance(vaults, tuple) else ()))
        return cls(configuration=Configuration(vaults, lists), **values)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read at the first call.

    Raises:
        Invalid: see `Settings.from_environment`.
    """
    return Settings.from_environment(os.environ)


class _Reading:
    """One pass over the environment, which remembers every problem."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: list[str] = []

    def value(self, setting: Setting) -> Any:
        text = self._environ.get(setting.name, "").strip() or setting.default
        if text is None:
            self._problems.append(f"{setting.name} is not set (example: {setting.example})")
            return None
        return self.checked(setting, lambda: setting.parse(text))

    def checked(self, setting: Setting, parse: Callable[[], Any]) -> Any:
        """What `parse` gives; None where it refuses."""
        try:
            return parse()
        except Invalid as error:
            hint = "" if "(example: " in str(error) else f" (example: {setting.example})"
            self._problems.append(f"{setting.name}: {error}{hint}")
            return None

    def storage(self) -> Storage:
        connection_string = self._environ.get(CONNECTION_STRING.name, "").strip()
        if connection_string:
            return Storage(connection_string=connection_string)
        if not self._environ.get(ACCOUNT.name, "").strip():
            either = f"{CONNECTION_STRING.name} or {ACCOUNT.name}"
            self._problems.append(f"{either} is not set (example: {CONNECTION_STRING.example})")
            return Storage()
        return Storage(account=self.value(ACCOUNT))

    def refuse(self, contradictions: Iterable[str]) -> None:
        """Raise all problems, one a line, if there are any."""
        if problems := [*self._problems, *contradictions]:
            raise Invalid("\n".join(problems))


def _contradictions(values: Mapping[str, Any], vaults: tuple[WatchedVault, ...]) -> Iterator[str]:
    """What no setting can see alone; None stands for a setting that is refused already."""
    credentials, call, push = (values[each] for each in ("credentials_vault", "call_timeout", "push_timeout"))
    if credentials and vault_host(credentials) in {vault.host for vault in vaults}:
        yield (
            "TRUSTCAST_CREDENTIALS_VAULT: it is a watched vault; keep the clusters' credentials in a vault of "
            "their own (example: https://clusters.vault.azure.net)"
        )
    if call and push and push < call:
        yield "TRUSTCAST_PUSH_TIMEOUT: it is shorter than TRUSTCAST_CALL_TIMEOUT (example: 30s)"


def _field(setting: Setting) -> str:
    return setting.name.removeprefix(PREFIX).lower()
