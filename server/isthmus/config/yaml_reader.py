"""YAML read strictly: every value with its line, nothing guessed, nothing executed, nothing that grows.

We take the events of PyYAML's parser and compose them ourselves, because what a configuration needs is what its
composer and constructor do not give: all faults at once, duplicate keys as faults, a bound on depth and on what aliases
stand for, and scalars that mean the same to every reader. YAML 1.1 reads `no` as false, `012` as ten, `12:30` as 750
and `2026-01-01` as a date, YAML 1.2 does not: such a scalar must be quoted, or written otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from isthmus.config.faults import Fault, Findings, Place, Unreadable, quoted, unreadable
from isthmus.config.nodes import MAX_DEPTH, MAX_NODES, Node

_NULL = re.compile(r"~|null|Null|NULL|")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)\.[0-9]*([eE][-+][0-9]+)?)")
_SPECIAL = re.compile(r"(?P<nan>\.(nan|NaN|NAN))|[-+]?\.(inf|Inf|INF)")
_DISPUTED = {
    "a boolean": re.compile(r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|True|TRUE|False|FALSE"),
    "a number with a leading zero": re.compile(r"[-+]?0[0-9][0-9_]*(\.[0-9]*)?([eE][-+]?[0-9]+)?"),
    "a number": re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+"),
    "a number of another base": re.compile(r"[-+]?0(x[0-9a-fA-F_]+|o[0-7_]+|b[01_]+)"),
    "a number with underscores": re.compile(r"[-+]?[0-9][0-9]*_[0-9_]*(\.[0-9_]*)?"),
    "a number of base 60": re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"),
    "a date": re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?"),
    "a merge key": re.compile(r"<<|="),
}


def read_yaml(text: str, findings: Findings) -> Node:
    """The tree of a YAML document; what is wrong with single values is added to `findings`.

    Raises:
        Unreadable: it is no YAML, or more than one document, too deep, or too large once aliases are counted.
    """
    composer = _Composer(findings)
    try:
        for event in _events(text):
            composer.take(event)
    except yaml.YAMLError as error:
        if "nesting depth" in str(error):  # the parser has a bound of its own, and may look ahead that far
            raise _too_deep(_line_of(error)) from None
        raise Unreadable(_syntax_fault(error, text)) from None
    if composer.root is None:
        raise unreadable("the file is empty", SMALLEST, 1)
    return composer.root


SMALLEST = "the smallest one is:\n    upstreams:\n      petstore:\n        openapi: https://example.com/openapi.json"


def _events(text: str) -> Iterator[yaml.Event]:
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    yield from yaml.parse(text, Loader=loader)


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet. `key` is a mapping's key that waits for its value."""

    place: Place
    anchor: str | None
    mapping: bool
    entries: dict[str, Node] = field(default_factory=dict)
    items: list[Node] = field(default_factory=list)
    key: str | None = None
    key_line: int = 0
    size: int = 1
    depth: int = 0

    @property
    def wants_key(self) -> bool:
        return self.mapping and self.key is None

    def next_place(self, line: int) -> Place:
        return self.place.below(self.key if self.key is not None else len(self.items), line)

    def closed(self) -> Node:
        return Node(self.entries if self.mapping else tuple(self.items), self.place, self.size, self.depth)


@dataclass(slots=True)
class _Composer:
    """Builds the tree from events, with a stack of its own: no document can exhaust Python's."""

    findings: Findings
    root: Node | None = None
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, Node | None] = field(default_factory=dict)  # None: it is still being composed

    def take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 0
        match event:
            case yaml.DocumentStartEvent() if self.root is not None:
                raise unreadable("a second document begins", "keep one: remove the '---' line and what follows", line)
            case yaml.AliasEvent():
                self._put(self._aliased(event.anchor, line), line)
            case yaml.ScalarEvent() if self.stack and self.stack[-1].wants_key:
                self._take_key(event.value, line)
            case yaml.ScalarEvent():
                place = self._place(line)
                self._check_tag(event.tag, place)
                node = Node(self._scalar(event, place), place)
                self._anchor(event.anchor, node)
                self._put(node, line)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._open(event, line)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                closed = self.stack.pop()
                node = closed.closed()
                self._anchor(closed.anchor, node)
                self._put(node, closed.place.line)

    def _place(self, line: int) -> Place:
        return self.stack[-1].next_place(line) if self.stack else Place(line)

    def _open(self, event: yaml.CollectionStartEvent, line: int) -> None:
        if self.stack and self.stack[-1].wants_key:
            raise unreadable("a key is a list or a mapping", "keys are text", line, self.stack[-1].place.path)
        if len(self.stack) >= MAX_DEPTH:
            raise _too_deep(line)
        place = self._place(self.stack[-1].key_line if self.stack and self.stack[-1].key is not None else line)
        self._check_tag(event.tag, place)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        self.stack.append(_Open(place, event.anchor, isinstance(event, yaml.MappingStartEvent)))

    def _anchor(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self.anchors[anchor] = node

    def _aliased(self, anchor: str | None, line: int) -> Node:
        if self.stack and self.stack[-1].wants_key:
            raise unreadable("a key is an alias (*)", "write the key out", line, self.stack[-1].place.path)
        node = self.anchors.get(anchor or "")
        if node is None:
            raise unreadable(
                "an alias (*) names no anchor (&) that ends before it", "quote the value if it is text", line
            )
        return node

    def _take_key(self, key: str, line: int) -> None:
        top = self.stack[-1]
        if key in top.entries:
            first = top.entries[key].place.line
            problem = f"the key is there twice, first on line {first}"
            self.findings.fault(top.place.below(key, line), problem, "keep one of the two")
        top.key, top.key_line = key, line

    def _put(self, node: Node, line: int) -> None:
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        top.size += node.size
        top.depth = max(top.depth, node.depth + 1)
        if len(self.stack) + node.depth > MAX_DEPTH:
            raise _too_deep(line)
        if top.size > MAX_NODES:
            problem = f"more than {MAX_NODES:,} values, counting each alias (*) as what it stands for"
            raise unreadable(problem, "write out the few values that are meant", line, top.place.path[:1])
        if top.key is None:
            top.items.append(node)
        else:
            top.entries[top.key] = node
            top.key = None

    def _check_tag(self, tag: str | None, place: Place) -> None:
        if tag is not None and tag != "!" and tag not in _PLAIN_TAGS:
            remedy = "remove it; a text that begins with '!' must be quoted"
            self.findings.fault(place, "a YAML tag (!) is not allowed: this file is data", remedy)

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> bool | int | float | str | None:
        text: str = event.value
        if not event.implicit[0]:
            return text
        for name, pattern in _DISPUTED.items():
            if pattern.fullmatch(text) and not _FLOAT.fullmatch(text):
                remedy = "put it in quotes if text is meant; write true or false, or a plain decimal number, if not"
                self.findings.fault(place, f"some readers of YAML take this for {name}, others do not", remedy)
                return text
        try:
            return _resolved(text)
        except ValueError:
            self.findings.fault(place, "a number of too many digits", "put it in quotes if text is meant")
            return text


def _too_deep(line: int) -> Unreadable:
    return unreadable(f"nested more than {MAX_DEPTH} levels deep", "no setting is that deep: look here", line)


_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map"))


def _resolved(text: str) -> bool | int | float | str | None:
    """What a plain scalar means, to readers of YAML 1.1 and 1.2 alike."""
    if _NULL.fullmatch(text):
        return None
    if text in {"true", "false"}:
        return text == "true"
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if special := _SPECIAL.fullmatch(text):
        return float("nan") if special["nan"] else float(text.replace(".", "").lower())
    return text


def _integer(text: str) -> int:
    if len(text) > 40:
        raise ValueError
    return int(text)


def _syntax_fault(error: yaml.YAMLError, text: str) -> Fault:
    """What the parser found, in our words where we know better; never the text that it found."""
    line = _line_of(error)
    lines = text.split("\n")
    at_fault = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in at_fault[: len(at_fault) - len(at_fault.lstrip())]:
        return Fault(Place(line), "a tab is used for indentation", "YAML is indented with spaces only")
    problem = re.sub(r"'[^'<>]{2,}'", "a word", str(getattr(error, "problem", None) or "it cannot be read"))
    if "nesting depth" in problem:  # the scanner's own bound, which may be met before ours: it reads ahead
        return _too_deep(line).fault
    context = getattr(error, "context", None)
    begun = getattr(error, "context_mark", None)
    since = f", {context} that begins on line {begun.line + 1}" if context and begun else ""
    return Fault(Place(line), f"this is no YAML: {problem}{since}", _syntax_remedy(problem, at_fault))


def _line_of(error: yaml.YAMLError) -> int:
    """Where it went wrong; 0 where the parser does not say."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return mark.line + 1 if mark else 0


def _syntax_remedy(problem: str, line: str) -> str:
    if "mapping values" in problem:
        return "a value that holds ': ' must be quoted; entries of a mapping must be indented alike"
    if "cannot start any token" in problem and line.lstrip():
        return f"a value that begins with one of {quoted('@`%')} must be quoted"
    return "look at quotes, brackets and indentation here and just above"
