"""The steps of the demo, in order. Each acts as a person would, then waits until the clusters show the result."""

from __future__ import annotations

import base64
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

import certifi
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from sync.bootstrap import connect
from sync.catalogue.secret import SecretKey
from sync.clock import utc_now
from sync.commands import removals
from sync.findings import Code
from sync.reconcile.status import State
from sync.reports.secrets import SecretReport, SecretState, secret_report
from sync.settings import settings
from tests.support.certs import Built, ca, crl, server

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from local.clusters import LocalCluster
    from local.stack import Stack
    from sync.findings import Finding

TRUST = "aio-opc-ua-broker-trust-list"
ISSUER = "aio-opc-ua-broker-issuer-list"
CERTIFICATE = "application/pkix-cert"
PEM = "application/x-pem-file"
SAMPLES = 10
PATIENCE = 20.0
"""Seconds after which a step has failed."""


class Failed(Exception):
    """A step did not hold; the message names what was missing."""


class Scene:
    """What the steps act on."""

    def __init__(self, stack: Stack, say: Callable[[str], None]) -> None:
        self.stack = stack
        self.say = say
        self.runtime = connect(settings(), utc_now())
        self.client = SecretClient(stack.vault.url, DefaultAzureCredential())
        self.clusters: tuple[LocalCluster, ...] = tuple(stack.clusters.values())
        self.latencies: dict[str, list[float]] = {name: [] for name in stack.clusters}
        self.now = datetime.now(UTC)  # noqa: TID251  an entry point
        self.authority = ca(name="Plant Root CA", not_before=self.yesterday, not_after=self.next_year)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()

    @property
    def yesterday(self) -> datetime:
        """When the demo's certificates begin to be valid."""
        return self.now - timedelta(days=1)

    @property
    def next_year(self) -> datetime:
        """When they end."""
        return self.now + timedelta(days=365)

    def server(self, name: str) -> Built:
        """An OPC UA server's certificate with its ApplicationUri."""
        uri = f"urn:{name}.example:opcua"
        return server(name=name, application_uri=uri, not_before=self.yesterday, not_after=self.next_year)

    def put(self, name: str, value: str, kind: str, encoding: str, lists: str = "", clusters: str = "*") -> None:
        """Set a secret as `az keyvault secret set --encoding` does; without lists it gets none of our tags."""
        tags = {"file-encoding": encoding}
        tags |= {"trustcast-lists": lists, "trustcast-clusters": clusters} if lists else {}
        self.client.set_secret(name, value, content_type=kind, tags=tags)

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Wait until the condition holds.

        Raises:
            Failed: it does not hold in time.
        """
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                raise Failed(f"not within {PATIENCE:.0f} s: {what}")
            time.sleep(0.02)

    def still(self) -> None:
        """Let the stack come to rest, so that the next change meets an idle stack."""
        time.sleep(1.1)

    def verdict(self, name: str) -> SecretReport:
        """A secret's report, as `trustcast secrets` shows it."""
        key = SecretKey.of(next(iter(self.runtime.vaults)), name)
        snapshot = self.runtime.decisions.snapshot(fresh=True)
        if key not in snapshot.entries:
            return SecretReport(SecretState.WAITS, (), {})
        desired_state, now = self.runtime.desired_state(snapshot), self.runtime.clock()
        return secret_report(snapshot.entries[key], desired_state, now=now, expiry_warning=self.runtime.expiry_warning)

    def until_found(self, name: str, code: Code) -> str:
        """Wait until a secret has a finding; returns its sentence."""
        found: list[Finding] = []

        def has_finding() -> bool:
            found[:] = [finding for finding in self.verdict(name).findings if finding.code is code]
            return bool(found)

        self.until(f"{name} is found to be {code}", has_finding)
        return f"{name}: {code.value}: {found[0].sentence()}"

    def state(self, cluster: str, list_name: str) -> State | None:
        """A list's state, as `trustcast status` shows it."""
        found = (each for each in self.runtime.statuses.all() if (each.cluster, each.list) == (cluster, list_name))
        return next((each.state for each in found), None)

    def holding(self) -> set[str]:
        """The clusters with files that wait for a person, as `trustcast removals list` shows them."""
        return {cluster for question in removals.waiting(self.runtime) for cluster in question.clusters}


def register(scene: Scene) -> list[str]:
    """Clusters are registered: hamburg and lyon (env=prod), lab (env=test)."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(scene.stack.register, scene.stack.clusters))
    return [f"{len(scene.clusters)} clusters, each with host and CA pinned"]


def fill(scene: Scene) -> list[str]:
    """Certificates are set: public root CAs as issuers, servers as trusted, in four encodings, and a CRL."""
    roots = _public_roots(4)
    pem, der = scene.server("press-1"), scene.server("oven-2")
    scene.put("root-a-crt", _pem(roots[0]), PEM, "utf-8", "issuer")
    scene.put("root-b-crt", _pem(roots[1]).encode().hex(), PEM, "hex", "issuer")
    scene.put("root-c-der", _der(roots[2]).hex(), CERTIFICATE, "hex", "issuer")
    scene.put("root-d-der", base64.encodebytes(_der(roots[3])).decode(), CERTIFICATE, "base64", "issuer")
    scene.put("plant-root-der", scene.authority.der.hex(), CERTIFICATE, "hex", "issuer")
    revoked = crl(
        scene.authority, number=7, this_update=scene.now - timedelta(hours=1), next_update=scene.now + timedelta(30)
    )
    scene.put("plant-root-crl", revoked.der.hex(), "application/pkix-crl", "hex", "issuer")
    scene.put("press-1-crt", pem.pem, PEM, "utf-8", "trust", "env=prod")
    scene.put("oven-2-der", der.der.hex(), CERTIFICATE, "hex", "trust", "env in (prod, test)")
    issuers = {"root-a.crt", "root-b.crt", "root-c.der", "root-d.der", "plant-root.der", "plant-root.crl"}
    for cluster in scene.clusters:
        scene.until(f"{cluster.name} has {issuers}", lambda c=cluster: set(c.files(ISSUER)) == issuers)  # type: ignore[misc]
        trusted = {"oven-2.der"} | ({"press-1.crt"} if cluster.name != "lab" else set())
        scene.until(f"{cluster.name} trusts {trusted}", lambda c=cluster, t=trusted: set(c.files(TRUST)) == t)  # type: ignore[misc]
    return [f"{cluster.name}: trust {sorted(cluster.files(TRUST))}" for cluster in scene.clusters] + [
        f"issuer {sorted(issuers)}"
    ]


def latency(scene: Scene) -> list[str]:
    """Ten times, on the idle stack: a secret is set and reaches every cluster."""
    for number in range(SAMPLES):
        scene.still()
        wanted = scene.server(f"robot-{number}").der
        name = "robot-der"
        began = time.monotonic()
        scene.put(name, wanted.hex(), CERTIFICATE, "hex", "trust")
        waiting = set(scene.clusters)
        while waiting:
            for cluster in tuple(waiting):
                if cluster.files(TRUST).get("robot.der") == wanted:
                    scene.latencies[cluster.name].append((time.monotonic() - began) * 1000)
                    waiting.discard(cluster)
            if time.monotonic() - began > PATIENCE:
                raise Failed(f"robot-der did not reach {[p.name for p in waiting]}")
            time.sleep(0.005)
    return [f"{name}: {', '.join(f'{v:.0f}' for v in values)} ms" for name, values in scene.latencies.items()]


def invalid(scene: Scene) -> list[str]:
    """A version that has expired is rejected with its reason; the last good one stays."""
    good = scene.clusters[0].files(TRUST)["press-1.crt"]
    expired = server(
        name="press-1",
        application_uri="urn:press-1.example:opcua",
        not_before=scene.now - timedelta(days=400),
        not_after=scene.now - timedelta(days=30),
    )
    scene.put("press-1-crt", expired.pem, PEM, "utf-8", "trust", "env=prod")
    sentence = scene.until_found("press-1-crt", Code.EXPIRED)
    _same(scene, "press-1.crt", good)
    return [sentence, f"state: {scene.verdict('press-1-crt').state.value}"]


def private(scene: Scene) -> list[str]:
    """A secret with a private key is refused, and nothing of it is kept."""
    good = scene.clusters[0].files(TRUST)["oven-2.der"]
    new = scene.server("oven-2")
    scene.put("oven-2-der", new.pem + new.key_pem, PEM, "utf-8", "trust", "env in (prod, test)")
    sentence = scene.until_found("oven-2-der", Code.PRIVATE_KEY)
    _same(scene, "oven-2.der", good)
    return [sentence]


def untagged(scene: Scene) -> list[str]:
    """A new version without tags keeps its lists."""
    new = scene.server("oven-2")
    scene.put("oven-2-der", new.der.hex(), CERTIFICATE, "hex")
    for cluster in scene.clusters:
        scene.until(f"{cluster.name} has the new one", lambda c=cluster: c.files(TRUST).get("oven-2.der") == new.der)  # type: ignore[misc]
    return [scene.until_found("oven-2-der", Code.TAGS_DROPPED)]


def repair(scene: Scene) -> list[str]:
    """A change by hand is found and repaired; another writer's file is left alone."""
    cluster = scene.clusters[0]
    good = cluster.files(TRUST)["press-1.crt"]
    cluster.edit(TRUST, {"press-1.crt": b"edited by hand", "by-hand.der": b"somebody else's"})
    scene.say(f"somebody edits press-1.crt on {cluster.name} and adds by-hand.der")
    scene.until(f"{cluster.name} has its press-1.crt back", lambda: cluster.files(TRUST)["press-1.crt"] == good)
    if cluster.files(TRUST).get("by-hand.der") != b"somebody else's":
        raise Failed("a file that is not ours was touched")
    return ["press-1.crt is as it should be; by-hand.der is listed as unmanaged"]


def offline(scene: Scene) -> list[str]:
    """A cluster that is offline holds nobody up, and catches up by itself."""
    away = scene.clusters[1]
    away.cut_off()
    scene.say(f"the link to {away.name} goes down")
    new = scene.server("conveyor-3").der
    scene.put("conveyor-3-der", new.hex(), CERTIFICATE, "hex", "trust")
    for cluster in scene.clusters:
        if cluster is not away:
            scene.until(f"{cluster.name} has it", lambda c=cluster: c.files(TRUST).get("conveyor-3.der") == new)  # type: ignore[misc]
    scene.until(f"{away.name} is offline", lambda: scene.state(away.name, "trust") is State.OFFLINE)
    away.reconnect()
    scene.say(f"the link to {away.name} is back")
    scene.until(f"{away.name} caught up", lambda: away.files(TRUST).get("conveyor-3.der") == new)
    return [f"{away.name} was offline and caught up"]


def disable(scene: Scene) -> list[str]:
    """A secret is disabled, which raises no event: the sweep finds it, and its file leaves."""
    scene.client.update_secret_properties("conveyor-3-der", enabled=False)
    scene.stack.run_function("check_drift")
    for cluster in scene.clusters:
        scene.until(f"{cluster.name} dropped it", lambda c=cluster: "conveyor-3.der" not in c.files(TRUST))  # type: ignore[misc]
    return ["conveyor-3.der left every cluster"]


def removal(scene: Scene) -> list[str]:
    """A removal that is too large is held by every list that would lose it, and carried out once it is approved."""
    bundle = "".join(scene.server(f"line-{n}").pem for n in range(5))
    scene.put("line-pem", bundle, PEM, "utf-8", "trust")
    for cluster in scene.clusters:
        scene.until(f"{cluster.name} has five more", lambda c=cluster: _lines(c) == 5)  # type: ignore[misc]  # noqa: PLR2004
    scene.client.begin_delete_secret("line-pem").wait()
    scene.stack.run_function("check_drift")
    scene.until("every list holds the removal", lambda: scene.holding() == {c.name for c in scene.clusters})
    waiting = scene.stack.cli_json("removals", "list")
    if any(_lines(cluster) != 5 for cluster in scene.clusters):  # noqa: PLR2004
        raise Failed("files left before the approval")
    seen = [f"held: {waiting[0]['cause']}, on {', '.join(waiting[0]['clusters'])}"]
    approved = scene.stack.cli("removals", "approve", waiting[0]["digest"])
    seen.append(approved.stdout.strip() or approved.stderr.strip())
    for cluster in scene.clusters:
        scene.until(f"{cluster.name} dropped the five", lambda c=cluster: _lines(c) == 0)  # type: ignore[misc]
    return seen


def finish(scene: Scene) -> list[str]:
    """At the end every list is in sync, and a certificate can be found by its thumbprint."""
    scene.until("all in sync", lambda: all(s.state is State.IN_SYNC for s in scene.runtime.statuses.all()))
    thumbprint = scene.authority.certificate.fingerprint(hashes.SHA256()).hex()
    places = scene.stack.cli_json("status", "--thumbprint", thumbprint)
    if len(places) != len(scene.clusters):
        raise Failed(f"the plant's root is on {len(places)} lists")
    for line in scene.stack.cli("status").stdout.splitlines():
        scene.say(line)
    return [f"thumbprint {thumbprint[:16]}… is on {', '.join(p['cluster'] for p in places)}"]


STEPS = (register, fill, latency, invalid, private, untagged, repair, offline, disable, removal, finish)


def _lines(cluster: LocalCluster) -> int:
    return sum(name.startswith("line-") for name in cluster.files(TRUST))


def _same(scene: Scene, name: str, good: bytes) -> None:
    for cluster in scene.clusters:
        files = cluster.files(TRUST)
        if name in files and files[name] != good:
            raise Failed(f"{name} on {cluster.name} was replaced")


def _public_roots(count: int) -> list[x509.Certificate]:
    """Public root CAs that every rule admits (RSA roots with a SHA-256 signature or better)."""
    with warnings.catch_warnings(action="ignore"):  # one public root has the serial number 0
        found = x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())
    strong = [c for c in found if c.signature_hash_algorithm and c.signature_hash_algorithm.name == "sha384"]
    return strong[:count]


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
