"""Names of subjects and issuers, as bytes that are equal where RFC 5280 §7.1 calls the names equal."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

_BETWEEN_RDNS, _WITHIN_RDN = "\x1e", "\x1f"
"""White space to `str.split`, so no value contains them once its blanks are folded."""


def comparable(name: x509.Name) -> bytes:
    """The name for comparing only (RFC 5280 §7.1, RFC 4518 §2).

    The string's type, case, compatibility forms of characters and runs of blanks do not count, and blanks at the ends
    not at all; nor does the order of the attributes within one relative name, which is a set.
    """
    rdns = (sorted(f"{each.oid.dotted_string}={_folded(each.value)}" for each in rdn) for rdn in name.rdns)
    return _BETWEEN_RDNS.join(_WITHIN_RDN.join(rdn) for rdn in rdns).encode("utf-8", "surrogatepass")


def _folded(value: str | bytes) -> str:
    text = value if isinstance(value, str) else value.hex()
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
