"""Secrets as a kube-apiserver keeps them, without I/O: each verb maps the live object to the new one.

Ownership follows https://kubernetes.io/docs/reference/using-api/server-side-apply/: a manager is a name with the
operation (Apply or Update) that it last used on its fields. The contract suite holds this to a real API server.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from local.kubernetes.managed_fields import (
    ANNOTATIONS,
    DATA,
    IMMUTABLE,
    TYPE,
    Fields,
    Path,
    body_of,
    changed_paths,
    fields_of,
    fields_v1,
    patched,
    removed_paths,
    set_paths,
)
from local.kubernetes.status import Refused, bad_request, conflict, invalid, owned_by_others, stale

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Cause = tuple[str, str, str]  # reason, message, field
_LONGEST_NAME = 253  # characters: a DNS subdomain (RFC 1123), for names and for keys
MAX_DATA = 1048576  # bytes, decoded, of all keys together
MAX_ANNOTATIONS = 262144  # bytes of all keys and values together
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class Manager:
    """Who owns fields; sorts as managedFields do, Apply before Update."""

    operation: str
    name: str


@dataclass(frozen=True, slots=True)
class Owned:
    """The fields of one manager, and when they last changed."""

    paths: frozenset[Path]
    time: str


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the server adds to a change: the next resourceVersion, a fresh uid, the time in RFC 3339."""

    version: int
    uid: str
    time: str


@dataclass(frozen=True, slots=True)
class Secret:
    """One Secret."""

    namespace: str
    name: str
    uid: str
    created: str
    version: int
    fields: Fields
    managers: Mapping[Manager, Owned]

    def files(self) -> dict[str, bytes]:
        """Its decoded data."""
        prefix = len(DATA)
        data = {p[-1].removeprefix("f:"): v for p, v in self.fields.items() if p[:prefix] == DATA}
        return {key: base64.b64decode(value, validate=True) for key, value in data.items()}

    def body(self) -> dict[str, Any]:
        """The object as the API shows it."""
        top, metadata = body_of(self.fields)
        managers = sorted(self.managers.items(), key=lambda item: (item[0].operation, item[1].time, item[0].name))
        return {
            "kind": "Secret",
            "apiVersion": "v1",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "uid": self.uid,
                "resourceVersion": str(self.version),
                "creationTimestamp": self.created,
                **metadata,
                "managedFields": [_managed(manager, owned) for manager, owned in managers],
            },
            **top,
        }


def created(namespace: str, body: Mapping[str, Any], manager: str, stamp: Stamp) -> Secret:
    """POST: everything in the body belongs to the manager's Update, and no later apply removes it."""
    name = _name(body)
    _check_names(namespace, name, body)
    fields = {TYPE: "Opaque", **_set_fields(body), **_string_data(body)}
    owned = {Manager("Update", manager): Owned(set_paths(fields), stamp.time)}
    return _checked(_new(namespace, name, fields, owned, stamp))


def merged(live: Secret, patch: Mapping[str, Any], manager: str, stamp: Stamp) -> Secret:
    """JSON merge patch: changed fields move to the manager's Update, removed ones leave every manager."""
    _check_names(live.namespace, live.name, patch)
    replaces_owners = "ownerReferences" in (patch.get("metadata") or {})
    fields = patched(live.fields, _patch_fields(live.fields, patch), replaces_owners=replaces_owners)
    changed = changed_paths(live.fields, fields)
    gone = changed | removed_paths(live.fields, fields)
    managers = {who: replace(owned, paths=owned.paths - gone) for who, owned in live.managers.items()}
    updater = Manager("Update", manager)
    before = live.managers.get(updater, Owned(frozenset(), stamp.time))
    mine = (before.paths - removed_paths(live.fields, fields)) | changed
    managers[updater] = before if mine == before.paths else Owned(mine, stamp.time)
    # An object without managers stays without: only an apply starts the bookkeeping.
    return _settled(live, fields, managers if live.managers else {}, patch, stamp)


def applied(
    live: Secret | None,
    namespace: str,
    name: str,
    config: Mapping[str, Any],
    manager: str,
    stamp: Stamp,
    *,
    force: bool,
) -> Secret:
    """Server-side apply: the manager's Apply owns exactly what the configuration sets.

    Fields that it owned before, no longer sets, and nobody else owns are removed. A field that another manager
    owns with a different value is a conflict; with `force` it becomes this manager's.
    """
    _check_names(namespace, name, config)
    if (config.get("metadata") or {}).get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    fields, applier = _set_fields(config), Manager("Apply", manager)
    if live is None:
        return _apply_new(namespace, name, config, fields, applier, stamp)
    seen = live if live.managers else _managed_before(live, stamp)
    claimed = _claimed(config, fields)
    # An empty map is claimed but not kept, so each apply of one adds it again.
    changed = changed_paths(live.fields, {**live.fields, **fields}) | (claimed - set_paths(live.fields))
    others = _yielding(seen, changed, applier, force=force)
    before = live.managers.get(applier, Owned(frozenset(), stamp.time))
    kept_by_others = frozenset[Path]().union(*(owned.paths for owned in others.values()))
    gone = before.paths - claimed - kept_by_others
    result = {p: v for p, v in {**live.fields, **fields}.items() if p not in gone}
    mine = before if before.paths == claimed else Owned(claimed, stamp.time)
    return _settled(live, result, {**others, applier: mine}, config, stamp)


def _apply_new(
    namespace: str, name: str, config: Mapping[str, Any], fields: Fields, applier: Manager, stamp: Stamp
) -> Secret:
    if uid := (config.get("metadata") or {}).get("uid"):
        found = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise conflict(name, found)
    owned = {applier: Owned(_claimed(config, fields), stamp.time)}
    return _checked(_new(namespace, name, {TYPE: "Opaque", **fields}, owned, stamp))


def _claimed(config: Mapping[str, Any], fields: Fields) -> frozenset[Path]:
    """What an apply owns: a map itself only if it is given empty."""
    return frozenset(fields) | (frozenset({DATA}) if config.get("data") == {} else frozenset())


def _managed_before(live: Secret, stamp: Stamp) -> Secret:
    """The object with an owner for fields that no manager owns, as the first apply finds it."""
    manager = Manager("Update", "before-first-apply")
    return replace(live, managers={manager: Owned(set_paths(live.fields), stamp.time)})


def _yielding(live: Secret, changed: frozenset[Path], applier: Manager, *, force: bool) -> dict[Manager, Owned]:
    """The other managers, without the fields that the apply changes."""
    others = {who: owned for who, owned in live.managers.items() if who != applier}
    conflicts = {
        _spoken(who): [_dotted(path) for path in owned.paths & changed]
        for who, owned in others.items()
        if owned.paths & changed
    }
    if conflicts and not force:
        raise owned_by_others(conflicts)
    return {who: replace(owned, paths=owned.paths - changed) for who, owned in others.items()}


def _settled(
    live: Secret,
    fields: Fields,
    managers: Mapping[Manager, Owned],
    asked: Mapping[str, Any],
    stamp: Stamp,
) -> Secret:
    """The changed object under a new resourceVersion, or the live one if nothing changed."""
    metadata = asked.get("metadata") or {}
    if metadata.get("resourceVersion") not in {None, "", str(live.version)}:
        raise stale(live.name)
    uid = metadata.get("uid") or live.uid
    managers = {who: owned for who, owned in managers.items() if owned.paths}
    changed = replace(live, uid=uid, fields=MappingProxyType(dict(fields)), managers=managers, version=stamp.version)
    causes = _frozen_causes(changed, live, empties=asked.get("data") is not None and not live.files())
    checked = _checked(changed, causes)
    return live if fields == live.fields and managers == live.managers else checked


def _new(namespace: str, name: str, fields: Fields, managers: Mapping[Manager, Owned], stamp: Stamp) -> Secret:
    owned = {who: has for who, has in managers.items() if has.paths}
    return Secret(namespace, name, stamp.uid, stamp.time, stamp.version, MappingProxyType(dict(fields)), owned)


def _checked(secret: Secret, causes: Iterable[Cause] = ()) -> Secret:
    """The Secret, if its content is valid and there are no other causes to refuse it."""
    try:
        files = secret.files()
    except binascii.Error as error:
        raise Refused(500, "", f"error decoding from json: illegal base64 data: {error}") from error
    causes = [
        *_annotation_causes(secret.fields),
        *causes,
        *(cause for key in sorted(files) for cause in _key_causes(key)),
    ]
    if sum(len(content) for content in files.values()) > MAX_DATA:
        causes.append(("FieldValueTooLong", f"Too long: may not be more than {MAX_DATA} bytes", "data"))
    if causes:
        raise invalid(secret.name, causes)
    return secret


def _annotation_causes(fields: Fields) -> list[Cause]:
    annotations = {p[-1].removeprefix("f:"): value for p, value in fields.items() if p[:-1] == ANNOTATIONS}
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) <= MAX_ANNOTATIONS:
        return []
    said = f"Too long: may not be more than {MAX_ANNOTATIONS} bytes"
    return [("FieldValueTooLong", said, "metadata.annotations")]


def _key_causes(key: str) -> list[Cause]:
    complaints = []
    if len(key) > _LONGEST_NAME:
        complaints.append(f"must be no more than {_LONGEST_NAME} characters")
    if not _KEY.fullmatch(key):
        complaints.append("a valid config key must consist of alphanumeric characters, '-', '_' or '.'")
    if key == ".":
        complaints.append("must not be '.'")
    elif key.startswith(".."):
        complaints.append("must not start with '..'" if key != ".." else "must not be '..'")
    return [("FieldValueInvalid", f'Invalid value: "{key}": {said}', f"data[{key}]") for said in complaints]


def _frozen_causes(secret: Secret, live: Secret, *, empties: bool) -> list[Cause]:
    """What may not change; an immutable Secret without data refuses even empty data (`empties`)."""
    causes = []
    if secret.uid != live.uid:
        said = f'Invalid value: "{secret.uid}": field is immutable'
        causes.append(("FieldValueInvalid", said, "metadata.uid"))
    if secret.fields.get(TYPE) != live.fields.get(TYPE):
        said = f'Invalid value: "{secret.fields.get(TYPE, "")}": field is immutable'
        causes.append(("FieldValueInvalid", said, "type"))
    if live.fields.get(IMMUTABLE):
        said = "Forbidden: field is immutable when `immutable` is set"
        if not secret.fields.get(IMMUTABLE):
            causes.append(("FieldValueForbidden", said, "immutable"))
        if empties or secret.files() != live.files():
            causes.append(("FieldValueForbidden", said, "data"))
    return causes


def _name(body: Mapping[str, Any]) -> str:
    name = (body.get("metadata") or {}).get("name") or ""
    if not name:
        said = "Required value: name or generateName is required"
        raise invalid(name, [("FieldValueRequired", said, "metadata.name")])
    if not _NAME.fullmatch(name):
        said = f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower case characters'
        raise invalid(name, [("FieldValueInvalid", said, "metadata.name")])
    if len(name) > _LONGEST_NAME:
        said = f'Invalid value: "{name}": must be no more than {_LONGEST_NAME} characters'
        raise invalid(name, [("FieldValueInvalid", said, "metadata.name")])
    return str(name)


def _check_names(namespace: str, name: str, config: Mapping[str, Any]) -> None:
    metadata = config.get("metadata") or {}
    if metadata.get("name", name) != name:
        given = metadata["name"]
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")
    if metadata.get("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def _fields(body: Mapping[str, Any]) -> dict[Path, Any]:
    try:
        return fields_of(body)
    except (KeyError, TypeError) as error:
        raise Refused(500, "", f"failed to create typed patch object: {error}") from error


def _set_fields(body: Mapping[str, Any]) -> dict[Path, Any]:
    """The fields of a whole object, in which a null is an empty value."""
    return {path: "" if value is None else value for path, value in _fields(body).items()}


def _patch_fields(live: Fields, patch: Mapping[str, Any]) -> dict[Path, Any]:
    """A merge patch's fields; `data: null` means every key."""
    everything = {path: None for path in live if path[:-1] == DATA} if patch.get("data", "") is None else {}
    scalars = {path: None for name, path in (("immutable", IMMUTABLE),) if patch.get(name, "") is None}
    return {**everything, **scalars, **_fields(patch), **_string_data(patch)}


def _string_data(body: Mapping[str, Any]) -> dict[Path, Any]:
    given: Mapping[str, str] = body.get("stringData") or {}
    return {(*DATA, f"f:{key}"): base64.b64encode(text.encode()).decode() for key, text in given.items()}


def _dotted(path: Path) -> str:
    return "." + ".".join(step.removeprefix("f:") for step in path)


def _spoken(manager: Manager) -> str:
    return f'"{manager.name}"' + (" using v1" if manager.operation == "Update" else "")


def _managed(manager: Manager, owned: Owned) -> dict[str, Any]:
    return {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": "v1",
        "time": owned.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields_v1(owned.paths),
    }
