"""The names under which programs know upstreams, operations and parameters.

One stable rule, and everything that an upstream may call a thing passes through it: the result is always a Python
identifier that is safe as an attribute (no keyword, no leading underscore, at most 96 characters), in ASCII where the
text can be read so.

    identifier("createIssue")                      create_issue
    identifier("class")                            class_
    operation_ids("github", ["issues/create"])     github.issues.create
    operation_ids("slack", ["slack_post_message"]) slack.post_message
    operation_ids("pets", ["GET /pets/{id}"])      pets.get_pets_by_id

The originals are kept beside these names, and the catalog resolves both.
"""

from __future__ import annotations

import builtins
import hashlib
import keyword
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count
from typing import TypeVar

from isthmus.model import UPSTREAM_RESERVED, Location

MAX_IDENTIFIER = 96
"""Characters of one identifier; a longer one is cut at a word and closed with a hash of the whole text."""

MAX_PARTS = 12
"""Dotted parts of an operation's name; the parts beyond are joined into the last."""

_T = TypeVar("_T")

_UNNAMED = "unnamed"

# What one word is, within a run of ASCII letters and digits. Digits belong to the word they stand in (`v2`, `k8s`).
_WORDS = re.compile(
    r"[a-z0-9]+"  # by far the most, so it is tried first
    r"|(?:OAuth\d*|IPv[46]|GitHub|GitLab|GraphQL|PostgreSQL|MySQL|YouTube)(?![a-z])"
    r"|[A-Z]{2,}s(?![a-z])"  # IDs, URLs, APIs
    r"|[A-Z]+\d*(?=[A-Z][a-z])"  # the HTTP of HTTPServer
    r"|[A-Z]++(?:\d++[A-Z]++)*+\d*+(?![A-Za-z0-9])"  # EC2, B2B; possessive, as strangers choose the text
    r"|[A-Z]+[a-z0-9]*"
)
_RUNS = re.compile(r"[A-Za-z0-9]+|[^\x00-\x7f]+")
_FOREIGN = re.compile(r"[^\x00-\x7f]")

_ENDINGS = (("<=", " lte"), (">=", " gte"), ("<", " lt"), (">", " gt"))
_METHOD_AND_PATH = re.compile(r"([A-Za-z]{3,10}) (/.*)", re.DOTALL)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

_PRECEDENCE: dict[Location, int] = {"path": 0, "argument": 1, "query": 2, "body": 3, "header": 4, "cookie": 5}


def identifier(text: str) -> str:
    """Any text as a Python identifier in snake case.

    `createIssue` -> `create_issue`, `X-Request-Id` -> `x_request_id`, `$filter` -> `filter`, `StartTime<` ->
    `start_time_lt`, `-1` -> `minus_1`, `3d` -> `n3d`, `class` -> `class_`, `Größe` -> `grosse`, `` -> `unnamed`.
    Different texts may give the same identifier; `operation_ids` and `parameter_names` keep them apart.
    """
    name = "_".join(words(text)) or _UNNAMED
    if name[0] in "0123456789":
        name = f"n{name}"
    if not name.isidentifier() or unicodedata.normalize("NFKC", name) != name:
        name = "_".join(word if word.isascii() else f"u{_hash(word)[:6]}" for word in name.split("_"))
    if len(name) > MAX_IDENTIFIER:
        name = _shortened(name, text)
    return f"{name}_" if keyword.iskeyword(name) else name


def words(text: str) -> list[str]:
    """The words of a name, in lower case: camelCase, snake_case, kebab-case and paths are taken apart."""
    text = _readable(_spoken(text))
    if text.isascii():
        return [word.lower() for word in _WORDS.findall(text)]
    return [word.lower() for run in _RUNS.findall(text) for word in _words_of_run(run)]


def operation_ids(upstream: str, originals: Sequence[str]) -> tuple[str, ...]:
    """The full dotted ids of an upstream's operations, in the order of their original names.

    `/` and `.` separate parts; `METHOD /path/{id}` becomes one flat name; the upstream's own name in front of an
    operation's is left out. Ids are unique, and depend on an original and on those that clash with it, never on the
    order or on unrelated ones. Where several originals come to the same id, the one that is spelt exactly like it keeps
    it, and the others take a longer form or a hash of their original. Equal originals cannot be told apart by anything
    but their order: give `METHOD /path` for them instead.
    """
    distinct = _occurrences(originals)
    chosen = _settle({key: _candidates(upstream, key[0]) for key in distinct})
    return tuple(f"{upstream}.{chosen[key]}" for key in distinct)


def labelled_ids(upstream: str, labels: Mapping[str, Sequence[str]], taken: Collection[str]) -> dict[str, str]:
    """Full ids for what has names that are not its own: several resources may share one, their URIs tell them apart.

    `labels` are the local names that each original would like, best first, `taken` the full ids that others have. Ids
    are unique, and depend on an original and on those that want the same name. Who clashes takes its next name, and in
    the end one with a hash of its original.
    """
    local = {each.removeprefix(f"{upstream}.") for each in taken}
    chosen = _settle({(original, 0): list(dict.fromkeys(names)) for original, names in labels.items()}, local)
    return {original: f"{upstream}.{chosen[original, 0]}" for original in labels}


def parameter_names(wires: Sequence[tuple[str, Location]]) -> tuple[str, ...]:
    """The Python names of an operation's parameters, in their order: identifiers, unique.

    Where several come to the same name, the path keeps it, then a tool's argument, the query, the body, a header, a
    cookie; the others are suffixed with their location (`id_body`), or else with a hash of their wire name.
    """
    keys = _occurrences(wires)
    wanted: dict[str, list[tuple[tuple[str, Location], int]]] = {}
    for key in keys:
        wanted.setdefault(identifier(key[0][0]), []).append(key)
    chosen: dict[tuple[tuple[str, Location], int], str] = {}
    for name, group in wanted.items():
        chosen[min(group, key=lambda key: _claim(name, key))] = name
    taken = set(wanted)
    for key in sorted((key for key in keys if key not in chosen), key=repr):
        chosen[key] = next(name for name in _suffixed(key) if name not in taken)
        taken.add(chosen[key])
    return tuple(chosen[key] for key in keys)


def upstream_name(text: str) -> str:
    """The name of an upstream as programs know it: an identifier that is neither reserved nor a builtin's."""
    name = identifier(text)
    return f"{name}_api" if name in UPSTREAM_RESERVED or hasattr(builtins, name) else name


def _spoken(text: str) -> str:
    """Signs that tell names apart, as words: `+1`, `-1`, `StartTime<`."""
    text = text.strip()
    if text.startswith(("+", "-")) and re.match(r"[+-]\d", text):
        text = ("plus " if text[0] == "+" else "minus ") + text[1:]
    if text.endswith(("<", ">", "=")):
        for ending, word in _ENDINGS:
            if len(text) > len(ending) and text.endswith(ending):
                return text[: -len(ending)] + word
    return text


def _readable(text: str) -> str:
    """The text in ASCII where accents and widths are all that keeps it from that, and without invisible characters."""
    if text.isascii():
        return text
    return _FOREIGN.sub(lambda each: _fold(each.group()), unicodedata.normalize("NFKC", text))


def _fold(character: str) -> str:
    if character == "ß":
        return "ss"
    base = "".join(part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part))
    if base.isascii() and base.isalnum():
        return base
    if unicodedata.category(character) in {"Cf", "Cc"}:
        return ""
    return character if f"a{character}".isidentifier() else " "


def _words_of_run(run: str) -> list[str]:
    return _WORDS.findall(run) if run.isascii() else [run]


def _shortened(name: str, text: str) -> str:
    """The front of a name, up to a word, and a hash of the whole."""
    front = name[: MAX_IDENTIFIER - 7]
    if "_" in front[20:]:
        front = front[: front.rindex("_")]
    return f"{front}_{_hash(text)[:6]}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _occurrences(items: Sequence[_T]) -> list[tuple[_T, int]]:
    """Each item with how many equal ones stand before it, so that equal ones are told apart."""
    seen: Counter[_T] = Counter()
    keys = []
    for item in items:
        keys.append((item, seen[item]))
        seen[item] += 1
    return keys


def _settle(candidates: dict[tuple[str, int], list[str]], taken: Collection[str] = ()) -> dict[tuple[str, int], str]:
    """One name for each original: the first of its candidates that it alone claims, else one with a hash.

    A name that several claim goes to the original that is spelt like it, or to none: who guesses it is told of both.
    """
    chosen: dict[tuple[str, int], str] = {}
    taken = set(taken)
    for rank in range(max(map(len, candidates.values()), default=0)):
        claims: dict[str, list[tuple[str, int]]] = {}
        for key, names in candidates.items():
            if key not in chosen and rank < len(names):
                claims.setdefault(names[rank], []).append(key)
        for name, keys in claims.items():
            owners = keys if len(keys) == 1 else [key for key in keys if key == (name, 0)]
            if name not in taken and owners:
                chosen[owners[0]] = name
        taken.update(claims)
    for key in sorted(candidates.keys() - chosen.keys()):
        chosen[key] = next(name for name in _hashed(candidates[key][-1], key) if name not in taken)
        taken.add(chosen[key])
    return chosen


def _candidates(upstream: str, original: str) -> list[str]:
    """The names that an original would like, best first, without the upstream's name in front."""
    routed = _METHOD_AND_PATH.fullmatch(original)
    if routed:
        method, path = routed.groups()
        names = [identifier(_route_name(method, path, every=False)), identifier(_route_name(method, path, every=True))]
    else:
        parts = [identifier(part) for part in re.split(r"[/.]", original) if words(part)] or [_UNNAMED]
        if len(parts) > MAX_PARTS:
            parts[MAX_PARTS - 1 :] = [identifier("_".join(parts[MAX_PARTS - 1 :]))]
        names = [".".join(_without_upstream(upstream, parts)), ".".join(parts)]
    return list(dict.fromkeys(names))


def _without_upstream(upstream: str, parts: list[str]) -> list[str]:
    """`slack.post_message` rather than `slack.slack_post_message`, `gmail.users.get` rather than `gmail.gmail...`."""
    first, rest = parts[0], parts[1:]
    if first == upstream and rest:
        return rest
    short = first.removeprefix(f"{upstream}_")
    return [identifier(short), *rest] if short and not short[0].isdigit() else parts


def _route_name(method: str, path: str, *, every: bool) -> str:
    """`get_pets_by_id`; with `every`, the placeholders before the last words are named too."""
    spoken = [method]
    segments = [segment for segment in path.split("/") if segment]
    for place, segment in enumerate(segments):
        literal = _PLACEHOLDER.sub(" ", segment).strip()
        named = _PLACEHOLDER.findall(segment)
        last = all(_PLACEHOLDER.fullmatch(later) for later in segments[place + 1 :])
        if literal:
            spoken.append(literal if every else re.sub(r"\.(json|xml)$", "", literal))
        if named and (every or last):
            spoken += ["and" if _PLACEHOLDER.fullmatch(segments[place - 1]) and place else "by", *named]
    return " ".join(spoken if segments else [method, "root"])


def _hashed(name: str, key: tuple[str, int]) -> Iterator[str]:
    """The name with ever longer hashes of what it stands for, and in the end with numbers."""
    mark = _hash(f"{key[1]}:{key[0]}" if key[1] else key[0])
    for length in (4, 8, 16, 32):
        yield f"{name}_{mark[:length]}"
    yield from (f"{name}_{mark[:32]}_{number}" for number in count(2))


def _claim(name: str, key: tuple[tuple[str, Location], int]) -> tuple[int, bool, str, int]:
    """What decides who keeps a name; the least wins."""
    (wire, location), occurrence = key
    return _PRECEDENCE[location], wire != name, wire, occurrence


def _suffixed(key: tuple[tuple[str, Location], int]) -> Iterator[str]:
    (wire, location), occurrence = key
    yield f"{identifier(wire).rstrip('_')}_{location}"
    yield from _hashed(identifier(wire).rstrip("_"), (f"{location}:{wire}", occurrence))
