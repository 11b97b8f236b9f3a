"""Revoked certificates and files without owner, as text or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.certificates.items import Certificate, Kind, parse
from sync.cli.output import document, few, say, table
from sync.text import many, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sync.catalogue.authorities import Authority
    from sync.commands.orphans import Orphan
    from sync.commands.revocation import RevokedCertificate


def show_revocations(revoked: Sequence[RevokedCertificate], authorities: Iterable[Authority], *, as_json: bool) -> None:
    """The certificates, and the keys whose CRLs are remembered."""
    keys = sorted(authorities, key=lambda each: (_ca(each), each.key))
    if as_json:
        document({"certificates": [_certificate(each) for each in revoked], "keys": [_key(each) for each in keys]})
        return
    if revoked:
        rows = [_row(each) for each in revoked]
        table(("certificate", "SHA-256", "revoked on", "by the CRL of", "state"), rows)
        say("To let one back in: `trustcast revocations clear SHA256`.")
    else:
        say("No certificate of the catalogue is revoked.")
    for each in keys:
        say(f"The CRLs of {printable(_ca(each))}, key {each.key}, revoke {_counted(each)}.")


def _row(revoked: RevokedCertificate) -> tuple[str, ...]:
    certificate, state = revoked.certificate, "accepted risk" if revoked.cleared else "revoked"
    return (certificate.subject, certificate.sha256[:16], f"{revoked.date:%Y-%m-%d}", revoked.source, state)


def _certificate(revoked: RevokedCertificate) -> dict[str, object]:
    return {
        "sha256": revoked.certificate.sha256,
        "subject": revoked.certificate.subject,
        "serial": f"{revoked.certificate.serial:x}",
        "date": revoked.date,
        "crl": revoked.source or None,
        "cleared": revoked.cleared,
    }


def _key(authority: Authority) -> dict[str, object]:
    ca, count = _ca(authority), len(_revoked(authority))
    return {"sha256": authority.key, "ca": ca, "revoked": count, "forgotten_before": authority.forgotten}


def _ca(authority: Authority) -> str:
    ca = parse(Kind.CERTIFICATE, authority.ca)
    return ca.subject if isinstance(ca, Certificate) else ""


def _revoked(authority: Authority) -> set[int]:
    return {serial for crl in authority.counting for serial in crl.revoked}


def _counted(authority: Authority) -> str:
    older = f"; those from before {authority.forgotten:%Y-%m-%d} are forgotten" if authority.forgotten else ""
    return f"{many(len(_revoked(authority)), 'serial number')}{older}"


def show_orphans(orphans: Sequence[Orphan], *, as_json: bool) -> None:
    """The files, and the clusters that hold them."""
    if as_json:
        document(
            [
                {"list": o.list, "file": o.file, "sha256": o.sha256, "came_from": o.was or None, "clusters": o.clusters}
                for o in orphans
            ]
        )
    elif orphans:
        rows = [(o.list, o.file, o.sha256[:16], o.was, few(o.clusters)) for o in orphans]
        table(("list", "file", "SHA-256", "came from", "clusters"), rows)
        say("To remove one: `trustcast orphans remove SHA256`. A secret that gives the same file takes it over.")
    else:
        say("Every file of ours is known to come from a secret.")
