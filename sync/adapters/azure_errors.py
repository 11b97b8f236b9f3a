"""Azure's errors as ours: one table of statuses for vault, tables and queues.

Our messages name what was tried, the status and Azure's error code, never Azure's text, which may quote content.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)

from sync.errors import (
    LONGEST_WAIT,
    Changed,
    Invalid,
    NotFound,
    Permanent,
    Temporary,
    TrustcastError,
    Unauthorized,
    Unreachable,
)
from sync.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KINDS: dict[int, type[TrustcastError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    408: Temporary,
    409: Changed,
    412: Changed,
    413: Invalid,
    422: Invalid,
    429: Temporary,
}
"""What a status means; other 3xx and 4xx are permanent, everything else (5xx, a garbled 200) is temporary."""

OTHER_REFUSALS = range(300, 500)

NO_ANSWER = (ServiceRequestError, ServiceResponseError, IncompleteReadError)
"""The connection or TLS failed, or time ran out, before the answer was complete."""


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise Azure's errors within as ours.

    Args:
        what: what is tried, as the beginning of the message (`reading table trustcastwork`); safe to show.

    Raises:
        TrustcastError: of the kind that the status or transport failure means, with the cause chained.
    """
    try:
        yield
    except AzureError as cause:
        raise translate(cause, what) from cause


def translate(error: AzureError, what: str) -> TrustcastError:
    """Our error for an error of Azure's clients."""
    if isinstance(error, NO_ANSWER):
        return Unreachable(f"{what}: no answer ({type(error).__name__})")
    if isinstance(error, HttpResponseError) and error.status_code:
        return _of_status(error, error.status_code, what)
    if isinstance(error, ClientAuthenticationError):
        return Unauthorized(f"{what}: no token for Azure could be obtained: check the app's identity")
    return Temporary(f"{what}: {type(error).__name__}")


def _of_status(error: HttpResponseError, status: int, what: str) -> TrustcastError:
    kind = KINDS.get(status, Permanent if status in OTHER_REFUSALS else Temporary)
    message = f"{what}: status {status} {code(error)}".rstrip()
    if issubclass(kind, Temporary):
        return kind(message, retry_after=retry_after(getattr(error.response, "headers", {})))
    return kind(message)


def code(error: AzureError) -> str:
    """Azure's code for the error (`EntityNotFound`, `SecretDisabled`), the innermost; empty if none."""
    found = getattr(error, "error_code", None)
    if found is None and isinstance(error, HttpResponseError) and error.error is not None:
        inner = error.error.innererror
        found = (inner.get("code") if isinstance(inner, dict) else None) or error.error.code
    return printable(str(getattr(found, "value", found) or ""))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the answer asks us to wait, at most an hour; None if it does not. Azure sends no dates here."""
    for name, unit in (("retry-after-ms", 1000), ("x-ms-retry-after-ms", 1000), ("Retry-After", 1)):
        value = headers.get(name, "")
        if value.isascii() and value.isdigit():
            return min(float(value) / unit, LONGEST_WAIT)
    return None
