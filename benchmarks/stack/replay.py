"""The floor of a change: the calls that were recorded, made again bare, in the same order and with as many threads."""

from __future__ import annotations

import base64
import secrets
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from azure.core.exceptions import ResourceExistsError
from azure.data.tables import TableServiceClient, TransactionOperation, UpdateMode
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient
from azure.storage.queue import QueueServiceClient, TextBase64EncodePolicy

from benchmarks.stack.rig import THREADS
from sync.adapters.kubernetes.http import read_body, time_limit
from sync.adapters.kubernetes.secrets import _client
from sync.bootstrap import PUSH_WORKERS
from sync.fleet.kubeconfig import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubernetes.client.api_client import ApiClient

    from benchmarks.stack.rig import Rig
    from benchmarks.stack.traffic import Call
    from benchmarks.stack.world import Door

PATH = "/api/v1/namespaces/azure-iot-operations/secrets/aio-opc-ua-broker-trust-list"
SCRATCH = "benchscratch"
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}


def open_cluster(door: Door) -> ApiClient:
    """The unmodified client of one cluster, as the service sets it up."""
    return _client(Endpoint(door.server, door.ca_pem, door.token))


def send(client: ApiClient, method: str, body: Any = None) -> bytes:
    """One request for the trust list's Secret."""
    query, kind = (
        ({}, "application/json")
        if method == "GET"
        else ({"fieldManager": "trustcast", "force": "true"}, "application/apply-patch+yaml")
    )
    prepared = client.param_serialize(
        method,
        PATH,
        query_params=query,
        header_params={**_HEADERS, "Content-Type": kind},
        body=body,
        auth_settings=["BearerToken"],
    )
    with time_limit(5):
        return read_body(client.call_api(*prepared, _request_timeout=5).response)


def applied(files: int, size: int) -> dict[str, Any]:
    """An apply of so many files, the first of them new."""
    data = {f"bare{number}.der": base64.b64encode(bytes([number % 256]) * size).decode() for number in range(1, files)}
    data["bare0.der"] = base64.b64encode(secrets.token_bytes(size)).decode()
    name = "aio-opc-ua-broker-trust-list"
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


class Bare:
    """The SDKs' clients and nothing else."""

    def __init__(self, rig: Rig, *, files: int, size: int) -> None:
        storage = rig.azurite.connection_string
        self._tables = TableServiceClient.from_connection_string(storage)
        self._scratch = self._tables.create_table_if_not_exists(SCRATCH)
        queues = QueueServiceClient.from_connection_string(storage)
        self._queue = queues.get_queue_client(SCRATCH, message_encode_policy=TextBase64EncodePolicy())
        with suppress(ResourceExistsError):
            self._queue.create_queue()
        self._vault = SecretClient(rig.world.facts.vault, DefaultAzureCredential())
        self._tables_by_name = {
            name: self._tables.get_table_client(name)
            for name in ("trustcastdecisions", "trustcastwork", "trustcaststatus")
        }
        self._bodies = [applied(files, size) for _ in range(64)]
        self.clusters = [open_cluster(door) for door in rig.spare]
        for client in self.clusters:
            send(client, "PATCH", self._bodies[0])

    def make(self, call: Call, cluster: ApiClient | None = None) -> None:
        """One call of a kind, on rows and secrets that are there and of the size that was sent."""
        match call.kind:
            case "table read":
                table, partition, key = call.what
                self._tables_by_name[table].get_entity(partition, key)
            case "table scan":
                table, words = call.what
                asked = parse_qs(words)
                select = asked["$select"][0].split(",") if "$select" in asked else None
                list(self._tables_by_name[table].query_entities(asked["$filter"][0], select=select))
            case "table write":
                self._scratch.upsert_entity(_entity(call, "row"), mode=UpdateMode.REPLACE)
            case "table transaction":
                rows = [
                    (TransactionOperation.UPSERT, _entity(call, key), {"mode": UpdateMode.REPLACE})
                    for key in ("a", "head")
                ]
                self._scratch.submit_transaction(rows)
            case "queue send":
                self._queue.send_message("x" * max(1, call.size // 2))
            case "vault versions":
                list(self._vault.list_properties_of_secret_versions(call.what[0]))
            case "vault value":
                self._vault.get_secret(*call.what[:2])
            case "cluster GET":
                assert cluster
                send(cluster, "GET")
            case "cluster PATCH":
                assert cluster
                send(cluster, "PATCH", self._bodies[secrets.randbelow(64)])
            case _:
                raise ValueError(call.kind)

    def change(self, calls: list[Call]) -> list[float]:  # noqa: C901  steps that hand over to each other
        """Replay a change; seconds until each cluster's write was answered."""
        steps = {label: list(_once([call for call in calls if call.label == label])) for label in ("event", "plan")}
        pushes = [call for call in calls if call.label == _first_push(calls)]
        labels = sorted({call.label for call in calls if call.label.startswith("plan ")})
        asked = [[call for call in calls if call.label == label] for label in labels]
        began, ended, waiting = time.perf_counter(), [], []
        lock = threading.Lock()

        def push(cluster: ApiClient) -> None:
            for call in pushes:
                self.make(call, cluster)
                if call.kind == "cluster PATCH":
                    with lock:
                        ended.append(time.perf_counter() - began)

        def ask(calls: list[Call], cluster: ApiClient) -> None:
            for call in calls:
                self.make(call)
            waiting.append(pool.submit(push, cluster))

        def plan() -> None:
            for call in steps["plan"][:-1]:
                self.make(call)
            with ThreadPoolExecutor(PUSH_WORKERS) as asking:
                list(asking.map(ask, asked, self.clusters))
            self.make(steps["plan"][-1])

        def event() -> Future[None] | None:
            planned = None
            for call in steps["event"]:
                self.make(call)
                if call.kind == "queue send":
                    planned = pool.submit(plan)
            return planned

        with ThreadPoolExecutor(THREADS) as pool:
            planned = pool.submit(event).result()
            if planned:
                planned.result()
            for future in waiting:
                future.result()
        return ended


def _first_push(calls: list[Call]) -> str:
    return next(call.label for call in calls if call.kind == "cluster PATCH")


def _once(calls: list[Call]) -> Iterator[Call]:
    """One call for all pages of a listing: the SDK asks for the others by itself."""
    before: Call | None = None
    for call in calls:
        if call.kind == "vault versions" and before and before.kind == call.kind and before.what == call.what:
            continue
        before = call
        yield call


def _entity(call: Call, key: str) -> dict[str, Any]:
    thread = threading.get_ident()
    return {
        "PartitionKey": "p",
        "RowKey": f"{key}{thread}",
        "schema": 1,
        "zlib": False,
        "body0": b"x" * max(1, (call.size - 120) * 3 // 4),
    }
