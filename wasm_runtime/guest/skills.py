"""Skills as programs have them: `save_skill(function, description)`, and `from skills import name`.

A skill is a text that the host keeps. It is run here, as a part of the program that imports it, with its upstreams and
no more. What the host answers stands in the journal, so that a program that is run again has the skills that it had.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from types import FunctionType, ModuleType
from typing import Any

from guest.calls import Call
from guest.clients import Submit
from guest.errors import InvalidArguments, IsthmusError, NotFound
from guest.failures import Sources
from guest.program import Source, compile_definitions
from guest.values import settled

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
MAX_TOLD = 1000
"""Skills whose use one program tells the host."""


class NoSkill(ImportError):
    """There is no such skill, or it cannot be run; `hint` says what to do."""

    def __init__(self, message: str, *, name: str, hint: str = "") -> None:
        super().__init__(message, name=f"skills.{name}")
        self.hint = hint


class _Use:
    """What became of one skill's calls in one program; `loaded`: the program itself imported it."""

    __slots__ = ("calls", "failures", "loaded")

    def __init__(self) -> None:
        self.calls = self.failures = 0
        self.loaded = False


class Skills(ModuleType):
    """The module `skills`: every skill of the principal is a function in it, once it is asked for."""

    __path__: list[str]

    def __init__(self, submit: Submit, sources: Sources, builtins: Callable[[], Mapping[str, Any]]) -> None:
        super().__init__("skills", "Functions that were saved: `from skills import name`. dir(skills) lists them.")
        self.__path__ = []
        self._isthmus_submit = submit
        self._isthmus_sources = sources
        self._isthmus_builtins = builtins
        self._isthmus_loaded: dict[str, Callable[..., Any] | None] = {}
        self._isthmus_uses: dict[tuple[str, str], _Use] = {}  # by name and hash
        self._isthmus_notes: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if not _NAME.fullmatch(name):
            raise AttributeError(f"no skill has the name {name!r}", name=name, obj=self)
        if name not in self._isthmus_loaded:
            self._isthmus_loaded[name] = None  # being loaded
            try:
                self._isthmus_loaded[name] = self._isthmus_load(name)
            finally:
                if self._isthmus_loaded[name] is None:
                    del self._isthmus_loaded[name]
        found = self._isthmus_loaded[name]
        if found is None:
            raise NoSkill(f"the skill {name} needs itself", name=name, hint="save it without that import")
        return found

    def __dir__(self) -> list[str]:
        return [str(name) for name in self._isthmus_ask("names", {})]

    def _isthmus_ask(self, what: str, arguments: dict[str, Any]) -> Any:
        operation = f"isthmus.skills.{what}"
        return settled(self._isthmus_submit(operation, f'"{operation}"', arguments, ()))

    def _isthmus_load(self, name: str) -> Callable[..., Any]:
        try:
            found = self._isthmus_ask("load", {"name": name})
        except NotFound as error:
            raise NoSkill(str(error), name=name, hint=error.hint) from None
        except InvalidArguments as error:
            raise NoSkill(f"the skill {name} cannot be used: {error}", name=name, hint=error.hint) from None
        source = Source(found["source"], 0, title=f"skill {name}")
        self._isthmus_sources.add(source, current=False)
        module = ModuleType(f"skills.{name}")
        vars(module)["__builtins__"] = self._isthmus_builtins()
        exec(compile_definitions(source), vars(module))  # noqa: S102 (to run it is what a skill is for)
        self._isthmus_notes.extend(found["notes"])
        key = (name, str(found["hash"]))
        self._isthmus_use(key).loaded = True
        return _counted(vars(module)[name], lambda: self._isthmus_use(key))

    def _isthmus_use(self, key: tuple[str, str]) -> _Use:
        """The record of the running program: a function may live on in the session, and be called by a later one."""
        if key not in self._isthmus_uses:
            self._isthmus_uses[key] = _Use()
        return self._isthmus_uses[key]


def begin(skills: Skills) -> None:
    """Another program has begun: it asks for its skills anew, and counts its own calls."""
    skills._isthmus_loaded.clear()  # noqa: SLF001 (all other names of the module are free for skills)
    skills._isthmus_uses.clear()  # noqa: SLF001
    skills._isthmus_notes.clear()  # noqa: SLF001


def end(skills: Skills) -> list[str]:
    """The program has ended: tell the host what became of the calls. Gives what the model is to be told of them."""
    uses = [[*key, use.loaded, use.calls, use.failures] for key, use in skills._isthmus_uses.items()]  # noqa: SLF001
    notes = list(skills._isthmus_notes)  # noqa: SLF001
    begin(skills)
    if uses:
        with contextlib.suppress(IsthmusError):  # a record of use that is lost fails no program
            skills._isthmus_ask("used", {"uses": uses[:MAX_TOLD]})  # noqa: SLF001
    return notes


def _counted(function: Any, use_now: Callable[[], _Use]) -> Callable[..., Any]:
    """The function, which counts how often it is called, and how often that fails."""
    if not callable(function):
        raise TypeError(f"a skill is a function, not {type(function).__name__}")

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*positional: Any, **named: Any) -> Any:
            use = use_now()
            use.calls += 1
            try:
                return await function(*positional, **named)
            except BaseException:
                use.failures += 1
                raise

        return awaited

    @functools.wraps(function)
    def called(*positional: Any, **named: Any) -> Any:
        use = use_now()
        use.calls += 1
        try:
            return function(*positional, **named)
        except BaseException:
            use.failures += 1
            raise

    return called


def saver(submit: Submit, sources: Sources) -> Callable[..., Call]:
    """The function `save_skill` of a session."""

    def save_skill(function: Any, description: str = "") -> Call:
        """Keep a function for later sessions: `save_skill(late_orders, "Orders that are late, oldest first.")`.

        It must stand alone: its parameters, the standard library, upstreams and other skills are all that it uses.
        """
        function = inspect.unwrap(function) if callable(function) else function
        if not isinstance(function, FunctionType):
            raise TypeError(f"save_skill() takes a function, not {type(function).__name__}")
        described = settled(description) or (inspect.getdoc(function) or "").partition("\n\n")[0]
        if not isinstance(described, str) or not described.strip():
            raise TypeError(
                f"save_skill({function.__name__}, ...) takes a description: a sentence that search can find"
            )
        given = {"name": function.__name__, "source": source_of(function, sources), "description": described}
        return submit("isthmus.skills.save", '"isthmus.skills.save"', given, ())

    return save_skill


def source_of(function: FunctionType, sources: Sources) -> str:
    """The function's own text, under the imports of its program that bind names which it uses.

    Raises:
        ValueError: it was not written as a `def` in a program of this session.
    """
    code = function.__code__
    text = sources.text(code.co_filename)
    node = _definition(text, code.co_name, code.co_firstlineno) if text else None
    if node is None:
        raise ValueError(f"{function.__name__} was not defined with `def` in a program of this session: define it anew")
    lines = text.split("\n")[_first_line(node) - 1 : node.end_lineno]
    body = textwrap.dedent("\n".join(lines))
    used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    imports = [
        *_imports(text, used),
        *(each for other in sources.others(code.co_filename) for each in _imports(other, used)),
    ]
    heads: dict[str, str] = {}
    for name, statement in imports:
        heads.setdefault(name, statement)
    head = "\n".join(sorted(set(heads.values()), key=lambda each: (not each.startswith("import"), each)))
    return f"{head}\n\n\n{body}\n" if head else f"{body}\n"


def _definition(text: str, name: str, line: int) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    for node in ast.walk(_parsed(text)):
        if (
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and node.name == name
            and _first_line(node) == line
        ):
            return node
    return None


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([node.lineno, *(each.lineno for each in node.decorator_list)])


def _imports(text: str, names: set[str]) -> list[tuple[str, str]]:
    """The names that a program's own imports bind, of those asked for, each with a statement that binds it alone."""
    found: list[tuple[str, str]] = []
    for node in _parsed(text).body:
        if isinstance(node, ast.Import):
            bound = [(each.asname or each.name.partition(".")[0], each) for each in node.names]
            found += [(name, ast.unparse(ast.Import([each]))) for name, each in bound if name in names]
        elif isinstance(node, ast.ImportFrom) and node.names[0].name != "*":
            pairs = [(each.asname or each.name, each) for each in node.names]
            found += [(name, f"{_from(node, each)}") for name, each in pairs if name in names]
    return found


def _from(node: ast.ImportFrom, alias: ast.alias) -> str:
    return ast.unparse(ast.ImportFrom(node.module, [alias], node.level))


def _parsed(text: str) -> ast.Module:
    tree = compile(text, "<program>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    assert isinstance(tree, ast.Module)  # noqa: S101 (what this flag gives)
    return tree
