"""A guest: one interpreter that runs one program after another for one session, and keeps its variables."""

from __future__ import annotations

import asyncio
import builtins
import gc
import json
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

from guest import entropy as entropy_module
from guest import errors
from guest import skills as skills_module
from guest.calls import Call, identical, pending_of
from guest.clients import Operation, Submit, helpers, submitter
from guest.clock import Clock, Told
from guest.entropy import Entropy
from guest.failures import Sources, exit_failure, failure_of, syntax_failure, text_of, type_name
from guest.files import Servers
from guest.loop import Loop, Pending
from guest.mending import Mended, parse_forgivingly
from guest.output import Output, no_input
from guest.patches import Change, Patched, all_changes
from guest.program import IDENTICAL, RESULT, STAR, Code, Source, compile_program, star_importer
from guest.skills import Skills, saver
from guest.values import Encoded, encode_result, is_data, json_text, settled

MAX_NAMES = 200
MAX_NAME = 100  # characters of a variable's name in an outcome
MAX_NOTES = 20


@dataclass(frozen=True, slots=True)
class Program:
    """A program on its way in; the shape is `program` in `specs/guest.wit`."""

    source: str
    seed: str
    upstreams: tuple[str, ...]
    output_bytes: int
    now: float = 0.0
    clock: Told = (0, ())
    rehearsal: bool = False  # of a spare, whose first program is still to come
    files: bool = True  # false: no file may be touched


@dataclass(slots=True)
class _Run:
    """What becomes of one program while it runs."""

    value: Any = None
    error: BaseException | None = None
    failure: dict[str, Any] | None = None
    notes: list[str] = None  # type: ignore[assignment]  # set below: dataclasses of slots take no mutable default

    def __post_init__(self) -> None:
        self.notes = []


class Guest:
    """The interpreter's half of `specs/guest.wit`.

    `exchange` is the host's half; `give_up` ends the interpreter, for a program that will not end; `clock` tells the
    time; `zones` are the time zones by key, where the interpreter has none of its own; `workspace` is the directory
    that is mounted for programs, the current one when the first begins.
    """

    def __init__(
        self,
        exchange: Callable[[str], str],
        *,
        give_up: Callable[[], None],
        clock: Clock | None = None,
        zones: Mapping[str, bytes] | None = None,
        workspace: str = "",
    ) -> None:
        self._output = Output(self._show, self._is_output_due, give_up)
        self._clock = clock or Clock()
        self._loop = Loop(exchange, self._clock, self._output.take)
        self._submit: Submit = submitter(self._loop)
        self._entropy = Entropy()
        self._servers = Servers(self._ask_for_file, workspace)
        self._sources = Sources()
        self._number = 0
        self._upstreams: dict[str, Operation] = {}
        self._zones = dict(zones or {})
        self._main = ModuleType("__main__")
        self._globals = self._main.__dict__
        self._skills = Skills(self._submit, self._sources, lambda: self._builtins)
        self._helpers = {**helpers(self._submit, print), "save_skill": saver(self._submit, self._sources)}
        self._patched: Patched | None = None
        self._builtins: dict[str, Any] = {}

    # -- life

    def install(self) -> None:
        """Change the standard library, and the interpreter's streams, for programs."""
        self._patched = Patched(
            [
                *all_changes(self._loop, self._output, self._entropy, self._servers, self._zones, self._clock),
                *self._modules(),
            ]
        )
        self._builtins = {**vars(builtins), **self._helpers}
        self._upstreams = {}
        self._builtins.update(errors.PUBLIC)
        self._builtins.update({IDENTICAL: identical, STAR: star_importer(self._globals), "input": no_input})
        self._builtins["asyncio"] = asyncio  # the tool's own text speaks of it, and models forget to import it
        self._globals["__builtins__"] = self._builtins
        warnings.resetwarnings()
        warnings.filterwarnings("ignore", category=ResourceWarning)
        warnings.filterwarnings("ignore", category=ImportWarning)
        warnings.filterwarnings("ignore", category=PendingDeprecationWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(?!<program )")

    def uninstall(self) -> None:
        """Take back what `install` changed; this guest runs no more programs."""
        if self._patched is not None:
            self._patched.undo()
        self._patched = None
        self._loop.dispose()

    def _modules(self) -> list[Change]:
        """`from upstreams import github`, `from upstreams.errors import NotFound`, and both from `isthmus`."""
        known = ModuleType("upstreams.errors", errors.__doc__)
        vars(known).update(errors.PUBLIC)
        modules = {
            "upstreams": Upstreams("upstreams", self._upstream, {**errors.PUBLIC, "errors": known}),
            "isthmus": Upstreams("isthmus", self._upstream, {**errors.PUBLIC, **self._helpers, "errors": known}),
            "upstreams.errors": known,
            "isthmus.errors": known,
            "skills": self._skills,
            "__main__": self._main,
        }
        return [(sys.modules, name, module) for name, module in modules.items()]

    def _upstream(self, name: str) -> Operation | None:
        return self._upstreams.get(name)

    # -- one program

    def run(self, text: str) -> str:
        """Run a program to its end: `program` JSON in, `outcome` JSON out."""
        program = _program(json.loads(text))
        self._start(program)
        run = _Run()
        try:
            self._perform(program, run)
            encoded = self._encoded(run)
        except BaseException as error:  # noqa: BLE001 (a program may raise anything)
            run.failure = _internal(error)
            encoded = _NOTHING
        if program.rehearsal:
            self._sources.forget()
        return self._outcome(run, *encoded)

    def _start(self, program: Program) -> None:
        self._clock.start(program.now, program.clock)
        self._output.start(program.output_bytes)
        self._servers.forget()
        skills_module.begin(self._skills)
        self._loop.lost.clear()
        self._loop.lost_calls.clear()
        entropy_module.start(self._entropy, program.seed)
        sys.stdout = sys.stderr = self._output
        sys.modules["__main__"] = self._main
        self._offer(program.upstreams)
        if program.source.strip():
            if program.files:
                self._servers.enter_workspace()
            self._number += not program.rehearsal

    def _offer(self, upstreams: tuple[str, ...]) -> None:
        if tuple(self._upstreams) == upstreams:
            return
        for name in self._upstreams:
            self._builtins.pop(name, None)
            sys.modules.pop(f"upstreams.{name}", None)
        self._upstreams = {name: Operation(name, self._submit) for name in upstreams}
        for name, client in self._upstreams.items():
            self._builtins[name] = client
            sys.modules[f"upstreams.{name}"] = cast(ModuleType, client)

    def _perform(self, program: Program, run: _Run) -> None:
        code = self._compiled(Source(program.source, self._number), run)
        if code is None:
            return
        gc.collect(0)  # takes the constants of the code off the lists that `gc.get_objects()` shows
        try:
            run.value = self._evaluated(code)
            run.value = self._awaited(run.value, run)
        except BaseException as error:  # noqa: BLE001 (a program may raise anything)
            run.error = error
        self._settle(run)

    def _compiled(self, source: Source, run: _Run) -> Code | None:
        self._sources.add(source)
        try:
            mended: Mended = parse_forgivingly(source)
            run.notes.extend(mended.notes)
            if mended.source is not source:
                self._sources.add(mended.source)
            return compile_program(mended.source, mended.tree, touches_calls=self._mentions_calls(source.text))
        except SyntaxError as error:
            about = getattr(error, "source", None)
            if about is not None:
                self._sources.add(about)
            run.failure = syntax_failure(error, self._sources)
            return None

    def _mentions_calls(self, text: str) -> bool:
        own = ("call(", "search(", "save_skill(")
        return any(name in text for name in own) or any(name in text for name in self._upstreams)

    def _evaluated(self, code: Code) -> Any:
        value = eval(code.code, self._globals)  # noqa: S307 (to run programs is what this is for)
        if code.is_coroutine:
            value = self._loop.run_until_complete(value)
        return value if code.returns else self._globals.pop(RESULT, None)

    def _awaited(self, value: Any, run: _Run) -> Any:
        if asyncio.iscoroutine(value) and type(value) is not Call:
            run.notes.append("awaited the coroutine that the program's last expression made")
            return self._loop.run_until_complete(value)
        return value

    def _settle(self, run: _Run) -> None:
        """The end of a program: what is under way comes to its end, and errors that nobody heard are heard."""
        self._globals.pop(RESULT, None)
        try:
            if type(run.value) is Call:
                pending = pending_of(run.value)
                run.value = pending.result()
        except BaseException as error:  # noqa: BLE001 (a program may raise anything)
            run.error = run.error or error
            self._fail(run, error, pending.origin)
        cancelled = self._loop.end_program()
        if cancelled:
            run.notes.append(
                f"{len(cancelled)} task{'s' * (len(cancelled) > 1)} still waiting when the program ended, cancelled"
            )
        if run.error is not None and run.failure is None:
            self._fail(run, run.error, None)
        self._hear(run)
        run.notes.extend(skills_module.end(self._skills))
        if self._output.exceeded and run.failure is None:
            self._fail(run, self._output.error(), None)

    def _hear(self, run: _Run) -> None:
        """Errors of calls and tasks that nobody asked for: the first is the program's, the others are noted."""
        lost: list[tuple[BaseException, Pending | None]] = [
            (pending.error, pending)
            for pending in sorted(self._loop.lost_calls, key=lambda pending: pending.id)
            if pending.error is not None and not pending.heard
        ]
        lost += [(error, None) for error in self._loop.lost if error is not run.error]
        for error, pending in lost:
            if run.failure is None:
                run.error = error
                self._fail(run, error, None if pending is None else pending.origin)
            elif len(run.notes) < MAX_NOTES:
                what = f"{pending.operation} failed" if pending is not None else "a task failed"
                run.notes.append(f"{what} too, and nothing awaited it: {type_name(error)}: {text_of(error)[:300]}")

    def _fail(self, run: _Run, error: BaseException, origin: Any) -> None:
        if isinstance(error, SystemExit) and error.code in (None, 0) and type(error) is SystemExit:
            run.notes.append("the program ended itself by sys.exit()")
            run.error, run.value = None, None
            return
        names = (*self._globals, *self._upstreams, *self._helpers, *errors.PUBLIC)
        run.failure = failure_of(error, self._sources, names=names, origin=origin)
        if run.failure["code"] == "exit":
            run.failure.update(exit_failure(error))

    # -- the outcome

    def _encoded(self, run: _Run) -> tuple[str, Encoded]:
        if run.failure is not None:
            return _NOTHING
        try:
            return self._encoded_value(run)
        except BaseException as error:  # noqa: BLE001 (a program may raise anything)
            self._fail(run, error, None)
            return _NOTHING

    def _encoded_value(self, run: _Run) -> tuple[str, Encoded]:
        value = settled(run.value)
        if value is None:
            return _NOTHING
        if is_data(value):
            encoded = encode_result(value)
            run.notes.extend(encoded.notes)
            return "json", encoded
        text = repr(value)
        return "text", Encoded(json_text(text.encode("utf-8", "backslashreplace").decode()))

    def _outcome(self, run: _Run, kind: str, encoded: Encoded) -> str:
        names = [
            name for name, value in list(self._globals.items()) if is_shown(name) and type(value) is not ModuleType
        ]
        rest = {
            "ok": run.failure is None,
            "kind": kind,
            "output": self._output.take(),
            "error": run.failure,
            "notes": run.notes,
            "names": names[-MAX_NAMES:],
        }
        own = f'"clock": {self._clock.take()}, "value": {encoded.text}, "blobs": {encoded.blobs}'
        return f"{json.dumps(rest)[:-1]}, {own}}}"

    # -- what others ask of it

    def _show(self) -> None:
        self._loop.turn(0.0, send=False)

    def _is_output_due(self) -> bool:
        return self._loop.output_due()

    def _ask_for_file(self, operation: str, path: str) -> Any:
        return settled(self._submit(operation, json_text(operation), {"path": path}, ()))


class Upstreams(ModuleType):
    """The modules `upstreams` and `isthmus`: every upstream of the running program is a name in them."""

    __path__: list[str]

    def __init__(self, name: str, find: Callable[[str], Operation | None], members: Mapping[str, Any]) -> None:
        super().__init__(name, "The clients of this session.")
        self.__path__ = []
        self._find = find
        vars(self).update(members)

    def __getattr__(self, name: str) -> Operation:
        client = self._find(name)
        if client is None:
            raise AttributeError(f"there is no upstream {name!r}", name=name, obj=self)
        return client


def is_shown(name: Any) -> bool:
    """Whether a global is a variable by its name: programs can put anything into `globals()`."""
    return type(name) is str and name.isidentifier() and name[0] != "_" and len(name) <= MAX_NAME


_NOTHING = ("none", Encoded("null"))


def _program(fields: Mapping[str, Any]) -> Program:
    return Program(
        source=fields["source"],
        seed=fields.get("seed", ""),
        upstreams=tuple(fields.get("upstreams", ())),
        output_bytes=int(fields.get("output_bytes", 10_000_000)),
        now=float(fields.get("now", 0.0)),
        clock=fields.get("clock", (0, ())),
        rehearsal=fields.get("rehearsal", False) is True,
        files=fields.get("files", True) is True,
    )


def _internal(error: BaseException) -> dict[str, Any]:
    """The failure that is left when even telling of one failed: out of memory, mostly."""
    memory = isinstance(error, MemoryError)
    return {
        "type": type_name(error),
        "message": "out of memory" if memory else f"the program broke its interpreter: {text_of(error)[:200]}",
        "line": None,
        "column": None,
        "trace": "",
        "hint": "",
        "code": "memory" if memory else "program",
    }
