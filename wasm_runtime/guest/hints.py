"""What to do instead, for the mistakes that programs make most."""

from __future__ import annotations

import builtins
import difflib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from guest.errors import IsthmusError
from guest.records import MissingKey, missing_field

_HTTP = frozenset({"requests", "httpx", "aiohttp", "urllib3", "httplib2", "httpx2", "ssl"})
_DATA = frozenset({"numpy", "pandas", "scipy", "polars", "sklearn", "matplotlib", "pyarrow"})
_INSTEAD: Mapping[str, str] = {
    **dict.fromkeys(_HTTP, "there is no network here: use the upstreams, which search() finds"),
    **dict.fromkeys(
        _DATA, "only the standard library is here: statistics, sqlite3, csv, collections and itertools help"
    ),
    "yaml": "only the standard library is here; JSON is in `json`",
    "bs4": "only the standard library is here: html.parser and xml.etree.ElementTree read markup",
    "lxml": "only the standard library is here: xml.etree.ElementTree reads XML",
    "dateutil": "only the standard library is here: datetime.fromisoformat and zoneinfo read times",
    "pytz": "only the standard library is here: use zoneinfo",
    "pydantic": "only the standard library is here: use dataclasses",
    "bz2": "bz2 and lzma are not here: zlib, gzip and zipfile are",
    "lzma": "bz2 and lzma are not here: zlib, gzip and zipfile are",
}
_NO_THREADS = "there are no threads and no processes here: await asyncio.gather(...) runs calls at the same time"


def hint_for(error: BaseException, names: Sequence[str]) -> str:
    """One sentence for an exception that ended a program; empty where there is none to give.

    `names` are those that the program could have meant by a name that is not there.
    """
    if isinstance(error, IsthmusError):
        return error.hint
    for kind, find in _FINDERS:
        if isinstance(error, kind):
            return find(error, names)
    return ""


def _import(error: Any, names: Sequence[str]) -> str:
    if isinstance(hint := getattr(error, "hint", None), str):
        return hint
    name = str(error.name or "").partition(".")[0]
    if name in names:
        return f"`{name}` is there without an import"
    if name in sys.stdlib_module_names and name not in _INSTEAD:
        return f"`{name}` needs what this Python (in WebAssembly) does not have: processes, sockets, C libraries"
    return _INSTEAD.get(name, "only the standard library is here, and no packages can be installed") if name else ""


def _name(error: Any, names: Sequence[str]) -> str:
    name = str(error.name or "")
    if name in sys.stdlib_module_names:
        return f"add `import {name}`"
    if name in ("true", "false", "null"):
        return f"in Python: {({'true': 'True', 'false': 'False', 'null': 'None'})[name]}"
    near = difflib.get_close_matches(name, [*names, *dir(builtins)][:5000], n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return "variables live from one program to the next only in the same session" if name else ""


def _attribute(error: Any, _names: Sequence[str]) -> str:
    subject = type(error.obj).__name__ if error.obj is not None else ""
    if subject == "coroutine":
        return "a coroutine function was called without await: write (await f(...)).name"
    if subject == "dict":
        return f"this is a plain dict: write ['{error.name}']"
    if subject == "list":
        return "this is a list: take one element, or loop over it"
    if error.name == "fork" or (subject == "module" and "spawn" in str(error.name)):
        return _NO_THREADS
    if str(error).startswith("'NoneType'"):
        return "the value is None: the call before gave nothing, or a field was null"
    return ""


_CALL_TYPES = re.compile(r"(?<![A-Za-z])Call(?![A-Za-z])")


def _type(error: Any, _names: Sequence[str]) -> str:
    text = str(error)
    if _CALL_TYPES.search(text):
        return "a call was used as data where Python insists on the real thing: write `await` before the call"
    if "'coroutine'" in text or "coroutine object" in text:
        return "an async function was called without await"
    if "can't be used in 'await' expression" in text:
        if "Operation" in text:
            return "this is a name: call it, as in await github.issues.get(number=1)"
        return "this needs no await: only calls of upstreams and async functions do"
    if "'Operation'" in text:
        return "an upstream's operation has to be called: write parentheses after it"
    return ""


def _key(error: Any, _names: Sequence[str]) -> str:
    return missing_field(error.args[0], error.record) if isinstance(error, MissingKey) else ""


def _value(error: Any, _names: Sequence[str]) -> str:
    if "asyncio.run() cannot be called" in str(error):
        return "write `await main()` instead"
    return ""


def _runtime(error: Any, _names: Sequence[str]) -> str:
    text = str(error)
    if "start new thread" in text:
        return _NO_THREADS
    if "no running event loop" in text:
        return "this must stand in an async function, or at the top level of a program that awaits something"
    return ""


def _recursion(_error: Any, _names: Sequence[str]) -> str:
    return "a function calls itself without end, or too deeply: use a loop with a list of what is left to do"


def _memory(error: Any, _names: Sequence[str]) -> str:
    if str(error).startswith("Parser stack"):
        return "the text to evaluate nests too deeply; json.loads reads data"
    return (
        "the sandbox's memory is used up (limit `memory_mb`): "
        "work in smaller parts, keep less, or write to files in /workspace"
    )


def _os(error: Any, _names: Sequence[str]) -> str:
    path = str(error.filename or "")
    if path.startswith("/servers"):
        return "/servers holds read-only stubs, one folder for each upstream: os.listdir('/servers') shows them"
    if path.startswith("/") and not path.startswith("/workspace"):
        return "programs have /workspace (their files) and /servers (stubs to read), and no other directory"
    return ""


def _not_implemented(error: Any, _names: Sequence[str]) -> str:
    return _NO_THREADS if not str(error) or "subprocess" in str(error) else ""


_FINDERS: Sequence[tuple[type[BaseException], Callable[[Any, Sequence[str]], str]]] = (
    (ImportError, _import),
    (NameError, _name),
    (AttributeError, _attribute),
    (KeyError, _key),
    (TypeError, _type),
    (MemoryError, _memory),
    (RecursionError, _recursion),
    (NotImplementedError, _not_implemented),
    (RuntimeError, _runtime),
    (OSError, _os),
    (ValueError, _value),
)


# -- source that is no Python

_SHELL = re.compile(r"^\s*(\$ |sudo |curl |pip3? install|npm |cd |ls |cat |echo |export \w+=|git \w+|apt|#!/bin/)")
_JAVASCRIPT = re.compile(
    r"(^|\W)(const|let|var|function|async function|new Promise|===|=>|console\.log|\}\s*else\s*\{)(\W|$)"
)


def hint_for_syntax(error: SyntaxError, line: str, text: str) -> str:
    """One sentence for source that does not parse; empty where Python's own message says it all."""
    message = str(error.msg)
    if (
        "'await' outside" in message
        or "asynchronous comprehension outside" in message
        or "outside async function" in message
    ):
        return "make it `async def`, or make the call without await: calls work in plain functions too"
    if "Missing parentheses in call to 'print'" in message or message.startswith("Missing parentheses"):
        return "this is Python 3: print(...) and exec(...) are functions"
    if "multiple exception types must be parenthesized" in message:
        return "this is Python 3: except (A, B) as error"
    if "was never closed" in message or "unexpected EOF" in message:
        return "close the bracket, or the text of the program was cut off"
    if "unterminated" in message:
        return "close the quotes; text over several lines needs triple quotes"
    if "nests too deeply" in message:
        return "write large data to a file in /workspace, or build it in a loop"
    if "yield' outside" in message:
        return "put it into a function; the top level may return, and the last expression is the result"
    if _looks_like_json(text):
        return "this is JSON, not a program: write Python that calls operations"
    if _JAVASCRIPT.search(line) or _JAVASCRIPT.search(text):
        return "this looks like JavaScript: write Python"
    if _SHELL.search(line):
        return "this looks like a shell command: write Python; there is no shell here"
    return "indent with spaces only" if isinstance(error, TabError) else ""


def _looks_like_json(text: str) -> bool:
    stripped = text.strip()
    return stripped[:1] in ("{", "[") and re.search(r'"\s*:\s*', stripped[:500]) is not None
