"""The way of a change in two halves, each explored with more beside than the whole way can bear.

    admissions  events, a sweep of the vault and single looks are admitted by the real steps; nobody takes the plans and
                pushes that they ask for. At the end the row says what the vault says, the head moved with exactly the
                writes that decide, and a plan is on its way that will read it all.
    plans       an admission is one step (the real one, on vault and decisions at one instant) with the real request
                after it; plans and pushes are real. At the end lists and statuses are what the vault says.

Why they compose: they share the head, `planned`, the plan's mark and the plan's queue, and nothing else. Looking,
judging and cataloguing touch vault and decisions alone, so what plans and pushes do cannot change what the first half
shows of them: whatever runs beside, they do what one admission at the instant of its transaction (or, where nothing
was new, of its look) would have done. That instant is the second half's one step. All of an admission that does touch
what is shared, from the reading of the head on, is real in the second half too, beside real plans.

What is cut from both: `adopt_configuration` (the configuration in force is the environment's: it reads and returns)
and the forgetting of losses (none is old). From the second also the two steps of a snapshot, which are one: rows newer
than the head that was read before them are met with in the whole way (`interleaving_cases`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sync import admission, drift, handlers
from sync.desired import Desires
from sync.secret import SecretKey
from tests.interleaving import Case
from tests.interleaving_cases import (
    LOOK,
    SWEEP,
    VERIFICATION,
    begun,
    enabled_again,
    letters,
    set_while_listed_disabled,
    upload,
    version,
)
from tests.service import CONFIGURATION, HOST, TRUST, registration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sync.ports import Decisions
    from sync.service import Service
    from tests.interleaving import Line, Message, World

KEY = SecretKey(HOST, "plc7")


def _nothing(_: Service) -> None:
    """Stands in for what only reads in these cases."""


CUTS = (
    (handlers, "adopt_configuration", _nothing),
    (drift, "adopt_configuration", _nothing),
    (drift, "_forget_old_losses", _nothing),
)


# Admissions.


def admissions(
    case: Case, files: Mapping[str, bytes], *, beside: tuple[Message, ...] = (), crashes: int = 0, twice: bool = False
) -> Case:
    """The first half of a case.

    Args:
        case: what happens to the vault.
        files: what the catalogue must want at the end.
        beside: at work from the start, with what the case has.
        crashes: how many processes may die, to be delivered again.
        twice: every message of the script is delivered twice.
    """
    return replace(
        case,
        script=[partial(_repeated, line) for line in case.script] if twice else case.script,
        end=partial(_admitted, files),
        crashes=crashes,
        running=(*case.running, *beside),
        halted=frozenset({"plan", "push"}),
        cuts=CUTS,
        written=_head_follows,
    )


def _repeated(line: Line, vault) -> list[Message]:
    return [message for message in line(vault) for _ in range(2)]


def _admitted(files: Mapping[str, bytes], world: World) -> str | None:
    snapshot = world.decisions.snapshot()
    entry = snapshot.entries.get(KEY)
    if {
        name: file.data for name, file in Desires(snapshot, CONFIGURATION).of(registration("x"), TRUST).files.items()
    } != files:
        return "the catalogue does not want what the vault says"
    versions = world.vault.versions("plc7").items
    if entry is None or (not entry.gone and entry.newest != versions[0]) or entry.gone != (not versions):
        return "the row is not what the vault says"
    if world.work.planned() != snapshot.head.token and "plan" not in world.waiting:
        return "the head is not planned and no plan is on its way"
    return None


def _head_follows(before: Decisions, after: Decisions) -> str | None:
    """The head moves with exactly the writes that decide."""
    old, new = before.snapshot(), after.snapshot()
    decides = not new.entries[KEY].decides_like(old.entries.get(KEY))
    return None if decides == (old.head.token != new.head.token) else "the head moved for nothing, or stayed"


def deleted() -> Case:
    """The owner sets a version, deletes the secret, and a sweep that lists the vault now looks at it."""

    def delete(vault) -> list[Message]:
        vault.delete("plc7")
        return [("look", "plc7")]

    return Case("deleted", begun(), [upload("B"), delete], lambda _: None)


def _files(letter: str) -> dict[str, bytes]:
    return {"plc7.der": version(letter).der}


CHANGES: dict[str, tuple[Callable[[], Case], Callable[[], dict[str, bytes]], tuple[Message, ...]]] = {
    **{name: (partial(letters, name), partial(_files, name[-1]), (SWEEP,)) for name in ("AB", "ABA", "ABC")},
    "v2 set while v1 is listed disabled": (set_while_listed_disabled, partial(_files, "B"), ()),
    "enabled again": (enabled_again, partial(_files, "A"), ()),
    "deleted beside an event": (deleted, dict, (SWEEP,)),
}
"""What happens to the vault, what must be wanted then, and what is at work beside: always a sweep."""


def _of_change(name: str, *, crashes: int = 0, twice: bool = False) -> Case:
    case, files, beside = CHANGES[name]
    return admissions(case(), files(), beside=beside, crashes=crashes, twice=twice)


# Plans.


def _at_once(service: Service, key: SecretKey, event_version: str | None) -> tuple[None, bool]:
    """`admission._catalogue` in one step."""
    return None, service.vaults[key.vault].ask("admission", "catalogue", (key.vault, key.name, event_version))


def plans(
    name: str, *, clusters: str = "x", crashes: int = 0, mortal: str = "", running: tuple[Message, ...] = ()
) -> Case:
    """The second half: versions of one secret, each admitted in one step."""
    case = letters(name, clusters=clusters, crashes=crashes, mortal=mortal, running=running)
    return replace(case, cuts=(*CUTS, (admission, "_catalogue", _at_once)), whole=True)


BOTH = ("ABA", "ABC")
EXTRAS = {"no crash": {}, "one crash": {"crashes": 1}, "two workers": {"twice": True}}

ADMISSIONS: dict[str, Callable[[], Case]] = {
    f"admissions: {name}, a sweep beside, {extra}": partial(_of_change, name, **options)
    for name in CHANGES
    for extra, options in EXTRAS.items()
}
PLANS: dict[str, Callable[[], Case]] = {
    **{f"plans: {name}": partial(plans, name) for name in BOTH},
    **{
        f"plans: {name}, one crash of {kind}": partial(plans, name, crashes=1, mortal=kind)
        for name in BOTH
        for kind in ("event", "plan", "push")
    },
    **{f"plans: {name}, a verification in flight": partial(plans, name, running=(VERIFICATION,)) for name in BOTH},
    **{f"plans: {name}, a look of the sweep beside": partial(plans, name, running=(LOOK,)) for name in BOTH},
    **{f"plans: {name}, two clusters": partial(plans, name, clusters="xy") for name in BOTH},
}

SMALL: dict[str, Callable[[], Case]] = {
    name: ADMISSIONS[name]
    for name in ("admissions: AB, a sweep beside, no crash", "admissions: AB, a sweep beside, two workers")
}
LARGE: dict[str, Callable[[], Case]] = {name: case for name, case in (ADMISSIONS | PLANS).items() if name not in SMALL}
