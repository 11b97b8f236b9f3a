"""Builds the runtime from its settings, at first use and once per process.

The SDKs are imported inside `connect`: indexing the functions loads none of them.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from sync.clock import utc_now
from sync.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from sync.settings import Settings
    from sync.steps.runtime import Runtime

T = TypeVar("T")

PUSH_WORKERS = 8
"""Clusters whose push is requested at the same time: with a worker's own threads, not many more than the 10 connections
that the storage SDKs keep open."""

_lock = threading.Lock()

_imported = utc_now()
"""When this process imported `function_app`, or began a command."""


def runtime() -> Runtime:
    """The process's runtime.

    Raises:
        Invalid: settings are missing or wrong; the message names every one.
    """
    with _lock:
        return _runtime()


@cache
def _runtime() -> Runtime:
    return connect(settings(), _imported)


def side_by_side(action: Callable[[str], T], names: Iterable[str]) -> Iterable[T]:
    """Do one thing for every name, several at a time: a plan of 10,000 clusters must end within five minutes."""
    with ThreadPoolExecutor(PUSH_WORKERS, "trustcast") as pool:
        return list(pool.map(action, names))


def connect(chosen: Settings, started: datetime) -> Runtime:
    """A runtime with these settings; it makes no call before it is used."""
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415

    from sync.adapters.keyvault.vault import KeyVault  # noqa: PLC0415
    from sync.adapters.kubernetes.connections import ClusterConnections  # noqa: PLC0415
    from sync.adapters.kubernetes.secrets import KubernetesSecrets  # noqa: PLC0415
    from sync.adapters.storage.azure_tables import connect_tables  # noqa: PLC0415
    from sync.adapters.storage.queues import StorageQueues  # noqa: PLC0415
    from sync.catalogue.snapshot import Stamp  # noqa: PLC0415
    from sync.reconcile.holds import Limits  # noqa: PLC0415
    from sync.reconcile.intervals import Intervals  # noqa: PLC0415
    from sync.steps.runtime import Runtime  # noqa: PLC0415

    seconds = chosen.call_timeout.total_seconds()
    identity = DefaultAzureCredential(process_timeout=10)

    def vault(url: str) -> KeyVault:
        return KeyVault(url, identity, call_timeout=seconds, reads_per_second=chosen.vault_reads_per_second)

    def account(kind: str) -> str:
        return chosen.storage.connection_string or f"https://{chosen.storage.account}.{kind}.core.windows.net"

    keyless = None if chosen.storage.connection_string else identity
    tables = connect_tables(account("table"), keyless, call_timeout=seconds)
    return Runtime(
        decisions=tables.decisions,
        work=tables.work,
        statuses=tables.statuses,
        queues=StorageQueues(account("queue"), keyless, call_timeout=seconds),
        vaults={watched.host: vault(watched.url) for watched in chosen.configuration.vaults},
        clusters=ClusterConnections(
            vault(chosen.credentials_vault),
            lambda endpoint: KubernetesSecrets(endpoint, call_timeout=seconds),
        ),
        configured=chosen.configuration,
        stamp=Stamp(chosen.deployed, started.isoformat()),
        limits=Limits(chosen.hold_share, chosen.hold_files, chosen.hold_cluster_share, chosen.hold_clusters),
        intervals=Intervals(
            chosen.vault_interval,
            chosen.verify_interval,
            chosen.offline_retry.first,
            chosen.offline_retry.longest,
            chosen.quiet_period,
        ),
        push_timeout=chosen.push_timeout.total_seconds(),
        expiry_warning=chosen.expiry_warning,
        history=chosen.history,
        for_each=side_by_side,
    )
