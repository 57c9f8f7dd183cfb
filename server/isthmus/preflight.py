"""A program held against catalog and policy before it starts: what cannot succeed, all of it, each with its line.

    line 3: there is no operation 'shop.orders.gett'; did you mean shop.orders.get?
    line 5: shop.orders.cancel is a write operation, and only read is allowed; only the user can ...

A program is refused only for a call that it is certain to make and that is certain to fail (`certainty`). Whatever
cannot be known from its text (names and values that are computed, an upstream that is not there yet, branches) is left
to the gateway, which decides every call anyway. A source that this interpreter cannot read is left to the guest.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, TypeGuard

from isthmus.catalog.catalog import Catalog, bind
from isthmus.certainty import certain_calls, names_bound
from isthmus.errors import InvalidArguments
from isthmus.model import Call, Operation, Principal
from isthmus.policy import Allow, Decision, Deny, Policy
from isthmus_sandbox.protocol import Failure

MAX_SOURCE = 32_768
"""Characters of a program beyond which all is left to the gateway: to read more would hold up others."""

MAX_NESTING = 60
"""Brackets within brackets, beyond which a source is left to the guest, whose stack may overflow."""

_BRACKETS = re.compile(r"[()\[\]{}]")
_OPERATORS = re.compile(r"[-+~.*/%&|^]")

MOST = 20
"""Findings that are told; the others are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One call that cannot succeed: the exception that it would raise, as the gateway would word it."""

    line: int
    type: str
    code: str
    message: str
    hint: str
    certain: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What is known when a program comes. `upstreams` are those whose operations are all there, of all `configured`.

    `taken`: whether a name may already stand for something else in the program's session. `opaque`: whether a literal
    stands for a value that is not known here.
    """

    catalog: Catalog
    upstreams: frozenset[str]
    policy: Policy
    principal: Principal
    validate: Callable[[Operation, Mapping[str, Any]], tuple[Mapping[str, Any], Sequence[str]]]
    taken: Callable[[str], bool] = lambda _: False
    opaque: Callable[[Any], bool] = lambda _: False
    configured: frozenset[str] = frozenset()


def preflight(source: str, known: Known) -> tuple[Finding, ...]:
    """The calls that cannot succeed, in the order of their lines; none where none is certain to be made."""
    if not any(name in source for name in known.upstreams) or (tree := _parsed(source)) is None:
        return ()
    nodes = list(ast.walk(tree))
    names = _names(nodes, known)
    dry = known.policy.simulate or "simulate" in source
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    found = [
        (node, each)
        for node in calls
        if (name := _named(node, names, known))
        for each in _judged(node, name, known, dry)
    ]
    found += _strangers(calls, names, known)
    if not found:
        return ()
    certain = certain_calls(tree)
    findings = sorted((replace(each, certain=node in certain) for node, each in found), key=lambda each: each.line)
    return tuple(findings) if any(each.certain for each in findings) else ()


def failure_of(findings: Sequence[Finding], source: str) -> Failure:
    """What the model is told. One finding looks as the exception would have looked; several are a list."""
    first = findings[0]
    if len(findings) == 1:
        nothing = "found before the program ran: nothing was called"
        hint = f"{first.hint} ({nothing})" if first.hint else nothing
        text = source.split("\n")[first.line - 1].strip()
        trace = f'File "<program>", line {first.line}, in <module>\n    {text[:200]}'
        return Failure(first.type, first.message, first.line, trace=trace, hint=hint, code=first.code)
    lines = [_line(each) for each in findings[:MOST]]
    if len(findings) > MOST:
        lines.append(f"and {len(findings) - MOST} more")
    head = f"{len(findings)} calls of this program cannot succeed; it was not run, and nothing was called"
    message = "\n".join([head, *lines])
    return Failure("PreflightError", message, first.line, hint="correct them all at once", code="preflight")


def _line(finding: Finding) -> str:
    where = f"line {finding.line}" + ("" if finding.certain else ", if it is reached")
    hint = f"; {finding.hint}" if finding.hint else ""
    return f"{where}: {finding.message}{hint}"


def _parsed(source: str) -> ast.Module | None:
    """The tree; None where this interpreter cannot read it, or had better not try."""
    if len(source) > MAX_SOURCE or _nesting(source) > MAX_NESTING:
        return None
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _nesting(source: str) -> int:
    """How deep brackets stand in brackets, and operators and dots on one line, at most; texts count as code."""
    depth = deepest = 0
    for bracket in _BRACKETS.findall(source):
        depth = depth + 1 if bracket in "([{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    rows = [len(_OPERATORS.findall(line)) // 4 for line in source.split("\n") if len(line) > MAX_NESTING * 4]
    return max([deepest, *rows])


# ---------------------------------------------------------------- names


@dataclass(frozen=True, slots=True)
class _Names:
    """Names in a program: those that certainly stand for `upstreams`, and those that it binds to anything itself."""

    upstreams: Mapping[str, str]
    bound: Mapping[str, int]

    def own(self, name: str, known: Known) -> bool:
        """Whether the name may stand for something of the program's, or of its session's, own."""
        return name in self.bound or known.taken(name)


def _names(nodes: Sequence[ast.AST], known: Known) -> _Names:
    bound: dict[str, int] = {}
    imported: dict[str, str] = {}
    for node in nodes:
        for name in names_bound(node):
            bound[name] = bound.get(name, 0) + 1
        if isinstance(node, ast.ImportFrom) and node.module in ("upstreams", "isthmus") and not node.level:
            imported.update({alias.asname or alias.name: alias.name for alias in node.names})
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            for name in _chain(node)[:1]:  # an upstream may be given attributes of the program's own
                bound[name] = bound.get(name, 0) + 2
    direct = {name: name for name in known.upstreams if name not in bound and not known.taken(name)}
    through = {name: meant for name, meant in imported.items() if meant in known.upstreams and bound[name] == 1}
    return _Names(direct | through, bound)


def _chain(node: ast.expr) -> list[str]:
    """`a.b.c` as its parts; empty for what is no such chain."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []


def _named(node: ast.Call, names: _Names, known: Known) -> str | None:
    """The operation that a call names by its text, of an upstream that is known."""
    if name := _written(node):
        plain = name.partition(".")[0] in known.upstreams and not names.own("call", known)
        return name if plain and "call" not in known.configured else None
    parts = _chain(node.func)
    if len(parts) < 2 or parts[0] not in names.upstreams or any(part.startswith("_") for part in parts):
        return None
    return ".".join([names.upstreams[parts[0]], *parts[1:]])


def _written(node: ast.Call) -> str:
    """The name in `call("shop.orders.get", ...)`, where it is written out."""
    match node:
        case ast.Call(func=ast.Name(id="call"), args=[ast.Constant(value=str(name)), *_]):
            return name
    return ""


def _strangers(calls: Sequence[ast.Call], names: _Names, known: Known) -> Iterator[tuple[ast.Call, Finding]]:
    """The calls on a name that nothing binds, and that is nearly the name of an upstream; of the first few such."""
    meant: dict[str, str] = {}
    for node in calls:
        root, *more = _chain(node.func) or [""]
        if not more or root in known.configured or hasattr(builtins, root) or names.own(root, known):
            continue
        if root not in meant and len(meant) < MOST:
            meant[root] = next(iter(get_close_matches(root, known.configured, n=1, cutoff=0.75)), "")
        if (near := meant.get(root)) and root not in sys.stdlib_module_names:
            said, hint = f"name {root!r} is not defined", f"did you mean `{near}`?"
            yield node, Finding(node.lineno, "NameError", "program", said, hint)


# ---------------------------------------------------------------- one call


def _judged(node: ast.Call, name: str, known: Known, dry: bool) -> Iterator[Finding]:
    """What is wrong with one call, in the order in which the gateway would find it. `dry`: it may be a dry run."""
    operation = known.catalog.resolve(name)
    if operation is None:
        near = [each for each in known.catalog.suggest(name) if _shown(each, known)]
        other = f"search(...) finds the operations of {name.partition('.')[0]}"
        hint = f"did you mean {', '.join(near)}?" if near else other
        yield Finding(node.lineno, "NotFound", "not_found", f"there is no operation {name!r}", hint)
        return
    decision: Decision = Allow()
    try:
        given = _given(node, operation)
        decision = known.policy.standing(operation, known.principal)
        if given is not None and not _refuses(decision, dry):
            decision = _with_arguments(operation, given, known)
    except InvalidArguments as error:
        yield Finding(node.lineno, "InvalidArguments", error.code, error.message, error.hint)
    if _refuses(decision, dry):
        yield Finding(node.lineno, "Refused", "refused", decision.reason, decision.advice)


def _refuses(decision: Decision, dry: bool) -> TypeGuard[Deny]:
    return isinstance(decision, Deny) and not (dry and decision.by_effect)


def _with_arguments(operation: Operation, given: Mapping[str, Any], known: Known) -> Decision:
    """The verdict on a call with these arguments, as far as they are known.

    Raises:
        InvalidArguments: one that is written out does not fit, or one is missing.
    """
    given = {key: _UNKNOWN if known.opaque(value) else value for key, value in given.items()}
    mended, problems = known.validate(operation, {key: value for key, value in given.items() if value is not _UNKNOWN})
    computed = [key for key, value in given.items() if value is _UNKNOWN]
    problems = [each for each in problems if not any(each.startswith(f"{key}: required, and") for key in computed)]
    if problems:
        shown = f"{operation.id}: " + "; ".join(problems)
        raise InvalidArguments(shown, hint=f"help({operation.id}) shows all parameters")
    return Allow() if computed else known.policy.decide(Call(operation, mended, known.principal))


def _shown(name: str, known: Known) -> bool:
    operation = known.catalog.get(name)
    return operation is not None and known.policy.visible(operation)


class _Unknown:
    """Stands for a value that the program computes."""


_UNKNOWN = _Unknown()


def _given(node: ast.Call, operation: Operation) -> dict[str, Any] | None:
    """The arguments by name, with their values where these are literal; None where the names cannot be known.

    Raises:
        InvalidArguments: some are unknown, doubled, or too many.
    """
    if any(isinstance(each, ast.Starred) for each in node.args) or any(each.arg is None for each in node.keywords):
        return None
    named = {each.arg: _literal(each.value) for each in node.keywords if each.arg}
    if _written(node):
        first = _entries(node.args[1:])
        return None if first is None else bind(operation, (), {**first, **named})
    positional = [_literal(each) for each in node.args]
    if len(positional) == 1 and not node.keywords and positional[0] is _UNKNOWN:
        return None  # it may be a dict of all arguments
    return bind(operation, positional, named)


def _entries(arguments: Sequence[ast.expr]) -> dict[str, Any] | None:
    """The arguments in the dict of `call(name, {...})`; None where their names cannot be known."""
    match arguments:
        case [] | [ast.Constant(value=None)]:
            return {}
        case [ast.Dict(keys=keys, values=values)]:
            names = [key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
            if len(names) == len(keys):
                return dict(zip(names, map(_literal, values), strict=True))
    return None


def _literal(node: ast.expr) -> Any:
    """The plain data that an expression writes out, as it would arrive; or that it cannot be known."""
    try:
        return _plain(ast.literal_eval(node))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _UNKNOWN


def _plain(value: Any) -> Any:
    """Plain data of literals.

    Raises:
        ValueError: a part of it arrives as something else, or not at all.
    """
    match value:
        case None | bool() | float() | str():
            return value
        case int() if abs(value) < 2**63:
            return value
        case list() | tuple():
            return [_plain(each) for each in value]
        case dict() if all(isinstance(key, str) for key in value):
            return {key: _plain(each) for key, each in value.items()}
    raise ValueError
