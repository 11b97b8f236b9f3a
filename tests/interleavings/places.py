"""The places of processes: the real code run up to each, and what may follow from it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenlet import greenlet

from sync.adapters.storage.statuses import TableStatuses
from sync.adapters.storage.work import TableWork
from sync.catalogue.secret import SecretKey
from sync.commands.removals import approve
from sync.errors import Invalid
from sync.steps.admission import admit
from sync.steps.drift import check_drift
from sync.steps.runtime import Runtime
from sync.triggers import handle_event, handle_plan, handle_push
from tests.interleavings.cells import pack, unpack
from tests.interleavings.graph import renamed
from tests.interleavings.parts import (
    Refused,
    RemoteDecisions,
    RemoteQueues,
    RemoteTable,
    RemoteTargets,
    RemoteVault,
    touched,
)
from tests.support.fleet import HOST

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.interleavings.case import Case
    from tests.interleavings.cells import Cell
    from tests.interleavings.graph import Place

WIDTH = 64
"""Bits of what is read; as many of what is written stand above them."""


def _approve(runtime: Runtime, digest: str) -> None:
    """A person approves what was shown, unless it has changed since."""
    with suppress(Invalid):
        approve(runtime, digest)


Handler = Callable[[Runtime, str, int], object]
HANDLERS: dict[str, Handler] = {
    "event": lambda runtime, text, _: handle_event(runtime, text),
    "plan": handle_plan,
    "push": handle_push,
    "look": lambda runtime, text, _: admit(runtime, SecretKey(HOST, text)),
    "sweep": lambda runtime, _, __: check_drift(runtime),
    "approve": lambda runtime, text, _: _approve(runtime, text),
}


WORKED = frozenset({"event", "plan", "push"})
"""Kinds whose messages wait for a worker; the others are begun by a timer or a person."""


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


class Places:
    """All places that processes were seen at.

    Attributes:
        grown: more is known of what may follow from some place than when this was last set to False.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.nodes: list[Node] = []
        self.grown = False
        self._clusters = tuple(sorted(case.fleet.clusters))
        self._roots: dict[tuple[str, str, int], int] = {}
        self._bits: dict[str, int] = {}

    def root(self, kind: str, text: str, count: int) -> int:
        """The node of a message that nobody has begun with."""
        key = (kind, text, count if kind in {"plan", "push"} else 1)
        if key not in self._roots:
            self._roots[key] = len(self.nodes)
            self._add(Node(*key))
        return self._roots[key]

    # What processes do.

    def _add(self, node: Node) -> int:
        """Run the real code up to this place, to learn what it asks next."""
        number = len(self.nodes)
        self.nodes.append(node)
        self._run(node)
        self._foresee(number, node)
        return number

    def _run(self, node: Node) -> None:
        runner = greenlet(lambda: HANDLERS[node.kind](self._runtime(node.text), node.text, node.count))
        try:
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
        constant = not self.case.environments
        reads, writes = touched(node.part, node.method, arguments, self._clusters, constant=constant)
        node.reads, node.writes = self.mask(reads), self.mask(writes)

    # What may follow from a place: all that it and its messages were ever seen to touch.

    def _foresee(self, number: int, node: Node) -> None:
        if node.came is not None:
            node.before.append(node.came[0])
        if node.failed:
            self._follows(number, self.root(node.kind, node.text, node.count + 1))
        elif node.part == "queue":
            kind, text = unpack(node.asked)
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

    def may(self, place: Place, crashes: int) -> int:
        """What may follow from a process; where it may die, from its message's return too."""
        node = self.nodes[place[0]]
        if not crashes:
            return node.future
        return node.crashing | self.nodes[self._back(place[0])].crashing

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

    def _runtime(self, text: str) -> Runtime:
        def ask(part: str, method: str, arguments: tuple[Any, ...]) -> Any:
            answer = greenlet.getcurrent().parent.switch((part, method, arguments))
            if isinstance(answer, Refused):
                raise answer.error
            return answer

        decisions, work, status = (
            RemoteTable(name, ask, self.case.page if name == "decisions" else 0)
            for name in ("decisions", "work", "status")
        )
        configured, stamp = self.case.environments.get(text, (self.case.fleet.configured, self.case.fleet.stamp))
        vaults: Any = {HOST: RemoteVault(ask)}
        runtime = Runtime(
            RemoteDecisions(decisions),
            TableWork(work),
            TableStatuses(status),
            RemoteQueues(ask),
            vaults,
            RemoteTargets(ask),  # type: ignore[arg-type]
            configured,
            stamp=stamp,
            limits=self.case.limits,
            clock=self.case.fleet.clock,
            token=lambda: str(ask("token", "new", ())),
        )
        return self.case.wrap(runtime)

    def onward(self, number: int, known: tuple[int, ...], result: Cell) -> Place:
        names = {token: i for i, token in enumerate(known)}
        local = renamed(result, names)
        return self.after(number, local), tuple(names)

    def after(self, number: int, result: Cell) -> int:
        node = self.nodes[number]
        if result not in node.next:
            node.next[result] = self._add(Node(node.kind, node.text, node.count, (number, result)))
        return node.next[result]

    def mask(self, names: Sequence[str] | set[str]) -> int:
        return self.union(1 << self._bits.setdefault(name, len(self._bits)) for name in sorted(names))

    @staticmethod
    def union(masks: Iterable[int]) -> int:
        union = 0
        for mask in masks:
            union |= mask
        return union


def _shown(arguments: tuple[Any, ...]) -> str:
    return " ".join(a if isinstance(a, str) else getattr(a, "key", "") for a in arguments)[:80]
