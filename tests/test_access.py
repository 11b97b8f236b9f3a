"""Access to clusters: which clients and endpoints are kept, and when a credential is read again."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field, replace

import pytest

from sync.access import CREDENTIAL_TAG, OPEN_CLIENTS, ClusterAccess
from sync.clusters import Access, AccessKind, Registration
from sync.deadline import Deadline
from sync.errors import Permanent
from tests.certs import ca
from tests.memory import MemoryVault

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

    def within(self, deadline):  # noqa: ARG002
        return self

    def close(self):
        self.closed.append(self.token)


@pytest.fixture
def vault():
    vault = MemoryVault()
    for number in range(OPEN_CLIENTS + 1):
        name = f"c{number}"
        vault.set(name, kubeconfig(name, "token-1"), tags={CREDENTIAL_TAG: name})
    return vault


@pytest.fixture
def access(vault):
    return ClusterAccess(vault, lambda endpoint: Opened(endpoint.token))


def registration(number: int) -> Registration:
    name = f"c{number}"
    pin = access_pin(CA)
    return Registration(name, {}, Access(AccessKind.KUBECONFIG, name), host=f"{name}:6443", ca_sha256=pin)


def access_pin(pem: bytes) -> str:
    der = base64.b64decode("".join(pem.decode().strip().splitlines()[1:-1]))
    return hashlib.sha256(der).hexdigest()


def connect(access, number, **options):
    return access.connect(registration(number), Deadline.after(5), **options)


def test_a_client_stays_open_until_others_take_its_place_and_its_credential_is_read_once(access, vault):
    first = connect(access, 0)
    assert connect(access, 0) is first
    for number in range(1, OPEN_CLIENTS + 1):
        connect(access, number)
    assert first.closed
    assert connect(access, 0) is not first
    assert vault.reads.count(("c0", vault.reads[0][1])) == 1


def test_a_refused_token_has_its_credential_read_again_and_the_new_one_is_kept_law_13(access, vault):
    connect(access, 0)
    vault.set("c0", kubeconfig("c0", "token-2"), tags={CREDENTIAL_TAG: "c0"})
    assert connect(access, 0).token == "token-1"
    assert connect(access, 0, renew=True).token == "token-2"
    assert connect(access, 0).token == "token-2"


def test_a_registration_with_another_host_reads_the_credential_anew_and_is_held_to_its_pin(access):
    connect(access, 0)
    with pytest.raises(Permanent, match="another host"):
        access.connect(replace(registration(0), host="elsewhere:6443"), Deadline.after(5))


def test_a_credential_that_could_not_be_read_is_asked_for_again(access, vault):
    vault.delete("c0")
    with pytest.raises(Permanent):
        connect(access, 0)
    vault.recover("c0")
    assert connect(access, 0).token == "token-1"
