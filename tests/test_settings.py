from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import pytest

from sync.errors import Invalid
from sync.fleet.lists import DEFAULT_LISTS
from sync.settings import (
    ACCOUNT,
    CONNECTION_STRING,
    SETTING_OF,
    SETTINGS,
    BackOff,
    Settings,
    Storage,
    duration,
    settings,
)

if TYPE_CHECKING:
    from sync.settings import Setting


ROOT = Path(__file__).parents[1]
KEY = "AccountKey=planted"
NEEDED = {
    "TRUSTCAST_VAULTS": '[{"url": "https://kv1.vault.azure.net"}]',
    "TRUSTCAST_CREDENTIALS_VAULT": "https://kv2.vault.azure.net/",
    "AzureWebJobsStorage": KEY,
}


def read(**change: str) -> Settings:
    return Settings.from_environment(NEEDED | change)


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(Invalid) as refusal:
        Settings.from_environment(environ)
    return str(refusal.value).splitlines()


def test_what_is_not_set_has_the_documented_default() -> None:
    found = read()
    assert found.configuration.lists == DEFAULT_LISTS
    assert found.configuration.vault("kv1.vault.azure.net") is not None
    assert found.credentials_vault == "https://kv2.vault.azure.net"
    assert found.check_schedule == "0 * * * * *"
    assert found.vault_interval == timedelta(seconds=60)
    assert found.verify_interval == timedelta(minutes=30)
    assert found.offline_retry == BackOff(timedelta(seconds=30), timedelta(hours=1))
    assert (found.hold_share, found.hold_files) == (0.25, 3)
    assert (found.hold_cluster_share, found.hold_clusters) == (0.10, 3)
    assert found.expiry_warning == timedelta(days=30)
    assert (found.call_timeout, found.push_timeout) == (timedelta(seconds=5), timedelta(seconds=30))
    assert (found.deployed, found.history) == ("", timedelta(days=400))
    assert found.vault_reads_per_second == 300
    assert found.storage == Storage(connection_string=KEY)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("check_schedule", "*/10 * * * * MON-FRI", "*/10 * * * * MON-FRI"),
        ("vault_interval", " 1.5m ", timedelta(seconds=90)),
        ("verify_interval", "2h", timedelta(hours=2)),
        ("offline_retry", "1s .. 5s", BackOff(timedelta(seconds=1), timedelta(seconds=5))),
        ("hold_share", "12.5 %", 0.125),
        ("hold_files", "0", 0),
        ("expiry_warning", "7d", timedelta(days=7)),
        ("vault_reads_per_second", "1", 1),
        ("quiet_period", "2s", timedelta(seconds=2)),
        ("hold_clusters", "  ", 3),
        ("history", "30", timedelta(days=30)),
        ("deployed", "2026-11-29T12:00:00Z", "2026-11-29T12:00:00+00:00"),
        ("deployed", "2026-11-29T14:30:00+02:30", "2026-11-29T12:00:00+00:00"),
    ],
)
def test_what_is_set_is_read_and_blank_counts_as_absent(name: str, text: str, value: Any) -> None:
    assert getattr(read(**{SETTING_OF[name].name: text}), name) == value


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_example_is_accepted_and_differs_from_the_default(setting: Setting[Any]) -> None:
    found = read(**{setting.name: setting.example})
    assert setting.example != setting.default
    assert isinstance(found, Settings)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("TRUSTCAST_VAULTS", "[]", "no vault is named"),
        ("TRUSTCAST_VAULTS", "[", "Input data was truncated"),
        ("TRUSTCAST_VAULTS", '[{"url": "https://a.b", "lists": ["x"]}]', "the list 'x' is not defined"),
        ("TRUSTCAST_LISTS", "[]", "no list is defined"),
        ("TRUSTCAST_CREDENTIALS_VAULT", "kv2", "'kv2' is not a vault's https URL"),
        ("TRUSTCAST_TICK", "* * * * *", "is not an NCRONTAB schedule of six fields"),
        ("TRUSTCAST_TICK", "a b c d e ;", "is not an NCRONTAB schedule"),
        ("TRUSTCAST_VAULT_INTERVAL", "60", "'60' is not a positive time span"),
        ("TRUSTCAST_VAULT_INTERVAL", "0s", "'0s' is not a positive time span"),
        ("TRUSTCAST_VERIFY_INTERVAL", "-1m", "is not a positive time span"),
        ("TRUSTCAST_VERIFY_INTERVAL", "999999999d", "is not a positive time span"),
        ("TRUSTCAST_OFFLINE_RETRY", "30s", "is not a first and a longest wait joined by '..'"),
        ("TRUSTCAST_OFFLINE_RETRY", "1h..30s", "has a first wait that is longer"),
        ("TRUSTCAST_HOLD_SHARE", "25", "'25' is not a percentage"),
        ("TRUSTCAST_HOLD_SHARE", "101%", "'101%' is not a percentage"),
        ("TRUSTCAST_HOLD_FILES", "three", "'three' is not a whole number"),
        ("TRUSTCAST_HOLD_FILES", "-1", "'-1' is not a whole number"),
        ("TRUSTCAST_CALL_TIMEOUT", "15s", "is not below 15s"),
        ("TRUSTCAST_PUSH_TIMEOUT", "2s", "it is shorter than TRUSTCAST_CALL_TIMEOUT"),
        ("TRUSTCAST_DEPLOYED", "yesterday", "must be a time such as 2026-11-29T12:00:00Z, with its zone"),
        ("TRUSTCAST_DEPLOYED", "2026-11-29T12:00:00", "with its zone"),
        ("TRUSTCAST_HISTORY_DAYS", "0", "'0' is not a number of days"),
        ("TRUSTCAST_HISTORY_DAYS", "400d", "'400d' is not a number of days"),
        ("TRUSTCAST_HISTORY_DAYS", "99999", "'99999' is not a number of days"),
        ("TRUSTCAST_VAULT_READS_PER_SECOND", "0", "0 would stop everything"),
        ("TRUSTCAST_TICK", "\x1b[31m", "'\\x1b[31m' is not an NCRONTAB"),
    ],
)
def test_a_faulty_setting_is_refused_by_name_with_the_reason_and_an_example(
    name: str, text: str, complaint: str
) -> None:
    (problem,) = problems(NEEDED | {name: text})
    assert problem.startswith(f"{name}: ")
    assert complaint in problem
    assert "(example: " in problem


def test_all_problems_are_reported_at_once_one_a_line() -> None:
    told = problems({"TRUSTCAST_TICK": "x", "TRUSTCAST_LISTS": "[", ACCOUNT.name: "A B"})
    assert [re.split(r"[: ]", line)[0] for line in told] == [
        "TRUSTCAST_VAULTS",
        "TRUSTCAST_LISTS",
        "TRUSTCAST_CREDENTIALS_VAULT",
        "TRUSTCAST_TICK",
        "AzureWebJobsStorage__accountName",
    ]
    assert all("(example: " in line for line in told)


def test_law13_the_credentials_vault_must_not_be_a_watched_one_in_any_spelling() -> None:
    (problem,) = problems(NEEDED | {"TRUSTCAST_CREDENTIALS_VAULT": "https://KV1.vault.azure.net:443/"})
    assert problem.startswith("TRUSTCAST_CREDENTIALS_VAULT: it is a watched vault")


def test_the_storage_is_given_by_connection_string_or_by_account_name() -> None:
    by_name = {name: text for name, text in NEEDED.items() if name != CONNECTION_STRING.name}
    assert Settings.from_environment(by_name | {ACCOUNT.name: "store1"}).storage == Storage(account="store1")
    assert read(**{ACCOUNT.name: "store1"}).storage == Storage(connection_string=KEY)
    (problem,) = problems(by_name)
    assert CONNECTION_STRING.name in problem
    assert ACCOUNT.name in problem


def test_law9_the_connection_string_is_never_shown() -> None:
    assert "planted" not in repr(read())
    assert "planted" not in "".join(problems(NEEDED | {"TRUSTCAST_TICK": "x"}))


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("0.2s", 0.2), ("1 m", 60), ("1d", 86400)])
def test_spans_of_time_have_a_unit(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


TIMES = ["", "2026-11-29T12:00:00Z", "2026-11-29T12:00:00.5Z", "2026-11-29T15:00:00+02:00", "2027-01-01T00:00:00Z"]


def test_of_two_deployments_the_later_one_is_the_greater_text() -> None:
    """Settings of an earlier one never replace those of a later; one that does not say when is the earliest."""
    read_times = [read(TRUSTCAST_DEPLOYED=text).deployed for text in TIMES]
    assert read_times == sorted(read_times)


def test_the_process_reads_its_environment_at_first_use_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*(each.name for each in SETTINGS), CONNECTION_STRING.name, ACCOUNT.name):
        monkeypatch.delenv(name, raising=False)
    settings.cache_clear()
    try:
        with pytest.raises(Invalid):
            settings()
        for name, text in NEEDED.items():
            monkeypatch.setenv(name, text)
        first = settings()
        monkeypatch.setenv("TRUSTCAST_HOLD_FILES", "9")
        assert settings() is first
    finally:
        settings.cache_clear()


def test_importing_the_settings_reads_nothing() -> None:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("TRUSTCAST_")}
    environ["TRUSTCAST_VAULTS"] = "nonsense"
    subprocess.run([sys.executable, "-c", "import sync.settings"], check=True, env=environ, cwd=ROOT)


ROW = re.compile(
    r"^\| `(?P<name>[^`]+)` \| (?P<default>[^|]+) \| (?P<meaning>[^|]+) \| (?P<example>[^|]+) \|$", re.MULTILINE
)


def documented() -> dict[str, re.Match[str]]:
    return {row["name"]: row for row in ROW.finditer((ROOT / "docs/settings.md").read_text())}


def test_the_documented_settings_are_those_of_the_code_and_no_others() -> None:
    assert list(documented()) == [each.name for each in (*SETTINGS, CONNECTION_STRING, ACCOUNT)]


def test_every_field_has_its_variable_and_two_are_read_from_several() -> None:
    assert {each.name for each in fields(Settings)} == {*SETTING_OF, "configuration", "storage"}
    assert {each.name for each in SETTINGS} == {"TRUSTCAST_VAULTS", "TRUSTCAST_LISTS"} | {
        each.name for each in SETTING_OF.values()
    }


@pytest.mark.parametrize("name", SETTING_OF)
def test_the_parser_of_a_field_gives_its_type(name: Any) -> None:
    assert type(SETTING_OF[name].parse(SETTING_OF[name].example)) is get_type_hints(Settings)[name]


@pytest.mark.parametrize("setting", [*SETTINGS, CONNECTION_STRING, ACCOUNT], ids=lambda each: each.name)
def test_default_and_example_are_documented_as_they_are(setting: Setting[Any]) -> None:
    row = documented()[setting.name]
    required = {"must be set", "one of the two"}
    expected = required if setting.default is None else {f"`{setting.default}`"} if setting.default else {"not set"}
    assert row["default"] in expected
    assert row["example"] == f"`{setting.example}`"
    assert row["meaning"].strip().endswith(".")
