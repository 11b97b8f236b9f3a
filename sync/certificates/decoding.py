"""From a secret's text to certificates and CRLs, in any encoding.

The content decides. A value is decoded layer by layer (hex, base64, UTF-16 text) down to PEM or DER; a missing or
wrong `file-encoding` tag or content type only causes a warning. A private key, in any layer and format, refuses the
whole value, as does everything else that is neither certificate nor CRL. Nothing of a refused value is kept, and none
of its text is shown.

Work is bounded: a value longer than 65,536 characters is refused unread, each layer is scanned a fixed number of
times, and there are at most `MAX_LAYERS` layers.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from sync.certificates.items import Item, Kind, parse
from sync.certificates.loading import NotParsable
from sync.findings import Code, Finding
from sync.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LENGTH = 65_536
"""Characters. Key Vault takes 25 KB; files checked before upload may be somewhat larger."""

MAX_LAYERS = 5
"""PEM in UTF-16 in hex in base64 is four; real values have no more."""

_BOUNDARY = re.compile(r"-----(BEGIN|END) ([^\r\n-]{1,64})-----")
_KEY_TEXT = re.compile(r"begin[ a-z0-9]{0,32} private key|putty-user-key-file|<rsakeyvalue>")
_KEY_WORDS = ("private key", "putty-user-key-file", "rsakeyvalue")
"""Every text that `_KEY_TEXT` matches contains one of these, and they are found much faster."""

_KEY_JSON = re.compile(r'"(?:d|k)"\s*:\s*"')
_KEY_FILES = (b"openssh-key-v1\0", b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")  # OpenSSH, Java's JKS and JCEKS
_LABELS = {"CERTIFICATE": Kind.CERTIFICATE, "X509 CERTIFICATE": Kind.CERTIFICATE, "X509 CRL": Kind.CRL}
_BLANKS = b" \t\r\n\0"

_SEQUENCE, _INTEGER, _OCTET_STRING, _OID = 0x30, 0x02, 0x04, 0x06
_PFX_VERSION = 3


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a value holds.

    Attributes:
        items: in the value's order, each once; empty if and only if a finding rejects.
        findings: one that rejects, or any number of warnings.
        pem: the value is PEM beneath its layers; DER otherwise.
    """

    items: tuple[Item, ...]
    findings: tuple[Finding, ...]
    pem: bool = False


class _RefusedError(Exception):
    """Ends the decoding with the finding that says why."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(code)
        self.finding = Finding(code, detail)


def decode_value(value: str, *, content_type: str | None, file_encoding: str | None) -> Decoded:
    """Every certificate and CRL in a secret's value; never raises, for any text.

    Args:
        value: the text as the vault stores it.
        content_type: the version's, if any; compared with the content, never trusted.
        file_encoding: the tag of that name, if any; likewise.
    """
    try:
        layers, items, is_pem = _decode(value)
    except _RefusedError as refused:
        return Decoded((), (refused.finding,))
    warnings = (_content_type_mismatch(items, content_type), _encoding_tag_mismatch(layers, file_encoding))
    return Decoded(items, tuple(each for each in warnings if each), is_pem)


def _decode(value: str) -> tuple[tuple[str, ...], tuple[Item, ...], bool]:
    if len(value) > MAX_LENGTH:
        raise _RefusedError(Code.NOT_A_CERTIFICATE, f"{len(value):,} characters, and a secret holds at most 25 KB")
    layers, content = _peel(value)
    items = _from_der(content) if isinstance(content, bytes) else _from_pem(content)
    return layers, tuple({item.sha256: item for item in items}.values()), isinstance(content, str)


def _peel(value: str) -> tuple[tuple[str, ...], bytes | str]:
    """The names of the layers removed, and what was inside: DER, or text with PEM blocks.

    Raises:
        _RefusedError: a layer is a private key, or the last one is neither DER nor PEM.
    """
    content: bytes | str = value
    layers: tuple[str, ...] = ()
    beneath: bytes | str
    while len(layers) < MAX_LAYERS:
        if isinstance(content, bytes):
            _refuse_key_file(content)
            if content[:1] == bytes([_SEQUENCE]):
                return layers, content
            name, beneath = "text", _text(content)
        else:
            _refuse_key_text(content)
            if "-----BEGIN " in content:
                return layers, content
            name, beneath = _binary(content)
        if not beneath:
            break
        layers, content = (*layers, name), beneath
    raise _RefusedError(Code.NOT_A_CERTIFICATE, "the value is empty" if not value.strip() else "neither PEM nor DER")


def _binary(text: str) -> tuple[str, bytes]:
    """Hex or base64 (also URL-safe) with any white space; empty bytes if it is neither."""
    joined = "".join(text.lstrip("\ufeff").split())
    try:
        return "hex", bytes.fromhex(joined)
    except ValueError:
        pass
    try:
        return "base64", binascii.a2b_base64(joined.translate({45: "+", 95: "/"}), strict_mode=True)
    except ValueError:
        return "base64", b""


def _text(content: bytes) -> str:
    """The bytes as UTF-8 or UTF-16 text (as PowerShell writes files); empty if they are neither."""
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        encoding = "utf-16"
    elif b"-\0-\0-\0" in content:
        encoding = "utf-16-be" if content[:1] == b"\0" else "utf-16-le"
    else:
        encoding = "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _from_der(content: bytes) -> Iterator[Item]:
    """The items of DER, one after the other; blanks after an element are skipped (editors add a newline)."""
    while content:
        size = _element_size(content)
        element, content = content[:size], content[size:].lstrip(_BLANKS)
        yield _item(element, tuple(Kind))


def _from_pem(text: str) -> Iterator[Item]:
    """The items of PEM blocks (RFC 7468); text between them is skipped, unless it hides a key."""
    boundaries = list(_BOUNDARY.finditer(text))
    if not boundaries or len(boundaries) % 2:
        raise _RefusedError(Code.NOT_A_CERTIFICATE, "a PEM block without its end")
    _refuse_hidden_keys(text, boundaries)
    for begin, end in zip(boundaries[::2], boundaries[1::2], strict=True):
        label = begin[2]
        if (begin[1], end[1], end[2]) != ("BEGIN", "END", label):
            raise _RefusedError(Code.NOT_A_CERTIFICATE, "a PEM block without its end")
        if label not in _LABELS:
            raise _RefusedError(Code.NOT_A_CERTIFICATE, f"a PEM block {printable(label)}")
        yield _item(_body(text[begin.end() : end.start()]), (_LABELS[label],))


def _body(text: str) -> bytes:
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError as error:
        raise _RefusedError(Code.NOT_A_CERTIFICATE, "a PEM block that is not base64") from error


def _item(der: bytes, kinds: tuple[Kind, ...]) -> Item:
    for kind in kinds:
        try:
            return parse(kind, der)
        except NotParsable:
            continue
    _refuse_key_file(der)
    if (meant := _intended_kind(der)) and meant in kinds:
        detail = f"a {meant} of {len(der):,} bytes with a part that cannot be read, such as a name or an extension"
        raise _RefusedError(Code.NOT_A_CERTIFICATE, detail)
    raise _RefusedError(Code.NOT_A_CERTIFICATE, f"{len(der):,} bytes that are not a {' or '.join(kinds)}")


def _intended_kind(der: bytes) -> Kind | None:
    """What unreadable DER is meant to be, by the first members of the signed part (RFC 5280 §4.1, §5.1).

    After version, serial number, algorithm and issuer a certificate has its validity, a CRL (no serial) its date.
    """
    signed = der[_header_size(der) :]
    if _element_size(der) != len(der) or {der[:1], signed[:1]} != {bytes([_SEQUENCE])}:
        return None
    tags = bytes(islice(_tags(signed[_header_size(signed) : _element_size(signed)]), 5))
    if tags.removeprefix(b"\xa0").startswith(b"\x02\x30\x30\x30"):
        return Kind.CERTIFICATE
    return Kind.CRL if tags.removeprefix(b"\x02").startswith((b"\x30\x30\x17", b"\x30\x30\x18")) else None


def _tags(content: bytes) -> Iterator[int]:
    """The tags of DER elements, one after the other."""
    while content:
        yield content[0]
        content = content[_element_size(content) :]


# Private keys. They are recognised by their headers alone, so a truncated key is found too.


def _refuse_key_text(text: str) -> None:
    """Any PEM private key, PuTTY's, .NET's XML, and JSON Web Keys with a private member (RFC 7518 §6)."""
    folded = text.casefold()
    named = any(map(folded.__contains__, _KEY_WORDS)) and _KEY_TEXT.search(folded)
    if named or ('"kty"' in folded and _KEY_JSON.search(folded)):
        raise _RefusedError(Code.PRIVATE_KEY, "as text")


def _refuse_key_file(content: bytes) -> None:
    """PKCS#8, PKCS#1, SEC 1, encrypted PKCS#8, PKCS#12 in DER or BER; OpenSSH and Java key stores."""
    if content.startswith(_KEY_FILES) or _is_key_structure(content):
        raise _RefusedError(Code.PRIVATE_KEY, "in binary form")


def _refuse_hidden_keys(text: str, boundaries: list[re.Match[str]]) -> None:
    """Keys without a PEM frame in the text around the blocks."""
    ends = [0, *(each.end() for each in boundaries)]
    starts = [*(each.start() for each in boundaries), len(text)]
    for begin, end in zip(ends[::2], starts[::2], strict=True):
        if between := text[begin:end].strip():
            _refuse_key_file(_binary(between)[1])


def _is_key_structure(content: bytes) -> bool:
    """Whether the first members of a SEQUENCE are those of a private key or PFX.

    - version 0 or 1, then anything: PKCS#8 (RFC 5958 §2), PKCS#1 (RFC 8017 A.1.2), SEC 1 (RFC 5915 §3), DSA;
    - version 3, then a SEQUENCE: PFX (RFC 7292 §4);
    - an AlgorithmIdentifier, then an OCTET STRING: EncryptedPrivateKeyInfo (RFC 5958 §3).

    A certificate or CRL begins with a SEQUENCE that begins with neither a version of its own kind nor an OID
    followed by an OCTET STRING.
    """
    if content[:1] != bytes([_SEQUENCE]):
        return False
    inside = content[_header_size(content) :]
    if inside[:2] == bytes([_INTEGER, 1]):
        version, following = inside[2:3], inside[3:4]
        return version in {b"\0", b"\1"} or (version == bytes([_PFX_VERSION]) and following == bytes([_SEQUENCE]))
    if inside[:1] != bytes([_SEQUENCE]):
        return False
    first = inside[_header_size(inside) :]
    return first[:1] == bytes([_OID]) and inside[_element_size(inside) :][:1] == bytes([_OCTET_STRING])


def _header_size(content: bytes) -> int:
    """Octets of tag and length; indefinite length (BER) has a header of two."""
    length = content[1] if len(content) > 1 else 0
    return 2 + (length & 0x7F if length & 0x80 else 0)


def _element_size(content: bytes) -> int:
    """Octets of the first element with its header; at least 1, so a loop that steps by it ends."""
    header = _header_size(content)
    length = content[1] if len(content) > 1 else 0
    return header + (int.from_bytes(content[2:header]) if length & 0x80 else length)


# Warnings about the secret's own metadata.

_SAID = {
    "application/pkix-cert": {Kind.CERTIFICATE},
    "application/x-x509-ca-cert": {Kind.CERTIFICATE},
    "application/pkix-crl": {Kind.CRL},
    "application/x-pem-file": set(Kind),
    "application/x-pkcs12": set[Kind](),
}


def _content_type_mismatch(items: tuple[Item, ...], content_type: str | None) -> Finding | None:
    """RFC 2585 §4: `application/pkix-cert` is a certificate, `application/pkix-crl` a CRL."""
    said = _SAID.get(content_type.partition(";")[0].strip().lower()) if content_type else None
    if said is None or all(item.kind in said for item in items):
        return None
    return Finding(Code.CONTENT_TYPE_MISMATCH, f"{printable(content_type or '')} on a {items[0].kind}")


def _encoding_tag_mismatch(layers: tuple[str, ...], file_encoding: str | None) -> Finding | None:
    """The Azure CLI tags hex and base64 as such; its utf-8, ascii and utf-16 all mean plain text."""
    said = (file_encoding or "").strip().lower()
    if said not in {"hex", "base64"} or layers[:1] == (said,):
        return None
    return Finding(Code.ENCODING_TAG_MISMATCH, f"{said} on {layers[0] if layers else 'plain text'}")
