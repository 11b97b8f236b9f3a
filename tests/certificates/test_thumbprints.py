"""Which certificates a file on a cluster holds, whoever wrote it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.certificates.contents import LARGEST
from sync.certificates.thumbprints import thumbprints
from tests.support import certs

if TYPE_CHECKING:
    from tests.support.certs import Built

ONE, TWO = certs.server(), certs.ca()


def prints(*built: Built) -> tuple[str, ...]:
    return tuple(name for b in built for name in (b.sha256, hashlib.sha1(b.der, usedforsecurity=False).hexdigest()))


@pytest.mark.parametrize(
    ("data", "held"),
    [
        (ONE.der, [ONE]),
        (ONE.pem.encode(), [ONE]),
        (f"subject=plc7\n{ONE.pem}{TWO.pem}".encode(), [ONE, TWO]),
        (certs.crl(TWO).der, []),
        (certs.crl(TWO).pem.encode(), []),
        (TWO.pem.encode() + certs.crl(TWO).pem.encode(), [TWO]),
        (b"", []),
        (b"hello", []),
        (ONE.der[:-1], []),
        (ONE.pem.encode() + b" " * LARGEST, []),
    ],
    ids=["DER", "PEM", "bundle", "CRL", "CRL in PEM", "mixed", "empty", "text", "cut off", "too large"],
)
def test_a_file_gives_sha256_and_sha1_of_every_certificate(data: bytes, held: list[Built]) -> None:
    assert thumbprints(data) == prints(*held)


def test_law9_a_file_with_a_private_key_gives_nothing() -> None:
    assert thumbprints((ONE.key_pem + ONE.pem).encode()) == ()


@given(st.binary(max_size=2000), st.integers(0, len(ONE.der)))
def test_whatever_the_bytes_nothing_is_raised(junk: bytes, at: int) -> None:
    for data in (junk, ONE.der[:at] + junk + ONE.der[at:], b"-----BEGIN CERTIFICATE-----\n" + junk):
        assert len(thumbprints(data)) % 2 == 0
