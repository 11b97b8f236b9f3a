"""What several people command at the same time: no command undoes another's, and what was removed stays so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from sync.commands.clusters import RegistrationRequest, register, rename, set_paused, unregister
from sync.commands.removals import approve, waiting
from sync.errors import Invalid, NotFound, Temporary
from sync.reports.removals import Asked
from tests.support import certs
from tests.support.fleet import Fleet, registration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sync.fleet.clusters import Registration
    from sync.ports.clusters import Clusters


AT_SITE_A = {"trustcast-lists": "trust", "trustcast-clusters": "site=a"}
MOVED = replace(registration("plant", site="b"), host="new:6443", ca_sha256="1" * 64)


@pytest.fixture
def fleet() -> Fleet:
    """One cluster, at site a."""
    fleet = Fleet()
    fleet.register(registration("plant", site="a"))
    fleet.sweep()
    return fleet


def clusters(fleet: Fleet) -> Mapping[str, Registration]:
    return fleet.decisions.snapshot(fresh=True).clusters


def pause(fleet: Fleet) -> None:
    set_paused(fleet.runtime, "plant", paused=True)


def meanwhile(fleet: Fleet, act: Callable[[], object]) -> None:
    """Somebody's whole command just before the next transaction is written."""
    pending = [act]

    def between(label: str) -> None:
        if label.startswith("transact") and pending:
            pending.pop()()

    fleet.decisions.table.pause = between


def test_a_registration_that_changes_while_it_is_paused_is_both(fleet: Fleet) -> None:
    meanwhile(fleet, lambda: fleet.register(MOVED))
    pause(fleet)
    assert clusters(fleet) == {"plant": replace(MOVED, paused=True)}


def test_a_cluster_that_is_removed_while_it_is_paused_stays_removed(fleet: Fleet) -> None:
    meanwhile(fleet, lambda: unregister(fleet.runtime, "plant"))
    with pytest.raises(NotFound):
        pause(fleet)
    assert clusters(fleet) == {}


@dataclass
class Access:
    """Gives the pinned endpoint, after somebody's command."""

    act: Callable[[], object]
    host: str = "plant:6443"
    ca_sha256: str = "0" * 64

    def endpoint(self, cluster: str, secret: str) -> Access:  # noqa: ARG002
        self.act()
        return self


def reading(fleet: Fleet, act: Callable[[], object]) -> None:
    """Somebody's command while the credential is read."""
    fleet.runtime = replace(fleet.runtime, clusters=cast("Clusters", Access(act)))


def asked_anew(fleet: Fleet, act: Callable[[], object], **request: Any) -> None:
    reading(fleet, act)
    register(fleet.runtime, RegistrationRequest("plant", **request))


def test_a_cluster_that_is_paused_while_its_credential_is_read_stays_paused(fleet: Fleet) -> None:
    asked_anew(fleet, lambda: pause(fleet), labels=("site=b",))
    assert (clusters(fleet)["plant"].paused, clusters(fleet)["plant"].labels) == (True, {"site": "b"})


def test_labels_that_change_while_the_credential_is_read_are_kept(fleet: Fleet) -> None:
    asked_anew(fleet, lambda: fleet.register(registration("plant", site="c")), mode="report")
    assert clusters(fleet)["plant"].labels == {"site": "c"}


def test_a_credential_that_is_another_meanwhile_is_not_put_back(fleet: Fleet) -> None:
    other = replace(registration("plant", site="a"), access=replace(registration("plant").access, secret="other"))
    with pytest.raises(Temporary, match="run the command again"):
        asked_anew(fleet, lambda: fleet.register(other), mode="report")
    assert clusters(fleet)["plant"] == other


def test_a_cluster_that_is_paused_while_it_is_renamed_stays_paused(fleet: Fleet) -> None:
    reading(fleet, lambda: pause(fleet))
    rename(fleet.runtime, "plant", "works")
    assert {name: each.paused for name, each in clusters(fleet).items()} == {"works": True}


def test_a_cluster_that_is_removed_while_it_is_renamed_stays_removed(fleet: Fleet) -> None:
    reading(fleet, lambda: unregister(fleet.runtime, "plant"))
    with pytest.raises(NotFound):
        rename(fleet.runtime, "plant", "works")
    assert clusters(fleet) == {}


@pytest.fixture
def moved(fleet: Fleet) -> str:
    """The digest of what the cluster holds back since it was moved to site b: five files."""
    for number in range(5):
        fleet.upload(f"plc{number}", certs.server(name=f"plc{number}").pem, AT_SITE_A)
    fleet.work_off()
    fleet.register(registration("plant", site="b"))
    fleet.sweep()
    fleet.work_off()
    (question,) = waiting(fleet.runtime)
    assert (question.asked, len(question.files)) == (Asked.FILES, 5)
    return question.digest


def test_law4_an_approval_leaves_a_cluster_paused_and_counts_once_it_is_resumed(fleet: Fleet, moved: str) -> None:
    pause(fleet)
    approve(fleet.runtime, moved)
    fleet.work_off()
    assert (clusters(fleet)["plant"].paused, len(fleet.files("plant"))) == (True, 5)
    set_paused(fleet.runtime, "plant", paused=False)
    fleet.work_off()
    assert fleet.files("plant") == {}


def test_law4_what_a_removed_cluster_held_back_waits_for_nobody(fleet: Fleet, moved: str) -> None:
    unregister(fleet.runtime, "plant")
    assert waiting(fleet.runtime) == ()
    with pytest.raises(Invalid, match="nothing waits under this digest"):
        approve(fleet.runtime, moved)
    assert clusters(fleet) == {}


def test_law4_a_cluster_that_is_removed_while_its_files_are_approved_stays_removed(fleet: Fleet, moved: str) -> None:
    meanwhile(fleet, lambda: unregister(fleet.runtime, "plant"))
    with pytest.raises(Invalid, match="nothing waits under this digest"):
        approve(fleet.runtime, moved)
    assert clusters(fleet) == {}
