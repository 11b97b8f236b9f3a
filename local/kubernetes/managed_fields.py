"""A Secret's content as flat fields, and who owns which: the set arithmetic of server-side apply, for Secrets only.

A field's path is written as managedFields write it (`("f:data", "f:ca.der")`), so that ownership is plain sets of
paths. Maps are fields too, besides their content; an empty map is not a field, since Kubernetes omits it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Path = tuple[str, ...]
Fields = Mapping[Path, Any]

_MAPS: dict[str, Path] = {
    "data": ("f:data",),
    "labels": ("f:metadata", "f:labels"),
    "annotations": ("f:metadata", "f:annotations"),
}
_OWNERS: Path = ("f:metadata", "f:ownerReferences")
_SCALARS: dict[str, Path] = {"type": ("f:type",), "immutable": ("f:immutable",)}
DATA = _MAPS["data"]
ANNOTATIONS = _MAPS["annotations"]
TYPE = _SCALARS["type"]
IMMUTABLE = _SCALARS["immutable"]


def fields_of(body: Mapping[str, Any]) -> dict[Path, Any]:
    """The fields that a Secret's JSON sets; a null key of a map is kept as None, for merge patches.

    Raises:
        TypeError: a field has the wrong type.
        KeyError: an owner reference lacks a uid.
    """
    metadata = _mapping(body.get("metadata"), "metadata")
    fields = {path: body[name] for name, path in _SCALARS.items() if body.get(name) is not None}
    for name, path in _MAPS.items():
        content = _mapping((body if name == "data" else metadata).get(name), name)
        fields |= {(*path, f"f:{key}"): _text(value, name) for key, value in content.items()}
    for owner in metadata.get("ownerReferences") or ():
        fields[*_OWNERS, f"k:{json.dumps({'uid': owner['uid']}, separators=(',', ':'))}"] = owner
    return fields


def set_paths(fields: Fields) -> frozenset[Path]:
    """Every field that is set, including maps: what an Update that sets them owns."""
    maps = {path[:-1] for path in fields if len(path) > 1}
    return frozenset(fields) | maps


def patched(live: Fields, patch: Fields, *, replaces_owners: bool) -> dict[Path, Any]:
    """The fields after a JSON merge patch (RFC 7396): null removes, and lists are replaced as a whole."""
    kept = {p: v for p, v in live.items() if not (replaces_owners and p[:-1] == _OWNERS)}
    return {path: value for path, value in {**kept, **patch}.items() if value is not None}


def changed_paths(old: Fields, new: Fields) -> frozenset[Path]:
    """Paths that were added or changed value."""
    added = set_paths(new) - set_paths(old)
    return added | {path for path, value in new.items() if path in old and old[path] != value}


def removed_paths(old: Fields, new: Fields) -> frozenset[Path]:
    """Paths that are no longer set."""
    return set_paths(old) - set_paths(new)


def body_of(fields: Fields) -> tuple[dict[str, Any], dict[str, Any]]:
    """The content as JSON again: the top-level fields, and those of the metadata."""
    top: dict[str, Any] = {name: fields[path] for name, path in _SCALARS.items() if path in fields}
    metadata: dict[str, Any] = {}
    for name, path in _MAPS.items():
        content = {p[-1].removeprefix("f:"): value for p, value in fields.items() if p[:-1] == path}
        if content:
            (top if name == "data" else metadata)[name] = content
    owners = [value for path, value in fields.items() if path[:-1] == _OWNERS]
    return top, metadata | ({"ownerReferences": owners} if owners else {})


def fields_v1(paths: frozenset[Path]) -> dict[str, Any]:
    """A set of paths in the shape of managedFields: a tree, where `.` means that the map itself is in the set."""
    maps = {path[:length] for path in paths for length in range(len(path))}
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
        if path in maps:
            node["."] = {}
    return tree


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f".{name}: expected map, got &{{{value}}}")
    return value


def _text(value: Any, name: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f".{name}: expected string, got &{{{value}}}")
    return value
