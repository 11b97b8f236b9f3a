"""The errors of trustcast: one small tree, split by whether a retry can help.

    TrustcastError
    ├── Permanent      a retry changes nothing: a person must act
    │   ├── Unauthorized   credentials or permissions are missing (401, 403)
    │   │   └── TokenRejected  the token itself is refused (401): a fresh credential may help
    │   ├── NotFound       the named thing does not exist (404)
    │   └── Invalid        we or the other side refuse the content (400, 422, bad input)
    └── Temporary      a later retry may succeed (429, 5xx, connection, time-out)
        ├── Unreachable    no answer at all: connection, TLS, time-out
        └── Changed        it changed since it was read (409, 412): read it again

Adapters translate every foreign error into this tree and chain the cause; no other error leaves them.
Messages are safe to show: they carry no value, key, token or foreign body beyond 256 characters.
"""

from __future__ import annotations

LONGEST_WAIT = 3600.0
"""Seconds; the longest wait that another side can impose on us by `retry_after`."""


class TrustcastError(Exception):
    """Any failure that trustcast can name."""


class Permanent(TrustcastError):
    """A retry changes nothing: a person must act."""


class Unauthorized(Permanent):
    """The credentials are missing, expired, or allow too little (401, 403)."""


class TokenRejected(Unauthorized):
    """The token itself is refused (401): a fresh credential may help."""


class NotFound(Permanent):
    """The named thing does not exist (404)."""


class Invalid(Permanent):
    """The content is refused, by us as bad input or by the other side (400, 422)."""


class Temporary(TrustcastError):
    """A later retry may succeed.

    Attributes:
        retry_after: seconds that the other side asked us to wait; None if it did not say.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unreachable(Temporary):
    """No answer: connection refused, TLS failed, time-out."""


class Changed(Temporary):
    """The target of a write changed since it was read (409, 412): read it again."""
