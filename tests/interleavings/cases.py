"""The small cases that are explored: what stands at the start, what happens to the vault, what must hold at the end.

A case is named for the versions that one secret has, one after the other (`AB`, `ABA`, `ABC`), and for what is beside.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sync.catalogue.rows import SecretRow
from sync.catalogue.secret import SecretKey
from sync.catalogue.snapshot import Stamp
from sync.commands.removals import waiting
from sync.fleet.configuration import Configuration
from sync.ports.decisions import Write
from sync.ports.messages import PushCluster, encode
from sync.ports.stored import ANYTHING
from sync.reconcile.holds import Limits
from sync.reconcile.status import State
from sync.steps.push import push_cluster
from tests.interleavings.case import Case
from tests.support.certs import DAY, NOW, Built, ca, crl, server
from tests.support.fleet import CONFIGURATION, HOST, TRUST, Fleet, event, registration
from tests.support.memory import MemoryCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.kubernetes.cluster import Cluster
    from sync.catalogue.snapshot import Snapshot
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
    settled(fleet)
    return fleet


def settled(fleet: Fleet) -> None:
    """Everything in sync and nothing under way; the next sweep lists the vault."""
    fleet.sweep()
    fleet.sweep()
    fleet.clock.move(timedelta(minutes=2))


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


def there_and_back() -> Case:
    """The version in force is disabled and enabled again: what decides in the end is what decided at first."""
    fleet = begun()
    script = [disables(fleet, "plc7"), disables(fleet, "plc7", enabled=True)]
    return Case("there and back", fleet, script, wants({"plc7.der": version("A").der}), written=head_follows)


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


NAMED = EVERYWHERE | {"trustcast-file": "plc.der"}


def disables(fleet: Fleet, name: str, *, enabled: bool = False) -> Line:
    """The owner disables, or enables, the one version of a secret, and a late event says that somebody should look."""
    only = fleet.vault.versions(name).items[0].version

    def line(vault: MemoryVault) -> list[Message]:
        vault.set_enabled(name, only, enabled=enabled)
        return [("event", event(name, "f" * 32))]

    return line


def only(*allowed: Mapping[str, bytes]) -> Callable[[Cluster], str | None]:
    """The list never holds anything but one of these, and says of all it holds whose it is."""

    def always(cluster: Cluster) -> str | None:
        if cluster.has(TRUST.namespace, TRUST.object) and cluster.files(TRUST.namespace, TRUST.object) not in allowed:
            return "the list held what it never may"
        return owned(cluster)

    return always


def owned(cluster: Cluster) -> str | None:
    """The annotation names each file that the list holds, by its bytes."""
    if not cluster.has(TRUST.namespace, TRUST.object):
        return None
    seen = MemoryCluster(cluster).observe(TRUST.namespace, TRUST.object)
    said = {name: file.sha256 for name, file in seen.owners.files.items() if name in seen.data}
    whole = said == {name: hashlib.sha256(data).hexdigest() for name, data in seen.data.items()}
    return None if whole else "a file is on the list, and not whose it is"


def belongs_to(end: Callable[[World], str | None], **owners: str) -> Callable[[World], str | None]:
    """Besides, the status and the object name these secrets as the files' owners."""

    def both(world: World) -> str | None:
        if wrong := end(world):
            return wrong
        stored = world.statuses.get(place("x"))
        seen = world.clusters["x"].observe(TRUST.namespace, TRUST.object)
        for said in (stored.value.files if stored else {}, seen.owners.files):
            if {name: file.owner and file.owner.name for name, file in said.items()} != {
                f"{name}.der": owner for name, owner in owners.items()
            }:
                return "a file is not its owner's"
        return None

    return both


def a_name_contested() -> Case:
    """A secret that was admitted before comes to give the name that one holds, and the one that holds it is renewed."""
    fleet = begun(names=())
    fleet.upload("two", server(name="two", not_after=NOW - DAY).pem, NAMED)
    settled(fleet)
    fleet.upload("one", version("A", "one").pem, NAMED)
    settled(fleet)
    new, other = version("B", "one"), version("A", "two")
    script = [sets("two", other.pem, NAMED), sets("one", new.pem, NAMED)]
    end = belongs_to(wants({"plc.der": new.der}), plc="one")
    old = {"plc.der": version("A", "one").der}
    return Case("a contested name", fleet, script, end, always=only(old, {"plc.der": new.der}))


def two_come_for_one_name() -> Case:
    """Two secrets come to give a name that nobody has: one of them has it, and the object says which."""
    files = {name: {"plc.der": version("A", name).der} for name in ("one", "two")}
    script = [sets(name, version("A", name).pem, NAMED) for name in files]
    ends = [belongs_to(wants(file), plc=name) for name, file in files.items()]

    def end(world: World) -> str | None:
        wrong = [each(world) for each in ends]
        return None if None in wrong else next(filter(None, wrong))

    return Case("two for one name", begun(names=()), script, end, always=owned)


def a_name_of_a_disabled_owner() -> Case:
    """The owner's version is disabled and enabled again; another secret that gives the name comes in between."""
    fleet = begun(names=())
    fleet.upload("one", version("A", "one").pem, NAMED)
    settled(fleet)
    own = {"plc.der": version("A", "one").der}
    script = [
        disables(fleet, "one"),
        sets("two", version("A", "two").pem, NAMED),
        disables(fleet, "one", enabled=True),
    ]
    return Case("a name kept", fleet, script, belongs_to(wants(own), plc="one"), always=only(own, {}))


NOTHING_UNASKED = Limits(share=0.0, files=0)
"""Every removal waits for a person."""


def asked(*secrets: str) -> tuple[Fleet, Message]:
    """Secrets in force of which the first's version was disabled: its file's removal waits; and a person's approval."""
    fleet = begun(names=secrets)
    fleet.runtime = replace(fleet.runtime, limits=NOTHING_UNASKED)
    first = secrets[0]
    fleet.vault.set_enabled(first, fleet.vault.versions(first).items[0].version, enabled=False)
    settled(fleet)
    (question,) = waiting(fleet.runtime)
    return fleet, ("approve", question.digest)


def approved_beside_a_new_version() -> Case:
    """What would leave is approved while the owner sets the version that makes it needless."""
    fleet, approval = asked("plc7")
    new = {"plc7.der": version("B").der}
    end = belongs_to(wants(new), plc7="plc7")
    always = only({"plc7.der": version("A").der}, {}, new)
    return Case("approval, B", fleet, [upload("B")], end, always=always, running=(approval,), limits=NOTHING_UNASKED)


def approved_beside_anothers_version() -> Case:
    """What would leave is approved while another secret gets a new version: the one leaves, the other goes on."""
    fleet, approval = asked("plc7", "plc8")
    new = version("B", "plc8")
    gone, old = {"plc7.der": version("A").der}, {"plc8.der": version("A", "plc8").der}
    end = wants({"plc8.der": new.der})
    script = [sets("plc8", new.pem)]
    always = only(gone | old, old, gone | {"plc8.der": new.der}, {"plc8.der": new.der})
    return Case("approval beside", fleet, script, end, always=always, running=(approval,), limits=NOTHING_UNASKED)


def revoking(*sets_last: str) -> Case:
    """A CA, its CRL and the leaf that it revokes: some are there, the others come, and their events in any order."""
    root = ca()
    leaf = server(name="leaf", issuer=root)
    list_of = crl(root, revoked=[leaf])
    values = {"root": root.pem, "revoked-crl": list_of.pem, "leaf": leaf.pem}
    fleet = begun(names=())
    for name in values.keys() - {*sets_last}:
        fleet.upload(name, values[name], EVERYWHERE)
    settled(fleet)
    end = wants({"root.der": root.der, "revoked.crl": list_of.der})
    return Case("revoking", fleet, [sets(name, values[name]) for name in sets_last], end, always=owned)


class Whole:
    """Decisions of which a snapshot must be whole: it knows what a CRL of the catalogue revokes."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def snapshot(self, **options: bool) -> Snapshot:
        read: Snapshot = self._inner.snapshot(**options)
        knows = any(key.name == "revoked-crl" for key in read.entries)
        if knows != bool(read.authorities):
            raise AssertionError("a torn snapshot")
        return read


def read_in_pages() -> Case:
    """Rows are read one by one while a CRL is admitted: its row and its CA's change in one transaction."""
    looks = (("look", "revoked-crl"), VERIFICATION)
    case = revoking("revoked-crl")
    case.script[0](case.fleet.vault)
    return replace(
        case,
        script=[],
        running=looks,
        page=1,
        wrap=lambda runtime: replace(runtime, decisions=Whole(runtime.decisions)),
    )


MOVED = replace(TRUST, object="moved-list")


def rolled_out(*processes: str) -> Case:
    """Two processes with different settings check at the same time: those of the later one stay in force."""
    old = Configuration(CONFIGURATION.vaults, (TRUST,)), Stamp("", "1")
    new = Configuration(CONFIGURATION.vaults, (MOVED,)), Stamp("", "2")
    fleet = Fleet(*old)
    fleet.sweep()
    fleet.register(registration("x"))
    fleet.upload("plc7", version("A").pem, EVERYWHERE)
    fleet.sweep()
    fleet.sweep()
    files = {"plc7.der": version("A").der}

    def end(world: World) -> str | None:
        settings = world.decisions.snapshot().settings
        if settings is None or (settings.configuration, settings.stamp) != new:
            return "the settings in force are not the later process's"
        lists = [world.files("x", TRUST.object), world.files("x", MOVED.object)]
        if world.work.planned() != world.decisions.head().value.token:
            return "what is in force was not planned"
        return None if lists == [{}, files] else "the lists are not where the settings say"

    running: tuple[Message, ...] = tuple(("sweep", each) for each in processes)
    environments = {"old": old, "new": new}
    return Case("roll-out", fleet, [], end, running=running, environments=environments)


def found_by_the_annotation() -> Case:
    """The status is lost while a secret is deleted: the object tells whose its files are, and the one leaves."""
    fleet = begun(names=("plc7", "plc8"))
    fleet.statuses.forget(place("x"))
    fleet.vault.delete("plc7")
    stays = {"plc8.der": version("A", "plc8").der}
    end = belongs_to(wants(stays), plc8="plc8")
    always = only(stays, stays | {"plc7.der": version("A").der})
    return Case("annotation", fleet, [], end, always=always, running=(("look", "plc7"), VERIFICATION))


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
    "disabled and enabled": there_and_back,
    "rebuild": lambda: rebuilt("plc7", forgetful=False),
    "rebuild, statuses lost": lambda: rebuilt("plc7", forgetful=True),
    "a CRL beside its CA": crl_beside_its_ca,
    "a CRL that revokes beside its CA, two workers": lambda: replace(revoking("root", "revoked-crl"), workers=2),
    "a CRL that revokes beside its leaf, two workers": lambda: replace(revoking("revoked-crl", "leaf"), workers=2),
    "CA, CRL and leaf, one worker": lambda: replace(revoking("leaf", "revoked-crl", "root"), workers=1),
    "a name contested, two workers": lambda: replace(a_name_contested(), workers=2),
    "two come for one name, one worker": lambda: replace(two_come_for_one_name(), workers=1),
    "a name kept, one worker": lambda: replace(a_name_of_a_disabled_owner(), workers=1),
    "an approval beside a new version, one worker": lambda: replace(approved_beside_a_new_version(), workers=1),
    "an approval beside another's version, one worker": lambda: replace(approved_beside_anothers_version(), workers=1),
    "a snapshot read row by row": read_in_pages,
    "a roll-out, one worker": lambda: replace(rolled_out("old", "new"), workers=1),
    "a status lost, found by the annotation": found_by_the_annotation,
}
"""Explored with every run of the tests; where no number of workers is named, any number works at a time."""

LARGE: dict[str, Callable[[], Case]] = {
    **{f"{name}, one crash, two workers": partial(letters, name, crashes=1, workers=2) for name in ("ABA", "ABC")},
    "AB, a sweep beside two workers": lambda: letters("AB", running=(SWEEP,), workers=2),
    "ABA, two clusters, two workers": lambda: letters("ABA", clusters="xy", workers=2),
    "AB, every event twice, two workers": lambda: twice(letters("AB", workers=2)),
    "v2 set while v1 is listed disabled, one worker": lambda: replace(set_while_listed_disabled(), workers=1),
    "a secret each on two clusters, two workers": lambda: replace(a_secret_each(), workers=2),
}
"""Explored by `make interleavings`."""

LARGEST: dict[str, Callable[[], Case]] = {
    **{
        f"{name}, a sweep beside one worker": partial(letters, name, running=(SWEEP,), workers=1)
        for name in ("ABA", "ABC")
    },
    **{
        f"{name}, a verification in flight, two workers": partial(letters, name, running=(VERIFICATION,), workers=2)
        for name in ("ABA", "ABC")
    },
    "two come for one name": two_come_for_one_name,
    "a name kept, two workers": lambda: replace(a_name_of_a_disabled_owner(), workers=2),
    "an approval beside a new version, two workers": lambda: replace(approved_beside_a_new_version(), workers=2),
    "an approval beside another's version, two workers": lambda: replace(approved_beside_anothers_version(), workers=2),
    "a roll-out, two workers": lambda: replace(rolled_out("old", "new"), workers=2),
    "a roll-out of three checks, one worker": lambda: replace(rolled_out("old", "new", "old"), workers=1),
}
"""Explored by `python -m tests.interleavings --largest`: minutes each."""
