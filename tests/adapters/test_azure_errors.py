"""Every failure that Azure's clients know becomes one of ours, with nothing of Azure's text in it."""

from __future__ import annotations

import pytest
from azure.core import exceptions as azure
from azure.identity import CredentialUnavailableError

from sync.adapters.azure_errors import retry_after, translate, translated
from sync.errors import Changed, Invalid, NotFound, Permanent, Temporary, TrustcastError, Unauthorized, Unreachable

PLANTED = "AccountKey=c2VjcmV0"


class Response:
    reason = "planted reason"
    request = None

    def __init__(self, status: int, headers: dict[str, str] | None = None, body: str | None = None) -> None:
        self.status_code, self.headers = status, headers or {}
        self._body = body or f'{{"error": {{"code": "TheCode", "message": "{PLANTED}"}}}}'

    def text(self) -> str:
        return self._body


STATUSES: dict[int, type[TrustcastError]] = {
    302: Permanent,
    400: Invalid,
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    405: Permanent,
    408: Temporary,
    409: Changed,
    412: Changed,
    413: Invalid,
    422: Invalid,
    429: Temporary,
    500: Temporary,
    502: Temporary,
    503: Temporary,
    504: Temporary,
}

WITHOUT_STATUS: dict[azure.AzureError, type[TrustcastError]] = {
    azure.ServiceRequestError(PLANTED): Unreachable,
    azure.ServiceRequestTimeoutError(PLANTED): Unreachable,
    azure.ServiceResponseError(PLANTED): Unreachable,
    azure.ServiceResponseTimeoutError(PLANTED): Unreachable,
    azure.IncompleteReadError(PLANTED, response=Response(200)): Unreachable,
    azure.ClientAuthenticationError(PLANTED): Unauthorized,
    CredentialUnavailableError(PLANTED): Unauthorized,
    azure.DecodeError(PLANTED, response=Response(200)): Temporary,
    azure.HttpResponseError(PLANTED): Temporary,
    azure.AzureError(PLANTED): Temporary,
}


@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
def test_a_status_means_one_kind_of_error(status: int, kind: type[TrustcastError]) -> None:
    found = translate(azure.HttpResponseError(response=Response(status)), "reading x")
    assert type(found) is kind
    assert str(found) == f"reading x: status {status} TheCode"


@pytest.mark.parametrize(("error", "kind"), WITHOUT_STATUS.items(), ids=lambda e: type(e).__name__)
def test_a_failure_without_a_status_means_one_kind_of_error(
    error: azure.AzureError, kind: type[TrustcastError]
) -> None:
    found = translate(error, "reading x")
    assert type(found) is kind
    assert str(found).startswith("reading x: ")


@pytest.mark.parametrize("error", [azure.HttpResponseError(response=Response(400)), *WITHOUT_STATUS], ids=repr)
def test_azures_text_never_passes(error: azure.AzureError) -> None:
    """Law 9: what Azure says may quote content."""
    assert PLANTED not in str(translate(error, "reading x"))


def test_every_error_of_azures_core_is_known() -> None:
    kinds = [k for k in vars(azure).values() if isinstance(k, type) and issubclass(k, azure.AzureError)]
    bare = [k.__new__(k) for k in kinds]
    assert len(bare) > 10
    for error in bare:
        vars(error).setdefault("status_code", None)
        assert isinstance(translate(error, "x"), TrustcastError)


def test_the_innermost_code_is_named() -> None:
    body = '{"error": {"code": "Forbidden", "innererror": {"code": "SecretDisabled"}}}'
    found = translate(azure.HttpResponseError(response=Response(403, body=body)), "reading x")
    assert str(found) == "reading x: status 403 SecretDisabled"


@pytest.mark.parametrize("inner", ['"x"', '["x"]', "7"])
def test_an_inner_error_of_another_shape_leaves_the_outer_code(inner: str) -> None:
    body = f'{{"error": {{"code": "Forbidden", "innererror": {inner}}}}}'
    found = translate(azure.HttpResponseError(response=Response(403, body=body)), "reading x")
    assert str(found) == "reading x: status 403 Forbidden"


def test_a_code_of_another_server_is_escaped_and_capped() -> None:
    body = '{"error": {"code": "\\u001b[31m' + "x" * 1000 + '"}}'
    found = str(translate(azure.HttpResponseError(response=Response(403, body=body)), "reading x"))
    assert "\x1b" not in found
    assert len(found) < 300


def test_what_is_raised_within_is_ours_and_keeps_its_cause() -> None:
    cause = azure.ServiceRequestError("x")
    with pytest.raises(Unreachable) as caught, translated("reading x"):
        raise cause
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"x-ms-retry-after-ms": "1500", "Retry-After": "9"}, 1.5),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "²"}, None),
        ({"Retry-After": "86400"}, 3600.0),
        ({"retry-after-ms": "9" * 400}, 3600.0),
        ({"Retry-After": "9" * 5000}, 3600.0),
    ],
)
def test_the_wait_that_is_asked_for_is_in_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds
    error = translate(azure.HttpResponseError(response=Response(429, headers)), "x")
    assert isinstance(error, Temporary)
    assert error.retry_after == seconds
