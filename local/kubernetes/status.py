"""Refusals of a Kubernetes API server: `Status` objects worded as by a real one."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """A refused request; `status` is the body of the answer."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            **({"reason": reason} if reason else {}),
            **({"details": details} if details is not None else {}),
            "code": code,
        }


def secret_named(name: str) -> dict[str, Any]:
    """Details that name a Secret."""
    return {"name": name, "kind": "secrets"}


def not_found(kind: str, name: str) -> Refused:
    """404: the object does not exist."""
    return Refused(404, "NotFound", f'{kind} "{name}" not found', {"name": name, "kind": kind})


def already_exists(name: str) -> Refused:
    """409 on a POST of a name that is taken."""
    return Refused(409, "AlreadyExists", f'secrets "{name}" already exists', secret_named(name))


def conflict(name: str, why: str) -> Refused:
    """409: a precondition does not hold."""
    message = f'Operation cannot be fulfilled on secrets "{name}": {why}'
    return Refused(409, "Conflict", message, secret_named(name))


def stale(name: str) -> Refused:
    """409: the resourceVersion is outdated."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(name, why)


def invalid(name: str, causes: list[tuple[str, str, str]]) -> Refused:
    """422 with its causes, each (reason, message, field)."""
    lines = [f"{field}: {message}" for _, message, field in causes]
    listed = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    details = {
        "name": name,
        "kind": "Secret",
        "causes": [{"reason": reason, "message": message, "field": field} for reason, message, field in causes],
    }
    return Refused(422, "Invalid", f'Secret "{name}" is invalid: {listed}', details)


def owned_by_others(conflicts: dict[str, list[str]]) -> Refused:
    """409 on an apply without force: the other managers, each with the fields that it owns."""
    pairs = [(manager, field) for manager, fields in sorted(conflicts.items()) for field in sorted(fields)]
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": field}
        for manager, field in pairs
    ]
    if len(pairs) == 1:
        summary = f"1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        lists = ([f"conflicts with {manager}:", *sorted(fields)] for manager, fields in sorted(conflicts.items()))
        summary = f"{len(pairs)} conflicts: " + "\n".join("\n- ".join(lines) for lines in lists)
    return Refused(409, "Conflict", f"Apply failed with {summary}", {"causes": causes})


def unauthorized() -> Refused:
    """401: the token is unknown."""
    return Refused(401, "Unauthorized", "Unauthorized")


def forbidden(user: str, verb: str, namespace: str, name: str | None) -> Refused:
    """403: the token may not do this."""
    what = f'secrets "{name}"' if name else "secrets"
    message = (
        f'{what} is forbidden: User "{user}" cannot {verb} resource "secrets" in API group "" '
        f'in the namespace "{namespace}"'
    )
    return Refused(403, "Forbidden", message, secret_named(name) if name else {"kind": "secrets"})


def unknown_path() -> Refused:
    """404: no such resource path."""
    return Refused(404, "NotFound", "the server could not find the requested resource", {})


def bad_request(message: str) -> Refused:
    """400: the request does not make sense."""
    return Refused(400, "BadRequest", message)


def of_code(code: int) -> Refused:
    """A refusal with nothing but its code, for faults on demand."""
    reasons = {401: "Unauthorized", 403: "Forbidden", 409: "Conflict", 422: "Invalid", 429: "TooManyRequests"}
    return Refused(code, reasons.get(code, "InternalError"), f"fault on demand: {code}")
