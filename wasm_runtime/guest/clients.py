"""The names by which programs call upstreams. They are data: nothing is made from what an upstream says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import Any

from guest.calls import Call
from guest.loop import Loop
from guest.values import encode_arguments, has_surrogate, json_text, settled

MAX_NAME = 1_000
"""Characters of an operation's name."""

Submit = Callable[[str, str, dict[str, Any], tuple[Any, ...]], Call]
"""Makes a call of: operation, its name as JSON, arguments by name, arguments by place."""


class Operation:
    """An upstream, a group of operations, or an operation: what it is, the host knows when it is called.

    `github.issues.create(title="t")` makes a call; `dir(github.issues)` and `help(github.issues.create)` ask the host.
    """

    __slots__ = ("__dict__", "_isthmus_json", "_isthmus_name", "_isthmus_submit")

    def __init__(self, name: str, submit: Submit) -> None:
        self._isthmus_name = name
        self._isthmus_json = json_text(name)
        self._isthmus_submit = submit

    def __getattr__(self, name: str) -> Operation:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(f"{self._isthmus_name} has no attribute {name!r}", name=name, obj=self)
        child = Operation(f"{self._isthmus_name}.{name}", self._isthmus_submit)
        self.__dict__[name] = child
        return child

    def __call__(self, *positional: Any, **arguments: Any) -> Call:
        """Make a call of it; it is sent when the program next waits, or with the next one that is."""
        return self._isthmus_submit(self._isthmus_name, self._isthmus_json, arguments, positional)

    def __dir__(self) -> list[str]:
        return [
            str(name) for name in self._isthmus_submit("isthmus.dir", '"isthmus.dir"', {"path": self._isthmus_name}, ())
        ]

    def __repr__(self) -> str:
        name = self._isthmus_name
        return f"<{name}: await {name}(...) calls it, dir({name}) lists it, help({name}) explains it>"

    def __reduce__(self) -> Any:
        raise TypeError(f"{self._isthmus_name} cannot be pickled or copied: it is a name to call")


def name_of(operation: Operation) -> str:
    """The dotted name that an Operation stands for."""
    return operation._isthmus_name  # noqa: SLF001 (every other name is free for what upstreams have)


def submitter(loop: Loop) -> Submit:
    """Makes calls on a loop. Raises TypeError or ValueError, at the program's line, for what cannot be sent."""

    def submit(name: str, json_name: str, arguments: dict[str, Any], positional: tuple[Any, ...]) -> Call:
        if len(name) > MAX_NAME or has_surrogate(name):
            raise ValueError(f"no operation has the name {name[:80]!r}")
        try:
            encoded = encode_arguments(arguments, positional)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from None
        return Call(loop.submit(name, encoded, json_name, _origin(sys._getframe(2))))  # noqa: SLF001 (the line to show)

    return submit


def _origin(frame: FrameType | None) -> tuple[CodeType, int] | None:
    return None if frame is None else (frame.f_code, frame.f_lasti)


def helpers(submit: Submit, show: Callable[[object], None]) -> Mapping[str, Any]:
    """The functions that every program has beside its upstreams."""

    def call(operation: str, arguments: Mapping[str, Any] | None = None, /, **more: Any) -> Call:
        """Call an operation by its id: `await call("github.issues.get", {"number": 1})`."""
        name = name_of(operation) if isinstance(operation, Operation) else settled(operation)
        if not isinstance(name, str) or not name:
            raise TypeError(f"call() takes an operation's id, such as 'github.issues.get', not {type(name).__name__}")
        given = settled(arguments)
        if not isinstance(given, (Mapping, type(None))):
            raise TypeError(f"call() takes the arguments as a dict, not {type(given).__name__}")
        return submit(name, json_text(name), {**(given or {}), **more}, ())

    def search(query: Any = "", **options: Any) -> Call:
        """Search operations as the tool `search` does; gives its text."""
        return submit("isthmus.search", '"isthmus.search"', {"query": query, **options}, ())

    def simulate() -> Call:
        """From here on, what would change the world is not sent, but listed, and answered by an example."""
        return submit("isthmus.simulate", '"isthmus.simulate"', {}, ())

    def uses(*operations: Any) -> Call:
        """From here on, only these operations can be called: ids, globs, operations or groups of them.

        It narrows what the program may do, for this program, and never widens it.
        """
        names = [name_of(each) if isinstance(each, Operation) else settled(each) for each in operations]
        return submit("isthmus.uses", '"isthmus.uses"', {"operations": names}, ())

    def help(subject: Any = None) -> None:  # noqa: A001 (it takes the place of Python's)
        """Explain an operation, or any object of Python, in the output."""
        if isinstance(subject, Operation):
            show(submit("isthmus.help", '"isthmus.help"', {"operation": name_of(subject)}, ()).__isthmus_value__())
        else:
            show(_python_help(subject))

    return {"call": call, "search": search, "simulate": simulate, "uses": uses, "help": help}


def _python_help(subject: Any) -> str:
    import pydoc

    if subject is None:
        return "help(github.issues.create) explains an operation, help(str.split) a part of Python."
    try:
        return pydoc.render_doc(subject, "Help on %s:", renderer=vars(pydoc)["plaintext"])
    except ImportError as error:
        return str(error)
