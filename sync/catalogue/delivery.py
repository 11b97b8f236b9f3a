"""What a list's delivery adds to the rules about one version: what it cannot carry is rejected before any write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.findings import Code, Finding
from sync.text import printable

if TYPE_CHECKING:
    from sync.certificates.items import Item
    from sync.fleet.lists import Delivery


def delivery_findings(files: tuple[tuple[str, Item], ...], pem: bool, delivery: Delivery) -> tuple[Finding, ...]:
    """What keeps these files of one secret out of lists with this delivery.

    Args:
        files: names and items.
        pem: the secret's value is PEM, not DER.
        delivery: of the list.
    """
    found = (too_many_certificates(files, delivery), encoding_mismatch(files, pem, delivery))
    return tuple(finding for finding in found if finding is not None)


def too_many_certificates(files: tuple[tuple[str, Item], ...], delivery: Delivery) -> Finding | None:
    """A delivery of one file per secret cannot carry several certificates."""
    if not delivery.one_file_per_secret or len(files) == 1:
        return None
    return Finding(Code.TOO_MANY_CERTIFICATES, f"{len(files)} certificates and CRLs, delivered by {delivery}")


def encoding_mismatch(files: tuple[tuple[str, Item], ...], pem: bool, delivery: Delivery) -> Finding | None:
    """A delivery that does not convert gives the file the secret's own encoding."""
    name = files[0][0] if files else ""
    if delivery.converts or name.endswith(".crt") == pem:
        return None
    detail = f"{printable(name)} would hold {'PEM' if pem else 'DER'}, delivered by {delivery}"
    return Finding(Code.ENCODING_MISMATCH, detail, file=name)
