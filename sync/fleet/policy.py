"""What a list tolerates and what it insists on, and the verdict that follows from findings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from sync.findings import TIME_ALONE, WAIVABLE, Code, Finding, Role, Severity
from sync.text import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


@dataclass(frozen=True, slots=True)
class Policy:
    """What a list tolerates and what it insists on.

    Attributes:
        accept: rejecting codes that a secret's tag `trustcast-accept` may waive on this list.
        reject: warnings that reject on this list.
    """

    accept: frozenset[Code] = frozenset()
    reject: frozenset[Code] = frozenset()


NO_POLICY = Policy()
"""Nothing can be waived, and warnings stay warnings."""


class PolicyInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy as JSON gives it."""

    accept: frozenset[Code] = frozenset()
    reject: frozenset[Code] = frozenset()

    def value(self) -> Policy:
        """The policy that it describes."""
        return Policy(self.accept, self.reject)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the findings amount to on one list.

    Attributes:
        passes: nothing rejects.
        findings: those that count there, rejecting ones first; waived ones as `accepted-risk`.
    """

    passes: bool
    findings: tuple[Finding, ...]

    @property
    def expired(self) -> bool:
        """Whether time alone rejects: what was found would have passed before."""
        rejecting = {finding.code for finding in self.findings if finding.severity is Severity.REJECT}
        return bool(rejecting) and rejecting <= TIME_ALONE


def verdict(findings: Iterable[Finding], role: Role, *, accept: Collection[Code], reject: Collection[Code]) -> Verdict:
    """What the findings amount to on a list of that role.

    Args:
        findings: about one version, for all roles.
        role: the list's.
        accept: codes that both the list's policy and the secret's tag waive; others than `WAIVABLE` stay.
        reject: warnings that the list's policy turns into rejections.
    """
    counted = [_judged(each, accept, reject) for each in findings if each.counts_on(role)]
    ordered = sorted(counted, key=lambda each: each.severity is not Severity.REJECT)
    return Verdict(not ordered or ordered[0].severity is not Severity.REJECT, tuple(ordered))


def _judged(finding: Finding, accept: Collection[Code], reject: Collection[Code]) -> Finding:
    if finding.code in WAIVABLE and finding.code in accept:
        return replace(finding, code=Code.ACCEPTED_RISK, detail=printable(f"{finding.code}: {finding.detail}"))
    return replace(finding, insisted=True) if finding.code in reject else finding
