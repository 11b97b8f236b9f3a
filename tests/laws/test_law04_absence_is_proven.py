"""Law 4: too large a removal waits for a person, where it happens; what several workers take is counted together."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sync.catalogue.secret import SecretKey
from sync.catalogue.snapshot import Stamp
from sync.commands.orphans import forget_vault, orphans, remove_orphans
from sync.commands.removals import approve, reject, waiting
from sync.desired.reasons import RemovalReason
from sync.errors import Invalid, Unreachable
from sync.fleet.configuration import Configuration
from sync.fleet.vaults import WatchedVault
from sync.reconcile.status import State
from sync.reports.removals import Asked, Question
from sync.steps.admission import admit
from sync.steps.push import push_cluster
from tests.support import certs
from tests.support.failing import failing
from tests.support.fleet import HOST, TRUST, Fleet, registration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sync.catalogue.snapshot import Answer
    from tests.support.memory import MemoryVault

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
NAMES = tuple(f"plc{number}" for number in range(1, 9))
MINUTE = timedelta(minutes=1)


def filled(*clusters: str, names: Iterable[str] = NAMES) -> Fleet:
    """A secret of each name, on the list of every cluster."""
    fleet = Fleet()
    fleet.register(*(registration(name, row=str(n // 6)) for n, name in enumerate(clusters or ("plant",))))
    for name in names:
        fleet.upload(name, certs.server(name=name).pem, TAGS)
    fleet.work_off()
    return fleet


def key(name: str) -> SecretKey:
    return SecretKey.of(HOST, name)


def held(fleet: Fleet, cluster: str = "plant") -> dict[str, RemovalReason]:
    """What would leave a cluster's list and is held, with the reasons."""
    return {each.file: each.reason for each in fleet.status(cluster).held}


def question(fleet: Fleet) -> Question:
    """The one that there is."""
    (found,) = waiting(fleet.runtime)
    return found


def names(fleet: Fleet, cluster: str = "plant") -> set[str]:
    return {name.removesuffix(".der") for name in fleet.files(cluster)}


def delete(fleet: Fleet, *deleted: str) -> None:
    """The secrets are deleted, and each is looked at by itself; no listing misses them together."""
    for name in deleted:
        fleet.vault.delete(name)
        admit(fleet.runtime, key(name))


# --- Removals are held where they happen -------------------------------------------------------------------


def test_law4_two_workers_together_remove_no_more_than_one_may() -> None:
    fleet = filled(names=NAMES[:5])
    delete(fleet, *NAMES[:2])
    fleet.work_off()
    assert names(fleet) == set(NAMES[2:5])
    for name in NAMES[2:4]:
        fleet.vault.delete(name)
    others = [key("plc4")]

    def meanwhile(label: str) -> None:
        if label.startswith("transact") and others:
            admit(fleet.runtime, others.pop())

    fleet.decisions.table.pause = meanwhile
    admit(fleet.runtime, key("plc3"))
    fleet.work_off()
    fleet.clock.move(MINUTE)
    fleet.work_off()
    assert others == []
    assert names(fleet) == set(NAMES[2:5])
    assert held(fleet) == dict.fromkeys(("plc3.der", "plc4.der"), RemovalReason.DELETED)


def test_law4_two_pushes_side_by_side_remove_no_more_than_one_may() -> None:
    """The second sees more deleted, holds it all and records it while the first is about to write."""
    fleet = filled()
    delete(fleet, *NAMES[:3])
    later = [NAMES[3:6]]

    def meanwhile(label: str) -> None:
        if label.startswith("apply") and later:
            delete(fleet, *later.pop())
            push_cluster(fleet.runtime, "plant")

    fleet.clusters["plant"].pause = meanwhile
    push_cluster(fleet.runtime, "plant")
    fleet.work_off()
    assert later == []
    assert names(fleet) == set(NAMES[3:])
    assert set(held(fleet)) == {f"{name}.der" for name in NAMES[3:6]}


def test_law4_what_a_hand_took_counts_with_what_would_leave() -> None:
    fleet = filled()
    delete(fleet, *NAMES[:3])
    fleet.clusters["plant"].state.edit(TRUST.namespace, TRUST.object, {"plc1.der": None, "plc2.der": None})
    delete(fleet, *NAMES[3:5])
    fleet.work_off()
    assert names(fleet) == set(NAMES[2:])
    assert set(held(fleet)) == {"plc3.der", "plc4.der", "plc5.der"}


def test_law4_what_is_held_stays_held_however_often_it_is_looked_at() -> None:
    """The share is of its vault's files, also once the list was verified with what is held."""
    fleet = Fleet(Configuration((WatchedVault(f"https://{HOST}"), WatchedVault(OTHER_URL)), (TRUST,)))
    fleet.register(registration("plant"))
    for name in NAMES[:4]:
        fleet.upload(name, certs.server(name=name).pem, TAGS)
    for number in range(16):
        fleet.upload(f"b{number:02}", certs.server(name=f"b{number}").pem, TAGS, host=OTHER)
    fleet.work_off()
    fleet.clock.move(timedelta(seconds=3))
    for name in NAMES[:4]:
        steer(fleet, name, "site=elsewhere")
    for _ in range(3):
        fleet.sweep(timedelta(hours=25))
        assert set(NAMES[:4]) <= names(fleet)
    assert set(held(fleet).values()) == {RemovalReason.ELSEWHERE}


def test_law4_a_ca_and_its_crl_that_come_together_revoke_as_if_one_by_one() -> None:
    """Each alone takes nothing: the CA finds no CRL, the CRL no CA. What they revoke is neither held nor counted."""
    fleet = Fleet()
    fleet.register(registration("plant"))
    root = certs.ca()
    leaves = [certs.server(name=f"leaf{n}", issuer=root) for n in range(10)]
    for number, leaf in enumerate(leaves):
        fleet.upload(f"leaf{number}", leaf.pem, TAGS)
    fleet.work_off()
    fleet.vault.set("root", root.pem, tags=TAGS)
    fleet.vault.set("crl", certs.crl(root, revoked=leaves).pem, tags=TAGS)
    others = [key("crl")]

    def meanwhile(label: str) -> None:
        if label.startswith("transact") and others:
            admit(fleet.runtime, others.pop())

    fleet.decisions.table.pause = meanwhile
    admit(fleet.runtime, key("root"))
    fleet.work_off()
    assert others == []
    assert set(fleet.files("plant")) == {"root.der", "crl.crl"}
    assert (fleet.status("plant").state, fleet.status("plant").left) == (State.IN_SYNC, ())


LINE = tuple(certs.server(name=f"press-{n}") for n in range(5))

REASONS: dict[RemovalReason, Callable[[MemoryVault, str], object]] = {
    RemovalReason.DELETED: lambda vault, _: vault.delete("line"),
    RemovalReason.UNASSIGNED: lambda vault, version: vault.update(
        "line", version, tags=TAGS | {"trustcast-lists": "none"}
    ),
    RemovalReason.ELSEWHERE: lambda vault, version: vault.update(
        "line", version, tags=TAGS | {"trustcast-clusters": "site=elsewhere"}
    ),
    RemovalReason.DISABLED: lambda vault, version: vault.set_enabled("line", version, False),
    RemovalReason.REPLACED: lambda vault, _: vault.set("line", LINE[0].pem),
}


@pytest.mark.parametrize(("reason", "act"), REASONS.items(), ids=[reason.name for reason in REASONS])
def test_law4_what_is_held_says_what_would_take_the_files(
    reason: RemovalReason, act: Callable[[MemoryVault, str], object]
) -> None:
    """Of five files one that comes for all of them is a loss of four."""
    fleet = Fleet()
    fleet.register(registration("plant"))
    version = fleet.upload("line", "".join(each.pem for each in LINE), TAGS)
    fleet.work_off()
    before = fleet.files("plant")
    fleet.clock.move(timedelta(seconds=1))
    act(fleet.vault, version)
    fleet.sweep()
    assert held(fleet) == dict.fromkeys(before, reason)
    assert {(each.owner, each.version) for each in fleet.status("plant").held} == {(key("line"), version)}
    assert fleet.status("plant").state is State.REMOVAL_HELD
    new = {"line.der": LINE[0].der} if reason is RemovalReason.REPLACED else {}
    assert fleet.files("plant") == before | new
    assert len(before) == len(LINE)


# --- Questions ---------------------------------------------------------------------------------------------


def steer(fleet: Fleet, name: str, clusters: str) -> None:
    """Other clusters in the tags of the current version."""
    current = fleet.vault.versions(name).items[0].version
    fleet.vault.update(name, current, tags=TAGS | {"trustcast-clusters": clusters})


def test_law4_a_secret_of_many_clusters_may_be_deleted_and_not_steered_away() -> None:
    clusters = tuple(f"plant-{n}" for n in range(12))
    fleet = filled(*clusters, names=NAMES[:2])
    fleet.vault.delete("plc1")
    steer(fleet, "plc2", "row=0")
    fleet.sweep()
    assert all(names(fleet, cluster) == {"plc2"} for cluster in clusters)
    assert (question(fleet).asked, set(question(fleet).clusters)) == (Asked.ASSIGNMENT, set(clusters[6:]))
    approve(fleet.runtime, question(fleet).digest)
    fleet.sweep()
    assert [cluster for cluster in clusters if fleet.files(cluster)] == list(clusters[:6])


def test_law4_a_wide_change_that_is_set_back_waits_no_more() -> None:
    fleet = filled(*(f"plant-{n}" for n in range(12)), names=NAMES[:1])
    steer(fleet, "plc1", "row=0")
    fleet.sweep()
    assert question(fleet).asked is Asked.ASSIGNMENT
    steer(fleet, "plc1", "*")
    fleet.sweep()
    assert waiting(fleet.runtime) == ()


def test_law4_many_deletions_in_one_listing_are_one_question() -> None:
    fleet = filled("one", "two")
    for name in NAMES[:4]:
        fleet.vault.delete(name)
    fleet.sweep()
    assert names(fleet, "one") == names(fleet, "two") == set(NAMES)
    asked = question(fleet)
    assert (asked.asked, {r.key for r in asked.removals}) == (Asked.DELETIONS, {key(name) for name in NAMES[:4]})
    reject(fleet.runtime, asked.digest)
    fleet.sweep()
    assert question(fleet).rejected
    assert names(fleet, "one") == set(NAMES)


def test_law4_what_was_approved_once_is_not_approved_for_ever() -> None:
    fleet = filled()
    for name in NAMES[:4]:
        fleet.vault.delete(name)
    fleet.sweep()
    approve(fleet.runtime, question(fleet).digest)
    fleet.sweep()
    assert names(fleet) == set(NAMES[4:])
    for name in NAMES[:4]:
        fleet.vault.recover(name)
    fleet.sweep()
    assert names(fleet) == set(NAMES)
    for name in NAMES[:4]:
        fleet.vault.delete(name)
    fleet.sweep()
    assert question(fleet).asked is Asked.DELETIONS
    assert names(fleet) == set(NAMES)


def test_law4_an_approval_lapses_once_it_is_no_longer_so() -> None:
    """Approved while one cluster was away, enabled again, and disabled half a year later: it is asked for anew."""
    fleet = Fleet()
    fleet.register(registration("plant"), registration("far"))
    version = fleet.upload("line", "".join(each.pem for each in LINE), TAGS)
    fleet.work_off()
    far = fleet.clusters["far"]
    fleet.clusters["far"] = failing(far, Unreachable("no connection"))
    fleet.clock.move(timedelta(seconds=1))
    fleet.vault.set_enabled("line", version, False)
    fleet.sweep()
    approve(fleet.runtime, question(fleet).digest)
    fleet.work_off()
    assert (names(fleet), len(far.state.files(TRUST.namespace, TRUST.object))) == (set(), len(LINE))
    fleet.clock.move(timedelta(seconds=1))
    fleet.vault.set_enabled("line", version, True)
    fleet.clusters["far"] = far
    fleet.sweep(timedelta(hours=1))
    assert set(answers(fleet)) != set()
    fleet.clock.move(timedelta(days=180) - timedelta(minutes=fleet.clock().minute, seconds=fleet.clock().second))
    fleet.sweep(timedelta(0))
    assert answers(fleet) == []
    fleet.vault.set_enabled("line", version, False)
    fleet.sweep()
    assert all(len(held(fleet, name)) == len(fleet.files(name)) == len(LINE) for name in ("plant", "far"))


def answers(fleet: Fleet) -> list[Answer]:
    return list(fleet.decisions.snapshot(fresh=True).answers.values())


def test_law4_an_approval_counts_wherever_the_files_are_heard_of_later() -> None:
    fleet = filled("plant", "far")
    far = fleet.clusters["far"]
    fleet.clusters["far"] = failing(far, Unreachable("no connection"))
    delete(fleet, *NAMES[:4])
    fleet.work_off()
    assert question(fleet).clusters == ("plant",)
    approve(fleet.runtime, question(fleet).digest)
    fleet.clusters["far"] = far
    fleet.sweep(timedelta(hours=1))
    assert names(fleet, "plant") == names(fleet, "far") == set(NAMES[4:])


def test_law4_an_approval_counts_while_the_vault_is_away_for_some_minutes() -> None:
    fleet = filled()
    for name in NAMES[:4]:
        fleet.vault.delete(name)
    fleet.sweep()
    fleet.vault.away = True
    with suppress(Unreachable):
        approve(fleet.runtime, question(fleet).digest)
    assert names(fleet) == set(NAMES)
    fleet.vault.away = False
    fleet.sweep(timedelta(minutes=30))
    assert names(fleet) == set(NAMES[4:])


def test_law4_what_nobody_was_shown_cannot_be_approved() -> None:
    fleet = filled()
    for digest in ("0" * 64, ""):
        with pytest.raises(Invalid):
            approve(fleet.runtime, digest)


# --- Names, and what has no owner --------------------------------------------------------------------------

OTHER = "other.vault.azure.net"
OTHER_URL = f"https://{OTHER}"
NAMED = TAGS | {"trustcast-file": "plc.der"}
SAME, ELSE = certs.server(name="same"), certs.server(name="else")


def replaced(value: str) -> Fleet:
    """A vault's file, the vault out of the settings, and another vault's secret that gives a file of that name."""
    old, new = WatchedVault(f"https://{HOST}"), WatchedVault(OTHER_URL)
    fleet = Fleet(Configuration((old, new), (TRUST,)))
    fleet.register(registration("plant"))
    fleet.sweep()
    fleet.upload("plc", SAME.pem, NAMED)
    fleet.work_off()
    fleet.start(Configuration((new,), (TRUST,)), Stamp("", "2"))
    fleet.upload("other", value, NAMED, host=OTHER)
    fleet.work_off()
    fleet.sweep()
    return fleet


def owner(fleet: Fleet) -> str:
    """The vault of plc.der's owner."""
    found = fleet.status("plant").files["plc.der"].owner
    return found.vault if found else ""


@pytest.mark.parametrize(("built", "passes"), [(SAME, True), (ELSE, False)], ids=["equal bytes", "other bytes"])
def test_law4_a_name_of_a_vault_that_left_passes_after_a_day_on_equal_bytes(built: certs.Built, passes: bool) -> None:
    fleet = replaced(built.pem)
    for hours in (0, 12, 11):
        fleet.sweep(timedelta(hours=hours))
        assert (fleet.files("plant"), owner(fleet)) == ({"plc.der": SAME.der}, HOST)
    fleet.sweep(timedelta(hours=2))
    fleet.sweep()
    assert (fleet.files("plant"), owner(fleet)) == ({"plc.der": SAME.der}, OTHER if passes else HOST)
    seen = fleet.clusters["plant"].observe(TRUST.namespace, TRUST.object)
    assert seen.owners.files["plc.der"].owner == SecretKey.of(owner(fleet), "other" if passes else "plc")


def test_law4_a_vault_that_is_forgotten_leaves_its_file_and_frees_the_name_for_equal_bytes() -> None:
    fleet = replaced(SAME.pem)
    forget_vault(fleet.runtime, HOST)
    fleet.work_off()
    fleet.sweep()
    assert (fleet.files("plant"), owner(fleet)) == ({"plc.der": SAME.der}, OTHER)


def test_law4_what_a_forgotten_vault_gave_stays_until_a_person_removes_it() -> None:
    fleet = replaced(ELSE.pem)
    forget_vault(fleet.runtime, HOST)
    fleet.work_off()
    for _ in range(3):
        fleet.sweep(timedelta(hours=25))
        assert fleet.files("plant") == {"plc.der": SAME.der}
    (orphan,) = orphans(fleet.statuses.all())
    remove_orphans(fleet.runtime, orphan.sha256)
    fleet.work_off()
    fleet.sweep()
    assert fleet.files("plant") == {"plc.der": ELSE.der}
