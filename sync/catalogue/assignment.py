"""Where a secret goes, by its tags: the lists, the clusters, the file names.

Tags belong to a version, and the usual ways to upload a new one drop them. So the newest version with the tag
`trustcast-lists` decides, and the other tags are taken from that same version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.certificates.items import Item, RevocationList, pem
from sync.errors import Invalid
from sync.findings import WAIVABLE, Code, Finding, Severity
from sync.fleet.lists import NO_LIST
from sync.fleet.selectors import EVERY_CLUSTER, Selector
from sync.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sync.catalogue.secret import VersionProperties
    from sync.fleet.configuration import Configuration
    from sync.fleet.vaults import WatchedVault

LISTS_TAG = "trustcast-lists"
CLUSTERS_TAG = "trustcast-clusters"
FILE_TAG = "trustcast-file"
ACCEPT_TAG = "trustcast-accept"

CERTIFICATE_TYPES = frozenset(
    {
        "application/pkix-cert",  # RFC 2585 §4.1
        "application/pkix-crl",  # RFC 2585 §4.2
        "application/x-x509-ca-cert",
        "application/x-x509-user-cert",
        "application/x-pem-file",
        "application/pem-certificate-chain",  # RFC 8555 §9.1
    }
)
"""Content types of certificates and CRLs."""

LONGEST_NAME = 253
"""Most characters in a key of a Kubernetes Secret."""

_FILE_NAME = re.compile(rf"(?!\.\.)(?=.{{1,{LONGEST_NAME}}}\Z)[-._a-zA-Z0-9]+\.(der|crt|crl)")
_DIGEST = re.compile(r"-[0-9a-f]{8}\Z")
_CERTIFICATE_SUFFIXES = {"-der": ".der", "-cer": ".der", "-crt": ".crt", "-pem": ".crt"}
_CRL_SUFFIXES = dict.fromkeys((*_CERTIFICATE_SUFFIXES, "-crl"), ".crl")


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where one secret goes.

    Attributes:
        lists: names of lists, sorted; empty means unassigned.
        clusters: text of the cluster selector, before the vault's ceiling narrows it.
        file: the file name that a tag gives; None derives it from the secret's name.
        accept: rejecting codes to waive where the list's policy allows it.
        version: the version with the tags; empty for a default and where no version has them.
        default: it is the watched vault's default.
    """

    lists: tuple[str, ...]
    clusters: str
    file: str | None = None
    accept: frozenset[Code] = frozenset()
    version: str = ""
    default: bool = False


NOWHERE = Assignment(lists=(), clusters=EVERY_CLUSTER)


@dataclass(frozen=True, slots=True)
class Assigned:
    """What the tags say.

    Attributes:
        assignment: None where the tags are rejected: the last assignment stays.
        findings: about the tags; one of them rejects exactly if `assignment` is None.
    """

    assignment: Assignment | None
    findings: tuple[Finding, ...] = ()


def assign(versions: tuple[VersionProperties, ...], vault: WatchedVault, configuration: Configuration) -> Assigned:
    """Where a secret goes.

    Args:
        versions: of the secret, newest first; disabled ones count too, since only their tags matter.
        vault: the vault that it is in.
        configuration: the defined lists.
    """
    for version in versions:
        if LISTS_TAG in version.tags:
            assigned = _by_tags(version, vault, configuration)
            dropped = () if version is versions[0] else (Finding(Code.TAGS_DROPPED),)
            return Assigned(assigned.assignment, assigned.findings + dropped)
    return _by_default(versions[0], vault) if versions else Assigned(NOWHERE)


def file_names(secret_name: str, assignment: Assignment, items: tuple[Item, ...]) -> tuple[tuple[str, Item], ...]:
    """The files that a secret gives: name and item, in the items' order.

    Without a tag the name is the secret's, case-folded, since Key Vault ignores case. The extension always fits the
    item (`.crl` for a CRL and for nothing else), whatever the tag or the secret's name says.

    Args:
        secret_name: the base of the names without a tag.
        assignment: its `file`, if set, is the base instead.
        items: what the secret holds; with several, each name ends with 8 hex digits of its item's SHA-256.
    """
    if len(items) == 1:
        return ((_file_name(secret_name, assignment.file, items[0], ""), items[0]),)
    return tuple((_file_name(secret_name, assignment.file, item, f"-{item.sha256[:8]}"), item) for item in items)


def base_names(secret_name: str, assignment: Assignment) -> frozenset[str]:
    """The names without extension and digest that a secret's files may have, whatever it holds."""
    named = {assignment.file[:-4]} if assignment.file else {_from_name(secret_name, is_crl=i)[0] for i in (True, False)}
    return frozenset({*named, *(base[: LONGEST_NAME - len("-01234567.der")] for base in named)})


def bases_of(file_name: str) -> frozenset[str]:
    """What the base of this file name may be: without extension, and without a digest's 8 hexadecimal digits."""
    base = file_name[:-4]
    return frozenset({base, _DIGEST.sub("", base)})


def content(file_name: str, item: Item) -> bytes:
    """The bytes that a file of this name holds: PEM in a `.crt`, DER otherwise."""
    return pem(item) if file_name.endswith(".crt") else item.der


def _by_tags(version: VersionProperties, vault: WatchedVault, configuration: Configuration) -> Assigned:
    lists = _words(version.tags[LISTS_TAG])
    if lists == [NO_LIST]:
        return Assigned(Assignment((), EVERY_CLUSTER, version=version.version))
    findings = (
        *_list_findings(lists, vault, configuration),
        *_cluster_findings(version.tags),
        *_file_findings(version.tags),
        *_accept_findings(version.tags),
    )
    if any(finding.severity is Severity.REJECT for finding in findings):
        return Assigned(None, findings)
    return Assigned(_assignment(lists, version), findings)


def _assignment(lists: list[str], version: VersionProperties) -> Assignment:
    accept = _words(version.tags.get(ACCEPT_TAG, ""))
    return Assignment(
        lists=tuple(lists),
        clusters=Selector.parse(version.tags[CLUSTERS_TAG]).text,
        file=_stripped(version.tags, FILE_TAG),
        accept=frozenset(code for code in WAIVABLE if code.value in accept),
        version=version.version,
    )


def _by_default(newest: VersionProperties, vault: WatchedVault) -> Assigned:
    kind = (newest.content_type or "").partition(";")[0].strip().lower()
    if kind not in CERTIFICATE_TYPES or newest.managed:
        return Assigned(NOWHERE)
    if vault.default is None:
        return Assigned(NOWHERE, (Finding(Code.UNASSIGNED, f"its content type is {kind}"),))
    lists = tuple(sorted(set(vault.default.lists)))
    return Assigned(Assignment(lists, vault.default.clusters, default=True))


def _list_findings(lists: list[str], vault: WatchedVault, configuration: Configuration) -> Iterator[Finding]:
    if not lists:
        yield Finding(Code.UNKNOWN_LIST, f"{LISTS_TAG} is empty; {NO_LIST} unassigns the secret")
    for name in lists:
        if configuration.definition(name) is None:
            defined = ", ".join(each.name for each in configuration.lists)
            yield Finding(Code.UNKNOWN_LIST, printable(f"'{name}' is not among the lists ({defined})"))
        elif not vault.allows(name):
            yield Finding(Code.BEYOND_CEILING, f"secrets of {vault.host} may not reach the list '{name}'")


def _cluster_findings(tags: Mapping[str, str]) -> Iterator[Finding]:
    text = _stripped(tags, CLUSTERS_TAG)
    if text is None:
        yield Finding(Code.NO_CLUSTER_SELECTOR)
        return
    try:
        Selector.parse(text)
    except Invalid as error:
        yield Finding(Code.BAD_SELECTOR, printable(str(error)))


def _file_findings(tags: Mapping[str, str]) -> Iterator[Finding]:
    name = _stripped(tags, FILE_TAG)
    if name is not None and not _FILE_NAME.fullmatch(name):
        yield Finding(Code.BAD_FILE_NAME, printable(f"'{name}'"))


def _accept_findings(tags: Mapping[str, str]) -> Iterator[Finding]:
    unknown = [word for word in _words(tags.get(ACCEPT_TAG, "")) if word not in {*WAIVABLE}]
    if unknown:
        yield Finding(Code.BAD_ACCEPT, printable(f"{', '.join(unknown)} is ignored"))


def _words(text: str) -> list[str]:
    """The words of a comma-separated tag, sorted, each once."""
    return sorted({word for each in text.split(",") if (word := each.strip())})


def _stripped(tags: Mapping[str, str], tag: str) -> str | None:
    """The tag's text without white space around it; None if it is absent or blank."""
    return tags.get(tag, "").strip() or None


def _file_name(secret_name: str, file: str | None, item: Item, mark: str) -> str:
    is_crl = isinstance(item, RevocationList)
    base, extension = _from_tag(file, is_crl=is_crl) if file else _from_name(secret_name, is_crl=is_crl)
    return base[: LONGEST_NAME - len(mark) - len(extension)] + mark + extension


def _from_tag(file: str, *, is_crl: bool) -> tuple[str, str]:
    base, extension = file[:-4], file[-4:]
    if is_crl:
        return base, ".crl"
    return base, ".der" if extension == ".crl" else extension


def _from_name(secret_name: str, *, is_crl: bool) -> tuple[str, str]:
    name = secret_name.casefold()
    suffixes = _CRL_SUFFIXES if is_crl else _CERTIFICATE_SUFFIXES
    if len(name) > 4 and name[-4:] in suffixes:  # noqa: PLR2004 - more than the suffix alone
        return name[:-4], suffixes[name[-4:]]
    return name, ".crl" if is_crl else ".der"
