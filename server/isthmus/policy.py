"""What programs may do: pure rules over operations, decided for each call.

Deny wins. What is not allowed is refused, and every refusal says who can change that, and where.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from isthmus.model import Call, Effect, Operation


@dataclass(frozen=True, slots=True)
class Allow:
    """The call may be made."""


@dataclass(frozen=True, slots=True)
class Deny:
    """The call is refused. `remedy` is written for the model, which will tell its user."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Ask:
    """The call may be made once a person has agreed to it."""

    question: str


Decision = Allow | Deny | Ask


@dataclass(frozen=True, slots=True)
class UpstreamRules:
    """What the operator said of one upstream. Globs are relative to it: `issues.*`."""

    allow: frozenset[Effect] | None = None  # None: what the policy allows everywhere
    only: tuple[str, ...] | None = None  # None: every operation
    effects: Mapping[str, Effect] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's rules.

    `deny` and `allow_operations` hold globs of whole operation ids: `github.repos.delete`. What the latter names is
    allowed whatever its effect, if it is neither denied nor left out; where its effect needs approval, it still does.
    """

    allow: frozenset[Effect] = frozenset({Effect.READ})
    approve: frozenset[Effect] = frozenset()
    deny: tuple[str, ...] = ()
    upstreams: Mapping[str, UpstreamRules] = field(default_factory=dict)
    allow_operations: tuple[str, ...] = ()

    def classify(self, operation: Operation) -> Operation:
        """The operation with the effect that the operator gave it; the first glob that fits counts."""
        for glob, said in self._rules(operation).effects.items():
            if _fits(glob, operation):
                return replace(operation, effect=said)
        return operation

    def visible(self, operation: Operation) -> bool:
        """Whether programs and searches may know of the operation at all."""
        return self._denied_by(operation) is None and self._selected(operation)

    def decide(self, call: Call) -> Decision:
        """The verdict on one call."""
        return self.standing(call.operation)

    def standing(self, operation: Operation) -> Decision:
        """The verdict on an operation, whatever its arguments."""
        if glob := self._denied_by(operation):
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
        if operation.effect in self.approve:
            return Ask(f"{operation.id} ({operation.effect}) needs the user's approval")
        if operation.effect in self._allowed(operation) or _matching(self.allow_operations, operation):
            return Allow()
        allowed = _listed(self._allowed(operation))
        return Deny(
            f"{operation.id} is a {operation.effect} operation, and only {allowed} is allowed",
            _ask_user(f"add {operation.effect.value!r} to upstreams.{operation.upstream}.allow"),
        )

    def _rules(self, operation: Operation) -> UpstreamRules:
        return self.upstreams.get(operation.upstream) or UpstreamRules()

    def _allowed(self, operation: Operation) -> frozenset[Effect]:
        said = self._rules(operation).allow
        return self.allow if said is None else said

    def _denied_by(self, operation: Operation) -> str | None:
        return _matching(self.deny, operation)

    def _selected(self, operation: Operation) -> bool:
        only = self._rules(operation).only
        return only is None or any(_fits(glob, operation) for glob in only)


def _matching(globs: Iterable[str], operation: Operation) -> str | None:
    """The first of the globs that matches the operation, by its id or by the upstream's own name for it."""
    names = (operation.id, f"{operation.upstream}.{operation.original}")
    return next((glob for glob in globs if any(fnmatchcase(name, glob) for name in names)), None)


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


def _listed(effects: frozenset[Effect]) -> str:
    return " and ".join(effect.value for effect in Effect if effect in effects) or "nothing"
