"""The servers that faults strike: the slow ones once, a fresh watched vault for every test."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from local.keyvault.server import Vault
from tests.faults.world import Site, world_of
from tests.support.certs import NOW
from tests.support.fleet import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.identity import Identity
    from local.kubernetes.server import Fleet
    from local.support.tls import Authority
    from tests.faults.world import World

_numbers = itertools.count()


@pytest.fixture(scope="session")
def credentials(authority: Authority, identity: Identity) -> Iterator[Vault]:
    """All its versions are of one second: whole seconds do not tell which is newest."""
    with Vault("kv-clusters", authority=authority, identity=identity, clock=NOW.timestamp) as vault:
        yield vault


@pytest.fixture
def world(authority: Authority, identity: Identity, kubernetes: Fleet, credentials: Vault) -> Iterator[World]:
    """A service with nothing registered; its vault's clock is its own."""
    clock = Clock()
    name = f"kv{next(_numbers)}"
    with Vault(name, authority=authority, identity=identity, clock=lambda: clock().timestamp()) as vault:
        site = Site(authority, identity, vault, credentials, kubernetes)
        with world_of(site, clock) as opened:
            yield opened
