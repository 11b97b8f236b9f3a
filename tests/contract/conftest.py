"""What the contract suites share."""

import pytest

from local.storage import Azurite
from tests.support.stores import OPENERS, in_azurite, in_memory


@pytest.fixture(scope="session")
def azurite():
    with Azurite() as running:
        yield running


@pytest.fixture(params=OPENERS)
def stores(request):
    with OPENERS[request.param](request) as opened:
        yield opened


@pytest.fixture(params=[in_azurite, in_memory])
def tables(request):
    with request.param(request) as opened:
        yield opened
