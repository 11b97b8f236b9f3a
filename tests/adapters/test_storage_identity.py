"""Tables and queues are opened by the app's identity where an account's URL is given instead of a key."""

import pytest
from azure.core.credentials import AccessToken
from azure.identity import CredentialUnavailableError

from sync.adapters.storage.azure_tables import connect_tables
from sync.adapters.storage.queues import StorageQueues
from sync.errors import Unauthorized, Unreachable
from sync.ports.messages import PlanFleet

NOWHERE = "https://127.0.0.1:9"  # discard: nobody listens
FAR_FUTURE = 4_102_444_800


class Credential:
    def __init__(self) -> None:
        self.scopes = []

    def get_token(self, *scopes, **_):
        self.scopes += scopes
        return AccessToken("token", FAR_FUTURE)


class NoCredential:
    def get_token(self, *_, **__):
        raise CredentialUnavailableError("planted detail")


def read_table(credential) -> None:
    connect_tables(NOWHERE, credential, call_timeout=0.1).decisions.head()


def send_message(credential) -> None:
    StorageQueues(NOWHERE, credential, call_timeout=0.1).send_plan(PlanFleet("x"))


@pytest.fixture(params=[read_table, send_message])
def act(request):
    return request.param


def test_a_token_for_storage_is_asked_for(act) -> None:
    credential = Credential()
    with pytest.raises(Unreachable):
        act(credential)
    assert set(credential.scopes) == {"https://storage.azure.com/.default"}


def test_without_an_identity_it_is_unauthorized(act) -> None:
    with pytest.raises(Unauthorized, match="check the app's identity") as caught:
        act(NoCredential())
    assert "planted" not in str(caught.value)
