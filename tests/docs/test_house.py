"""The house: folders that fit on one glance, and an import graph of few floors (docs/decisions/0006-packages.md)."""

from __future__ import annotations

import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import grimp
import pytest

if TYPE_CHECKING:
    from grimp import ImportGraph

ROOT = Path(__file__).parents[2]
MOST_FILES = 15
MOST_FLOORS = 11


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    return [Path(name) for name in done.stdout.split("\0") if name]


def test_no_folder_has_more_files_than_one_glance_takes() -> None:
    files = tracked()
    if not files:
        pytest.skip("not a clone of the repository")
    folders = Counter(path.parent for path in files if path.name != "__init__.py" and path.parent != Path())
    assert {str(folder): count for folder, count in folders.items() if count > MOST_FILES} == {}


def squashed() -> ImportGraph:
    """The packages of `sync` as one module each."""
    graph = grimp.build_graph("sync", cache_dir=None)
    for child in graph.find_children("sync"):
        graph.squash_module(child)
    return graph


def test_the_packages_stand_on_few_floors() -> None:
    graph = squashed()

    @cache
    def floor(module: str) -> int:
        below = graph.find_modules_directly_imported_by(module) - {"sync"}
        return 1 + max((floor(each) for each in below), default=0)

    floors = {module: floor(module) for module in graph.modules if module != "sync"}
    assert max(floors.values()) <= MOST_FLOORS, floors
