"""YAML as plain data: no tags, no duplicate keys, no bombs.

Built from the parser's events with a stack of our own, so neither depth nor aliases can exhaust anything.
Scalars are read as JSON would read them (YAML 1.2's core schema): `on`, `no` and dates are texts, and keys are too.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

MAX_DEPTH = 200
"""Containers within containers."""

MAX_VALUES = 3_000_000
"""Values in all, each alias counted with everything that it stands for."""

_INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
_BASED = re.compile(r"0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    spelling: value
    for word, value in (("true", True), ("false", False))
    for spelling in (word, word.title(), word.upper())
}
_TAGS = ("str", "int", "float", "bool", "null", "map", "seq")
_MERGE = "<<"


class YamlError(Exception):
    """The text is no YAML that we accept. `line` counts from 1."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@dataclass(slots=True)
class _Open:
    """A container that is being read."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    before: int  # values that had been read when it began
    key: str | None = None
    awaits_key: bool = True
    merged: list[dict[str, Any]] = field(default_factory=list)  # what `<<` named


def load_yaml(text: str) -> Any:
    """The one document in `text`.

    Raises:
        YamlError: it breaks YAML or one of the bounds; the message says which.
    """
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            builder.take(event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise YamlError(getattr(error, "problem", None) or "no YAML", mark.line + 1 if mark else None) from None
    return builder.result


class _Builder:
    """Takes events, and has the value in `result` when they end."""

    def __init__(self) -> None:
        self.result: Any = None
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 0
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise YamlError("it holds several documents; one is expected", line)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._open(event, line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close(line)
            case yaml.ScalarEvent():
                value = self._scalar(event, line)
                self._count(1, line)
                if event.anchor:
                    self._anchors[event.anchor] = (value, 1)
                self._add(value, line)
            case yaml.AliasEvent():
                value, size = self._anchored(str(event.anchor), line)
                self._count(size, line)
                self._add(value, line)

    def _open(self, event: Any, line: int) -> None:
        _check_tag(event.tag, line)
        if len(self._stack) >= MAX_DEPTH:
            raise YamlError(f"it is nested more than {MAX_DEPTH} levels deep", line)
        self._count(1, line)
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._stack.append(_Open(value, event.anchor, self._values - 1))

    def _close(self, line: int) -> None:
        done = self._stack.pop()
        for source in done.merged:
            mapping = cast(dict[str, Any], done.value)
            mapping.update({name: item for name, item in source.items() if name not in mapping})
        if done.anchor:
            self._anchors[done.anchor] = (done.value, self._values - done.before)
        self._add(done.value, line)

    def _count(self, more: int, line: int) -> None:
        self._values += more
        if self._values > MAX_VALUES:
            raise YamlError(f"it stands for more than {MAX_VALUES:,} values (aliases upon aliases?)", line)

    def _anchored(self, anchor: str, line: int) -> tuple[Any, int]:
        if anchor not in self._anchors:
            raise YamlError(f"the alias *{anchor} stands for nothing, or for itself", line)
        return self._anchors[anchor]

    def _add(self, value: Any, line: int) -> None:
        if not self._stack:
            self.result = value
            return
        parent = self._stack[-1]
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.awaits_key:
            parent.key, parent.awaits_key = _key(value, line), False
        else:
            _put(parent, value, line)
            parent.awaits_key = True

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Any:
        _check_tag(event.tag, line)
        if self._stack and isinstance(self._stack[-1].value, dict) and self._stack[-1].awaits_key:
            return event.value
        plain = event.implicit[0] or (event.tag is not None and not event.tag.endswith(":str"))
        return _plain_scalar(event.value) if plain else event.value


def _key(value: Any, line: int) -> str:
    if not isinstance(value, str | int | float | bool | None):
        raise YamlError("a key is no text", line)
    return value if isinstance(value, str) else str(value)


def _put(parent: _Open, value: Any, line: int) -> None:
    key, mapping = str(parent.key), cast(dict[str, Any], parent.value)
    if key == _MERGE and isinstance(value, dict | list):
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise YamlError("`<<` merges mappings only", line)
        parent.merged += sources
    elif key in mapping:
        raise YamlError(f"the key {key!r:.80} stands twice in one mapping", line)
    else:
        mapping[key] = value


def _check_tag(tag: str | None, line: int) -> None:
    if tag is not None and tag != "!" and tag.removeprefix("tag:yaml.org,2002:") not in _TAGS:
        raise YamlError(f"the tag {tag!r:.80} is not accepted: plain values only", line)


def _plain_scalar(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
