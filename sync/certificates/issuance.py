"""Who issued what: relations between parsed items, decided by signature and cached."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cryptography import x509

from sync.certificates.der import signed_part
from sync.certificates.items import Certificate
from sync.certificates.loading import NotParsable, guarded, load_crl, verifies

if TYPE_CHECKING:
    from sync.certificates.items import Item

REMEMBERED = 65_536
"""Pairs cached before the cache is cleared; a pair takes about 300 bytes."""

_verified: dict[tuple[str, str], bool] = {}
_lock = threading.Lock()


def named_issuer(ca: Certificate, item: Item) -> bool:
    """Whether the item names the CA as its issuer, which alone proves nothing (RFC 5280 §6.1.3 (a) (4))."""
    return ca.subject_name == item.issuer_name


def may_sign_crls(certificate: Certificate) -> bool:
    """Whether it may sign CRLs: its key usage, if it has one, includes cRLSign (RFC 5280 §6.3.3 (f))."""
    return certificate.key_usage is None or "crl_sign" in certificate.key_usage


def issued(ca: Certificate, item: Item) -> bool:
    """Whether the CA issued the certificate or CRL: it is named as issuer, and its key made the signature.

    Cached by the SHA-256 of both: verifying a signature takes as long as parsing several certificates. A signature
    whose algorithm cannot be verified counts as not issued.
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
    load = x509.load_der_x509_certificate if isinstance(item, Certificate) else load_crl
    try:
        return guarded(lambda: verifies(x509.load_der_x509_certificate(ca.der), load(item.der), signed_part(item.der)))
    except NotParsable:
        return False
