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
reached, by an equivalent schedule. What a process can still touch is learnt under way; a state that was left by one
step too early by what is known later is left by the others then. A run that comes back to where it was has no end, and
is reported. The clock stands still.

Where any number of processes at once is too much, a case bounds how many messages are worked on at a time.
"""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from sync.adapters.storage.decisions import TableDecisions
from sync.adapters.storage.statuses import TableStatuses
from sync.adapters.storage.work import TableWork
from sync.errors import TrustcastError
from sync.steps.runtime import Runtime
from tests.interleavings.case import Report, World
from tests.interleavings.cells import pack, unpack
from tests.interleavings.graph import Graph, canonical, largest, renamed
from tests.interleavings.parts import (
    ClusterPart,
    TablePart,
    TokenPart,
    VaultPart,
)
from tests.interleavings.places import WIDTH, WORKED, Places
from tests.support.certs import NOW
from tests.support.fleet import HOST, Targets
from tests.support.memory import MemoryCluster, MemoryQueues, MemoryVault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.interleavings.case import Case, Message
    from tests.interleavings.cells import Cell
    from tests.interleavings.graph import Place, State
    from tests.interleavings.places import Node

MOST_DELIVERIES = 5

APART = timedelta(seconds=10)
"""Between two lines of the script, by the clock of the vault (whole seconds). All else happens after the last."""


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
            **{f"cluster {name}": ClusterPart() for name in self.clusters},
        }
        self.index = {name: i for i, name in enumerate(self.parts)}
        self.broken: str | None = None
        self.places = Places(case)
        self.steps: dict[Any, tuple[Cell, Cell]] = {}
        self.verdicts: dict[Any, str | None] = {}
        self.lines = [[self.places.root(kind, text, 1) for kind, text in messages] for messages in self.raised]

    # The start.

    def start(self) -> State:
        """The state that the case begins with."""
        fleet = self.case.fleet
        tables = {
            "decisions": fleet.decisions.table,
            "work": fleet.work.table,
            "status": fleet.statuses.table,
        }
        values: dict[str, Any] = {"vault": 0, "token": 0}
        for name, table in tables.items():
            rows = ((p, key, stored) for p, rows in table.partitions.items() for key, stored in rows.items())
            values[name] = tuple(sorted(rows, key=lambda row: row[:2]))
        for name in self.clusters:
            values[f"cluster {name}"] = tuple(s for _, s in sorted(fleet.clusters[name].state._secrets.items()))
        processes = tuple((self.places.root(kind, text, 1), ()) for kind, text in self.case.running)
        return canonical((self.case.crashes, tuple(pack(values[name]) for name in self.parts), processes))

    # One step.

    def step(self, state: State, at: int) -> State:
        """The state after a process's next step."""
        crashes, parts, processes = state
        number, known = processes[at]
        node = self.places.nodes[number]
        others = processes[:at] + processes[at + 1 :]
        if node.done:
            return self._ended(state, node, others)
        if node.part == "queue":
            kind, text = unpack(node.asked)
            after: Place = (self.places.after(number, (NOTHING[0], ())), known)
            return canonical((crashes, parts, (*others, after, (self.places.root(kind, text, 1), ()))))
        where = self.index[node.part]
        new, result = self._ask(node, parts[where], known, largest(state) + 1)
        place = self.places.onward(number, known, result)
        return canonical((crashes, (*parts[:where], new, *parts[where + 1 :]), (*others, place)))

    def _ended(self, state: State, node: Node, others: tuple[Place, ...]) -> State:
        """The message is deleted; or it comes back, where the handler raised."""
        back = ((self.places.root(node.kind, node.text, node.count + 1), ()),) if node.failed else ()
        return canonical((state[0], state[1], (*others, *back)))

    def crash(self, state: State, at: int) -> State:
        """The state after a process died; its message comes back."""
        crashes, parts, processes = state
        node = self.places.nodes[processes[at][0]]
        back = (self.places.root(node.kind, node.text, node.count + 1), ())
        return canonical((crashes - 1, parts, (*processes[:at], back, *processes[at + 1 :])))

    def owner(self, state: State) -> State:
        """The state after the next line of the owner's script."""
        crashes, parts, processes = state
        where = self.index["vault"]
        line = unpack(parts[where])
        raised = tuple((root, ()) for root in self.lines[line])
        return canonical((crashes, (*parts[:where], pack(line + 1), *parts[where + 1 :]), (*processes, *raised)))

    def _ask(self, node: Node, part: Cell, known: tuple[int, ...], fresh: int) -> tuple[Cell, Cell]:
        """A part's new state and its result; remembered up to the names of tokens."""
        asked = node.asked[0], tuple(known[token] for token in node.asked[1])
        names: dict[int, int] = {}
        before_cell, asked_cell = renamed(part, names), renamed(asked, names)
        key = (node.part, node.method, before_cell, asked_cell)
        if key not in self.steps:
            before, arguments = unpack(before_cell), unpack(asked_cell)
            state, result = self.parts[node.part].run(before, len(names), node.method, arguments)
            if self.case.written and node.method == "transact":
                tables = (TableDecisions(self.parts[node.part].table(rows)) for rows in (unpack(before_cell), state))
                self.broken = self.broken or self.case.written(*tables)
            self.steps[key] = pack(state), pack(result)
        back = {local: token for token, local in names.items()}
        state, result = (
            (template, tuple(back[t] if t in back else fresh + t - len(names) for t in tokens))
            for template, tokens in self.steps[key]
        )
        return state, result

    # All steps.

    def _moves(self, state: State, alone: int | None) -> Iterator[tuple[str, Callable[[], State]]]:
        """What can happen next; or as little of it as reaches every end, where one may go on alone."""
        processes = state[2]
        busy = self._busy(state)
        for at in range(len(processes)) if alone is None else [alone] * (alone >= 0):
            node = self.places.nodes[processes[at][0]]
            twin = at and alone is None and processes[at] == processes[at - 1]
            if twin or (busy and self._waits(node)):
                continue
            label = node.label or f"{node.kind}: {'raises ' + repr(node.failed) if node.failed else 'ends'}"
            yield label, partial(self.step, state, at)
            if state[0]:
                yield f"CRASH before {label}", partial(self.crash, state, at)
        if alone in {None, -1} and self._lines_left(state):
            yield f"owner: line {unpack(state[1][0]) + 1}", lambda: self.owner(state)

    def _busy(self, state: State) -> bool:
        """Whether every worker has a message."""
        if self.case.workers is None:
            return False
        nodes = [self.places.nodes[number] for number, _ in state[2]]
        return sum(node.kind in WORKED and node.came is not None for node in nodes) >= self.case.workers

    def _waits(self, node: Node) -> bool:
        """Whether this is a message that a worker must take up first."""
        return self.case.workers is not None and node.kind in WORKED and node.came is None

    def _lines_left(self, state: State) -> bool:
        return bool(unpack(state[1][0]) < len(self.raised))

    def _alone(self, state: State) -> int | None:
        """A process (or the owner, -1) whose next step commutes with all that the others can do."""
        crashes, _, processes = state
        may = [self.places.may(place, crashes) for place in processes]
        lines = self.lines[unpack(state[1][0]) :]
        owner = 0
        for root in (root for line in lines for root in line):
            owner |= self.places.may((root, ()), crashes)
        vault = self.places.mask(["vault"])
        if lines:
            owner |= vault << WIDTH
        after = [*accumulate(reversed(may), int.__or__, initial=owner)][::-1]
        if lines and not self.places.union(may) & (vault | vault << WIDTH):
            return -1
        before = 0
        for at, (number, _) in enumerate(processes):
            node, others = self.places.nodes[number], before | after[at + 1]
            if self._waits(node):  # taking it up keeps another from being taken up
                before |= may[at]
                continue
            if not (node.writes & (others | others >> WIDTH)) and not node.reads & others >> WIDTH:
                return at
            before |= may[at]
        return None

    # The search.

    def explore(self, *, limit: int, first: bool) -> Report:
        """Every schedule. A state that was left by one step alone is left by the others too once more is known."""
        begun, graph = time.monotonic(), Graph()
        start = self.start()
        todo = [(graph.found(start), start)]
        while todo and not graph.over(limit, first=first):
            number, state = todo.pop()
            alone = self._alone(state)
            if alone is not None:
                graph.left_by_one.append((number, state, alone))
            for label, take in self._moves(state, alone):
                new = take()
                if (at := graph.reached(number, label, new)) is not None:
                    todo.append((at, new))
                    graph.judged(at, self.broken or self._complaint(new), at_end=self._at_end(new))
            if not todo:
                todo = self._left_too_early(graph)
        if not graph.over(limit, first=first):
            graph.judge_endless()
        return Report(
            len(graph.came), graph.steps, graph.ends, graph.wrong, len(graph.came) > limit, time.monotonic() - begun
        )

    def _left_too_early(self, graph: Graph) -> list[tuple[int, State]]:
        """States whose one step is known by now not to commute with all that others can do, or to be another."""
        if not self.places.grown:
            return []
        self.places.grown = False
        left, graph.left_by_one = graph.left_by_one, []
        again = []
        for number, state, alone in left:
            if self._alone(state) == alone:
                graph.left_by_one.append((number, state, alone))
            else:
                again.append((number, state))
        return again

    def _at_end(self, state: State) -> bool:
        return not state[2] and not self._lines_left(state)

    def _complaint(self, state: State) -> str | None:
        for number, _ in state[2]:
            node = self.places.nodes[number]
            if node.failed and (not isinstance(node.failed, TrustcastError) or node.count >= MOST_DELIVERIES):
                return f"{node.kind} fails: {node.failed!r}"
        if self.case.always is not None:
            for name in self.clusters:
                cell = state[1][self.index[f"cluster {name}"]]
                if complaint := self._verdict(("always", cell[0]), partial(self._always, cell)):
                    return complaint
        return (
            self._verdict(("end", state[1], state[2]), lambda: self.case.end(self.world(state)))
            if self._at_end(state)
            else None
        )

    def _verdict(self, key: Any, update_entry: Callable[[], str | None]) -> str | None:
        if key not in self.verdicts:
            self.verdicts[key] = update_entry()
        return self.verdicts[key]

    def _always(self, cell: Cell) -> str | None:
        assert self.case.always is not None
        return self.case.always(ClusterPart().cluster(unpack(cell)))

    def world(self, state: State) -> World:
        """The state for a case's eyes."""
        value = {name: unpack(state[1][i]) for name, i in self.index.items()}
        tables = {name: self.parts[name].table(value[name]) for name in ("decisions", "work", "status")}
        vault = self.stages[value["vault"]]
        clusters = {name: MemoryCluster(ClusterPart().cluster(value[f"cluster {name}"])) for name in self.clusters}
        runtime = Runtime(
            TableDecisions(tables["decisions"]),
            TableWork(tables["work"]),
            TableStatuses(tables["status"]),
            MemoryQueues(clock=self.case.fleet.clock),
            {HOST: vault},
            Targets(clusters),
            self.case.fleet.configured,
            limits=self.case.limits,
            clock=self.case.fleet.clock,
        )
        return World(
            runtime,
            clusters,
            vault,
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


def explore(case: Case, *, limit: int = 3_000_000, first: bool = True) -> Report:
    """Explore a case; a report of what is wrong, if anything is."""
    return Explorer(case).explore(limit=limit, first=first)
