"""What every vault must do that trustcast reads: the stand-in, Azure's own, an in-memory one."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from local.support.tls import Authority
from sync.errors import Changed, Invalid, NotFound
from tests.support.vaults import OPENERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.vaults import Bounded, Seed, VaultUnderTest

UNKNOWN_VERSION = "0" * 32


@pytest.fixture(scope="module", params=OPENERS)
def under_test(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultUnderTest]:
    authority = Authority.in_folder(tmp_path_factory.mktemp("tls"))
    with OPENERS[request.param](authority) as opened:
        yield opened


@pytest.fixture(autouse=True)
def known_difference(request: pytest.FixtureRequest, under_test: VaultUnderTest) -> None:
    """A test that is known to fail against this vault must fail: one that passes is told, and taken off the list."""
    reason = under_test.differs.get(request.node.originalname)
    if reason:
        request.node.add_marker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.fixture
def vault(under_test: VaultUnderTest) -> Bounded:
    return under_test.vault


@pytest.fixture
def seed(under_test: VaultUnderTest) -> Seed:
    return under_test.seed


@pytest.fixture
def name(under_test: VaultUnderTest) -> str:
    return under_test.fresh_name()


def test_a_secret_that_never_was_has_no_versions(vault: Bounded, name: str) -> None:
    found = vault.versions(name)
    assert (found.items, found.complete) == ((), True)


def test_a_secret_that_never_was_cannot_be_read(vault: Bounded, name: str) -> None:
    with pytest.raises(NotFound):
        vault.read(name, None)


def test_a_version_that_never_was_cannot_be_read(vault: Bounded, seed: Seed, name: str) -> None:
    seed.set(name, "one")
    with pytest.raises(NotFound):
        vault.read(name, UNKNOWN_VERSION)


def test_a_version_has_the_properties_that_it_was_set_with(vault: Bounded, seed: Seed, name: str) -> None:
    version = seed.set(name, "one", content_type="application/pkix-cert", tags={"trustcast-lists": "trust"})
    (found,) = vault.versions(name).items
    assert (found.name, found.version) == (name, version)
    assert found.content_type == "application/pkix-cert"
    assert found.tags == {"trustcast-lists": "trust"}
    assert found.enabled
    assert not found.managed


def test_times_are_utc_in_whole_seconds(vault: Bounded, seed: Seed, name: str) -> None:
    seed.set(name, "one")
    (found,) = vault.versions(name).items
    for moment in (found.created, found.updated):
        assert moment.utcoffset() == UTC.utcoffset(None)
        assert moment.microsecond == 0
    assert found.updated >= found.created


def test_a_new_version_drops_the_tags_and_the_content_type_of_the_old_one(
    vault: Bounded, seed: Seed, name: str
) -> None:
    old = seed.set(name, "one", content_type="text/plain", tags={"a": "b"})
    new = seed.set(name, "two")
    found = {v.version: v for v in vault.versions(name).items}
    assert found[old].tags == {"a": "b"}
    assert found[new].tags == {}
    assert found[new].content_type is None


@pytest.mark.parametrize("value", ["x", "line\nline\r\n", "é ü 漢 \U0001f512", "0" * 25_000])
def test_a_value_is_read_as_it_was_set(vault: Bounded, seed: Seed, name: str, value: str) -> None:
    seed.set(name, value)
    assert vault.read(name, None).value == value


def test_a_value_may_be_empty(vault: Bounded, seed: Seed, name: str) -> None:
    seed.set(name, "")
    assert vault.read(name, None).value == ""


def test_without_a_version_the_newest_is_read(vault: Bounded, seed: Seed, name: str) -> None:
    old, new = seed.set(name, "one"), seed.set(name, "two")
    current = vault.read(name, None)
    assert (current.value, current.properties.version) == ("two", new)
    assert vault.read(name, old).value == "one"


def test_what_is_read_has_the_properties_that_are_listed(vault: Bounded, seed: Seed, name: str) -> None:
    version = seed.set(name, "one", content_type="text/plain", tags={"a": "b"})
    read = vault.read(name, version)
    assert read.properties == vault.versions(name).items[0]
    assert read.key_id is None


def test_a_name_means_the_same_in_any_case(vault: Bounded, seed: Seed, name: str) -> None:
    version = seed.set(name, "one")
    assert [v.version for v in vault.versions(name.upper()).items] == [version]
    assert vault.read(name.upper(), version).value == "one"


def test_many_versions_are_all_found_once_and_newest_first(vault: Bounded, seed: Seed, name: str) -> None:
    """Law 1: the newest version decides; pages come in no order, some of them empty."""
    made = [seed.set(name, str(number)) for number in range(60)]
    found = vault.versions(name)
    assert found.complete
    assert sorted(v.version for v in found.items) == sorted(made)
    created = [v.created for v in found.items]
    assert created == sorted(created, reverse=True)


def test_more_versions_than_asked_for_are_said_to_be_incomplete(vault: Bounded, seed: Seed, name: str) -> None:
    made = {seed.set(name, str(number)) for number in range(30)}
    found = vault.versions(name, at_most=10)
    assert not found.complete
    assert len(found.items) == 10
    assert {v.version for v in found.items} < made


def test_exactly_as_many_versions_as_asked_for_are_complete(vault: Bounded, seed: Seed, name: str) -> None:
    for number in range(30):
        seed.set(name, str(number))
    found = vault.versions(name, at_most=30)
    assert found.complete
    assert len(found.items) == 30


def test_a_disabled_version_is_listed_and_not_read(vault: Bounded, seed: Seed, name: str) -> None:
    version = seed.set(name, "one")
    seed.set_enabled(name, version, False)
    assert [v.enabled for v in vault.versions(name).items] == [False]
    with pytest.raises(Changed):
        vault.read(name, version)


def test_a_disabled_newest_version_is_not_passed_over_for_an_older_one(vault: Bounded, seed: Seed, name: str) -> None:
    seed.set(name, "one")
    seed.set(name, "two", enabled=False)
    with pytest.raises(Changed):
        vault.read(name, None)


def test_a_version_enabled_again_is_read(vault: Bounded, seed: Seed, name: str) -> None:
    version = seed.set(name, "one", enabled=False)
    seed.set_enabled(name, version, True)
    assert vault.read(name, version).value == "one"


def test_a_deleted_secret_is_gone_from_everywhere(vault: Bounded, seed: Seed, name: str) -> None:
    version = seed.set(name, "one")
    seed.delete(name)
    assert vault.versions(name).items == ()
    assert vault.versions(name).complete
    assert name not in {s.name for s in vault.listing()}
    with pytest.raises(NotFound):
        vault.read(name, version)


def test_the_listing_shows_the_newest_version_of_each_secret(vault: Bounded, seed: Seed, name: str) -> None:
    seed.set(name, "one", content_type="text/plain", tags={"a": "b"})
    seed.set(name, "two", content_type="application/pkix-crl", tags={"c": "d"}, enabled=False)
    (listed,) = (s for s in vault.listing() if s.name == name)
    assert listed.content_type == "application/pkix-crl"
    assert listed.tags == {"c": "d"}
    assert not listed.enabled
    assert not listed.managed


def test_the_listing_has_every_secret_once(vault: Bounded, seed: Seed, under_test: VaultUnderTest) -> None:
    names = sorted(under_test.fresh_name() for _ in range(60))
    for each in names:
        seed.set(each, "x")
    assert sorted(s.name for s in vault.listing() if s.name in names) == names


def test_an_update_replaces_one_versions_tags_and_nothing_else(vault: Bounded, seed: Seed, name: str) -> None:
    old = seed.set(name, "one", content_type="text/plain", tags={"a": "b", "c": "d"})
    new = seed.set(name, "two", tags={"e": "f"})
    before = {v.version: v for v in vault.versions(name).items}
    updated = vault.update(name, old, tags={"g": "h"})
    after = {v.version: v for v in vault.versions(name).items}
    assert updated == after[old]
    assert after[old].tags == {"g": "h"}
    assert after[old].content_type == "text/plain"
    assert after[old].created == before[old].created
    assert after[old].updated >= before[old].updated
    assert after[new] == before[new]
    assert vault.read(name, old).value == "one"


def test_an_update_can_take_every_tag_away(vault: Bounded, seed: Seed, name: str) -> None:
    version = seed.set(name, "one", tags={"a": "b"})
    assert vault.update(name, version, tags={}).tags == {}


def test_what_is_not_there_cannot_be_updated(vault: Bounded, name: str) -> None:
    with pytest.raises(NotFound):
        vault.update(name, UNKNOWN_VERSION, tags={})


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "a.b", "a?b", "é", "x" * 128, "a\n"])
def test_a_name_that_no_secret_can_bear_is_refused(vault: Bounded, name: str) -> None:
    with pytest.raises(Invalid):
        vault.versions(name)
    with pytest.raises(Invalid):
        vault.read(name, None)
    with pytest.raises(Invalid):
        vault.update(name, UNKNOWN_VERSION, tags={})
