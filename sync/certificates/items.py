"""Certificates and CRLs, parsed once: every fact that the rules need, as plain frozen values.

No object of `cryptography` is kept: reading an item later cannot fail.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sync.certificates.coverage import coverage
from sync.certificates.loading import NotParsable, Signed, guarded, load_crl, verifies
from sync.certificates.names import comparable
from sync.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

__all__ = ["Certificate", "Item", "Kind", "NotParsable", "RevocationList", "parse", "pem"]

PARSED_ITEMS = 2048
"""Parsed items that are cached; a parsed certificate takes a few kilobytes."""

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_Extensions = dict[type[x509.ExtensionType], Any]

_USAGE_BITS = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "key_cert_sign", "crl_sign"),
)


class Kind(StrEnum):
    """What an item is."""

    CERTIFICATE = "certificate"
    CRL = "crl"


@dataclass(frozen=True, slots=True)
class Certificate:
    """An X.509 certificate's facts.

    Attributes:
        der: its bytes, as uploaded.
        sha256: of the bytes, in lower-case hexadecimal.
        subject, issuer: RFC 4514 text, safe to show.
        common_name: the subject's (the last, where it has several); empty if it has none. Foreign text.
        subject_name, issuer_name: for comparing names only, see `names.comparable`.
        serial: zero or negative numbers occur in old roots.
        not_before, not_after: UTC; the certificate is valid at both ends (RFC 5280 §4.1.2.5).
        version: 1 or 3.
        key: kind of the public key: `RSA`, `DSA`, a curve's name, `Ed25519`, `Ed448`, or the OID of an unknown one.
        key_bits: its size; 0 where the kind fixes it (Ed25519, Ed448) or is unknown.
        key_sha256: hex SHA-256 of its SubjectPublicKeyInfo, so of the key itself; empty where its kind is unknown.
        signature: hash of the issuer's signature (`sha256`); empty where the algorithm has no separate hash
            (Ed25519); an OID where the algorithm is unknown.
        key_usage: names of the bits that are set, as `cryptography` spells them; None without the extension.
        has_basic_constraints: whether the extension is there at all.
        is_ca: whether it is meant to issue certificates; see `_is_ca`.
        application_uri: the first URI among its alternative names; None without one. Foreign text.
    """

    der: bytes = field(repr=False)
    sha256: str
    subject: str
    issuer: str
    common_name: str
    subject_name: bytes = field(repr=False)
    issuer_name: bytes = field(repr=False)
    serial: int
    not_before: datetime
    not_after: datetime
    version: int
    key: str
    key_bits: int
    key_sha256: str
    signature: str
    key_usage: frozenset[str] | None
    has_basic_constraints: bool
    is_ca: bool
    application_uri: str | None

    @property
    def kind(self) -> Kind:
        """`Kind.CERTIFICATE`."""
        return Kind.CERTIFICATE

    @property
    def self_issued(self) -> bool:
        """Subject and issuer are one name (RFC 5280 §3.2); whether it signed itself is `issuance.issued`."""
        return self.subject_name == self.issuer_name


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A certificate revocation list's facts.

    Attributes:
        der, sha256, issuer, issuer_name, signature: as of a certificate.
        number: of the extension; None without it (version 1 CRLs have none).
        this_update, next_update: UTC; None if it announces no next one.
        revoked: revocation dates (UTC) by serial number; the latest where it lists one twice.
        scope: which of its issuer's CRLs it continues: hex SHA-256 of its issuing distribution point's DER value, empty
            without that extension (RFC 5280 §5.2.5).
        unsupported: why its meaning is not certain (delta, indirect, an unknown critical extension of it or of an
            entry, removeFromCRL), so that it proves nothing; None if it is.
        partial: which part of its issuer's certificates it covers by kind or reason; None if all.
    """

    der: bytes = field(repr=False)
    sha256: str
    issuer: str
    issuer_name: bytes = field(repr=False)
    number: int | None
    this_update: datetime
    next_update: datetime | None
    revoked: Mapping[int, datetime] = field(repr=False, hash=False)
    scope: str
    unsupported: str | None
    partial: str | None
    signature: str

    @property
    def kind(self) -> Kind:
        """`Kind.CRL`."""
        return Kind.CRL


Item = Certificate | RevocationList


@lru_cache(maxsize=PARSED_ITEMS)
def parse(kind: Kind, der: bytes) -> Item:
    """One item from its DER; cached by content.

    Raises:
        NotParsable: the bytes are not exactly one item of that kind.
    """
    if kind is Kind.CERTIFICATE:
        return guarded(lambda: _certificate(x509.load_der_x509_certificate(der), der))
    return guarded(lambda: _revocation_list(load_crl(der), der))


def pem(item: Item) -> bytes:
    """The item as one PEM block (RFC 7468)."""
    label = "CERTIFICATE" if item.kind is Kind.CERTIFICATE else "X509 CRL"
    body = base64.b64encode(item.der).decode("ascii")
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", "")).encode("ascii")


def _certificate(loaded: x509.Certificate, der: bytes) -> Certificate:
    subject, subject_name = _shown(loaded.subject), comparable(loaded.subject)
    same = loaded.issuer == loaded.subject
    key, key_bits, key_sha256 = _key(loaded)
    extensions = _by_kind(loaded.extensions)
    usage = _extension(extensions, x509.KeyUsage)
    constraints = _extension(extensions, x509.BasicConstraints)
    return Certificate(
        der=der,
        sha256=hashlib.sha256(der).hexdigest(),
        subject=subject,
        issuer=subject if same else _shown(loaded.issuer),
        common_name=_common_name(loaded.subject),
        subject_name=subject_name,
        issuer_name=subject_name if same else comparable(loaded.issuer),
        serial=loaded.serial_number,
        not_before=loaded.not_valid_before_utc,
        not_after=loaded.not_valid_after_utc,
        version=1 if loaded.version is x509.Version.v1 else 3,
        key=key,
        key_bits=key_bits,
        key_sha256=key_sha256,
        signature=_signature(loaded),
        key_usage=None if usage is None else _bits(usage),
        has_basic_constraints=constraints is not None,
        is_ca=_is_ca(loaded, extensions),
        application_uri=_application_uri(extensions),
    )


def _revocation_list(loaded: x509.CertificateRevocationList, der: bytes) -> RevocationList:
    covered = coverage(loaded.tbs_certlist_bytes)
    return RevocationList(
        der=der,
        sha256=hashlib.sha256(der).hexdigest(),
        issuer=_shown(loaded.issuer),
        issuer_name=comparable(loaded.issuer),
        number=covered.number,
        this_update=loaded.last_update_utc,
        next_update=loaded.next_update_utc,
        revoked=MappingProxyType(dict(sorted((each.serial_number, each.revocation_date_utc) for each in loaded))),
        scope=covered.scope,
        unsupported=covered.unsupported,
        partial=covered.partial,
        signature=_signature(loaded),
    )


def _by_kind(extensions: x509.Extensions) -> _Extensions:
    return {type(each.value): each.value for each in extensions}


def _extension(extensions: _Extensions, kind: type[_Extension]) -> _Extension | None:
    return extensions.get(kind)


def _key(loaded: x509.Certificate) -> tuple[str, int, str]:
    """Kind, bits and SHA-256 of the public key; an unknown kind is named by its OID and has no SHA-256."""
    try:
        key = loaded.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return loaded.public_key_algorithm_oid.dotted_string, 0, ""
    sha256 = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    return _kind_of_key(loaded, key), getattr(key, "key_size", 0), sha256


def _kind_of_key(loaded: x509.Certificate, key: CertificatePublicKeyTypes) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name
    name = next((name for kind, name in _KEYS.items() if isinstance(key, kind)), None)
    return name or loaded.public_key_algorithm_oid.dotted_string


_KEYS = {
    rsa.RSAPublicKey: "RSA",
    dsa.DSAPublicKey: "DSA",
    ed25519.Ed25519PublicKey: "Ed25519",
    ed448.Ed448PublicKey: "Ed448",
}


def _signature(loaded: Signed) -> str:
    try:
        algorithm = loaded.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return loaded.signature_algorithm_oid.dotted_string
    return algorithm.name if algorithm is not None else ""


def _bits(usage: x509.KeyUsage) -> frozenset[str]:
    return frozenset(bit for bit in _USAGE_BITS if getattr(usage, bit))


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[-1].value) if found else ""


def _shown(name: x509.Name) -> str:
    return printable(name.rfc4514_string())


def _application_uri(extensions: _Extensions) -> str | None:
    names = _extension(extensions, x509.SubjectAlternativeName)
    uris = names.get_values_for_type(x509.UniformResourceIdentifier) if names is not None else []
    return uris[0] if uris else None


def _is_ca(loaded: x509.Certificate, extensions: _Extensions) -> bool:
    """Whether it is meant to issue certificates.

    - Version 1 has no extensions: a self-signed one is an old root (RFC 5280 §6.1.4 (k) leaves it to the user).
    - Version 3 without BasicConstraints, or with CA:FALSE, is not, whatever its key usage (RFC 5280 §4.2.1.9).
    - With CA:TRUE it is, unless it is an application's own certificate (`_is_application`).
    """
    constraints = _extension(extensions, x509.BasicConstraints)
    if constraints is None:
        return loaded.version is x509.Version.v1 and _self_signed(loaded)
    return constraints.ca and not _is_application(loaded, extensions, constraints.path_length)


def _is_application(loaded: x509.Certificate, extensions: _Extensions, path_length: int | None) -> bool:
    """Whether it is a self-signed OPC UA application certificate, although it has CA:TRUE and keyCertSign.

    OPC 10000-6 §6.2.2: a self-signed one shall include keyCertSign, and where its cA flag is TRUE its path length
    should be 0; it names itself by a URI, and servers by DNS names or addresses. A CA signs CRLs (§6.2.4), an
    application does not. Server names alone prove nothing, since a Kubernetes cluster's CA has one; a path length of 0
    is required as well.
    """
    names = _extension(extensions, x509.SubjectAlternativeName)
    usage = _extension(extensions, x509.KeyUsage)
    if names is None or path_length not in (None, 0) or (usage is not None and usage.crl_sign):
        return False
    leaf_only = path_length == 0
    if not any(isinstance(each, x509.UniformResourceIdentifier) for each in names) and not leaf_only:
        return False
    return ((usage is not None and usage.digital_signature) or leaf_only) and _self_signed(loaded)


def _self_signed(loaded: x509.Certificate) -> bool:
    return loaded.issuer == loaded.subject and verifies(loaded, loaded)
