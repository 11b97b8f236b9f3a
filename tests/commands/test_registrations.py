"""What several people command at the same time: no command undoes another's, and what was removed stays so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from sync.commands.clusters import RegistrationRequest, register, set_paused, submit, unregister
from sync.commands.removals import approve
from sync.errors import Invalid, NotFound, Temporary
from sync.reports.removals import held_removals
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
    meanwhile(fleet, lambda: submit(fleet.runtime, lambda _: MOVED))
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


def asked_anew(fleet: Fleet, act: Callable[[], object], **request: Any) -> None:
    fleet.runtime = replace(fleet.runtime, clusters=cast("Clusters", Access(act)))
    register(fleet.runtime, RegistrationRequest("plant", **request))


def test_a_cluster_that_is_paused_while_its_credential_is_read_stays_paused(fleet: Fleet) -> None:
    asked_anew(fleet, lambda: pause(fleet), labels=("site=b",))
    assert (clusters(fleet)["plant"].paused, clusters(fleet)["plant"].labels) == (True, {"site": "b"})


def test_labels_that_change_while_the_credential_is_read_are_kept(fleet: Fleet) -> None:
    asked_anew(fleet, lambda: submit(fleet.runtime, lambda _: registration("plant", site="c")), mode="report")
    assert clusters(fleet)["plant"].labels == {"site": "c"}


def test_a_credential_that_is_another_meanwhile_is_not_put_back(fleet: Fleet) -> None:
    other = replace(registration("plant", site="a"), access=replace(registration("plant").access, secret="other"))
    with pytest.raises(Temporary, match="run the command again"):
        asked_anew(fleet, lambda: submit(fleet.runtime, lambda _: other), mode="report")
    assert clusters(fleet)["plant"] == other


@pytest.fixture
def moving(fleet: Fleet) -> str:
    """The digest of the cluster's move to site b, which would take five files and waits."""
    for number in range(5):
        fleet.upload(f"plc{number}", certs.server(name=f"plc{number}").pem, AT_SITE_A)
    fleet.work_off()
    fleet.sweep()
    _, held = submit(fleet.runtime, lambda _: registration("plant", site="b"))
    assert held is not None
    return held.digest


def test_law4_a_change_that_waited_leaves_a_cluster_paused_that_was_paused_meanwhile(fleet: Fleet, moving: str) -> None:
    pause(fleet)
    approve(fleet.runtime, moving)
    assert (clusters(fleet)["plant"].paused, clusters(fleet)["plant"].labels) == (True, {"site": "b"})


def test_law4_a_change_that_waited_goes_with_its_cluster(fleet: Fleet, moving: str) -> None:
    unregister(fleet.runtime, "plant")
    assert held_removals(fleet.decisions.snapshot(fresh=True)) == ()
    with pytest.raises(Invalid, match="no single removal waits"):
        approve(fleet.runtime, moving)
    assert clusters(fleet) == {}


def test_law4_a_cluster_that_is_removed_while_its_change_is_approved_stays_removed(fleet: Fleet, moving: str) -> None:
    meanwhile(fleet, lambda: unregister(fleet.runtime, "plant"))
    with pytest.raises(NotFound):
        approve(fleet.runtime, moving)
    assert clusters(fleet) == {}
