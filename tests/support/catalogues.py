"""Catalogues for tests of the pure stages: entries, snapshots and desired lists, made of certificates in one line each.

Secrets are in vault `kv` unless another is named, lists are `trust` and `issuer`, clusters are labelled with their own
name.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sync.catalogue.assignment import Assignment
from sync.catalogue.authorities import Authority, authority_after
from sync.catalogue.entry import Candidate, Entry, ListedVersion, StoredItem
from sync.catalogue.rows import AuthorityRow
from sync.catalogue.secret import SecretKey, VersionProperties
from sync.catalogue.snapshot import Head, Snapshot
from sync.certificates.checks import findings_about
from sync.certificates.items import Certificate, Kind, RevocationList, parse
from sync.desired.state import DesiredState
from sync.findings import Role
from sync.fleet.configuration import Configuration
from sync.fleet.lists import CONNECTOR_NAMESPACE, ListDefinition
from sync.fleet.vaults import WatchedVault
from tests.support import certs
from tests.support.certs import NOW
from tests.support.fleet import registration

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sync.desired.state import DesiredList
    from tests.support.certs import Built, BuiltCrl

HOST = "kv.vault.azure.net"
VAULT = WatchedVault(f"https://{HOST}")
TRUST = ListDefinition("trust", Role.TRUST, CONNECTOR_NAMESPACE, "trust-list")
ISSUER = ListDefinition("issuer", Role.ISSUER, CONNECTOR_NAMESPACE, "issuer-list")
CONFIGURATION = Configuration((VAULT,), (TRUST, ISSUER))
TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}


def key(name: str, host: str = HOST) -> SecretKey:
    return SecretKey.of(host, name)


def version_name(number: int) -> str:
    return f"{number:032x}"


def version(number: int, **differs: Any) -> VersionProperties:
    """The version of this number, created so many minutes after an hour ago."""
    created = NOW - timedelta(hours=1) + timedelta(minutes=number)
    usual: dict[str, Any] = {"name": "plc7", "created": created, "updated": created, "tags": TAGS}
    return VersionProperties(version=version_name(number), **usual | differs)


def candidate(number: int, *items: Built | BuiltCrl, enabled: bool = True, at: datetime = NOW) -> Candidate:
    """A version that was read and examined."""
    stored = tuple(
        StoredItem(Kind.CRL if isinstance(item, certs.BuiltCrl) else Kind.CERTIFICATE, item.der) for item in items
    )
    findings = findings_about([each.item for each in stored], now=at)
    return Candidate(version_name(number), version(number).created, enabled, stored, findings)


def entry(
    name: str, *candidates: Candidate, lists: tuple[str, ...] = ("trust",), clusters: str = "*", **more: Any
) -> Entry:
    """A catalogued secret; its candidates newest first. `file`, `accept` and `version` belong to its assignment.

    It was admitted at `since`, or now, and is in vault `host`.
    """
    of_tags = {tag: more.pop(tag) for tag in ("file", "accept", "version", "default") if tag in more}
    assignment = Assignment(lists, clusters, **of_tags)
    host = more.pop("host", HOST)
    since = more.pop("since", NOW)
    usual: dict[str, Any] = {"looked": NOW, "newest": version(1)} | more
    listed = tuple(ListedVersion(c.version, c.created, c.created, c.enabled) for c in candidates)
    usual = {"admitted": since, "assigned_at": since, "versions": listed, "complete": True} | usual
    return Entry(key(name, host), name, assignment=assignment, candidates=candidates, **usual)


def proven(ca: Built, *crls: BuiltCrl, known: Iterable[Built] = ()) -> dict[AuthorityRow, Authority]:
    """What is remembered of a CA once these CRLs were taken up."""
    parsed = _certificate(ca)
    lists = [
        (item, "kv/crl") for item in (parse(Kind.CRL, crl.der) for crl in crls) if isinstance(item, RevocationList)
    ]
    authority = authority_after(None, parsed, lists, [_certificate(each) for each in known], NOW)
    return {AuthorityRow.of(authority.name, authority.key): authority}


def _certificate(built: Built) -> Certificate:
    parsed = parse(Kind.CERTIFICATE, built.der)
    assert isinstance(parsed, Certificate)
    return parsed


def snapshot(*entries: Entry, clusters: tuple[str, ...] = ("plant",), **more: Any) -> Snapshot:
    """All that decides, under a head of its own."""
    return Snapshot(
        Head("head"),
        entries={each.key: each for each in entries},
        clusters={name: registration(name, site=name) for name in clusters},
        **more,
    )


def desired_of(*entries: Entry, clusters: tuple[str, ...] = ("plant",), **more: Any) -> DesiredState:
    return DesiredState(snapshot(*entries, clusters=clusters, **more), CONFIGURATION)


def desired(
    *entries: Entry, definition: ListDefinition = TRUST, configuration: Configuration = CONFIGURATION, **more: Any
) -> DesiredList:
    """What the list should hold on the one cluster that there is."""
    found = snapshot(*entries, **more)
    return DesiredState(found, configuration).of(found.clusters["plant"], definition)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
