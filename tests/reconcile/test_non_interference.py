"""Nothing that one vault's people do changes what stands of another's (law 13): every sequence of acts, exhaustively.

One list, one name. A's secret gives it first one certificate, then another; B's people give it A's public bytes or
their own. A push, with its status, follows every act. What stands there of A's must be as in the same run without B's.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sync.catalogue.entry import ListedVersion
from sync.catalogue.snapshot import VaultFacts
from sync.fleet.vaults import WatchedVault
from sync.reconcile.memory import NO_MEMORY, ListMemory
from sync.reconcile.observed import Observed
from sync.reconcile.ownership import parse_owners
from sync.reconcile.plan import after, make_plan
from tests.support import certs
from tests.support.catalogues import CONFIGURATION, candidate, entry, version_name
from tests.support.certs import DAY, NOW
from tests.support.lists import context_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sync.catalogue.entry import Entry

FILE = "f.der"
A, B = "a.vault.azure.net", "b.vault.azure.net"
FIRST, SECOND, OWN = (certs.server(name="f", key_name=name) for name in ("first", "second", "own"))
OF_A = {FIRST.der, SECOND.der}
CONFIGURED = replace(CONFIGURATION, vaults=(WatchedVault(f"https://{A}"), WatchedVault(f"https://{B}")))

ACTS = (
    "A: first version",
    "A: second version",
    "A: disable",
    "A: delete",
    "A: away",
    "A: back",
    "A: unwatched",
    "B: gives A's bytes",
    "B: gives its own",
    "B: disable",
    "B: none",
    "B: delete",
    "a day passes",
    "the status is lost",
)
LONGEST = 5


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as its vault has it: the certificates of its versions, oldest first."""

    versions: tuple[certs.Built, ...]
    since: datetime
    enabled: bool = True
    lists: tuple[str, ...] = ("trust",)

    def entry(self, host: str) -> Entry:
        """As a look catalogues it."""
        newest = len(self.versions)
        found = [candidate(n, built) for n, built in enumerate(self.versions, 1)][::-1]
        found[0] = replace(found[0], enabled=self.enabled)
        listed = tuple(ListedVersion(c.version, c.created, c.created, c.enabled) for c in found)
        kept = found if self.lists else []
        tags: dict[str, Any] = {"file": FILE, "lists": self.lists, "version": version_name(newest), "host": host}
        return entry("f", *kept, since=self.since, versions=listed, **tags)


@dataclass(frozen=True, slots=True)
class World:
    """Both vaults, what the catalogue knows of them, and the list."""

    now: datetime = NOW
    a: Secret | None = None
    b: Secret | None = None
    away: bool = False
    left: datetime | None = None
    row_a: Entry | None = None
    row_b: Entry | None = None
    data: bytes | None = None
    annotation: str = ""
    memory: ListMemory = NO_MEMORY

    def after(self, act: str) -> World | None:
        """The world once somebody did this, all was looked at and pushed; None where it cannot be done."""
        done = self._done_by_a(act) or self._done_by_b(act) or self._done_by_time(act)
        return done and done._looked_at()._pushed()

    def _done_by_a(self, act: str) -> World | None:
        match act:
            case "A: first version" if self.a is None:
                return replace(self, a=Secret((FIRST,), self.now))
            case "A: second version" if self.a is not None and len(self.a.versions) == 1:
                return replace(self, a=replace(self.a, versions=(FIRST, SECOND), enabled=True))
            case "A: disable" if self.a is not None and self.a.enabled:
                return replace(self, a=replace(self.a, enabled=False))
            case "A: delete" if self.a is not None:
                return replace(self, a=None)
            case "A: away" if not self.away and self.left is None:
                return replace(self, away=True)
            case "A: back" if self.away:
                return replace(self, away=False)
        return None

    def _done_by_time(self, act: str) -> World | None:
        match act:
            case "A: unwatched" if self.left is None:
                return replace(self, left=self.now)
            case "a day passes" if self.left is not None:
                return replace(self, now=self.now + DAY)
            case "the status is lost" if self.memory.known:
                return replace(self, memory=NO_MEMORY)
        return None

    def _done_by_b(self, act: str) -> World | None:
        before = self.b.versions if self.b else ()
        since = self.b.since if self.b else self.now
        match act:
            case "B: gives A's bytes":
                return replace(self, b=Secret((*before, FIRST), since))
            case "B: gives its own":
                return replace(self, b=Secret((*before, OWN), since))
            case "B: disable" if self.b is not None and self.b.enabled:
                return replace(self, b=replace(self.b, enabled=False))
            case "B: none" if self.b is not None and self.b.lists:
                return replace(self, b=replace(self.b, lists=()))
            case "B: delete" if self.b is not None:
                return replace(self, b=None)
        return None

    def _looked_at(self) -> World:
        """A vault that is away or not watched is not looked at; its rows stay."""
        row_a = self.row_a if self.away or self.left else _row(self.a, self.row_a, A, self.now)
        moved = replace(self, row_a=row_a, row_b=_row(self.b, self.row_b, B, self.now))
        return replace(moved, now=self.now + timedelta(minutes=1))

    def _pushed(self) -> World:
        vaults = {A: VaultFacts(NOW, left=self.left), B: VaultFacts(NOW)}
        configured = replace(CONFIGURED, vaults=CONFIGURED.vaults[1:]) if self.left else CONFIGURED
        rows = [row for row in (self.row_a, self.row_b) if row]
        context = context_of(*rows, configuration=configured, vaults=vaults, now=self.now)
        files = {} if self.data is None else {FILE: self.data}
        owners = parse_owners(self.annotation)
        seen = Observed("uid", "1", files, frozenset(files), annotation=self.annotation, owners=owners)
        plan = make_plan(seen, self.memory, context)
        memory = replace(after(plan, self.memory), verified=self.now)
        if plan.files is None:
            return replace(self, memory=memory)
        return replace(self, data=plan.files.get(FILE), annotation=plan.annotation, memory=memory)


def _row(secret: Secret | None, before: Entry | None, host: str, now: datetime) -> Entry | None:
    if secret is not None:
        return secret.entry(host)
    return before.without_secret(now) if before else None


@dataclass(frozen=True, slots=True)
class Run:
    """The same acts with and without those of B's people."""

    acts: tuple[str, ...] = ()
    world: World = World()
    without: World = World()
    judged: bool = False

    def after(self, act: str) -> Run | None:
        """One act later; None where it cannot be done, or where A is not on the list before B's first act."""
        world = self.world.after(act)
        by_b = act.startswith("B")
        without = self.without if by_b else self.without.after(act)
        if world is None or without is None or (by_b and not self.judged and self.world.data is None):
            return None
        return Run((*self.acts, act), world, without, self.judged or by_b)

    @property
    def excused(self) -> bool:
        """A's people gave the name up; or the vault is configured no more, for a day or since the status was lost.

        That a disabled secret keeps a name of a list which does not hold its file is told by the status, or by the
        secret's claim; a vault that operators took out claims nothing.
        """
        left = self.world.left
        lost = left is not None and "the status is lost" in self.acts
        return "A: delete" in self.acts or lost or (left is not None and self.world.now - left >= DAY)

    @property
    def interfered(self) -> bool:
        """Whether B's acts changed what stands of A's, or keep there what A's people took away."""
        held, alone = self.world.data, self.without.data
        return (alone is not None and held != alone) or (alone is None and held in OF_A)


def every_run(run: Run) -> Iterator[Run]:
    for act in ACTS if len(run.acts) < LONGEST else ():
        if (further := run.after(act)) is not None and not further.excused:
            yield further
            yield from every_run(further)


def test_law13_nothing_that_other_vaults_people_do_changes_what_stands_of_a_vaults() -> None:
    found = [run for run in every_run(Run()) if run.judged]
    assert [run.acts for run in found if run.interfered] == []
    stood = Counter(run.without.data in OF_A for run in found)
    assert min(stood[True], stood[False]) > 100


def test_law4_a_name_that_its_owners_gave_up_is_taken_by_the_other() -> None:
    run: Run | None = Run()
    for act in ("A: first version", "B: gives its own", "A: delete"):
        assert run is not None
        run = run.after(act)
    assert run is not None
    assert run.world.data == OWN.der


def test_law4_a_vault_that_was_replaced_passes_its_names_on_equal_bytes() -> None:
    run: Run | None = Run()
    acts = ("A: first version", "B: gives A's bytes", "A: unwatched", "a day passes", "B: gives its own")
    for act in acts:
        assert run is not None
        before, run = run, run.after(act)
    assert run is not None
    assert (before.world.data, run.world.data) == (FIRST.der, OWN.der)
