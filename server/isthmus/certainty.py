"""Which calls of a program are certain to be made, with nothing to catch what they raise. Nothing runs.

    certain_calls(ast.parse("a()\nif x: b()\nc()"))       # a() and c(), not b()

What is certain is what stands in the program's own sequence of statements, or in functions that it certainly calls.
A branch, the body of a loop that may be empty, what stands after a statement that may end the program, whatever a
`try`, a `with` or a `return_exceptions` could hear of: all these are not. Where a program changes names by other
means than assigning them, or may end itself, nothing is.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OPAQUE = frozenset({"exec", "eval", "globals", "locals", "vars", "setattr", "delattr", "compile", "__import__"})
"""Names with which a program may change what other names mean."""

_ENDING = frozenset({"exit", "quit", "_exit", "abort", "SystemExit", "KeyboardInterrupt"})
_HEARING = frozenset({"exception", "cancel", "add_done_callback", "wait", "as_completed", "suppress", "excepthook"})
_TRANSPARENT = frozenset({"timeout", "timeout_at", "TaskGroup", "Semaphore", "BoundedSemaphore", "Lock", "open"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTIONS, ast.ClassDef, ast.Lambda)


def certain_calls(tree: ast.Module) -> set[ast.Call]:
    """The calls that are made whenever the program runs, and whose errors end it."""
    nodes = list(ast.walk(tree))
    if any(_is_opaque(node) for node in nodes):
        return set()
    walk = _Walk(_functions(nodes), _locks(nodes))
    walk.heard = any(walk.hears(node) for node in nodes)
    walk.block(_awaiting_last(tree.body))
    return walk.found


def _awaiting_last(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements, with the coroutine that the last expression may be awaited, as the guest does."""
    match body:
        case [*before, ast.Expr(value=ast.Call() as call)]:
            return [*before, ast.Expr(ast.Await(call))]
    return body


def _is_opaque(node: ast.AST) -> bool:
    match node:
        case ast.Name(id=name):
            return name in OPAQUE or name in _ENDING or name == "builtins"
        case ast.Attribute(attr=name):
            return name in _ENDING or name in ("modules", "__dict__")
        case ast.ImportFrom(names=[ast.alias(name="*")]):
            return True
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return any(alias.name in ("builtins", *_ENDING) for alias in names)
    return False


def _functions(nodes: Sequence[ast.AST]) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions by name, where the name is bound by one definition and by nothing else."""
    bound: dict[str, int] = {}
    for node in nodes:
        for name in names_bound(node):
            bound[name] = bound.get(name, 0) + 1
    return {
        node.name: node
        for node in nodes
        if isinstance(node, _FUNCTIONS) and bound[node.name] == 1 and not node.decorator_list
        if not any(isinstance(each, ast.Yield | ast.YieldFrom) for each in _own(node.body))
    }


def names_bound(node: ast.AST) -> Sequence[str]:
    """The names that a node itself binds, in whatever scope."""
    names = _BINDING.get(type(node))
    return names(node) if names is not None else ()


def _named(node: Any) -> Sequence[str]:
    return (node.name,) if node.name else ()


def _imported(node: Any) -> Sequence[str]:
    return [alias.asname or alias.name.partition(".")[0] for alias in node.names]


_BINDING: Mapping[type[ast.AST], Callable[[Any], Sequence[str]]] = {
    ast.Name: lambda node: () if isinstance(node.ctx, ast.Load) else (node.id,),
    ast.arg: lambda node: (node.arg,),
    **dict.fromkeys((ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef), _named),
    **dict.fromkeys((ast.ExceptHandler, ast.MatchAs, ast.MatchStar), _named),
    **dict.fromkeys((ast.Import, ast.ImportFrom), _imported),
    **dict.fromkeys((ast.Global, ast.Nonlocal), lambda node: node.names),
    ast.MatchMapping: lambda node: (node.rest,) if node.rest else (),
}
"""How each kind of node binds names; a table, since every node of every program is looked at."""


def _locks(nodes: Sequence[ast.AST]) -> frozenset[str]:
    """Names that are assigned once, to a semaphore or a lock."""
    assigned: dict[str, list[ast.expr]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    assigned.setdefault(target.id, []).append(node.value)
    return frozenset(name for name, values in assigned.items() if all(map(_is_transparent_call, values)))


def _is_transparent_call(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _last_name(node.func) in _TRANSPARENT


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


@dataclass(slots=True)
class _Walk:
    """Follows a program along what is certain. `heard`: something in it may hear of a call that is not awaited."""

    functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef]
    locks: frozenset[str]
    heard: bool = False
    found: set[ast.Call] = field(default_factory=set)
    _entered: set[str] = field(default_factory=set)

    def hears(self, node: ast.AST) -> bool:
        """Whether a node may hear of errors that were raised elsewhere."""
        match node:
            case ast.Try(handlers=handlers):
                return bool(handlers) or _leaves(node.finalbody)
            case ast.TryStar():
                return True
            case ast.With(items=items) | ast.AsyncWith(items=items):
                return not all(self._is_transparent(item.context_expr) for item in items)
            case ast.keyword(arg="return_exceptions"):
                return True
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return name in _HEARING
        return False

    def block(self, statements: Sequence[ast.stmt]) -> bool:
        """Follow statements in their order; whether what comes after them is certain as well."""
        return all(self._statement(statement) for statement in statements)

    def _statement(self, node: ast.stmt) -> bool:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._expressions(node.decorator_list)
                return True
            case ast.Expr(value=value):
                self._expression(value, heeded=not self._makes_coroutine(value))
                return True
            case ast.Return(value=value):
                self._expressions([value] if value else [])
                return False
            case ast.Raise() | ast.Break() | ast.Continue():
                return False
            case ast.If(test=test, body=body):
                self._expression(test)
                return self.block(body) if _is_true(test) else not _leaves([node])
            case ast.For(iter=source, body=body) | ast.AsyncFor(iter=source, body=body):
                self._expression(source, heeded=True)
                if _has_items(source):
                    self.block(body)
                return not _leaves([node])
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                return self._with(node, [item.context_expr for item in items], body)
            case ast.Try(handlers=handlers, body=body, finalbody=last):
                # An `else` runs only where nothing was raised: it is not followed.
                goes_on = (not handlers and not _leaves(last) and self.block(body)) or not _leaves([node])
                return self.block(last) and goes_on
            case ast.While(test=asked) | ast.Match(subject=asked):
                self._expression(asked)
            case ast.Assign() | ast.AugAssign() | ast.AnnAssign() | ast.Assert() | ast.Delete():
                self._expressions([each for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr)])
                return True
        return not _leaves([node])

    def _makes_coroutine(self, node: ast.expr) -> bool:
        """Whether an expression only makes a coroutine, which runs when it is awaited, if ever."""
        made = isinstance(node, ast.Call) and self.functions.get(_last_name(node.func))
        return isinstance(made, ast.AsyncFunctionDef)

    def _with(self, node: ast.stmt, managers: list[ast.expr], body: list[ast.stmt]) -> bool:
        self._expressions(managers)
        if all(map(self._is_transparent, managers)):
            return self.block(body)
        return not _leaves([node])

    def _is_transparent(self, manager: ast.expr) -> bool:
        """Whether a context manager is one that lets errors pass."""
        return _is_transparent_call(manager) or (isinstance(manager, ast.Name) and manager.id in self.locks)

    def _expressions(self, nodes: Sequence[ast.expr]) -> None:
        for node in nodes:
            self._expression(node)

    def _expression(self, node: ast.expr, *, heeded: bool = False) -> None:
        """Follow an expression. `heeded`: what it comes to is waited for where it stands."""
        match node:
            case ast.Await(value=value):
                self._expression(value, heeded=True)
            case ast.BoolOp(values=values):
                self._expression(values[0])
            case ast.IfExp(test=test):
                self._expression(test)
            case ast.Compare(left=left, comparators=comparators):
                self._expressions([left, comparators[0]])
            case ast.Lambda() | ast.Yield() | ast.YieldFrom():
                pass
            case ast.ListComp(elt=element, generators=generators) | ast.SetComp(elt=element, generators=generators):
                self._expression(generators[0].iter)
                if len(generators) == 1 and not generators[0].ifs and _has_items(generators[0].iter):
                    self._expression(element)
            case ast.GeneratorExp(generators=generators) | ast.DictComp(generators=generators):
                self._expression(generators[0].iter)
            case ast.Call():
                self._call(node, heeded=heeded)
            case _:
                self._expressions([each for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr)])

    def _call(self, node: ast.Call, *, heeded: bool) -> None:
        self._expression(node.func)
        # `asyncio.run(main())` waits for what it is given, as `await` does.
        runs = isinstance(node.func, ast.Attribute) and node.func.attr in ("run", "run_until_complete")
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            self._expression(argument, heeded=runs)
        if heeded or not self.heard:
            self.found.add(node)
        name = _last_name(node.func) if isinstance(node.func, ast.Name) else ""
        function = self.functions.get(name)
        if function is not None and name not in self._entered and (heeded or isinstance(function, ast.FunctionDef)):
            self._entered.add(name)
            self.block(function.body)


def _own(statements: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """All nodes in statements, but for those in scopes of their own."""
    stack = list(statements)
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, _SCOPES):
            stack.extend(ast.iter_child_nodes(node))


def _leaves(statements: Sequence[ast.stmt]) -> bool:
    """Whether statements may lead elsewhere than to what follows them."""
    leaving = (ast.Return, ast.Break, ast.Continue, ast.Yield, ast.YieldFrom)
    return any(isinstance(node, leaving) for node in _own(statements))


def _is_true(test: ast.expr) -> bool:
    match test:
        case ast.Constant(value=value):
            return bool(value)
        case ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[ast.Constant(value="__main__")]):
            return True
    return False


def _has_items(source: ast.expr) -> bool:
    match source:
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return any(not isinstance(item, ast.Starred) for item in items)
        case ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=int(count))], keywords=[]):
            return count > 0
    return False
