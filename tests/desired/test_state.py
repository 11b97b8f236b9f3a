"""What a list should hold: the rules about the set, who claims which name, and that nothing depends on an order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.catalogue.revocation import Clearance
from sync.catalogue.snapshot import VaultFacts
from sync.desired.state import DesiredState
from sync.findings import Code
from sync.fleet.lists import Delivery
from sync.fleet.policy import Policy
from tests.support import certs
from tests.support.catalogues import (
    CONFIGURATION,
    ISSUER,
    TRUST,
    VAULT,
    candidate,
    desired,
    desired_of,
    entry,
    key,
    proven,
    sha256,
    snapshot,
    version_name,
)
from tests.support.certs import DAY, NOW

if TYPE_CHECKING:
    import random

    from sync.catalogue.entry import Entry
    from sync.desired.state import DesiredList
    from sync.fleet.configuration import Configuration
    from sync.fleet.lists import ListDefinition
    from tests.support.certs import Built, BuiltCrl

A, B, C = certs.server(name="a"), certs.server(name="b"), certs.server(name="c")
WEAK = certs.server(name="weak", key="rsa-1024")
ROOT, OTHER_ROOT = certs.ca(), certs.ca(key_name="rekeyed")
LEAF = certs.server(name="leaf", issuer=ROOT)
RENEWED = certs.server(name="leaf", issuer=ROOT, key_name="renewed", serial=7)
EMPTY_CRL, CRL_ON_LEAF = certs.crl(ROOT, number=1), certs.crl(ROOT, number=2, revoked=[LEAF])

ROOT_SECRET = entry("root", candidate(1, ROOT))
LEAF_SECRET = entry("leaf", candidate(1, LEAF))


def codes(found: DesiredList, name: str) -> list[Code]:
    return [finding.code for finding in found.findings.get(key(name), ())]


def in_force(found: DesiredList) -> dict[str, int]:
    return {each.name: int(version.version, 16) for each, version in found.in_force.items()}


# --- One secret ------------------------------------------------------------------------------------------


def test_the_newest_version_that_passes_gives_the_file() -> None:
    found = desired(entry("plc7", candidate(2, A), candidate(1, B)))
    assert {name: file.sha256 for name, file in found.files.items()} == {"plc7.der": sha256(A.der)}
    assert in_force(found) == {"plc7": 2}


def test_law3_a_version_that_is_rejected_alone_gives_way_to_the_one_before_it() -> None:
    found = desired(entry("plc7", candidate(2, WEAK), candidate(1, B)))
    assert {file.sha256 for file in found.files.values()} == {sha256(B.der)}


def test_what_the_lists_policy_and_the_tag_accept_comes_into_force() -> None:
    lenient = replace(TRUST, policy=Policy(accept=frozenset({Code.WEAK_KEY})))
    secret = entry("plc7", candidate(1, WEAK), accept=frozenset({Code.WEAK_KEY}))
    assert desired(secret, definition=lenient).files
    assert not desired(secret).files
    assert not desired(
        replace(secret, assignment=replace(secret.assignment, accept=frozenset())), definition=lenient
    ).files


def test_a_warning_that_the_lists_policy_rejects_keeps_a_version_out() -> None:
    strict = replace(TRUST, policy=Policy(reject=frozenset({Code.CA_IN_TRUST_LIST})))
    assert desired(ROOT_SECRET).files
    assert not desired(ROOT_SECRET, definition=strict).files


def test_a_secret_with_several_certificates_gives_a_file_of_each() -> None:
    found = desired(entry("bundle-pem", candidate(1, A, B)))
    assert set(found.files) == {f"bundle-{each.sha256[:8]}.crt" for each in (A, B)}
    assert all(file.data.startswith(b"-----BEGIN") for file in found.files.values())


@pytest.mark.parametrize("delivery", [Delivery.SECRETSYNC, Delivery.ARM])
def test_a_delivery_of_one_file_a_secret_refuses_several_and_keeps_the_one_before(delivery: Delivery) -> None:
    single = replace(TRUST, delivery=delivery)
    assert in_force(desired(entry("plc7", candidate(2, A, B), candidate(1, C)), definition=single)) == {"plc7": 1}
    assert in_force(desired(entry("plc7", candidate(2, A, B), candidate(1, C)))) == {"plc7": 2}


def test_a_role_decides_for_its_list_alone() -> None:
    """A server certificate goes to the trust list; the issuer list takes no such thing."""
    secret = entry("plc7", candidate(1, A), lists=("issuer", "trust"))
    assert desired(secret).files
    assert not desired(secret, definition=ISSUER).files


# --- File names ------------------------------------------------------------------------------------------


def claims(**since: int) -> list[Entry]:
    """Two secrets that claim `x.der`, in force since so many days before now."""
    return [
        entry(name, candidate(1, built), file="x.der", since=NOW - days * DAY)
        for (name, days), built in zip(since.items(), (A, B), strict=True)
    ]


def test_the_earlier_in_force_keeps_a_file_name_and_the_later_is_told() -> None:
    found = desired(*claims(late=1, early=2))
    assert found.files["x.der"].key == key("early")
    assert (codes(found, "late"), codes(found, "early")) == ([Code.FILE_NAME_TAKEN], [])


def test_of_two_in_force_since_the_same_moment_the_first_by_name_keeps_the_file() -> None:
    assert desired(*claims(b=1, a=1)).files["x.der"].key == key("a")


def test_a_name_is_free_again_once_its_holder_leaves() -> None:
    late, early = claims(late=1, early=2)
    assert desired(late, early.without_secret(NOW)).files["x.der"].key == key("late")


def test_the_loser_of_a_name_gives_its_other_files_and_no_older_version() -> None:
    """Who has a name is decided on each list, by its owner there; the claims say who would give it."""
    loser = entry("y", candidate(2, A), candidate(1, EMPTY_CRL), file="x.der", since=NOW)
    found = desired(loser, ROOT_SECRET, *claims(late=1, early=2)[1:])
    assert set(found.files) == {"x.der", "root.der"}
    assert [claim.key for claim in found.claims["x.der"]] == [key("early"), key("y")]
    assert in_force(found)["y"] == 2


def test_a_disabled_holder_keeps_its_name_so_enabling_it_takes_nothing_from_others() -> None:
    late, early = claims(late=1, early=2)
    found = desired(late, replace(early, candidates=(replace(early.candidates[0], enabled=False),)))
    assert not found.files
    assert codes(found, "late") == [Code.FILE_NAME_TAKEN]


# --- CRLs ------------------------------------------------------------------------------------------------


def test_a_crl_waits_for_its_ca_and_heals_by_itself() -> None:
    crl = entry("crl", candidate(1, EMPTY_CRL))
    alone, together = desired(crl), desired(crl, ROOT_SECRET)
    assert (set(alone.files), codes(alone, "crl")) == (set(), [Code.CRL_WITHOUT_ISSUER])
    assert (set(together.files), codes(together, "crl")) == ({"crl.crl", "root.der"}, [])


def test_a_crl_that_its_named_ca_did_not_sign_is_refused() -> None:
    found = desired(entry("crl", candidate(1, certs.crl(ROOT, signer=A))), ROOT_SECRET)
    assert codes(found, "crl") == [Code.CRL_SIGNATURE]
    assert set(found.files) == {"root.der"}


def test_a_crl_is_matched_by_signature_among_cas_of_one_name() -> None:
    found = desired(entry("crl", candidate(1, EMPTY_CRL)), ROOT_SECRET, entry("rekeyed", candidate(1, OTHER_ROOT)))
    assert "crl.crl" in found.files


def test_a_ca_on_another_list_does_not_serve() -> None:
    elsewhere = entry("root", candidate(1, ROOT), lists=("issuer",))
    assert codes(desired(entry("crl", candidate(1, EMPTY_CRL)), elsewhere), "crl") == [Code.CRL_WITHOUT_ISSUER]


def test_a_disabled_ca_does_not_serve() -> None:
    off = entry("root", candidate(1, ROOT, enabled=False))
    assert codes(desired(entry("crl", candidate(1, EMPTY_CRL)), off), "crl") == [Code.CRL_WITHOUT_ISSUER]


def test_a_file_name_matches_no_crl_to_its_ca() -> None:
    found = desired(entry("root-crl", candidate(1, certs.crl(A))), entry("root", candidate(1, ROOT)))
    assert codes(found, "root-crl") == [Code.CRL_WITHOUT_ISSUER]


ROLLBACKS = {
    "a smaller number": (certs.crl(ROOT, number=5), certs.crl(ROOT, number=4), True),
    "a larger number": (certs.crl(ROOT, number=4), certs.crl(ROOT, number=5), False),
    "the same number, an older date": (
        certs.crl(ROOT, number=4, this_update=NOW - DAY),
        certs.crl(ROOT, number=4, this_update=NOW - 2 * DAY),
        True,
    ),
    "no number after a number, an older date": (
        certs.crl(ROOT, number=1),
        certs.crl(ROOT, number=None, this_update=NOW - 2 * DAY),
        True,
    ),
    "no number after a number, a newer date": (
        certs.crl(ROOT, number=1, this_update=NOW - 2 * DAY),
        certs.crl(ROOT, number=None),
        False,
    ),
    "no numbers, an older date": (
        certs.crl(ROOT, number=None, this_update=NOW - DAY),
        certs.crl(ROOT, number=None, this_update=NOW - 2 * DAY),
        True,
    ),
    "another issuer's": (certs.crl(ROOT, number=5), certs.crl(certs.ca(name="Other Root"), number=4), False),
}


@pytest.mark.parametrize(("before", "after", "refused"), ROLLBACKS.values(), ids=ROLLBACKS)
def test_law3_an_older_crl_never_replaces_the_one_in_force(before: BuiltCrl, after: BuiltCrl, refused: bool) -> None:
    other = entry("other", candidate(1, certs.ca(name="Other Root")))
    found = desired(entry("crl", candidate(2, after), candidate(1, before)), ROOT_SECRET, other)
    assert in_force(found)["crl"] == (1 if refused else 2)
    assert codes(found, "crl") == ([Code.CRL_ROLLBACK] if refused else [])


LAST_OF_OLD_KEY = certs.crl(ROOT, number=57)
OF_NEW_KEY = certs.server(name="leaf", issuer=OTHER_ROOT)
FIRST_OF_NEW_KEY = certs.crl(OTHER_ROOT, number=1, revoked=[OF_NEW_KEY])
NEW_KEYS = {
    "in the place of the old": (entry("root", candidate(2, OTHER_ROOT), candidate(1, ROOT)),),
    "beside the old": (ROOT_SECRET, entry("rekeyed", candidate(1, OTHER_ROOT))),
}


@pytest.mark.parametrize("roots", NEW_KEYS.values(), ids=NEW_KEYS)
def test_the_numbers_of_crls_begin_anew_with_a_new_key_of_the_ca(roots: tuple[Entry, ...]) -> None:
    crl = entry("crl", candidate(2, FIRST_OF_NEW_KEY), candidate(1, LAST_OF_OLD_KEY))
    remembered = proven(ROOT, LAST_OF_OLD_KEY) | proven(OTHER_ROOT, FIRST_OF_NEW_KEY)
    found = desired(crl, entry("leaf", candidate(1, OF_NEW_KEY)), *roots, authorities=remembered)
    assert (in_force(found)["crl"], codes(found, "crl")) == (2, [])
    assert codes(found, "leaf") == [Code.REVOKED]


def test_law3_a_ca_that_is_renewed_with_its_key_goes_on_counting_its_crls() -> None:
    renewed = entry("root", candidate(2, certs.ca(serial=9)), candidate(1, ROOT))
    found = desired(entry("crl", candidate(2, EMPTY_CRL), candidate(1, LAST_OF_OLD_KEY)), renewed)
    assert (in_force(found)["crl"], codes(found, "crl")) == (1, [Code.CRL_ROLLBACK])


def test_law3_a_crl_without_issuer_leaves_the_crl_before_it_in_force() -> None:
    lost = certs.crl(certs.ca(name="Other Root"), number=9)
    found = desired(entry("crl", candidate(2, lost), candidate(1, EMPTY_CRL)), ROOT_SECRET)
    assert (in_force(found)["crl"], codes(found, "crl")) == (1, [Code.CRL_WITHOUT_ISSUER])


# --- Revocation ------------------------------------------------------------------------------------------

CRL_SECRET = entry("crl", candidate(1, CRL_ON_LEAF))
REVOKED = proven(ROOT, CRL_ON_LEAF)


def test_a_proven_crl_takes_the_certificate_off_the_list_and_holds_its_name() -> None:
    found = desired(LEAF_SECRET, ROOT_SECRET, CRL_SECRET, authorities=REVOKED)
    assert set(found.files) == {"root.der", "crl.crl"}
    assert codes(found, "leaf") == [Code.REVOKED]
    assert [(claim.key, claim.file) for claim in found.claims["leaf.der"]] == [(key("leaf"), None)]


NO_REVOCATION = {
    "a CRL of another issuer with the same serial": (certs.ca(name="Other Root"), [LEAF], None),
    "a forged CRL": (ROOT, [LEAF], A),
    "a CRL on another serial": (ROOT, [RENEWED], None),
}


@pytest.mark.parametrize(("ca", "revoked", "signer"), NO_REVOCATION.values(), ids=NO_REVOCATION)
def test_revokes_nothing(ca: Built, revoked: list[Built], signer: Built | None) -> None:
    crl = certs.crl(ca, revoked=revoked, signer=signer)
    secrets = (LEAF_SECRET, ROOT_SECRET, entry("other", candidate(1, ca)), entry("crl", candidate(1, crl)))
    assert "leaf.der" in desired(*secrets, authorities=proven(ca, crl)).files


CRL_SECRETS = {
    "disabled": [entry("crl", candidate(1, CRL_ON_LEAF, enabled=False))],
    "on another list": [entry("crl", candidate(1, CRL_ON_LEAF), lists=("issuer",))],
    "on other clusters": [entry("crl", candidate(1, CRL_ON_LEAF), clusters="site=lab")],
    "unassigned": [entry("crl", lists=())],
    "deleted": [CRL_SECRET.without_secret(NOW)],
    "never known": [],
}


@pytest.mark.parametrize("crls", CRL_SECRETS.values(), ids=CRL_SECRETS)
@pytest.mark.parametrize("ca", [[ROOT_SECRET], []], ids=["its CA is there", "its CA is gone"])
def test_what_is_revoked_is_revoked_whatever_becomes_of_the_crls_secret(crls: list[Entry], ca: list[Entry]) -> None:
    found = desired(LEAF_SECRET, *ca, *crls, authorities=REVOKED)
    assert "leaf.der" not in found.files
    assert codes(found, "leaf") == [Code.REVOKED]


@pytest.mark.parametrize("definition", [TRUST, ISSUER])
def test_what_is_revoked_is_revoked_on_every_list(definition: ListDefinition) -> None:
    line = certs.ca(name="Line CA", issuer=ROOT)
    secret = entry("line", candidate(1, line), lists=("issuer", "trust"))
    remembered = proven(ROOT, certs.crl(ROOT, revoked=[line]))
    assert set(desired(secret, definition=definition).files) == {"line.der"}
    assert not desired(secret, definition=definition, authorities=remembered).files


def test_what_an_operator_cleared_is_on_the_list_again() -> None:
    (authority,) = REVOKED.values()
    (crl,) = authority.counting
    (date,) = crl.revoked.values()
    cleared = {LEAF.sha256: Clearance(LEAF.sha256, date)}
    found = desired(LEAF_SECRET, authorities=REVOKED, clearances=cleared)
    assert (set(found.files), codes(found, "leaf")) == ({"leaf.der"}, [])


def test_of_several_certificates_only_the_revoked_ones_leave() -> None:
    found = desired(entry("pair", candidate(1, LEAF, A)), authorities=REVOKED)
    assert set(found.files) == {f"pair-{A.sha256[:8]}.der"}
    assert [f.file for f in found.findings[key("pair")]] == [f"pair-{LEAF.sha256[:8]}.der"]


def test_law3_a_newer_version_that_is_revoked_gives_way_to_one_that_goes_on_nowhere() -> None:
    secrets = (entry("leaf", candidate(2, LEAF), candidate(1, RENEWED)), ROOT_SECRET, CRL_SECRET)
    found = desired(*secrets, authorities=REVOKED)
    assert (in_force(found)["leaf"], codes(found, "leaf")) == (1, [Code.REVOKED])
    (claim,) = found.claims["leaf.der"]
    assert claim.file is not None
    assert (claim.file.sha256, claim.file.anew) == (sha256(RENEWED.der), False)
    assert "leaf.der" not in found.files


def test_a_renewal_ends_the_refusal() -> None:
    secrets = (entry("leaf", candidate(2, RENEWED), candidate(1, LEAF)), ROOT_SECRET, CRL_SECRET)
    found = desired(*secrets, authorities=REVOKED)
    assert found.files["leaf.der"].sha256 == sha256(RENEWED.der)


# --- What reaches a list ---------------------------------------------------------------------------------

HAD = entry("plc7", candidate(1, A))
GIVES_NOTHING = {
    "deleted": HAD.without_secret(NOW),
    "disabled": entry("plc7", candidate(1, A, enabled=False)),
    "unassigned": entry("plc7", lists=()),
    "on another list": entry("plc7", candidate(1, A), lists=("issuer",)),
    "on other clusters": entry("plc7", candidate(1, A), clusters="site=lab"),
    "rejected alone": entry("plc7", candidate(1, WEAK)),
    "a rebuild that stopped": replace(HAD, stop=version_name(2)),
    "in a vault that is watched no more": entry("plc7", candidate(1, A), host="other.vault.azure.net"),
}


@pytest.mark.parametrize("secret", GIVES_NOTHING.values(), ids=GIVES_NOTHING)
def test_gives_the_list_no_file(secret: Entry) -> None:
    assert not desired(secret).files


def test_a_disabled_version_is_in_force_and_says_so() -> None:
    found = desired(GIVES_NOTHING["disabled"])
    assert {(v.version, v.enabled, v.names) for v in found.in_force.values()} == {
        (version_name(1), False, frozenset({"plc7.der"}))
    }


def test_a_list_beyond_the_vaults_ceiling_is_not_reached() -> None:
    narrowed = replace(CONFIGURATION, vaults=(replace(VAULT, lists=("issuer",)),))
    assert not desired(HAD, configuration=narrowed).claims


def test_where_no_definition_names_the_place_nothing_new_is_wanted() -> None:
    nothing = desired_of().nothing
    assert (nothing.files, nothing.claims, nothing.in_force) == ({}, {}, {})


def test_who_gives_bytes_under_a_name_is_found_on_whatever_list_and_version() -> None:
    state = desired_of(HAD, entry("twin", candidate(2, B), candidate(1, A), file="plc7.der", lists=("issuer",)))
    assert state.givers("plc7.der", sha256(A.der)) == ((key("plc7"), version_name(1)), (key("twin"), version_name(1)))
    assert state.givers("plc7.der", sha256(B.der)) == ((key("twin"), version_name(2)),)
    assert state.givers("other.der", sha256(A.der)) == ()


def test_law1_the_vaults_that_were_not_gone_through_are_told_for_each_list() -> None:
    other = replace(VAULT, url="https://other.vault.azure.net", lists=("issuer",))
    configuration = replace(CONFIGURATION, vaults=(VAULT, other))
    at_first = DesiredState(snapshot(), configuration)
    assert [[v.host for v in at_first.unswept(of)] for of in (TRUST, ISSUER, None)] == [
        [VAULT.host],
        [VAULT.host, other.host],
        [VAULT.host, other.host],
    ]
    swept = DesiredState(snapshot(vaults={VAULT.host: VaultFacts(NOW), other.host: VaultFacts()}), configuration)
    assert [v.host for v in swept.unswept(None)] == [other.host]


# --- Reach -----------------------------------------------------------------------------------------------


def on(cluster: str, *entries: Entry, configuration: Configuration = CONFIGURATION) -> set[str]:
    found = snapshot(*entries, clusters=("hamburg", "lyon"))
    return set(DesiredState(found, configuration).of(found.clusters[cluster], TRUST).files)


def test_a_secret_reaches_the_clusters_that_its_selector_and_the_ceiling_both_match() -> None:
    secrets = (entry("all", candidate(1, A)), entry("there", candidate(1, B), clusters="site=lyon"))
    assert (on("hamburg", *secrets), on("lyon", *secrets)) == ({"all.der"}, {"all.der", "there.der"})
    ceiling = replace(CONFIGURATION, vaults=(replace(VAULT, clusters="site=hamburg"),))
    assert (on("hamburg", *secrets, configuration=ceiling), on("lyon", *secrets, configuration=ceiling)) == (
        {"all.der"},
        set(),
    )


def test_clusters_that_the_same_secrets_reach_share_one_computation() -> None:
    both = desired_of(HAD, clusters=("hamburg", "lyon"))
    first, second = (both.of(each, TRUST) for each in both.snapshot.clusters.values())
    assert first is second


# --- Properties ------------------------------------------------------------------------------------------

ITEMS = (A, B, WEAK, ROOT, OTHER_ROOT, LEAF, RENEWED, EMPTY_CRL, CRL_ON_LEAF, certs.crl(ROOT, signer=A))
SECRETS = st.builds(
    lambda name, items, enabled, days, file, extra: entry(
        name,
        *(candidate(len(items) - i, item, enabled=i > 0 or enabled) for i, item in enumerate(items)),
        since=NOW - days * timedelta(days=1),
        file=file,
        **extra,
    ),
    st.sampled_from(["a", "b", "c", "d", "e"]),
    st.lists(st.sampled_from(ITEMS), min_size=1, max_size=3),
    st.booleans(),
    st.integers(0, 2),
    st.sampled_from([None, "x.der"]),
    st.sampled_from([{}, {"stop": version_name(1)}, {"deleted_at": NOW}]),
)
CATALOGUES = st.lists(SECRETS, max_size=5, unique_by=lambda each: each.key)


@given(CATALOGUES, st.randoms(use_true_random=False))
def test_the_order_of_the_catalogue_does_not_matter(entries: list[Entry], rng: random.Random) -> None:
    first = desired(*entries, authorities=REVOKED)
    rng.shuffle(entries)
    assert desired(*entries, authorities=REVOKED) == first


@given(CATALOGUES)
def test_law4_every_claim_is_of_a_secret_that_reaches_the_list_and_holds_the_name(entries: list[Entry]) -> None:
    found = desired(*entries, authorities=REVOKED)
    stopped = {each.key for each in entries if each.stop}
    for name, claims in found.claims.items():
        assert list(claims) == sorted(claims, key=lambda claim: claim.rank)
        assert len({claim.key for claim in claims}) == len(claims)
        for claim in claims:
            assert claim.key in stopped or name in found.in_force[claim.key].names


@given(CATALOGUES)
def test_only_versions_that_pass_alone_and_crls_with_their_ca_are_in_force(entries: list[Entry]) -> None:
    found = desired(*entries, authorities=REVOKED)
    wanted = {file.sha256 for file in found.files.values()}
    assert sha256(WEAK.der) not in wanted
    if {sha256(EMPTY_CRL.der), sha256(CRL_ON_LEAF.der)} & wanted:
        assert sha256(ROOT.der) in wanted
    assert sha256(LEAF.der) not in wanted


@given(CATALOGUES)
def test_law3_taking_the_newest_versions_away_again_gives_what_was_before(entries: list[Entry]) -> None:
    """Desired is a function of the catalogue alone: an upload that is refused leaves every other file as it was."""
    worse = [replace(each, candidates=(candidate(9, WEAK), *each.candidates)) for each in entries]
    assert desired(*worse).claims == desired(*entries).claims


def test_a_certificate_whose_key_usage_forbids_it_signs_no_crl() -> None:
    """RFC 5280 §6.3.3 (f)."""
    lone = certs.server(name="lone")
    found = desired(entry("lone", candidate(1, lone)), entry("crl", candidate(1, certs.crl(lone))))
    assert codes(found, "crl") == [Code.CRL_WITHOUT_ISSUER]
