"""Why a file may leave a list or stays, by what the catalogue says of its owner alone (law 4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.catalogue.entry import ListedVersion
from sync.desired.reasons import KeptReason, Leaves, RemovalReason, Stays, reason_of
from sync.desired.state import DesiredState
from sync.fleet.vaults import Default, WatchedVault
from tests.support import certs
from tests.support.catalogues import (
    CONFIGURATION,
    ISSUER,
    TRUST,
    VAULT,
    candidate,
    entry,
    key,
    proven,
    snapshot,
    version,
    version_name,
)
from tests.support.certs import DAY, NOW

if TYPE_CHECKING:
    from sync.catalogue.entry import Entry
    from sync.fleet.configuration import Configuration
    from sync.fleet.lists import ListDefinition

A, B = certs.server(name="a"), certs.server(name="b")
WEAK = certs.server(key="rsa-1024")
ROOT = certs.ca()
LEAF = certs.server(name="leaf", issuer=ROOT)
SINCE, AT = NOW - DAY, "2026-05-31T00:00:00Z"
OTHER = WatchedVault("https://other.vault.azure.net")
NO_VAULT = replace(CONFIGURATION, vaults=(OTHER,))
NO_LIST = replace(CONFIGURATION, lists=(ISSUER,))


def said(
    *secrets: Entry,
    number: int = 1,
    name: str = "plc7.der",
    configuration: Configuration = CONFIGURATION,
    definition: ListDefinition | None = TRUST,
    **more: Any,
) -> Leaves | Stays:
    """What is said of this file that came from this version of `plc7`, if any."""
    found = snapshot(*secrets, **more)
    state = DesiredState(found, configuration)
    came_from = version_name(number) if number else ""
    return reason_of(state, found.clusters["plant"], definition, key("plc7"), came_from, name)


def plc7(*candidates: Any, **more: Any) -> Entry:
    return entry("plc7", *(candidates or (candidate(1, A),)), since=SINCE, **more)


def listed(number: int, *, enabled: bool = True) -> ListedVersion:
    at = version(number).created
    return ListedVersion(version_name(number), at, SINCE, enabled)


BY_TAGS = {"version": version_name(1)}
OFF = candidate(1, A, enabled=False)
DISABLED_NEWER = plc7(candidate(2, B, enabled=False), candidate(1, A), versions=(listed(2, enabled=False), listed(1)))
BY_DEFAULT = plc7(lists=("trust",), clusters="*", default=True)
LAB_DEFAULT = replace(CONFIGURATION, vaults=(replace(VAULT, default=Default(("trust",), "site=lab")),))

LEAVES = {
    "its secret was deleted": (said(plc7().without_secret(SINCE)), RemovalReason.DELETED, AT, None),
    "deleted, and its vault is watched no more": (
        said(plc7().without_secret(SINCE), configuration=NO_VAULT),
        RemovalReason.DELETED,
        AT,
        None,
    ),
    "its version is gone while newer ones are listed": (
        said(plc7(candidate(2, B)), number=1),
        RemovalReason.VERSION_GONE,
        version_name(1),
        None,
    ),
    "the version on the list was disabled, a newer one is in force": (
        said(plc7(candidate(2, B), versions=(listed(2), listed(1, enabled=False))), number=1),
        RemovalReason.DISABLED,
        AT,
        None,
    ),
    "the version in force was disabled": (
        said(plc7(OFF, versions=(listed(1, enabled=False),))),
        RemovalReason.DISABLED,
        AT,
        None,
    ),
    "a newer version in force was disabled, the list holds the one before": (
        said(DISABLED_NEWER, number=1),
        RemovalReason.DISABLED,
        AT,
        None,
    ),
    "none": (said(plc7(lists=(), **BY_TAGS)), RemovalReason.UNASSIGNED, f"none {AT}", None),
    "none, and its vault is watched no more": (
        said(plc7(lists=(), **BY_TAGS), configuration=NO_VAULT),
        RemovalReason.UNASSIGNED,
        f"none {AT}",
        None,
    ),
    "its vault has no default any more": (said(BY_DEFAULT), RemovalReason.UNASSIGNED, AT, None),
    "the default goes to other clusters": (
        said(BY_DEFAULT, configuration=LAB_DEFAULT),
        RemovalReason.ELSEWHERE,
        AT,
        None,
    ),
    "its tags name another list": (said(plc7(lists=("issuer",), **BY_TAGS)), RemovalReason.ELSEWHERE, AT, SINCE),
    "its tags name other clusters": (said(plc7(clusters="site=lab", **BY_TAGS)), RemovalReason.ELSEWHERE, AT, SINCE),
    "its vault's ceiling keeps it from the list": (
        said(
            plc7(**BY_TAGS),
            configuration=replace(CONFIGURATION, vaults=(replace(VAULT, lists=("issuer",)),)),
        ),
        RemovalReason.ELSEWHERE,
        AT,
        SINCE,
    ),
    "no definition names the place any more": (
        said(plc7(**BY_TAGS), definition=None),
        RemovalReason.ELSEWHERE,
        AT,
        SINCE,
    ),
    "a newer version gives other names": (
        said(plc7(candidate(2, A, B), candidate(1, A)), number=1),
        RemovalReason.REPLACED,
        version_name(2),
        None,
    ),
}

STAYS = {
    "its owner is not in the catalogue": (said(), KeptReason.NOT_CATALOGUED),
    "its vault is watched no more": (said(plc7(), configuration=NO_VAULT), KeptReason.VAULT_LEFT),
    "its list is defined no more": (said(plc7(), configuration=NO_LIST, definition=None), KeptReason.LIST_LEFT),
    "one of its lists is defined no more": (
        said(plc7(lists=("issuer", "trust")), configuration=NO_LIST, definition=None),
        KeptReason.LIST_LEFT,
    ),
    "its rebuild stopped": (said(plc7(stop=version_name(2))), KeptReason.REBUILDING),
    "its rebuild stopped, and its version is not listed": (
        said(plc7(stop=version_name(2)), number=9),
        KeptReason.REBUILDING,
    ),
    "nothing of it passes any more": (said(plc7(candidate(1, WEAK))), KeptReason.LAST_STAYS),
    "its version is gone, and not all were listed": (
        said(plc7(candidate(2, B), complete=False), number=1),
        KeptReason.OWNED,
    ),
    "it is not known which version it came from": (said(plc7(), number=0), KeptReason.OWNED),
    "the owner's version in force gives that name": (said(plc7()), KeptReason.OWNED),
    "an older version on the list, while a newer one gives the name": (
        said(plc7(candidate(2, B), candidate(1, A)), number=1),
        KeptReason.OWNED,
    ),
}

ASKED_ELSEWHERE = {RemovalReason.REVOKED, RemovalReason.ORPHANED}
"""Of the certificate in the file, and of a person: `reconcile.comparison`."""

ON_THE_LIST = {KeptReason.NO_OWNER, KeptReason.OLDER, KeptReason.NOT_WHOLE}
"""What only the list itself tells: `reconcile.context`, `reconcile.comparison`, `reconcile.plan`."""


@pytest.mark.parametrize(("found", "reason", "since", "tagged"), LEAVES.values(), ids=LEAVES)
def test_law4_may_leave_with_the_fact_that_an_approval_names(
    found: Leaves | Stays, reason: RemovalReason, since: str, tagged: Any
) -> None:
    assert found == Leaves(reason, since, tagged)


@pytest.mark.parametrize(("found", "why"), STAYS.values(), ids=STAYS)
def test_law4_stays_where_nothing_is_proven(found: Leaves | Stays, why: KeptReason) -> None:
    assert found == Stays(why)


def test_every_reason_and_every_kept_reason_has_a_case() -> None:
    assert {reason for _, reason, *_ in LEAVES.values()} == set(RemovalReason) - ASKED_ELSEWHERE
    assert {why for _, why in STAYS.values()} == set(KeptReason) - ON_THE_LIST


def test_every_reason_is_a_sentence_of_its_own() -> None:
    texts = [reason.value for reason in (*RemovalReason, *KeptReason)]
    assert len({*texts}) == len(texts)


def test_law4_a_time_out_or_a_403_changes_no_row_and_so_no_reason() -> None:
    """The reasons are of the last look: when that was says nothing."""
    assert said(replace(plc7(), looked=NOW - 900 * DAY)) == said(plc7())


def test_law4_another_time_or_version_is_another_fact() -> None:
    facts = [
        said(plc7().without_secret(SINCE)),
        said(plc7().without_secret(NOW)),
        said(plc7(candidate(2, B)), number=1),
        said(plc7(candidate(2, B)), number=3),
    ]
    assert len({(f.reason, f.since) for f in facts if isinstance(f, Leaves)}) == len(facts)


def test_what_is_revoked_is_no_reason_of_the_owners_and_keeps_its_name() -> None:
    leaf = entry("plc7", candidate(1, LEAF))
    remembered = proven(ROOT, certs.crl(ROOT, revoked=[LEAF]))
    assert said(leaf, authorities=remembered) == Stays(KeptReason.OWNED)


# --- By scope: no vault's doing --------------------------------------------------------------------------

AFTER, BEFORE = SINCE + DAY / 2, SINCE - DAY / 2
SCOPES = {
    "tags that the list has not seen yet": (Leaves(RemovalReason.ELSEWHERE, AT, SINCE), BEFORE, False),
    "tags that took nothing when the list was as it should be": (
        Leaves(RemovalReason.ELSEWHERE, AT, SINCE),
        AFTER,
        True,
    ),
    "tags, on a list that never was as it should be": (Leaves(RemovalReason.ELSEWHERE, AT, SINCE), None, False),
    "a default, which no tags say": (Leaves(RemovalReason.ELSEWHERE, AT), None, True),
    "a default that is gone": (Leaves(RemovalReason.UNASSIGNED, AT), None, True),
    "none is the doing of the vault's people": (Leaves(RemovalReason.UNASSIGNED, f"none {AT}"), AFTER, False),
    "a deletion is too": (Leaves(RemovalReason.DELETED, AT), AFTER, False),
    "a newer version is too": (Leaves(RemovalReason.REPLACED, version_name(2)), AFTER, False),
}


@pytest.mark.parametrize(("leaves", "verified", "expected"), SCOPES.values(), ids=SCOPES)
def test_law4_what_labels_and_settings_take_is_no_vaults_doing(leaves: Leaves, verified: Any, expected: bool) -> None:
    assert leaves.by_scope(verified) is expected


# --- No other secret's row -------------------------------------------------------------------------------

OTHERS = st.lists(
    st.sampled_from(
        [
            entry("twin", candidate(1, A), file="plc7.der"),
            entry("twin2", candidate(1, A), file="plc7.der", since=NOW - 9 * DAY),
            entry("off", candidate(1, A, enabled=False), file="plc7.der"),
            entry("gone", candidate(1, A), file="plc7.der").without_secret(NOW),
            entry("weak", candidate(1, WEAK), file="plc7.der"),
            entry("stopped", stop=version_name(1), file="plc7.der"),
            entry("nowhere", lists=(), version=version_name(1)),
        ]
    ),
    unique_by=lambda each: each.key,
)
OWNERS = st.sampled_from(
    [plc7(), plc7().without_secret(SINCE), plc7(OFF), plc7(lists=("issuer",)), plc7(candidate(2, B)), None]
)


@given(OWNERS, OTHERS)
def test_law4_no_other_secrets_row_proves_or_prevents_anything(owner: Entry | None, others: list[Entry]) -> None:
    alone = [owner] if owner else []
    assert said(*alone, *others) == said(*alone)
