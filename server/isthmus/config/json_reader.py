"""JSON as clients write it: with comments and trailing commas (`//`, `/* */`), every value with its line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from isthmus.config.faults import Findings, Place, unreadable
from isthmus.config.nodes import MAX_DEPTH, MAX_NODES, Node

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+|//[^\n]*|/\*.*?\*/)
      | (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?(?![\w.]))
      | (?P<word>(?:true|false|null)(?!\w))
      | (?P<sign>[\[\]{},:])""",
    re.VERBOSE | re.DOTALL,
)
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_SYNTAX_REMEDY = "look at quotes, commas and brackets here and just above"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def read_json(text: str, findings: Findings) -> Node:
    """The tree of a JSON document; duplicate keys are added to `findings`.

    Raises:
        Unreadable: it is no JSON, too deep or too large.
    """
    return _Parser(_tokens(text), findings).document()


def _tokens(text: str) -> list[_Token]:
    tokens, position, line = [], 0, 1
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise unreadable("this is no JSON: a quote that is not closed, or a stray sign", _SYNTAX_REMEDY, line)
        if found.lastgroup and found.lastgroup != "space":
            tokens.append(_Token(found.lastgroup, found[0], line))
        line += found[0].count("\n")
        position = found.end()
    return [*tokens, _Token("end", "", line)]


@dataclass(slots=True)
class _Parser:
    """Recursive descent; `MAX_DEPTH` bounds the recursion."""

    tokens: list[_Token]
    findings: Findings
    position: int = 0
    nodes: int = field(default=0)

    def document(self) -> Node:
        node = self._value(Place(self._peek.line), 0)
        self._expect("end", "", "nothing more after the value")
        return node

    @property
    def _peek(self) -> _Token:
        return self.tokens[self.position]

    def _next(self) -> _Token:
        token = self.tokens[self.position]
        self.position += token.kind != "end"
        return token

    def _expect(self, kind: str, text: str, wanted: str) -> _Token:
        token = self._next()
        if token.kind != kind or (text and token.text != text):
            raise unreadable(f"this is no JSON: {wanted} is expected", _SYNTAX_REMEDY, token.line)
        return token

    def _value(self, place: Place, depth: int) -> Node:
        token = self._next()
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            bound = f"{MAX_DEPTH} levels deep" if depth > MAX_DEPTH else f"{MAX_NODES:,} values"
            raise unreadable(f"more than {bound}", "no setting needs that: look here", token.line)
        match token.kind, token.text:
            case "string", _:
                return Node(self._text(token), place)
            case "number", _:
                return Node(self._number(token, place), place)
            case "word", word:
                return Node(_WORDS[word], place)
            case "sign", "[":
                return self._list(place, depth)
            case "sign", "{":
                return self._mapping(place, depth)
        raise unreadable("this is no JSON: a value is expected", _SYNTAX_REMEDY, token.line)

    def _list(self, place: Place, depth: int) -> Node:
        items: list[Node] = []
        while self._peek.text != "]":
            items.append(self._value(place.below(len(items), self._peek.line), depth + 1))
            self._comma("]")
        self._next()
        return Node(tuple(items), place)

    def _mapping(self, place: Place, depth: int) -> Node:
        entries: dict[str, Node] = {}
        while self._peek.text != "}":
            token = self._expect("string", "", "a key in quotes, or '}'")
            key = self._text(token)
            if key in entries:
                problem = f"the key is there twice, first on line {entries[key].place.line}"
                self.findings.fault(place.below(key, token.line), problem, "keep one of the two")
            self._expect("sign", ":", "':' after a key")
            entries[key] = self._value(place.below(key, token.line), depth + 1)
            self._comma("}")
        self._next()
        return Node(entries, place)

    def _comma(self, closing: str) -> None:
        if self._peek.text != closing:
            self._expect("sign", ",", f"',' or '{closing}'")

    def _text(self, token: _Token) -> str:
        try:
            text = json.loads(token.text)
        except ValueError:
            raise unreadable(
                "this is no JSON: a text with a bad escape (\\)", r"write a backslash as \\", token.line
            ) from None
        return str(text)

    def _number(self, token: _Token, place: Place) -> int | float:
        if len(token.text) > 40:
            self.findings.fault(place, "a number of too many digits", "put it in quotes if text is meant")
            return 0
        number = json.loads(token.text)
        return number if isinstance(number, int) else float(number)
