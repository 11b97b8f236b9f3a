"""What becomes of each file: every action, by bytes and by owner; nothing old goes on (laws 3, 4 and 6)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from sync.catalogue.snapshot import Answer, Removal, VaultFacts
from sync.desired.reasons import KeptReason, Leaves, RemovalReason
from sync.fleet.vaults import WatchedVault
from sync.reconcile.comparison import Action, Change, Comparison
from sync.reconcile.memory import NO_MEMORY, ListMemory
from sync.reconcile.owners import whose
from sync.reconcile.ownership import Owners
from sync.reconcile.plan import after, make_plan
from tests.support import certs
from tests.support.catalogues import (
    CONFIGURATION,
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
    from sync.reconcile.context import ListContext
    from sync.reconcile.observed import Observed

FILE = "x.der"
OLD, NEW, ALIEN = (certs.server(name="x", key_name=name) for name in ("old", "new", "alien"))
SECRET = entry("x", candidate(2, NEW), candidate(1, OLD))
ROOT = certs.ca()
LEAF = certs.server(name="leaf", issuer=ROOT)
REVOKING = proven(ROOT, certs.crl(ROOT, revoked=[LEAF]))


def compared(observed: Observed, memory: ListMemory, context: ListContext) -> Comparison:
    return Comparison(observed, memory, whose(observed, memory, context), context)


def wanted(
    observed: Observed, *secrets: Entry, memory: ListMemory = NO_MEMORY, name: str = FILE, **more: Any
) -> Change | None:
    """What becomes of the file that the first claim on the name wants."""
    context = context_of(*(secrets or (SECRET,)), **more)
    file = context.desired.claims[name][0].file
    assert file is not None
    return compared(observed, memory, context).wanted(file)


def action(change: Change | None) -> tuple[Action, str] | None:
    return (change.action, change.reason) if change else None


# --- A wanted file ---------------------------------------------------------------------------------------

MINE = remembered({FILE: owned(OLD.der, "x")})
WANTED = {
    "absent": (seen(), NO_MEMORY, Action.ADD, ""),
    "law 3: the owner's older version is replaced": (seen(ours={FILE: OLD.der}), MINE, Action.REPLACE, ""),
    "law 5: as it should be": (seen(ours={FILE: NEW.der}), NO_MEMORY, Action.KEEP, ""),
    "co-owned, as it was written": (seen(both={FILE: OLD.der}), MINE, Action.REPLACE, ""),
    "law 6: ours that another edited": (seen(edited={FILE: ALIEN.der}), MINE, Action.RESTORE, ""),
    "law 6: shared, and its first writer changed it": (
        seen(edited={FILE: ALIEN.der}),
        remembered({FILE: owned(OLD.der, "x", shared=True)}),
        Action.CONFLICT,
        "owned by kubectl-edit",
    ),
    "another's with the same bytes": (seen(theirs={FILE: NEW.der}), NO_MEMORY, Action.ADOPT, ""),
    "law 6: another's with other bytes": (
        seen(theirs={FILE: ALIEN.der}),
        NO_MEMORY,
        Action.CONFLICT,
        "owned by kubectl-edit",
    ),
    "law 6: another writer's whom managedFields do not name": (
        replace(seen(theirs={FILE: ALIEN.der}), others={}),
        NO_MEMORY,
        Action.CONFLICT,
        "owned by another writer",
    ),
    "law 4: ours, of no known owner": (
        seen(ours={FILE: ALIEN.der}),
        NO_MEMORY,
        Action.UNACCOUNTED,
        KeptReason.NO_OWNER.value,
    ),
}


@pytest.mark.parametrize(("observed", "memory", "expected", "reason"), WANTED.values(), ids=WANTED)
def test_a_wanted_file(observed: Observed, memory: ListMemory, expected: Action, reason: str) -> None:
    change = wanted(observed, memory=memory)
    assert action(change) == (expected, reason)
    assert change is not None
    assert change.before == sha256(observed.data[FILE]) if FILE in observed.data else change.before == ""
    if expected is not Action.UNACCOUNTED:
        assert (change.after, change.owner, change.version) == (sha256(NEW.der), key("x"), version_name(2))


def test_law4_another_owners_file_stays_as_long_as_nothing_proves_the_end() -> None:
    memory = remembered({FILE: owned(ALIEN.der, "gone", 7)})
    change = wanted(seen(ours={FILE: ALIEN.der}), memory=memory)
    assert action(change) == (Action.KEEP, KeptReason.NOT_CATALOGUED.value)
    assert change is not None
    assert (change.owner, change.version) == (key("gone"), version_name(7))


@pytest.mark.parametrize(("built", "expected"), [(ALIEN, Action.REPLACE), (NEW, Action.KEEP)])
def test_law4_a_name_that_passed_is_replaced_or_taken_over_where_the_bytes_are_equal(
    built: certs.Built, expected: Action
) -> None:
    gone = entry("gone", candidate(1, built)).without_secret(NOW)
    memory = remembered({FILE: owned(built.der, "gone")})
    change = wanted(seen(ours={FILE: built.der}), SECRET, gone, memory=memory)
    assert action(change) == (expected, "")
    assert change is not None
    assert (change.owner, change.version) == (key("x"), version_name(2))


# --- Nothing old goes on (law 3) -------------------------------------------------------------------------

CRLS = {number: certs.crl(ROOT, number=number, this_update=NOW - (9 - number) * DAY) for number in (1, 2, 3)}
HOLDS_NEW = remembered({FILE: owned(NEW.der, "x", 2)})
HOLDS_OLD = remembered({FILE: owned(OLD.der, "x", 1)})
NEWER_REVOKED = entry("x", candidate(2, LEAF), candidate(1, OLD))


def test_law3_no_older_version_of_an_owner_than_the_list_holds_is_written() -> None:
    """The newer one is rejected by now; the list, which has it, keeps it."""
    weak = certs.server(name="x", key="rsa-1024")
    rejected = entry("x", candidate(2, weak), candidate(1, OLD))
    change = wanted(seen(ours={FILE: weak.der}), rejected, memory=remembered({FILE: owned(weak.der, "x", 2)}))
    assert action(change) == (Action.KEEP, KeptReason.OLDER.value)
    assert change is not None
    assert (change.before, change.after, change.version) == (sha256(weak.der), sha256(weak.der), version_name(2))


def test_a_version_that_the_vault_does_not_list_is_the_oldest() -> None:
    """Its age comes from the vault, never from what the list says."""
    change = wanted(seen(ours={FILE: ALIEN.der}), memory=remembered({FILE: owned(ALIEN.der, "x", 9)}))
    assert action(change) == (Action.REPLACE, "")


def not_anew(observed: Observed, memory: ListMemory) -> Change | None:
    """The newest version of the secret is revoked; the one before it is in force."""
    return wanted(observed, NEWER_REVOKED, memory=memory, authorities=REVOKING)


def test_law3_where_the_newest_version_is_revoked_an_older_one_stays_where_it_is() -> None:
    assert action(not_anew(seen(ours={FILE: OLD.der}), HOLDS_OLD)) == (Action.KEEP, "")
    assert action(not_anew(seen(edited={FILE: ALIEN.der}), HOLDS_OLD)) == (Action.RESTORE, "")


def test_law3_it_goes_back_where_it_was_removed_by_hand() -> None:
    assert action(not_anew(seen(), HOLDS_OLD)) == (Action.ADD, "")


@pytest.mark.parametrize("memory", [NO_MEMORY, remembered({}), remembered({FILE: owned(ALIEN.der, "other")})])
def test_law3_it_goes_onto_no_list_anew(memory: ListMemory) -> None:
    assert not_anew(seen(), memory) is None


def test_law3_it_takes_no_revoked_ones_place_after_a_crash_either() -> None:
    """The revoked file left, and the push died before it wrote the status."""
    revoked = remembered({FILE: owned(LEAF.der, "x", 2)})
    assert not_anew(seen(), revoked) is None
    assert action(not_anew(seen(edited={FILE: ALIEN.der}), revoked)) == (Action.CONFLICT, "owned by kubectl-edit")


def test_law3_it_replaces_nothing() -> None:
    held = remembered({FILE: owned(ALIEN.der, "x", 1)})
    assert action(not_anew(seen(ours={FILE: ALIEN.der}), held)) == (Action.KEEP, KeptReason.OLDER.value)


def crl(number: int, secret: str = "crl", **more: Any) -> Entry:
    return entry(secret, candidate(number, CRLS[number]), file="root.crl", **more)


CA = entry("root", candidate(1, ROOT))


def on_list(number: int, name: str = "other.crl", secret: str = "other") -> tuple[Observed, ListMemory]:
    """The list holds the CRL of this number, as a file of another secret."""
    data = CRLS[number].der
    return seen(ours={name: data}), remembered({name: owned(data, secret, number)})


@pytest.mark.parametrize(
    ("there", "expected"),
    [(3, (Action.WAIT, "the list holds a newer CRL of the same CA")), (2, (Action.ADD, "")), (1, (Action.ADD, ""))],
)
def test_law3_of_a_ca_no_older_crl_goes_on_than_the_list_holds(there: int, expected: tuple[Action, str]) -> None:
    observed, memory = on_list(there)
    authorities = proven(ROOT, CRLS[2])
    change = wanted(observed, CA, crl(2), memory=memory, name="root.crl", authorities=authorities)
    assert action(change) == expected


def test_law3_no_older_crl_replaces_its_owners_newer_one() -> None:
    observed, memory = on_list(3, "root.crl", "crl")
    change = wanted(observed, CA, crl(2), memory=memory, name="root.crl", authorities=proven(ROOT, CRLS[2]))
    assert action(change) == (Action.KEEP, KeptReason.OLDER.value)


def test_a_crl_that_an_operator_told_to_be_forgotten_counts_as_the_oldest() -> None:
    """A CA whose numbers began anew."""
    ((row, authority),) = proven(ROOT, CRLS[1]).items()
    later = certs.crl(ROOT, number=1, this_update=NOW)
    forgetting = {row: structs.replace(authority, forgotten=NOW - DAY)}
    observed, memory = on_list(3)
    anew = entry("crl", candidate(1, later), file="root.crl")
    change = wanted(observed, CA, anew, memory=memory, name="root.crl", authorities=forgetting)
    assert action(change) == (Action.ADD, "")


@pytest.mark.parametrize("other", [certs.ca(key_name="rekeyed"), certs.ca(name="Other Root")])
def test_a_crl_of_another_key_or_name_is_no_newer_one(other: certs.Built) -> None:
    data = certs.crl(other, number=99).der
    memory = remembered({"other.crl": owned(data, "other")})
    change = wanted(
        seen(ours={"other.crl": data}), CA, crl(2), memory=memory, name="root.crl", authorities=proven(ROOT, CRLS[2])
    )
    assert action(change) == (Action.ADD, "")


def test_law6_anothers_newer_crl_counts_for_nothing() -> None:
    observed = seen(theirs={"theirs.crl": CRLS[3].der})
    change = wanted(observed, CA, crl(2), name="root.crl", authorities=proven(ROOT, CRLS[2]))
    assert action(change) == (Action.ADD, "")


# --- What a list gains (law 1) ---------------------------------------------------------------------------

MARKED = seen(owners=Owners(PLACE))
SECOND = WatchedVault("https://b.vault.azure.net")
TWO = replace(CONFIGURATION, vaults=(VAULT, SECOND))


def test_law1_a_list_found_with_our_annotation_and_no_status_gains_nothing_yet() -> None:
    change = wanted(MARKED, configuration=TWO)
    assert action(change) == (
        Action.WAIT,
        "waits until b.vault.azure.net was gone through once (`trustcast vaults waive` ends the wait)",
    )
    theirs = seen(theirs={FILE: NEW.der}, owners=Owners(PLACE))
    assert action(wanted(theirs, configuration=TWO)) == action(change)


GAINS: dict[str, tuple[Observed, dict[str, Any]]] = {
    "every vault was gone through": (MARKED, {"vaults": {**SWEPT, SECOND.host: VaultFacts(NOW)}}),
    "the vault awaited cannot reach the list": (
        MARKED,
        {"configuration": replace(TWO, vaults=(VAULT, replace(SECOND, lists=("issuer",))))},
    ),
    "the vault awaited cannot reach the cluster": (
        MARKED,
        {"configuration": replace(TWO, vaults=(VAULT, replace(SECOND, clusters="site=lab")))},
    ),
    "there is a status": (MARKED, {"memory": remembered({})}),
    "the object has no annotation of ours": (seen(), {}),
}


@pytest.mark.parametrize(("observed", "more"), GAINS.values(), ids=GAINS)
def test_law1_otherwise_it_gains_at_once(observed: Observed, more: dict[str, Any]) -> None:
    assert action(wanted(observed, **{"configuration": TWO, **more})) == (Action.ADD, "")


def test_law1_a_list_is_known_from_when_it_may_gain_files_and_stays_so() -> None:
    """A look at it alone, or one that failed, does not make it known."""
    two = context_of(SECRET, configuration=TWO)
    every = context_of(SECRET, configuration=TWO, vaults={**SWEPT, SECOND.host: VaultFacts(NOW)})
    waiting = after(make_plan(MARKED, NO_MEMORY, two), NO_MEMORY)
    assert not waiting.known
    assert not after(make_plan(MARKED, waiting, two), waiting).known
    gaining = after(make_plan(MARKED, waiting, every), waiting)
    assert gaining.known
    assert after(make_plan(MARKED, gaining, two), gaining).known


def test_law1_what_such_a_list_holds_is_renewed_and_restored_at_once() -> None:
    marked = Owners(PLACE, {FILE: owned(OLD.der, "x")})
    assert action(wanted(seen(ours={FILE: OLD.der}, owners=marked), configuration=TWO)) == (Action.REPLACE, "")


# --- A file that is there and not wanted -----------------------------------------------------------------


def there(observed: Observed, *secrets: Entry, memory: ListMemory = NO_MEMORY, **more: Any) -> tuple[Change, Any]:
    ((name, data),) = observed.data.items()
    return compared(observed, memory, context_of(*secrets, **more)).present(name, data)


def ours(built: certs.Built, secret: str = "x", number: int = 1) -> tuple[Observed, ListMemory]:
    return seen(ours={FILE: built.der}), remembered({FILE: owned(built.der, secret, number)})


def orphan_removal(built: certs.Built) -> dict[str, Any]:
    removal = Removal(None, "ORPHANED", sha256(built.der), "*")
    return {"answers": {"digest": Answer("digest", NOW, approved=True, removals=(removal,))}}


GONE = entry("x", candidate(1, OLD)).without_secret(NOW)
REVOKED_AT = f"{NOW - 2 * DAY:%Y-%m-%dT%H:%M:%SZ}"
THERE: dict[str, tuple[tuple[Observed, ListMemory], list[Entry], dict[str, Any], Action, str]] = {
    "another's": ((seen(theirs={FILE: OLD.der}), NO_MEMORY), [GONE], {}, Action.UNMANAGED, ""),
    "law 6: ours until another changed it": (
        (seen(edited={FILE: ALIEN.der}), remembered({FILE: owned(OLD.der, "x")})),
        [GONE],
        {},
        Action.UNMANAGED,
        "",
    ),
    "law 4: its owner is not known": (
        (seen(ours={FILE: ALIEN.der}), NO_MEMORY),
        [GONE],
        {},
        Action.UNACCOUNTED,
        KeptReason.NO_OWNER.value,
    ),
    "law 4: nothing proves that it may leave": (ours(OLD), [], {}, Action.KEEP, KeptReason.NOT_CATALOGUED.value),
    "law 4: its owner is gone": (ours(OLD), [GONE], {}, Action.REMOVE, RemovalReason.DELETED.value),
    "law 6: co-owned, and its owner is gone": (
        (seen(both={FILE: OLD.der}), remembered({FILE: owned(OLD.der, "x")})),
        [GONE],
        {},
        Action.REMOVE,
        RemovalReason.DELETED.value,
    ),
    "law 4: revoked, though its owner would keep it": (
        ours(LEAF),
        [],
        {"authorities": REVOKING},
        Action.REMOVE,
        RemovalReason.REVOKED.value,
    ),
    "law 4: revoked, of no known owner": (
        (seen(ours={FILE: LEAF.der}), NO_MEMORY),
        [],
        {"authorities": REVOKING},
        Action.REMOVE,
        RemovalReason.REVOKED.value,
    ),
    "law 6: revoked, and another's": (
        (seen(theirs={FILE: LEAF.der}), NO_MEMORY),
        [],
        {"authorities": REVOKING},
        Action.UNMANAGED,
        "",
    ),
    "law 4: removed by a person, of no known owner": (
        (seen(ours={FILE: ALIEN.der}), NO_MEMORY),
        [],
        orphan_removal(ALIEN),
        Action.REMOVE,
        RemovalReason.ORPHANED.value,
    ),
    "a person removed other bytes": (
        (seen(ours={FILE: ALIEN.der}), NO_MEMORY),
        [],
        orphan_removal(OLD),
        Action.UNACCOUNTED,
        KeptReason.NO_OWNER.value,
    ),
}


@pytest.mark.parametrize(("held", "secrets", "more", "expected", "reason"), THERE.values(), ids=THERE)
def test_a_file_that_is_there_and_not_wanted(
    held: tuple[Observed, ListMemory], secrets: list[Entry], more: dict[str, Any], expected: Action, reason: str
) -> None:
    change, leaves = there(held[0], *secrets, memory=held[1], **more)
    assert action(change) == (expected, reason)
    assert (leaves is not None) is (expected is Action.REMOVE)
    assert change.after == ("" if expected is Action.REMOVE else change.before)


def test_the_facts_that_approvals_name_of_what_no_owners_row_tells() -> None:
    _, revoked = there(*ours(LEAF)[:1], memory=ours(LEAF)[1], authorities=REVOKING)
    assert revoked == Leaves(RemovalReason.REVOKED, REVOKED_AT)
    _, orphaned = there(seen(ours={FILE: ALIEN.der}), **orphan_removal(ALIEN))
    assert orphaned == Leaves(RemovalReason.ORPHANED, sha256(ALIEN.der))


def test_every_action_has_a_case() -> None:
    """Holding back is of the plan as a whole: tests/reconcile/test_plan.py."""
    given = {each[2] for each in WANTED.values()} | {each[3] for each in THERE.values()}
    assert given | {Action.WAIT, Action.HOLD} == set(Action)
