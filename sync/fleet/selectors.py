"""Kubernetes label selectors: which clusters a secret goes to, and which a vault may reach.

The grammar is Kubernetes' own (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/):
`a=b`, `a==b`, `a!=b`, `a in (x,y)`, `a notin (x)`, `a`, `!a`; a comma means "and". Two rules are ours: `*` alone
means every cluster, and an empty text, which in Kubernetes also means everything, is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from sync.errors import Invalid
from sync.fleet.names import DNS_LABEL
from sync.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERY_CLUSTER = "*"
EXAMPLE = "site=plant-1,env in (prod,test)"
LONGEST_TEXT = 1024

_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(rf"{DNS_LABEL}(?:\.{DNS_LABEL})*")
_REQUIREMENT = re.compile(
    r"""\s*(?:
        !\s*(?P<absent>[^\s,()=!]+)
      | (?P<key>[^\s,()=!]+)
        (?: \s*(?P<sign>==|=|!=)\s*(?P<value>[^\s,()=!]*)
          | \s+(?P<word>in|notin)\s*\((?P<values>[^()]*)\) )?
    )\s*(?P<end>,|\Z)""",
    re.VERBOSE,
)


class Operator(StrEnum):
    """What a requirement asks of one label."""

    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label.

    Attributes:
        values: of IN and NOT_IN, sorted, at least one; empty otherwise.
    """

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet it; NOT_IN is also met where the label is absent, as in Kubernetes."""
        match self.operator:
            case Operator.IN:
                return self.key in labels and labels[self.key] in self.values
            case Operator.NOT_IN:
                return self.key not in labels or labels[self.key] not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.ABSENT:
                return self.key not in labels

    def __str__(self) -> str:
        match self.operator:
            case Operator.IN | Operator.NOT_IN if len(self.values) == 1:
                return f"{self.key}{'=' if self.operator is Operator.IN else '!='}{self.values[0]}"
            case Operator.IN | Operator.NOT_IN:
                return f"{self.key} {self.operator} ({','.join(self.values)})"
            case Operator.EXISTS:
                return self.key
            case Operator.ABSENT:
                return f"!{self.key}"


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements that must all hold; none at all is `*`, every cluster."""

    requirements: tuple[Requirement, ...]

    @classmethod
    def parse(cls, text: str) -> Selector:
        """The selector that the text describes.

        Raises:
            Invalid: the text is not a selector; the message says what is wrong and gives an example.
        """
        return _parse(text)

    @property
    def text(self) -> str:
        """Its canonical text, which `parse` reads back."""
        return ",".join(map(str, self.requirements)) or EVERY_CLUSTER

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a cluster with these labels is selected."""
        return all(requirement.matches(labels) for requirement in self.requirements)


def label_problem(key: str, value: str) -> str | None:
    """What is wrong with a label by Kubernetes' syntax rules, in words; None if nothing is."""
    prefix, slash, name = key.rpartition("/")
    if slash and not (len(prefix) <= 253 and _PREFIX.fullmatch(prefix)):  # noqa: PLR2004 - RFC 1123 subdomain
        return f"the label key '{printable(key)}' has a prefix that is not a DNS name"
    if not _NAME.fullmatch(name):
        return (
            f"the label key '{printable(key)}' must be 1 to 63 letters, digits, '-', '_' or '.', "
            "with a letter or digit at both ends"
        )
    if value and not _NAME.fullmatch(value):
        return (
            f"the label value '{printable(value)}' must be at most 63 letters, digits, '-', '_' or '.', "
            "with a letter or digit at both ends"
        )
    return None


@lru_cache(maxsize=4096)
def _parse(text: str) -> Selector:
    stripped = text.strip()
    if stripped == EVERY_CLUSTER:
        return Selector(())
    if not stripped:
        raise _invalid(text, f"it is empty; write {EVERY_CLUSTER} to select every cluster")
    if len(text) > LONGEST_TEXT:
        raise _invalid(text, f"it is longer than {LONGEST_TEXT} characters")
    return Selector(tuple(dict.fromkeys(_requirements(stripped))))


def _requirements(text: str) -> list[Requirement]:
    found: list[Requirement] = []
    position, more = 0, True
    while more:
        match = _REQUIREMENT.match(text, position)
        if match is None:
            raise _invalid(text, f"'{printable(text[position:].strip())}' is not a requirement on a label")
        found.append(_requirement(text, match))
        position, more = match.end(), match["end"] == ","
    return found


def _requirement(text: str, match: re.Match[str]) -> Requirement:
    if match["absent"]:
        return _checked(text, Requirement(match["absent"], Operator.ABSENT))
    if match["sign"]:
        operator = Operator.NOT_IN if match["sign"] == "!=" else Operator.IN
        return _checked(text, Requirement(match["key"], operator, (match["value"],)))
    if match["word"]:
        values = sorted({value.strip() for value in match["values"].split(",")})
        if "" in values:
            raise _invalid(text, f"a value between the parentheses after '{match['word']}' is missing")
        return _checked(text, Requirement(match["key"], Operator(match["word"]), tuple(values)))
    return _checked(text, Requirement(match["key"], Operator.EXISTS))


def _checked(text: str, requirement: Requirement) -> Requirement:
    for value in requirement.values or ("",):
        if problem := label_problem(requirement.key, value):
            raise _invalid(text, problem)
    return requirement


def _invalid(text: str, problem: str) -> Invalid:
    return Invalid(f"'{printable(text)}' is not a cluster selector: {problem} (example: {EXAMPLE})")
