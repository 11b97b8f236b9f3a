"""Names as Kubernetes and Key Vault allow them."""

from __future__ import annotations

import re

DNS_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
"""Pattern of a DNS label of RFC 1123."""

SECRET_NAME = r"[0-9A-Za-z-]{1,127}"  # noqa: S105 - a pattern
"""Pattern of a secret's name in Key Vault."""

_DNS_LABEL = re.compile(DNS_LABEL)
_SECRET_NAME = re.compile(SECRET_NAME)


def is_dns_label(text: str) -> bool:
    """Whether it is a DNS label: at most 63 lower-case letters, digits and inner hyphens."""
    return _DNS_LABEL.fullmatch(text) is not None


def is_secret_name(text: str) -> bool:
    """Whether Key Vault may have a secret of this name: at most 127 letters, digits and hyphens."""
    return _SECRET_NAME.fullmatch(text) is not None
