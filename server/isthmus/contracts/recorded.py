"""A recorded execution as files that a team keeps in version control: programs as Python, all else as JSON.

    recordings/open-orders/program.py          the program, as it was submitted
    recordings/open-orders/recording.json      its calls with their answers, its outcome, its seed and its clocks
    recordings/open-orders/program_1.py        what had run in its session before it, where that is kept

Nothing here is private: secrets and private values were taken out before it was written (see `isthmus record`).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isinf
from typing import Any, Literal, get_args

from isthmus.errors import ConfigurationError
from isthmus.model import CallStatus
from isthmus_sandbox.protocol import Readings

VERSION = 1
"""Of the format. A recording of another version is refused, never guessed at."""

FILE, PROGRAM = "recording.json", "program.py"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""What a recording may be called: it is the name of its folder."""

_TAKEN_OUT = re.compile(r"\[(?:redacted|[A-Z][A-Z0-9_]*_[0-9]+)\]")
_BYTES = "$bytes"
_KINDS = ("json", "text", "none")


def is_opaque(value: object) -> bool:
    """Whether a value was taken out in part or whole (`[redacted]`, `[EMAIL_1]`), so that it need not fit anything."""
    return isinstance(value, str) and _TAKEN_OUT.search(value) is not None


@dataclass(frozen=True, slots=True)
class RecordedError:
    """An error as the program was told of it; `type` is its class."""

    type: str
    message: str
    hint: str = ""
    status: int | None = None
    body: Any = None


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One call, with its arguments as the program gave them, and what the program was told.

    `answered` says in which order answers came, from 1; 0 where none came. `steps` are those of the guest in which the
    call was asked for, and told of (0: never), from 1: what came together comes together again. `departed`: where the
    answer was not what its operation described even then. The host's own operations (`isthmus.search`) are calls, too.
    """

    operation: str
    arguments: Mapping[str, Any]
    positional: tuple[Any, ...] = ()
    status: CallStatus = "done"
    answered: int = 0
    answer: Any = None
    error: RecordedError | None = None
    departed: tuple[str, ...] = ()
    steps: tuple[int, int] = (0, 0)

    @property
    def is_hosts(self) -> bool:
        """Whether the host itself answered it."""
        return self.operation.startswith("isthmus.")


@dataclass(frozen=True, slots=True)
class RecordedOutcome:
    """How it ended. `error` and `line` are those of the failure, where it failed."""

    ok: bool
    kind: Literal["json", "text", "none"]
    value: Any = None
    output: str = ""
    error: str = ""  # `ValueError: no orders`
    line: int | None = None


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One program of a session. `file` is the name of the file that it stands in."""

    file: str
    source: str
    seed: str
    now: float  # seconds since the epoch
    clock: Readings
    wall: Readings
    calls: tuple[RecordedCall, ...]
    outcome: RecordedOutcome


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording: the runs of one interpreter, of which the last is what was recorded and the others led to it."""

    execution: str
    runs: tuple[RecordedRun, ...]

    @property
    def upstreams(self) -> frozenset[str]:
        """The names of the upstreams that are called."""
        return frozenset(
            call.operation.partition(".")[0] for run in self.runs for call in run.calls if not call.is_hosts
        )


def written(recorded: Recorded) -> dict[str, str]:
    """The texts of its files, by name."""
    data = {"version": VERSION, "execution": recorded.execution, "runs": [_run_data(run) for run in recorded.runs]}
    sources = {run.file: run.source for run in recorded.runs}
    return {**sources, FILE: json.dumps(data, indent=2, ensure_ascii=False) + "\n"}


def _run_data(run: RecordedRun) -> dict[str, Any]:
    outcome = run.outcome
    ended = {"ok": outcome.ok, "kind": outcome.kind, "value": _plain(outcome.value), "output": outcome.output}
    return {
        "program": run.file,
        "calls": [_call_data(call) for call in run.calls],
        "outcome": {**ended, **({"error": outcome.error, "line": outcome.line} if outcome.error else {})},
        "seed": run.seed,
        "now": run.now,
        "clock": _clock_text(run.clock),
        "wall": _clock_text(run.wall),
    }


def _call_data(call: RecordedCall) -> dict[str, Any]:
    data: dict[str, Any] = {"operation": call.operation, "arguments": _plain(call.arguments)}
    if call.positional:
        data["positional"] = _plain(list(call.positional))
    data |= {"status": call.status, "answered": call.answered, "steps": "{} {}".format(*call.steps)}
    if call.error is not None:
        error = call.error
        data["error"] = {"type": error.type, "message": error.message, "hint": error.hint}
        data["error"] |= {"status": error.status, "body": _plain(error.body)}
    elif call.answered:
        data["answer"] = _plain(call.answer)
    return {**data, "departed": list(call.departed)} if call.departed else data


def _plain(value: Any) -> Any:
    """Plain data without bytes: `{"$bytes": "aGk="}` stands for some; a mapping that looks like that, in a list."""
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode("ascii")}
    if isinstance(value, Mapping):
        data = {key: _plain(item) for key, item in value.items()}
        return {_BYTES: [data[_BYTES]]} if list(data) == [_BYTES] else data
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _clock_text(readings: Readings) -> str:
    """A clock on one line: how often it was read, and each move as the number of its reading, and what it showed."""
    return " ".join([str(readings.made), *(f"{number}:{shown}" for number, shown in readings.moves)])


# ---------------------------------------------------------------- reading: what stands in a repository may be anything


class _Unfit(Exception):
    """Something is not what was written; the message begins with its place."""


def read(files: Mapping[str, str], folder: str) -> Recorded:
    """The recording that the files of a folder are, by name.

    Raises:
        ConfigurationError: they are none, or of another version; the message says where.
    """
    try:
        return _read(files)
    except _Unfit as unfit:
        remedy = "take it from version control again, or record it anew with `isthmus record`"
        raise ConfigurationError(f"the recording cannot be used: {unfit}", file=folder, remedy=remedy) from None


def _read(files: Mapping[str, str]) -> Recorded:
    if FILE not in files:
        raise _Unfit(f"there is no {FILE}")
    try:
        data = json.loads(files[FILE], parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise _Unfit(f"{FILE} is no JSON: {error}"[:200]) from None
    if _get(data, "version", int, "") != VERSION:
        raise _Unfit(f"it is of version {data['version']}, and this isthmus knows version {VERSION}")
    runs = tuple(_run(one, f"/runs/{place}", files) for place, one in enumerate(_get(data, "runs", list, "")))
    if not runs:
        raise _Unfit("/runs is empty")
    return Recorded(_get(data, "execution", str, ""), runs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _finite(digits: str) -> float:
    if isinf(value := float(digits)):
        raise ValueError(f"{digits:.40} is too large")
    return value


def _run(data: Any, place: str, files: Mapping[str, str]) -> RecordedRun:
    file = _get(data, "program", str, place)
    if file not in files or file == FILE:
        raise _Unfit(f"{place}/program: there is no file {file!r:.80}")
    calls = _get(data, "calls", list, place)
    return RecordedRun(
        file,
        files[file],
        _seed(_get(data, "seed", str, place), f"{place}/seed"),
        float(_get(data, "now", (int, float), place)),
        _clock(_get(data, "clock", str, place), f"{place}/clock"),
        _clock(_get(data, "wall", str, place), f"{place}/wall"),
        tuple(_call(one, f"{place}/calls/{number}") for number, one in enumerate(calls)),
        _outcome(_get(data, "outcome", dict, place), f"{place}/outcome"),
    )


def _call(data: Any, place: str) -> RecordedCall:
    status = _get(data, "status", str, place)
    if status not in get_args(CallStatus):
        raise _Unfit(f"{place}/status is none of {', '.join(get_args(CallStatus))}")
    departed = data.get("departed", [])
    if not isinstance(departed, list) or not all(isinstance(each, str) for each in departed):
        raise _Unfit(f"{place}/departed is no list of texts")
    return RecordedCall(
        _get(data, "operation", str, place),
        _value(_get(data, "arguments", dict, place), place),
        tuple(_value(_get({"positional": [], **data}, "positional", list, place), place)),
        status,
        _get(data, "answered", int, place),
        _value(data.get("answer"), f"{place}/answer"),
        _error(data["error"], f"{place}/error") if "error" in data else None,
        tuple(departed),
        _steps(_get(data, "steps", str, place), f"{place}/steps"),
    )


def _steps(text: str, place: str) -> tuple[int, int]:
    if not re.fullmatch(r"\d{1,9} \d{1,9}", text, re.ASCII):
        raise _Unfit(f"{place} are no two numbers of steps")
    asked, told = text.split(" ")
    return int(asked), int(told)


def _error(data: Any, place: str) -> RecordedError:
    kind, message, hint = (_get(data, name, str, place) for name in ("type", "message", "hint"))
    status = _get(data, "status", (int, type(None)), place)
    return RecordedError(kind, message, hint, status, _value(data.get("body"), f"{place}/body"))


def _outcome(data: Mapping[str, Any], place: str) -> RecordedOutcome:
    kind = _get(data, "kind", str, place)
    if kind not in _KINDS:
        raise _Unfit(f"{place}/kind is none of {', '.join(_KINDS)}")
    return RecordedOutcome(
        _get(data, "ok", bool, place),
        kind,
        _value(data.get("value"), f"{place}/value"),
        _get(data, "output", str, place),
        _get({"error": "", **data}, "error", str, place),
        _get({"line": None, **data}, "line", (int, type(None)), place),
    )


def _get(data: Any, name: str, kind: type | tuple[type, ...], place: str) -> Any:
    """A member of an object, which must be there and of a kind."""
    if not isinstance(data, Mapping) or name not in data:
        raise _Unfit(f"{place or '/'} has no {name}")
    value = data[name]
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kind) or (isinstance(value, bool) and bool not in kinds):
        raise _Unfit(f"{place}/{name} is of another type than what was written")
    return value


def _value(value: Any, place: str) -> Any:
    """Plain data with bytes where they were."""
    if isinstance(value, list):
        return [_value(item, place) for item in value]
    if not isinstance(value, dict):
        return value
    if list(value) != [_BYTES]:
        return {key: _value(item, place) for key, item in value.items()}
    inside = value[_BYTES]
    if isinstance(inside, list) and len(inside) == 1:
        return {_BYTES: _value(inside[0], place)}
    try:
        return base64.b64decode(inside, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise _Unfit(f"{place}: {_BYTES} holds no Base64") from None


def _seed(text: str, place: str) -> str:
    if not re.fullmatch(r"(?:[0-9a-f]{2})+", text):
        raise _Unfit(f"{place} is not hexadecimal")
    return text


def _clock(text: str, place: str) -> Readings:
    if not re.fullmatch(r"\d{1,15}(?: \d{1,15}:-?\d{1,15})*", text, re.ASCII):
        raise _Unfit(f"{place} is no clock: `3 0:0 2:15` is one that was read three times")
    made, *moves = text.split(" ")
    pairs: Sequence[tuple[str, str, str]] = [move.partition(":") for move in moves]
    return Readings(int(made), tuple((int(number), int(shown)) for number, _, shown in pairs))
