"""Whose each file of a list is, as the object itself remembers it: an annotation of the Secret.

It is JSON with one file a line, so that `kubectl describe` shows which secret a file comes from:

    {"schema":1,"place":"…","vaults":{
    "plant-1.vault.azure.net":{
    "root.der":{"secret":"root","version":"…","sha256":"…"},
    "sub.der":{"secret":"sub","version":"…","shared":true,"sha256":"…"}}}}

Anyone on the cluster can edit it: what is read is a claim, true of a file only where the hash is that of its bytes.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import msgspec

from sync.catalogue.assignment import LONGEST_NAME
from sync.catalogue.secret import SecretKey
from sync.errors import Invalid
from sync.fleet.documents import repeated
from sync.fleet.names import is_secret_name
from sync.fleet.vaults import vault_host
from sync.typed_json import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

OWNERS_ANNOTATION = "trustcast.io/owners"

ANNOTATIONS_LIMIT = 256 * 1024
"""Most bytes of all keys and values of an object's annotations: TotalAnnotationSizeLimitB of Kubernetes,
https://github.com/kubernetes/apimachinery/blob/v0.34.4/pkg/api/validation/objectmeta.go."""

REQUEST_LIMIT = 1536 * 1024 - 64 * 1024
"""Bytes that etcd takes in one request (`--max-request-bytes`, 1.5 MiB by default), less what is not counted here."""

SCHEMA = 1
"""Of the annotation."""

T = TypeVar("T")

_FILE = re.compile(rf"(?!\.\Z|\.\.)[-._a-zA-Z0-9]{{1,{LONGEST_NAME}}}")
_PLACE = re.compile(r"[\x20-\x7e]{0,1024}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"[0-9A-Za-z]{0,64}")


@dataclass(frozen=True, slots=True)
class OwnedFile:
    """One file of ours.

    Attributes:
        sha256: of the file's bytes, in lower-case hexadecimal.
        owner: the secret that it comes from; None if unknown.
        version: of that secret; empty if unknown.
        shared: another writer had the key first, with the same bytes.
    """

    sha256: str
    owner: SecretKey | None
    version: str = ""
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Owners:
    """What an object says about its files.

    Attributes:
        place: which object it says it is (`Registration.place`), as a copy says it too; empty if it says none.
        files: file name to what is known of it.
    """

    place: str = ""
    files: Mapping[str, OwnedFile] = field(default_factory=lambda: MappingProxyType({}))


NO_OWNERS = Owners()


class _Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file's line; the hash comes last, as `kubectl describe` cuts a line after 138 characters."""

    secret: str
    version: str = ""
    shared: bool = False
    sha256: str


class _Document(msgspec.Struct, frozen=True):
    schema: int
    place: str
    vaults: dict[str, msgspec.Raw]


def room_in_request(sizes: Mapping[str, int]) -> int:
    """Bytes that the annotation may take in an object with these files, by name: tried on a real server.

    A file's name counts in its data and in the managed fields, with some bytes around it each time.
    """
    return max(0, REQUEST_LIMIT - sum(size + 2 * len(name) + 20 for name, size in sizes.items()))


def room_beside(annotations: Mapping[str, str]) -> int:
    """The bytes that the annotation's value may have beside the others of the object; never negative."""
    others = sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items() if k != OWNERS_ANNOTATION)
    return max(0, ANNOTATIONS_LIMIT - len(OWNERS_ANNOTATION) - others)


def encode_owners(owners: Owners, room: int) -> str:
    """The annotation's value, the same text for the same owners; empty where there is nothing to say or no room.

    Files without an owner are left out. So are as many of the last by name as must be to keep within the room.

    Args:
        owners: names and hashes as `parse_owners` takes them; others would be lost in reading.
        room: most bytes of UTF-8.
    """
    files = sorted((name, file) for name, file in owners.files.items() if file.owner is not None)
    whole = _text(owners.place, files)
    if len(whole.encode()) <= room:
        return whole
    fitting = bisect_right(range(len(files)), room, key=lambda count: len(_text(owners.place, files[:count]).encode()))
    return _text(owners.place, files[: fitting - 1]) if fitting else ""


def _text(place: str, files: Sequence[tuple[str, OwnedFile]]) -> str:
    if not place and not files:
        return ""
    lines: dict[str, list[str]] = {}
    for name, file in files:
        if file.owner is not None:
            entry = _Entry(secret=file.owner.name, version=file.version, shared=file.shared, sha256=file.sha256)
            lines.setdefault(file.owner.vault, []).append(f"\n{_json(name)}:{_json(entry)}")
    vaults = ",".join(f"\n{_json(vault)}:{{{','.join(lines[vault])}}}" for vault in sorted(lines))
    return f'{{"schema":{SCHEMA},"place":{_json(place)},"vaults":{{{vaults}}}}}'


def _json(content: str | _Entry) -> str:
    return msgspec.json.encode(content).decode()


def parse_owners(text: str | None) -> Owners:
    """What an annotation says; what is malformed in it is left out, and nothing is raised.

    A file that is named twice, under two vaults, is left out. Unknown fields are ignored: a meaning that must not be
    missed changes the schema, and nothing is read from another schema.

    Args:
        text: the annotation's value; None if the object has none.
    """
    if text is None or len(text.encode(errors="surrogatepass")) > ANNOTATIONS_LIMIT:
        return NO_OWNERS
    document = _decoded(text, _Document)
    if document is None or document.schema != SCHEMA:
        return NO_OWNERS
    named = [each for host, files in document.vaults.items() if _is_host(host) for each in _files(host, files)]
    twice = set(repeated(name for name, _ in named))
    place = document.place if _PLACE.fullmatch(document.place) else ""
    return Owners(place, MappingProxyType({name: file for name, file in named if name not in twice}))


def _files(host: str, files: msgspec.Raw) -> Iterator[tuple[str, OwnedFile]]:
    """The well-formed files under a vault."""
    for name, raw in (_decoded(files, dict[str, msgspec.Raw]) or {}).items():
        entry = _decoded(raw, _Entry)
        if entry is not None and _FILE.fullmatch(name) and _is_sound(entry):
            yield name, OwnedFile(entry.sha256, SecretKey(host, entry.secret), entry.version, entry.shared)


def _is_sound(entry: _Entry) -> bool:
    named = is_secret_name(entry.secret) and entry.secret == entry.secret.casefold()
    return named and bool(_VERSION.fullmatch(entry.version)) and bool(_SHA256.fullmatch(entry.sha256))


def _is_host(text: str) -> bool:
    """Whether it is a vault's host as a `SecretKey` has it."""
    try:
        return vault_host(f"https://{text}") == text
    except Invalid:
        return False


def _decoded(text: str | msgspec.Raw, wanted: type[T]) -> T | None:
    try:
        return decoded(text, wanted)
    except (ValueError, RecursionError):  # msgspec's errors and UnicodeEncodeError are ValueErrors
        return None
