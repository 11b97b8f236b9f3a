"""What law 9's tests plant: private keys in every dress, tokens, kubeconfigs; and the forms to search for."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from tests.support import certs

FRESH: dict[str, Any] = {"not_before": certs.NOW - certs.YEAR, "not_after": certs.NOW + 30 * certs.YEAR}
SERVER, ELSEWHERE = certs.server(name="plant", **FRESH), certs.server(name="on-the-cluster", **FRESH)
SUBJECT = "CN=[/x] [red]\\0Aforged line\u202egnol"


def canary(name: str) -> str:
    return f"canary-{name}-0c7be1d1a5"


ANSWERS = {"e401": 401, "e403": 403, "e404": 404, "e409": 409, "e422": 422, "e429": 429, "e500": 500, "e307": 307}
TOKENS = {name: canary(f"token-of-{name}") for name in (*ANSWERS, "garbage", "secret")}


def key_bytes(built: certs.Built) -> bytes:
    return bytes(built.key.private_numbers().private_value.to_bytes(32))


def der_key(built: certs.Built) -> bytes:
    return bytes(built.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def jwk(built: certs.Built) -> str:
    return json.dumps({"kty": "EC", "d": base64.urlsafe_b64encode(key_bytes(built)).decode().rstrip("=")})


def openssh(built: certs.Built) -> str:
    return str(built.key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), "ascii")


def pfx(built: certs.Built) -> str:
    locked = pkcs12.serialize_key_and_certificates(
        b"it", built.key, built.certificate, None, BestAvailableEncryption(b"pw")
    )
    return base64.b64encode(locked).decode()


ASSIGNED = {
    "key-pem": SERVER.key_pem + SERVER.pem,
    "key-pem-hex": SERVER.key_pem.encode().hex(),
    "key-pem-utf16": base64.b64encode((SERVER.pem + SERVER.key_pem).encode("utf-16")).decode(),
    "key-der": der_key(SERVER).hex(),
    "key-der-base64": base64.encodebytes(der_key(SERVER)).decode(),
    "key-openssh": openssh(SERVER),
    "key-jwk": jwk(SERVER),
    "key-pfx": pfx(SERVER),
    "token": canary("plain-token"),
    "connection-string": f"Endpoint=sb://x/;SharedAccessKey={canary('shared-key')}=",
    "kubeconfig": f'{{"users": [{{"user": {{"token": "{canary("kubeconfig")}"}}}}]}}',
    "long": canary("long") * 500,
    "hostile-subject": certs.server(name="h", subject=SUBJECT, key="rsa-1024", **FRESH).pem,
    "refused": canary("refused"),
    "broken": canary("broken"),
    "plant": SERVER.pem,
}
"""Values that are assigned, and so read."""

MALFORMED = {
    "no-yaml": f"{{ {canary('no-yaml')}",
    "no-object": canary("no-object"),
    "client-key": f"users: [{{user: {{client-key-data: {canary('client-key')}}}}}]",
    "exec": f"users: [{{user: {{exec: {{command: {canary('exec')}}}}}}}]",
    "password": f"users: [{{user: {{username: u, password: {canary('password')}}}}}]",
    "odd-token": json.dumps(
        {"users": [{"name": "u", "user": {"token": f"{canary('odd')}\nx"}}], "current-context": "c"}
    ),
}
"""Credentials that are no acceptable kubeconfigs."""


def dresses(secret: bytes) -> set[bytes]:
    """The forms in which it could be found, base64 at every offset among them."""
    forms = {secret, secret.hex().encode(), secret.hex().upper().encode(), secret.decode("latin-1").encode("utf-16-le")}
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret)[4 if before else 0 : -4]
        forms |= {encoded, encoded.translate(bytes.maketrans(b"+/", b"-_"))}
    return forms


def needles(good_token: str, identity_tokens: set[str]) -> dict[str, set[bytes]]:
    """Everything that must be found nowhere."""
    texts = {text for text in (*ASSIGNED.values(), *MALFORMED.values()) if "canary" in text}
    words = {word for text in texts for word in (f"canary-{part}" for part in text.split("canary-")[1:])}
    secrets = {word[: word.index("0c7be1d1a5") + 10] for word in words} | set(TOKENS.values())
    secrets |= {canary("unassigned"), canary("managed"), canary("in-the-403"), canary("in-the-500")}
    found = {secret: dresses(secret.encode()) for secret in secrets}
    for name, built in {"the server's key": SERVER, "a key on a cluster": ELSEWHERE}.items():
        lines = {line.encode() for line in built.key_pem.splitlines() if "-----" not in line}
        ssh = {line.encode() for line in openssh(built).splitlines()[2:-2]}
        found[name] = dresses(key_bytes(built)) | lines | (ssh if built is SERVER else set())
    found["the good cluster's token"] = dresses(good_token.encode())
    for number, token in enumerate(sorted(identity_tokens)):
        found[f"token {number} of our identity"] = {token.encode()}
    return found
