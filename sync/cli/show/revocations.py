"""Revoked certificates and files without owner, as text or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.cli.output import document, few, say, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sync.catalogue.authorities import Authority
    from sync.commands.orphans import Orphan
    from sync.commands.revocation import RevokedCertificate


def show_revocations(revoked: Sequence[RevokedCertificate], authorities: Iterable[Authority], *, as_json: bool) -> None:
    """The certificates, and the keys whose CRLs are remembered."""
    keys = [(a.key, len({serial for crl in a.counting for serial in crl.revoked})) for a in authorities]
    if as_json:
        document(
            {
                "certificates": [
                    {
                        "sha256": each.certificate.sha256,
                        "subject": each.certificate.subject,
                        "serial": f"{each.certificate.serial:x}",
                        "date": each.date,
                        "crl": each.source,
                        "cleared": each.cleared,
                    }
                    for each in revoked
                ],
                "keys": [{"sha256": key, "revoked": count} for key, count in keys],
            }
        )
        return
    if revoked:
        table(
            ("certificate", "SHA-256", "revoked on", "by", "state"),
            [
                (
                    each.certificate.subject,
                    each.certificate.sha256[:16],
                    f"{each.date:%Y-%m-%d}",
                    each.source,
                    "accepted risk" if each.cleared else "revoked",
                )
                for each in revoked
            ],
        )
    else:
        say("No certificate of the catalogue is revoked.")
    for key, count in keys:
        say(f"CRLs of the key {key} revoke {count}")


def show_orphans(orphans: Sequence[Orphan], *, as_json: bool) -> None:
    """The files, and the clusters that hold them."""
    if as_json:
        document(
            [
                {"list": o.list, "file": o.file, "sha256": o.sha256, "was": o.was or None, "clusters": o.clusters}
                for o in orphans
            ]
        )
    elif orphans:
        rows = [(o.list, o.file, o.sha256[:16], o.was, few(o.clusters)) for o in orphans]
        table(("list", "file", "SHA-256", "was of", "clusters"), rows)
        say("To remove one: `trustcast orphans remove SHA256`. A secret with equal bytes takes it over by itself.")
    else:
        say("Every file of ours has an owner.")
