"""The JSON answers of a stand-in vault, in Azure's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from local.keyvault.secrets import RECOVERABLE_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local.keyvault.pages import Cursor
    from local.keyvault.secrets import Deleted, Refused, Version


def item(vault: str, version: Version, *, versioned: bool = True) -> dict[str, Any]:
    """A version without its value; the listing of the vault omits the version from the identifier."""
    address = f"{vault}/secrets/{version.name}"
    return _without_none(
        id=f"{address}/{version.id}" if versioned else address,
        attributes=_attributes(version),
        contentType=version.content_type,
        tags=version.tags,
        managed=version.managed or None,
    )


def bundle(vault: str, version: Version) -> dict[str, Any]:
    """A version with its value."""
    return {**item(vault, version), **_without_none(kid=version.key_id), "value": version.value}


def deleted_item(vault: str, deleted: Deleted) -> dict[str, Any]:
    """A soft-deleted secret."""
    newest = deleted.versions[-1]
    return {
        **item(vault, newest),
        "recoveryId": f"{vault}/deletedsecrets/{newest.name}",
        "deletedDate": deleted.deleted,
        "scheduledPurgeDate": deleted.purged_at,
    }


def page(listing: str, items: Iterable[dict[str, Any]], following: Cursor | None, size: int) -> JSONResponse:
    """A page of the listing at that URL; the link to the next leaves the API version to the client."""
    link = f"{listing}?$skiptoken={following}&maxresults={size}" if following else None
    return JSONResponse({"value": list(items), "nextLink": link})


def error(refused: Refused) -> JSONResponse:
    """A refusal in Azure's error shape."""
    inner = {"innererror": {"code": refused.inner}} if refused.inner else {}
    content = {"error": {"code": refused.code, "message": refused.message, **inner}}
    return JSONResponse(content, refused.status)


def _attributes(version: Version) -> dict[str, Any]:
    return _without_none(
        enabled=version.enabled,
        nbf=version.not_before,
        exp=version.expires,
        created=version.created,
        updated=version.updated,
        recoveryLevel="Recoverable+Purgeable",
        recoverableDays=RECOVERABLE_DAYS,
    )


def _without_none(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
