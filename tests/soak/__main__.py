"""Random changes and outages for some minutes against a local stack; at every rest each list equals a model.

    python -m tests.soak [--minutes 3] [--seed N]

Rounds of uploads (good, expired, with a private key, without tags), disabled and enabled versions, deletions,
recoveries, other tags, names that several secrets give, certificates that their CA revokes, edits by hand, clusters
that go and come back, events that are lost, doubled, late or turned around, a vault in trouble, and a host killed with
SIGKILL. After each round the stack comes to rest, an operator approves what waits, which must be there as long as it
waits, and every list and the owner of every file are compared. Exit 1 with the seed on a difference.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from local.eventgrid.events import Treatment
from local.keyvault.faults import Fault as VaultFault
from local.keyvault.secrets import Properties
from local.kubernetes.faults import Fault, Kind
from local.stack import RESPONSIVE, Stack
from sync.bootstrap import connect
from sync.clock import utc_now
from sync.commands.clusters import RegistrationRequest, register
from sync.commands.removals import approve, waiting
from sync.errors import TrustcastError
from sync.reconcile.status import State
from sync.reports.removals import Asked
from sync.settings import Settings
from sync.steps.drift import check_drift
from tests.soak.model import SELECTORS, Model, Secret, Version
from tests.support.certs import ca, crl, server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.clusters import StandIn
    from sync.reports.removals import Question
    from sync.steps.runtime import Runtime
    from tests.support.certs import Built

OBJECTS = {"trust": "aio-opc-ua-broker-trust-list", "issuer": "aio-opc-ua-broker-issuer-list"}
CLUSTERS = {
    "hamburg": {"site": "hamburg", "env": "prod"},
    "lyon": {"site": "lyon", "env": "prod"},
    "lab": {"site": "lyon", "env": "test"},
}
SETTINGS = RESPONSIVE | {"TRUSTCAST_HOLD_CLUSTERS": "1", "TRUSTCAST_HOLD_CLUSTER_SHARE": "40%"}
"""A secret that would leave two of the three clusters waits for approval."""

LISTS = ((), ("trust",), ("trust",), ("issuer",), ("issuer", "trust"))
PATIENCE = 60.0
"""Seconds in which the stack must come to rest after a round."""

LATER = timedelta(minutes=3)
"""By so much a check is ahead of time after a kill: what the dead host had taken up is due again in two minutes."""

TROUBLE = (
    Fault(Kind.DOWN),
    Fault(Kind.RESET),
    Fault(Kind.STATUS, 500),
    Fault(Kind.STATUS, 409, methods=frozenset({"PATCH"})),
    Fault(Kind.STATUS, 429, retry_after="1"),
    Fault(Kind.COMPRESSED),
)
TREATMENTS = (
    Treatment(),
    Treatment(),
    Treatment(copies=0),
    Treatment(copies=3),
    Treatment(delay=1.0),
    Treatment(hold=True),
)


class Different(Exception):
    """A list is not what the model says, or the stack does not come to rest."""


@dataclass
class Soak:
    """A stack, the model of it, and what is done to both; `root` issues all certificates."""

    stack: Stack
    runtime: Runtime
    random: random.Random
    model: Model = field(default_factory=lambda: Model(dict(CLUSTERS)))
    done: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    certificates: int = 0
    told: list[str] = field(default_factory=list)
    root: Built = field(default_factory=lambda: ca(name="Soak Root CA", **_span()))
    revoked: list[Built] = field(default_factory=list)
    made: dict[bytes, Built] = field(default_factory=dict)

    def cluster(self, name: str) -> StandIn:
        return self.stack.clusters[name]  # type: ignore[return-value]

    def tell(self, what: str, about: str = "") -> None:
        self.done[what] += 1
        self.told.append(f"{utc_now():%H:%M:%S} {what} {about}")

    # What owners do. Each changes the vault or a cluster, and the model by the same words.

    def upload(self, secret: Secret, *, bad: str = "", tagged: bool = True) -> None:
        self.certificates += 1
        span = _span(-30 if bad == "expired" else 300)
        build = ca if secret.is_ca else server
        made = build(name=secret.name, key_name=f"{secret.name} {self.certificates}", issuer=self.root, **span)
        self.made[made.der] = made
        text = self.random.choice([made.pem, made.der.hex()])
        value = made.pem + made.key_pem if bad == "key" else text
        self.stack.vault.set(secret.name, value, tags=_tags(secret) if tagged or not secret.versions else None)
        secret.uploaded(Version(None if bad else made.der, expired=bad == "expired"))
        self.tell(f"upload {bad}".strip(), f"{secret.name} {'tagged' if tagged else ''}")

    def found(self) -> None:
        """The CA and its first CRL, on every list."""
        tags = {"trustcast-lists": "issuer,trust", "trustcast-clusters": "*"}
        self.stack.vault.set("root-der", self.root.pem, tags=tags)
        self.model.always["root.der"] = self.root.der
        self._publish(tags)

    def _publish(self, tags: dict[str, str]) -> None:
        """The CA's next CRL."""
        number = self.done["crl"] + 1
        made = crl(self.root, number=number, revoked=self.revoked, this_update=_days(-1), next_update=_days(30))
        self.stack.vault.set("crl-der", made.pem, tags=tags)
        self.model.always["crl.crl"] = made.der
        self.tell("crl", f"number {number}")

    def revoke(self, secret: Secret) -> None:
        """The CA revokes the version in force; what was before it comes back to no list."""
        version = secret.in_force
        if version is not None and version.der is not None and not version.revoked:
            version.revoked = True
            self.revoked.append(self.made[version.der])
            self._publish({})

    def create(self, named: str = "") -> None:
        """A secret more; it may give the name of another's file."""
        lists = frozenset(self.random.choice(LISTS[1:]))
        name = f"s{len(self.model.secrets)}-der"
        clusters = self.random.choice(list(SELECTORS))
        secret = Secret(name, self.random.random() < 0.4, lists, clusters, named, self.model.rounds)
        self.model.secrets[name] = secret
        self.upload(secret)
        self.done["name contested"] += bool(named)

    def renew(self, secret: Secret) -> None:
        """One to three versions, each in a second of its own: the order within one is more than the vault tells."""
        for number in range(self.random.randint(1, 3)):
            time.sleep(1.0 if number else 0)
            self.upload(
                secret, bad=self.random.choice(["", "", "", "expired", "key"]), tagged=self.random.random() < 0.5
            )

    def toggle(self, secret: Secret) -> None:
        """Disable the version in force, or enable it again; if there is none, its newest version is left alone."""
        version = secret.in_force
        if version is None:
            return
        version.enabled = not version.enabled
        number = secret.versions.index(version)
        found = self.stack.vault.secrets.versions(secret.name)[number]
        self.stack.vault.update(secret.name, found.id, enabled=version.enabled)
        self.tell("enable" if version.enabled else "disable", f"{secret.name} version {number}")

    def retag(self, secret: Secret) -> None:
        lists = frozenset(self.random.choice(LISTS))
        secret.assigned(lists, self.random.choice(list(SELECTORS)), self.model.rounds)
        self.stack.vault.secrets.update(secret.name, "", Properties(tags=_tags(secret)))
        self.tell("tags", f"{secret.name} {sorted(secret.lists)} {secret.clusters}")

    def delete(self, secret: Secret) -> None:
        self.stack.vault.secrets.delete(secret.name)
        secret.removed()
        self.tell("delete", secret.name)

    def recover(self, secret: Secret) -> None:
        self.stack.vault.secrets.recover(secret.name)
        secret.recovered(self.model.rounds)
        self.tell("recover", secret.name)

    def act(self, secret: Secret) -> None:
        """One kind of change of one secret: the only one of this round."""
        if secret.deleted:
            self.recover(secret)
        else:
            acts = [self.renew, self.renew, self.toggle, self.retag, self.delete, self.revoke]
            self.random.choice(acts)(secret)

    def edit(self, steady: set[str]) -> None:
        """By hand: a file of ours altered or removed whose secret is left alone, another's put there or taken away."""
        cluster, list_name = self.random.choice(list(CLUSTERS)), self.random.choice(list(OBJECTS))
        held = self.cluster(cluster).files(OBJECTS[list_name])
        ours = sorted(steady & {n for n in self.model.list(cluster, list_name) if n in held})
        foreign = self.model.foreign.setdefault((cluster, list_name), {})
        if ours and self.random.random() < 0.7:
            change: dict[str, bytes | None] = {self.random.choice(ours): self.random.choice([None, b"by hand"])}
        elif foreign and self.random.random() < 0.5:
            change = {self.random.choice(sorted(foreign)): None}
        else:
            change = {f"foreign-{self.random.randint(0, 9)}.crt": self.random.randbytes(20)}
        for name, data in change.items():
            if name.startswith("foreign-") and data is not None:
                foreign[name] = data
            elif name.startswith("foreign-"):
                del foreign[name]
        self.cluster(cluster).edit(OBJECTS[list_name], change)
        self.tell("hand edit", f"{cluster}/{list_name} {sorted(change)}")

    # A round, and its end.

    def round(self, *, kill: bool) -> None:
        self.told.append(f"round: {(treatment := self.random.choice(TREATMENTS))}")
        self.stack.events.treat(treatment)
        for name in self.random.sample(list(CLUSTERS), self.random.randint(0, 2)):
            self.cluster(name).cluster.set_fault(fault := self.random.choice(TROUBLE))
            self.tell("cluster in trouble", f"{name} {fault.kind} {fault.status}")
        if self.random.random() < 0.3:
            self.stack.vault.faults.add(
                VaultFault(status=self.random.choice([429, 503]), times=self.random.randint(1, 5))
            )
            self.tell("vault in trouble")
        acted, steady = self._chosen()
        steps: list[Callable[[], None]] = [partial(self.act, s) for s in acted]
        steps += [self.create] * self.random.randint(0, 2) + [lambda: self.edit(steady)] * self.random.randint(0, 3)
        contested = self.random.sample(sorted(steady), min(len(steady), self.random.randint(0, 1)))
        steps += [partial(self.create, named) for named in contested]
        self.random.shuffle(steps)
        killed_at = self.random.randrange(len(steps) + 1) if kill else -1
        end: list[Callable[[], None]] = [lambda: None]
        for number, step in enumerate(steps + end):
            if number == killed_at:
                self._kill()
            step()
            time.sleep(self.random.choice([0, 0, 0.05, 0.3]))
        self._end_trouble()
        self.model.settle()
        self._come_to_rest(hasten=kill)

    def _chosen(self) -> tuple[list[Secret], set[str]]:
        """Secrets to change, one of each name at the most; and the names of those that are left alone."""
        secrets = list(self.model.secrets.values())
        drawn = self.random.sample(secrets, min(len(secrets), self.random.randint(0, 6)))
        acted = list({secret.file: secret for secret in drawn}.values())
        return acted, {secret.file for secret in secrets} - {secret.file for secret in acted}

    def _kill(self) -> None:
        time.sleep(self.random.random())  # in the midst of what was begun
        self.stack.stop_host(signal.SIGKILL)
        self.stack.start_host()
        self.tell("kill")

    def _end_trouble(self) -> None:
        for name in CLUSTERS:
            self.cluster(name).cluster.set_fault(None)
        self.stack.vault.faults.clear()
        self.stack.events.release(turned_around=self.random.random() < 0.5)
        self.stack.events.treat(Treatment())

    def _come_to_rest(self, *, hasten: bool) -> None:
        began = time.monotonic()
        while difference := self.difference():
            if time.monotonic() - began > PATIENCE:
                raise Different(difference)
            if hasten:
                check_drift(replace(self.runtime, clock=lambda: utc_now() + LATER))
                hasten = False
            self._approve()
            time.sleep(0.1)
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.stack.run_function("check_drift")
        time.sleep(0.5)
        if difference := self.difference():
            raise Different(f"it was right, and is no more: {difference}")

    def _approve(self) -> None:
        for question in waiting(self.runtime):
            if question.asked is Asked.FILES:
                self._is_there(question)
            try:
                approve(self.runtime, question.digest)
            except TrustcastError:  # it changed since it was shown, or the vault is busy: the next look sees
                self.tell("approval refused", question.cause)
            else:
                self.tell(f"approval of {question.asked.value}", question.cause)

    def _is_there(self, question: Question) -> None:
        """What waits is on the list as long as it waits."""
        for cluster in question.clusters:
            has = self.cluster(cluster).files(OBJECTS[question.list])
            gone = {each.file for each in question.files} - has.keys()
            if gone and any(question.digest == each.digest for each in waiting(self.runtime)):
                raise Different(f"{cluster}/{question.list} lacks {sorted(gone)}, which waits for approval")

    def difference(self) -> str:
        """The first list that is not as it must be, in words; empty if there is none."""
        return next(self._differences(), "")

    def _differences(self) -> Iterator[str]:
        for cluster in CLUSTERS:
            for list_name, name in OBJECTS.items():
                must, has = self.model.list(cluster, list_name), self.cluster(cluster).files(name)
                if must != has:
                    lacks, more = sorted(must.keys() - has.keys()), sorted(has.keys() - must.keys())
                    other = sorted(n for n in must.keys() & has.keys() if must[n] != has[n])
                    yield f"{cluster}/{list_name} lacks {lacks}, has {more} too many, other bytes in {other}"
        for status in self.runtime.statuses.all():
            said = {name: file.owner.name for name, file in status.files.items() if file.owner}
            owners = {name: owner for name, owner in said.items() if name not in self.model.always}
            if owners != self.model.owners(status.cluster, status.list):
                yield f"{status.cluster}/{status.list} has files of {owners}"
            if status.state is not State.IN_SYNC:
                yield f"{status.cluster}/{status.list} is {status.state.value}: {status.detail}"

    def figures(self, rounds: int, seconds: float) -> str:
        """One line."""
        did = ", ".join(f"{number} {what}" for what, number in sorted(self.done.items()))
        files = sum(len(self.model.list(c, name)) for c in CLUSTERS for name in OBJECTS)
        reads = self.stack.vault.faults.count("value")
        writes = sum(sum(self.cluster(c).cluster.requests[v] for v in ("apply", "merge", "create")) for c in CLUSTERS)
        return (
            f"{rounds} rounds in {seconds:.0f} s, all equal: {did}; {len(self.model.secrets)} secrets, {files} "
            f"files on {len(CLUSTERS) * len(OBJECTS)} lists, {reads} values read, {writes} writes, "
            f"at rest within {self.slowest:.1f} s"
        )


def _tags(secret: Secret) -> dict[str, str]:
    lists = ",".join(sorted(secret.lists)) or "none"
    named = {"trustcast-file": secret.named} if secret.named else {}
    return {"trustcast-lists": lists, "trustcast-clusters": secret.clusters} | named


def _span(days: int = 1000) -> dict[str, Any]:
    return {"not_before": _days(-400), "not_after": _days(days)}


def _days(number: int) -> Any:
    return utc_now().replace(microsecond=0) + timedelta(days=number)


def soak(minutes: float, seed: int) -> str:
    """Run, and give the figures.

    Raises:
        Different: with what differs.
    """
    with Stack(tuple(CLUSTERS), settings=SETTINGS) as stack:
        os.environ.update(stack.environment)
        runtime = connect(Settings.from_environment(stack.environment), utc_now())
        run = Soak(stack, runtime, random.Random(seed))
        for name, labels in CLUSTERS.items():
            stack.credentials.set(
                f"{name}-kubeconfig", stack.clusters[name].kubeconfig(), tags={"trustcast-credential": name}
            )
            register(
                runtime, RegistrationRequest(name, f"{name}-kubeconfig", tuple(f"{k}={v}" for k, v in labels.items()))
            )
        run.found()
        began, rounds = time.monotonic(), 0
        while time.monotonic() - began < 60 * minutes:
            try:
                run.round(kill=rounds % 5 == 4)
            except Different as difference:
                raise Different(f"round {rounds}: {difference}{_evidence(run)}") from difference
            rounds += 1
        return run.figures(rounds, time.monotonic() - began)


def _evidence(run: Soak) -> str:
    """What helps to understand a difference: what was done last, and the last lines of the host's log."""
    log = run.stack.log.read_text().splitlines()[-20:]
    return "".join(f"\n  {line[:256]}" for line in (*run.told[-30:], *log))


def main() -> int:
    """0 if every list was as it must be, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    chosen = parser.parse_args()
    try:
        sys.stdout.write(f"seed {chosen.seed}: {soak(chosen.minutes, chosen.seed)}\n")
    except Different as difference:
        sys.stderr.write(f"seed {chosen.seed}: {difference}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
