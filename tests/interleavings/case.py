"""What is explored, and what a case sees of the world at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sync.reconcile.holds import Limits

if TYPE_CHECKING:
    from sync.catalogue.snapshot import Stamp
    from sync.fleet.configuration import Configuration
    from sync.ports.decisions import Decisions
    from sync.ports.statuses import Statuses
    from sync.ports.work import Work
    from sync.steps.runtime import Runtime
    from tests.support.fleet import Fleet
    from tests.support.memory import MemoryCluster, MemoryVault

Message = tuple[str, str]
"""Kind and text of what starts a process."""

Line = Callable[["MemoryVault"], Sequence[Message]]


@dataclass(frozen=True, slots=True)
class World:
    """What a case sees of a state: the stores as they are, the lists, the vault.

    `runtime` works on them, for what the next minute's check would do.
    """

    runtime: Runtime
    clusters: Mapping[str, MemoryCluster]
    vault: MemoryVault

    @property
    def decisions(self) -> Decisions:
        """The catalogue, registrations and head."""
        return self.runtime.decisions

    @property
    def work(self) -> Work:
        """Marks and due times."""
        return self.runtime.work

    @property
    def statuses(self) -> Statuses:
        """What the clusters' lists were last seen to hold."""
        return self.runtime.statuses

    def files(self, cluster: str, name: str) -> dict[str, bytes]:
        """The files of an object on a cluster."""
        return self.clusters[cluster].state.files("azure-iot-operations", name)


@dataclass
class Case:
    """What is explored.

    Attributes:
        fleet: as everything stands at the start.
        script: lines of what owners do to the vault; each gives the messages that it raises, by kind and text.
        end: of the world once nothing is left to do: what is wrong with it, or None.
        always: likewise of one cluster's Secrets after every write to them.
        crashes: how many processes may die.
        workers: how many messages of events and queues are worked on at a time; any number if None.
        running: processes at work from the start: kind and message.
        written: of the decisions before and after every write to them: what is wrong with it.
        limits: how much may leave without approval.
        page: how many rows of the decisions are read in one step; all if 0.
        environments: settings of processes, by the text of the message that starts them; others have the fleet's. Where
            none are named, the settings in force are constant.
        wrap: what a deliberately wrong order does to the service; for tests of the explorer itself.
    """

    name: str
    fleet: Fleet
    script: Sequence[Line]
    end: Callable[[World], str | None]
    always: Callable[[Any], str | None] | None = None
    crashes: int = 0
    workers: int | None = None
    running: Sequence[Message] = ()
    written: Callable[[Decisions, Decisions], str | None] | None = None
    limits: Limits = field(default_factory=Limits)
    page: int = 0
    environments: Mapping[str, tuple[Configuration, Stamp]] = field(default_factory=dict)
    wrap: Callable[[Runtime], Runtime] = lambda runtime: runtime


@dataclass(frozen=True, slots=True)
class Report:
    """What an exploration found: its size, and the shortest schedule that it met for each wrong end."""

    states: int
    steps: int
    ends: int
    wrong: Mapping[str, tuple[str, ...]]
    truncated: bool
    seconds: float = 0.0
