"""Who gives which file: ranks of claims, and files as versions give them."""

from __future__ import annotations

import pytest

from sync.catalogue.eligibility import eligible_versions
from sync.desired.claims import rank, wanted_file
from tests.support import certs
from tests.support.catalogues import TRUST, candidate, desired, entry, key, sha256, version_name
from tests.support.certs import DAY, NOW

A, B = certs.server(name="a"), certs.server(name="b")


def test_who_was_admitted_first_ranks_first_and_who_never_was_last() -> None:
    ranks = [rank(None, key("a")), rank(NOW, key("b")), rank(NOW - DAY, key("c")), rank(NOW - DAY, key("b"))]
    assert sorted(ranks) == [ranks[3], ranks[2], ranks[1], ranks[0]]


def test_of_two_vaults_secrets_admitted_at_once_the_first_by_vault_ranks_first() -> None:
    assert rank(NOW, key("z", "a.vault.azure.net")) < rank(NOW, key("a", "b.vault.azure.net"))


@pytest.mark.parametrize(("file", "data"), [("a.der", A.der), ("a.crt", A.pem.encode())])
def test_a_file_has_the_bytes_that_its_extension_says(file: str, data: bytes) -> None:
    (version,) = eligible_versions(entry("a", candidate(3, A), file=file, since=NOW - DAY), TRUST)
    ((name, item),) = version.files
    found = wanted_file(name, item, version, anew=True)
    assert (found.name, found.data, found.sha256) == (file, data, sha256(data))
    assert (found.key, found.version, found.since, found.item) == (key("a"), version_name(3), NOW - DAY, item)


def test_on_a_full_list_those_admitted_first_come_first() -> None:
    secrets = [
        entry(name, candidate(1, built), since=since)
        for name, built, since in (("late", A, NOW), ("early", B, NOW - DAY), ("unknown", certs.server(name="c"), None))
    ]
    ordered = sorted(desired(*secrets).files.values(), key=lambda file: file.priority)
    assert [file.name for file in ordered] == ["early.der", "late.der", "unknown.der"]


def test_a_disabled_version_claims_its_name_and_gives_nothing() -> None:
    found = desired(entry("a", candidate(1, A, enabled=False)))
    assert [(claim.key, claim.file) for claim in found.claims["a.der"]] == [(key("a"), None)]
    assert not found.files


def test_a_secret_without_a_version_in_force_claims_no_name() -> None:
    assert not desired(entry("a", candidate(1, certs.server(key="rsa-1024")))).claims


@pytest.mark.parametrize("file", ["x.der", "x.crt", "x.crl", "x-0123abcd.der"])
def test_law1_the_secret_of_a_stopped_rebuild_claims_its_base_name_in_every_form(file: str) -> None:
    stopped = entry("x", stop=version_name(1), since=NOW - DAY)
    taker = entry("y", candidate(1, A), file=file)
    (name,) = desired(taker).files
    claims = desired(taker, stopped).claims[name]
    assert [(claim.key, claim.file is None) for claim in claims] == [(key("x"), True), (key("y"), False)]
    assert not desired(taker, stopped).files


def test_law1_a_stopped_rebuild_admitted_later_takes_no_name() -> None:
    stopped = entry("x", stop=version_name(1), since=NOW)
    assert set(desired(entry("y", candidate(1, A), file="x.der", since=NOW - DAY), stopped).files) == {"x.der"}
