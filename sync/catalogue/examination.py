"""From a value just read to a candidate, or to a rejection that keeps only the findings."""

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
"""The tag in which the Azure CLI and the portal record how a value is encoded."""


def refuse_managed(version: VersionProperties) -> Rejected:
    """Reject the secret behind a Key Vault certificate without reading its value, which holds the key (law 9)."""
    finding = Finding(Code.KEY_VAULT_CERTIFICATE, f"version {version.version}")
    return Rejected(version.version, version.created, (finding,))


def read_version(value: SecretValue, *, now: datetime) -> Reading:
    """Decode one value and apply the rules about one version, as of `now`."""
    version = value.properties
    if value.key_id is not None or version.managed:
        return refuse_managed(version)
    decoded = decode_value(value.value, content_type=version.content_type, file_encoding=version.tags.get(ENCODING_TAG))
    if not decoded.items:
        return Rejected(version.version, version.created, decoded.findings)
    items = tuple(StoredItem(item.kind, item.der) for item in decoded.items)
    findings = (*decoded.findings, *findings_about(decoded.items, now=now))
    return Candidate(version.version, version.created, True, items, findings, decoded.pem)
