"""From a value just read to a candidate, or to a rejection of which nothing is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.catalogue.entry import Candidate, Rejected, StoredItem
from sync.certificates.checks import findings_about
from sync.certificates.decoding import decode_value
from sync.findings import Code, Finding

if TYPE_CHECKING:
    from datetime import datetime

    from sync.catalogue.entry import Reading
    from sync.catalogue.secret import SecretValue, VersionProperties

ENCODING_TAG = "file-encoding"
"""The tag by which the Azure CLI and the portal tell how a value is encoded."""


def refuse_managed(version: VersionProperties) -> Rejected:
    """The secret behind a Key Vault certificate: refused before its value, which holds the key, is read (law 9)."""
    finding = Finding(Code.KEY_VAULT_CERTIFICATE, f"version {version.version}")
    return Rejected(version.version, version.created, (finding,))


def read_version(value: SecretValue, *, now: datetime) -> Reading:
    """Decode one value and settle, at `now`, what the rules about one version say of it."""
    version = value.properties
    if value.key_id is not None or version.managed:
        return refuse_managed(version)
    decoded = decode_value(value.value, content_type=version.content_type, file_encoding=version.tags.get(ENCODING_TAG))
    if not decoded.items:
        return Rejected(version.version, version.created, decoded.findings)
    items = tuple(StoredItem(item.kind, item.der) for item in decoded.items)
    findings = (*decoded.findings, *findings_about(decoded.items, now=now))
    return Candidate(version.version, version.created, True, items, findings, decoded.pem)
