"""The wheel, built and installed where nothing of the repository is: it is whole, and its command runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from email import message_from_bytes
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from tests.docs.test_requirements import written
from tests.support import certs
from tests.support.certs import DAY, NOW

ROOT = Path(__file__).parents[2]
PARTS = ("pyproject.toml", "README.md", "LICENSE", "requirements.in")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def done(*command: str | Path, cwd: Path) -> str:
    """What the command prints; it ends with 0."""
    ended = subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, because setuptools leaves a folder `build` beside the sources."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for part in PARTS:
        shutil.copy(ROOT / part, source)
    shutil.copytree(ROOT / "sync", source / "sync", ignore=shutil.ignore_patterns("__pycache__"))
    build = ("wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", target, source)
    done(sys.executable, "-m", "pip", *build, cwd=target)
    (made,) = target.iterdir()
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new virtual environment that holds only the wheel."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, symlinks=True)
    programs = home / "bin"
    install = ("install", "--quiet", "--no-deps", "--no-index", wheel)
    done(sys.executable, "-m", "pip", "--python", programs / "python", *install, cwd=home)
    (packages,) = home.glob("lib/python*/site-packages")
    # The packages of others come from here, after those of the new environment: no test asks a registry.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
    return programs


def test_every_package_on_disk_is_in_the_wheel(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        packed = {PurePosixPath(name) for name in archive.namelist() if name.endswith(".py")}
    assert packed == {PurePosixPath(file.relative_to(ROOT).as_posix()) for file in ROOT.glob("sync/**/*.py")}


def test_the_wheel_names_its_requirements_and_its_licence(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(archive.read(name))
    assert {Requirement(each) for each in metadata.get_all("Requires-Dist", [])} == set(written("requirements.in"))
    assert (metadata["License-Expression"], metadata["License-File"]) == ("MIT", "LICENSE")


def test_the_installed_package_is_the_wheels(installed: Path, tmp_path: Path) -> None:
    at = done(installed / "python", "-c", "import sync; print(sync.__file__)", cwd=tmp_path).strip()
    assert Path(at).is_relative_to(installed.parent / "lib")


def test_the_installed_command_shows_its_help(installed: Path, tmp_path: Path) -> None:
    assert "Usage: trustcast" in done(installed / "trustcast", "--help", cwd=tmp_path)


def test_the_installed_command_checks_a_certificate(installed: Path, tmp_path: Path) -> None:
    certificate = certs.server(not_before=NOW - DAY, not_after=NOW + 3650 * DAY)
    (tmp_path / "plc7.crt").write_text(certificate.pem, "utf-8")
    shown = done(installed / "trustcast", "check", "plc7.crt", cwd=tmp_path)
    assert shown.startswith("plc7.crt: passes\n  certificate ")
    assert certificate.sha256 in shown
