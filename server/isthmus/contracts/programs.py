"""What programs use: which operations they call, with which arguments, and which fields of the answers they read.

    uses([("late.py", "for o in await shop.orders.list(status='open'):\n    print(o.total)")], lock)
    [Use("late.py", 1, "shop.orders.list", arguments={("status",)}, fields={("*", "total")}, ...)]

Read with `ast`, without running anything. A name stands for one thing wherever it is bound; where values go into a
function, a container or the result, they are said to escape: whatever is in them may be used there.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

Path = tuple[str, ...]
"""Steps into a value: keys, and `*` for any item of a list."""

ITEM = "*"

_MANY = "[]"
"""A last step that says: a list of such values, made by the program itself."""

MAX_VALUES, MAX_STEPS = 50, 20
"""Values that one expression may be, and steps into an answer, that are followed. What is beyond is said to escape."""

_PASSING = frozenset({"len", "print", "sorted", "list", "reversed", "enumerate", "tuple", "set", "iter", "next"})
_ITEMS_OF = frozenset({"sorted", "list", "reversed", "tuple", "set", "iter"})
_AS_DATA = frozenset({"values", "keys", "get", "pop", "copy"})


@dataclass(frozen=True, slots=True)
class Use:
    """One call of an operation in a program."""

    program: str
    line: int
    operation: str
    arguments: frozenset[Path] = frozenset()  # paths into the arguments that are given, as far as they are literal
    fields: frozenset[Path] = frozenset()  # paths into the answer that are read
    any_arguments: bool = False  # `**more`, or positions: any of them may be given
    escapes: frozenset[Path] = frozenset()  # parts of the answer that go where this cannot follow


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A program that cannot be read, and why."""

    program: str
    problem: str


def uses(programs: Iterable[tuple[str, str]], operations: Collection[str]) -> tuple[list[Use], list[Unreadable]]:
    """What programs, each a name and a source, use of these operations; and those that cannot be read."""
    known = frozenset(operations)
    upstreams = frozenset(each.partition(".")[0] for each in known)
    found: list[Use] = []
    unreadable: list[Unreadable] = []
    for name, source in programs:
        try:
            tree = compile(source, name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = f"line {error.lineno}: " if isinstance(error, SyntaxError) and error.lineno else ""
            text = error.msg if isinstance(error, SyntaxError) else str(error)
            unreadable.append(Unreadable(name, f"{line}{text}"))
            continue
        reader = _Reader(name, known, upstreams)
        reader.read(tree)
        found += reader.found()
    return found, unreadable


@dataclass(slots=True)
class _Call:
    """A call as it is being gathered."""

    line: int
    operation: str
    arguments: set[Path] = field(default_factory=set)
    any_arguments: bool = False
    fields: set[Path] = field(default_factory=set)
    escapes: set[Path] = field(default_factory=set)


@dataclass(frozen=True, slots=True, eq=False)
class _Value:
    """What an expression is known to be: a part of the answer of a call."""

    call: _Call
    path: Path


@dataclass(slots=True)
class _Reader:
    """Reads one program: twice, since a name may be used above the line that binds it."""

    program: str
    known: frozenset[str]
    upstreams: frozenset[str]
    dotted: dict[str, str] = field(default_factory=dict)  # names that stand for upstreams or parts of them
    values: dict[str, list[_Value]] = field(default_factory=dict)
    calls: dict[tuple[int, int], _Call] = field(default_factory=dict)
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)

    def read(self, tree: ast.AST) -> None:
        """Take in a whole program."""
        self.dotted = {name: name for name in self.upstreams}
        nodes = list(ast.walk(tree))
        for node in nodes:
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
        for node in nodes:
            self._bind_import(node)
        for _ in range(3):  # names of names of names
            for node in nodes:
                self._bind(node)
        for node in nodes:
            if isinstance(node, ast.expr):
                self._use(node)

    def found(self) -> Iterator[Use]:
        """The calls in their order."""
        for _, call in sorted(self.calls.items()):
            yield Use(
                self.program,
                call.line,
                call.operation,
                frozenset(call.arguments),
                frozenset(call.fields),
                call.any_arguments,
                frozenset(call.escapes),
            )

    def _bind_import(self, node: ast.AST) -> None:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "upstreams":
            inside = (node.module or "").partition(".")[2]
            for alias in node.names:
                whole = f"{inside}.{alias.name}" if inside else alias.name
                if whole.partition(".")[0] in self.upstreams:
                    self.dotted[alias.asname or alias.name] = whole

    def _bind(self, node: ast.AST) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._name(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
                self._name(target, value)
            case ast.For(target=target, iter=source) | ast.AsyncFor(target=target, iter=source):
                self._each(target, source)
            case ast.comprehension(target=target, iter=source):
                self._each(target, source)

    def _name(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            if (path := self._dotted(value)) is not None:
                self.dotted.setdefault(target.id, path)
            self._bound(target.id, self._values(value))
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpacked(target.elts, value)

    def _unpacked(self, targets: list[ast.expr], value: ast.expr) -> None:
        """`a, b = await gather(one(), two())` binds each to its own; of a list, each to any item."""
        sources = self._gathered(value) or (value.elts if isinstance(value, ast.Tuple | ast.List) else None)
        items = [_Value(one.call, _into(one.path)) for one in self._values(value)]
        for place, target in enumerate(targets):
            if sources is not None and place < len(sources):
                self._name(target, sources[place])
            elif isinstance(target, ast.Name):
                self._bound(target.id, items)

    def _each(self, target: ast.expr, source: ast.expr) -> None:
        if (gathered := self._gathered(source)) is not None and isinstance(target, ast.Name):
            for one in gathered:
                self._bound(target.id, self._values(one))
        elif isinstance(target, ast.Name):
            self._bound(target.id, [_Value(one.call, _into(one.path)) for one in self._values(source)])
        elif isinstance(target, ast.Tuple) and isinstance(source, ast.Call) and isinstance(source.func, ast.Name):
            inner = source.args
            if source.func.id == "zip":
                for one, each in zip(target.elts, inner, strict=False):
                    self._each(one, each)
            elif source.func.id == "enumerate" and inner and len(target.elts) == 2:
                self._each(target.elts[1], inner[0])

    def _bound(self, name: str, values: list[_Value]) -> None:
        self.values[name] = _bounded([*self.values.get(name, []), *values])

    def _dotted(self, node: ast.expr) -> str | None:
        """The dotted path below the upstreams that an expression is."""
        if isinstance(node, ast.Name):
            return self.dotted.get(node.id)
        if isinstance(node, ast.Attribute) and (base := self._dotted(node.value)) is not None:
            return f"{base}.{node.attr}" if base not in self.known else None
        return None

    def _values(self, node: ast.expr) -> list[_Value]:
        """The parts of answers that an expression may be, as many as are followed."""
        return _bounded(self._parts(node))

    def _parts(self, node: ast.expr) -> list[_Value]:
        match node:
            case ast.Await(value=inner) | ast.Starred(value=inner):
                return self._values(inner)
            case ast.Name(id=name):
                return self.values.get(name, [])
            case ast.Attribute(value=inner, attr=name) if name not in _AS_DATA:
                return [_Value(one.call, (*one.path, name)) for one in self._values(inner)]
            case ast.Subscript(value=inner, slice=place):
                return [_Value(one.call, _stepped(one.path, place)) for one in self._values(inner)]
            case ast.BoolOp(values=many):
                return [value for one in many for value in self._values(one)]
            case ast.IfExp(body=first, orelse=second):
                return [*self._values(first), *self._values(second)]
            case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element):
                return [_Value(one.call, (*one.path, _MANY)) for one in self._values(element)]
            case ast.Tuple(elts=many) | ast.List(elts=many):
                return [value for one in many for value in self._member(one)]
            case ast.Call():
                return self._called(node)
        return []

    def _member(self, node: ast.expr) -> list[_Value]:
        """What one item of a list that is written out makes the list."""
        if isinstance(node, ast.Starred):
            return self._values(node)
        return [_Value(one.call, (*one.path, _MANY)) for one in self._values(node)]

    def _called(self, node: ast.Call) -> list[_Value]:
        if (call := self._call(node)) is not None:
            return [_Value(call, ())]
        if (gathered := self._gathered(node)) is not None:
            return [_Value(one.call, (*one.path, _MANY)) for each in gathered for one in self._values(each)]
        match node.func:
            case ast.Attribute(value=inner, attr="get" | "pop") if node.args:
                return [_Value(one.call, _stepped(one.path, node.args[0])) for one in self._values(inner)]
            case ast.Attribute(value=inner, attr="values" | "copy" as name):
                return [_Value(one.call, one.path) for one in self._values(inner)] if name == "copy" else []
            case ast.Name(id=name) if name in _ITEMS_OF and node.args:
                return self._values(node.args[0])
            case ast.Name(id="next") if node.args:
                return [_Value(one.call, _into(one.path)) for one in self._values(node.args[0])]
        return []

    def _gathered(self, node: ast.expr) -> list[ast.expr] | None:
        """What `await asyncio.gather(...)` gives, one by one; of `*[f(x) for x in y]`, the one that it is for each."""
        if isinstance(node, ast.Await):
            return self._gathered(node.value)
        if not isinstance(node, ast.Call):
            return None
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name != "gather":
            return None
        inner = [one.value if isinstance(one, ast.Starred) else one for one in node.args]
        return [one.elt if isinstance(one, ast.ListComp | ast.GeneratorExp) else one for one in inner]

    def _call(self, node: ast.Call) -> _Call | None:
        key = (node.lineno, node.col_offset)
        operation, given = self._dotted(node.func), node.keywords
        rest, literal = node.args, None
        if isinstance(node.func, ast.Name) and node.func.id == "call" and node.args:
            first = node.args[0]
            operation = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
            literal, rest = (node.args[1] if len(node.args) > 1 else None), []
        if operation not in self.known or operation is None:
            return None
        if key not in self.calls:
            call = _Call(node.lineno, operation)
            for keyword in given:
                _argue(call, (keyword.arg,) if keyword.arg else None, keyword.value)
            if len(rest) == 1 and isinstance(rest[0], ast.Dict):
                literal, rest = rest[0], []
            if literal is not None:
                _argue(call, (), literal)
            call.any_arguments = call.any_arguments or bool(rest)
            self.calls[key] = call
        return self.calls[key]

    def _use(self, node: ast.expr) -> None:
        """Note that an expression is a part of an answer, and what becomes of it."""
        for value in self._values(node):
            while value.path[-1:] == (_MANY,):
                value = _Value(value.call, value.path[:-1])
            value.call.fields.update(value.path[: n + 1] for n in range(len(value.path)))
            if self._escapes(node):
                value.call.escapes.add(value.path)

    def _escapes(self, node: ast.expr) -> bool:
        """Whether a value goes from here to where its parts may be used without being named."""
        match parent := self.parents.get(node):
            case ast.Await() | ast.Attribute() | ast.Subscript() | ast.Compare() | ast.For() | ast.AsyncFor():
                return False
            case ast.comprehension() | ast.Assign() | ast.NamedExpr() | ast.AnnAssign() | ast.JoinedStr() | ast.BinOp():
                return False
            case ast.ListComp() | ast.GeneratorExp() | ast.Tuple() | ast.List():
                return False  # what becomes of the list is looked at by itself
            case ast.FormattedValue() | ast.UnaryOp() | ast.BoolOp() | ast.IfExp() | ast.If() | ast.While():
                return False
            case ast.Expr():
                return self._is_result(parent)
            case ast.Call(func=ast.Name(id=name)) if name in _PASSING:
                return False
            case ast.Call(func=function):
                return function is not node and self._gathered_by(parent)
        return not isinstance(parent, ast.Starred)

    def _gathered_by(self, call: ast.Call) -> bool:
        """Whether a call is another than `gather`, which only hands on."""
        return self._gathered(call) is None

    def _is_result(self, statement: ast.Expr) -> bool:
        """Whether an expression is the program's last one, whose value is its result."""
        holder = self.parents.get(statement)
        return isinstance(holder, ast.Module) and holder.body[-1] is statement


def _bounded(values: list[_Value]) -> list[_Value]:
    """Each value once, and no more of them, and no deeper ones, than are followed."""
    distinct = {(id(one.call), one.path): one for one in values}
    found = list(distinct.values())
    kept = [one for one in found[:MAX_VALUES] if len(one.path) <= MAX_STEPS]
    if len(kept) < len(found):
        for one in found:
            if one not in kept:
                one.call.escapes.add(one.path[:MAX_STEPS])
    return kept


def _stepped(path: Path, place: ast.expr) -> Path:
    if isinstance(place, ast.Constant) and isinstance(place.value, str):
        return (*path, place.value)
    return path if isinstance(place, ast.Slice) else _into(path)


def _into(path: Path) -> Path:
    """From a list to any item of it; from many values to any of them."""
    return path[:-1] if path and path[-1] == _MANY else (*path, ITEM)


def _argue(call: _Call, path: Path | None, value: ast.expr) -> None:
    """Note an argument, and what is in it as far as it is written out."""
    if path is None:
        call.any_arguments = True
        return
    if path:
        call.arguments.add(path)
    if isinstance(value, ast.Dict):
        for key, inner in zip(value.keys, value.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                _argue(call, (*path, key.value), inner)
            else:
                call.any_arguments = True
    elif isinstance(value, ast.List | ast.Tuple):
        for item in value.elts:
            _argue(call, (*path, ITEM), item)
    elif not isinstance(value, ast.Constant):
        call.any_arguments = call.any_arguments or not path
