"""Delivery into a Kubernetes Secret: four verbs on one cluster, through the unmodified `kubernetes` client.

They write as one field manager, key by key: https://kubernetes.io/docs/reference/using-api/server-side-apply/.
Only the client's generic half is used: importing its generated API classes takes twice as long.
"""

from __future__ import annotations

import base64
import string
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import urllib3
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.client.exceptions import ApiException

from sync.adapters.kubernetes.http import connections, read_body, time_limit
from sync.adapters.kubernetes.wire import Call, observed, proves_absence, refusal
from sync.errors import Invalid, Unreachable
from sync.reconcile.observed import FIELD_MANAGER, MISSING, Observed
from sync.reconcile.ownership import OWNERS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sync.deadline import Deadline
    from sync.fleet.kubeconfig import Endpoint

_SECRETS = "/api/v1/namespaces/{namespace}/secrets"
_SECRET = "/api/v1/namespaces/{namespace}/secrets/{name}"  # noqa: S105  a path
_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"
_APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML
_AS_US = {"fieldManager": FIELD_MANAGER}
_HEADER_SAFE = frozenset(string.ascii_letters + string.digits + string.punctuation)


@dataclass(frozen=True, slots=True)
class Request:
    """One request: what is asked for, and how it is sent."""

    call: Call
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content_type: str = _JSON


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, unread."""

    code: int
    headers: Mapping[str, str]
    body: bytes


class KubernetesSecrets:
    """The open API of one cluster; safe to use from several threads."""

    def __init__(self, endpoint: Endpoint, *, call_timeout: float) -> None:
        """Check the endpoint; nothing is sent or written to disk.

        Args:
            endpoint: as the cluster's kubeconfig has it.
            call_timeout: seconds that one call may take in all.

        Raises:
            Invalid: the server is not https, the CA is not a certificate, or the token cannot be sent in a header.
        """
        self._client = _client(endpoint)
        self._endpoint = endpoint
        self._call_timeout = call_timeout

    def within(self, deadline: Deadline) -> SecretsWithin:
        """The cluster's Secrets, for calls that share one deadline."""
        return SecretsWithin(self, deadline)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()  # type: ignore[no-untyped-call]

    def send(self, request: Request, deadline: Deadline) -> Answer:
        """Send one request; any status is an answer.

        Raises:
            Unreachable: there is no answer in time.
            Invalid: the answer breaks a limit.
        """
        seconds = deadline.allowance(self._call_timeout)
        if seconds <= 0:
            raise Unreachable("the time for this push is over; the rest waits for the next push")
        try:
            with time_limit(seconds):
                return self._exchange(request, seconds)
        except (urllib3.exceptions.HTTPError, ApiException, OSError) as error:
            raise Unreachable(f"{self._endpoint.server} gave no answer: {_cause(error)}") from error

    def judge(self, call: Call, answer: Answer) -> Observed:
        """The Secret that a successful answer holds.

        Raises:
            TrustcastError: the answer is not a success, or not a Secret.
        """
        if answer.code in {HTTPStatus.OK, HTTPStatus.CREATED}:
            return observed(answer.body)
        raise refusal(answer.code, answer.headers, answer.body, call, token=self._endpoint.token)

    def _exchange(self, request: Request, seconds: float) -> Answer:
        prepared = self._client.param_serialize(
            request.method,
            request.path,
            path_params={"namespace": request.call.namespace, "name": request.call.name},
            query_params=dict(request.query),
            header_params={
                "Accept": _JSON,
                "Accept-Encoding": "identity",
                "Content-Type": request.content_type,
            },
            body=request.body,
            auth_settings=["BearerToken"],
        )
        response = self._client.call_api(*prepared, _request_timeout=seconds).response
        return Answer(response.status, response.headers, read_body(response))


@dataclass(frozen=True, slots=True)
class SecretsWithin:
    """The `Target` port: a cluster's Secrets, for calls that end by one deadline.

    Every verb raises `Unreachable` without an answer in time, `TokenRejected` on 401, `Unauthorized` on 403,
    `Invalid` where the cluster refuses the content or its answer breaks a limit, `Temporary` where it is busy (429)
    or broken (5xx).
    Writes raise `Changed` where the Secret is no longer the one that was read.
    """

    cluster: KubernetesSecrets
    deadline: Deadline

    def observe(self, namespace: str, name: str) -> Observed:
        """Read one Secret; `MISSING` if the cluster says that it, or its namespace, does not exist."""
        call = Call("get", namespace, name)
        answer = self.cluster.send(Request(call, "GET", _SECRET), self.deadline)
        if answer.code == HTTPStatus.NOT_FOUND and proves_absence(answer.body, call):
            return MISSING
        return self.cluster.judge(call, answer)

    def create_empty(self, namespace: str, name: str) -> Observed:
        """Create a Secret without keys: keys set by a POST would not be removed by a later apply.

        Raises:
            NotFound: the namespace does not exist.
        """
        body = _secret({"name": name, "namespace": namespace}, type="Opaque")
        return self._write(Request(Call("create", namespace, name), "POST", _SECRETS, _AS_US, body))

    def remove_keys(
        self, namespace: str, name: str, keys: Collection[str], *, uid: str, resource_version: str
    ) -> Observed:
        """Remove keys of any owner, which an apply cannot."""
        metadata = {"uid": uid, "resourceVersion": resource_version}
        body = {"metadata": metadata, "data": dict.fromkeys(keys)}
        return self._write(Request(Call("patch", namespace, name), "PATCH", _SECRET, _AS_US, body, _MERGE_PATCH))

    def apply(
        self, namespace: str, name: str, files: Mapping[str, bytes], *, owners: str, uid: str, resource_version: str
    ) -> Observed:
        """Make these files ours, with these bytes; keys owned only by us that are not among them are removed.

        So is the annotation of owners where its text is empty.
        """
        metadata: dict[str, Any] = {"name": name, "uid": uid, "resourceVersion": resource_version}
        if owners:
            metadata["annotations"] = {OWNERS_ANNOTATION: owners}
        data = {key: base64.b64encode(content).decode() for key, content in files.items()}
        query = {**_AS_US, "force": "true"}
        body = _secret(metadata, data=data)
        return self._write(Request(Call("patch", namespace, name), "PATCH", _SECRET, query, body, _APPLY_PATCH))

    def _write(self, request: Request) -> Observed:
        return self.cluster.judge(request.call, self.cluster.send(request, self.deadline))


def _client(endpoint: Endpoint) -> ApiClient:
    if not endpoint.server.startswith("https://"):
        raise Invalid("the cluster's server is not an https address: register it again")
    if not endpoint.token or not _HEADER_SAFE.issuperset(endpoint.token):
        raise Invalid("the cluster's token is empty or holds invalid characters: store a fresh credential")
    configuration = Configuration(host=endpoint.server.rstrip("/"), proxy="", no_proxy="*")
    configuration.api_key = {"BearerToken": f"Bearer {endpoint.token}"}
    client = ApiClient(configuration)
    client.rest_client.pool_manager = connections(endpoint.ca_pem)
    client.user_agent = FIELD_MANAGER
    return client


def _secret(metadata: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **fields}


def _cause(error: BaseException) -> str:
    """The kind of failure; a transport error's text may quote what the other side sent."""
    if isinstance(error, ApiException):  # how the client reports a failed TLS handshake
        return "TLS failed: check its address, its CA and the certificate that it shows"
    if isinstance(error, urllib3.exceptions.NewConnectionError):  # a kind of TimeoutError
        return "no connection"
    if isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError):
        return "time-out"
    return f"the connection broke ({type(error).__name__})"
