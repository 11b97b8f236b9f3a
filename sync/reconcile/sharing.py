"""Two lists must not share one object: what is wanted of it would change with every push.

Two registrations may share an API server, each with lists of its own.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sync.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sync.desired.state import DesiredState
    from sync.fleet.clusters import Registration
    from sync.reconcile.observed import Observed


def refuse_shared(state: DesiredState, registration: Registration, place: str, observed: Observed) -> None:
    """Make sure that the place is this list's alone.

    Raises:
        Invalid: two lists name it, or the object says that it is another registered place.
    """
    names = Counter(f"{cluster}: {list_name}" for cluster, list_name in _named(state, registration.server, place))
    if names.total() > 1:
        raise Invalid(f"several lists name this object ({', '.join(sorted(names))}): give each list one of its own")
    other = observed.owners.place
    if other in {"", place} or registration.separate or not _is_registered(state, other):
        return
    raise Invalid(
        f"the object says that it is the registered place {other}: this is the same API server under another address; "
        f"remove one registration, or declare it another object (a restored backup, an image) with "
        f"`trustcast clusters add {registration.name} --confirm`"
    )


def sees_to(state: DesiredState, registration: Registration, place: str, last: str) -> bool:
    """Whether the cluster pushes a place that it does not name: no other does, and it is whose push was the last.

    Args:
        state: what decides.
        registration: a cluster of the place's API server.
        place: that no list of this cluster names.
        last: name of the cluster that pushed it last; of one that is gone, the first of the API server does.
    """
    if any(_named(state, registration.server, place)):
        return False
    names = [each.name for each in state.on_server(registration.server)]
    return registration.name == (last if last in names else min(names))


def _named(state: DesiredState, server: str, place: str) -> Iterator[tuple[str, str]]:
    """Cluster and list of every definition that names the place."""
    for registration in state.on_server(server):
        for definition in registration.definitions(state.configuration):
            if registration.place(definition) == place:
                yield registration.name, definition.name


def _is_registered(state: DesiredState, place: str) -> bool:
    server = place.rsplit("/", 2)[0]
    return any(
        registration.place(definition) == place
        for registration in state.on_server(server)
        for definition in registration.definitions(state.configuration)
    )
