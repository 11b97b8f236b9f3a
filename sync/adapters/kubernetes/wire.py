"""The answers of a Kubernetes API server as values: a Secret becomes `Observed`, a refusal one of our errors.

Shapes: https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/ and, for
`managedFields` and `Status`, the common definitions beside it. Every byte of an answer is foreign.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from sync.errors import LONGEST_WAIT, Changed, Invalid, NotFound, Temporary, TokenRejected, TrustcastError, Unauthorized
from sync.reconcile.observed import FIELD_MANAGER, Observed
from sync.reconcile.ownership import OWNERS_ANNOTATION, parse_owners, room_beside
from sync.text import printable
from sync.typed_json import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SSE_LABEL = "secrets-store.sync.x-k8s.io"
_SSE_OWNER = "SecretSync"
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_TOO_LARGE = "etcdserver: request is too large"
_QUOTED = re.compile(r"Invalid value|\{")
"""Where a refusal starts to quote the object, possibly the whole Secret with others' keys (law 9)."""


@dataclass(frozen=True, slots=True)
class Call:
    """What was requested, in RBAC's terms: verb, namespace and name of a Secret."""

    verb: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """The request as part of a sentence."""
        return f"{self.verb} Secret {self.namespace}/{self.name}"


class _ManagedFields(msgspec.Struct, rename="camel"):
    manager: str = ""
    operation: str = ""
    fields_v1: dict[str, Any] = msgspec.field(default_factory=dict, name="fieldsV1")


class _Owner(msgspec.Struct):
    kind: str


class _Metadata(msgspec.Struct, rename="camel"):
    uid: str
    resource_version: str
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[_Owner] | None = None
    managed_fields: list[_ManagedFields] | None = None


class _Secret(msgspec.Struct):
    metadata: _Metadata
    data: dict[str, bytes] | None = None
    immutable: bool | None = None


class _Cause(msgspec.Struct):
    field: str = ""


class _StatusDetails(msgspec.Struct):
    name: str = ""
    kind: str = ""
    causes: list[_Cause] = []


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""
    details: _StatusDetails = msgspec.field(default_factory=_StatusDetails)


def observed(body: bytes) -> Observed:
    """The Secret that a successful answer holds.

    Raises:
        Invalid: the answer is not a Secret.
    """
    try:
        secret = decoded(body, _Secret)
    except _UNREADABLE as error:
        raise Invalid(
            "the cluster answered with something other than a Secret: is its address that of an API server?"
        ) from error
    metadata = secret.metadata
    annotations = metadata.annotations or {}
    annotation = annotations.get(OWNERS_ANNOTATION, "")
    ownership = tuple(_ownership(metadata.managed_fields or ()))
    return Observed(
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        data=MappingProxyType(secret.data or {}),
        owned=frozenset(key for key, manager in ownership if manager is None),
        others=_others(ownership),
        sse_managed=_is_sse_managed(metadata),
        immutable=bool(secret.immutable),
        annotation=annotation,
        owners=parse_owners(annotation),
        annotation_room=room_beside(annotations),
    )


def proves_absence(body: bytes, call: Call) -> bool:
    """Whether a 404 is about exactly this Secret; that of a wrong path proves nothing."""
    status = _status(body)
    return status.reason == "NotFound" and (status.details.kind, status.details.name) == ("secrets", call.name)


def refusal(code: int, headers: Mapping[str, str], body: bytes, call: Call, *, token: str) -> TrustcastError:
    """The error for an unsuccessful answer; `token` is removed from what the server says."""
    match code:
        case HTTPStatus.UNAUTHORIZED:
            return TokenRejected("the cluster does not know the token (401): store a fresh credential")
        case HTTPStatus.FORBIDDEN:
            return Unauthorized(f"the token may not {call} (403): bind the Role to its service account")
        case HTTPStatus.NOT_FOUND:
            return _not_found(body, call)
        case HTTPStatus.CONFLICT | HTTPStatus.PRECONDITION_FAILED:
            return Changed(f"could not {call} ({code}): it is no longer what was read")
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.TOO_MANY_REQUESTS:
            return _busy(code, headers)
        case HTTPStatus.INTERNAL_SERVER_ERROR if _TOO_LARGE in _status(body).message:
            return Invalid(f"the cluster refused to {call}: the object is larger than its etcd takes in one request")
        case _ if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return _busy(code, headers)
    return _refused(code, body, call, token)


def _refused(code: int, body: bytes, call: Call, token: str) -> TrustcastError:
    if code < HTTPStatus.BAD_REQUEST:
        return Invalid(f"the cluster's address redirects ({code}), which is not followed: register its own address")
    status = _status(body)
    if any(cause.field == "metadata.uid" for cause in status.details.causes):  # the uid is a precondition of ours
        return Changed(f"could not {call} ({code}): another Secret has its name now")
    said = printable(_QUOTED.split(status.message.replace(token, "…"))[0])
    return Invalid(f"the cluster refused to {call} ({code}): {said}")


def _not_found(body: bytes, call: Call) -> TrustcastError:
    if call.verb != "create" and proves_absence(body, call):
        return Changed(f"could not {call} (404): it is gone")
    if call.verb == "create" and _status(body).reason == "NotFound":
        return NotFound(f"could not {call} (404): create the namespace {call.namespace}, or correct the list's object")
    return NotFound(f"could not {call} (404): is the registered address that of the API server?")


def _busy(code: int, headers: Mapping[str, str]) -> Temporary:
    wait = headers.get("Retry-After", "")
    seconds = min(float(wait), LONGEST_WAIT) if wait.isascii() and wait.isdecimal() else None
    return Temporary(f"the cluster is busy or broken ({code}); it is asked again later", retry_after=seconds)


def _status(body: bytes) -> _Status:
    try:
        return decoded(body, _Status)
    except _UNREADABLE:
        return _Status()


def _ownership(entries: list[_ManagedFields] | tuple[()]) -> Iterator[tuple[str, str | None]]:
    """Each key with each of its owners; None is our apply."""
    for entry in entries:
        ours = (entry.manager, entry.operation) == (FIELD_MANAGER, "Apply")
        fields = entry.fields_v1.get("f:data")
        for path in fields if isinstance(fields, dict) else ():
            if path.startswith("f:"):
                yield path.removeprefix("f:"), None if ours else entry.manager


def _others(ownership: tuple[tuple[str, str | None], ...]) -> Mapping[str, tuple[str, ...]]:
    managers: dict[str, list[str]] = {}
    for key, manager in ownership:
        if manager is not None and manager not in managers.setdefault(key, []):
            managers[key].append(manager)
    return MappingProxyType({key: tuple(sorted(names)) for key, names in managers.items()})


def _is_sse_managed(metadata: _Metadata) -> bool:
    owners = metadata.owner_references or []
    return _SSE_LABEL in (metadata.labels or {}) or any(owner.kind == _SSE_OWNER for owner in owners)
