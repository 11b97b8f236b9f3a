"""The page about the command line names the commands, options and exit codes that there are, and no others."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from sync.cli import app as cli

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
SECTION = re.compile(r"^## trustcast (?P<usage>.+)$\n(?P<text>(?:(?!^## ).*\n)*)", re.MULTILINE)


def commands(command: Any = None, path: tuple[str, ...] = ()) -> dict[str, list[Any]]:
    """Every command by its words, with its parameters."""
    command = command or typer.main.get_command(cli.app)
    if not hasattr(command, "commands"):
        return {" ".join(path): command.params}
    return {k: v for name, each in command.commands.items() for k, v in commands(each, (*path, name)).items()}


COMMANDS = commands()
DOCUMENTED = {re.findall(r"^[a-z ]+[a-z]", s["usage"])[0]: s for s in SECTION.finditer(PAGE)}


def test_the_documented_commands_are_those_that_there_are() -> None:
    assert set(DOCUMENTED) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_documented_options_are_those_of_the_command(name: str) -> None:
    options = {flag for each in COMMANDS[name] for flag in each.opts if flag.startswith("--")} - {"--help"}
    assert set(re.findall(r"--[a-z-]+", DOCUMENTED[name]["usage"])) == options


@pytest.mark.parametrize("name", COMMANDS)
def test_the_documented_arguments_are_those_of_the_command(name: str) -> None:
    usage = re.sub(r"\[?--[^\]]*\]?", "", DOCUMENTED[name]["usage"].replace("--credential SECRET", "")).removeprefix(
        name
    )
    arguments = [each.name for each in COMMANDS[name] if each.param_type_name == "argument"]
    assert [word.strip("[]….").lower() for word in usage.split() if word.strip("[]…")] == arguments


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_of_its_output(name: str) -> None:
    assert f"$ trustcast {name}" in DOCUMENTED[name]["text"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_print_json(name: str) -> None:
    assert any("--json" in each.opts for each in COMMANDS[name])


def test_the_documented_exit_codes_are_those_of_the_help() -> None:
    documented = dict(re.findall(r"^\| (\d) \| (.+) \|$", PAGE, re.MULTILINE))
    helped = re.findall(r"^  (\d)  (.+(?:\n     .+)*)", cli.__doc__, re.MULTILINE)
    assert documented == {code: " ".join(text.split()) for code, text in helped}
    assert {0, 2, cli.NO, cli.PERMANENT, cli.TEMPORARY, cli.FAULT} == set(map(int, documented))
