"""What the contract suites share."""

import pytest

from local.azurite import Azurite


@pytest.fixture(scope="session")
def azurite():
    with Azurite() as running:
        yield running
