"""A host for a guest on plain CPython: answers steps from a script, and keeps them for tests to look at.

The clock is the host's: it moves only when a guest waits, and when a test says so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from guest.clock import Clock
from guest.session import Guest
from isthmus_sandbox.frames import decode_outcome, decode_step

Reply = Callable[["Request"], Sequence[Any]]
"""Answers a request with events' kind and payload: `("value", 5)`; several for a stream; none to leave it open."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a guest's step."""

    call: int
    operation: str
    arguments: dict[str, Any]
    positional: list[Any]
    awaited: bool
    blobs: list[Any]


class GaveUp(BaseException):
    """The guest ended its interpreter."""


class Host:
    """Answers steps. An operation without an answer of its own echoes its arguments."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        self.requests: list[Request] = []
        self.cancelled: list[int] = []
        self.output = ""
        self.now = 0.0
        self.answers: dict[str, Reply] = {}
        self.delays: dict[str, float] = {}  # seconds of the clock until the answer comes
        self._due: list[tuple[float, int, list[Any]]] = []

    def answer(self, operation: str, *replies: tuple[str, Any], after: float = 0.0) -> None:
        """Answer an operation with these events, in this order."""
        self.answers[operation] = _always(replies)
        self.delays[operation] = after

    def fail(self, operation: str, kind: str = "NotFound", message: str = "not there", **more: Any) -> None:
        """Answer an operation with an error."""
        self.answer(operation, ("error", {"type": kind, "message": message, **more}))

    def exchange(self, text: str) -> str:
        """The host's side of the door."""
        decode_step(text.encode())  # what the server would refuse, no test lets pass
        step = json.loads(text)
        assert text.isascii()
        assert set(step) == {"requests", "cancellations", "output", "wake_after_ms", "clock"}
        self.steps.append(step)
        self.output += step["output"]
        self.cancelled += step["cancellations"]
        for fields in step["requests"]:
            self._accept(Request(*fields))
        self._due = [entry for entry in self._due if entry[1] not in self.cancelled]
        wake = step["wake_after_ms"]
        self._pass_time(wake)
        return json.dumps(self._events())

    def _accept(self, request: Request) -> None:
        self.requests.append(request)
        reply: Reply = self.answers.get(request.operation, _echo)
        due = self.now + self.delays.get(request.operation, 0.0)
        for event in reply(request):
            self._due.append((due, request.call, [request.call, *event]))

    def _pass_time(self, wake: float | None) -> None:
        until = min((entry[0] for entry in self._due), default=None)
        if wake is not None and (until is None or until > self.now + wake / 1000):
            until = self.now + wake / 1000
        assert until is not None, "the guest waits for what never comes"
        self.now = max(self.now, until)

    def _events(self) -> list[Any]:
        now = [entry for entry in self._due if entry[0] <= self.now]
        self._due = [entry for entry in self._due if entry[0] > self.now]
        return [event for _, _, event in now]


def _always(events: Sequence[tuple[str, Any]]) -> Reply:
    return lambda _request: events


def _echo(request: Request) -> Sequence[tuple[str, Any]]:
    return [("value", {"operation": request.operation, **request.arguments})]


class Sandbox:
    """A guest and its host, in this process."""

    def __init__(self, workspace: str) -> None:
        self.host = Host()
        clock = Clock(lambda: round(self.host.now * 1e9))
        self.guest = Guest(self.host.exchange, give_up=_give_up, clock=clock, workspace=workspace)
        self.upstreams = ["github", "files"]

    def run(self, source: str, *, seed: str = "5eed", output_bytes: int = 100_000) -> dict[str, Any]:
        """Run a program and give its outcome. Output of all its steps is put together in `output`."""
        self.host.steps.clear()
        self.host.requests.clear()
        self.host.cancelled.clear()
        self.host.output = ""
        program = {"source": source, "seed": seed, "now": 0, "upstreams": self.upstreams, "output_bytes": output_bytes}
        text = self.guest.run(json.dumps(program))
        assert text.isascii()
        decode_outcome(text.encode())
        outcome: dict[str, Any] = json.loads(text)
        outcome["output"] = self.host.output + outcome["output"]
        return outcome

    def value(self, source: str) -> Any:
        """Run a program that must end well, and give its value."""
        outcome = self.run(source)
        assert outcome["ok"], outcome["error"]
        return outcome["value"]

    def error(self, source: str) -> dict[str, Any]:
        """Run a program that must fail, and give its error."""
        outcome = self.run(source)
        assert not outcome["ok"], outcome
        error: dict[str, Any] = outcome["error"]
        return error


def _give_up() -> None:
    raise GaveUp


@contextmanager
def sandbox(workspace: str = "") -> Iterator[Sandbox]:
    """A guest whose changes to the standard library are taken back in the end."""
    box = Sandbox(workspace)
    hook = sys.excepthook
    box.guest.install()
    try:
        yield box
    finally:
        box.guest.uninstall()
        sys.excepthook = hook  # hostile programs change what is this process's own
        vars(sys).pop("tracebacklimit", None)
