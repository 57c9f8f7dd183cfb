"""A program's source made into code: top-level `await` and `return`, and the last expression as the result.

Lines and columns of the code are those of the source. Names that the program assigns are the session's globals,
so that they live from one run to the next.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any, cast

RESULT = " result"  # no program can write this name
IDENTICAL = " identical"
STAR = " import star"


@dataclass(frozen=True, slots=True)
class Source:
    """A program's text as it is compiled, and how its places relate to the text as it was submitted.

    `number` counts the session's programs; `line` and `column` are to be added to places in `text`. What is no program
    has a `title`.
    """

    text: str
    number: int
    line: int = 0
    column: int = 0
    title: str = ""

    @property
    def name(self) -> str:
        """The file name that its code carries."""
        return f"<{self.title or f'program {self.number}'}>"


@dataclass(frozen=True, slots=True)
class Code:
    """What to run with `eval(code, globals)`. It gives a coroutine where `is_coroutine` says so.

    The result is what it returns where `returns` says so, else it stands in the globals as RESULT, if anywhere.
    """

    code: CodeType
    is_coroutine: bool
    returns: bool


def parse(source: Source) -> ast.Module:
    """The syntax tree.

    Raises:
        SyntaxError: also for what the parser cannot read (NUL, lone surrogates) or that nests too deeply.
    """
    try:
        return ast.parse(source.text, source.name)
    except SyntaxError:
        raise
    except UnicodeEncodeError as error:
        line = source.text.count("\n", 0, error.start) + 1
        raise _syntax_error("the source holds a lone surrogate, which is no character", source, line) from None
    except ValueError as error:  # NUL bytes, and integer literals of too many digits
        raise _syntax_error(str(error), source, 1) from None
    except (RecursionError, MemoryError) as error:
        raise _too_much(error, source) from None


def compile_program(source: Source, tree: ast.Module, *, touches_calls: bool) -> Code:
    """Code of a parsed program. The tree is changed.

    `touches_calls` says that calls may be made without `await`: then comparing them with `is`, matching them, and
    making one for its effect alone are made to work.

    Raises:
        SyntaxError: what the parser lets pass, such as `return` in a class, or `await` in a plain function.
    """
    if touches_calls:
        _touch_calls(tree)
    if "return" in source.text and any(isinstance(node, ast.Return) for node in _own_nodes(tree.body)):
        return _compile_returning(source, tree)
    _keep_last_expression(tree)
    code = _compile(source, tree)
    return Code(code, bool(code.co_flags & inspect.CO_COROUTINE), returns=False)


def compile_definitions(source: Source) -> CodeType:
    """Code that defines what a source defines; calls without `await` work in it as in any program.

    Raises:
        SyntaxError: it is no Python.
    """
    tree = parse(source)
    _touch_calls(tree)
    return _compile(source, tree)


def _compile(source: Source, tree: ast.Module) -> CodeType:
    try:
        code = compile(tree, source.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (RecursionError, MemoryError) as error:
        raise _too_much(error, source) from None
    except ValueError as error:
        raise _syntax_error(str(error), source, 1) from None
    return cast(CodeType, code)


def _keep_last_expression(tree: ast.Module) -> None:
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr):
        target = ast.copy_location(ast.Name(RESULT, ast.Store()), last)
        tree.body[-1] = ast.copy_location(ast.Assign([target], last.value), last)


def _compile_returning(source: Source, tree: ast.Module) -> Code:
    """Code whose top level may `return`.

    The body is compiled as an async function in which each name that it binds is declared global. Freed of the
    flags that give a function its own variables, the function's code runs as a module's does: names are globals,
    `locals()` is `globals()`, and `return` returns.
    """
    _refuse_yield(source, tree)
    futures = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    body = [_as_global(node) for node in tree.body if node not in futures]
    last = body[-1]
    if isinstance(last, ast.Expr):
        body[-1] = ast.copy_location(ast.Return(last.value), last)
    names = sorted(_bound_names(body))
    head: list[ast.stmt] = [ast.Global(names)] if names else []
    function = ast.AsyncFunctionDef(
        name="program",
        args=ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]),
        body=[*head, *body],
        decorator_list=[],
    )
    if hasattr(ast, "TypeAlias"):  # Python 3.12
        vars(function)["type_params"] = []
    module = ast.Module([*futures, ast.fix_missing_locations(_placed(function, body[0]))], tree.type_ignores)
    outer = _compile(source, module)
    inner = next(constant for constant in outer.co_consts if isinstance(constant, CodeType))
    flags = inner.co_flags & ~(inspect.CO_OPTIMIZED | inspect.CO_NEWLOCALS)
    return Code(inner.replace(co_flags=flags, co_name="<module>", co_qualname="<module>"), True, returns=True)


def _placed(function: ast.AsyncFunctionDef, first: ast.stmt) -> ast.AsyncFunctionDef:
    ast.copy_location(function, first)
    if isinstance(function.body[0], ast.Global):
        ast.copy_location(function.body[0], first)
    return function


def _refuse_yield(source: Source, tree: ast.Module) -> None:
    for node in _own_nodes(tree.body):
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            raise _syntax_error("'yield' outside function", source, node.lineno, node.col_offset + 1)


def _as_global(statement: ast.stmt) -> ast.stmt:
    return cast(ast.stmt, _Globally().visit(statement))


class _Globally(ast.NodeTransformer):
    """Rewrites the two statements that a module may have and a function with globals may not."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        """`x: int = 1` is `x = 1`; a bare `x: int` is nothing."""
        if not isinstance(node.target, ast.Name):
            return node
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt:
        """`from m import *` is left to a helper: functions may not have it."""
        if node.names[0].name != "*":
            return node
        module = ast.Constant("." * node.level + (node.module or ""))
        call = ast.Call(ast.Name(STAR, ast.Load()), [module], [])
        return ast.fix_missing_locations(ast.copy_location(ast.Expr(call), node))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        """A scope of its own is left as it is."""
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.stmt:
        """A scope of its own is left as it is."""
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        """A scope of its own is left as it is."""
        return node


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _own_nodes(nodes: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """All nodes of a scope, without those of the functions, lambdas and classes within.

    Decorators, defaults, annotations and bases of these belong to the scope; comprehensions do too, for
    the sake of `:=`, which binds around them.
    """
    stack: list[ast.AST] = list(reversed(nodes))
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(list(_outer_parts(node) if isinstance(node, _SCOPES) else ast.iter_child_nodes(node))))


def _outer_parts(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a function or class that are evaluated around it."""
    if isinstance(node, ast.ClassDef):
        yield from (*node.decorator_list, *node.bases, *node.keywords)
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        if not isinstance(node, ast.Lambda):
            yield from node.decorator_list
        yield from (*node.args.defaults, *(default for default in node.args.kw_defaults if default is not None))


def _bound_names(body: Sequence[ast.stmt]) -> set[str]:
    """The names that a body binds or deletes in its own scope."""
    names: set[str] = set()
    local: set[int] = set()  # targets of comprehensions: they live in there
    for node in _own_nodes(body):
        if isinstance(node, _COMPREHENSIONS):
            for generator in node.generators:
                local.update(id(part) for part in ast.walk(generator.target))
        elif isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load) and id(node) not in local:
                names.add(node.id)
        else:
            names.update(_names_bound_by(node))
    return names


def _names_bound_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
        yield from [node.name] if node.name else []
    elif isinstance(node, ast.MatchMapping):
        yield from [node.rest] if node.rest else []


def _touch_calls(tree: ast.Module) -> None:
    """Put `identical(...)` around what is compared by `is`, what is matched, and calls whose value nobody takes.

    A call that is a statement ends where it stands: its error is raised there, not later.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            if isinstance(node.value, ast.Call):
                node.value = _touched(node.value)
        elif isinstance(node, ast.Compare):
            if any(isinstance(operation, (ast.Is, ast.IsNot)) for operation in node.ops):
                node.left = _touched(node.left)
                node.comparators = [_touched(operand) for operand in node.comparators]
        elif isinstance(node, ast.Match):
            node.subject = _touched(node.subject)


def _touched(operand: ast.expr) -> ast.expr:
    if isinstance(operand, (ast.Constant, ast.Await)):
        return operand
    name = ast.copy_location(ast.Name(IDENTICAL, ast.Load()), operand)
    return ast.copy_location(ast.Call(name, [operand], []), operand)


def _too_much(error: RecursionError | MemoryError, source: Source) -> SyntaxError:
    """The parser's stack ends in a MemoryError that says so; any other is about memory itself."""
    if isinstance(error, MemoryError) and not str(error):
        return _syntax_error(
            f"the source is too long for the sandbox's memory ({len(source.text):,} characters)", source, 1
        )
    return _syntax_error("the source nests too deeply", source, 1)


def _syntax_error(message: str, source: Source, line: int, column: int = 1) -> SyntaxError:
    lines = source.text.split("\n", line)
    text = lines[line - 1] if line <= len(lines) else ""
    return SyntaxError(message, (source.name, line, column, text, line, column))


def star_importer(namespace: dict[str, Any]) -> Any:
    """What stands in for `from m import *` in a program with a top-level `return`."""

    def import_star(module: str) -> None:
        exec(compile(f"from {module} import *", "<import>", "exec"), namespace)  # noqa: S102 (a program's own statement)

    return import_star
