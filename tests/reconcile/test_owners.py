"""Whose the files of a list are, and who keeps a name (laws 1, 4, 6 and 13)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from sync.catalogue.snapshot import Answer, Removal, VaultFacts
from sync.desired.reasons import KeptReason, Leaves, RemovalReason, Stays
from sync.fleet.vaults import WatchedVault
from sync.reconcile.memory import NO_MEMORY, ListMemory
from sync.reconcile.owners import Ours, choose_claim, whose
from sync.reconcile.ownership import OwnedFile, Owners
from tests.support import certs
from tests.support.catalogues import (
    CONFIGURATION,
    HOST,
    VAULT,
    candidate,
    entry,
    key,
    proven,
    sha256,
    version_name,
)
from tests.support.certs import DAY, NOW
from tests.support.lists import PLACE, SWEPT, context_of, owned, remembered, seen

if TYPE_CHECKING:
    from sync.catalogue.entry import Entry
    from sync.desired.claims import WantedFile
    from sync.reconcile.context import ListContext
    from sync.reconcile.observed import Observed

B_HOST = "b.vault.azure.net"
TWO_VAULTS = replace(CONFIGURATION, vaults=(VAULT, WatchedVault(f"https://{B_HOST}")))
ONLY_B = replace(CONFIGURATION, vaults=TWO_VAULTS.vaults[1:])
X, Y = certs.server(name="x"), certs.server(name="y")
FILE = "x.der"
GIVES_X = entry("x", candidate(1, X))
HOUR = timedelta(hours=1)


def says(file: OwnedFile) -> Owners:
    return Owners(PLACE, {FILE: file})


def found(observed: Observed, memory: ListMemory = NO_MEMORY, context: ListContext | None = None) -> Ours:
    return whose(observed, memory, context or context_of(GIVES_X))


# --- Whose a file is -------------------------------------------------------------------------------------

BY_STATUS, BY_ANNOTATION = owned(X.der, "by-status"), owned(X.der, "by-annotation")
INFERRED = owned(X.der, "x")
OTHER_BYTES = owned(Y.der, "other")

WHOSE = {
    "status first": (
        seen(ours={FILE: X.der}, owners=says(BY_ANNOTATION)),
        {FILE: BY_STATUS},
        BY_STATUS,
    ),
    "then the annotation": (seen(ours={FILE: X.der}, owners=says(BY_ANNOTATION)), {}, BY_ANNOTATION),
    "a status about other bytes speaks for nothing": (
        seen(ours={FILE: X.der}, owners=says(BY_ANNOTATION)),
        {FILE: OTHER_BYTES},
        BY_ANNOTATION,
    ),
    "an annotation about other bytes speaks for nothing": (
        seen(ours={FILE: X.der}, owners=says(OTHER_BYTES)),
        {},
        INFERRED,
    ),
    "then the one secret that gives these very bytes": (seen(ours={FILE: X.der}), {}, INFERRED),
    "a status that knows no owner is completed": (seen(ours={FILE: X.der}), {FILE: owned(X.der)}, INFERRED),
    "law 6: a restored backup is ours by its annotation alone": (
        seen(theirs={FILE: X.der}, owners=says(BY_ANNOTATION)),
        {},
        BY_ANNOTATION,
    ),
    "law 6: what status remembers is ours though an editor wrote the same bytes": (
        seen(edited={FILE: X.der}),
        {FILE: BY_STATUS},
        BY_STATUS,
    ),
    "law 6: shared by its annotation, and no more our manager's": (
        seen(theirs={FILE: X.der}, owners=says(replace(BY_ANNOTATION, shared=True))),
        {},
        None,
    ),
    "shared by its annotation, and our manager's": (
        seen(both={FILE: X.der}, owners=says(replace(BY_ANNOTATION, shared=True))),
        {},
        replace(BY_ANNOTATION, shared=True),
    ),
    "law 6: beside another's, and without a memory, it is shared": (
        seen(both={FILE: X.der}),
        {},
        replace(INFERRED, shared=True),
    ),
    "law 6: another's": (seen(theirs={FILE: X.der}), {}, None),
}


@pytest.mark.parametrize(("observed", "files", "expected"), WHOSE.values(), ids=WHOSE)
def test_law6_a_file_is_ours_by_status_annotation_or_managed_fields(
    observed: Observed, files: dict[str, OwnedFile], expected: OwnedFile | None
) -> None:
    ours = found(observed, remembered(files))
    assert ours.files.get(FILE) == expected
    assert not ours.edited


def test_law6_ours_with_bytes_that_another_wrote_is_edited() -> None:
    ours = found(seen(edited={FILE: Y.der}), remembered({FILE: BY_STATUS}))
    assert (ours.files, ours.edited, ours.owner_of(FILE)) == ({}, {FILE: BY_STATUS}, BY_STATUS)


def test_what_an_annotation_alone_remembers_and_another_changed_is_not_ours() -> None:
    """A kept file whose bytes another changed is ours no more; without a status nothing is forced back."""
    ours = found(seen(edited={FILE: Y.der}, owners=says(BY_ANNOTATION)))
    assert (ours.files, ours.edited) == ({}, {})


NOT_INFERRED: dict[str, tuple[list[Entry], dict[str, VaultFacts]]] = {
    "law 1: its vault was not gone through yet": ([GIVES_X], {}),
    "two give these bytes": ([GIVES_X, entry("twin", candidate(1, X), file=FILE)], SWEPT),
    "nobody gives them": ([entry("x", candidate(1, Y))], SWEPT),
    "they are given under another name": ([entry("z", candidate(1, X))], SWEPT),
}


@pytest.mark.parametrize(("secrets", "vaults"), NOT_INFERRED.values(), ids=NOT_INFERRED)
def test_law1_nothing_is_inferred_before_all_vaults_were_seen_or_from_several(
    secrets: list[Entry], vaults: dict[str, VaultFacts]
) -> None:
    ours = found(seen(ours={FILE: X.der}), context=context_of(*secrets, vaults=vaults))
    assert ours.files[FILE] == owned(X.der)


def test_law1_every_configured_vault_counts_for_what_is_inferred() -> None:
    """One that may not reach this list, too: what it once gave is not known."""
    narrow = replace(TWO_VAULTS, vaults=(VAULT, replace(TWO_VAULTS.vaults[1], lists=("issuer",))))
    observed = seen(ours={FILE: X.der})
    assert found(observed, context=context_of(GIVES_X, configuration=narrow)).files[FILE].owner is None
    both = {**SWEPT, B_HOST: VaultFacts(NOW)}
    assert found(observed, context=context_of(GIVES_X, configuration=narrow, vaults=both)).files[FILE] == INFERRED


def test_the_version_inferred_is_the_newest_that_gives_the_bytes() -> None:
    twice = entry("x", candidate(3, X), candidate(2, Y), candidate(1, X))
    ours = found(seen(ours={FILE: X.der}), context=context_of(twice))
    assert ours.files[FILE] == owned(X.der, "x", 3)


# --- Who keeps a name ------------------------------------------------------------------------------------


def a_secret(*candidates: Any, **more: Any) -> Entry:
    """The holder: admitted last, so that it never has the name for being first."""
    return entry("a", *(candidates or (candidate(1, X),)), file=FILE, since=NOW, **more)


def twin(built: certs.Built = Y, **more: Any) -> Entry:
    return entry("b", candidate(1, built), file=FILE, since=NOW - DAY, host=B_HOST, **more)


def chosen(
    *secrets: Entry, file: OwnedFile | None = None, memory: ListMemory = NO_MEMORY, edited: bool = False, **more: Any
) -> WantedFile | None:
    """The file that a list wants under the name, if it holds this one or remembers that."""
    context = context_of(*secrets, **{"configuration": TWO_VAULTS, **more})
    files = {FILE: file} if file else {}
    ours = Ours({}, files) if edited else Ours(files, {})
    return choose_claim(FILE, context.desired.claims[FILE], ours, memory, context)


HELD = owned(X.der, "a")


def giver(wanted: WantedFile | None) -> str | None:
    return wanted.key.name if wanted else None


def test_a_name_that_nobody_has_goes_to_who_was_admitted_first() -> None:
    assert giver(chosen(a_secret(), twin())) == "b"


KEEPS = {
    "its version gives the name": ([a_secret()], "a"),
    "its newer version gives the name": ([a_secret(candidate(2, certs.server(name="z")), candidate(1, X))], "a"),
    "its version is disabled": ([a_secret(candidate(1, X, enabled=False))], None),
    "its newest version is rejected": ([a_secret(candidate(1, certs.server(key="rsa-1024")))], None),
    "its rebuild stopped": ([a_secret(stop=version_name(2))], None),
    "it is not in the catalogue": ([], None),
}


@pytest.mark.parametrize(("holder", "expected"), KEEPS.values(), ids=KEEPS)
@pytest.mark.parametrize("edited", [False, True], ids=["as written", "edited by hand"])
def test_law4_a_name_is_its_owners_as_long_as_nothing_proves_the_end(
    holder: list[Entry], expected: str | None, edited: bool
) -> None:
    assert giver(chosen(*holder, twin(), file=HELD, edited=edited)) == expected


ENDED = {
    "its secret was deleted": a_secret().without_secret(NOW),
    "its secret was unassigned": entry("a", lists=(), version=version_name(1)),
    "its secret goes to another list": a_secret(lists=("issuer",)),
    "its secret goes to other clusters": a_secret(clusters="site=lab"),
    "its newer version gives other names": a_secret(candidate(2, X, Y), candidate(1, X)),
}


@pytest.mark.parametrize("holder", ENDED.values(), ids=ENDED)
def test_law4_a_name_passes_once_it_is_proven_that_this_ended(holder: Entry) -> None:
    assert giver(chosen(holder, twin(), file=HELD)) == "b"


def test_law4_a_revoked_certificate_keeps_its_owners_name() -> None:
    root = certs.ca()
    leaf = certs.server(name="leaf", issuer=root)
    revoked = proven(root, certs.crl(root, revoked=[leaf]))
    memory = remembered({}, reserved={FILE: key("a")})
    secrets = (a_secret(candidate(1, leaf)), twin())
    assert chosen(*secrets, file=owned(leaf.der, "a"), authorities=revoked) is None
    assert chosen(*secrets, memory=memory, authorities=revoked) is None


@pytest.mark.parametrize(("holder", "expected"), KEEPS.values(), ids=KEEPS)
def test_law4_a_reserved_name_is_kept_while_its_file_is_not_there(holder: list[Entry], expected: str | None) -> None:
    assert giver(chosen(*holder, twin(), memory=remembered({}, reserved={FILE: key("a")}), vaults={})) == expected


@pytest.mark.parametrize(("holder", "expected"), KEEPS.values(), ids=KEEPS)
def test_law4_a_name_is_kept_while_its_file_is_remembered_and_not_there(
    holder: list[Entry], expected: str | None
) -> None:
    """Removed by a hand, or by a push that died before it wrote the status."""
    assert giver(chosen(*holder, twin(), memory=remembered({FILE: HELD}), vaults={})) == expected


@pytest.mark.parametrize("memory", [remembered({FILE: HELD}), remembered({}, reserved={FILE: key("a")})])
def test_a_name_that_is_not_there_is_free_once_its_vault_shows_no_such_owner(memory: ListMemory) -> None:
    """The tables were lost, and the secret was purged meanwhile."""
    assert giver(chosen(twin(), memory=memory, vaults=SWEPT)) == "b"


def test_a_file_without_an_owner_has_no_holder() -> None:
    assert giver(chosen(a_secret(), twin(), file=owned(X.der))) == "b"


# --- A vault that is configured no more ------------------------------------------------------------------


def left(ago: timedelta) -> dict[str, VaultFacts]:
    return {HOST: VaultFacts(NOW, left=NOW - ago), B_HOST: VaultFacts(NOW)}


PASSES = {
    "a day ago, equal bytes": (24 * HOUR, X, "b"),
    "less than a day ago": (24 * HOUR - timedelta(seconds=1), X, None),
    "other bytes": (48 * HOUR, Y, None),
}


@pytest.mark.parametrize(("ago", "built", "expected"), PASSES.values(), ids=PASSES)
def test_law4_a_replaced_vaults_names_pass_after_a_day_on_equal_bytes(
    ago: timedelta, built: certs.Built, expected: str | None
) -> None:
    wanted = chosen(a_secret(), twin(built), file=HELD, configuration=ONLY_B, vaults=left(ago))
    assert giver(wanted) == expected


def test_law4_a_vault_that_came_back_passes_nothing() -> None:
    assert giver(chosen(a_secret(), twin(X), file=HELD, vaults=left(48 * HOUR))) == "a"


def test_a_reserved_name_of_a_vault_that_left_does_not_pass() -> None:
    """Its bytes are not there to compare."""
    memory = remembered({}, reserved={FILE: key("a")})
    assert chosen(a_secret(), twin(X), memory=memory, configuration=ONLY_B, vaults=left(48 * HOUR)) is None


def test_law4_a_forgotten_vault_frees_its_names_at_once() -> None:
    forgotten = {HOST: VaultFacts(NOW, left=NOW, forgotten=NOW), B_HOST: VaultFacts(NOW)}
    memory = remembered({}, reserved={FILE: key("a")})
    assert giver(chosen(a_secret(), twin(), file=HELD, configuration=ONLY_B, vaults=forgotten)) == "b"
    assert giver(chosen(a_secret(), twin(), memory=memory, configuration=ONLY_B, vaults=forgotten)) == "b"


# --- What the list's context says ------------------------------------------------------------------------


def test_a_file_of_no_owner_or_a_forgotten_vault_has_no_owner() -> None:
    forgotten = {HOST: VaultFacts(NOW, left=NOW, forgotten=NOW)}
    assert context_of().reason_of(None, "", FILE) == Stays(KeptReason.NO_OWNER)
    gone = a_secret().without_secret(NOW)
    assert isinstance(context_of(gone).reason_of(key("a"), "", FILE), Leaves)
    assert context_of(gone, vaults=forgotten).reason_of(key("a"), "", FILE) == Stays(KeptReason.NO_OWNER)


def test_a_removal_by_hand_is_of_files_without_owner_alone_and_names_their_bytes() -> None:
    removal = Removal(None, "ORPHANED", sha256(X.der), "trust")
    context = context_of(GIVES_X, **approving(removal))
    assert context.removed_by_hand(owned(X.der))
    assert not context.removed_by_hand(owned(Y.der))
    assert not context.removed_by_hand(owned(X.der, "x"))
    assert not context_of(GIVES_X).removed_by_hand(owned(X.der))


def approving(*removals: Removal) -> dict[str, Any]:
    return {"answers": {"digest": Answer("digest", NOW, approved=True, removals=removals)}}


@pytest.mark.parametrize(("answered", "expected"), [(True, True), (False, False)])
def test_an_approval_names_secret_reason_since_when_and_list(answered: bool, expected: bool) -> None:
    since = "2026-06-01T00:00:00Z"
    answer = Answer("digest", NOW, approved=answered, removals=(Removal(key("a"), "DELETED", since, "trust"),))
    context = context_of(answers={"digest": answer})
    assert context.approved(key("a"), Leaves(RemovalReason.DELETED, since)) is expected
    assert not context.approved(key("b"), Leaves(RemovalReason.DELETED, since))
    assert not context.approved(key("a"), Leaves(RemovalReason.DISABLED, since))
    assert not context.approved(key("a"), Leaves(RemovalReason.DELETED, "2026-06-01T00:00:01Z"))
    elsewhere = structs.replace(answer, removals=(Removal(key("a"), "DELETED", since, "issuer"),))
    assert not context_of(answers={"digest": elsewhere}).approved(key("a"), Leaves(RemovalReason.DELETED, since))


def test_the_vaults_awaited_are_those_that_reach_this_cluster_and_list() -> None:
    vaults = (
        VAULT,
        WatchedVault(f"https://{B_HOST}", clusters="site=lab"),
        WatchedVault("https://c.vault.azure.net", lists=("issuer",)),
        WatchedVault("https://d.vault.azure.net", clusters="site=plant"),
    )
    context = context_of(configuration=replace(CONFIGURATION, vaults=vaults))
    assert context.awaited == ("d.vault.azure.net",)
    assert not context.vaults_known
