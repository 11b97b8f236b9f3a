"""Drives the real steps through every interleaving, over the in-memory doubles.

A process is one handler at work on one message. It runs in a greenlet that is left before every atomic step (a call of
a double) and taken up with its result. It reads nothing but such results, so what it does next is a function of its
message and of what it read: its *place*. A place is computed once, by running the real code, and remembered; so a
state is the world's cells and the processes' places, and exploring costs no copies and no replays of the whole.

    deliver     a message is a process that has not begun, and it may begin at any time
    crash       a process ends before any of its steps, or after its last; its message comes back, counted
    owner       the script of what people do to the vault, line by line; each line may raise an event

Every schedule is explored, depth first, states remembered up to the names of tokens. Where the next step of a process
touches nothing that any other process, begun or yet to come, can still touch (reading beside reading excepted), that
step commutes with all that the others can do before it, and only it is taken: a persistent set, so every end is still
reached, by an equivalent schedule. What a process can still touch is learnt: passes are repeated until one taught
nothing new. A state met again on its own path is a run without an end, and reported. The clock stands still.

Where that is too much, a case halts consumers (their messages wait in the queue), or puts one step in the place of
several (`cuts`, `whole`): see `interleaving_halves`. And `walk` takes seeded random schedules, of all, unreduced.

    python -m tests.interleaving [--all] [NAME…]
"""

from __future__ import annotations

import hashlib
import marshal
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from greenlet import greenlet

from sync.admission import admit
from sync.drift import check_drift
from sync.errors import TrustcastError
from sync.handlers import handle_event, handle_plan, handle_push
from sync.secret import SecretKey
from sync.service import Service
from sync.table_stores import TableStatuses, TableWork
from tests.certs import NOW
from tests.interleaving_cells import pack, unpack
from tests.interleaving_parts import (
    AdmissionPart,
    ClusterPart,
    Refused,
    RemoteDecisions,
    RemoteQueues,
    RemoteTable,
    RemoteTargets,
    RemoteVault,
    TablePart,
    TokenPart,
    VaultPart,
    touched,
)
from tests.memory import MemoryVault
from tests.service import CONFIGURATION, HOST, Fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sync.ports import Decisions, Statuses, Work
    from tests.interleaving_cells import Cell

Place = tuple[int, tuple[int, ...]]
"""A process: the number of its node, and the tokens that it has read, oldest first."""

State = tuple[int, tuple["Cell", ...], tuple[Place, ...]]
"""Crashes left, the parts' states, the processes."""

Message = tuple[str, str]
"""Kind and text of what starts a process."""

Line = "Callable[[MemoryVault], Sequence[Message]]"

MOST_DELIVERIES = 5
LONGEST_WALK = 5_000
"""Steps after which a random schedule is taken for one without an end; they have some 100."""

APART = timedelta(seconds=10)
"""Between two lines of the script, by the clock of the vault (whole seconds). All else happens after the last."""

WIDTH = 64
"""Bits of what is read; as many of what is written stand above them."""

Handler = "Callable[[Service, str, int], object]"
HANDLERS: dict[str, Handler] = {
    "event": lambda service, text, _: handle_event(service, text),
    "plan": handle_plan,
    "push": handle_push,
    "look": lambda service, text, _: admit(service, SecretKey(HOST, text)),
    "sweep": lambda service, _, __: check_drift(service),
}


@dataclass(frozen=True, slots=True)
class World:
    """What a case sees of a state: the stores as they are, the lists, the vault; the queues where messages wait."""

    decisions: Decisions
    work: Work
    statuses: Statuses
    clusters: Mapping[str, Any]
    vault: MemoryVault
    waiting: frozenset[str] = frozenset()

    def files(self, cluster: str, name: str) -> dict[str, bytes]:
        """The files of an object on a cluster."""
        return self.clusters[cluster].files("azure-iot-operations", name)


@dataclass
class Case:
    """What is explored.

    Attributes:
        fleet: as everything stands at the start.
        script: lines of what owners do to the vault; each gives the messages that it raises, by kind and text.
        end: of the world once nothing is left to do: what is wrong with it, or None.
        always: likewise of one cluster's Secrets after every write to them.
        crashes: how many processes may die.
        mortal: of which kinds.
        running: processes at work from the start: kind and message.
        halted: kinds whose messages nobody takes; equal ones that wait count as one.
        cuts: functions of the service that another stands in for: module, name, stand-in.
        whole: a snapshot reads head and rows in one step.
        written: of the decisions before and after every write to them: what is wrong with it.
        wrap: what a deliberately wrong order does to the service; for tests of the explorer itself.
    """

    name: str
    fleet: Fleet
    script: Sequence[Line]
    end: Callable[[World], str | None]
    always: Callable[[Any], str | None] | None = None
    crashes: int = 0
    mortal: frozenset[str] = frozenset(HANDLERS)
    running: Sequence[Message] = ()
    halted: frozenset[str] = frozenset()
    cuts: Sequence[tuple[Any, str, Callable[..., Any]]] = ()
    whole: bool = False
    written: Callable[[Decisions, Decisions], str | None] | None = None
    wrap: Callable[[Service], Service] = lambda service: service


@dataclass(frozen=True, slots=True)
class Report:
    """What an exploration found: its size, and the shortest schedule that it met for each wrong end."""

    states: int
    steps: int
    ends: int
    wrong: Mapping[str, tuple[str, ...]]
    truncated: bool
    seconds: float = 0.0
    passes: int = 0


@dataclass(slots=True)
class Node:
    """One place of a process, up to the names of tokens."""

    kind: str
    text: str
    count: int
    came: tuple[int, Cell] | None = None
    part: str = ""
    method: str = ""
    asked: Cell = (0, ())
    label: str = ""
    reads: int = 0
    writes: int = 0
    failed: BaseException | None = None
    next: dict[Cell, int] = field(default_factory=dict)
    future: int = 0
    crashing: int = 0
    back: int = -1
    before: list[int] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether the handler has come to its end."""
        return not self.part


class Explorer:
    """Explores one case."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.clusters = tuple(sorted(case.fleet.clusters))
        self.stages, self.raised = _stages(case)
        self.parts: dict[str, Any] = {
            "vault": VaultPart(self.stages),
            "decisions": TablePart("decisions"),
            "work": TablePart("work"),
            "status": TablePart("status"),
            "token": TokenPart(),
            "admission": AdmissionPart(self.stages, case.fleet.clock),
            **{f"cluster {name}": ClusterPart() for name in self.clusters},
        }
        self.index = {name: i for i, name in enumerate(self.parts)}
        self.broken: str | None = None
        self.bits: dict[str, int] = {}
        self.nodes: list[Node] = []
        self.roots: dict[tuple[str, str, int], int] = {}
        self.steps: dict[Any, tuple[Cell, Cell]] = {}
        self.verdicts: dict[Any, str | None] = {}
        self.grown = False
        self.lines = [[self.root(kind, text, 1) for kind, text in messages] for messages in self.raised]

    # The start.

    def start(self) -> State:
        """The state that the case begins with."""
        fleet = self.case.fleet
        tables = {
            "decisions": fleet.decisions.table,
            "work": fleet.work.table,
            "status": fleet.statuses.table,
        }
        values: dict[str, Any] = {"vault": 0, "token": 0, "admission": 0}
        for name, table in tables.items():
            rows = ((p, key, stored) for p, rows in table.partitions.items() for key, stored in rows.items())
            values[name] = tuple(sorted(rows, key=lambda row: row[:2]))
        for name in self.clusters:
            values[f"cluster {name}"] = tuple(s for _, s in sorted(fleet.clusters[name].state._secrets.items()))
        processes = tuple((self.root(kind, text, 1), ()) for kind, text in self.case.running)
        return canonical((self.case.crashes, tuple(pack(values[name]) for name in self.parts), processes))

    def root(self, kind: str, text: str, count: int) -> int:
        """The node of a message that nobody has begun with."""
        key = (kind, text, count if kind in {"plan", "push"} else 1)
        if key not in self.roots:
            self.roots[key] = len(self.nodes)
            self._add(Node(*key))
        return self.roots[key]

    # What processes do.

    def _add(self, node: Node) -> int:
        """Run the real code up to this place, to learn what it asks next."""
        number = len(self.nodes)
        self.nodes.append(node)
        self._run(node)
        self._foresee(number, node)
        return number

    def _run(self, node: Node) -> None:
        runner = greenlet(lambda: HANDLERS[node.kind](self._service(), node.text, node.count))
        try:
            with ExitStack() as cuts:
                for cut in self.case.cuts:
                    cuts.enter_context(patch.object(*cut))
                asked = runner.switch()
                for result in self._read(node):
                    asked = runner.switch(result)
        except Exception as error:  # noqa: BLE001  whatever it is, it is this place's outcome
            node.failed = error
            return
        if runner.dead:
            return
        node.part, node.method, arguments = asked
        node.asked = pack(arguments)
        node.label = f"{node.kind}: {node.method} {node.part} {_shown(arguments)}"
        reads, writes = touched(node.part, node.method, arguments, self.clusters)
        node.reads, node.writes = self._mask(reads), self._mask(writes)

    # What may follow from a place: all that it and its messages were ever seen to touch.

    def _foresee(self, number: int, node: Node) -> None:
        if node.came is not None:
            node.before.append(node.came[0])
        if node.failed:
            self._follows(number, self.root(node.kind, node.text, node.count + 1))
        elif node.part == "queue":
            kind, text = unpack(node.asked)
            if kind not in self.case.halted:
                self._follows(number, self.root(kind, text, 1))
        own = node.reads | node.writes << WIDTH
        self._spread(number, own, own)

    def _follows(self, number: int, root: int) -> None:
        self.nodes[root].before.append(number)
        self._spread(number, self.nodes[root].future, self.nodes[root].crashing)

    def _spread(self, number: int, future: int, crashing: int) -> None:
        """Add to what may follow from a place, and from all places that lead to it."""
        todo = [number]
        while todo:
            node = self.nodes[todo.pop()]
            if node.future | future != node.future or node.crashing | crashing != node.crashing:
                node.future, node.crashing = node.future | future, node.crashing | crashing
                self.grown = True
                todo += node.before

    def _may(self, place: Place, crashes: int) -> int:
        """What may follow from a process; where it may die, from its message's return too."""
        node = self.nodes[place[0]]
        if node.kind in self.case.halted:
            return 0
        if not crashes:
            return node.future
        return node.crashing | (self.nodes[self._back(place[0])].crashing if node.kind in self.case.mortal else 0)

    def _back(self, number: int) -> int:
        """The root of the message that comes back if the process dies; known to precede whatever leads to it."""
        node = self.nodes[number]
        if node.back < 0:
            node.back = self.root(node.kind, node.text, node.count + 1)
            first = self.root(node.kind, node.text, node.count)
            if first not in self.nodes[node.back].before:
                self.nodes[node.back].before.append(first)
                self._spread(first, 0, self.nodes[node.back].crashing)
        return node.back

    def _read(self, node: Node) -> list[Any]:
        """The results that led here, oldest first."""
        results = []
        while node.came is not None:
            number, cell = node.came
            results.append(unpack(cell))
            node = self.nodes[number]
        return results[::-1]

    def _service(self) -> Service:
        def ask(part: str, method: str, arguments: tuple[Any, ...]) -> Any:
            answer = greenlet.getcurrent().parent.switch((part, method, arguments))
            if isinstance(answer, Refused):
                raise answer.error
            return answer

        decisions, work, status = (RemoteTable(name, ask) for name in ("decisions", "work", "status"))
        vaults: Any = {HOST: RemoteVault(ask)}
        service = Service(
            RemoteDecisions(decisions, whole=self.case.whole),
            TableWork(work),
            TableStatuses(status),
            RemoteQueues(ask),
            vaults,
            RemoteTargets(ask),  # type: ignore[arg-type]
            CONFIGURATION,
            clock=self.case.fleet.clock,
            token=lambda: str(ask("token", "new", ())),
        )
        return self.case.wrap(service)

    # One step.

    def step(self, state: State, at: int) -> State:
        """The state after a process's next step."""
        crashes, parts, processes = state
        number, known = processes[at]
        node = self.nodes[number]
        others = processes[:at] + processes[at + 1 :]
        if node.done:
            return self._ended(state, node, others)
        if node.part == "queue":
            kind, text = unpack(node.asked)
            after: Place = (self._after(number, (NOTHING[0], ())), known)
            sent = (self.root(kind, text, 1), ())
            sends = kind not in self.case.halted or sent not in others
            return canonical((crashes, parts, (*others, after, *[sent] * sends)))
        where = self.index["decisions" if node.part == "admission" else node.part]
        more = unpack(parts[self.index["vault"]]) if node.part == "admission" else None
        new, result = self._ask(node, parts[where], known, _largest(state) + 1, more)
        place = self._onward(number, known, result)
        return canonical((crashes, (*parts[:where], new, *parts[where + 1 :]), (*others, place)))

    def _ended(self, state: State, node: Node, others: tuple[Place, ...]) -> State:
        """The message is deleted; or it comes back, where the handler raised."""
        back = ((self.root(node.kind, node.text, node.count + 1), ()),) if node.failed else ()
        return canonical((state[0], state[1], (*others, *back)))

    def crash(self, state: State, at: int) -> State:
        """The state after a process died; its message comes back."""
        crashes, parts, processes = state
        node = self.nodes[processes[at][0]]
        back = (self.root(node.kind, node.text, node.count + 1), ())
        return canonical((crashes - 1, parts, (*processes[:at], back, *processes[at + 1 :])))

    def owner(self, state: State) -> State:
        """The state after the next line of the owner's script."""
        crashes, parts, processes = state
        where = self.index["vault"]
        line = unpack(parts[where])
        raised = tuple((root, ()) for root in self.lines[line])
        return canonical((crashes, (*parts[:where], pack(line + 1), *parts[where + 1 :]), (*processes, *raised)))

    def _ask(self, node: Node, part: Cell, known: tuple[int, ...], fresh: int, more: Any) -> tuple[Cell, Cell]:
        """A part's new state and its result; remembered up to the names of tokens."""
        asked = node.asked[0], tuple(known[token] for token in node.asked[1])
        names: dict[int, int] = {}
        key = (node.part, node.method, *(_renamed(cell, names) for cell in (part, asked)), more)
        if key not in self.steps:
            before, arguments = unpack(key[2]), unpack(key[3]) + (() if more is None else (more,))
            state, result = self.parts[node.part].run(before, len(names), node.method, arguments)
            if self.case.written and node.method == "transact":
                tables = (RemoteDecisions(self.parts[node.part].table(rows)) for rows in (unpack(key[2]), state))
                self.broken = self.broken or self.case.written(*tables)
            self.steps[key] = pack(state), pack(result)
        back = {local: token for token, local in names.items()}
        return tuple(  # type: ignore[return-value]
            (template, tuple(back[t] if t in back else fresh + t - len(names) for t in tokens))
            for template, tokens in self.steps[key]
        )

    def _onward(self, number: int, known: tuple[int, ...], result: Cell) -> Place:
        names = {token: i for i, token in enumerate(known)}
        local = _renamed(result, names)
        return self._after(number, local), tuple(names)

    def _after(self, number: int, result: Cell) -> int:
        node = self.nodes[number]
        if result not in node.next:
            node.next[result] = self._add(Node(node.kind, node.text, node.count, (number, result)))
        return node.next[result]

    # All steps.

    def successors(self, state: State) -> Iterator[tuple[str, Callable[[], State]]]:
        """What can happen next, or as little of it as reaches every end."""
        alone = self._alone(state)
        yield from self._moves(state, alone)

    def _moves(self, state: State, alone: int | None) -> Iterator[tuple[str, Callable[[], State]]]:
        processes = state[2]
        for at in range(len(processes)) if alone is None else [alone] * (alone >= 0):
            node = self.nodes[processes[at][0]]
            if node.kind in self.case.halted or (at and alone is None and processes[at] == processes[at - 1]):
                continue
            label = node.label or f"{node.kind}: {'raises ' + repr(node.failed) if node.failed else 'ends'}"
            yield label, lambda at=at: self.step(state, at)
            if state[0] and node.kind in self.case.mortal:
                yield f"CRASH before {label}", lambda at=at: self.crash(state, at)
        if alone in {None, -1} and self._lines_left(state):
            yield f"owner: line {unpack(state[1][0]) + 1}", lambda: self.owner(state)

    def _lines_left(self, state: State) -> bool:
        return bool(unpack(state[1][0]) < len(self.raised))

    def _alone(self, state: State) -> int | None:
        """A process (or the owner, -1) whose next step commutes with all that the others can do."""
        crashes, _, processes = state
        may = [self._may(place, crashes) for place in processes]
        lines = self.lines[unpack(state[1][0]) :]
        owner = 0
        for root in (root for line in lines for root in line):
            owner |= self._may((root, ()), crashes)
        vault = self._mask(["vault"])
        if lines:
            owner |= vault << WIDTH
        after = [*accumulate(reversed(may), int.__or__, initial=owner)][::-1]
        if lines and not self._union(may) & (vault | vault << WIDTH):
            return -1
        before = 0
        for at, (number, _) in enumerate(processes):
            node, others = self.nodes[number], before | after[at + 1]
            if node.kind in self.case.halted:
                continue
            if not (node.writes & (others | others >> WIDTH)) and not node.reads & others >> WIDTH:
                return at
            before |= may[at]
        return None

    def _mask(self, names: Sequence[str] | set[str]) -> int:
        return self._union(1 << self.bits.setdefault(name, len(self.bits)) for name in sorted(names))

    @staticmethod
    def _union(masks: Iterable[int]) -> int:
        union = 0
        for mask in masks:
            union |= mask
        return union

    # The search.

    def explore(self, *, limit: int, first: bool) -> Report:
        """Passes over every schedule, until one taught nothing new of what may follow from a place."""
        begun, passes = time.monotonic(), 0
        while True:
            self.grown, passes = False, passes + 1
            report = self._pass(limit=limit, first=first)
            if report.truncated or not self.grown or (first and report.wrong):
                return replace(report, seconds=time.monotonic() - begun, passes=passes)

    def _pass(self, *, limit: int, first: bool) -> Report:
        start = self.start()
        seen, path = {_digest(start)}, {_digest(start)}
        stack = [("", start, self.successors(start))]
        steps = ends = 0
        wrong: dict[str, tuple[str, ...]] = {}
        while stack and len(seen) <= limit and not (first and wrong):
            _, state, successors = stack[-1]
            found = next(successors, None)
            if found is None:
                path.discard(_digest(state))
                stack.pop()
                continue
            label, take = found
            new = take()
            steps += 1
            digest = _digest(new)
            complaint = "it never ends" if digest in path else None
            if digest not in seen:
                seen.add(digest)
                path.add(digest)
                stack.append((label, new, self.successors(new)))
                complaint = self.broken or self._complaint(new)
                ends += self._at_end(new)
            if complaint and complaint not in wrong:
                labels = (*(each[0] for each in stack[1:]), *(() if digest == _digest(stack[-1][1]) else (label,)))
                wrong[complaint] = labels
        return Report(len(seen), steps, ends, wrong, len(seen) > limit)

    def _at_end(self, state: State) -> bool:
        busy = any(self.nodes[number].kind not in self.case.halted for number, _ in state[2])
        return not busy and not self._lines_left(state)

    def _complaint(self, state: State) -> str | None:
        for number, _ in state[2]:
            node = self.nodes[number]
            if node.failed and (not isinstance(node.failed, TrustcastError) or node.count >= MOST_DELIVERIES):
                return f"{node.kind} fails: {node.failed!r}"
        if self.case.always is not None:
            for name in self.clusters:
                cell = state[1][self.index[f"cluster {name}"]]
                if complaint := self._verdict(("always", cell[0]), lambda cell=cell: self._always(cell)):
                    return complaint
        return (
            self._verdict(("end", state[1], state[2]), lambda: self.case.end(self.world(state)))
            if self._at_end(state)
            else None
        )

    def _verdict(self, key: Any, judge: Callable[[], str | None]) -> str | None:
        if key not in self.verdicts:
            self.verdicts[key] = judge()
        return self.verdicts[key]

    def _always(self, cell: Cell) -> str | None:
        assert self.case.always is not None
        return self.case.always(ClusterPart().cluster(unpack(cell)))

    def world(self, state: State) -> World:
        """The state for a case's eyes."""
        value = {name: unpack(state[1][i]) for name, i in self.index.items()}
        tables = {name: self.parts[name].table(value[name]) for name in ("decisions", "work", "status")}
        return World(
            RemoteDecisions(tables["decisions"]),
            TableWork(tables["work"]),
            TableStatuses(tables["status"]),
            {name: ClusterPart().cluster(value[f"cluster {name}"]) for name in self.clusters},
            self.stages[value["vault"]],
            frozenset(self.nodes[number].kind for number, _ in state[2]),
        )


NOTHING = pack(None)


def _stages(case: Case) -> tuple[list[MemoryVault], list[Sequence[Message]]]:
    """The vault after each line of the script, and the events that each line raises."""
    vault = case.fleet.vault
    stages, raised = [_copy(vault)], []
    for line in case.script:
        case.fleet.clock.move(APART)
        raised.append(line(vault))
        stages.append(_copy(vault))
    case.fleet.clock.move(APART)
    return stages, raised


def _copy(vault: MemoryVault) -> MemoryVault:
    same = MemoryVault(clock=lambda: NOW)
    same.secrets._live = {name: list(versions) for name, versions in vault.secrets._live.items()}
    same.secrets._deleted = dict(vault.secrets._deleted)
    return same


def _shown(arguments: tuple[Any, ...]) -> str:
    return " ".join(a if isinstance(a, str) else getattr(a, "key", "") for a in arguments)[:80]


def _renamed(cell: Cell, names: dict[int, int]) -> Cell:
    """The cell with its tokens numbered by first appearance."""
    return cell[0], tuple([names.setdefault(token, len(names)) for token in cell[1]])


def _largest(state: State) -> int:
    return max((t for cells in state[1:] for _, tokens in cells for t in tokens), default=-1)


def canonical(state: State) -> State:
    """The state with tokens numbered by first appearance: one for all that differ in their names alone."""
    crashes, parts, processes = state
    names: dict[int, int] = {}
    parts = tuple([_renamed(cell, names) for cell in parts])
    ordered = sorted(processes, key=lambda place: (place[0], [names.get(token, 1 << 30) for token in place[1]]))
    return crashes, parts, tuple([_renamed(place, names) for place in ordered])


def _digest(state: State) -> bytes:
    return hashlib.blake2b(marshal.dumps(state, 2), digest_size=16).digest()


def explore(case: Case, *, limit: int = 3_000_000, first: bool = True) -> Report:
    """Explore a case; a report of what is wrong, if anything is."""
    return Explorer(case).explore(limit=limit, first=first)


def main(arguments: Sequence[str]) -> int:
    """Explore the cases named, or the small ones, or `--all`; 1 if any is wrong or was not explored to its end."""
    from tests import interleaving_cases as full  # noqa: PLC0415  they are built of this module's cases
    from tests import interleaving_halves as half  # noqa: PLC0415

    small, large = full.SMALL | half.SMALL, full.LARGE | half.LARGE
    cases = small | large if "--all" in arguments or set(arguments) & large.keys() else small
    chosen = [name for name in cases if name in arguments or not set(arguments) - {"--all"}]
    failed = False
    for name in chosen:
        report = explore(cases[name](), limit=sys.maxsize)
        failed |= bool(report.wrong) or report.truncated
        size = f"{report.states:9,} states {report.steps:9,} steps {report.ends:3} ends {report.seconds:7.1f} s"
        print(f"{name:60} {size} {'WRONG' if report.wrong else 'ok'}", flush=True)  # noqa: T201
        for complaint, schedule in report.wrong.items():
            print("", complaint, *schedule, sep="\n    ")  # noqa: T201
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
