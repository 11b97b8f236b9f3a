"""Law 7: old never overwrites new, in no interleaving and with no crash: the real steps, driven through all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from sync.adapters.storage.decisions import TableDecisions
from sync.catalogue.rows import IssuerRow
from sync.desired import reasons
from sync.desired.reasons import Leaves, RemovalReason, Stays
from sync.ports.stored import ANYTHING
from sync.reconcile import context
from sync.reconcile import draft as drafts
from sync.steps import admission, authorities, enqueue, planning, push
from tests.interleavings.cases import (
    LOOK,
    SMALL,
    SWEEP,
    a_name_contested,
    a_secret_each,
    letters,
    owned,
    read_in_pages,
    rebuilt,
    revoking,
    there_and_back,
)
from tests.interleavings.explore import explore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sync.catalogue.secret import SecretKey
    from sync.catalogue.snapshot import Head, Snapshot
    from sync.desired.state import DesiredState
    from sync.ports.decisions import Write
    from sync.ports.stored import Expect, Stored, Unchanged
    from sync.reconcile.observed import Observed
    from sync.reconcile.plan import Plan
    from sync.reconcile.status import ListStatus
    from sync.steps.admission import Decision
    from sync.steps.authorities import Proofs
    from sync.steps.push import OpenList
    from sync.steps.runtime import Runtime
    from tests.interleavings.case import Case


@pytest.mark.parametrize("name", SMALL)
def test_law7_holds_in_every_interleaving(name: str) -> None:
    report = explore(SMALL[name]())
    assert not report.wrong, "\n".join(("", *next(iter(report.wrong.items()))[1]))
    assert not report.truncated
    assert report.ends


# Wrong orders. Each is what the code would be with one step moved or dropped, and each must be found out.


class Around:
    """A port with some of its methods replaced."""

    def __init__(self, inner: Any, **methods: Callable[..., Any]) -> None:
        self._inner = inner
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


Wrong = Callable[[pytest.MonkeyPatch], "Callable[[Runtime], Runtime]"]


def vault_first(monkeypatch: pytest.MonkeyPatch) -> Callable[[Runtime], Runtime]:
    """The vault is looked at before the row is read; the row's ETag then guards nothing."""
    real = admission._catalogue

    def catalogue(runtime: Runtime, key: SecretKey, event_version: str | None, on_a_list: bool) -> Decision:
        vault = runtime.vaults[key.vault]
        seen = vault.versions(key.name)
        stale = Around(vault, versions=lambda _: seen)
        return real(replace(runtime, vaults={key.vault: stale}), key, event_version, on_a_list)

    monkeypatch.setattr(admission, "_catalogue", catalogue)
    return lambda runtime: runtime


def row_without_etag(_: pytest.MonkeyPatch) -> Callable[[Runtime], Runtime]:
    """The catalogue's row is written whatever it has become."""

    def wrap(runtime: Runtime) -> Runtime:
        inner = runtime.decisions

        def commit(writes: Sequence[Write], **heads: Any) -> None:
            inner.commit([replace(write, expect=ANYTHING) for write in writes], **heads)

        return replace(runtime, decisions=Around(inner, commit=commit))

    return wrap


def planned_first(monkeypatch: pytest.MonkeyPatch) -> Callable[[Runtime], Runtime]:
    """The head counts as planned before the pushes are asked for, and a redelivered plan believes it."""
    real = planning.plan_fleet

    def plan_fleet(runtime: Runtime, **_: bool) -> None:
        inner = runtime.work

        def planned() -> str:
            token = inner.planned()
            inner.set_planned(runtime.decisions.head().value.token)
            return token

        real(replace(runtime, work=Around(inner, planned=planned, set_planned=lambda _: None)))

    monkeypatch.setattr("sync.triggers.plan_fleet", plan_fleet)
    return lambda runtime: runtime


def plan_mark_cleared_last(monkeypatch: pytest.MonkeyPatch) -> Callable[[Runtime], Runtime]:
    """The plan's mark is cleared once the plan is done."""
    clear, plan = planning._clear_mark, planning.plan_fleet

    def plan_fleet(runtime: Runtime, **options: bool) -> None:
        plan(runtime, **options)
        clear(runtime)

    monkeypatch.setattr(planning, "_clear_mark", lambda _: None)
    monkeypatch.setattr("sync.triggers.plan_fleet", plan_fleet)
    return lambda runtime: runtime


def plan_mark_cleared_after_the_reading(monkeypatch: pytest.MonkeyPatch) -> Callable[[Runtime], Runtime]:
    """The plan's mark is cleared once all that decides is read."""
    clear, real = planning._clear_mark, planning.plan_fleet
    monkeypatch.setattr(planning, "_clear_mark", lambda _: None)

    def plan_fleet(runtime: Runtime, **options: bool) -> None:
        inner = runtime.decisions

        def snapshot() -> Snapshot:
            read = inner.snapshot()
            clear(runtime)
            return read

        real(replace(runtime, decisions=Around(inner, snapshot=snapshot)), **options)

    monkeypatch.setattr("sync.triggers.plan_fleet", plan_fleet)
    return lambda runtime: runtime


def push_mark_cleared_last(monkeypatch: pytest.MonkeyPatch) -> Callable[[Runtime], Runtime]:
    """The cluster's mark is cleared once the push is done, and the head is compared no more."""
    clear = push._clear_mark

    def end(runtime: Runtime, name: str) -> None:
        clear(runtime, name)

    real = push.push_cluster

    def push_cluster(runtime: Runtime, name: str, **options: bool) -> None:
        real(runtime, name, **options)
        end(runtime, name)

    monkeypatch.setattr(push, "_clear_mark", lambda *_: None)
    monkeypatch.setattr(push, "request_push", lambda *_, **__: None)
    monkeypatch.setattr("sync.triggers.push_cluster", push_cluster)
    return lambda runtime: runtime


def head_never_compared(monkeypatch: pytest.MonkeyPatch) -> Callable[[Runtime], Runtime]:
    """A push ends with its status and does not look whether the head moved."""
    monkeypatch.setattr(push, "request_push", lambda *_, **__: None)
    return lambda runtime: runtime


def head_compared_before_the_status(monkeypatch: pytest.MonkeyPatch) -> Callable[[Runtime], Runtime]:
    """The head is compared between the list's write and the status's."""
    ask = enqueue.request_push
    monkeypatch.setattr(push, "request_push", lambda *_, **__: None)

    def wrap(runtime: Runtime) -> Runtime:
        inner = runtime.statuses

        def put(status: ListStatus, expect: Expect) -> Unchanged:
            if runtime.decisions.head().value.token != status.head:
                ask(runtime, status.cluster, "the head moved")
            return inner.put(status, expect)

        return replace(runtime, statuses=Around(inner, put=put))

    return wrap


def redelivery_obeys_marks(monkeypatch: pytest.MonkeyPatch) -> Callable[[Runtime], Runtime]:
    """A redelivered message is satisfied with a mark, whose message may never have been sent."""

    def obedient(real: Callable[..., None], *arguments: Any, force: bool = False) -> None:  # noqa: ARG001
        real(*arguments)

    for module, name in ((admission, "request_plan"), (planning, "request_push"), (push, "request_push")):
        monkeypatch.setattr(module, name, partial(obedient, getattr(enqueue, name)))
    return lambda runtime: runtime


def nothing_new_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Runtime], Runtime]:
    """An admission that finds its row up to date returns, though the one before it may have died."""
    ask = enqueue.request_plan
    monkeypatch.setattr(admission, "request_plan", lambda *a, force=False: None if force else ask(*a, force=False))
    return lambda runtime: runtime


def row_and_head_apart(_: pytest.MonkeyPatch) -> Callable[[Runtime], Runtime]:
    """The head moves first, and the row is written after it, in a transaction of its own."""

    def wrap(runtime: Runtime) -> Runtime:
        inner = runtime.decisions

        def commit(writes: Sequence[Write], *, head: Head | None, on_head: Expect = ANYTHING) -> None:
            if head is not None:
                inner.commit([], head=head, on_head=on_head)
            inner.commit(writes, head=None)

        return replace(runtime, decisions=Around(inner, commit=commit))

    return wrap


def issuers_row_not_replaced(monkeypatch: pytest.MonkeyPatch) -> Callable[[Runtime], Runtime]:
    """A CA and its CRL that are admitted in one instant do not see each other, and nothing tells them."""
    real = authorities.proofs

    def proofs(*of: Any) -> Proofs:
        found = real(*of)
        return replace(found, writes=tuple(w for w in found.writes if not isinstance(w.row, IssuerRow)))

    monkeypatch.setattr(admission, "proofs", proofs)
    return lambda runtime: runtime


def head_not_read_again(monkeypatch: pytest.MonkeyPatch) -> Callable[[Runtime], Runtime]:
    """The rows of a snapshot are read after the head, and the head is not read once more after the last of them."""
    real = TableDecisions._gathered

    def gathered(decisions: TableDecisions, head: Stored[Head]) -> Snapshot:
        with monkeypatch.context() as patch:
            patch.setattr(decisions, "head", lambda: head)
            return real(decisions, head)

    monkeypatch.setattr(TableDecisions, "_gathered", gathered)
    return lambda runtime: runtime


def owners_in_a_request_of_their_own(monkeypatch: pytest.MonkeyPatch) -> Callable[[Runtime], Runtime]:
    """The files are written first, and whose they are after them."""
    real = push._carry_out

    def carry_out(open_list: OpenList, place: str, plan: Plan) -> Observed:
        seen = real(open_list, place, replace(plan, annotation=open_list.observed.annotation))
        last = replace(plan, create=False, remove_first=())
        return real(replace(open_list, observed=seen), place, last) if plan.files is not None else seen

    monkeypatch.setattr(push, "_carry_out", carry_out)
    return lambda runtime: runtime


def names_for_the_first(monkeypatch: pytest.MonkeyPatch) -> Callable[[Runtime], Runtime]:
    """A name is whose secret was admitted first, whoever holds it on the list."""
    monkeypatch.setattr(drafts, "choose_claim", lambda _, claims, *__: claims[0].file)
    return lambda runtime: runtime


WRONG: list[tuple[Wrong, Callable[[], Case]]] = [
    (vault_first, lambda: letters("AB", running=(LOOK,))),
    (row_without_etag, lambda: letters("ABC")),
    (planned_first, lambda: letters("AB", crashes=1)),
    (plan_mark_cleared_last, lambda: letters("ABC")),
    (plan_mark_cleared_after_the_reading, a_secret_each),
    (push_mark_cleared_last, lambda: letters("ABC")),
    (head_never_compared, there_and_back),
    (head_compared_before_the_status, there_and_back),
    (redelivery_obeys_marks, lambda: letters("AB", crashes=1)),
    (nothing_new_asks_for_nothing, lambda: letters("AB", crashes=1)),
    (row_and_head_apart, lambda: letters("ABC")),
    (row_without_etag, lambda: letters("AB", running=(SWEEP,), workers=1)),
    (issuers_row_not_replaced, lambda: replace(revoking("root", "revoked-crl"), workers=2)),
    (names_for_the_first, a_name_contested),
    (owners_in_a_request_of_their_own, lambda: replace(letters("AB"), always=owned)),
]


@pytest.mark.parametrize(("wrong", "case"), WRONG, ids=lambda each: getattr(each, "__name__", ""))
def test_law7_is_broken_by_another_order(
    wrong: Wrong, case: Callable[[], Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrap = wrong(monkeypatch)
    wrong_ends = explore(replace(case(), wrap=wrap)).wrong
    assert wrong_ends
    assert not any("fails" in complaint for complaint in wrong_ends)


def test_law7_a_snapshot_is_torn_where_the_head_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    head_not_read_again(monkeypatch)
    assert any("torn" in complaint for complaint in explore(read_in_pages()).wrong)


def test_law4_a_rebuild_would_take_files_if_absence_were_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    real = reasons.reason_of

    def gone(state: DesiredState, registration: Any, definition: Any, owner: SecretKey, *of: str) -> Leaves | Stays:
        if owner not in state.snapshot.entries:
            return Leaves(RemovalReason.DELETED, "")
        return real(state, registration, definition, owner, *of)

    monkeypatch.setattr(context, "reason_of", gone)
    assert "a valid file was off its list" in explore(rebuilt("plc7", forgetful=False)).wrong
