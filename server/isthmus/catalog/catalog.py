"""The immutable snapshot of all operations, and the binding of arguments to their parameters."""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from isthmus.catalog.chains import Source
from isthmus.catalog.names import identifier, words
from isthmus.catalog.relations import Relations
from isthmus.errors import InvalidArguments
from isthmus.model import Operation, Parameter, digest

Allowed = Callable[[Operation], bool]
"""Whether an operation may be seen; always the same of one."""

Groups = Mapping[str, tuple[Operation, ...]]
"""Operations of one upstream, by group."""

_CONSIDERED = 40
"""Operations that share most words with a wrong name, and are compared with it letter by letter."""


@dataclass(frozen=True, slots=True)
class Part:
    """The operations of one upstream, looked up in every way. Immutable; made once, and joined with others to catalogs.

    `claims` are operations by the words of their names, None where two of them have the same. Where they or the
    relations are not given, a catalog makes them when they are first needed.
    """

    operations: tuple[Operation, ...]
    children: Mapping[str, tuple[str, ...]] = field(repr=False)
    groups: Groups = field(repr=False)
    claims: Mapping[str, Operation | None] | None = field(default=None, repr=False)
    relations: Relations | None = field(default=None, repr=False)

    @classmethod
    def build(cls, operations: Sequence[Operation]) -> Part:
        """The part of these operations, which are all of one upstream, and have ids of their own."""
        return cls(tuple(operations), _children(each.id for each in operations), _grouped(operations))

    def related(self, relations: Relations) -> Part:
        """The same with all that a catalog may need later; takes a while."""
        return replace(self, claims=_claims(self.operations), relations=relations)


class Catalog:
    """All operations of one moment. Nothing in it changes; news makes another catalog.

    >>> Catalog.build(()).upstreams
    ()
    """

    __slots__ = (
        "_allowed", "_begun", "_by_id", "_children", "_claims", "_digest", "_parts", "_relations", "_spoken",
        "_vocabulary",
    )  # fmt: skip

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts = {part.operations[0].upstream: part for part in parts if part.operations}
        listed = self._parts.values()
        self._by_id: Mapping[str, Operation] = MappingProxyType(
            {operation.id: operation for part in listed for operation in part.operations}
        )
        self._children = {path: names for part in listed for path, names in part.children.items()}
        self._children[""] = tuple(sorted(self._parts))
        self._claims: dict[str, Mapping[str, Operation | None]] = {}
        self._spoken = {name: _key(name) for name in self._parts}
        self._begun: dict[str, list[str]] = {}  # the upstreams whose names begin with a word
        for name, spoken in self._spoken.items():
            self._begun.setdefault(spoken.partition(" ")[0], []).append(name)
        self._allowed: tuple[Allowed | None, dict[str, Groups]] = None, {}
        self._relations: dict[str, Relations] = {}
        self._vocabulary: dict[str, list[str]] = {}
        self._digest = ""

    @classmethod
    def build(cls, operations: Iterable[Operation]) -> Catalog:
        """The catalog of these operations, whose ids are unique."""
        by_upstream: dict[str, list[Operation]] = {}
        for operation in operations:
            by_upstream.setdefault(operation.upstream, []).append(operation)
        return cls(Part.build(members) for members in by_upstream.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __repr__(self) -> str:
        return f"<Catalog of {len(self):,} operations of {len(self.upstreams)} upstreams>"

    @property
    def operations(self) -> tuple[Operation, ...]:
        """All of them, each upstream's in the order in which they came."""
        return tuple(self._by_id.values())

    @property
    def upstreams(self) -> tuple[str, ...]:
        """The names of the upstreams that have operations, sorted."""
        return self._children.get("", ())

    @property
    def digest(self) -> str:
        """A hash of all that the catalog says (SHA-256, hexadecimal): equal catalogs have equal digests.

        Costs a pass over all schemas when it is first asked for.
        """
        if not self._digest:
            documents = {id(operation.document): operation.document for operation in self._by_id.values()}
            names = {key: digest(document.root) for key, document in documents.items()}
            self._digest = digest(sorted((_said(o), names[id(o.document)]) for o in self._by_id.values()))
        return self._digest

    def sources(self, operation: Operation, allowed: Allowed = lambda _: True) -> dict[str, Source]:
        """Where the identifiers that an operation of this catalog needs come from; see `Chains.sources`."""
        return self._related(operation.upstream).chains.sources(operation, allowed)

    def _related(self, upstream: str) -> Relations:
        part = self._parts.get(upstream)
        known = part.relations if part else Relations()
        if known is None and (known := self._relations.get(upstream)) is None:
            known = self._relations[upstream] = Relations.build(self._parts[upstream].operations)
        return known

    def get(self, operation_id: str) -> Operation | None:
        """The operation of exactly this id."""
        return self._by_id.get(operation_id)

    def resolve(self, name: str) -> Operation | None:
        """The operation that a program means by `name`.

        Its id, or the upstream and the upstream's own name for it (`github.issues/create`), or either in another
        spelling (`github.issues.listForRepo`, `my-server.get-user`). None where several could be meant.
        """
        return self._by_id.get(name) or self._claimed(_key(name))

    def meant(self, name: str, upstreams: Iterable[str]) -> list[Operation]:
        """The operations, each once, that a program could mean by `name`, or by it behind the name of an upstream."""
        local = _key(f".{name}")  # taken apart once, not for each upstream
        found = [self.resolve(name)]
        for upstream in upstreams:
            spoken = self._spoken.get(upstream) or _key(upstream)
            found.append(self._by_id.get(f"{upstream}.{name}") or self._claimed(f"{spoken} {local}".rstrip()))
        return list({each.id: each for each in found if each is not None}.values())

    def _claimed(self, key: str) -> Operation | None:
        """The one operation whose name has these words: those of its upstream stand in front."""
        near = [name for name in self._begun.get(key.partition(" ")[0], ()) if key.startswith(self._spoken[name])]
        found = [claims[key] for name in near if key in (claims := self._claims_of(name, self._parts[name]))]
        return found[0] if len(found) == 1 else None

    def _claims_of(self, upstream: str, part: Part) -> Mapping[str, Operation | None]:
        known = part.claims if part.claims is not None else self._claims.get(upstream)
        if known is None:
            known = self._claims[upstream] = _claims(part.operations)
        return known

    def suggest(self, name: str, n: int = 3) -> list[str]:
        """The ids that are most like a name that does not exist, best first; empty where none is like it."""
        upstream, _, local = name.partition(".")
        known = upstream in self.upstreams
        scores = self._shared_words(local if known else name)
        own = {each: score for each, score in scores.items() if known and each.startswith(f"{upstream}.")}
        nearest = heapq.nlargest(_CONSIDERED, (own or scores).items(), key=lambda item: item[1])
        return sorted((each for each, _ in nearest), key=lambda each: -_likeness(name, each))[:n]

    def _shared_words(self, name: str) -> dict[str, float]:
        """The ids that share words with a name, or nearly so; rare words count for more."""
        vocabulary = self._words()
        scores: dict[str, float] = {}
        for word in dict.fromkeys(words(name)):
            for near in [word] if word in vocabulary else _alike(word, vocabulary):
                ids = vocabulary[near]
                for each in ids:
                    scores[each] = scores.get(each, 0.0) + (1 + len(ids)) ** -0.25
        return scores

    def children(self, path: str = "") -> tuple[str, ...]:
        """The names directly below a dotted path, sorted: `children("github")` -> `("actions", "issues", ...)`.

        Below the empty path are the upstreams. A name can be an operation and have names below it.
        """
        return self._children.get(path, ())

    def common(self, upstream: str) -> frozenset[str]:
        """Optional parameters that nearly all operations of an upstream take (`alt`, `opt_pretty`), by wire name."""
        return self._related(upstream).common

    def groups(self, upstream: str, allowed: Allowed | None = None) -> Groups:
        """The operations of an upstream by group, the groups sorted.

        A group is the dotted path between the upstream and the operation's own name (`repos`, `users.messages`);
        where an upstream has no such paths, it is the operation's first tag. The group of the rest is ``.

        `allowed` leaves operations out, and groups of which it leaves nothing. It is asked of each once, and what it
        said is kept, until another is given: to ask thousands takes long enough to be noticed.
        """
        part = self._parts.get(upstream)
        if part is None or allowed is None:
            return part.groups if part else MappingProxyType({})
        by, known = self._allowed
        if by != allowed:
            _, known = self._allowed = allowed, {}
        if upstream not in known:
            known[upstream] = _only(part.groups, allowed)
        return known[upstream]

    def _words(self) -> Mapping[str, list[str]]:
        """Which ids have a word, made when it is first needed: only wrong names need it."""
        if not self._vocabulary:
            vocabulary: dict[str, list[str]] = {}
            for operation_id in self._by_id:
                for word in set(words(operation_id)):
                    vocabulary.setdefault(word, []).append(operation_id)
            self._vocabulary = vocabulary
        return self._vocabulary


def bind(operation: Operation, positional: Sequence[Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call by Python name, as the stub of the operation reads.

    Positional arguments fill the required parameters in their order. A parameter may be given by its Python name, its
    wire name, or another spelling of it. One mapping that holds all required parameters stands for the arguments.
    Whether values fit, and whether required ones are missing, is for the validation that follows.

    Raises:
        InvalidArguments: unknown, doubled or too many arguments; the message says which, and what is taken.
    """
    if _is_envelope(operation, positional, arguments):
        arguments, positional = positional[0], []
    required = [parameter for parameter in operation.parameters if parameter.required]
    bound = {parameter.name: value for parameter, value in zip(required, positional, strict=False)}
    problems = _surplus(required, positional)
    names = {parameter.name for parameter in operation.parameters}
    named = None  # spellings are made when there is one that is no name
    for key, value in arguments.items():
        name: str | None = key
        if key not in names:
            named = named or _named(operation)
            name = _parameter(named, key)
        if name is None and operation.accepts_more:
            name = key
        if name is None:
            problems.append(_unknown(operation, key))
        elif name in bound:
            problems.append(f"{name} is given twice")
        else:
            bound[name] = value
    if problems:
        problems += [f"{parameter.name} is missing" for parameter in required if parameter.name not in bound]
        raise InvalidArguments(f"{operation.id}: {'; '.join(problems)}", hint=_signature(operation))
    return bound


def _alike(word: str, vocabulary: Iterable[str]) -> list[str]:
    """Words that are written almost like one: the same first letter, nearly the same length."""
    likely = [each for each in vocabulary if each[:1] == word[:1] and abs(len(each) - len(word)) <= 2]
    return difflib.get_close_matches(word, likely, 3, 0.75)


def _said(operation: Operation) -> str:
    parameters = [[p.name, p.wire, p.location, p.required, p.schema, p.description] for p in operation.parameters]
    route = [operation.route.method, operation.route.path] if operation.route else None
    names = [operation.id, operation.original, operation.effect, operation.tags]
    texts = [operation.summary, operation.description]
    flags = [operation.deprecated, operation.accepts_more]
    return digest([names, texts, flags, route, parameters, operation.output])


def _key(name: str) -> str:
    return " ".join(words(name))


def _claims(operations: Iterable[Operation]) -> dict[str, Operation | None]:
    """Operations by the words of their id, and of their upstream and original; None where several have the same."""
    claims: dict[str, Operation | None] = {}
    for operation in operations:
        for key in {_key(operation.id), _key(f"{operation.upstream}.{operation.original}")}:
            claims[key] = operation if claims.get(key, operation) is operation else None
    return claims


def _children(ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    below: dict[str, set[str]] = {}
    for path in ids:
        while path:
            path, _, name = path.rpartition(".")
            if path in below:
                below[path].add(name)
                break  # it stands below all that are above it already
            below[path] = {name}
    return {path: tuple(sorted(names)) for path, names in below.items()}


def _grouped(operations: Sequence[Operation]) -> Groups:
    dotted = any(operation.id.count(".") > 1 for operation in operations)
    groups: dict[str, list[Operation]] = {}
    for operation in operations:
        group = ".".join(operation.id.split(".")[1:-1]) if dotted else _tag(operation)
        groups.setdefault(group, []).append(operation)
    return MappingProxyType({group: tuple(groups[group]) for group in sorted(groups)})


def _only(groups: Groups, allowed: Allowed) -> Groups:
    left = {group: tuple(filter(allowed, members)) for group, members in groups.items()}
    return MappingProxyType({group: members for group, members in left.items() if members})


def _tag(operation: Operation) -> str:
    return identifier(operation.tags[0]) if operation.tags and operation.tags[0].strip() else ""


def _likeness(name: str, operation_id: str) -> float:
    return difflib.SequenceMatcher(None, name.lower(), operation_id, autojunk=False).ratio()


def _is_envelope(operation: Operation, positional: Sequence[Any], arguments: Mapping[str, Any]) -> bool:
    """Whether the only argument is a mapping of all the arguments: `create({"owner": "o", "title": "t"})`."""
    if arguments or len(positional) != 1 or not isinstance(positional[0], Mapping) or not positional[0]:
        return False
    named = _named(operation)
    given = {_parameter(named, key) for key in positional[0] if isinstance(key, str)}
    return None not in given and {p.name for p in operation.parameters if p.required} <= given


def _surplus(required: Sequence[Parameter], positional: Sequence[Any]) -> list[str]:
    if len(positional) <= len(required):
        return []
    taken = f"at most {len(required)} ({', '.join(p.name for p in required)})" if required else "none"
    return [f"{len(positional)} arguments are given by place, {taken} can be: name the others"]


def _named(operation: Operation) -> dict[str, str]:
    """Python names by every spelling that is accepted; a Python name always means itself."""
    named: dict[str, str] = {}
    for spelling in (lambda p: p.name, lambda p: p.wire, lambda p: identifier(p.wire)):
        for parameter in operation.parameters:
            named.setdefault(spelling(parameter), parameter.name)
    return named


def _parameter(named: Mapping[str, str], key: str) -> str | None:
    return named.get(key) or named.get(identifier(key))


def _unknown(operation: Operation, key: str) -> str:
    names = [parameter.name for parameter in operation.parameters]
    near = difflib.get_close_matches(identifier(key), names, 1, 0.6)
    return f"there is no parameter {key[:80]!r}" + (f", did you mean {near[0]}?" if near else "")


def _signature(operation: Operation) -> str:
    """What is taken, on one line: `it takes owner, repo, title; optional: body, labels`."""
    required = [parameter.name for parameter in operation.parameters if parameter.required]
    optional = [parameter.name for parameter in operation.parameters if not parameter.required]
    shown = ", ".join(optional[:20]) + (f" and {len(optional) - 20} more" if len(optional) > 20 else "")
    parts = [f"it takes {', '.join(required)}" if required else "", f"optional: {shown}" if optional else ""]
    return "; ".join(part for part in parts if part) or "it takes no arguments"
