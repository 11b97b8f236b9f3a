"""Law 9: secrets are planted everywhere, neighbours are hostile and echo them back, and every output is searched.

One stack runs for all: vaults, clusters that answer with the token they were sent, Azurite, and the host as a process.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import logging
import os
import sys
import time
import traceback
import zlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

from local.clusters import NAMESPACE
from local.keyvault.faults import Fault
from local.stack import EVENT_KEY
from sync import bootstrap
from sync.catalogue.secret import SecretValue, VersionProperties
from sync.cli import app as cli
from sync.clock import utc_now
from sync.deadline import Deadline
from sync.findings import Code
from sync.fleet.kubeconfig import parse
from sync.settings import Settings
from sync.text import SHOWN_LENGTH
from tests.support import certs
from tests.support.hostile import TRUST, Echo, HostileStack
from tests.support.planted import ASSIGNED, ELSEWHERE, FRESH, MALFORMED, SERVER, TOKENS, canary, needles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sync.steps.runtime import Runtime

TAGS = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
PROPERTIES = VersionProperties("plc7", "1" * 32, certs.NOW, certs.NOW)
NEVER = "0 0 0 29 2 *"
PATIENCE = 60  # seconds


@dataclass
class Run:
    """What came of the run: every output by its name, and what may be found in none of them."""

    stack: HostileStack
    outputs: dict[str, bytes]
    needles: dict[str, set[bytes]]
    entries: dict[str, set[Code]]


@pytest.fixture(scope="module")
def ran() -> Iterator[Run]:
    settings = {"TRUSTCAST_TICK": NEVER, "TRUSTCAST_VAULT_INTERVAL": "1s"}
    with (
        HostileStack(["good", *TOKENS], settings=settings) as stack,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in stack.environment.items():
            patch.setenv(name, value)
        runtime = bootstrap.connect(Settings.from_environment(os.environ), utc_now())
        patch.setattr(bootstrap, "runtime", lambda: runtime)
        patch.setattr(logging.getLogger("azure"), "level", logging.CRITICAL)
        outputs: dict[str, bytes] = {}
        _register(stack, outputs, patch)
        _upload(stack)
        _trouble(stack, runtime)
        stack.run_function("check_drift")
        answering = {"good", *TOKENS} - {"e409"}  # what says 409 to a reading is only ever asked again
        _until(lambda: {status.cluster for status in runtime.statuses.all()} >= answering)
        _until(lambda: len(runtime.decisions.snapshot(fresh=True).entries) >= len(ASSIGNED) + 1)
        stack.stop_host()
        outputs["the host's log"] = stack.log.read_bytes()
        _command_all(stack, outputs, patch)
        outputs |= _adapters(stack, runtime)
        outputs |= _storage(stack)
        yield Run(stack, outputs, needles(stack.fleet["good"].token, stack.hostile.seen), _codes(runtime))


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def _run(patch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, bytes]:
    """A command line in this process; its exit code and all that it prints."""
    told = io.StringIO()
    patch.setattr(sys, "argv", ["trustcast", *arguments])
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told), pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0), told.getvalue().encode()


def _register(stack: HostileStack, outputs: dict[str, bytes], patch: pytest.MonkeyPatch) -> None:
    for name, cluster in stack.clusters.items():
        stack.credentials.set(name, cluster.kubeconfig(), tags={"trustcast-credential": name})
        code, outputs[f"clusters add {name}"] = _run(patch, "clusters", "add", name, "--credential", name)
        assert code == 0, outputs
    for name, config in MALFORMED.items():
        stack.credentials.set(name, config, tags={"trustcast-credential": name})
        code, outputs[f"clusters add {name}"] = _run(patch, "clusters", "add", name, "--credential", name)
        assert code == 3, outputs


def _upload(stack: HostileStack) -> None:
    stack.clusters["good"].edit(TRUST, {"hand.key": ELSEWHERE.key_pem.encode()})
    echoes = {"refused": (403, "in-the-403"), "broken": (500, "in-the-500")}
    for name, (status, word) in echoes.items():
        body = json.dumps({"error": {"code": "Forbidden", "message": f"{canary(word)} {canary(name)}"}})
        stack.vault.faults.add(Fault(kind="value", name=name, status=status, body=body))
    stack.vault.set("unassigned", canary("unassigned"), content_type="application/x-pem-file")
    stack.vault.add_certificate("managed", canary("managed"))
    stack.vault.update("managed", tags=TAGS)
    for name, value in ASSIGNED.items():
        stack.vault.set(name, value, tags=TAGS)


def _trouble(stack: HostileStack, runtime: Runtime) -> None:
    """Events that are none, a credential gone bad, a hostile vault, poison."""
    url = f"{stack.host_url}/runtime/webhooks/EventGrid?functionName=on_secret_event&code={EVENT_KEY}"
    headers = {"aeg-event-type": "Notification"}
    for body in ("[{", "[]", json.dumps([{"eventType": "x\n\x1b[31m" + "y" * 5000, "id": "1", "data": {}}])):
        httpx.post(url, content=body, headers=headers, trust_env=False, timeout=30)
    vault = runtime.vaults[stack.server.url.removeprefix("https://")]
    with contextlib.suppress(Exception):
        vault.listing()
    stack.credentials.set("garbage", MALFORMED["no-yaml"], tags={"trustcast-credential": "garbage"})


def _command_all(stack: HostileStack, outputs: dict[str, bytes], patch: pytest.MonkeyPatch) -> None:
    host = stack.vault.url.removeprefix("https://")
    (stack.folder / "key.pem").write_text(ASSIGNED["key-pem"])
    (stack.folder / "token").write_text(ASSIGNED["token"])
    commands = (
        ("check", str(stack.folder / "key.pem"), str(stack.folder / "token")),
        ("clusters", "list"),
        ("plan",),
        ("sync",),
        ("status",),
        ("status", "--thumbprint", SERVER.sha256),
        ("secrets",),
        ("removals", "list"),
        ("assign", f"{host}/key-pem", "--lists", "trust"),
        ("assign", f"{host}/refused", "--lists", "trust"),
        ("assign", f"{stack.server.url.removeprefix('https://')}/x", "--lists", "trust", "--clusters", "*"),
        ("unassign", f"{host}/token"),
        ("clusters", "pause", "e500"),
        ("clusters", "resume", "e500"),
    )
    for command in commands:
        for form in ((), ("--json",)):
            code, outputs[" ".join((*command, *form))] = _run(patch, *command, *form)
            assert code != 5, (command, outputs)
    outputs["status, as a process"] = str(stack.cli("status")).encode()


def _adapters(stack: HostileStack, runtime: Runtime) -> dict[str, bytes]:
    """Every way of telling an adapter's error."""
    hostile = runtime.vaults[stack.server.url.removeprefix("https://")]
    vault = runtime.vaults[stack.vault.url.removeprefix("https://")]
    calls: dict[str, Callable[[], object]] = {
        "listing": hostile.listing,
        "versions": lambda: hostile.versions("x"),
        "read": lambda: hostile.read("x", None),
        "update": lambda: hostile.update("x", "0" * 32, tags={"a": "b"}),
        "read, refused": lambda: vault.read("refused", None),
        "read, broken": lambda: vault.read("broken", None),
        **{f"endpoint {name}": partial(runtime.clusters.endpoint, name, name) for name in MALFORMED},
    }
    registrations = runtime.decisions.snapshot(fresh=True).clusters
    version = {"uid": "1", "resource_version": "1"}
    for name in set(TOKENS) - {"garbage", "secret"}:
        opened = runtime.clusters.connect(registrations[name], Deadline.after(PATIENCE))
        calls |= {
            f"observe {name}": partial(opened.observe, NAMESPACE, TRUST),
            f"create {name}": partial(opened.create_empty, NAMESPACE, TRUST),
            f"apply {name}": partial(opened.apply, NAMESPACE, TRUST, {"a.der": b"a"}, owners="{}", **version),
            f"remove {name}": partial(opened.remove_keys, NAMESPACE, TRUST, ["a.der"], **version),
        }
    return {f"error of {name}": _told(call) for name, call in calls.items()}


def _told(call: Callable[[], object]) -> bytes:
    try:
        answer = call()
    except Exception as error:  # noqa: BLE001  whatever it is, it is searched
        return "\n".join((str(error), repr(error), repr(vars(error)), *traceback.format_exception(error))).encode()
    return repr(answer).encode()


def _storage(stack: HostileStack) -> dict[str, bytes]:
    """All rows of all tables, unpacked where they are packed, and all messages of all queues."""
    found: dict[str, bytes] = {}
    with TableServiceClient.from_connection_string(stack.azurite.connection_string) as tables:
        for table in tables.list_tables():
            for number, row in enumerate(tables.get_table_client(table.name).list_entities()):
                body = b"".join(bytes(row[f"body{n}"]) for n in range(20) if f"body{n}" in row)
                plain = zlib.decompress(body) if row.get("zlib") else body
                found[f"table {table.name}, row {number}"] = repr(dict(row)).encode() + plain
    with QueueServiceClient.from_connection_string(stack.azurite.connection_string) as queues:
        for queue in queues.list_queues():
            for number, message in enumerate(queues.get_queue_client(queue.name).peek_messages(32)):
                content = str(message.content)
                found[f"queue {queue.name}, message {number}"] = content.encode() + base64.b64decode(content)
    return found


def _codes(runtime: Runtime) -> dict[str, set[Code]]:
    snapshot = runtime.decisions.snapshot(fresh=True)
    return {
        key.name: {f.code for rejected in entry.rejected for f in rejected.findings}
        | {f.code for f in entry.secret_findings}
        for key, entry in snapshot.entries.items()
    }


def test_law9_what_was_planted_is_found_in_no_output(ran: Run) -> None:
    hits = {
        (secret, name)
        for name, output in ran.outputs.items()
        for secret, forms in ran.needles.items()
        if any(form in output for form in forms)
    }
    assert not hits


def test_law9_the_search_finds_what_is_there(ran: Run) -> None:
    """Each form of each plant would be found; and the outputs are those of a run in which much happened."""
    assert all(len(form) >= 16 for forms in ran.needles.values() for form in forms)
    for text in ASSIGNED.values():
        if "canary" in text:
            assert any(form in text.encode() for forms in ran.needles.values() for form in forms)
    everything = b"".join(ran.outputs.values())
    for word in (b"unauthorized", b"blocked", b"pending", b"in-sync", b"private-key", b"unreadable", b"plant.der"):
        assert word in everything
    kinds = ("table", "queue", "error of", "the host's log", "secrets --json")
    assert all(any(name.startswith(kind) for name in ran.outputs) for kind in kinds)
    assert ran.stack.hostile.seen, "the hostile vault was sent a token to echo"


@pytest.mark.parametrize("name", [name for name in ASSIGNED if name.startswith("key-")])
def test_law9_a_private_key_in_any_dress_is_refused_and_nothing_of_it_is_kept(ran: Run, name: str) -> None:
    assert Code.PRIVATE_KEY in ran.entries[name]


def test_law9_the_value_of_a_secret_that_is_not_assigned_is_never_read(ran: Run) -> None:
    assert ran.stack.vault.faults.count("value", "unassigned") == 0
    assert ran.stack.vault.faults.count("versions", "unassigned") > 0


def test_law9_the_value_behind_a_key_vault_certificate_is_never_read(ran: Run) -> None:
    assert ran.stack.vault.faults.count("value", "managed") == 0
    assert ran.entries["managed"] == {Code.KEY_VAULT_CERTIFICATE}


def test_law9_a_value_read_is_one_that_is_assigned(ran: Run) -> None:
    reads = ran.stack.vault.faults
    assert reads.count("value") == sum(reads.count("value", name) for name in ASSIGNED) > 0


def test_law9_what_another_writer_holds_is_known_by_name_and_digest_only(ran: Run) -> None:
    assert b"hand.key" in ran.outputs["status --json"]


def test_law9_foreign_text_is_escaped_and_short_wherever_it_is_shown(ran: Run) -> None:
    for name, output in ran.outputs.items():
        if name.startswith(("table", "error of", "status, as a process")):
            continue
        shown = output.decode().replace("\n", "")
        assert shown.isprintable(), name
        assert "y" * SHOWN_LENGTH not in shown, name
    assert b"[/x] [red]" in b" ".join(ran.outputs["secrets"].split())


def test_law9_a_message_carries_a_name_and_a_reason_and_nothing_else(ran: Run) -> None:
    messages = [output for name, output in ran.outputs.items() if name.startswith("queue")]
    assert messages
    assert all(len(message) < 1000 for message in messages)


def test_law9_values_tokens_and_kubeconfigs_are_in_no_repr() -> None:
    text = Echo("e401", "https://127.0.0.1:1/x", certs.ca(**FRESH).pem.encode()).kubeconfig()
    assert TOKENS["e401"] not in repr(parse(text))
    assert canary("value") not in repr(SecretValue(PROPERTIES, canary("value")))
