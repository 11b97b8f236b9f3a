"""The fleet that commands are run against."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sync import bootstrap
from sync.cli import app as cli
from tests.cli.command import CA, SERVER, TAGS, Done, Enrolling
from tests.support.fleet import Fleet, registration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.command import Run


@pytest.fixture
def fleet() -> Fleet:
    made = Fleet()
    made.runtime = replace(made.runtime, clusters=Enrolling(made.clusters))
    registered = registration("edge", site="hamburg"), registration("far", site="oz")
    made.register(*(replace(each, ca_sha256=CA.sha256) for each in registered))
    return made


@pytest.fixture
def run(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run a command line against the fleet, as `python -m sync` does."""
    level = logging.getLogger("azure").level
    monkeypatch.setenv("COLUMNS", "100")

    def command(*arguments: str) -> Done:
        monkeypatch.setattr(bootstrap, "runtime", lambda: fleet.runtime)
        monkeypatch.setattr(sys, "argv", ["trustcast", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return Done(int(ended.value.code or 0), shown.out, shown.err)

    yield command
    logging.getLogger("azure").setLevel(level)


@pytest.fixture
def filled(fleet: Fleet) -> Fleet:
    """The fleet with one server on both clusters, and a vault that was gone through once."""
    fleet.upload("plc7", SERVER.pem, TAGS)
    fleet.work_off()
    return fleet
