"""What the contract suites share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.storage import Azurite
from tests.support.stores import OPENERS, in_azurite, in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stores import Stores


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    with Azurite() as running:
        yield running


@pytest.fixture(params=OPENERS)
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    with OPENERS[request.param](request) as opened:
        yield opened


@pytest.fixture(params=[in_azurite, in_memory])
def tables(request: pytest.FixtureRequest) -> Iterator[Stores]:
    with request.param(request) as opened:
        yield opened
