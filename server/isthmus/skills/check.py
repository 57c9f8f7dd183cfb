"""What may be saved: one function that stands alone. Its source is read, and never run.

Alone means: it uses its own names, builtins, the standard library, upstreams, and other skills, and it changes nothing
that is not its own, as far as that can be seen. This is about skills that work in the next session too; it is no fence
around them. What a skill may do is what any program may do, and the gateway decides that, call by call.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from isthmus import errors
from isthmus.errors import InvalidArguments, IsthmusError
from isthmus.skills.skill import check_name

MAX_SOURCE = 65_536
"""Characters of one function; what the configuration allows is less, as a rule."""

MAX_NESTING = 100
MAX_FAULTS = 5
SKILLS = "skills"

Function = ast.FunctionDef | ast.AsyncFunctionDef

_HELPERS = frozenset({"call", "search", "help", "save_skill", "simulate", "uses"})
_ERRORS = frozenset(
    name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, IsthmusError)
)
_KNOWN = frozenset({*dir(builtins), "asyncio", "PythonFinalizationError", *_HELPERS, *_ERRORS})
_OURS = frozenset({"upstreams", "isthmus", SKILLS, "__future__"})
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Facts:
    """What reading a skill's source tells. `signature` is `async def name(a: int, *, b=1) -> str`."""

    signature: str
    needs: tuple[str, ...]  # other skills


@dataclass(slots=True)
class _Faults:
    """What is wrong, each with its line; all are told together."""

    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, node: ast.AST | None, problem: str) -> None:
        self.found.append((getattr(node, "lineno", 0), problem))

    def raise_any(self, name: str) -> None:
        if not self.found:
            return
        told = [f"line {line}: {problem}" if line else problem for line, problem in sorted(set(self.found))]
        more = f"; and {len(told) - MAX_FAULTS} more" if len(told) > MAX_FAULTS else ""
        raise InvalidArguments(
            f"{name} does not stand alone: {'; '.join(told[:MAX_FAULTS])}{more}",
            hint="pass what it needs as parameters, define helpers inside it, or save them as skills of their own",
        )


def checked(name: str, source: str, upstreams: Collection[str]) -> Facts:
    """Read a skill's source.

    Raises:
        InvalidArguments: it is no function of that name that stands alone; the message names all faults with lines.
    """
    check_name(name)
    tree = _parsed(name, source)
    function = _function(name, tree)
    faults = _Faults()
    modules = dict(_imported(tree, faults))
    try:
        free = _free_names(tree)
        signature = _signature(function)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InvalidArguments(f"{name} cannot be read: {error}"[:300], hint="save a smaller function") from None
    known = _KNOWN | set(upstreams) | modules.keys() | {name}
    if name in upstreams:
        faults.add(function, f"{name} is the name of an upstream")
    for missing in sorted(free - known):
        faults.add(_first(tree, missing), f"`{missing}` is neither its own, nor a builtin, nor an upstream")
    _find_changes(function, (modules.keys() | set(upstreams)) - _own_names(function), faults)
    faults.raise_any(name)
    needs = sorted({each for each in modules.values() if each.startswith(f"{SKILLS}.")})
    return Facts(signature, tuple(each.partition(".")[2] for each in needs))


def _parsed(name: str, source: str) -> ast.Module:
    if len(source) > MAX_SOURCE:
        raise InvalidArguments(
            f"{name} has {len(source):,} characters, more than {MAX_SOURCE:,}",
            hint="save a smaller function, and give it its data as parameters",
        )
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise InvalidArguments(f"{name} is no Python: line {error.lineno or 1}: {error.msg}"[:300]) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise InvalidArguments(f"{name} cannot be read: {error}"[:300], hint="save a smaller function") from None
    if _nesting(tree) > MAX_NESTING:
        raise InvalidArguments(f"{name} nests more than {MAX_NESTING} levels deep", hint="use names for its parts")
    return tree


def _nesting(tree: ast.AST) -> int:
    level, depth = [tree], 0
    while level and depth <= MAX_NESTING:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    return depth


def _function(name: str, tree: ast.Module) -> Function:
    """The function, which stands after imports at most."""
    body = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]  # a docstring of the file
    if len(body) == 1 and isinstance(body[0], Function) and body[0].name == name:
        return body[0]
    other = next((node for node in body if not (isinstance(node, Function) and node.name == name)), None)
    place = f"line {other.lineno}" if other else "it"
    raise InvalidArguments(
        f"a skill is one function and the imports that it needs: {place} is something else",
        hint=f"def {name}(...): ..., and nothing beside it",
    )


def _imported(tree: ast.Module, faults: _Faults) -> Iterator[tuple[str, str]]:
    """Names that imports bind, and the modules or members that they stand for. Wrong imports are faults."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                _check_module(node, alias.name, faults)
                yield alias.asname or alias.name.partition(".")[0], alias.name
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level or any(alias.name == "*" for alias in node.names):
                faults.add(node, "an import that is relative, or of everything")
                continue
            _check_module(node, module, faults)
            for alias in node.names:
                yield alias.asname or alias.name, f"{module}.{alias.name}"


def _check_module(node: ast.AST, module: str, faults: _Faults) -> None:
    root = module.partition(".")[0]
    if root not in sys.stdlib_module_names and root not in _OURS:
        faults.add(node, f"`{root[:60]}` is not in the standard library")


def _free_names(tree: ast.Module) -> set[str]:
    """The names that are looked up outside the function, in any scope of it. Annotations are not looked up."""
    text = ast.unparse(_WithoutAnnotations().visit(ast.parse(ast.unparse(tree))))
    waiting = [symtable.symtable(text, "skill", "exec")]
    free: set[str] = set()
    while waiting:
        table = waiting.pop()
        waiting += table.get_children()
        free |= {
            each.get_name()
            for each in table.get_symbols()
            if each.is_referenced() and (each.is_global() or table.get_type() == "module")
        }
    return free


class _WithoutAnnotations(ast.NodeTransformer):
    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """A local variable's annotation is never evaluated."""
        node.annotation = ast.copy_location(ast.Constant(None), node)
        return self.generic_visit(node)


def _own_names(function: Function) -> set[str]:
    """The names that the function binds somewhere within, parameters included."""
    arguments = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    return arguments | {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _find_changes(function: Function, others: Collection[str], faults: _Faults) -> None:
    """Faults for what is changed beyond the function: globals, and parts of modules and upstreams."""
    for node in ast.walk(function):
        if isinstance(node, ast.Global):
            faults.add(node, f"`global {node.names[0]}` changes what is not its own")
        elif isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            root: ast.expr = node
            while isinstance(root, ast.Attribute | ast.Subscript):
                root = root.value
            if isinstance(root, ast.Name) and root.id in others:
                faults.add(node, f"it changes `{root.id}`, which is not its own")


def _first(tree: ast.AST, name: str) -> ast.AST | None:
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
    return min(found, key=lambda node: node.lineno, default=None)


def signature_of(name: str, source: str) -> str:
    """How a skill is called; its bare name where its source cannot be read."""
    try:
        return _signature(_function(name, _parsed(name, source)))
    except (InvalidArguments, ValueError, RecursionError, MemoryError):
        return f"def {name}(...)"


def _signature(function: Function) -> str:
    keyword = "async def" if isinstance(function, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return _SPACES.sub(" ", f"{keyword} {function.name}({ast.unparse(function.args)}){returns}")


def example_in(program: str, name: str) -> str:
    """A call of the function as a program wrote it, best one whose arguments are all written out; empty without one."""
    try:
        tree = compile(program, "program", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if not isinstance(tree, ast.Module) or _nesting(tree) > MAX_NESTING:
            return ""
        calls = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
        ]
        texts = sorted((not _is_literal(node), node.lineno, ast.unparse(node)) for node in calls)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    fitting = (text for _, _, text in texts if len(text) <= 200 and "\n" not in text and text.isprintable())
    return next(fitting, "")


def _is_literal(call: ast.Call) -> bool:
    own = (ast.Constant, ast.List, ast.Dict, ast.Tuple, ast.Set, ast.UnaryOp, ast.unaryop, ast.Load, ast.keyword)
    given = [*call.args, *call.keywords]
    return all(isinstance(node, own) for each in given for node in ast.walk(each))
