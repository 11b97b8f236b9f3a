"""Tables and queues are opened by the app's identity where an account's URL is given instead of a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.core.credentials import AccessToken
from azure.identity import CredentialUnavailableError

from sync.adapters.storage.azure_tables import connect_tables
from sync.adapters.storage.queues import StorageQueues
from sync.errors import Unauthorized, Unreachable
from sync.ports.messages import PlanFleet

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.core.credentials import TokenCredential

    Act = Callable[[TokenCredential], None]

NOWHERE = "https://127.0.0.1:9"  # discard: nobody listens
FAR_FUTURE = 4_102_444_800


class Credential:
    def __init__(self) -> None:
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes += scopes
        return AccessToken("token", FAR_FUTURE)


class NoCredential:
    def get_token(self, *_: str, **__: Any) -> AccessToken:
        raise CredentialUnavailableError("planted detail")


def read_table(credential: TokenCredential) -> None:
    connect_tables(NOWHERE, credential, call_timeout=0.1).decisions.head()


def send_message(credential: TokenCredential) -> None:
    StorageQueues(NOWHERE, credential, call_timeout=0.1).send_plan(PlanFleet("x"))


@pytest.fixture(params=[read_table, send_message])
def act(request: pytest.FixtureRequest) -> Act:
    act: Act = request.param
    return act


def test_a_token_for_storage_is_asked_for(act: Act) -> None:
    credential = Credential()
    with pytest.raises(Unreachable):
        act(credential)
    assert set(credential.scopes) == {"https://storage.azure.com/.default"}


def test_without_an_identity_it_is_unauthorized(act: Act) -> None:
    with pytest.raises(Unauthorized, match="check the app's identity") as caught:
        act(NoCredential())
    assert "planted" not in str(caught.value)
