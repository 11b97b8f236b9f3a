"""The errors of trustcast: one small tree, either worth a retry or not.

    TrustcastError
    ├── Permanent      asking again changes nothing: a person must act
    │   ├── Unauthorized   credentials or permissions are missing (401, 403)
    │   │   └── TokenRejected  the token itself is refused (401): a fresh credential may help
    │   ├── NotFound       the named thing does not exist (404)
    │   └── Invalid        the other side, or we, refuse the content (400, 422, bad input)
    └── Temporary      asking again later may succeed (429, 5xx, connection, time-out)
        ├── Unreachable    no answer at all: connection, TLS, time-out
        └── Changed        the thing changed since it was read (409, 412): read anew

Adapters translate every foreign error into this tree and chain the cause; nothing else travels inward.
Messages are safe to show: they carry no value, key, token or foreign body beyond 256 characters.
"""

from __future__ import annotations


class TrustcastError(Exception):
    """Any failure that trustcast knows how to speak of."""


class Permanent(TrustcastError):
    """Asking again changes nothing: a person must act."""


class Unauthorized(Permanent):
    """The credentials are missing, expired, or allow too little (401, 403)."""


class TokenRejected(Unauthorized):
    """The token itself is refused (401): a fresh credential may help."""


class NotFound(Permanent):
    """The named thing does not exist (404)."""


class Invalid(Permanent):
    """The content is refused: by us as bad input, or by the other side (400, 422)."""


class Temporary(TrustcastError):
    """Asking again later may succeed.

    Attributes:
        retry_after: seconds that the other side asked us to wait; None if it named none.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unreachable(Temporary):
    """There was no answer: connection refused, TLS failed, time-out."""


class Changed(Temporary):
    """What was to be written changed since it was read (409, 412): read it anew."""
