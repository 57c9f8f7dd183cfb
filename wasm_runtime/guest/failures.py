"""What a program is told of the exception that ended it: its own lines, a caret, a cause, and a hint.

Nothing here trusts the exception: its texts, classes and chains may be hostile. No local variable is shown, and no
frame but the program's own.
"""

from __future__ import annotations

import asyncio
import linecache
import posixpath
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import CodeType, TracebackType
from typing import Any

from guest.errors import Exit, IsthmusError
from guest.hints import hint_for, hint_for_syntax
from guest.program import Source

MAX_MESSAGE = 4_000
MAX_NAME = 100  # characters of the name of a class or a function
MAX_FRAMES = 12
MAX_CHAIN = 4
MAX_LEAVES = 10
MAX_NOTES = 5
KEPT_BYTES = 2_000_000
"""Sources of earlier programs are kept so far, for tracebacks through functions that they defined."""


_OWN_FILE = re.compile(r"<program \d{1,9}>|<skill [a-z][a-z0-9_]{0,63}>")


class Sources:
    """The programs of a session, by the file name that their code carries. The newest are kept."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Source, list[str]]] = {}
        self._size = 0
        self.current = ""

    def add(self, source: Source, *, current: bool = True) -> None:
        """Keep a source, which is the current one from now on, unless it is a part of that."""
        lines = source.text.split("\n")
        if current:
            self.current = source.name
        if (former := self._kept.pop(source.name, None)) is not None:
            self._size -= len(former[0].text)
        self._kept[source.name] = (source, lines)
        self._size += len(source.text)
        linecache.cache[source.name] = (len(source.text), None, [f"{line}\n" for line in lines], source.name)
        while self._size > KEPT_BYTES and len(self._kept) > 1:
            oldest = next(iter(self._kept))
            self._size -= len(self._kept.pop(oldest)[0].text)
            linecache.cache.pop(oldest, None)

    def forget(self) -> None:
        """Keep none: they were rehearsals."""
        for name in self._kept:
            linecache.cache.pop(name, None)
        self._kept.clear()
        self._size = 0

    def place(self, name: str, line: int, column: int | None) -> tuple[int, int | None]:
        """Line and column in the source as it was submitted."""
        source = self._kept[name][0] if name in self._kept else None
        if source is None:
            return line, column
        return line + source.line, None if column is None else column + source.column

    def line(self, name: str, line: int) -> str:
        """One line of text; empty where it is not known."""
        lines = self._kept[name][1] if name in self._kept else []
        return lines[line - 1] if 0 < line <= len(lines) else ""

    def text(self, name: str) -> str:
        """The whole text; empty where it is not known."""
        return self._kept[name][0].text if name in self._kept else ""

    def others(self, name: str) -> list[str]:
        """The texts of all programs but one, the newest first."""
        return [source.text for key, (source, _) in reversed(self._kept.items()) if key != name and not source.title]

    def knows(self, name: str) -> bool:
        """Whether a file name is a program's, or a skill's."""
        return _OWN_FILE.fullmatch(name) is not None

    def shown(self, name: str) -> str:
        """The file name as it is shown: the current program has no number."""
        return "<program>" if name == self.current else name


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a program something happened. Lines and columns count from 1, in the text that was compiled."""

    file: str
    function: str
    line: int
    column: int | None = None
    end: int | None = None  # the column after the last one, on the same line


def failure_of(
    error: BaseException,
    sources: Sources,
    *,
    names: Sequence[str] = (),
    origin: tuple[CodeType, int] | None = None,
) -> dict[str, Any]:
    """The `error` of an outcome.

    `names` are those that the program could have meant. `origin` is where a call was made that nobody waited for.
    """
    if isinstance(error, SyntaxError) and _is_own_syntax_error(error, sources):
        return syntax_failure(error, sources)
    places = _places(error.__traceback__, sources)
    if not places and origin is not None:
        places = [_place_of(*origin)]
    own = next((place for place in reversed(places) if place.file == sources.current), None)
    line, column = (None, None) if own is None else sources.place(own.file, own.line, _column(own, sources))
    message = text_of(error)
    return {
        "type": type_name(error),
        "message": message.strip(),
        "line": line,
        "column": column,
        "trace": _trace(error, message, places, sources),
        "hint": _hint(error, names),
        "code": _code(error),
    }


def syntax_failure(error: SyntaxError, sources: Sources) -> dict[str, Any]:
    """The `error` of an outcome for source that is no Python."""
    name = error.filename or ""
    message = _bounded(str(error.msg), MAX_MESSAGE)
    line, column = error.lineno or 1, error.offset or None
    text = sources.line(name, line)
    end = error.end_offset if error.end_lineno == error.lineno else None
    place = Place(name, "", line, _bytes(text, column), _bytes(text, end))
    shown_line, shown_column = sources.place(name, line, column)
    lines = [f'  File "<program>", line {shown_line}', *_excerpt(text, place)]
    return {
        "type": type(error).__name__,
        "message": message,
        "line": shown_line,
        "column": shown_column,
        "trace": "\n".join([*lines, f"{type(error).__name__}: {message}"]),
        "hint": hint_for_syntax(error, text, "\n".join(sources_text(sources, name))),
        "code": "syntax",
    }


def sources_text(sources: Sources, name: str) -> list[str]:
    """The lines of a program, at most the first hundred."""
    return [line for number in range(1, 101) if (line := sources.line(name, number))]


def _is_own_syntax_error(error: SyntaxError, sources: Sources) -> bool:
    return error.filename == sources.current and not _places(error.__traceback__, sources)


# -- tracebacks that a program prints itself

_OURS = posixpath.dirname(__file__)


def traceback_changes() -> list[tuple[Any, str, Any]]:
    """What to set, as (object, attribute, value), so that `traceback` and `logging` show no frame of ours."""
    names = ("walk_tb", "walk_stack", "_walk_tb_with_full_positions")
    return [(traceback, name, _without_ours(getattr(traceback, name))) for name in names if hasattr(traceback, name)]


def _without_ours(walk: Callable[[Any], Iterable[Any]]) -> Callable[[Any], Iterable[Any]]:
    def walked(start: Any) -> Iterator[Any]:
        if start is None and walk.__name__ == "walk_stack":
            start = sys._getframe(1)  # noqa: SLF001 (by default it is the stack of who asks)
        return (entry for entry in walk(start) if posixpath.dirname(entry[0].f_code.co_filename) != _OURS)

    return walked


# -- the parts of a traceback


def _places(trace: TracebackType | None, sources: Sources) -> list[Place]:
    places: list[Place] = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if sources.knows(code.co_filename):
            places.append(_place_of(code, trace.tb_lasti, trace.tb_lineno))
        trace = trace.tb_next
    return places


def _place_of(code: CodeType, instruction: int, line: int | None = None) -> Place:
    position = next(islice(code.co_positions(), max(instruction, 0) // 2, None), (None, None, None, None))
    first, last, column, end = position
    number = max(0, first or line or code.co_firstlineno)  # all of it can be forged
    function = _bounded(code.co_name, MAX_NAME)
    if column is None:
        return Place(code.co_filename, function, number)
    return Place(code.co_filename, function, number, column + 1, end + 1 if last == first and end else None)


def _trace(error: BaseException, message: str, places: list[Place], sources: Sources) -> str:
    lines = [*_frames(places, sources), _bounded(f"{type_name(error)}: {message}" if message else type_name(error))]
    lines += _notes(error)
    lines += _leaves(error, sources)
    lines += _causes(error, sources)
    return "\n".join(lines)


def _frames(places: list[Place], sources: Sources) -> Iterator[str]:
    left_out = len(places) - MAX_FRAMES
    if left_out > 0:
        yield from _frames(places[:4], sources)
        yield f"  ... {left_out} more frames ..."
        places = places[4 - MAX_FRAMES :]
    for place in places:
        line, _ = sources.place(place.file, place.line, None)
        where = f"in {place.function}" if place.function != "<module>" else "in the program"
        yield f'  File "{sources.shown(place.file)}", line {line}, {where}'
        yield from _excerpt(sources.line(place.file, place.line), place)


def _excerpt(text: str, place: Place) -> Iterator[str]:
    """The line of source, and a caret line under it."""
    stripped = text.strip()
    if not stripped:
        return
    yield f"    {_bounded(stripped, 200)}"
    if place.column is None:
        return
    begin, end = (
        _character(text, place.column),
        _character(text, place.end or 0) if place.end else len(text.rstrip()) + 1,
    )
    indent = len(text) - len(text.lstrip())
    width = max(1, end - begin)
    if begin - 1 - indent >= 200 or (begin - 1 <= indent and width >= len(stripped)):
        return  # all of the line, or out of sight
    yield "    " + " " * max(0, begin - 1 - indent) + "^" * min(width, 200)


def _column(place: Place, sources: Sources) -> int | None:
    return None if place.column is None else _character(sources.line(place.file, place.line), place.column)


def _bytes(text: str, column: int | None) -> int | None:
    """A column that counts characters, as syntax errors do, as one that counts bytes of UTF-8, as code does."""
    return None if column is None else len(text[: max(column, 1) - 1].encode("utf-8", "replace")) + 1


def _character(text: str, column: int) -> int:
    """A column that counts bytes of UTF-8, from 1, as one that counts characters."""
    return (
        column if text.isascii() else len(text.encode("utf-8", "replace")[: column - 1].decode("utf-8", "ignore")) + 1
    )


def _notes(error: BaseException) -> Iterator[str]:
    notes = getattr(error, "__notes__", None)
    if not isinstance(notes, (list, tuple)):
        return
    for note in notes[:MAX_NOTES]:
        yield _bounded(_safe_str(note), 500)
    if len(notes) > MAX_NOTES:
        yield f"... {len(notes) - MAX_NOTES} more notes"


def _leaves(error: BaseException, sources: Sources) -> Iterator[str]:
    leaves = list(islice(leaves_of(error), MAX_LEAVES + 1)) if isinstance(error, BaseExceptionGroup) else []
    for leaf in leaves[:MAX_LEAVES]:
        yield f"  - {_summary(leaf, sources)}"
    if len(leaves) > MAX_LEAVES:
        yield "  - and more"


def leaves_of(error: BaseException) -> Iterator[BaseException]:
    """The exceptions that are no groups, of a group of groups. Safe against cycles, which groups cannot have."""
    stack = [error]
    while stack:
        top = stack.pop()
        if isinstance(top, BaseExceptionGroup):
            stack.extend(reversed(top.exceptions))
        else:
            yield top


def _causes(error: BaseException, sources: Sources) -> Iterator[str]:
    seen = {id(error)}
    for _ in range(MAX_CHAIN):
        cause, word = error.__cause__, "Caused by"
        if cause is None and not error.__suppress_context__:
            cause, word = error.__context__, "While handling"
        if cause is None or id(cause) in seen:
            return
        seen.add(id(cause))
        yield f"{word}: {_summary(cause, sources)}"
        error = cause


def _summary(error: BaseException, sources: Sources) -> str:
    """An exception in one line, and the program's line that raised it."""
    places = _places(error.__traceback__, sources)
    text = _bounded(f"{type_name(error)}: {text_of(error)}".removesuffix(": "), 500)
    if not places:
        return text
    place = places[-1]
    line, _ = sources.place(place.file, place.line, None)
    file = "" if place.file == sources.current else f" of {place.file}"
    return f"{text} (line {line}{file}: {_bounded(sources.line(place.file, place.line).strip(), 100)})"


# -- the parts of an exception


def type_name(error: BaseException) -> str:
    """The class's name; a metaclass of the program's own cannot forge or break it."""
    return _bounded(str(type.__dict__["__name__"].__get__(type(error))), MAX_NAME)


def text_of(error: BaseException) -> str:
    """`str(error)`, bounded, with something in its place where that fails."""
    if isinstance(error, KeyError) and type(error) is KeyError and len(error.args) == 1:
        return _bounded(_safe_repr(error.args[0]))
    return _bounded(_safe_str(error))


def _safe_str(value: object) -> str:
    try:
        text = str(value)
    except BaseException as error:  # noqa: BLE001 (a text of the program's own may raise anything)
        return f"<its text cannot be had: {type_name(error)}>"
    return text if type(text) is str else str.__str__(text)


def _safe_repr(value: object) -> str:
    try:
        text = repr(value)
    except BaseException as error:  # noqa: BLE001 (a text of the program's own may raise anything)
        return f"<its text cannot be had: {type_name(error)}>"
    return text if type(text) is str else str.__str__(text)


def _bounded(text: str, length: int = MAX_MESSAGE) -> str:
    text = text.encode("utf-8", "backslashreplace").decode() if not text.isascii() else text
    return text if len(text) <= length else f"{text[:length]}... ({len(text) - length:,} more characters)"


def _code(error: BaseException) -> str:
    if isinstance(error, IsthmusError):
        return str(error.code)
    if isinstance(error, MemoryError):
        return "program" if str(error).startswith("Parser stack") else "memory"  # eval() of what nests too deeply
    if isinstance(error, (SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError)):
        return "exit"
    return "program"


def _hint(error: BaseException, names: Sequence[str]) -> str:
    try:
        if isinstance(error, BaseExceptionGroup):
            hints = (hint_for(leaf, names) for leaf in islice(leaves_of(error), MAX_LEAVES))
            return _bounded(next(filter(None, hints), ""))
        return _bounded(hint_for(error, names))
    except Exception:  # noqa: BLE001 (a text of the program's own may raise anything)
        return ""


def exit_failure(error: BaseException) -> Mapping[str, Any]:
    """What replaces type and message where a program ended itself."""
    if isinstance(error, Exit):
        return {"type": "SystemExit", "message": f"the program called {error}"}
    if isinstance(error, SystemExit):
        return {"message": f"the program called sys.exit({_bounded(_safe_repr(error.code), 200)})"}
    return {"message": f"the program ended itself by {type_name(error)}: {text_of(error)}".rstrip(": ")}
