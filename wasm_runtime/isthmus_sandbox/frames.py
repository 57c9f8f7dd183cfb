"""Texts to values and back: the only code of the server that meets what a hostile worker wrote.

Decoding is strict and linear in the length of the frame: UTF-8 and JSON to the letter, no duplicate keys, bounded
depth and number of values *before* the parser builds anything, integers of 64 bits, finite floats, no lone surrogates,
and then the shape that `specs/guest.wit` gives, member by member. The only exception is `ProtocolViolation`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from math import isfinite
from typing import Any, NoReturn, cast

from isthmus_sandbox.protocol import (
    MAX_DEPTH,
    NO_READINGS,
    Event,
    Failure,
    Outcome,
    Program,
    ProtocolViolation,
    Readings,
    Request,
    Step,
)
from isthmus_sandbox.values import check, clean, is_large

MAX_MEMBERS = 1_000_000
"""Values in one frame of a worker: each costs the server up to a microsecond and a hundred bytes."""

MAX_OPERATION = 1_000  # characters of a dotted name

_BRACKETS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
# Possessive, and content with a string that never ends: one pass whatever stands there.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.?[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")

# What is written was checked, so that nothing in it is a part of itself.
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))
_PART = 1_000  # values that are written at once

_STEP = frozenset({"requests", "cancellations", "output", "wake_after_ms", "clock"})
_OUTCOME = frozenset({"ok", "kind", "value", "blobs", "output", "error", "notes", "names", "clock"})
_FAILURE = frozenset({"type", "message", "line", "column", "trace", "hint", "code"})


# ---------------------------------------------------------------- from the worker


def decode_step(raw: bytes) -> Step:
    """What a guest says when it must wait.

    Raises:
        ProtocolViolation: it is not what an honest guest writes; the message names the place.
    """
    wall, guest = _head(raw)
    step = _members(_parse(guest, wrapping=4), _STEP, "step")
    return Step(
        requests=tuple(_request(row, f"requests[{at}]") for at, row in enumerate(_list(step, "requests"))),
        cancellations=tuple(_call(call, "cancellations") for call in _list(step, "cancellations")),
        output=_text(step, "output"),
        wake_after_ms=_wait(step["wake_after_ms"]),
        clock=_readings(step["clock"], "clock"),
        wall=wall,
        text=raw,
    )


def decode_outcome(raw: bytes) -> Outcome:
    """How a run ended.

    Raises:
        ProtocolViolation: it is not what an honest guest writes; the message names the place.
    """
    wall, guest = _head(raw)
    outcome = _members(_parse(guest, wrapping=1), _OUTCOME, "outcome")
    kind = outcome["kind"]
    _require(kind in ("json", "text", "none"), "outcome", "kind is not json, text or none")
    value = _with_blobs(outcome["value"], outcome["blobs"], "outcome")
    _require(kind != "text" or isinstance(value, str), "outcome", "kind is text and the value is not")
    _require(kind != "none" or value is None, "outcome", "kind is none and there is a value")
    ok = _flag(outcome["ok"], "ok")
    _require(ok == (outcome["error"] is None), "outcome", "ok and error contradict each other")
    return Outcome(
        ok=ok,
        kind=kind,
        value=value,
        output=_text(outcome, "output"),
        error=None if ok else _failure(outcome["error"]),
        notes=_texts(outcome, "notes"),
        names=_texts(outcome, "names"),
        clock=_readings(outcome["clock"], "clock"),
        wall=wall,
        text=raw,
    )


def decode_event(raw: bytes) -> Event:
    """An event as `encode_event` wrote it, for who finds it again in a record.

    Raises:
        ProtocolViolation: it is none.
    """
    row = _parse(raw, wrapping=1)
    _require(type(row) is list and len(row) == 4, "event", "is not a list of four")
    call, kind, payload, blobs = row
    _require(kind in ("value", "error", "item", "end"), "event", "its kind is unknown")
    return Event(_call(call, "event"), kind, _with_blobs(payload, blobs, "event"), raw)


def _head(raw: bytes) -> tuple[Readings, bytes]:
    """What the worker wrote before the guest's text, where it did: the readings of WASI's clock, and a line's end."""
    if not raw.startswith(b"["):
        return NO_READINGS, raw
    head, _, guest = raw.partition(b"\n")
    return _readings(_parse(head, wrapping=0), "wall"), guest


def _readings(value: Any, place: str) -> Readings:
    _require(type(value) is list and len(value) == 2, place, "is not a number and a list")
    made, moves = value
    _require(type(made) is int and made >= 0 and type(moves) is list, place, "is not a number and a list")
    for move in moves:
        _require(type(move) is list and len(move) == 2, place, "a move is not a list of two")
        _require(type(move[0]) is int and type(move[1]) is int and 0 < move[0] <= made, place, "a move is out of place")
    return Readings(made, tuple((at, shown) for at, shown in moves))


def _request(row: Any, place: str) -> Request:
    _require(type(row) is list and len(row) == 6, place, "is not a list of six")
    call, operation, arguments, positional, awaited, blobs = row
    _require(type(operation) is str and 0 < len(operation) <= MAX_OPERATION, place, "the operation is no name")
    _require(type(arguments) is dict, place, "the arguments are no object")
    _require(type(positional) is list, place, "the positional arguments are no list")
    for path, data in _blobs(blobs, place):
        _require(bool(path), place, "a blob has no path")
        _place_blob(arguments if type(path[0]) is str else positional, path, data, place)
    return Request(
        call=_call(call, place),
        operation=operation,
        arguments=arguments,
        positional=tuple(positional),
        awaited=_flag(awaited, place),
    )


def _failure(value: Any) -> Failure:
    error = _members(value, _FAILURE, "error")
    return Failure(
        type=_text(error, "type"),
        message=_text(error, "message"),
        line=_position(error, "line"),
        column=_position(error, "column"),
        trace=_text(error, "trace"),
        hint=_text(error, "hint"),
        code=_text(error, "code"),
    )


# ---------------------------------------------------------------- the parser


def _parse(raw: bytes, wrapping: int) -> Any:
    """The text as a value. `wrapping` is how many containers of ours stand around a guest's own value."""
    _bound(raw, MAX_DEPTH + wrapping)
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except UnicodeDecodeError:
        _refuse("frame", "is not UTF-8")
    except (ValueError, RecursionError) as error:
        raise ProtocolViolation(f"frame: is not strict JSON: {str(error)[:120]}") from None
    if _SURROGATE_ESCAPE.search(raw):  # whole pairs, or lone ones
        _check_texts(value, wrapping)
    return value


def _bound(raw: bytes, max_depth: int) -> None:
    """Refuse what would be dear to parse, in one pass, before anything is built.

    Commas and brackets within strings are counted too at first, which may be too many but costs nothing.
    """
    opened = raw.count(b"[") + raw.count(b"{")
    if opened <= max_depth and opened + raw.count(b",") <= MAX_MEMBERS:
        return
    bare = _STRING.sub(b"", raw)
    brackets = bare.translate(_BRACKETS, _NO_BRACKETS)
    _require(bare.count(b",") + len(brackets) // 2 <= MAX_MEMBERS, "frame", f"more than {MAX_MEMBERS} values")
    deepest = max(accumulate(array("b", brackets)), default=0)
    _require(deepest <= max_depth, "frame", f"values are nested more than {MAX_DEPTH} deep")


def _check_texts(value: Any, wrapping: int) -> None:
    try:
        check(value, "frame", wrapping=wrapping)
    except ValueError as error:
        raise ProtocolViolation(str(error)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate key")
    return value


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError("an integer of more than 64 bits")
    value = int(digits)
    if not -(2**63) <= value < 2**63:
        raise ValueError("an integer of more than 64 bits")
    return value


def _float(digits: str) -> float:
    if len(digits) > 1_000:
        raise ValueError("a number of more than 1,000 digits")
    value = float(digits)
    if not isfinite(value):
        raise ValueError("a number that is not finite")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


# ---------------------------------------------------------------- members


def _refuse(place: str, problem: str) -> NoReturn:
    raise ProtocolViolation(f"{place}: {problem}")


def _require(condition: bool, place: str, problem: str) -> None:
    if not condition:
        _refuse(place, problem)


def _members(value: Any, names: frozenset[str], place: str) -> dict[str, Any]:
    _require(type(value) is dict, place, "is no object")
    _require(value.keys() == names, place, f"its members are not {', '.join(sorted(names))}")
    return cast(dict[str, Any], value)


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    _require(type(value[name]) is list, name, "is no list")
    return cast(list[Any], value[name])


def _text(value: Mapping[str, Any], name: str) -> str:
    _require(type(value[name]) is str, name, "is no text")
    return cast(str, value[name])


def _texts(value: Mapping[str, Any], name: str) -> tuple[str, ...]:
    texts = _list(value, name)
    _require(all(type(text) is str for text in texts), name, "holds something that is no text")
    return tuple(texts)


def _flag(value: Any, place: str) -> bool:
    _require(type(value) is bool, place, "is neither true nor false")
    return cast(bool, value)


def _call(value: Any, place: str) -> int:
    _require(type(value) is int and value >= 1, place, "a call is a number from 1")
    return cast(int, value)


def _position(value: Mapping[str, Any], name: str) -> int | None:
    _require(value[name] is None or (type(value[name]) is int and value[name] >= 0), name, "is no position")
    return cast("int | None", value[name])


def _wait(value: Any) -> float | None:
    if value is None:
        return None
    _require(type(value) in (int, float), "wake_after_ms", "is no number")
    return max(0.0, float(value))


# ---------------------------------------------------------------- bytes beside the JSON

_Path = list[str | int]


def _with_blobs(value: Any, blobs: Any, place: str) -> Any:
    for path, data in _blobs(blobs, place):
        if path:
            _place_blob(value, path, data, place)
        else:
            _require(value is None, place, "a blob stands where something is already")
            value = data
    return value


def _blobs(blobs: Any, place: str) -> Iterable[tuple[_Path, bytes]]:
    _require(type(blobs) is list, place, "the blobs are no list")
    for blob in blobs:
        _require(type(blob) is list and len(blob) == 2, place, "a blob is not a path and a text")
        path, text = blob
        _require(type(path) is list and all(type(key) in (str, int) for key in path), place, "a blob's path is none")
        _require(type(text) is str, place, "a blob is no text")
        yield path, _base64(text, place)


def _base64(text: str, place: str) -> bytes:
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True) if text else b""
    except ValueError:
        _refuse(place, "a blob is not base64")


def _place_blob(value: Any, path: _Path, data: bytes, place: str) -> None:
    """Put `data` where the path leads, which must be a `null` that is there."""
    holder = value
    for key in path[:-1]:
        holder = _member(holder, key, place)
    _require(_member(holder, path[-1], place) is None, place, "a blob stands where something is already")
    holder[path[-1]] = data


def _member(holder: Any, key: str | int, place: str) -> Any:
    if type(holder) is dict and type(key) is str and key in holder:
        return holder[key]
    if type(holder) is list and type(key) is int and 0 <= key < len(holder):
        return holder[key]
    _refuse(place, "a blob's path leads nowhere")


# ---------------------------------------------------------------- to the worker


def encode_program(program: Program) -> bytes:
    """The JSON text that `run` takes; before it on a line of its own, where there are some, the readings for WASI.

    A lone surrogate in the source goes as it is: it is the program's own error.
    """
    fields = {
        "source": program.source,
        "seed": program.seed,
        "now": program.now,
        "upstreams": list(program.upstreams),
        "output_bytes": program.output_bytes,
    }
    if program.clock != NO_READINGS:
        fields["clock"] = [program.clock.made, program.clock.moves]
    head = "" if program.wall == NO_READINGS else json.dumps([program.wall.made, program.wall.moves]) + "\n"
    return (head + json.dumps(fields, allow_nan=False)).encode("ascii")


def encode_events(events: Sequence[Event]) -> bytes:
    """The JSON text that `exchange` gives.

    Raises:
        ValueError: a payload is not plain data; the message names the place: `events[0].payload["a"][3]`.
    """
    return b"[" + b",".join(encode_event(event, f"events[{at}]") for at, event in enumerate(events)) + b"]"


def event_text(event: Event, large: bool | None = None) -> bytes:
    """An event as it travels: as `encode_event`, with what is not plain mended. `large`: as is known already."""
    try:
        return encode_event(event, large=large)
    except ValueError:
        return encode_event(replace(event, payload=clean(event.payload)), large=large)


def encode_event(event: Event, name: str = "event", *, large: bool | None = None) -> bytes:
    """One member of the list that `encode_events` makes.

    Raises:
        ValueError: the payload is not plain data; the message begins with `name`.
    """
    check(event.payload, f"{name}.payload")
    dump = _dump_in_parts if (is_large(event.payload) if large is None else large) else _dump
    try:
        payload, blobs = dump(event.payload), b"[]"
    except TypeError:  # there are bytes in it
        found: list[tuple[_Path, str]] = []
        payload, blobs = dump(_detach(event.payload, [], found)), _dump(found)
    return b'[%d,"%b",%b,%b]' % (event.call, event.kind.encode(), payload, blobs)


def _dump(value: Any) -> bytes:
    return _ENCODER.encode(value).encode("utf-8")


def _dump_in_parts(value: Any) -> bytes:
    """As `_dump`, in parts: between them other threads have their turn, where the value is large."""
    if isinstance(value, list) and len(value) > _PART:
        parts = (_dump(value[at : at + _PART])[1:-1] for at in range(0, len(value), _PART))
        return b"[" + b",".join(parts) + b"]"
    if isinstance(value, dict) and 0 < len(value) <= _PART:
        return b"{" + b",".join(_dump(key) + b":" + _dump_in_parts(item) for key, item in value.items()) + b"}"
    return _dump(value)


def _detach(value: Any, path: _Path, found: list[tuple[_Path, str]]) -> Any:
    """A copy with None in place of bytes, which are noted in `found` with their paths."""
    if isinstance(value, bytes):
        found.append((list(path), base64.b64encode(value).decode("ascii")))
        return None
    if isinstance(value, dict):
        return {key: _detach(item, [*path, key], found) for key, item in value.items()}
    if isinstance(value, list):
        return [_detach(item, [*path, at], found) for at, item in enumerate(value)]
    return value
