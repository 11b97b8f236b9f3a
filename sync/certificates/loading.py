"""All use of `cryptography` that may fail: one guard around reading, and the verification of signatures.

The library reads lazily and fails late, with many kinds of error, and warns about what old public roots contain.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.utils import CryptographyDeprecationWarning

from sync.certificates.der import without_false_criticality

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

Signed = x509.Certificate | x509.CertificateRevocationList

_Read = TypeVar("_Read")

_SILENCED = ("ignore", None, CryptographyDeprecationWarning, None, 0)
"""Our entry in `warnings.filters`."""


class NotParsable(ValueError):
    """The bytes are not a certificate or CRL. The message is safe to show."""


def guarded(read: Callable[[], _Read]) -> _Read:
    """The result of `read`; everything that `cryptography` raises becomes `NotParsable`, without its message.

    Its warnings are silenced for the whole process: serial number 0, which some public roots have, warns at every
    read, and a caller may turn warnings into errors.

    Raises:
        NotParsable: with the cause chained.
    """
    try:
        _silence()
        return read()
    except Exception as error:
        raise NotParsable("these bytes cannot be read") from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # pyo3's, which derives from BaseException
            raise NotParsable("these bytes cannot be read") from error
        raise


def _silence() -> None:
    """Add our filter, again if somebody changed the filters since.

    `catch_warnings` around each read would be slow, and it is not thread-safe.
    """
    if next(iter(warnings.filters), None) != _SILENCED:
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)


def load_crl(der: bytes) -> x509.CertificateRevocationList:
    """The CRL; the library reads none that writes `critical FALSE` out, so such a one is read without it.

    Its signature is of the bytes as they came: verify it over `signed_part` of those.

    Raises:
        ValueError: it is no CRL.
    """
    try:
        return x509.load_der_x509_crl(der)
    except ValueError:
        plain = without_false_criticality(der)
        if plain == der:
            raise
        return x509.load_der_x509_crl(plain)


def verifies(ca: x509.Certificate, signed: Signed, body: bytes | None = None) -> bool:
    """Whether the CA's key made the signature; False if it cannot be verified. Names are not compared.

    The key itself verifies, because `verify_directly_issued_by` and `is_signature_valid` refuse SHA-1 and MD5: a
    list's policy decides whether an old plant accepts those.

    Args:
        ca: whose key it is.
        signed: what bears the signature.
        body: what was signed; of `signed` itself if None.
    """
    try:
        _verify(ca.public_key(), signed, _signed_bytes(signed) if body is None else body)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _signed_bytes(signed: Signed) -> bytes:
    return signed.tbs_certificate_bytes if isinstance(signed, x509.Certificate) else signed.tbs_certlist_bytes


def _verify(key: CertificatePublicKeyTypes, signed: Signed, body: bytes) -> None:
    parameters, algorithm = signed.signature_algorithm_parameters, signed.signature_hash_algorithm
    match key:
        case rsa.RSAPublicKey() if algorithm:
            scheme = parameters if isinstance(parameters, padding.PSS) else padding.PKCS1v15()
            key.verify(signed.signature, body, scheme, algorithm)
        case ec.EllipticCurvePublicKey() if isinstance(parameters, ec.ECDSA):
            key.verify(signed.signature, body, parameters)
        case dsa.DSAPublicKey() if algorithm:
            key.verify(signed.signature, body, algorithm)
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            key.verify(signed.signature, body)
        case _:
            raise InvalidSignature
