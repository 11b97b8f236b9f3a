"""The cold start: importing `function_app`, and its first use, beside the bare SDKs; each in a fresh interpreter.

Bytecode is cached for all of them alike, as Python does by default: pip compiles what it installs, so without that
only our own modules would be compiled anew at every start.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.figures import Figure, Report

ROUNDS = 9
CACHING = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
ROOT = Path(__file__).resolve().parents[2]
SOURCES = [ROOT / "function_app.py", *(path for path in (ROOT / "sync").rglob("*.py") if "cli" not in path.parts)]
SDKS = """
import azure.functions
import azure.identity
import azure.eventgrid
import azure.keyvault.secrets
import azure.data.tables
import azure.storage.queue
import kubernetes.client.api_client
import cryptography.x509
import msgspec
"""
APP = "import function_app\n"
FIRST_USE = (
    APP
    + """
import os
account = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=YQ=="
os.environ["AzureWebJobsStorage"] = account + ";EndpointSuffix=core.windows.net"
os.environ["TRUSTCAST_VAULTS"] = '[{"url": "https://kv.vault.azure.net"}]'
os.environ["TRUSTCAST_CREDENTIALS_VAULT"] = "https://kc.vault.azure.net"
function_app.runtime()
"""
)


def run() -> Report:
    programs = ("pass", SDKS, APP, FIRST_USE)
    for program in programs:
        _seconds(program)  # writes the bytecode
    taken: list[list[float]] = [[] for _ in programs]
    for _ in range(ROUNDS):
        for program, times in zip(programs, taken, strict=True):
            times.append(_seconds(program))
    empty, sdks, app, first = (min(times) for times in taken)  # other work only ever adds
    floor = sdks - empty
    return Report(
        "starting",
        (
            _row("cold start: import of function_app", floor, app - empty),
            _row("cold start with the first use: the runtime built, its SDKs imported", floor, first - empty),
        ),
        (
            f"A bare interpreter takes {empty * 1000:.0f} ms more, in every figure. The best of {ROUNDS} each.",
            (
                "Bytecode is cached, ours as the SDKs'. Where ours is not (deployed without, read-only), compiling the "
                f"{len(SOURCES)} modules takes {_compiling() * 1000:.0f} ms more."
            ),
            f"The slowest packages of the first use: {', '.join(f'{name} {ms:.0f} ms' for name, ms in _slowest())}.",
        ),
    )


def _row(bench: str, floor: float, ours: float) -> Figure:
    return Figure(
        bench,
        f"{floor * 1000:.0f} ms",
        f"{ours * 1000:.0f} ms",
        f"{ours / floor:.2f}",
        "≤ 1.2 of floor",
        ours <= 1.2 * floor,
    )


def _seconds(program: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, env=CACHING)
    return time.perf_counter() - began


def _compiling() -> float:
    """Seconds to compile our modules, the best of several."""
    texts = [path.read_text() for path in SOURCES]
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for text in texts:
            compile(text, "module", "exec")
        times.append(time.perf_counter() - began)
    return min(times)


def _slowest() -> list[tuple[str, float]]:
    """The packages with the most time of their own, by `-X importtime`."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", FIRST_USE], check=True, capture_output=True, text=True, env=CACHING
    )
    own: dict[str, float] = {}
    for line in done.stderr.splitlines():
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[0].strip().isdigit():
            package = ".".join(parts[2].strip().split(".")[:2])
            own[package] = own.get(package, 0.0) + int(parts[0]) / 1000
    return sorted(own.items(), key=lambda item: -item[1])[:6]
