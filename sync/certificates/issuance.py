"""Who issued what: relations between parsed items, decided by signature and remembered."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cryptography import x509

from sync.certificates.items import Certificate
from sync.certificates.loading import NotParsable, guarded, verifies

if TYPE_CHECKING:
    from sync.certificates.items import Item

REMEMBERED = 65_536
"""How many verified pairs are remembered before all are forgotten; a pair takes about 300 bytes."""

_verified: dict[tuple[str, str], bool] = {}
_lock = threading.Lock()


def named_issuer(ca: Certificate, item: Item) -> bool:
    """Whether the item names the CA as its issuer; that proves nothing (RFC 5280 §6.1.3 (a) (4))."""
    return ca.subject_name == item.issuer_name


def may_sign_crls(certificate: Certificate) -> bool:
    """Whether a CRL may be its own: a CA, or a key usage (where there is one) with cRLSign (RFC 5280 §6.3.3 (f))."""
    return certificate.is_ca or certificate.key_usage is None or "crl_sign" in certificate.key_usage


def issued(ca: Certificate, item: Item) -> bool:
    """Whether the CA issued the certificate or CRL: it is named as issuer, and its key made the signature.

    Remembered by the SHA-256 of both, since one signature costs as much as parsing several certificates. An
    algorithm that cannot be verified counts as not issued.
    """
    if not named_issuer(ca, item):
        return False
    pair = (ca.sha256, item.sha256)
    known = _verified.get(pair)
    if known is None:
        known = _signed_by(ca, item)
        with _lock:
            if len(_verified) >= REMEMBERED:
                _verified.clear()
            _verified[pair] = known
    return known


def _signed_by(ca: Certificate, item: Item) -> bool:
    load = x509.load_der_x509_certificate if isinstance(item, Certificate) else x509.load_der_x509_crl
    try:
        return guarded(lambda: verifies(x509.load_der_x509_certificate(ca.der), load(item.der)))
    except NotParsable:
        return False
