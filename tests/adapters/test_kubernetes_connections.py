"""Access to clusters: which clients and endpoints are kept, and when a credential is read again."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from sync.adapters.kubernetes.connections import CREDENTIAL_TAG, OPEN_CLIENTS, ClusterConnections
from sync.deadline import Deadline
from sync.errors import Invalid, NotFound, Permanent, Temporary, Unauthorized
from sync.fleet.clusters import Access, AccessKind, Registration
from tests.support.certs import ca
from tests.support.failing import Failing
from tests.support.fleet import Clock
from tests.support.memory import MemoryVault

if TYPE_CHECKING:
    from sync.fleet.kubeconfig import Endpoint
    from sync.ports.clusters import Target

CA = ca().pem.encode()


def kubeconfig(name: str, token: str) -> str:
    authority = base64.b64encode(CA).decode()
    return f"""
apiVersion: v1
kind: Config
current-context: c
clusters: [{{name: k, cluster: {{server: "https://{name}:6443", certificate-authority-data: {authority}}}}}]
users: [{{name: u, user: {{token: {token}}}}}]
contexts: [{{name: c, context: {{cluster: k, user: u}}}}]
"""


@dataclass
class Opened:
    """`access.Client` that remembers what it was opened with."""

    token: str
    closed: list[str] = field(default_factory=list)

    def within(self, deadline: Deadline) -> Target:  # noqa: ARG002
        return cast("Target", self)

    def close(self) -> None:
        self.closed.append(self.token)


def opened(endpoint: Endpoint) -> Opened:
    return Opened(endpoint.token)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vault(clock: Clock) -> MemoryVault:
    vault = MemoryVault(clock=clock)
    for number in range(OPEN_CLIENTS + 1):
        name = f"c{number}"
        vault.set(name, kubeconfig(name, "token-1"), tags={CREDENTIAL_TAG: name})
    return vault


@pytest.fixture
def access(vault: MemoryVault) -> ClusterConnections:
    return ClusterConnections(vault, opened)


def registration(number: int) -> Registration:
    name = f"c{number}"
    pin = access_pin(CA)
    return Registration(name, {}, Access(AccessKind.KUBECONFIG, name), host=f"{name}:6443", ca_sha256=pin)


def access_pin(pem: bytes) -> str:
    der = base64.b64decode("".join(pem.decode().strip().splitlines()[1:-1]))
    return hashlib.sha256(der).hexdigest()


def connect(access: ClusterConnections, number: int, *, renew: bool = False) -> Opened:
    target = access.connect(registration(number), Deadline.after(5), renew=renew)
    assert isinstance(target, Opened)
    return target


def test_a_client_stays_open_until_displaced_and_its_credential_is_read_once(
    access: ClusterConnections, vault: MemoryVault
) -> None:
    first = connect(access, 0)
    assert connect(access, 0) is first
    for number in range(1, OPEN_CLIENTS + 1):
        connect(access, number)
    assert first.closed
    assert connect(access, 0) is not first
    assert vault.reads.count(("c0", vault.reads[0][1])) == 1


def test_law13_a_refused_token_has_its_credential_read_again_and_the_new_one_is_kept(
    access: ClusterConnections, vault: MemoryVault
) -> None:
    connect(access, 0)
    vault.set("c0", kubeconfig("c0", "token-2"), tags={CREDENTIAL_TAG: "c0"})
    assert connect(access, 0).token == "token-1"
    assert connect(access, 0, renew=True).token == "token-2"
    assert connect(access, 0).token == "token-2"


def test_a_registration_with_another_host_reads_anew_and_is_held_to_its_pin(
    access: ClusterConnections,
) -> None:
    connect(access, 0)
    with pytest.raises(Permanent, match="another host"):
        access.connect(replace(registration(0), host="elsewhere:6443"), Deadline.after(5))


def test_a_credential_that_could_not_be_read_is_asked_for_again(access: ClusterConnections, vault: MemoryVault) -> None:
    vault.delete("c0")
    with pytest.raises(Permanent):
        connect(access, 0)
    vault.recover("c0")
    assert connect(access, 0).token == "token-1"


def test_without_a_credentials_vault_the_setting_is_named() -> None:
    with pytest.raises(Invalid, match="set TRUSTCAST_CREDENTIALS_VAULT"):
        ClusterConnections(None, opened).endpoint("c0", "c0")


def test_a_vault_that_does_not_answer_is_for_later_and_says_which_vault(vault: MemoryVault) -> None:
    failing = Failing(vault, Temporary("no answer", retry_after=7.0))
    with pytest.raises(Temporary, match="the credentials vault: no answer") as caught:
        ClusterConnections(failing, opened).endpoint("c0", "c0")
    assert caught.value.retry_after == 7.0


def test_a_vault_that_refuses_us_is_no_cluster_that_does(vault: MemoryVault) -> None:
    failing = Failing(vault, Unauthorized("403"))
    with pytest.raises(Permanent, match="the credentials vault: 403") as caught:
        ClusterConnections(failing, opened).endpoint("c0", "c0")
    assert not isinstance(caught.value, Unauthorized)


def test_a_credential_that_is_not_there_is_told(access: ClusterConnections) -> None:
    with pytest.raises(NotFound, match="no secret nobody"):
        access.endpoint("c0", "nobody")


def test_only_the_newest_version_of_a_credential_counts(
    access: ClusterConnections, vault: MemoryVault, clock: Clock
) -> None:
    vault.set("c0", "of another cluster, once", tags={CREDENTIAL_TAG: "c1"})
    clock.move(timedelta(seconds=1))
    vault.set("c0", kubeconfig("c0", "token-2"), tags={CREDENTIAL_TAG: "c0"})
    assert connect(access, 0).token == "token-2"


def test_law13_of_two_versions_of_one_second_both_must_name_the_cluster(
    access: ClusterConnections, vault: MemoryVault
) -> None:
    vault.set("c0", kubeconfig("c0", "token-2"), tags={CREDENTIAL_TAG: "c1"})
    with pytest.raises(Invalid, match="tag it trustcast-credential=c0"):
        connect(access, 0)
    assert vault.reads == []


def test_a_disabled_credential_is_told_and_no_older_one_read(
    access: ClusterConnections, vault: MemoryVault, clock: Clock
) -> None:
    clock.move(timedelta(seconds=1))
    vault.set("c0", kubeconfig("c0", "token-2"), tags={CREDENTIAL_TAG: "c0"}, enabled=False)
    with pytest.raises(Invalid, match="is disabled"):
        connect(access, 0)
    assert vault.reads == []
