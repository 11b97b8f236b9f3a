"""Answers of an API server, as values; every byte of them may be hostile (law 13)."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.adapters.kubernetes.wire import Call, observed, proves_absence, refusal
from sync.errors import Changed, Invalid, NotFound, Temporary, TokenRejected, TrustcastError, Unauthorized
from sync.reconcile.observed import MISSING
from sync.reconcile.ownership import NO_OWNERS, OWNERS_ANNOTATION, Owners

if TYPE_CHECKING:
    from collections.abc import Iterable

CALL = Call("patch", "plant", "trust-list")
TOKEN = "eyJ-planted-token"


def secret(*, managed: Iterable[Any] = (), **fields: Any) -> bytes:
    metadata = {"uid": "u", "resourceVersion": "7", "managedFields": list(managed), **fields.pop("metadata", {})}
    return json.dumps({"metadata": metadata, **fields}).encode()


def entry(manager: str, operation: str, *, keys: Iterable[str]) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsV1": {"f:data": {k: {} for k in keys}}}


def status(**fields: Any) -> bytes:
    return json.dumps({"kind": "Status", **fields}).encode()


def refused(code: int, body: bytes = b"", headers: dict[str, str] | None = None, call: Call = CALL) -> TrustcastError:
    return refusal(code, headers or {}, body, call, token=TOKEN)


def test_only_our_apply_owns() -> None:
    body = secret(
        managed=[
            entry("trustcast", "Apply", keys=["f:a", "f:b"]),
            entry("trustcast", "Update", keys=[".", "f:b", "f:c"]),
            entry("kubectl-edit", "Update", keys=["f:c"]),
        ]
    )
    seen = observed(body)
    assert seen.owned == {"a", "b"}
    assert seen.others == {"b": ("trustcast",), "c": ("kubectl-edit", "trustcast")}


def test_a_key_that_looks_like_a_path_keeps_its_name() -> None:
    seen = observed(secret(managed=[entry("trustcast", "Apply", keys=["f:f:x", "f:."])]))
    assert seen.owned == {"f:x", "."}


@pytest.mark.parametrize(
    "odd",
    [
        {"manager": "m", "operation": "Update", "fieldsV1": {"f:data": None}},
        {"manager": "m", "operation": "Update", "fieldsV1": {"f:metadata": {}}},
        {"manager": "m"},
        {},
    ],
)
def test_managed_fields_without_data_own_nothing(odd: dict[str, Any]) -> None:
    assert observed(secret(managed=[odd])).others == {}


@pytest.mark.parametrize(
    ("text", "owners"),
    [
        ('{"schema":1,"place":"p","vaults":{}}', Owners("p")),
        ("hostile", NO_OWNERS),
        ('{"schema":' * 1000, NO_OWNERS),
        ("", NO_OWNERS),
    ],
)
def test_the_owners_are_what_the_annotation_says(text: str, owners: Owners) -> None:
    seen = observed(secret(metadata={"annotations": {OWNERS_ANNOTATION: text, "other": "é"}}))
    assert (seen.annotation, seen.owners) == (text, owners)
    assert seen.annotation_room == MISSING.annotation_room - len("other") - 2


@pytest.mark.parametrize("metadata", [{}, {"annotations": None}, {"annotations": {}}])
def test_an_object_without_annotations_has_all_the_room(metadata: dict[str, Any]) -> None:
    seen = observed(secret(metadata=metadata))
    assert (seen.annotation, seen.owners) == ("", NO_OWNERS)
    assert seen.annotation_room == MISSING.annotation_room == 256 * 1024 - len("trustcast.io/owners")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>sign in</html>",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"metadata":{}}',
        b'{"metadata":{"uid":"u"}}',
        b'{"metadata":{"uid":1,"resourceVersion":"1"}}',
        secret(data={"a": "not base64!"}),
        secret(data={"a": 1}),
        secret(data=[]),
        secret(metadata={"annotations": {"a": 1}}),
        secret(metadata={"annotations": []}),
        secret(managed=["x"]),
        pytest.param(b'{"metadata":' + b"[" * 100_000, id="deep list"),
        pytest.param(b'{"metadata":{"uid":"u","resourceVersion":"1"},"x":' + b'{"a":' * 100_000, id="deep map"),
        json.dumps({"kind": "SecretList", "items": []}).encode(),
    ],
)
def test_law13_what_is_no_secret_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid, match="something other than a Secret"):
        observed(body)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(
    metadata=st.dictionaries(
        st.sampled_from(["uid", "resourceVersion", "labels", "annotations", "managedFields"]), JSON
    ),
    data=JSON,
)
def test_law13_no_answer_raises_anything_else(metadata: dict[str, Any], data: Any) -> None:
    body = json.dumps({"metadata": metadata, "data": data}).encode()
    with contextlib.suppress(Invalid):
        assert observed(body).exists
    assert proves_absence(body, CALL) is False


@given(st.binary(), st.integers(300, 599))
def test_law13_no_refusal_fails(body: bytes, code: int) -> None:
    assert isinstance(refused(code, body), Unauthorized | NotFound | Changed | Invalid | Temporary)


def gone(name: str = "trust-list", kind: str = "secrets") -> bytes:
    return status(reason="NotFound", details={"name": name, "kind": kind})


@pytest.mark.parametrize(
    ("body", "proven"),
    [
        (gone(), True),
        (gone(name="other"), False),
        (gone(kind="namespaces"), False),
        (status(reason="NotFound", details={}), False),
        (status(reason="NotFound"), False),
        (b"404 page not found\n", False),
        (b"", False),
    ],
)
def test_law4_only_a_404_about_this_very_secret_proves_its_absence(body: bytes, proven: bool) -> None:
    assert proves_absence(body, CALL) is proven


CREATE = Call("create", "plant", "trust-list")
UID = status(message="metadata.uid: field is immutable", details={"causes": [{"field": "metadata.uid"}]})


@pytest.mark.parametrize(
    ("code", "body", "call", "error", "told"),
    [
        (301, b"", CALL, Invalid, "redirects (301)"),
        (307, b"", CALL, Invalid, "register its own address"),
        (400, status(message="bad"), CALL, Invalid, "(400): bad"),
        (401, b"", CALL, TokenRejected, "store a fresh credential"),
        (403, b"", CALL, Unauthorized, "may not patch Secret plant/trust-list"),
        (404, gone(), CALL, Changed, "gone"),
        (404, b"404 page not found", CALL, NotFound, "registered address"),
        (404, gone("plant", "namespaces"), CREATE, NotFound, "create the namespace plant"),
        (404, b"", CREATE, NotFound, "registered address"),
        (405, b"", CALL, Invalid, "(405)"),
        (408, b"", CALL, Temporary, "(408)"),
        (409, status(reason="AlreadyExists"), CREATE, Changed, "(409)"),
        (409, b"", CALL, Changed, "(409)"),
        (412, b"", CALL, Changed, "(412)"),
        (413, b"", CALL, Invalid, "(413)"),
        (415, b"", CALL, Invalid, "(415)"),
        (422, status(message="data: Too long"), CALL, Invalid, "data: Too long"),
        (422, UID, CALL, Changed, "another Secret has its name now"),
        (429, b"", CALL, Temporary, "(429)"),
        (500, b"", CALL, Temporary, "(500)"),
        (503, b"", CALL, Temporary, "(503)"),
        (599, b"", CALL, Temporary, "(599)"),
    ],
)
def test_every_refusal_has_its_error(
    code: int, body: bytes, call: Call, error: type[TrustcastError], told: str
) -> None:
    given = refused(code, body, call=call)
    assert type(given) is error
    assert told in str(given)


@pytest.mark.parametrize(("code", "token_rejected"), [(401, True), (403, False)])
def test_a_caller_can_tell_401_from_403(code: int, token_rejected: bool) -> None:
    assert isinstance(refused(code), Unauthorized)
    assert isinstance(refused(code), TokenRejected) is token_rejected


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("99999999999", 3600),
        (None, None),
        ("", None),
        ("-1", None),
        ("1e9", None),
        ("٣", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
@pytest.mark.parametrize("code", [429, 503])
def test_law12_the_wait_that_is_asked_for_is_kept_within_an_hour(
    code: int, header: str | None, seconds: int | None
) -> None:
    headers = {} if header is None else {"Retry-After": header}
    error = refused(code, headers=headers)
    assert isinstance(error, Temporary)
    assert error.retry_after == seconds


def test_law9_a_foreign_message_is_escaped_capped_and_bare_of_the_token() -> None:
    message = f"\x1b[31m{TOKEN}\n" + "x" * 10_000
    told = str(refused(422, status(message=message)))
    assert TOKEN not in told
    assert told.isprintable()
    assert len(told) < 256 + 80
    assert "x" * 100 in told


def test_law9_a_body_that_is_no_status_is_not_shown() -> None:
    assert "planted" not in str(refused(400, b"<html>planted</html>"))


def test_a_refusal_that_quotes_the_object_shows_nothing_of_it() -> None:
    """Law 9: a real API server answers a malformed patch with the whole Secret in its message."""
    message = 'Secret "trust" is invalid: patch: Invalid value: "{\\"data\\":{\\"theirs\\":\\"c2VjcmV0\\"}}": cannot be'
    error = refused(422, status(code=422, message=message))
    assert "c2VjcmV0" not in str(error)
    assert "is invalid: patch" in str(error)
