"""A kubeconfig is data: an https server, its CA and a token, and nothing that runs, reads files or redirects.

Law 13: `exec`, `auth-provider`, client keys, file paths, `insecure-skip-tls-verify`, `proxy-url` and impersonation are
refused anywhere in the file, even outside the context in use. Unknown fields are refused as well. Errors show nothing
of the file but the names of known fields.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import yaml  # type: ignore[import-untyped]

from sync.errors import Invalid

LONGEST = 32 * 1024
"""Characters; a Key Vault secret holds 25 kB."""

DEEPEST = 32
"""Levels of nesting; without `extensions` a kubeconfig has four."""

ADVICE = "make one with server, certificate-authority-data and a service account's token alone"

_FIELDS = {
    "cluster": {"server", "certificate-authority-data", "extensions"},
    "user": {"token", "extensions"},
    "context": {"cluster", "user", "namespace", "extensions"},
}
"""The fields that each kind of entry may have; the section's name is the plural."""

_REFUSED = {
    "exec": "it runs a program",
    "auth-provider": "it runs a program",
    "client-certificate": "it names a file",
    "client-certificate-data": "only a token is accepted",
    "client-key": "it names a file",
    "client-key-data": "only a token is accepted",
    "certificate-authority": "it names a file",
    "tokenFile": "it names a file",
    "username": "only a token is accepted",
    "password": "only a token is accepted",
    "insecure-skip-tls-verify": "the server must prove who it is",
    "tls-server-name": "the server must prove who it is",
    "proxy-url": "it leads elsewhere",
    "as": "it impersonates",
    "as-uid": "it impersonates",
    "as-groups": "it impersonates",
    "as-user-extra": "it impersonates",
}
_TOP = {"apiVersion", "kind", "preferences", "extensions", "current-context", "clusters", "users", "contexts"}

_OPENING = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)

_BLOCK = re.compile(r"-----BEGIN (?P<label>[A-Z0-9 ]{1,64})-----(?P<body>[A-Za-z0-9+/=\s]+)-----END (?P=label)-----")
_SERVER = re.compile(r"https://([A-Za-z0-9][-A-Za-z0-9.]*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[-A-Za-z0-9._~/]*)?")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A cluster's API server and the credential for it.

    Attributes:
        server: https URL; it may carry a path.
        ca_pem: the certificates that the server's chain must end in, and no others.
        token: sent as bearer token, never shown.
    """

    server: str
    ca_pem: bytes
    token: str = field(repr=False)

    @property
    def host(self) -> str:
        """What a registration pins: host and port, and the path where there is one; the host case-folded."""
        parts = urlsplit(self.server)
        host = parts.hostname or ""
        name = f"[{host}]" if ":" in host else host
        return f"{name}:{parts.port or _HTTPS_PORT}{parts.path.rstrip('/')}"

    @property
    def ca_sha256(self) -> str:
        """SHA-256 over the DER of the CA's certificates, hexadecimal; of a single one it is the fingerprint."""
        blocks = _BLOCK.finditer(self.ca_pem.decode("ascii"))
        return hashlib.sha256(b"".join(map(_der, blocks))).hexdigest()


def parse(text: str) -> Endpoint:
    """The endpoint of a kubeconfig's current context, from YAML or JSON.

    Without `current-context`, a single context counts as current.

    Raises:
        Invalid: refused; the message names the field, says what to do, and shows nothing of the content.
    """
    document = _document(text)
    clusters, users, contexts = (_entries(document, kind) for kind in _FIELDS)
    context = _pick(contexts, document.get("current-context") or _only(contexts), "context")
    cluster = _pick(clusters, context.get("cluster"), "cluster")
    user = _pick(users, context.get("user"), "user")
    ca_pem = _authority(cluster.get("certificate-authority-data"))
    return Endpoint(_server(cluster.get("server")), ca_pem, _token(user.get("token")))


def _document(text: str) -> Mapping[Any, Any]:
    """The parsed file."""
    if len(text) > LONGEST:
        raise _refused(f"it is longer than {LONGEST} characters")
    try:
        _check_shape(text)
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError):
        raise _refused("it is neither YAML nor JSON") from None  # the parser's error quotes the content
    if not isinstance(document, Mapping):
        raise _refused("it is not a mapping of fields")
    _check_fields(document, _TOP, "the file")
    return document


def _check_shape(text: str) -> None:
    """Refuse what makes a small file expensive to parse: aliases, and nesting deeper than any kubeconfig's."""
    depth = 0
    for token in yaml.scan(text):
        if isinstance(token, yaml.AliasToken):
            raise _refused("it uses YAML aliases")
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > DEEPEST:
            raise _refused("it is nested too deeply")


def _entries(document: Mapping[Any, Any], kind: str) -> dict[str, Mapping[Any, Any]]:
    """All entries of a section by name, each of them checked, used or not."""
    section = document.get(f"{kind}s")
    if not isinstance(section, list):
        raise _refused(f"'{kind}s' must be a list")
    found: dict[str, Mapping[Any, Any]] = {}
    for entry in section:
        name, content = (entry.get("name"), entry.get(kind)) if isinstance(entry, Mapping) else (None, None)
        if not isinstance(name, str) or not isinstance(content, Mapping):
            raise _refused(f"each entry of '{kind}s' needs 'name' and '{kind}'")
        if name in found:
            raise _refused(f"two entries of '{kind}s' have the same name")
        _check_fields(entry, {"name", kind}, f"'{kind}s'")
        _check_fields(content, _FIELDS[kind], f"'{kind}s'")
        found[name] = content
    return found


def _check_fields(mapping: Mapping[Any, Any], allowed: set[str], where: str) -> None:
    for name in mapping:
        if name in _REFUSED:
            raise _refused(f"'{name}' in {where} is not accepted: {_REFUSED[name]}")
        if name not in allowed:
            raise _refused(f"{where} has a field that trustcast does not know")


def _only(contexts: Mapping[str, Mapping[Any, Any]]) -> str | None:
    return next(iter(contexts)) if len(contexts) == 1 else None


def _pick(entries: Mapping[str, Mapping[Any, Any]], name: object, kind: str) -> Mapping[Any, Any]:
    if not isinstance(name, str) or name not in entries:
        raise _refused(f"the {kind} of the current context is not in '{kind}s'")
    return entries[name]


def _server(server: object) -> str:
    if not isinstance(server, str) or not _SERVER.fullmatch(server):
        raise _refused("'server' must be an https URL of host, port and path alone")
    try:
        _ = urlsplit(server).port
    except ValueError:
        raise _refused("'server' is not a URL") from None
    return server.rstrip("/")


def _authority(data: object) -> bytes:
    """The inline CA as PEM, with nothing but certificates in it."""
    try:
        pem = base64.b64decode(data if isinstance(data, str) else "", validate=True).decode("ascii")
        blocks = list(_BLOCK.finditer(pem))
        for block in blocks:
            _der(block)
    except (binascii.Error, UnicodeError):
        blocks = []
    if not blocks:
        raise _refused("'certificate-authority-data' must be the cluster's CA as PEM in base64")
    if any(block["label"] != "CERTIFICATE" for block in blocks):
        raise _refused("'certificate-authority-data' holds something other than certificates")
    clean = "\n".join(block.group() for block in blocks) + "\n"
    return clean.encode()


def _der(block: re.Match[str]) -> bytes:
    return base64.b64decode("".join(block["body"].split()), validate=True)


def _token(token: object) -> str:
    if not isinstance(token, str) or not _TOKEN.fullmatch(token.strip()):
        raise _refused("the user needs 'token', one line of printable text")
    return token.strip()


def _refused(problem: str) -> Invalid:
    return Invalid(f"the kubeconfig is refused: {problem}; {ADVICE}")
