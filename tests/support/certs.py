"""Certificates and CRLs for tests: valid by default, one defect a case, on a fixed clock.

Every maker takes keywords only, and each keyword is one defect or one variation. Within one test process the
same arguments give the same bytes: keys are cached by name, serial numbers derive from it, and ECDSA is
deterministic.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
YEAR = timedelta(days=365)
APPLICATION_URI = "urn:plc7.example:server"

_HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
_WEAK_HASHES = {"sha1": (hashes.SHA1(), 5), "md5": (hashes.MD5(), 4)}
_SHA256_WITH_RSA = bytes.fromhex("06092a864886f70d01010b")
_VERSION_3 = bytes.fromhex("a003020102")


@dataclass(frozen=True, slots=True)
class Built:
    """A certificate and the private key behind it."""

    certificate: x509.Certificate
    key: Any
    der: bytes

    @property
    def pem(self) -> str:
        return _pem("CERTIFICATE", self.der)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.der).hexdigest()

    @property
    def key_pem(self) -> str:
        return str(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), "ascii")


@dataclass(frozen=True, slots=True)
class BuiltCrl:
    """A certificate revocation list."""

    crl: x509.CertificateRevocationList
    der: bytes

    @property
    def pem(self) -> str:
        return _pem("X509 CRL", self.der)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.der).hexdigest()


def ca(*, name: str = "Plant Root CA", issuer: Built | None = None, **defects: Any) -> Built:
    """A CA (OPC 10000-6 §6.2.4): CA:TRUE, keyCertSign and cRLSign; self-signed without an issuer."""
    valid: dict[str, Any] = {"ca": True, "key_usage": ("key_cert_sign", "crl_sign")}
    return build(name=name, issuer=issuer, **valid | defects)


def server(*, name: str = "plc7", issuer: Built | None = None, **defects: Any) -> Built:
    """An OPC UA application certificate (OPC 10000-6 §6.2.2); self-signed without an issuer."""
    usage = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    valid: dict[str, Any] = {
        "ca": False,
        "key_usage": usage if issuer else (*usage, "key_cert_sign"),
        "application_uri": APPLICATION_URI,
        "dns": ("plc7.plant.example",),
    }
    return build(name=name, issuer=issuer, **valid | defects)


def build(
    *,
    name: str = "plc7",
    subject: str | None = None,
    issuer: Built | None = None,
    issuer_name: str | None = None,
    key: str = "ec-secp256r1",
    key_name: str | None = None,
    signature_hash: str = "sha256",
    pss: bool = False,
    not_before: datetime = NOW - YEAR,
    not_after: datetime = NOW + YEAR,
    serial: int | None = None,
    version: int = 3,
    ca: bool | None = None,
    path_length: int | None = None,
    key_usage: Sequence[str] | None = None,
    application_uri: str | None = None,
    dns: Iterable[str] = (),
    addresses: Iterable[str] = (),
    extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
) -> Built:
    """Any certificate; `ca` and `key_usage` None leave the extension out.

    Args:
        name: common name; also names the cached key and gives the serial number.
        subject: RFC 4514 text instead of `CN=name,O=Example`.
        issuer: the signing certificate; None signs with the own key.
        issuer_name: RFC 4514 text that replaces the issuer's own name.
        key: `rsa-2048`, `dsa-1024`, `ed25519`, `ed448` or `ec-` and a curve's name.
        key_name: another key under the same name, as after a renewal.
        signature_hash: `sha1` and `md5` need (and get) an RSA signer.
        pss: an RSA signer signs by RSASSA-PSS.
        version: 1 has no extensions.
    """
    if issuer is None and signature_hash in _WEAK_HASHES and key.startswith("ec-"):
        key = "rsa-2048"
    own_key = private_key(key, key_name or name)
    own_name = _name(subject, name)
    signer = issuer.key if issuer else own_key
    signer_name = (
        x509.Name.from_rfc4514_string(issuer_name)
        if issuer_name is not None
        else (issuer.certificate.subject if issuer else own_name)
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(own_name)
        .issuer_name(signer_name)
        .public_key(own_key.public_key())
        .serial_number(serial or _serial(name, key_name))
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    wanted = [
        *_constraints(ca, path_length, key_usage),
        *_alternative_names(application_uri, dns, addresses),
        *extensions,
    ]
    for extension, critical in wanted if version == 3 else ():
        builder = builder.add_extension(extension, critical)
    der = _signed(builder, signer, signature_hash, pss=pss)
    if version == 1:
        der = _as_version_1(der, signer)
    return Built(x509.load_der_x509_certificate(der), own_key, der)


def crl(
    issuer: Built,
    *,
    revoked: Iterable[int | Built] = (),
    revoked_at: datetime | None = None,
    number: int | None = 1,
    this_update: datetime = NOW - DAY,
    next_update: datetime | None = NOW + 30 * DAY,
    false_written: bool = False,
    issuer_name: str | None = None,
    signer: Built | None = None,
    signature_hash: str = "sha256",
    extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
    entry_extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
) -> BuiltCrl:
    """A complete CRL of `issuer`.

    Args:
        issuer: the CA that it names, and that signs it.
        revoked: serial numbers, or the certificates themselves.
        revoked_at: date of every entry; a day before `this_update` if None.
        number: None leaves the extension out.
        false_written: the number, then the only extension, says `critical FALSE`, which DER leaves out.
        signer: signs it in the issuer's place (a forgery).
        entry_extensions: of every entry.
    """
    name = x509.Name.from_rfc4514_string(issuer_name) if issuer_name else issuer.certificate.subject
    builder = x509.CertificateRevocationListBuilder().issuer_name(name).last_update(this_update)
    builder = builder.next_update(next_update or this_update + DAY)
    for entry in revoked:
        serial = entry if isinstance(entry, int) else entry.certificate.serial_number
        row = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(revoked_at or this_update - DAY)
        for extension, critical in entry_extensions:
            row = row.add_extension(extension, critical)
        builder = builder.add_revoked_certificate(row.build())
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    key = (signer or issuer).key
    der = _signed(builder, key, signature_hash)
    if next_update is None:
        der = _without_next_update(der, key)
    loaded = x509.load_der_x509_crl(der)
    return BuiltCrl(loaded, _with_false_written(loaded, key) if false_written else der)


def point(**parts: Any) -> tuple[x509.ExtensionType, bool]:
    """An issuing distribution point, critical as RFC 5280 §5.2.5 wants it."""
    whole: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**whole | parts), True


def named_point(uri: str = "http://crl.example/root.crl") -> tuple[x509.ExtensionType, bool]:
    """An issuing distribution point that only names itself."""
    return point(full_name=[x509.UniformResourceIdentifier(uri)])


def odd_extension(oid: str = "1.2.3.4", value: bytes = b"\x05\x00") -> x509.UnrecognizedExtension:
    """An extension of any bytes, known to the library or not."""
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)


def twin(built: Built) -> Built:
    """The certificate under the other signature, (r, n - s), that a P-256 key's ECDSA verifies just as well."""
    r, s = decode_dss_signature(built.certificate.signature)
    signature = encode_dss_signature(r, _P256_ORDER - s)
    sealed = _tlv(0x30, _ECDSA_SHA256) + _tlv(0x03, b"\x00" + signature)
    der = _tlv(0x30, built.certificate.tbs_certificate_bytes + sealed)
    return Built(x509.load_der_x509_certificate(der), built.key, der)


_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@cache
def private_key(kind: str, name: str = "") -> Any:  # noqa: ARG001 - a part of the cache's key
    """A key of that kind, one per name and process."""
    family, _, size = kind.partition("-")
    match family:
        case "rsa":
            return rsa.generate_private_key(65537, int(size))
        case "dsa":
            return dsa.generate_private_key(int(size))
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "ed448":
            return ed448.Ed448PrivateKey.generate()
        case _:
            return ec.generate_private_key(_CURVES[size])


_CURVES: dict[str, ec.EllipticCurve] = {
    curve.name: curve
    for curve in (
        ec.SECP256R1(),
        ec.SECP384R1(),
        ec.SECP521R1(),
        ec.SECP224R1(),
        ec.SECP256K1(),
        ec.BrainpoolP256R1(),
        ec.BrainpoolP384R1(),
        ec.BrainpoolP512R1(),
    )
}


def _constraints(
    ca: bool | None, path_length: int | None, key_usage: Sequence[str] | None
) -> list[tuple[x509.ExtensionType, bool]]:
    found: list[tuple[x509.ExtensionType, bool]] = []
    if ca is not None:
        found.append((x509.BasicConstraints(ca=ca, path_length=path_length if ca else None), True))
    if key_usage is not None:
        found.append((x509.KeyUsage(**{bit: bit in key_usage for bit in _USAGE_BITS}), True))
    return found


def _alternative_names(
    application_uri: str | None, dns: Iterable[str], addresses: Iterable[str]
) -> list[tuple[x509.ExtensionType, bool]]:
    names: list[x509.GeneralName] = [x509.DNSName(each) for each in dns]
    names += [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
    if application_uri is not None:
        names.insert(0, x509.UniformResourceIdentifier(application_uri))
    return [(x509.SubjectAlternativeName(names), False)] if names else []


_USAGE_BITS = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _name(subject: str | None, name: str) -> x509.Name:
    if subject is not None:
        return x509.Name.from_rfc4514_string(subject)
    return x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COMMON_NAME, name),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Example"),
        ]
    )


def _serial(name: str, key_name: str | None) -> int:
    return int.from_bytes(hashlib.sha256(f"{name}\0{key_name}".encode()).digest()[:8]) | 1


def _signed(builder: Any, key: Any, signature_hash: str, *, pss: bool = False) -> bytes:
    """The DER, signed; hashes that the library refuses to sign with are put in by hand."""
    if signature_hash in _WEAK_HASHES:
        algorithm, last_arc = _WEAK_HASHES[signature_hash]
        weak = _SHA256_WITH_RSA[:-1] + bytes([last_arc])
        tbs = _tbs(builder.sign(key, hashes.SHA256())).replace(_SHA256_WITH_RSA, weak)
        return _sealed(tbs, weak + b"\x05\x00", key, algorithm)
    options: dict[str, Any] = {"ecdsa_deterministic": True} if isinstance(key, ec.EllipticCurvePrivateKey) else {}
    if pss:
        options["rsa_padding"] = padding.PSS(padding.MGF1(_HASHES[signature_hash]), padding.PSS.DIGEST_LENGTH)
    unhashed = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    signed = builder.sign(key, None if unhashed else _HASHES[signature_hash], **options)
    return bytes(signed.public_bytes(Encoding.DER))


def _sealed(tbs: bytes, algorithm_id: bytes, key: Any, algorithm: hashes.HashAlgorithm) -> bytes:
    """TBS, algorithm identifier and signature as one DER SEQUENCE."""
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(tbs, padding.PKCS1v15(), algorithm)
    else:
        signature = key.sign(tbs, ec.ECDSA(algorithm, deterministic_signing=True))
    return _tlv(0x30, tbs + _tlv(0x30, algorithm_id) + _tlv(0x03, b"\x00" + signature))


_ECDSA_SHA256 = bytes.fromhex("06082a8648ce3d040302")


def _resealed(body: bytes, key: Any) -> bytes:
    algorithm_id = _ECDSA_SHA256 if isinstance(key, ec.EllipticCurvePrivateKey) else _SHA256_WITH_RSA + b"\x05\x00"
    return _sealed(_tlv(0x30, body), algorithm_id, key, hashes.SHA256())


def _as_version_1(der: bytes, key: Any) -> bytes:
    body = _content(x509.load_der_x509_certificate(der).tbs_certificate_bytes)
    return _resealed(body.removeprefix(_VERSION_3), key)


def _without_next_update(der: bytes, key: Any) -> bytes:
    crl = x509.load_der_x509_crl(der)
    assert crl.next_update_utc is not None
    next_update = _tlv(0x17, crl.next_update_utc.strftime("%y%m%d%H%M%SZ").encode())
    return _resealed(_content(crl.tbs_certlist_bytes).replace(next_update, b"", 1), key)


def _with_false_written(crl: x509.CertificateRevocationList, key: Any) -> bytes:
    """Of a CRL whose only extension is its number."""
    body, number = _content(crl.tbs_certlist_bytes), b"\x06\x03\x55\x1d\x14"
    before, value = body.split(number)
    extension = _tlv(0x30, number + b"\x01\x01\x00" + value)
    return _resealed(before[: before.rindex(b"\xa0")] + _tlv(0xA0, _tlv(0x30, extension)), key)


def _tbs(signed: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    if isinstance(signed, x509.Certificate):
        return signed.tbs_certificate_bytes
    return signed.tbs_certlist_bytes


def _content(der: bytes) -> bytes:
    return der[2:] if der[1] < 0x80 else der[2 + (der[1] & 0x7F) :]


def _tlv(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size) + content


def _pem(label: str, der: bytes) -> str:
    body = base64.b64encode(der).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""))
