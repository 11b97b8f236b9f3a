"""The demo's whole path: on real API servers, and on both workers, which must agree."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHONS = {version: ROOT / f".venv-{version}" / "bin" / "python" for version in ("3.11", "3.13")}
FOUND = {version: python for version, python in PYTHONS.items() if python.exists()}


def demo(python: Path, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [python, "-m", "local.demo", "--json", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,  # ends one that hangs; a busy machine is slow
        check=False,
    )
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0, [step for step in document["steps"] if not step["held"]]
    return document


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    """What the demo says on every interpreter that `make e2e` set up: Microsoft's worker, the SDK's converters."""
    return {version: demo(python) for version, python in FOUND.items()}


def test_every_step_holds_on_both_workers_and_they_agree(documents: dict[str, dict[str, Any]]) -> None:
    assert documents
    steps = {
        version: [(step["name"], step["held"]) for step in document["steps"]] for version, document in documents.items()
    }
    assert len(set(map(tuple, steps.values()))) == 1
    assert all(held for _, held in next(iter(steps.values())))


def test_latency_is_told_for_every_cluster_ten_times(documents: dict[str, dict[str, Any]]) -> None:
    for document in documents.values():
        assert {name: len(values) for name, values in document["latency_ms"].items()} == {
            "hamburg": 10,
            "lyon": 10,
            "lab": 10,
        }


def test_every_step_holds_on_real_api_servers() -> None:
    newest = FOUND[max(FOUND)]
    assert all(step["held"] for step in demo(newest, "--kube", "real")["steps"])
