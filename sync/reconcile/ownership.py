"""STUB until the annotation's codec is merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sync.catalogue.secret import SecretKey


@dataclass(frozen=True, slots=True)
class OwnedFile:
    sha256: str
    owner: SecretKey | None = None
    version: str = ""
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Owners:
    place: str = ""
    files: Mapping[str, OwnedFile] = field(default_factory=lambda: MappingProxyType({}))
