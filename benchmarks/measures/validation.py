"""Certificates a second through decoding and every rule about one version, beside `cryptography` alone."""

from __future__ import annotations

import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from benchmarks.figures import Figure, Report
from benchmarks.stack.rig import certificate
from sync.catalogue.examination import read_version
from sync.catalogue.secret import SecretValue, VersionProperties
from sync.certificates import issuance, items

if TYPE_CHECKING:
    from collections.abc import Callable

GOAL = 0.4
NOW = datetime(2026, 6, 1, tzinfo=UTC)
ROUNDS = 15


def run() -> Report:
    warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # a public root has the serial number 0
    roots = x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())
    texts = [root.public_bytes(Encoding.PEM).decode() for root in roots]
    texts += [certificate(f"plc{number:03}").pem for number in range(150)]
    values = [_value(text) for text in texts]
    raw = [text.encode() for text in texts]
    ways: list[Callable[[], object]] = [
        lambda: [read_version(value, now=NOW) for value in values],
        lambda: [x509.load_pem_x509_certificate(data) for data in raw],
        lambda: [_read(x509.load_pem_x509_certificate(data)) for data in raw],
    ]
    ours, bare, read = (len(texts) / seconds for seconds in _alternately(ways))
    return Report(
        "validation",
        (
            Figure(
                "validation, certificates/s; floor: every field that a rule needs is read",
                f"{read:,.0f}/s",
                f"{ours:,.0f}/s",
                f"{ours / read:.2f}",
                f"≥ {GOAL}",
                ours / read >= GOAL,
            ),
            Figure(
                "the same; floor: bare load, which reads no field",
                f"{bare:,.0f}/s",
                f"{ours:,.0f}/s",
                f"{ours / bare:.2f}",
                f"≥ {GOAL}",
                ours / bare >= GOAL,
            ),
        ),
        (
            f"{len(roots)} public roots of certifi and 150 OPC UA server certificates, from PEM.",
            (
                "`cryptography` loads lazily: a bare load decodes the outermost structure; names, extensions and keys "
                "only when they are asked for. No rule can do without those: the first row is the floor within reach."
            ),
        ),
    )


def _alternately(ways: list[Callable[[], object]]) -> list[float]:
    """Seconds of each way, the median of rounds in turn; nothing is remembered from one round to the next."""
    seconds: list[list[float]] = [[] for _ in ways]
    for _ in range(ROUNDS):
        for way, taken in zip(ways, seconds, strict=True):
            items.parse.cache_clear()
            issuance._verified.clear()  # noqa: SLF001
            began = time.perf_counter()
            way()
            taken.append(time.perf_counter() - began)
    return [median(each) for each in seconds]


def _read(loaded: x509.Certificate) -> tuple[object, ...]:
    """What the rules look at, and nothing done with it."""
    return (
        loaded.subject,
        loaded.issuer,
        loaded.serial_number,
        loaded.not_valid_before_utc,
        loaded.not_valid_after_utc,
        loaded.version,
        loaded.public_key(),
        loaded.signature_hash_algorithm,
        loaded.extensions,
    )


def _value(text: str) -> SecretValue:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return SecretValue(VersionProperties("name", "version", at, at, True, None, {}, False), text, None)
