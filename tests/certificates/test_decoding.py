"""From a secret's text to certificates and CRLs: every dress, every private key, and whatever else a text may be."""

from __future__ import annotations

import base64
import json
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs7,
    pkcs12,
)
from hypothesis import given
from hypothesis import strategies as st

from sync.certificates.decoding import MAX_LENGTH, Decoded, decode_value
from sync.certificates.items import Kind
from sync.findings import Code, Severity
from tests.support.certs import NOW, build, ca, crl, private_key, server

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes as Key
    from cryptography.hazmat.primitives.serialization import KeySerializationEncryption

    Wrap = Callable[[bytes], str]

ROOT = ca()
LEAF = server(issuer=ROOT)
CRL = crl(ROOT, revoked=[5])


def read(value: str, *, content_type: str | None = None, file_encoding: str | None = None) -> Decoded:
    return decode_value(value, content_type=content_type, file_encoding=file_encoding)


def spaced(text: str) -> str:
    return "\n".join(text[at : at + 60] + " " for at in range(0, len(text), 60))


def lines76(data: bytes) -> str:
    return base64.encodebytes(data).decode()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


PEM = LEAF.pem.encode()
DRESSES = {
    "PEM as text": LEAF.pem,
    "PEM with Windows line ends": LEAF.pem.replace("\n", "\r\n"),
    "PEM after a byte order mark": "\ufeff" + LEAF.pem,
    "PEM on one line": LEAF.pem.replace("\n", " "),
    "PEM of the older label": LEAF.pem.replace("CERTIFICATE", "X509 CERTIFICATE"),
    "PEM with text around it": f"subject=CN = plc7\n{LEAF.pem}\nBag Attributes: <none>\n",
    "PEM in hex": PEM.hex(),
    "PEM in base64": b64(PEM),
    "PEM in UTF-16 with a mark, in hex": LEAF.pem.encode("utf-16").hex(),
    "PEM in UTF-16 without a mark, in base64": b64(LEAF.pem.encode("utf-16-le")),
    "PEM in big-endian UTF-16, in hex": LEAF.pem.encode("utf-16-be").hex(),
    "PEM with a UTF-8 mark, in hex": LEAF.pem.encode("utf-8-sig").hex(),
    "DER in hex": LEAF.der.hex(),
    "DER in upper-case hex": LEAF.der.hex().upper(),
    "DER in hex after a byte order mark": "\ufeff" + LEAF.der.hex(),
    "DER in hex with white space": spaced(LEAF.der.hex()),
    "DER in base64": b64(LEAF.der),
    "DER in base64 with a line break every 76 characters": lines76(LEAF.der),
    "DER in base64 for URLs": base64.urlsafe_b64encode(LEAF.der).decode(),
    "DER in base64 in hex": b64(LEAF.der).encode().hex(),
    "DER with a trailing newline, in hex": (LEAF.der + b"\r\n").hex(),
    "DER with a trailing newline, in base64": b64(LEAF.der + b"\n"),
}


@pytest.mark.parametrize("tag", [None, "hex", "base64", "utf-8", "ascii", "utf-16le", "nonsense"])
@pytest.mark.parametrize("dress", DRESSES)
def test_the_content_decides_whatever_the_tag_says(dress: str, tag: str | None) -> None:
    decoded = read(DRESSES[dress], file_encoding=tag)
    assert [item.der for item in decoded.items] == [LEAF.der]
    assert all(finding.severity is Severity.WARN for finding in decoded.findings)


def test_a_pem_with_several_certificates_and_crls_keeps_their_order() -> None:
    decoded = read(LEAF.pem + "\ncomment\n" + CRL.pem + ROOT.pem)
    assert [item.der for item in decoded.items] == [LEAF.der, CRL.der, ROOT.der]
    assert [item.kind for item in decoded.items] == [Kind.CERTIFICATE, Kind.CRL, Kind.CERTIFICATE]
    assert decoded.findings == ()


def test_der_elements_one_after_the_other_are_several() -> None:
    assert [item.der for item in read((LEAF.der + b"\n" + CRL.der).hex()).items] == [LEAF.der, CRL.der]


def test_a_crl_is_known_by_its_content() -> None:
    for value in (CRL.pem, CRL.der.hex(), lines76(CRL.der)):
        assert [item.der for item in read(value).items] == [CRL.der]


def test_duplicates_within_one_secret_are_folded() -> None:
    assert [item.der for item in read(LEAF.pem + ROOT.pem + LEAF.pem).items] == [LEAF.der, ROOT.der]


@pytest.mark.parametrize(
    ("value", "tag", "detail"),
    [
        (LEAF.pem, "hex", "hex on plain text"),
        (LEAF.pem, "base64", "base64 on plain text"),
        (LEAF.der.hex(), "base64", "base64 on hex"),
        (b64(LEAF.der).encode().hex(), "base64", "base64 on hex"),
        (b64(PEM), " HEX ", "hex on base64"),
        (LEAF.der.hex(), "hex", None),
        (lines76(LEAF.der), "base64", None),
        (LEAF.pem, "utf-8", None),
        (LEAF.pem, "utf-16le", None),
        (LEAF.der.hex(), "ascii", None),
        (LEAF.der.hex(), None, None),
    ],
)
def test_a_tag_that_the_content_contradicts_is_a_warning(value: str, tag: str | None, detail: str | None) -> None:
    findings = read(value, file_encoding=tag).findings
    assert [(each.code, each.detail) for each in findings] == ([(Code.ENCODING_TAG_MISMATCH, detail)] if detail else [])


@pytest.mark.parametrize(
    ("value", "content_type", "detail"),
    [
        (CRL.pem, "application/pkix-cert", "application/pkix-cert on a crl"),
        (ROOT.pem, "application/pkix-crl; charset=x", "application/pkix-crl; charset=x on a certificate"),
        (LEAF.pem, "application/x-pkcs12", "application/x-pkcs12 on a certificate"),
        (ROOT.pem, "application/pkix-cert", None),
        (CRL.der.hex(), "Application/PKIX-CRL", None),
        (ROOT.pem + CRL.pem, "application/x-pem-file", None),
        (LEAF.der.hex(), "text/plain\x1b[31m", None),
        (LEAF.der.hex(), "", None),
        (LEAF.der.hex(), None, None),
    ],
)
def test_a_content_type_that_the_content_contradicts_is_a_warning(
    value: str, content_type: str | None, detail: str | None
) -> None:
    decoded = read(value, content_type=content_type)
    found = [(each.code, each.detail) for each in decoded.findings]
    assert found == ([(Code.CONTENT_TYPE_MISMATCH, detail)] if detail else [])
    assert decoded.items


# Private keys: law 9.

RSA_KEY, EC_KEY, DSA_KEY, ED_KEY = (
    private_key(kind, "leaked") for kind in ("rsa-2048", "ec-secp256r1", "dsa-1024", "ed25519")
)
PLAIN, LOCKED = NoEncryption(), BestAvailableEncryption(b"secret")


def bytes_of(key: Key, encoding: Encoding, form: PrivateFormat, lock: KeySerializationEncryption = PLAIN) -> bytes:
    return key.private_bytes(encoding, form, lock)


def pfx(lock: KeySerializationEncryption = PLAIN) -> bytes:
    return pkcs12.serialize_key_and_certificates(b"x", LEAF.key, LEAF.certificate, [ROOT.certificate], lock)


def jwk() -> str:
    numbers = RSA_KEY.private_numbers()
    integers = {"n": numbers.public_numbers.n, "e": numbers.public_numbers.e, "d": numbers.d, "p": numbers.p}
    encoded = {
        name: base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8)).decode().rstrip("=")
        for name, number in integers.items()
    }
    return json.dumps({"kty": "RSA", "kid": "x"} | encoded)


TRADITIONAL, PKCS8, OPENSSH = PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8, PrivateFormat.OpenSSH
KEY_TEXTS = {
    "PKCS#8 PEM": bytes_of(RSA_KEY, Encoding.PEM, PKCS8),
    "PKCS#1 PEM": bytes_of(RSA_KEY, Encoding.PEM, TRADITIONAL),
    "SEC 1 PEM": bytes_of(EC_KEY, Encoding.PEM, TRADITIONAL),
    "DSA PEM": bytes_of(DSA_KEY, Encoding.PEM, TRADITIONAL),
    "encrypted PKCS#8 PEM": bytes_of(EC_KEY, Encoding.PEM, PKCS8, LOCKED),
    "encrypted traditional PEM": bytes_of(RSA_KEY, Encoding.PEM, TRADITIONAL, LOCKED),
    "OpenSSH": bytes_of(ED_KEY, Encoding.PEM, OPENSSH),
    "JSON Web Key": jwk().encode(),
    "JSON Web Key Set": f'{{"keys": [{jwk()}]}}'.encode(),
    "symmetric JSON Web Key": b'{"kty":"oct", "k" : "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}',
    "PuTTY": b"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n",
    ".NET's XML": b"<RSAKeyValue><Modulus>AQAB</Modulus><D>AQAB</D></RSAKeyValue>",
    "a certificate and its key": PEM + LEAF.key_pem.encode(),
    "a key and then its certificate": LEAF.key_pem.encode() + PEM,
    "a key in lower case": LEAF.key_pem.lower().encode(),
    "a key cut short": LEAF.key_pem[:60].encode(),
    "a service account": json.dumps({"private_key": LEAF.key_pem}).encode(),
    "a key's bytes under a certificate's label": PEM.replace(
        PEM.split(b"\n", 1)[1].rsplit(b"\n", 2)[0], lines76(bytes_of(EC_KEY, Encoding.DER, PKCS8)).encode()
    ),
    "a certificate and a bare key beneath": PEM + lines76(bytes_of(RSA_KEY, Encoding.DER, PKCS8)).encode(),
    "a bare key in hex above a certificate": bytes_of(RSA_KEY, Encoding.DER, PKCS8).hex().encode() + b"\n" + PEM,
}
KEY_BYTES = {
    "PKCS#8": bytes_of(RSA_KEY, Encoding.DER, PKCS8),
    "PKCS#8 of an EC key": bytes_of(EC_KEY, Encoding.DER, PKCS8),
    "PKCS#8 of an Ed25519 key": bytes_of(ED_KEY, Encoding.DER, PKCS8),
    "encrypted PKCS#8": bytes_of(RSA_KEY, Encoding.DER, PKCS8, LOCKED),
    "PKCS#1": bytes_of(RSA_KEY, Encoding.DER, TRADITIONAL),
    "SEC 1": bytes_of(EC_KEY, Encoding.DER, TRADITIONAL),
    "DSA": bytes_of(DSA_KEY, Encoding.DER, TRADITIONAL),
    "PKCS#12": pfx(),
    "PKCS#12 with a password": pfx(LOCKED),
    "PKCS#12 in BER": b"\x30\x80\x02\x01\x03\x30\x80" + pfx()[20:],
    "OpenSSH's inside": base64.b64decode(b"".join(bytes_of(ED_KEY, Encoding.PEM, OPENSSH).split(b"\n")[1:-2])),
    "a Java key store": b"\xfe\xed\xfe\xed\0\0\0\2" + b"\0" * 64,
    "DER of a certificate and its key": LEAF.der + bytes_of(LEAF.key, Encoding.DER, PKCS8),
    "DER of a key cut short": bytes_of(RSA_KEY, Encoding.DER, PKCS8)[:100],
}
WRAPPINGS: dict[str, Wrap] = {
    "text": lambda data: data.decode(),
    "hex": bytes.hex,
    "spaced hex": lambda data: spaced(data.hex().upper()),
    "base64": b64,
    "base64 in lines": lines76,
    "hex of base64": lambda data: b64(data).encode().hex(),
    "base64 of base64": lambda data: b64(b64(data).encode()),
    "base64 of hex": lambda data: b64(data.hex().encode()),
}
KEY_CASES = {
    f"{name}, {how}": wrap(data)
    for name, data in (KEY_TEXTS | KEY_BYTES).items()
    for how, wrap in WRAPPINGS.items()
    if how != "text" or name in KEY_TEXTS
}


@pytest.mark.parametrize("value", KEY_CASES.values(), ids=KEY_CASES.keys())
def test_law9_a_private_key_in_any_dress_is_refused_and_nothing_of_it_is_shown(value: str) -> None:
    decoded = read(value, content_type="application/x-pem-file", file_encoding="hex")
    assert [finding.code for finding in decoded.findings] == [Code.PRIVATE_KEY]
    assert decoded.items == ()
    assert_shows_nothing_of(value, decoded)


def assert_shows_nothing_of(value: str, decoded: Decoded) -> None:
    """No eight characters in a row of the value in what is said of it, words of ours aside."""
    said = repr(decoded)
    pieces = {value[at : at + 12] for at in range(len(value) - 11)}
    assert not [piece for piece in pieces if piece in said and not re.fullmatch(r"[A-Za-z ,.]+", piece)]


def test_law9_a_private_key_in_utf_16_is_refused() -> None:
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        for wrap in (bytes.hex, b64):
            assert codes(read(wrap(LEAF.key_pem.encode(encoding)))) == [Code.PRIVATE_KEY]


def test_a_public_key_is_no_private_key() -> None:
    public = RSA_KEY.public_key()
    for form in (PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1):
        assert codes(read(public.public_bytes(Encoding.DER, form).hex())) == [Code.NOT_A_CERTIFICATE]
        assert codes(read(public.public_bytes(Encoding.PEM, form).decode())) == [Code.NOT_A_CERTIFICATE]


def codes(decoded: Decoded) -> list[Code]:
    return [finding.code for finding in decoded.findings]


# Everything else.

REQUEST = x509.CertificateSigningRequestBuilder().subject_name(LEAF.certificate.subject)
P7B = pkcs7.serialize_certificates([LEAF.certificate], Encoding.DER)
REFUSED = {
    "nothing": ("", "the value is empty"),
    "white space": (" \n\t", "the value is empty"),
    "a password": ("hunter2!", "neither PEM nor DER"),
    "a word that is also base64": ("password", "neither PEM nor DER"),
    "a connection string": ("Endpoint=sb://x.example/;Key=abc=", "neither PEM nor DER"),
    "JSON": ('{"user": "admin", "password": "hunter2"}', "neither PEM nor DER"),
    "hex of odd length": (LEAF.der.hex()[:-1], "neither PEM nor DER"),
    "DER cut short": (LEAF.der[:-9].hex(), f"{len(LEAF.der) - 9:,} bytes that are not a certificate or crl"),
    "DER with bytes after it": ((LEAF.der + b"junk").hex(), "4 bytes that are not a certificate or crl"),
    "an empty SEQUENCE": ("3000", "2 bytes that are not a certificate or crl"),
    "a PEM block without its end": (LEAF.pem[:-20], "a PEM block without its end"),
    "a PEM block with another end": (LEAF.pem.replace("END CERT", "END X509 CERT"), "a PEM block without its end"),
    "a PEM block that is not base64": (LEAF.pem.replace("MII", "M*I"), "a PEM block that is not base64"),
    "an empty PEM block": (
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        "0 bytes that are not a certificate",
    ),
    "a CRL under a certificate's label": (
        CRL.pem.replace("X509 CRL", "CERTIFICATE"),
        f"{len(CRL.der):,} bytes that are not a certificate",
    ),
    "a certificate and a request": (
        LEAF.pem + REQUEST.sign(LEAF.key, SHA256()).public_bytes(Encoding.PEM).decode(),
        "a PEM block CERTIFICATE REQUEST",
    ),
    "PKCS#7": (P7B.hex(), f"{len(P7B):,} bytes that are not a certificate or crl"),
    "an unknown block with escape codes": (
        "-----BEGIN \x1b[31mX-----\nAAAA\n-----END \x1b[31mX-----",
        "a PEM block \\x1b[31mX",
    ),
    "a text that is too long": ("A" * 70_000, "70,000 characters, and a secret holds at most 25 KB"),
    "layers without end": ("", "neither PEM nor DER"),
}
deep = LEAF.der
for _ in range(6):
    deep = base64.b64encode(deep)
REFUSED["layers without end"] = (deep.decode(), "neither PEM nor DER")


NAMED = server(subject="CN=pXc,O=Ex", application_uri="urn:pXc:server").der
OLD_NAMED = build(name="pXc", version=1).der
CRL_NAMED = crl(ca(name="pXc")).der
NOT_READABLE = {
    "a TeletexString with an umlaut": ("certificate", NAMED.replace(b"\x0c\x03pXc", b"\x14\x03p\xfcc")),
    "a PrintableString with an underscore": ("certificate", NAMED.replace(b"\x0c\x03pXc", b"\x13\x03p_c")),
    "an alternative name with an umlaut": ("certificate", NAMED.replace(b"urn:pXc", b"urn:p\xfcc")),
    "version 2": ("certificate", LEAF.der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01", 1)),
    "the name in version 1": ("certificate", OLD_NAMED.replace(b"\x0c\x03pXc", b"\x14\x03p\xfcc")),
    "a CRL's issuer": ("crl", CRL_NAMED.replace(b"\x0c\x03pXc", b"\x13\x03p_c")),
}


@pytest.mark.parametrize("case", NOT_READABLE)
def test_a_certificate_of_which_a_part_cannot_be_read_is_still_called_one(case: str) -> None:
    kind, der = NOT_READABLE[case]
    decoded = read(der.hex())
    detail = f"a {kind} of {len(der):,} bytes with a part that cannot be read, such as a name or an extension"
    assert [(each.code, each.detail) for each in decoded.findings] == [(Code.NOT_A_CERTIFICATE, detail)]


def test_a_request_is_called_no_certificate_with_a_part_that_cannot_be_read() -> None:
    der = REQUEST.sign(LEAF.key, SHA256()).public_bytes(Encoding.DER)
    assert [each.detail for each in read(der.hex()).findings] == [
        f"{len(der):,} bytes that are not a certificate or crl"
    ]


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_certificate_is_refused_with_the_reason(case: str) -> None:
    value, detail = REFUSED[case]
    decoded = read(value)
    assert decoded.items == ()
    assert [(each.code, each.detail) for each in decoded.findings] == [(Code.NOT_A_CERTIFICATE, detail)]
    if case not in {"an unknown block with escape codes", "a certificate and a request"}:
        assert_shows_nothing_of(value, decoded)


def test_every_public_root_is_decoded() -> None:
    roots = Path(certifi.where()).read_text("utf-8")
    blocks = re.findall(r"-----BEGIN.+?-----END CERTIFICATE-----", roots, re.DOTALL)
    assert len(blocks) > 100
    for block in blocks:
        decoded = read(block)
        assert [item.kind for item in decoded.items] == [Kind.CERTIFICATE]
        assert decoded.findings == ()


# It never raises.


def assert_sound(decoded: Decoded) -> None:
    """A finding rejects exactly if there are no items."""
    rejecting = [finding for finding in decoded.findings if finding.severity is Severity.REJECT]
    assert bool(decoded.items) is not bool(rejecting)
    assert len(rejecting) <= 1
    for finding in decoded.findings:
        assert finding.sentence().isprintable()
        assert len(finding.detail) <= 300


@given(
    st.text(st.characters(exclude_categories=()), max_size=400),
    st.none() | st.text(max_size=30),
    st.none() | st.text(max_size=30),
)
def test_no_text_makes_it_raise(value: str, content_type: str | None, file_encoding: str | None) -> None:
    assert_sound(decode_value(value, content_type=content_type, file_encoding=file_encoding))


WRAPS: list[Wrap] = [bytes.hex, b64, lines76]


@given(st.binary(max_size=400), st.sampled_from(WRAPS))
def test_no_bytes_make_it_raise(data: bytes, wrap: Wrap) -> None:
    assert_sound(read(wrap(data)))
    assert_sound(read(wrap(b"0" + data)))


@given(st.lists(st.sampled_from(["-----BEGIN ", "-----END ", "CERTIFICATE", "X509 CRL", "-----", "\n", "MIIB", " "])))
def test_no_pem_like_text_makes_it_raise(pieces: list[str]) -> None:
    assert_sound(read("".join(pieces)))


SEEDS = [LEAF.der, ROOT.der, CRL.der, server(name="self", ca=True, path_length=0).der, ca(version=1).der]
SEEDS += [ca(signature_hash="sha1", name="Old Root").der, crl(ROOT, number=None, next_update=None).der]


def mutated(random_source: random.Random) -> str:
    """One certificate or CRL, in DER or PEM, flipped, cut, repeated or joined at random, in a random dress."""
    data = bytearray(random_source.choice(SEEDS))
    for _ in range(random_source.choice([0, 1, 1, 1, 2, 8])):
        data[random_source.randrange(len(data))] ^= 1 << random_source.randrange(8)
    match random_source.randrange(6):
        case 0:
            data = data[: random_source.randrange(len(data))]
        case 1:
            data += random_source.choice(SEEDS)[random_source.randrange(40) :]
        case 2:
            at = random_source.randrange(len(data))
            data[at:at] = data[at : at + random_source.randrange(1, 64)]
    if random_source.random() < 0.3:
        text = LEAF.pem if random_source.random() < 0.3 else CRL.pem
        body = text.replace(text.split("\n")[1], b64(bytes(data)))
        at = random_source.randrange(len(body))
        return body[:at] + body[at + random_source.randrange(3) :]
    return random_source.choice(WRAPS)(bytes(data))


def test_two_thousand_mutated_inputs_never_raise_anything_but_a_finding() -> None:
    source = random.Random(NOW.year)
    outcomes = [read(mutated(source)) for _ in range(2_000)]
    for decoded in outcomes:
        assert_sound(decoded)
    assert {finding.code for decoded in outcomes for finding in decoded.findings} <= {
        Code.NOT_A_CERTIFICATE,
        Code.PRIVATE_KEY,
    }
    assert 200 < sum(bool(decoded.items) for decoded in outcomes) < 1_900


@pytest.mark.parametrize(
    "value",
    [
        "-----BEGIN CERTIFICATE-----" * 2_000,
        "-----BEGIN " * 5_900,
        "-----" * 13_000,
        "BEGIN " * 10_000,
        '"kty"' + '"d"' * 20_000,
        "30" * 32_000,
        "3080" * 16_000,
        " " * MAX_LENGTH,
        ("30820003" + "020100") * 4_000,
        b64(b"0\x03\x02\x01\x09" * 9_000),
    ],
    ids=range(10),
)
def test_values_made_to_be_slow_are_refused_like_others(value: str) -> None:
    assert read(value).items == ()
