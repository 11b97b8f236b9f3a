"""The adapter against servers that do what they like; what well-behaved ones do is in the contract suite."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from local.kubernetes.faults import Fault, Kind
from local.support.serving import Server
from local.support.tls import Authority
from sync.adapters.kubernetes.secrets import KubernetesSecrets
from sync.deadline import Deadline
from sync.errors import Changed, Invalid, NotFound, Temporary, TokenRejected, TrustcastError, Unauthorized, Unreachable
from sync.fleet.kubeconfig import Endpoint
from sync.reconcile.observed import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

    from local.kubernetes.cluster import Cluster
    from local.kubernetes.server import Fleet
    from sync.adapters.kubernetes.secrets import SecretsWithin

    Verb = Callable[[SecretsWithin], object]
    Header = tuple[bytes, bytes]

NAMESPACE = "azure-iot-operations"
NAME = "aio-opc-ua-broker-trust-list"
TOKEN = "planted-token-4711"
PATIENT = 20.0  # seconds; far more than any of these calls needs
HURRIED = 0.2


@contextmanager
def opened(
    server: str, ca_pem: bytes, token: str = TOKEN, *, call_timeout: float = PATIENT, deadline: float = 60.0
) -> Iterator[SecretsWithin]:
    with closing(KubernetesSecrets(Endpoint(server, ca_pem, token), call_timeout=call_timeout)) as client:
        yield client.within(Deadline.after(deadline))


def opened_cluster(cluster: Cluster, *, call_timeout: float = PATIENT) -> AbstractContextManager[SecretsWithin]:
    return opened(cluster.server, cluster.ca_pem, cluster.token, call_timeout=call_timeout)


class Answering:
    """An application that gives one answer to everything, and remembers what it was asked."""

    def __init__(self, body: bytes = b"", status: int = 200, headers: Iterable[Header] = ()) -> None:
        self.body, self.status, self.headers = body, status, list(headers)
        self.call: list[tuple[str, str, dict[bytes, bytes], bytes | None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        message = await receive()
        self.call.append((scope["method"], scope["path"], dict(scope["headers"]), message.get("body")))
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


VERBS: dict[str, Verb] = {
    "observe": lambda t: t.observe(NAMESPACE, NAME),
    "create_empty": lambda t: t.create_empty(NAMESPACE, NAME),
    "remove_keys": lambda t: t.remove_keys(NAMESPACE, NAME, ["a"], uid="u", resource_version="1"),
    "apply": lambda t: t.apply(NAMESPACE, NAME, {"a": b"1"}, owners="{}", uid="u", resource_version="1"),
}


@pytest.fixture(params=VERBS)
def verb(request: pytest.FixtureRequest) -> Verb:
    return VERBS[request.param]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Invalid),
        (401, TokenRejected),
        (403, Unauthorized),
        (404, NotFound),
        (409, Changed),
        (412, Changed),
        (422, Invalid),
        (429, Temporary),
        (500, Temporary),
        (503, Temporary),
    ],
)
def test_law13_every_status_is_translated_for_every_verb_and_asked_once(
    cluster: Cluster, verb: Verb, status: int, error: type[TrustcastError]
) -> None:
    cluster.set_fault(Fault(Kind.STATUS, status=status, retry_after="7"))
    with opened_cluster(cluster) as target, pytest.raises(error) as raised:
        verb(target)
    assert type(raised.value) is error
    assert cluster.requests.total() == 1
    if error is Temporary:
        assert isinstance(raised.value, Temporary)
        assert raised.value.retry_after == 7


@pytest.mark.parametrize("kind", [Kind.DOWN, Kind.RESET])
def test_law12_a_connection_that_breaks_is_unreachable_and_not_tried_again(
    cluster: Cluster, verb: Verb, kind: Kind
) -> None:
    cluster.set_fault(Fault(kind))
    with opened_cluster(cluster) as target, pytest.raises(Unreachable, match="connection broke"):
        verb(target)
    assert cluster.requests.total() == 1


def test_law12_a_closed_port_is_unreachable(authority: Authority, verb: Verb) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        opened(f"https://127.0.0.1:{port}", authority.ca_pem) as target,
        pytest.raises(Unreachable, match="no connection"),
    ):
        verb(target)


@pytest.mark.parametrize("fault", [Fault(Kind.SLOW, seconds=30), Fault(Kind.DRIP, seconds=HURRIED / 4)])
def test_law13_slow_and_dripping_answers_end_with_the_call(cluster: Cluster, verb: Verb, fault: Fault) -> None:
    """A drip outlives every time-out per read: this answer would take half a minute and then succeed."""
    cluster.set_fault(fault)
    with opened_cluster(cluster, call_timeout=HURRIED) as target, pytest.raises(Unreachable, match="time-out"):
        verb(target)


@contextmanager
def raw_server(serve: Callable[[socket.socket, threading.Event], object]) -> Iterator[str]:
    """A TCP server that hands each connection to a function, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stopped = threading.Event()

        def accept() -> None:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                serve(connection, stopped)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        stopped.set()
        thread.join()


def test_law13_a_handshake_that_never_comes_ends_with_the_call(authority: Authority) -> None:
    with (
        raw_server(lambda _, stopped: stopped.wait()) as server,
        opened(server, authority.ca_pem, call_timeout=HURRIED) as target,
        pytest.raises(Unreachable),
    ):
        VERBS["observe"](target)


def test_law13_headers_that_drip_end_with_the_call(authority: Authority) -> None:
    def drip(connection: socket.socket, stopped: threading.Event) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.server_files())
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.recv(4096)
            with suppress(OSError):
                tls.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
                while not stopped.wait(HURRIED / 4):
                    tls.sendall(b"x")

    with (
        raw_server(drip) as server,
        opened(server, authority.ca_pem, call_timeout=HURRIED) as target,
        pytest.raises(Unreachable, match="time-out"),
    ):
        VERBS["observe"](target)


def test_a_push_has_one_deadline_for_all_its_calls(cluster: Cluster) -> None:
    """The clock stands in for slow calls: the second finds no time left, and nothing is sent."""
    moments = iter([0.0, 1.0, 31.0])
    deadline = Deadline.after(30, moments.__next__)
    client = KubernetesSecrets(Endpoint(cluster.server, cluster.ca_pem, cluster.token), call_timeout=PATIENT)
    with closing(client):
        assert client.within(deadline).observe(NAMESPACE, NAME) == MISSING
        with pytest.raises(Unreachable, match="time for this push is over"):
            client.within(deadline).observe(NAMESPACE, NAME)
    assert cluster.requests == {"get": 1}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_law13_no_redirect_is_followed(authority: Authority, verb: Verb, status: int) -> None:
    elsewhere = Answering()
    with Server(elsewhere) as other:
        redirecting = Answering(status=status, headers=[(b"location", other.url.encode())])
        with (
            Server(redirecting, authority=authority) as server,
            opened(server.url, authority.ca_pem) as target,
            pytest.raises(Invalid, match="redirects"),
        ):
            verb(target)
    assert (len(redirecting.call), elsewhere.call) == (1, [])


def test_law13_a_body_without_end_is_cut_at_4_mib(cluster: Cluster, verb: Verb) -> None:
    cluster.set_fault(Fault(Kind.HUGE))
    with opened_cluster(cluster) as target, pytest.raises(Invalid, match="4 MiB"):
        verb(target)


@pytest.mark.parametrize("status", [200, 500])
def test_law13_the_body_of_an_error_is_bounded_too(authority: Authority, status: int) -> None:
    answer = Answering(bytes(4 * 1024 * 1024 + 1), status)
    with (
        Server(answer, authority=authority) as server,
        opened(server.url, authority.ca_pem) as target,
        pytest.raises(Invalid, match="4 MiB"),
    ):
        VERBS["observe"](target)


def test_law13_a_compressed_body_is_refused_unread(cluster: Cluster, verb: Verb) -> None:
    cluster.set_fault(Fault(Kind.COMPRESSED))
    with opened_cluster(cluster) as target, pytest.raises(Invalid, match="compressed"):
        verb(target)


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"br", b"zstd", b"GZIP", b"x", b"identity, gzip"])
def test_law13_any_content_encoding_is_refused(authority: Authority, encoding: bytes) -> None:
    answer = Answering(b"{}", headers=[(b"content-encoding", encoding)])
    with (
        Server(answer, authority=authority) as server,
        opened(server.url, authority.ca_pem) as target,
        pytest.raises(Invalid, match="compressed"),
    ):
        VERBS["observe"](target)
    assert answer.call[0][2][b"accept-encoding"] == b"identity"


def test_after_a_refused_answer_the_next_call_works(cluster: Cluster) -> None:
    with opened_cluster(cluster) as target:
        for kind in (Kind.HUGE, Kind.COMPRESSED, Kind.RESET, Kind.DOWN, Kind.REDIRECT):
            cluster.set_fault(Fault(kind, times=1))
            with pytest.raises((Invalid, Unreachable)):
                VERBS["observe"](target)
            assert VERBS["observe"](target) == MISSING


def test_one_connection_serves_many_calls(authority: Authority) -> None:
    seen: set[tuple[str, int]] = set()

    class Ports(Answering):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            seen.add(scope["client"])
            await super().__call__(scope, receive, send)

    gone = {"reason": "NotFound", "details": {"kind": "secrets", "name": NAME}}
    with (
        Server(Ports(json.dumps(gone).encode(), 404), authority=authority) as server,
        opened(server.url, authority.ca_pem) as target,
    ):
        assert [target.observe(NAMESPACE, NAME) for _ in range(3)] == [MISSING] * 3
    assert len(seen) == 1


def test_law13_a_server_of_another_authority_is_not_trusted(tmp_path: Path, authority: Authority, verb: Verb) -> None:
    """The system's authorities do not count either: only the inline one does."""
    answer = Answering()
    other = Authority.in_folder(tmp_path)
    with (
        Server(answer, authority=authority) as server,
        opened(server.url, other.ca_pem) as target,
        pytest.raises(Unreachable, match="TLS"),
    ):
        verb(target)
    assert answer.call == []


def test_law13_a_server_of_another_name_is_not_trusted(authority: Authority) -> None:
    """The certificate names 127.0.0.1, ::1 and localhost; 127.0.0.2 is the same server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server_files())
    with socket.create_server(("127.0.0.2", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                context.wrap_socket(connection, server_side=True).close()

        thread = threading.Thread(target=serve)
        thread.start()
        server = f"https://127.0.0.2:{listening.getsockname()[1]}"
        with opened(server, authority.ca_pem) as target, pytest.raises(Unreachable, match="TLS"):
            VERBS["observe"](target)
        thread.join()


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"])
def test_law13_no_proxy_of_the_environment_is_used(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with opened_cluster(cluster) as target:
        assert target.observe(NAMESPACE, NAME) == MISSING


def test_law13_nothing_is_written_to_disk(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with opened_cluster(cluster) as target:
        target.create_empty(NAMESPACE, NAME)
        assert list(tmp_path.iterdir()) == []


def test_law9_the_token_goes_into_one_header_and_nowhere_else(authority: Authority, verb: Verb) -> None:
    answer = Answering(json.dumps({"message": f"who is {TOKEN}?"}).encode(), 422)
    with (
        Server(answer, authority=authority) as server,
        opened(server.url, authority.ca_pem) as target,
        pytest.raises(Invalid) as raised,
    ):
        verb(target)
    ((_, path, headers, body),) = answer.call
    assert headers.pop(b"authorization") == f"Bearer {TOKEN}".encode()
    assert TOKEN not in f"{path} {headers} {body!r} {raised.value}"


def test_law9_a_failed_call_shows_no_token_even_in_its_causes(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with opened("https://127.0.0.1:9", authority.ca_pem) as target, pytest.raises(Unreachable) as raised:
        VERBS["observe"](target)
    assert TOKEN not in repr(raised.value) + repr(raised.value.__cause__) + caplog.text


def test_law9_an_endpoint_does_not_show_its_token(authority: Authority) -> None:
    assert TOKEN not in repr(Endpoint("https://h", authority.ca_pem, TOKEN))


@pytest.mark.parametrize(
    ("server", "ca_pem", "token", "told"),
    [
        ("http://127.0.0.1:1", None, TOKEN, "https"),
        ("", None, TOKEN, "https"),
        ("https://h", b"", TOKEN, "CA"),
        ("https://h", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", TOKEN, "CA"),
        ("https://h", "é".encode(), TOKEN, "CA"),
        ("https://h", None, "", "token"),
        ("https://h", None, f"{TOKEN}\r\nX-Smuggled: 1", "token"),
        ("https://h", None, f"{TOKEN} x", "token"),
        ("https://h", None, f"{TOKEN}é", "token"),
    ],
)
def test_law13_an_endpoint_that_cannot_be_used_is_refused_at_once(
    authority: Authority, server: str, ca_pem: bytes | None, token: str, told: str
) -> None:
    ca_pem = authority.ca_pem if ca_pem is None else ca_pem
    with pytest.raises(Invalid, match=told) as raised:
        KubernetesSecrets(Endpoint(server, ca_pem, token), call_timeout=1)
    assert TOKEN not in str(raised.value)


def test_a_server_may_have_a_path(cluster: Cluster) -> None:
    with opened(f"{cluster.server}/", cluster.ca_pem, cluster.token) as target:
        assert target.observe(NAMESPACE, NAME) == MISSING


def test_law4_a_wrong_path_proves_no_absence(kubernetes: Fleet, cluster: Cluster) -> None:
    with (
        opened(f"{kubernetes.url}/clusters/unknown", cluster.ca_pem, cluster.token) as target,
        pytest.raises(NotFound, match="registered address"),
    ):
        target.observe(NAMESPACE, NAME)


def test_law5_to_observe_costs_one_read(cluster: Cluster) -> None:
    with opened_cluster(cluster) as target:
        target.observe(NAMESPACE, NAME)
    assert cluster.requests == {"get": 1}


def test_a_name_cannot_leave_its_place_in_the_path(authority: Authority) -> None:
    answer = Answering(status=404)
    with (
        Server(answer, authority=authority) as server,
        opened(server.url, authority.ca_pem) as target,
        pytest.raises(NotFound),
    ):
        target.observe("a/../b", "c?d=e")
    assert answer.call[0][1] == "/api/v1/namespaces/a/../b/secrets/c?d=e"  # decoded: one segment each


def test_the_generated_api_classes_are_not_imported() -> None:
    """They double the time of the import, which every cold start pays."""
    code = "import sys, sync.adapters.kubernetes.secrets; print('kubernetes.client.api.core_v1_api' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
