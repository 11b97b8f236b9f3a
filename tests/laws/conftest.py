"""Stand-ins for the laws that speak of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.support.tls import Authority
from tests.laws.http_fleet import stands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.laws.http_fleet import Stands


@pytest.fixture(scope="package")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stands]:
    """Started at the first test that asks."""
    with stands(Authority.in_folder(tmp_path_factory.mktemp("tls"))) as started:
        yield started
