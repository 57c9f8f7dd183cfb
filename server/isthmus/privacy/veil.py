"""What stands between one session and the values that are private in it: on their way in, out, and to the model.

answer     taken(operation, value)      what is sealed becomes tokens before a program sees it; what is masked is noted
arguments  released(call)               tokens become values again, where they may go
all else   shown(value), report(...)    values become tokens, in whatever form they are recognised
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import is_
from typing import Any, Protocol

from isthmus.errors import InvalidArguments, IsthmusError, LimitExceeded, Refused, UpstreamError
from isthmus.model import Call, CallRecord, Operation, Report
from isthmus.privacy.kinds import Found, find, may_hold, sign
from isthmus.privacy.paths import Key, Path, State, below
from isthmus.privacy.rules import TEXT, Field, Rules
from isthmus.privacy.vault import Met, Vault
from isthmus.redaction import MARK, another, rewritten
from isthmus_sandbox.protocol import Failure


class Kept(Protocol):
    """Where a session's vault outlives the process."""

    @property
    def changed(self) -> bool:
        """Whether another server has added to it since it was read."""
        ...

    def read(self) -> Iterable[Met]:
        """All that was kept, in order."""
        ...

    def append(self, met: Sequence[Met]) -> None:
        """Keep these, too; when it returns, they outlive the process."""
        ...


MAX_DEPTH = 200
"""Containers within containers that are looked into."""


@dataclass(slots=True, eq=False)
class Veil:
    """The rules, and one session's vault. What is new in that is in `kept` before any of it is used."""

    rules: Rules
    vault: Vault
    kept: Kept
    _told: bool = False
    _readers: dict[str, _Reader] = field(default_factory=dict)

    @classmethod
    def opened(cls, rules: Rules, kept: Kept) -> Veil:
        """The veil of a session, which knows what it has met before."""
        vault = Vault(rules.names, rules.values)
        vault.learn(kept.read())
        return cls(rules, vault, kept)

    def taken(self, operation: Operation, value: Any) -> Any:
        """An upstream's answer as programs may see it; itself where nothing in it is private.

        Raises:
            LimitExceeded: the session has met too many private values.
        """
        value = self._reader(operation).read(value)
        self._settle()
        return rewritten(value, self.vault.sealing) if self.vault.may_seal(value) else value

    def released(self, call: Call) -> Call:
        """The call with values in the place of tokens, in its own upstream's spelling where that has one.

        Raises:
            Refused: a value may not go there.
            InvalidArguments: a token stands for nothing.
        """
        if "[" not in repr(call.arguments):  # quick, and most hold no token
            return call
        leaf = partial(self._released, call.operation)
        arguments = rewritten(call.arguments, leaf, lambda key: str(leaf(key)))
        return call if arguments is call.arguments else replace(call, arguments=arguments)

    def seen(self, call: Call) -> Call:
        """The call as who is asked may see it: with tokens for what came from upstreams, and what is new as it is."""
        arguments = rewritten(call.arguments, self.vault.masking, lambda key: str(self.vault.masking(key)))
        return call if arguments is call.arguments else replace(call, arguments=arguments)

    def holds_tokens(self, value: Any) -> bool:
        """Whether a literal of a program stands for something else than itself."""
        return self.vault.pattern.search(repr(value)) is not None

    def failed(self, operation: Operation, error: IsthmusError, *, foreign: bool) -> IsthmusError:
        """The error, of which nothing private may be seen by programs, either; `foreign`: an upstream's words."""
        read = self._reader(operation).read if foreign else lambda value: value

        def taken(value: Any) -> Any:
            return rewritten(read(value), self.vault.sealing)

        error.message, error.hint = str(taken(error.message)), str(taken(error.hint))
        error.args = (error.message,)
        if isinstance(error, UpstreamError):
            error.body = taken(error.body)
        self._settle()
        return error

    def shown(self, value: Any) -> Any:
        """Plain data, or a text, as the model may see it."""
        kinds = self.rules.kinds
        leaf = partial(self._masked, kinds) if kinds else self.vault.masking
        value = rewritten(value, leaf, lambda key: str(leaf(key)))
        self._settle()
        return value

    def report(self, report: Report) -> Report:
        """A report as the model may see it; the first one with tokens says what they are."""
        hidden = self.hidden(report)
        if self._told or not len(self.vault):
            return hidden
        self._told = True
        return replace(hidden, notes=(*hidden.notes, self._explanation()))

    def hidden(self, report: Report) -> Report:
        """A report with tokens in the place of values."""
        return replace(
            report,
            value=self.shown(report.value),
            output=self.shown(report.output),
            error=self.failure(report.error),
            notes=tuple(map(self.shown, report.notes)),
            calls=tuple(map(self._record, report.calls)),
            changes=tuple(replace(each, arguments=self.shown(each.arguments)) for each in report.changes),
        )

    def failure(self, failure: Failure | None) -> Failure | None:
        """A failure as the model may see it."""
        if failure is None:
            return None
        shown = {name: self.shown(getattr(failure, name)) for name in ("type", "message", "trace", "hint")}
        return replace(failure, **shown)

    def _record(self, record: CallRecord) -> CallRecord:
        return replace(record, warnings=tuple(map(self.shown, record.warnings))) if record.warnings else record

    def _explanation(self) -> str:
        kinds = sorted({token.strip("[]").rpartition("_")[0] for token in self.vault.tokens()})
        names = ", ".join(f"[{kind}_n]" for kind in kinds[:6])
        use = "programs see the values themselves" if self.rules.masks else "programs see the tokens, too"
        return (
            f"{names} stand for private values, the same token for the same value; {use}. Compare and group them, and "
            "pass them on as arguments, where they become the values again"
        )

    # leaves

    def _masked(self, kinds: frozenset[str], value: Any) -> Any:
        value = self.vault.masking(value)
        if type(value) is str:
            return self.tokens_in(value, kinds, "", sealed=frozenset())
        return value

    def _released(self, operation: Operation, value: Any) -> Any:
        if type(value) is not str or "[" not in value:
            return value
        parts = self.vault.pattern.split(value)
        if len(parts) == 3 and not parts[0] and not parts[2]:
            return self._value(parts[1], operation)
        return "".join(str(self._value(part, operation)) if at % 2 else part for at, part in enumerate(parts))

    def _value(self, token: str, operation: Operation) -> Any:
        if (kept := self.vault.kept(token)) is None:
            raise InvalidArguments(
                f"{token} stands for nothing in this session",
                hint="tokens are one session's own: read the record again in this session, and pass on what it holds",
            )
        if not self.rules.permits(kept.kinds, kept.spellings.keys(), operation):
            came = ", ".join(sorted(kept.spellings))
            raise Refused(
                f"{token} came from {came}, and may not be given to {operation.id}",
                remedy="only the user can change this: a line under private.release in isthmus.yaml, such as "
                f"{{kinds: [{min(kept.kinds)}], to: [{operation.id}]}}",
            )
        return self.vault.value(token, operation.upstream)

    def tokens_in(self, text: str, kinds: frozenset[str], upstream: str, *, sealed: frozenset[str]) -> str:
        """The text with tokens in the place of what is of these kinds; those not `sealed` are noted, and stay."""
        parts: list[str] = []
        end = 0
        for each in find(text, kinds):
            spelling = text[each.start : each.end]
            token = self._token(spelling, each, upstream, sealed=each.kind in sealed)
            if each.kind in sealed or not upstream:
                parts += (text[end : each.start], token)
                end = each.end
        return "".join([*parts, text[end:]]) if parts else text

    def _token(self, spelling: str, found: Found, upstream: str, *, sealed: bool) -> str:
        try:
            return self.vault.token(spelling, found.kind.upper(), upstream, key=found.same, sealed=sealed)
        except LimitExceeded:
            if upstream:
                raise
            return MARK  # what is told is told without it

    def _reader(self, operation: Operation) -> _Reader:
        reader = self._readers.get(operation.id)
        if reader is None:
            reader = self._readers[operation.id] = _Reader(self, operation.upstream, self.rules.of(operation))
        return reader

    def _settle(self) -> None:
        self.vault.settle(self.kept.append)


@dataclass(frozen=True, slots=True)
class _Scope:
    """What the fields say that are about one place of an answer, and about all below it."""

    fields: tuple[Field, ...] = ()
    called: str = ""  # all of it is private, under this name
    seals: bool = False  # in that case: programs must not see it
    kinds: frozenset[str] = frozenset()  # what is of these kinds is private
    sealed: frozenset[str] = frozenset()  # of these, what programs must not see

    @classmethod
    def of(cls, fields: tuple[Field, ...]) -> _Scope:
        whole = [each for each in fields if not each.kinds]
        return cls(
            fields,
            whole[-1].called if whole else "",
            any(each.sealed for each in whole),
            frozenset().union(*(each.kinds for each in fields)),
            frozenset().union(*(each.kinds for each in fields if each.sealed)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """A place of an answer: how far each path has come there, and what the fields say of it and of all below."""

    states: list[State]
    scope: _Scope
    below: dict[Key, _Place] = field(default_factory=dict)  # by keys that a path names, and by OTHER


_OTHER: Key = -1
"""Stands for all keys that no path names: they all lead to the same place."""

_MOST_NAMES = 1_000
"""Names in objects that are remembered to hold nothing."""


@dataclass(slots=True)
class _Reader:
    """Reads the answers of one operation: finds what is private in them."""

    veil: Veil
    upstream: str
    fields: tuple[Field, ...]
    _paths: list[Path] = field(init=False)
    _named: frozenset[Key] = field(init=False)
    _top: _Place = field(init=False)
    _harmless: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._paths = [each.path for each in self.fields]
        self._named = frozenset(key for path in self._paths for step in path for key in step.keys or ())
        begin = [(number, 0) for number, path in enumerate(self._paths) if path]
        self._top = _Place(begin, _Scope.of(tuple(each for each in self.fields if not each.path)))

    def read(self, value: Any) -> Any:
        """The answer with tokens in the place of what is sealed; itself where nothing is."""
        return self._visit(value, self._top, 0)

    def _visit(self, value: Any, place: _Place, depth: int) -> Any:
        kind = type(value)
        if kind is dict:
            return self._mapping(value, place, depth)
        if kind is list:
            return self._listed(value, place, depth)
        if kind is str and not place.scope.called:
            return self._text(value, place.scope) if _may_hold(value) else value
        return self._leaf(value, place.scope)

    def _below(self, place: _Place, key: Key) -> _Place:
        """One step down, from where a path goes on."""
        known = key if key in self._named else _OTHER
        if (there := place.below.get(known)) is None:
            there = place.below[known] = self._stepped(place, known)
        return there

    def _stepped(self, place: _Place, key: Key) -> _Place:
        standing, reached = below(self._paths, place.states, key)
        fields = (*place.scope.fields, *(self.fields[number] for number in reached))
        return _Place(standing, _Scope.of(fields) if reached else place.scope)

    def _listed(self, value: list[Any], place: _Place, depth: int) -> Any:
        if depth > MAX_DEPTH:
            return MARK
        new = [
            self._visit(item, self._below(place, at) if place.states else place, depth + 1)
            for at, item in enumerate(value)
        ]
        return value if all(map(is_, new, value)) else new

    def _mapping(self, value: dict[str, Any], place: _Place, depth: int) -> Any:
        if depth > MAX_DEPTH:
            return MARK
        new: dict[str, Any] = {}  # what is seen instead
        named = self._named if place.states else _NOTHING
        other = (place.below.get(_OTHER) or self._below(place, _OTHER)) if place.states else place
        plain = not other.scope.called
        for key, item in value.items():  # most of what is read passes here: what can be told at once is
            if key in named:
                there = self._below(place, key)
            else:
                there = other
                if plain:
                    kind = type(item)
                    if kind is str and sign(item) is None and "[" not in item:
                        continue
                    if kind is int and item < _SHORTEST_CARD:
                        continue
            if (seen := self._visit(item, there, depth + 1)) is not item:
                new[key] = seen
        if not self._harmless.issuperset(value):
            return self._renamed(value, new, place.scope)
        return {**value, **new} if new else value

    def _renamed(self, value: dict[str, Any], new: dict[str, Any], scope: _Scope) -> dict[str, Any]:
        """An object in which names may hold something; `new` is what is seen instead of some of its values."""
        seen: dict[str, Any] = {}
        for key, item in value.items():
            name = self._name(key, scope)
            seen[name if name not in seen else another(name, seen)] = new.get(key, item)
        return seen if new or not all(map(is_, seen, value)) else value

    def _name(self, name: str, scope: _Scope) -> str:
        """A name in an object; names are mostly the same few, and hold nothing."""
        if name in self._harmless:
            return name
        if type(name) is not str or _may_hold(name):
            return self._text(name, scope)
        if len(self._harmless) < _MOST_NAMES:
            self._harmless.add(name)
        return name

    def _leaf(self, value: Any, scope: _Scope) -> Any:
        if not scope.called or value is None or value == "":
            return value if type(value) in _HOLDS_NOTHING else self._parts(value, scope)
        seen = self._parts(value, scope)
        # What programs may see but for a part of it could not be recognised afterwards.
        sealed = scope.seals or seen is not value
        token = self.veil.vault.token(value, scope.called, self.upstream, sealed=sealed)
        return token if sealed else value

    def _parts(self, value: Any, scope: _Scope) -> Any:
        if type(value) is int:
            return value if value < _SHORTEST_CARD else self._number(value, scope)
        if isinstance(value, str):
            return self._text(value, scope)
        if isinstance(value, bytes):
            text = value.decode("utf-8", "surrogateescape")
            new = self._text(text, scope)
            return value if new is text else new.encode("utf-8", "surrogateescape")
        return value

    def _number(self, value: int, scope: _Scope) -> Any:
        """A number of a card is one without quotes, too."""
        for each in find(str(value), scope.kinds):
            token = self.veil.vault.token(
                value, each.kind.upper(), self.upstream, key=each.same, sealed=each.kind in scope.sealed
            )
            return token if each.kind in scope.sealed else value
        return value

    def _text(self, text: str, scope: _Scope) -> str:
        """What only looks like a token becomes one, which stands for what it looks like: nobody can forge them."""
        vault = self.veil.vault
        if "[" in text and vault.pattern.search(text):
            text = vault.pattern.sub(lambda match: vault.token(match[0], TEXT, "", key=f"text:{match[0]}"), text)
        if not scope.kinds or not may_hold(text):
            return text
        return self.veil.tokens_in(text, scope.kinds, self.upstream, sealed=scope.sealed)


_SHORTEST_CARD = 10**12  # smaller numbers are of no kind
_NOTHING: frozenset[Key] = frozenset()
_HOLDS_NOTHING = frozenset({type(None), bool, float})


def _may_hold(text: str) -> bool:
    """Whether there can be a token, or anything of any kind, in a text: a quick look, which most do not pass."""
    return "[" in text or may_hold(text)
