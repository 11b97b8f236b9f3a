"""The small cases that are explored: what stands at the start, what happens to the vault, what must hold at the end.

A case is named for the versions that one secret has, one after the other (`AB`, `ABA`, `ABC`), and for what is beside.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from sync.catalogue.rows import SecretRow
from sync.catalogue.secret import SecretKey
from sync.ports.decisions import Write
from sync.ports.messages import PushCluster, encode
from sync.ports.stored import ANYTHING
from sync.reconcile.status import State
from sync.steps.push import push_cluster
from tests.interleavings.case import Case
from tests.support.certs import Built, ca, crl, server
from tests.support.fleet import HOST, TRUST, Fleet, event, registration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.kubernetes.cluster import Cluster
    from sync.ports.decisions import Decisions
    from tests.interleavings.case import Line, Message, World
    from tests.support.memory import MemoryVault

PLC7 = SecretKey(HOST, "plc7")
EVERYWHERE = {"trustcast-lists": "trust", "trustcast-clusters": "*"}
VERIFICATION: Message = ("push", encode(PushCluster("x", "")))
SWEEP: Message = ("sweep", "")
LOOK: Message = ("look", "plc7")


def version(letter: str, name: str = "plc7") -> Built:
    """The certificate that a letter of a case's name stands for."""
    return server(name=name, key_name=letter)


def place(cluster: str) -> str:
    """Of the trust list on a cluster."""
    return f"{cluster}/{TRUST.namespace}/{TRUST.object}"


def begun(letter: str = "A", clusters: str = "x", names: tuple[str, ...] = ("plc7",)) -> Fleet:
    """Secrets in force on the clusters' trust lists, everything in sync and nothing under way."""
    fleet = Fleet()
    fleet.sweep()
    fleet.register(*(registration(name) for name in clusters))
    for name in names:
        fleet.upload(name, version(letter, name).pem, EVERYWHERE)
    fleet.sweep()
    fleet.sweep()
    fleet.clock.move(timedelta(minutes=2))  # the next sweep lists the vault
    return fleet


def upload(letter: str) -> Line:
    """The owner sets a version, and Event Grid tells."""
    return sets("plc7", version(letter).pem)


def sets(name: str, value: str, tags: Mapping[str, str] = EVERYWHERE) -> Line:
    """The owner sets a secret, and Event Grid tells."""
    return lambda vault: [("event", event(name, vault.set(name, value, tags=dict(tags))))]


def wants(files: Mapping[str, bytes], clusters: str = "x", *, crashed: bool = False) -> Callable[[World], str | None]:
    """Every list holds these files and every status says so.

    The head may be unplanned, where a plan of an older head ended after that of the newer; it is planned once more.
    A push that others overtook too often asks to be looked at now: the next minute's push of what is due is the last.
    """

    def end(world: World) -> str | None:
        marked = _marked(world, crashed=crashed)
        for cluster in clusters:
            if _asks_for_now(world, cluster):
                push_cluster(world.runtime, cluster)
        found = (_wrong(world, cluster, files) for cluster in clusters)
        return next(filter(None, found), None) or marked

    return end


def _asks_for_now(world: World, cluster: str) -> bool:
    stored, work = world.statuses.get(place(cluster)), world.work.cluster(cluster)
    given_up = stored is not None and stored.value.state is State.PENDING
    return bool(given_up and work and work.value.due and work.value.due <= world.runtime.clock())


def _wrong(world: World, cluster: str, files: Mapping[str, bytes]) -> str | None:
    if world.files(cluster, TRUST.object) != files:
        return f"the list of {cluster} is not what the vault says"
    stored = world.statuses.get(place(cluster))
    applied = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    known = {name: file.sha256 for name, file in stored.value.files.items()} if stored else {}
    if stored is None or stored.value.state is not State.IN_SYNC or known != applied:
        return f"the status of {cluster} is not what its list holds"
    work = world.work.cluster(cluster)
    return None if work and work.value.due else f"{cluster} has no due time"


def _marked(world: World, *, crashed: bool) -> str | None:
    """A mark without a message keeps the next request back until the mark is a minute old: after a crash alone."""
    marks = [world.work.plan_mark(), *(world.work.cluster(name) for name in world.clusters)]
    left = [mark for mark in marks if mark and getattr(mark.value, "at", getattr(mark.value, "mark", None))]
    return "a mark is left without a message" if left and not crashed else None


def letters(
    name: str, *, clusters: str = "x", crashes: int = 0, running: tuple[Message, ...] = (), workers: int | None = None
) -> Case:
    """The versions of one secret, on some clusters, with something beside."""
    last = {"plc7.der": version(name[-1]).der}
    return Case(
        name,
        begun(name[0], clusters),
        [upload(letter) for letter in name[1:]],
        wants(last, clusters, crashed=crashes > 0),
        crashes=crashes,
        running=running,
        workers=workers,
        written=head_follows,
    )


def head_follows(before: Decisions, after: Decisions) -> str | None:
    """The head moves with exactly the writes that decide."""
    old, new = before.snapshot(), after.snapshot()
    decides = not new.entries[PLC7].decides_like(old.entries.get(PLC7))
    return None if decides == (old.head.token != new.head.token) else "the head moved for nothing, or stayed"


def twice(case: Case) -> Case:
    """Event Grid delivers everything twice."""
    return replace(case, script=[partial(_repeated, line) for line in case.script])


def _repeated(line: Line, vault: MemoryVault) -> list[Message]:
    return [message for message in line(vault) for _ in range(2)]


def set_while_listed_disabled() -> Case:
    """The version in force is disabled, a sweep sees that, and the owner sets the next."""
    fleet = begun()
    fleet.vault.set_enabled("plc7", fleet.vault.versions("plc7").items[0].version, enabled=False)
    return Case("disabled-AB", fleet, [upload("B")], wants({"plc7.der": version("B").der}), running=(SWEEP,))


def enabled_again() -> Case:
    """The version in force is disabled, a sweep sees that, the owner enables it, and somebody asks for a look."""
    fleet = begun()
    only = fleet.vault.versions("plc7").items[0].version
    fleet.vault.set_enabled("plc7", only, enabled=False)

    def enable(vault: MemoryVault) -> list[Message]:
        vault.set_enabled("plc7", only, enabled=True)
        return [("look", "plc7")]

    return Case("re-enabled", fleet, [enable], wants({"plc7.der": version("A").der}), running=(SWEEP,))


def rebuilt(*looks: str, forgetful: bool) -> Case:
    """The catalogue was emptied, and the statuses too if `forgetful`; a push runs while secrets are looked at."""
    names = ("plc7", "plc8")
    fleet = begun(names=names)
    rows = [Write(SecretRow(key), None, ANYTHING) for key in fleet.decisions.snapshot().entries]
    fleet.decisions.commit(rows, head=fleet.runtime.next_head(fleet.decisions.head().value))
    if forgetful:
        fleet.statuses.forget(place("x"))
    files = {f"{name}.der": version("A", name).der for name in names}

    def always(cluster: Cluster) -> str | None:
        return None if cluster.files(TRUST.namespace, TRUST.object) == files else "a valid file was off its list"

    running = (*(("look", name) for name in looks), VERIFICATION)
    return Case("rebuild", fleet, [], lambda _: None, always=always, running=running)


def crl_beside_its_ca() -> Case:
    """A CRL and its CA are set one after the other, and their events come in any order."""
    root = ca()
    script = [sets("root", root.pem), sets("revoked-crl", crl(root).pem)]
    files = {"root.der": root.der, "revoked.crl": crl(root).der, "plc7.der": version("A").der}
    return Case("crl", begun(), script, wants(files))


def a_secret_each() -> Case:
    """Two clusters, each with a secret of its own; both get a new version."""
    fleet = begun(clusters="xy", names=())
    fleet.register(*(registration(name, site=name) for name in "xy"))
    tags = {f"plc-{name}": EVERYWHERE | {"trustcast-clusters": f"site={name}"} for name in "xy"}
    for name, own in tags.items():
        fleet.upload(name, version("A", name).pem, own)
    fleet.sweep()
    fleet.sweep()
    script = [sets(name, version("B", name).pem, own) for name, own in tags.items()]
    files = {name: {f"plc-{name}.der": version("B", f"plc-{name}").der} for name in "xy"}

    def end(world: World) -> str | None:
        return next(filter(None, (wants(files[name], name)(world) for name in "xy")), None)

    return Case("a secret each", fleet, script, end)


SMALL: dict[str, Callable[[], Case]] = {
    "AB": lambda: letters("AB"),
    "ABA": lambda: letters("ABA"),
    "ABC": lambda: letters("ABC"),
    "AB, two clusters": lambda: letters("AB", clusters="xy"),
    "AB, a verification in flight": lambda: letters("AB", running=(VERIFICATION,)),
    "AB, one crash": lambda: letters("AB", crashes=1),
    **{f"{name}, one crash, one worker": partial(letters, name, crashes=1, workers=1) for name in ("ABA", "ABC")},
    "AB, a sweep beside one worker": lambda: letters("AB", running=(SWEEP,), workers=1),
    "enabled again without event": enabled_again,
    "rebuild": lambda: rebuilt("plc7", forgetful=False),
    "rebuild, statuses lost": lambda: rebuilt("plc7", forgetful=True),
    "a CRL beside its CA": crl_beside_its_ca,
}
"""Explored with every run of the tests; where no number of workers is named, any number works at a time."""

LARGE: dict[str, Callable[[], Case]] = {
    **{f"{name}, one crash, two workers": partial(letters, name, crashes=1, workers=2) for name in ("ABA", "ABC")},
    "AB, a sweep beside two workers": lambda: letters("AB", running=(SWEEP,), workers=2),
    **{
        f"{name}, a sweep beside one worker": partial(letters, name, running=(SWEEP,), workers=1)
        for name in ("ABA", "ABC")
    },
    **{
        f"{name}, a verification in flight, two workers": partial(letters, name, running=(VERIFICATION,), workers=2)
        for name in ("ABA", "ABC")
    },
    "ABA, two clusters, two workers": lambda: letters("ABA", clusters="xy", workers=2),
    "AB, every event twice, two workers": lambda: twice(letters("AB", workers=2)),
    "v2 set while v1 is listed disabled, one worker": lambda: replace(set_while_listed_disabled(), workers=1),
    "a secret each on two clusters, two workers": lambda: replace(a_secret_each(), workers=2),
}
"""Explored by `make interleavings`."""
