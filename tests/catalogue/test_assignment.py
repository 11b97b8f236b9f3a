from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.catalogue.assignment import (
    NOWHERE,
    Assigned,
    Assignment,
    assign,
    base_names,
    bases_of,
    content,
    file_names,
)
from sync.catalogue.secret import VersionProperties
from sync.certificates.items import Kind, parse, pem
from sync.findings import Code, Finding, Severity
from sync.fleet.configuration import Configuration
from sync.fleet.lists import DEFAULT_LISTS
from sync.fleet.vaults import Default, WatchedVault
from tests.support import certs

if TYPE_CHECKING:
    from sync.certificates.items import Item

VAULT = WatchedVault("https://kv1.vault.azure.net")
CONFIGURATION = Configuration((VAULT,), DEFAULT_LISTS)
TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "site=h"}
CREATED = datetime(2026, 6, 1, tzinfo=UTC)
CA = certs.ca()
CERTIFICATE = parse(Kind.CERTIFICATE, CA.der)
OTHER = parse(Kind.CERTIFICATE, certs.server().der)
CRL = parse(Kind.CRL, certs.crl(CA).der)


def version(
    name: str = "v1",
    *,
    tags: dict[str, str] | None = None,
    content_type: str | None = None,
    managed: bool = False,
    enabled: bool = True,
) -> VersionProperties:
    return VersionProperties(
        "corp-root-der",
        name,
        CREATED,
        CREATED + timedelta(seconds=1),
        enabled,
        content_type,
        tags or {},
        managed,
    )


def assigned(tags: dict[str, str], vault: WatchedVault = VAULT) -> Assigned:
    return assign((version(tags=tags),), vault, CONFIGURATION)


def assignment(tags: dict[str, str]) -> Assignment:
    found = assigned(tags).assignment
    assert found is not None
    return found


def codes(found: Assigned) -> list[Code]:
    return [finding.code for finding in found.findings]


def test_the_tags_of_a_version_assign_it() -> None:
    tags = {
        "trustcast-lists": " trust , issuer,trust",
        "trustcast-clusters": " site = h ",
        "trustcast-file": " Root.crt ",
        "trustcast-accept": "expired, weak-key",
        "file-encoding": "hex",
    }
    expected = Assignment(
        lists=("issuer", "trust"),
        clusters="site=h",
        file="Root.crt",
        accept=frozenset({Code.EXPIRED, Code.WEAK_KEY}),
        version="v1",
        default=False,
    )
    assert assigned(tags) == Assigned(expected, ())


def test_law1_the_newest_version_that_bears_the_tag_decides_with_all_its_tags() -> None:
    versions = (
        version("v3", tags={"trustcast-clusters": "site=new", "trustcast-file": "new.der"}),
        version("v2", tags=TAGS | {"trustcast-clusters": "site=middle"}, enabled=False),
        version("v1", tags=TAGS | {"trustcast-file": "old.der"}),
    )
    found = assign(versions, VAULT, CONFIGURATION)
    assert found.assignment == Assignment(("trust",), "site=middle", version="v2")
    assert found.findings == (Finding(Code.TAGS_DROPPED),)


def test_the_newest_version_with_the_tag_is_no_dropped_tag() -> None:
    found = assign((version("v2", tags=TAGS), version("v1")), VAULT, CONFIGURATION)
    assert found.assignment == Assignment(("trust",), "site=h", version="v2")
    assert found.findings == ()


def test_none_unassigns_whatever_the_other_tags_and_versions_say() -> None:
    versions = (
        version("v2", tags={"trustcast-lists": " none ", "trustcast-clusters": "!!"}),
        version("v1", tags=TAGS),
    )
    vault = WatchedVault(VAULT.url, default=Default(("trust",), "*"))
    assert assign(versions, vault, CONFIGURATION) == Assigned(Assignment((), "*", version="v2"))


def test_a_secret_without_versions_goes_nowhere() -> None:
    assert assign((), VAULT, CONFIGURATION) == Assigned(NOWHERE)


@pytest.mark.parametrize(
    ("change", "code", "detail"),
    [
        ({"trustcast-lists": "trsut"}, Code.UNKNOWN_LIST, "'trsut' is not among the lists (trust, issuer)"),
        ({"trustcast-lists": "Trust"}, Code.UNKNOWN_LIST, "'Trust'"),
        ({"trustcast-lists": "trust,none"}, Code.UNKNOWN_LIST, "'none'"),
        ({"trustcast-lists": " , "}, Code.UNKNOWN_LIST, "trustcast-lists is empty; none unassigns"),
        ({"trustcast-clusters": "a b"}, Code.BAD_SELECTOR, "'a b' is not a cluster selector"),
        ({"trustcast-clusters": " "}, Code.NO_CLUSTER_SELECTOR, ""),
        ({"trustcast-file": "root"}, Code.BAD_FILE_NAME, "'root'"),
        ({"trustcast-file": "root.pem"}, Code.BAD_FILE_NAME, "'root.pem'"),
        ({"trustcast-file": "root.DER"}, Code.BAD_FILE_NAME, "'root.DER'"),
        ({"trustcast-file": ".der"}, Code.BAD_FILE_NAME, "'.der'"),
        ({"trustcast-file": "..x.der"}, Code.BAD_FILE_NAME, "'..x.der'"),
        ({"trustcast-file": "a/b.der"}, Code.BAD_FILE_NAME, "'a/b.der'"),
        ({"trustcast-file": "plc [1].der"}, Code.BAD_FILE_NAME, "'plc [1].der'"),
        ({"trustcast-file": "a\n.der"}, Code.BAD_FILE_NAME, "'a\\n.der'"),
        ({"trustcast-file": "x" * 250 + ".der"}, Code.BAD_FILE_NAME, "'xxx"),
    ],
)
def test_law3_refused_tags_give_no_assignment_and_say_why(change: dict[str, str], code: Code, detail: str) -> None:
    found = assigned(TAGS | change)
    assert found.assignment is None
    assert codes(found) == [code]
    assert found.findings[0].detail.startswith(detail)
    assert found.findings[0].detail.isprintable()


@pytest.mark.parametrize("name", ["r.der", "Corp_Root-1.x.crt", "a.crl", "x" * 249 + ".der", ".a.der"])
def test_file_names_that_kubernetes_takes_are_accepted(name: str) -> None:
    assert assignment(TAGS | {"trustcast-file": name}).file == name


def test_lists_without_the_clusters_tag_are_refused() -> None:
    assert codes(assigned({"trustcast-lists": "trust"})) == [Code.NO_CLUSTER_SELECTOR]


def test_law13_a_list_beyond_the_vaults_ceiling_is_refused() -> None:
    vault = WatchedVault(VAULT.url, lists=("issuer",))
    found = assigned(TAGS, vault)
    assert (found.assignment, codes(found)) == (None, [Code.BEYOND_CEILING])
    assert assigned(TAGS | {"trustcast-lists": "issuer"}, vault).assignment is not None


def test_every_fault_of_the_tags_is_told_at_once() -> None:
    tags = {"trustcast-lists": "a", "trustcast-clusters": "-", "trustcast-file": "-", "trustcast-accept": "b"}
    assert codes(assigned(tags)) == [
        Code.UNKNOWN_LIST,
        Code.BAD_SELECTOR,
        Code.BAD_FILE_NAME,
        Code.BAD_ACCEPT,
    ]


def test_a_code_that_nothing_can_waive_is_warned_of_and_ignored() -> None:
    found = assigned(TAGS | {"trustcast-accept": "private-key,expired,nonsense"})
    assert found.assignment is not None
    assert found.assignment.accept == {Code.EXPIRED}
    assert found.findings == (Finding(Code.BAD_ACCEPT, "nonsense, private-key is ignored"),)
    assert Code.BAD_ACCEPT.severity is Severity.WARN


DEFAULTED = WatchedVault(VAULT.url, default=Default(("trust", "issuer"), "site=h"))


@pytest.mark.parametrize(
    "content_type",
    [
        "application/pkix-cert",
        "application/pkix-crl",
        "application/x-x509-ca-cert",
        "application/x-pem-file",
        " Application/PKIX-Cert; charset=binary",
    ],
)
def test_the_vaults_default_takes_certificates_and_crls_without_tags(content_type: str) -> None:
    found = assign((version(content_type=content_type),), DEFAULTED, CONFIGURATION)
    assert found == Assigned(Assignment(("issuer", "trust"), "site=h", default=True))


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/x-pkcs12"])
def test_the_vaults_default_takes_nothing_else(content_type: str | None) -> None:
    assert assign((version(content_type=content_type),), DEFAULTED, CONFIGURATION) == Assigned(NOWHERE)


def test_the_vaults_default_never_takes_the_secret_behind_a_key_vault_certificate() -> None:
    managed = version(content_type="application/x-pem-file", managed=True)
    assert assign((managed,), DEFAULTED, CONFIGURATION) == Assigned(NOWHERE)


def test_the_newest_versions_content_type_decides_about_the_default() -> None:
    versions = (version("v2"), version("v1", content_type="application/pkix-cert"))
    assert assign(versions, DEFAULTED, CONFIGURATION) == Assigned(NOWHERE)


def test_a_certificate_without_tags_and_without_default_is_called_unassigned() -> None:
    found = assign((version(content_type="application/pkix-cert"),), VAULT, CONFIGURATION)
    assert found.assignment == NOWHERE
    assert codes(found) == [Code.UNASSIGNED]


def test_a_secret_that_is_no_certificate_is_left_alone_without_a_word() -> None:
    assert assign((version(),), VAULT, CONFIGURATION) == Assigned(NOWHERE)


@pytest.mark.parametrize(
    ("secret", "file", "item", "expected"),
    [
        ("corp-root-der", None, CERTIFICATE, "corp-root.der"),
        ("corp-root-cer", None, CERTIFICATE, "corp-root.der"),
        ("corp-root-crt", None, CERTIFICATE, "corp-root.crt"),
        ("corp-root-pem", None, CERTIFICATE, "corp-root.crt"),
        ("corp-root", None, CERTIFICATE, "corp-root.der"),
        ("corp-root-crl", None, CERTIFICATE, "corp-root-crl.der"),
        ("corp-root-crl", None, CRL, "corp-root.crl"),
        ("corp-root-der", None, CRL, "corp-root.crl"),
        ("corp-root", None, CRL, "corp-root.crl"),
        ("Corp-Root-DER", None, CERTIFICATE, "corp-root.der"),
        ("-der", None, CERTIFICATE, "-der.der"),
        ("x", "Root.crt", CERTIFICATE, "Root.crt"),
        ("x", "Root.der", CERTIFICATE, "Root.der"),
        ("x", "Root.crl", CERTIFICATE, "Root.der"),
        ("x", "Root.der", CRL, "Root.crl"),
    ],
)
def test_a_file_is_named_by_the_tag_or_the_secret_and_its_extension_fits(
    secret: str, file: str | None, item: Item, expected: str
) -> None:
    assert file_names(secret, Assignment(("trust",), "*", file), (item,)) == ((expected, item),)


def test_several_items_of_a_secret_are_told_apart_by_their_sha256() -> None:
    items = (CERTIFICATE, OTHER, CRL)
    named = file_names("chain-pem", Assignment(("trust",), "*"), items)
    assert [name for name, _ in named] == [
        f"chain-{CERTIFICATE.sha256[:8]}.crt",
        f"chain-{OTHER.sha256[:8]}.crt",
        f"chain-{CRL.sha256[:8]}.crl",
    ]
    assert tuple(item for _, item in named) == items


def test_a_tag_gives_the_base_of_several_files() -> None:
    named = file_names("x", Assignment(("trust",), "*", "Chain.der"), (CERTIFICATE, OTHER))
    assert [name for name, _ in named] == [
        f"Chain-{CERTIFICATE.sha256[:8]}.der",
        f"Chain-{OTHER.sha256[:8]}.der",
    ]


def test_the_longest_file_name_still_fits_with_its_mark() -> None:
    name = "x" * 249 + ".crt"
    for file, _ in file_names("x", Assignment(("trust",), "*", name), (CERTIFICATE, CRL)):
        assert len(file) == 253
        assert file.endswith((".crt", ".crl"))


@given(st.from_regex(r"[0-9A-Za-z-]{1,127}", fullmatch=True), st.sampled_from([CERTIFICATE, CRL]))
def test_any_secrets_name_gives_a_file_name_that_a_tag_could_give_too(secret: str, item: Item) -> None:
    ((name, _),) = file_names(secret, NOWHERE, (item,))
    assert assignment(TAGS | {"trustcast-file": name}).file == name


def test_the_bytes_are_what_the_extension_says() -> None:
    assert content("a.der", CERTIFICATE) == CERTIFICATE.der
    assert content("a.crt", CERTIFICATE) == pem(CERTIFICATE)
    assert content("a.crl", CRL) == CRL.der


def test_an_assignment_survives_being_stored() -> None:
    given = assignment(TAGS | {"trustcast-accept": "expired", "trustcast-file": "a.der"})
    assert msgspec.json.decode(msgspec.json.encode(given), type=Assignment) == given


TAG_TEXT = st.one_of(st.text(max_size=20), st.sampled_from(["trust", "issuer", "none", "*", "a=b", "a.der"]))
TAG_NAMES = ["trustcast-lists", "trustcast-clusters", "trustcast-file", "trustcast-accept"]


@given(st.dictionaries(st.sampled_from(TAG_NAMES), TAG_TEXT))
def test_any_tags_give_an_assignment_exactly_if_no_finding_rejects(tags: dict[str, str]) -> None:
    found = assigned(tags)
    rejected = any(finding.severity is Severity.REJECT for finding in found.findings)
    assert (found.assignment is None) is rejected
    assert all(finding.detail.isprintable() for finding in found.findings)


@pytest.mark.parametrize("secret", ["corp-root", "Corp-Root-DER", "corp-root-crl", "-der", "a" * 127])
@pytest.mark.parametrize("file", [None, "Root.der", "Root.crl", "r-01234567.crt", "a" * 249 + ".der"])
@pytest.mark.parametrize("items", [(CERTIFICATE,), (CRL,), (CERTIFICATE, OTHER), (CERTIFICATE, CRL)])
def test_law1_a_base_name_covers_all_names_that_the_secret_may_give(
    secret: str, file: str | None, items: tuple[Item, ...]
) -> None:
    """Every extension, digests included: what the secret of a stopped rebuild holds is not known."""
    assignment = Assignment(("trust",), "*", file=file)
    held = base_names(secret, assignment)
    assert all(held & bases_of(name) for name, _ in file_names(secret, assignment, items))


def test_a_base_name_covers_no_other_secrets_names() -> None:
    held = base_names("corp-root-der", NOWHERE)
    assert held == {"corp-root"}
    assert not held & bases_of("corp-root-2.der")
    assert held & bases_of("corp-root-0123abcd.crt")
    assert not held & bases_of("corp-root-0123abc.crt")
