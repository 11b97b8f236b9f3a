"""Checked files, as text or JSON."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from sync.certificates.items import Certificate
from sync.cli.output import document, finding, say, say_findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sync.certificates.items import Item
    from sync.commands.check import Checked


def show_checked(checked: Sequence[Checked], *, as_json: bool) -> None:
    """What the files hold, and what is wrong with them."""
    if as_json:
        document([_checked(each) for each in checked])
        return
    for each in checked:
        say(f"{each.name}: {'passes' if each.verdict.passes else 'rejected'}")
        for item in each.items:
            for line in _facts(item):
                say(line, indent=2)
        say_findings(each.verdict.findings)


def _checked(checked: Checked) -> dict[str, Any]:
    return {
        "file": checked.name,
        "passes": checked.verdict.passes,
        "items": [_item(item) for item in checked.items],
        "findings": [finding(found) for found in checked.verdict.findings],
    }


def _sha1(item: Item) -> str:
    return hashlib.sha1(item.der, usedforsecurity=False).hexdigest()


def _item(item: Item) -> dict[str, Any]:
    facts = {"kind": item.kind.value, "sha256": item.sha256, "sha1": _sha1(item), "issuer": item.issuer}
    if isinstance(item, Certificate):
        named: dict[str, Any] = {"subject": item.subject, "application_uri": item.application_uri}
        return facts | named | {"not_before": item.not_before, "not_after": item.not_after}
    counted: dict[str, Any] = {"number": item.number, "revoked": len(item.revoked)}
    return facts | counted | {"this_update": item.this_update, "next_update": item.next_update}


def _facts(item: Item) -> Iterator[str]:
    if isinstance(item, Certificate):
        yield f"certificate {item.subject}"
        yield f"  issued by {'itself' if item.self_issued else item.issuer}"
        yield f"  valid {item.not_before:%Y-%m-%d} to {item.not_after:%Y-%m-%d %H:%M} UTC"
    else:
        until = f"next due {item.next_update:%Y-%m-%d %H:%M} UTC" if item.next_update else "no next one announced"
        yield f"CRL of {item.issuer}"
        yield f"  of {item.this_update:%Y-%m-%d %H:%M} UTC, {until}, revokes {len(item.revoked)}"
    yield f"  SHA-256 {item.sha256}"
    yield f"  SHA-1 {_sha1(item)}"
