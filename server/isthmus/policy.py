"""What programs may do: pure rules over operations, decided for each call.

Deny wins. What is not allowed is refused, and every refusal says who can change that, and where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from isthmus.model import Call, Effect, Operation, Principal
from isthmus.rules import Flow, Judged, Label, Rule, Tally, Verdict, judge, matching, spend


@dataclass(frozen=True, slots=True)
class Allow:
    """The call may be made."""


@dataclass(frozen=True, slots=True)
class Deny:
    """The call is refused. `remedy` is written for the model, which will tell its user.

    `by_effect`: the operator has not named it; only, nothing of its effect is allowed. A dry run goes on from there.
    """

    reason: str
    remedy: str
    by_effect: bool = False

    @property
    def advice(self) -> str:
        """The remedy, and what can be done without the user."""
        return self.remedy + (
            "; a program that begins with simulate() lists what it would do" if self.by_effect else ""
        )


@dataclass(frozen=True, slots=True)
class Ask:
    """The call may be made once a person has agreed to it. `keeps`: the person's word may count for later calls."""

    question: str
    keeps: bool = True


Decision = Allow | Deny | Ask

_MOST_KNOWN = 1_000
"""Operations and principals of which it is remembered what is said."""


@dataclass(frozen=True, slots=True)
class UpstreamRules:
    """What the operator said of one upstream. Globs are relative to it: `issues.*`.

    `believes`: what it claims of its operations, that they only read, counts.
    """

    allow: frozenset[Effect] | None = None  # None: what the policy allows everywhere
    only: tuple[str, ...] | None = None  # None: every operation
    effects: Mapping[str, Effect] = field(default_factory=dict)
    believes: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """What a policy says of all calls of one operation by one principal, whatever their arguments.

    `outright` is the refusal that nothing can take back, `rules` are those that name them, `by_effect` counts where no
    rule decides, `standing` is what is said of them all. `asks`: a person could have to be asked.
    """

    operation: Operation
    outright: Deny | None
    rules: tuple[Rule, ...]
    labels: frozenset[Label]
    by_effect: Decision
    standing: Decision
    asks: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's rules.

    `deny`, `allow_operations` and `approve_operations` hold globs of whole operation ids: `github.repos.delete`. What
    is allowed by name is allowed whatever its effect, if it is neither denied nor left out; where it needs approval, it
    still does. `rules` are looked at after what is denied outright, and before effects. `simulate`: what changes the
    world is not sent, but answered by an example.
    """

    allow: frozenset[Effect] = frozenset({Effect.READ})
    approve: frozenset[Effect] = frozenset()
    deny: tuple[str, ...] = ()
    upstreams: Mapping[str, UpstreamRules] = field(default_factory=dict)
    allow_operations: tuple[str, ...] = ()
    approve_operations: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    flow: Flow = field(default_factory=Flow)
    simulate: bool = False
    _known: dict[tuple[str, str], About] = field(default_factory=dict, init=False, compare=False, repr=False)

    def classify(self, operation: Operation) -> Operation:
        """The operation with the effect that counts here: the operator's word, and the upstream's if he believes it.

        Of his globs, the first that fits counts.
        """
        rules = self._rules(operation)
        for glob, said in rules.effects.items():
            if _fits(glob, operation):
                return operation.having(effect=said, claim=None)
        if rules.believes and operation.claim is not None:
            return operation.having(effect=operation.claim, claim=None)
        return operation

    def visible(self, operation: Operation) -> bool:
        """Whether programs and searches may know of the operation at all."""
        return matching(self.deny, operation) is None and self._selected(operation)

    def decide(self, call: Call, tally: Tally | None = None) -> Decision:
        """The verdict on one call, after what its execution has done so far."""
        tally, about = tally or Tally(), self._about(call.operation, call.principal)
        if about.outright is not None:
            return about.outright
        decision = self._by_rules(about, judge(about.rules, call, tally))
        if isinstance(decision, Deny) or not _leaks(about, tally):
            return decision
        return Ask(
            f"{call.operation.id} gives data out (label 'sink'), and this execution has read what is private "
            "and what anybody may have written",
            keeps=False,
        )

    def standing(self, operation: Operation, principal: Principal | None = None) -> Decision:
        """The verdict on an operation, whatever its arguments, for a principal, or for whom no rule names."""
        return self._about(operation, principal or Principal()).standing

    def may_ask(self, call: Call) -> bool:
        """Whether a person could have to be asked about such a call, whatever its arguments: cheap, and for certain."""
        return self._about(call.operation, call.principal).asks

    def _about(self, operation: Operation, principal: Principal) -> About:
        """Every call asks the same several times: what is known of an operation stays while it is the same."""
        key = (operation.id, principal.name)
        about = self._known.get(key)
        if about is None or about.operation is not operation:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            about = self._known[key] = self._looked_up(operation, principal)
        return about

    def _looked_up(self, operation: Operation, principal: Principal) -> About:
        named = tuple(each for each in self.rules if each.names(operation, principal))
        labels = self.flow.labels(operation)
        asks = (
            operation.effect in self.approve
            or matching(self.approve_operations, operation) is not None
            or any(rule.verdict is Verdict.APPROVE for rule in named)
            or Label.SINK in labels
        )
        outright, by_effect = self._outright(operation), self._by_effect(operation)
        standing = outright or self._standing(operation, named) or by_effect
        return About(operation, outright, named, labels, by_effect, standing, asks)

    def _standing(self, operation: Operation, named: tuple[Rule, ...]) -> Decision | None:
        """What rules say of an operation, whatever its arguments; None where they leave it to its effect."""
        for verdict in (Verdict.DENY, Verdict.APPROVE, Verdict.ALLOW):
            if rule := next((each for each in named if each.verdict is verdict and not each.arguments), None):
                return self._said(operation, Judged(verdict, rule, rule.reason))
        return Allow() if any(map(_permits, named)) else None  # with some arguments

    @property
    def asks(self) -> bool:
        """Whether there is anything about which a person is asked."""
        named = any(rule.verdict is Verdict.APPROVE for rule in self.rules)
        return bool(self.approve or self.approve_operations or self.flow.sink) or named

    def counts_again(self, operation: Operation, principal: Principal, tally: Tally) -> None:
        """A call was made before its execution was resumed; its arguments are not known, so every budget counts it."""
        for rule in self.rules:
            if rule.calls is not None and rule.names(operation, principal):
                tally.used[rule.name] += 1

    def counts(self, call: Call, tally: Tally) -> None:
        """A call is about to be made: what it uses up of budgets is noted."""
        spend(self._about(call.operation, call.principal).rules, call, tally)

    def learned(self, call: Call, tally: Tally) -> None:
        """A call was answered: what the program knows from now on is noted."""
        tally.labels |= self._about(call.operation, call.principal).labels

    def explain(
        self, operation: Operation, principal: Principal, arguments: Mapping[str, Any] | None = None
    ) -> list[str]:
        """How a verdict comes about, in the order in which it does, a line each; without arguments, of all calls."""
        lines = [f"effect: {operation.effect}{_doubted(operation)}"]
        if labels := self.flow.labels(operation):
            lines.append(f"labels: {', '.join(sorted(labels))}")
        if (refused := self._outright(operation)) is not None:
            return [*lines, f"refused outright: {refused.reason}"]
        named = self._about(operation, principal).rules
        lines += [_told(rule, None if arguments is None else Call(operation, arguments, principal)) for rule in named]
        if not named:
            lines.append("no rule of policy.rules names it")
        if self._left_to_effect(operation, principal, arguments):
            lines.append(self._effect_told(operation))
        if Label.SINK in labels:
            lines.append("policy.flow: asked, too, once its session has read what is untrusted and what is private")
        return lines

    def _left_to_effect(self, operation: Operation, principal: Principal, arguments: Mapping[str, Any] | None) -> bool:
        """Whether rules leave some such call to its effect."""
        named = self._about(operation, principal).rules
        if arguments is not None:
            return judge(named, Call(operation, arguments, principal), Tally()).verdict is Verdict.BOUND
        return all(rule.arguments or rule.verdict is Verdict.BOUND for rule in named)

    def _effect_told(self, operation: Operation) -> str:
        """What decides where no rule does."""
        if glob := matching(self.approve_operations, operation):
            return f"policy.approve names it, by {glob!r}: asked"
        if operation.effect in self.approve:
            return f"policy.approve has {operation.effect.value!r}: asked"
        allowed = self._allowed(operation)
        if operation.effect not in allowed and (glob := matching(self.allow_operations, operation)):
            return f"policy.allow names it, by {glob!r}: allowed"
        only = "" if operation.effect in allowed else "only "
        return f"its effect decides: {only}{_listed(allowed)} is allowed for {operation.upstream}"

    def _by_rules(self, about: About, judged: Judged) -> Decision:
        return about.by_effect if judged.verdict is Verdict.BOUND else self._said(about.operation, judged)

    def _said(self, operation: Operation, judged: Judged) -> Decision:
        """The word of one rule."""
        name = judged.rule.name if judged.rule else ""
        why = f": {judged.why}" if judged.why else ""
        match judged.verdict:
            case Verdict.ALLOW:
                return Allow()
            case Verdict.APPROVE:
                return Ask(f"{operation.id} ({operation.effect}) needs the user's approval by the rule {name!r}{why}")
        remedy = "only the user can change it: policy.rules in isthmus.yaml"
        if judged.spent:
            remedy = f"do more with each call, or go on in another execution; {remedy}"
        elif judged.rule and judged.rule.arguments:
            remedy = f"stay within the rule; {remedy}"
        return Deny(f"{operation.id} is refused by the rule {name!r}{why}", remedy)

    def _outright(self, operation: Operation) -> Deny | None:
        """The refusal that neither rules nor effects can take back."""
        if glob := matching(self.deny, operation):
            return Deny(
                f"{operation.id} is denied by the rule {glob!r}", _ask_user(f"remove {glob!r} from policy.deny")
            )
        if not self._selected(operation):
            return Deny(
                f"{operation.id} is not among the operations that are open here",
                _ask_user(f"add {_local(operation)!r} to upstreams.{operation.upstream}.only"),
            )
        if operation.held:
            return Deny(
                f"{operation.id} is held back: it {operation.held}",
                f"only the user can change this: `isthmus check` tells what changed, and "
                f"`isthmus lock --accept {operation.id}` accepts it; other operations go on",
            )
        return None

    def _by_effect(self, operation: Operation) -> Decision:
        if operation.effect in self.approve or matching(self.approve_operations, operation):
            return Ask(f"{operation.id} ({operation.effect}) needs the user's approval{_doubted(operation)}")
        if operation.effect in self._allowed(operation) or matching(self.allow_operations, operation):
            return Allow()
        allowed = _listed(self._allowed(operation))
        reason = f"{operation.id} is a {operation.effect} operation, and only {allowed} is allowed"
        if operation.claim in self._allowed(operation):
            word = f"effects: {{{_local(operation)}: {operation.claim}}}"
            remedy = (
                f"if that is true, write {word} under upstreams.{operation.upstream}, or believe: true for all of it"
            )
            return Deny(reason + _doubted(operation), _ask_user(remedy), by_effect=True)
        remedy = f"add {operation.effect.value!r} to upstreams.{operation.upstream}.allow"
        return Deny(reason, _ask_user(remedy), by_effect=True)

    def _rules(self, operation: Operation) -> UpstreamRules:
        return self.upstreams.get(operation.upstream) or UpstreamRules()

    def _allowed(self, operation: Operation) -> frozenset[Effect]:
        said = self._rules(operation).allow
        return self.allow if said is None else said

    def _selected(self, operation: Operation) -> bool:
        only = self._rules(operation).only
        return only is None or any(_fits(glob, operation) for glob in only)


def _leaks(about: About, tally: Tally) -> bool:
    """Whether a call would give out what may be private, at the word of who knows whom."""
    return Label.SINK in about.labels and tally.labels >= {Label.UNTRUSTED, Label.PRIVATE}


def _told(rule: Rule, call: Call | None) -> str:
    """A rule in a line: what it says, and whether a call fits it."""
    word = "only bounds" if rule.verdict is Verdict.BOUND else f"says {rule.verdict}"
    budget = f"; {rule.calls} calls for each execution" if rule.calls is not None else ""
    if call is None:
        where = f" where {' and '.join(rule.arguments)} fit" if rule.arguments else ""
        return f"rule {rule.name!r} {word}{where}{budget}"
    problem = rule.misfits(call)
    return f"rule {rule.name!r} {word}{budget}: " + (f"does not fit, {problem}" if problem else "fits")


def _permits(rule: Rule) -> bool:
    return rule.verdict in (Verdict.ALLOW, Verdict.APPROVE)


def _fits(glob: str, operation: Operation) -> bool:
    """Whether a glob that is relative to the upstream fits: the id, the upstream's own name, or `METHOD /path`."""
    names = [_local(operation), operation.original]
    if route := operation.route:
        names.append(f"{route.method} {route.path}")
    return any(fnmatchcase(name, glob) for name in names)


def _local(operation: Operation) -> str:
    return operation.id.partition(".")[2]


def _ask_user(change: str) -> str:
    return f"only the user can change this: {change} in isthmus.yaml"


def _doubted(operation: Operation) -> str:
    """What is said where an upstream's word is not believed."""
    return f" (its upstream calls it a {operation.claim}, and is not believed)" if operation.claim else ""


def _listed(effects: frozenset[Effect]) -> str:
    return " and ".join(effect.value for effect in Effect if effect in effects) or "nothing"
