"""The stand-in answers as a real API server does, whatever is asked in whatever order.

Where it differs knowingly, because no client of ours asks so: a body that is no Secret (another kind, an unknown
field, a value that is no base64, broken JSON) is refused with other words or another code; PUT, watches and field
selectors do not exist; a request without a token is 401, where a real server may take it as anonymous (403); the
long explanations of a wrong name or key are shorter.
"""

from __future__ import annotations

import base64
import itertools
import os
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.kubernetes.server import Fleet
from local.support.tls import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local.apiserver.server import RealCluster

NAMESPACE = "differential"
STRANGER = "00000000-0000-0000-0000-00000000beef"
PATCHES = {"apply": "application/apply-patch+yaml", "merge": "application/merge-patch+json"}
EXAMPLES = int(os.environ.get("TRUSTCAST_EXAMPLES", "100"))
_names = (f"list-{number}" for number in itertools.count())

contents = st.sampled_from([b"1", b"2"])
keys = st.sampled_from(["a.der", "b.der", "c.der"])
labels = st.sampled_from([{}, {}, {"colour": "red"}, {"colour": "blue"}])
lengths = st.dictionaries(st.sampled_from(["owners", "note"]), st.sampled_from([1, 2, 140000]))
lengths_or_none = st.dictionaries(st.sampled_from(["owners", "note"]), st.sampled_from([1, 2, 140000, None]))


@dataclass(frozen=True, slots=True)
class Step:
    """One request on one Secret.

    `uid` and `version` say which precondition it carries, `annotations` how long each is (two long ones are too much).
    """

    verb: str
    manager: str = "trustcast"
    files: Mapping[str, bytes | None] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, int | None] = field(default_factory=dict)
    immutable: bool | None = None
    uid: str = "none"
    version: str = "none"
    force: bool = False


@dataclass(slots=True)
class Server:
    """One side of the comparison, which remembers what it has seen of the Secret in hand."""

    client: httpx.Client
    name: str = ""
    uids: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)

    def begin(self, name: str) -> None:
        self.name, self.uids, self.versions = name, [], []

    def answer(self, step: Step) -> tuple[Any, ...]:
        """What the answer says, without what differs from server to server (identifiers and times)."""
        answer = self._send(step)
        body = answer.json()
        if not answer.is_success:
            return answer.status_code, body.get("reason"), self._anonymous(body.get("message", ""))
        if body["kind"] == "Status":
            return answer.status_code, body["status"]
        return answer.status_code, *self._facts(body)

    def _facts(self, body: dict[str, Any]) -> tuple[Any, ...]:
        metadata = body["metadata"]
        changed = not self.versions or self.versions[-1] != metadata["resourceVersion"]
        if changed:
            self.versions.append(metadata["resourceVersion"])
        if metadata["uid"] not in self.uids:
            self.uids.append(metadata["uid"])
        owners = sorted(
            (entry["manager"], entry["operation"], str(_sorted(entry["fieldsV1"])))
            for entry in metadata.get("managedFields", ())
        )
        known = {key: body.get(key) for key in ("data", "type", "immutable")}
        return known, metadata.get("labels"), metadata.get("annotations"), owners, changed, len(self.uids)

    def _send(self, step: Step) -> httpx.Response:
        folder = f"/api/v1/namespaces/{NAMESPACE}/secrets"
        secret = f"{folder}/{self.name}"
        query: dict[str, str] = {"fieldManager": step.manager}
        match step.verb:
            case "get":
                return self.client.get(secret)
            case "delete":
                return self.client.delete(secret)
            case "create":
                return self.client.post(folder, params=query, json=self._body(step))
        if step.verb == "apply":
            query["force"] = str(step.force).lower()
        headers = {"Content-Type": PATCHES[step.verb]}
        return self.client.patch(secret, params=query, json=self._body(step), headers=headers)

    def _body(self, step: Step) -> dict[str, Any]:
        last, first = slice(-1, None), slice(0, 1)
        uid = {"none": [], "current": self.uids[last], "other": [STRANGER]}[step.uid]
        version = {"none": [], "current": self.versions[last], "stale": self.versions[first]}[step.version]
        metadata = {
            "name": self.name,
            "uid": "".join(uid),
            "resourceVersion": "".join(version),
            "labels": dict(step.labels),
            "annotations": {key: size and "x" * size for key, size in step.annotations.items()},
        }
        body: dict[str, Any] = {"metadata": {key: value for key, value in metadata.items() if value}}
        if step.files is not None:
            body["data"] = {key: value and _base64(value) for key, value in step.files.items()}
        if step.immutable is not None:
            body["immutable"] = step.immutable
        return {"apiVersion": "v1", "kind": "Secret", **body}

    def _anonymous(self, message: str) -> str:
        for uid in self.uids:
            message = message.replace(uid, "UID")
        return message


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _sorted(tree: dict[str, Any]) -> Any:
    return {key: _sorted(tree[key]) for key in sorted(tree)}


@st.composite
def steps(draw: st.DrawFn) -> Step:
    verb = draw(st.sampled_from(["apply", "apply", "apply", "merge", "merge", "create", "delete", "get"]))
    values = st.one_of(contents, st.none()) if verb == "merge" else contents
    return Step(
        verb,
        manager=draw(st.sampled_from(["trustcast", "kubectl"])),
        files=draw(st.one_of(st.none(), st.dictionaries(keys, values, max_size=3))),
        labels=draw(labels),
        annotations=draw(st.one_of(st.just({}), lengths_or_none if verb == "merge" else lengths)),
        immutable=draw(st.sampled_from([None] * 12 + [True, False])),
        uid=draw(st.sampled_from(["none", "none", "current", "current", "other"])) if verb != "create" else "none",
        version=draw(st.sampled_from(["none", "current", "current", "stale"])) if verb != "create" else "none",
        force=draw(st.booleans()),
    )


@pytest.fixture(scope="module")
def servers(real_cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    real_cluster.create_namespace(NAMESPACE)
    authority = Authority.in_folder(tmp_path_factory.mktemp("stand-in"))
    with Fleet(authority) as fleet, real_cluster.client() as real:
        cluster = fleet.add("plant", namespaces=(NAMESPACE,))
        context = ssl.create_default_context(cafile=authority.ca_file)
        bearer = {"Authorization": f"Bearer {cluster.admin_token}"}
        with httpx.Client(base_url=cluster.server, verify=context, headers=bearer) as stand_in:
            yield Server(stand_in), Server(real)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
@given(asked=st.lists(steps(), min_size=2, max_size=8))
def test_any_requests_bring_the_same_answers(servers: tuple[Server, Server], asked: list[Step]) -> None:
    stand_in, real = servers
    name = next(_names)
    stand_in.begin(name)
    real.begin(name)
    for step in asked:
        assert stand_in.answer(step) == real.answer(step), step


def _secret(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "refusals"}, **fields}


HERE, NOWHERE = f"/api/v1/namespaces/{NAMESPACE}/secrets", "/api/v1/namespaces/nowhere/secrets"
AS_US = "fieldManager=trustcast"
TOO_MUCH = {"data": {"a.der": _base64(bytes(1048577))}}
TOO_LONG = {"annotations": {"a": "x" * 262144}}
NAMED_ANEW = {"metadata": {"name": "anew"}}


@pytest.mark.parametrize(
    ("method", "path", "body", "kind"),
    [
        ("GET", f"{HERE}/missing", None, None),
        ("GET", f"{NOWHERE}/missing", None, None),
        ("DELETE", f"{HERE}/missing", None, None),
        ("PATCH", f"{HERE}/missing?{AS_US}", {"data": {"a.der": None}}, "merge"),
        ("POST", NOWHERE, _secret(), None),
        ("PATCH", f"{NOWHERE}/refusals?{AS_US}", _secret(), "apply"),
        ("POST", HERE, _secret(), None),
        ("POST", HERE, _secret(metadata={}), None),
        ("POST", HERE, _secret(metadata={"name": "Upper"}), None),
        ("POST", HERE, _secret(metadata={"name": "a" * 254}), None),
        ("POST", HERE, _secret(metadata={"name": "anew", "namespace": "elsewhere"}), None),
        ("POST", HERE, _secret(**NAMED_ANEW, data={"a b": ""}), None),
        ("POST", HERE, _secret(**NAMED_ANEW, data={"..": ""}), None),
        ("POST", HERE, _secret(**NAMED_ANEW, **TOO_MUCH), None),
        ("PATCH", f"{HERE}/refusals", _secret(), "apply"),
        ("PATCH", f"{HERE}/refusals?{AS_US}", _secret(**NAMED_ANEW), "apply"),
        ("PATCH", f"{HERE}/refusals?{AS_US}", _secret(data={"a/b": ""}), "apply"),
        ("PATCH", f"{HERE}/refusals?{AS_US}", _secret(data={"k" * 254: ""}), "apply"),
        ("PATCH", f"{HERE}/refusals?{AS_US}", _secret(data={"a.der": "no base64!"}), "apply"),
        ("PATCH", f"{HERE}/refusals?{AS_US}", _secret(**TOO_MUCH), "apply"),
        ("POST", HERE, _secret(metadata={"name": "anew", **TOO_LONG}), None),
        ("PATCH", f"{HERE}/refusals?{AS_US}", _secret(metadata=TOO_LONG), "apply"),
        ("PATCH", f"{HERE}/refusals?{AS_US}", {"metadata": TOO_LONG}, "merge"),
        ("PATCH", f"{HERE}/refusals?{AS_US}&force=true", _secret(type="example.com/other"), "apply"),
        ("PATCH", f"{HERE}/refusals?{AS_US}", NAMED_ANEW, "merge"),
        ("PATCH", f"{HERE}/refusals?{AS_US}", TOO_MUCH, "merge"),
        ("PATCH", f"{HERE}/refusals?{AS_US}", {}, "other"),
        ("GET", "/api/v1/nonsense", None, None),
    ],
)
def test_what_one_refuses_the_other_refuses_as_well(
    servers: tuple[Server, Server], method: str, path: str, body: dict[str, Any] | None, kind: str | None
) -> None:
    headers = {"Content-Type": PATCHES.get(kind, "application/other")} if kind else {}
    answers = []
    for server in servers:
        server.client.post(HERE, json=_secret())
        answer = server.client.request(method, path, json=body, headers=headers)
        answers.append((answer.status_code, answer.json().get("reason")))
    assert answers[0] == answers[1]
    assert answers[0][0] >= 400


def test_a_token_that_is_not_known_is_refused_by_both(servers: tuple[Server, Server]) -> None:
    for server in servers:
        answer = server.client.get(f"{HERE}/any", headers={"Authorization": "Bearer unknown"})
        assert (answer.status_code, answer.json()["reason"]) == (401, "Unauthorized")
