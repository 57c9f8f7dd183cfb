"""Rules on calls: which ones a rule is about, what it says of them, and how often they may be made.

    policy:
      rules:
        - {name: small, operations: ["shop.refunds.*"], then: allow, arguments: {amount: {maximum: 100}}, calls: 5}
        - {operations: ["shop.refunds.*"], then: approve}
        - {principals: ["ci-*"], effects: [write, destructive], then: deny}

A rule names calls by operation, effect and principal, and then says of their arguments what fits. A call whose
arguments do not fit is not meant by a rule that denies or approves; by one that allows it is refused, unless another
rule that allows or approves fits it. A rule without `then` allows nothing by itself: it only bounds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from isthmus.model import Call, Effect, Operation, Principal

Fits = Callable[[Any], str]
"""What is wrong with one argument, in a few words for the model; empty where nothing is."""


class Verdict(StrEnum):
    """What a rule says of the calls that fit it."""

    ALLOW = "allow"
    APPROVE = "approve"
    DENY = "deny"
    BOUND = "bound"  # nothing: it only bounds what others allow


class Label(StrEnum):
    """What an operation is in the flow of data."""

    UNTRUSTED = "untrusted"  # anybody may have written what it answers
    PRIVATE = "private"  # what it answers is not for everybody
    SINK = "sink"  # what it is given goes where others read it


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `name` is how refusals call it; globs of `operations` are of whole ids, or of upstreams' own names.

    `arguments` are by their names in Python, or the upstream's own; each one named must be given, and fit. `calls` is
    how many calls that fit may be made in one execution.
    """

    name: str
    verdict: Verdict = Verdict.BOUND
    operations: tuple[str, ...] = ("*",)
    effects: frozenset[Effect] = frozenset(Effect)
    principals: tuple[str, ...] = ("*",)
    arguments: Mapping[str, Fits] = field(default_factory=dict)
    calls: int | None = None
    reason: str = ""

    def names(self, operation: Operation, principal: Principal) -> bool:
        """Whether the rule is about calls of that operation by that principal, whatever their arguments."""
        return (
            operation.effect in self.effects
            and _matching(self.principals, (principal.name,)) is not None
            and matching(self.operations, operation) is not None
        )

    def misfits(self, call: Call) -> str:
        """Why the arguments of a call that it names do not fit; empty where they do."""
        if not self.arguments:
            return ""
        wires = {parameter.wire: parameter.name for parameter in call.operation.parameters}
        for name, fits in self.arguments.items():
            known = name if name in call.arguments else wires.get(name, name)
            if known not in call.arguments:
                return f"{name} has to be given"
            if problem := fits(call.arguments[known]):
                return f"{name}: {problem}"
        return ""


@dataclass(slots=True)
class Tally:
    """What one execution has done so far, as far as rules look at it.

    `labels` are those of what it has read, and of what the session's variables were made of when it began.
    """

    used: Counter[str] = field(default_factory=Counter)  # calls by the name of the rule that bounds them
    labels: set[Label] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Flow:
    """Which operations bring in, or give out, data of a kind: globs as in rules."""

    untrusted: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    sink: tuple[str, ...] = ()

    def labels(self, operation: Operation) -> frozenset[Label]:
        """The labels of an operation."""
        return frozenset(label for label, globs in self._said if matching(globs, operation) is not None)

    @property
    def _said(self) -> tuple[tuple[Label, tuple[str, ...]], ...]:
        said = ((Label.UNTRUSTED, self.untrusted), (Label.PRIVATE, self.private), (Label.SINK, self.sink))
        return tuple(each for each in said if each[1])


def matching(globs: tuple[str, ...], operation: Operation) -> str | None:
    """The first of the globs that matches the operation, by its id or by the upstream's own name for it."""
    return _matching(globs, (operation.id, f"{operation.upstream}.{operation.original}")) if globs else None


@lru_cache(maxsize=10_000)  # every call asks the same of every rule, several times
def _matching(globs: tuple[str, ...], names: tuple[str, ...]) -> str | None:
    return next((glob for glob in globs if any(fnmatchcase(name, glob) for name in names)), None)


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules say of a call: `verdict` is BOUND where they leave it to its effect. `why` names the rule."""

    verdict: Verdict
    rule: Rule | None = None
    why: str = ""
    spent: bool = False  # denied only because its budget is used up


_LEFT = Judged(Verdict.BOUND)


def judge(named: Sequence[Rule], call: Call, tally: Tally) -> Judged:
    """The word on a call of the rules that name it: deny before approve before allow."""
    if not named:
        return _LEFT
    misfits = {rule.name: rule.misfits(call) if rule.arguments else "" for rule in named}
    fitting = [rule for rule in named if not misfits[rule.name]]
    if (denied := _first(fitting, Verdict.DENY)) is not None:
        return Judged(Verdict.DENY, denied, denied.reason)
    for rule in named:
        if rule.verdict is Verdict.BOUND and misfits[rule.name]:
            return Judged(Verdict.DENY, rule, misfits[rule.name])
    said = _first(fitting, Verdict.APPROVE) or _first(fitting, Verdict.ALLOW)
    if said is None:
        for rule in named:  # what is allowed with some arguments is refused with others
            if rule.verdict is Verdict.ALLOW and rule.arguments:
                return Judged(Verdict.DENY, rule, misfits[rule.name])
    for rule in fitting:
        if rule.calls is not None and tally.used[rule.name] >= rule.calls:
            return Judged(Verdict.DENY, rule, f"its {rule.calls} calls for one execution are used up", spent=True)
    return _LEFT if said is None else Judged(said.verdict, said, said.reason)


def spend(named: Sequence[Rule], call: Call, tally: Tally) -> None:
    """Count a call that is about to be made, for the rules that name it and bound it."""
    for rule in named:
        if rule.calls is not None and not rule.misfits(call):
            tally.used[rule.name] += 1


def _first(rules: Iterable[Rule], verdict: Verdict) -> Rule | None:
    for rule in rules:
        if rule.verdict is verdict:
            return rule
    return None
