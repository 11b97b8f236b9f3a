"""python -m benchmarks [NAME …]: every benchmark in an interpreter of its own, or some; all of them write the page.

python -m benchmarks              all, into docs/benchmarks.md and its plot; exit 1 if one did not run
python -m benchmarks push sweep   some, shown only
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from benchmarks.figures import Report
from benchmarks.page import markdown, svg

NAMES = ("changes", "hosts", "admission", "push", "bursts", "sweep", "validation", "starting", "memory", "storage")
ROOT = Path(__file__).resolve().parent.parent
REMARKS = Path(__file__).with_name("remarks.md")
RESULTS = ROOT / ".local"
LONGEST = 180


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Figures beside their floors.")
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.into:
        return _one(options.names[0], options.into)
    reports = [report for name in options.names or NAMES if (report := _apart(name))]
    if not options.names:
        _write_page()
    return 0 if len(reports) == len(options.names or NAMES) else 1


def _write_page() -> None:
    """The page of the latest run of each, if each ran."""
    kept = [RESULTS / f"bench-{name}.json" for name in NAMES]
    if all(path.exists() for path in kept):
        reports = [msgspec.json.decode(path.read_bytes(), type=Report) for path in kept]
        (ROOT / "docs" / "benchmarks.md").write_text(markdown(reports, REMARKS.read_text()))
        (ROOT / "docs" / "benchmarks-growth.svg").write_text(svg(reports))


def _one(name: str, into: Path) -> int:
    began = time.perf_counter()
    report = importlib.import_module(f"benchmarks.measures.{name}").run()
    into.write_bytes(msgspec.json.encode(msgspec.structs.replace(report, seconds=time.perf_counter() - began)))
    return 0


def _apart(name: str) -> Report | None:
    """One benchmark in a fresh interpreter, shown as soon as it is there."""
    print(f"{name} …", flush=True)
    into = RESULTS / f"bench-{name}.json"
    into.parent.mkdir(exist_ok=True)
    into.unlink(missing_ok=True)
    with suppress(subprocess.TimeoutExpired):
        command = [sys.executable, "-m", "benchmarks", name, "--into", str(into)]
        subprocess.run(command, cwd=ROOT, timeout=LONGEST, check=False)
    if not into.exists():
        print(f"{name} failed", flush=True)
        return None
    report = msgspec.json.decode(into.read_bytes(), type=Report)
    for figure in report.figures:
        print(f"  {figure.bench}: {figure.ours}, floor {figure.floor}, ratio {figure.ratio} ({figure.goal})")
    for note in report.notes:
        print(f"    {note}")
    print(f"  {report.seconds:.0f} s", flush=True)
    return report


if __name__ == "__main__":
    sys.exit(main())
