"""What the code imports is named in the requirements, and what they name is pinned with the hash of every file."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import distributions, packages_distributions
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[2]
OWN = {"sync", "function_app", "local", "tests", "benchmarks"}
APP, DEVELOPMENT = ("sync", "function_app.py"), ("local", "tests", "benchmarks")
LOCKS = ("requirements", "requirements-dev")
SHA256 = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def written(name: str) -> list[Requirement]:
    """The requirements that a person wrote into the file."""
    lines = (line.partition(" #")[0].strip() for line in (ROOT / name).read_text("utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def locked(name: str) -> dict[Requirement, list[str]]:
    """Each pin of a compiled file, and its hashes."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return {Requirement(line.partition(" --hash")[0]): SHA256.findall(line) for line in lines}


def names(requirements: Iterable[Requirement]) -> set[str]:
    return {canonicalize_name(each.name) for each in requirements}


def imports(places: Iterable[str]) -> set[str]:
    """The modules of others that these files import, in full: `azure.core.exceptions`."""
    files = [
        file for place in places for file in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))
    ]
    assert files
    found = {module for file in files for module in _imported(ast.parse(file.read_text("utf-8")))}
    return {each for each in found if each.partition(".")[0] not in OWN | sys.stdlib_module_names}


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def packages(modules: Iterable[str]) -> dict[str, set[str]]:
    """Each module's package; several are possible only where nobody can tell them apart."""
    shares = packages_distributions()
    files: dict[str, set[PurePosixPath]] = {
        canonicalize_name(each.name): {PurePosixPath(file) for file in each.files or ()} for each in distributions()
    }

    def of(module: str) -> set[str]:
        top = module.partition(".")[0]
        # What is not installed here (Microsoft's worker before 3.13) goes by its module's name.
        owners: set[str] = {canonicalize_name(each) for each in shares.get(top, [top])}
        if len(owners) == 1:
            return owners
        path = PurePosixPath(*module.split("."))  # `azure` is shared by many packages
        return {each for each in owners if files[each] & {path.with_suffix(".py"), path / "__init__.py"}}

    return {module: of(module) for module in modules}


def unnamed(places: Iterable[str], *files: str) -> set[str]:
    named = {name for file in files for name in names(written(file))}
    return {module for module, owners in packages(imports(places)).items() if not owners & named}


def test_a_module_of_a_shared_namespace_is_its_own_package() -> None:
    modules = ("azure.core.exceptions", "azure.identity", "yaml")
    assert packages(modules) == dict(zip(modules, ({"azure-core"}, {"azure-identity"}, {"pyyaml"}), strict=True))


def test_what_the_app_imports_is_named_in_its_requirements() -> None:
    assert unnamed(APP, "requirements.in") == set()


def test_what_development_imports_is_named_in_its_requirements() -> None:
    assert unnamed(DEVELOPMENT, "requirements.in", "requirements-dev.in") == set()


def test_what_the_app_requires_is_imported_by_it() -> None:
    imported = {owner for owners in packages(imports(APP)).values() for owner in owners}
    assert names(written("requirements.in")) == imported


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_written_is_pinned_with_the_same_version(name: str) -> None:
    pins = {(canonicalize_name(each.name), str(each.specifier)) for each in locked(f"{name}.txt")}
    assert {(canonicalize_name(each.name), str(each.specifier)) for each in written(f"{name}.in")} <= pins


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_is_one_version_and_has_hashes(name: str) -> None:
    pins = locked(f"{name}.txt")
    assert pins
    assert [
        str(pin) for pin, hashes in pins.items() if not (hashes and re.fullmatch(r"==[^*,]+", str(pin.specifier)))
    ] == []


def test_development_runs_on_the_very_pins_of_the_app() -> None:
    app, development = locked("requirements.txt"), locked("requirements-dev.txt")
    assert {pin: development.get(pin) for pin in app} == app
