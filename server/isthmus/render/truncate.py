"""Making things shorter without making them wrong: data stays data, and says how much of it is missing.

Rooms are counted in characters of compact JSON. The marks that stand for what was left out begin with `…`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from isthmus.render.results_text import count, encode

MARK = "…"
SMALLEST = 24
"""Below this room a container is not opened: it is named with its size."""

WORK = 4
"""How much of a value is looked at while its parts are weighed, in rooms. It bounds the time, whatever the value."""

Estimate = Callable[[str], int]


def shorten(value: Any, room: int) -> Any:
    """Plain data that resembles `value` and takes about `room` characters, with marks where something is missing.

    Lists keep their first and last elements, strings their beginning and end, objects their first keys;
    what is deeper than the room allows is named with its size.
    """
    if weigh(value, room) <= room:
        return value
    if isinstance(value, str):
        return _shorten_string(value, room)
    if room < SMALLEST:
        return summary(value)
    if isinstance(value, Mapping):
        return _shorten_object(value, room)
    if isinstance(value, Sequence):
        return _shorten_list(value, room)
    return summary(value)


def weigh(value: Any, limit: int) -> int:
    """The length of `value` as compact JSON, counted no further than a little beyond `limit`."""
    if isinstance(value, str):
        return len(value) + 2 if len(value) > limit else len(encode(value))
    if isinstance(value, Mapping):
        total = 2
        for key, item in value.items():
            total += weigh(key, limit - total) + 2 + weigh(item, limit - total)
            if total > limit:
                break
        return total
    if isinstance(value, list | tuple):
        total = 2
        for item in value:
            total += weigh(item, limit - total) + 1
            if total > limit:
                break
        return total
    return len(encode(value))


def summary(value: Any) -> str:
    """What stands for a value that was left out: its kind and size.

    >>> summary([1, 2, 3])
    '… 3 items'
    """
    if isinstance(value, str):
        return f"{MARK} {count(len(value), 'character')}"
    if isinstance(value, Mapping):
        return f"{MARK} {count(len(value), 'key')}"
    if isinstance(value, Sequence):
        return f"{MARK} {count(len(value), 'item')}"
    return f"{MARK} {type(value).__name__}"


def _shorten_string(text: str, room: int) -> str:
    room -= 36  # the mark
    while room > 8:
        head, tail = room - room // 4, room // 4
        short = f"{text[:head]}{MARK} {count(len(text) - head - tail, 'character')} left out {MARK}{text[-tail:]}"
        if len(encode(short)) <= room + 40:
            return short
        room = room * 2 // 3  # its characters are longer in JSON
    return summary(text)


def _shorten_list(items: Sequence[Any], room: int) -> list[Any]:
    """First and last elements, as many as fit; each gets at most a sixth of the room."""
    room -= 32  # the mark and the brackets
    each = max(room // 6, SMALLEST // 2)
    head = _taken(items, room - room // 4, each, len(items))
    tail = _taken(reversed(items), room // 4, each, len(items) - len(head))
    left = len(items) - len(head) - len(tail)
    mark = [f"{MARK} {count(left, 'more item')} {MARK}"] if left else []
    return [*head, *mark, *reversed(tail)]


def _taken(items: Any, room: int, each: int, most: int) -> list[Any]:
    taken: list[Any] = []
    for item in islice(items, max(most, 0)):
        short = shorten(item, each)
        room -= weigh(short, each * 2) + 1
        if room < 0 and taken:
            break
        taken.append(short)
    return taken


def _shorten_object(value: Mapping[str, Any], room: int) -> dict[str, Any]:
    """The first keys that have a place, the small values whole and the rest of the room shared by the large ones."""
    longest = max(room // 4, SMALLEST)
    keys = _keys_with_a_place(value, room, longest)
    room -= sum(min(weigh(key, longest), longest) + 2 for key in keys) + 2
    left = len(value) - len(keys)
    if left:
        room -= 40
    weights = _weights([value[key] for key in keys], room)
    share = _share(weights, room)
    short: dict[str, Any] = {}
    for key in keys:
        short[_free_key(short, shorten(key, longest))] = shorten(value[key], share)
    if left:
        short[_free_key(short, MARK)] = _missing_keys(list(islice(value, len(keys), len(keys) + 3)), left)
    return short


def _keys_with_a_place(value: Mapping[str, Any], room: int, longest: int) -> list[str]:
    """The keys for which there is a place even if each value were only named; one at least."""
    keys: list[str] = []
    for key in value:
        room -= min(weigh(key, longest), longest) + SMALLEST // 2
        if room < 40 and keys and len(keys) < len(value) - 1:
            break
        keys.append(key)
    return keys


def _weights(values: Sequence[Any], room: int) -> list[int]:
    fair = max(room // max(len(values), 1), SMALLEST)
    spent, weights = 0, []
    for value in values:
        weights.append(min(weigh(value, limit := max(fair, WORK * room - spent)), limit + 1))
        spent += weights[-1]
    return weights


def _share(weights: Sequence[int], room: int) -> int:
    """The greatest allowance `s` for which the sum of min(weight, s) stays within the room."""
    rest = sorted(weights)
    for position, weight in enumerate(rest):
        equal = room // (len(rest) - position)
        if weight > equal:
            return max(equal, 1)
        room -= weight
    return max(room, rest[-1] if rest else 1)


def _free_key(taken: Mapping[str, Any], key: str) -> str:
    while key in taken:
        key += MARK
    return key


def _missing_keys(names: Sequence[str], left: int) -> str:
    shown = ", ".join(name if len(name) <= 20 else name[:19] + MARK for name in names)
    return f"{count(left, 'more key')}: {shown}{', ' + MARK if left > len(names) else ''}"


def shorten_text(text: str, room: int) -> str:
    """The beginning and the end of a text, whole lines where they are short, with a line that says what is missing."""
    if len(text) <= room:
        return text
    room = max(room - 48, 0)  # the mark
    head = _whole_lines(text[: room - room // 3])
    tail = _whole_lines(text[len(text) - room // 3 :][::-1])[::-1]
    middle = text[len(head) : len(text) - len(tail)]
    lines = middle.strip("\n").count("\n") + 1
    mark = f"{MARK} {count(len(middle), 'character')}, {count(lines, 'line')} left out {MARK}"
    return "\n".join(part for part in (head.rstrip("\n"), mark, tail.lstrip("\n")) if part)


def _whole_lines(text: str) -> str:
    """The text up to its last line feed, if that keeps at least half of it."""
    end = text.rfind("\n")
    return text[: end + 1] if end + 1 >= len(text) / 2 else text


def fit(build: Callable[[int], str], tokens: int, estimate: Estimate) -> str:
    """The longest of the texts that `build` makes for a room in characters, within `tokens`; empty if none is."""
    best, room, low, high = "", tokens * 4, 0, 0
    for _ in range(10):
        text = build(room)
        cost = estimate(text)
        if cost <= tokens:
            best, low = (text if len(text) > len(best) else best), room
            if cost >= tokens * 0.9 or (high and high - low < 16):
                break
        else:
            high = room
        room = _next_room(room, tokens / max(cost, 1), low, high)
    return best or (least if estimate(least := build(0)) <= tokens else "")


def _next_room(room: int, ratio: float, low: int, high: int) -> int:
    guess = int(room * ratio * 0.97)
    if high and not low < guess < high:
        return (low + high) // 2
    return max(guess, low + 1)
