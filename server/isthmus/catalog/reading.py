"""An operation, read for the index: the terms of its fields, and what else a ranking asks of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntFlag

from isthmus.catalog.question import ID_TERMS
from isthmus.catalog.terms import Analyzer, actions, stem, verb_action
from isthmus.model import Operation, Parameter

_FINDS = frozenset(stem(word) for word in ["search", "find", "lookup", "query", "discover"])
_SENTENCE = re.compile(r"(?<=[.!?])\s|\n\s*\n")
_LONGEST_NAME = 400
_PARAMETERS = 40


class Field(IntFlag):
    """The parts of an operation in which a term may stand."""

    NAME = 1
    PATH = 2  # without its parameters
    FIRST = 4  # the summary, or else the first sentence of the description
    TAGS = 8
    UPSTREAM = 16
    DESCRIPTION = 32
    PARAMETERS = 64  # their names
    ABOUT = 128  # what is said of them
    LAST = 256  # what the operation is about: the last literal segment of its path, or else its name without verbs
    SUMMARY = 512  # the summary itself, which counts apart from the first sentence


HEAD = Field.NAME | Field.PATH | Field.FIRST | Field.TAGS | Field.UPSTREAM


@dataclass(frozen=True, slots=True)
class Reading:
    """The terms of an operation by field, with repetitions, and facts about it."""

    fields: tuple[tuple[Field, list[str]], ...]
    actions: frozenset[str]
    finds: bool  # by its name or path it finds things by what is known of them
    required: tuple[frozenset[str], ...]  # the terms of each required parameter's name
    needs: frozenset[str]  # whose identifiers it takes: `{movie_id}` needs a movie
    parameters: int
    depth: int  # segments of the path
    holes: int  # parameters in the path
    one: bool  # the path ends in a parameter: it is about one thing, not about all

    @classmethod
    def read(cls, operation: Operation, analyzer: Analyzer) -> Reading:
        """Read an operation. Long texts are read in part: they repeat themselves."""
        terms = analyzer.terms
        name, segments = terms(_name(operation)), _segments(operation)
        literal = [terms(each) for each in segments if not each.startswith("{")]
        path = [term for each in literal for term in each]
        holes = [term for each in segments if each.startswith("{") for term in terms(each)]
        summary = terms(operation.summary[:_LONGEST_NAME])
        required = tuple(frozenset(terms(each.wire)) for each in operation.parameters if each.required)
        identified = frozenset().union(*(each for each in required if each & ID_TERMS))
        fields = (
            (Field.NAME, name),
            (Field.PATH, path),
            (Field.SUMMARY, summary),
            (Field.FIRST, summary or terms(first_sentence(operation.description))),
            (Field.TAGS, terms(" ".join(operation.tags)[:200])),
            (Field.UPSTREAM, terms(operation.upstream)),
            (Field.DESCRIPTION, terms(operation.description[:800])),
            (Field.PARAMETERS, [term for each in operation.parameters for term in terms(each.wire)]),
            (Field.ABOUT, [term for each in operation.parameters[:_PARAMETERS] for term in terms(_about(each))]),
            (Field.LAST, _last(operation, analyzer) or [each for each in name if not verb_action(each)] or name),
        )
        return cls(
            fields,
            actions(name, operation.route.method if operation.route else ""),
            not _FINDS.isdisjoint(name) or not _FINDS.isdisjoint(path),
            required,
            frozenset(holes).union(identified) - ID_TERMS,
            len(operation.parameters),
            len(segments),
            len(segments) - len(literal),
            bool(segments) and segments[-1].startswith("{"),
        )


def first_sentence(text: str) -> str:
    """The first sentence of a description, as far as it can be told.

    >>> first_sentence("Lists labels. Of a repository.")
    'Lists labels.'
    """
    return _SENTENCE.split(text.strip()[:300], maxsplit=1)[0]


def _name(operation: Operation) -> str:
    local = operation.id.partition(".")[2]
    if operation.route is None:
        return f"{local} {operation.original}"
    return local if operation.original.startswith(operation.route.method + " ") else operation.original


def _segments(operation: Operation) -> list[str]:
    return [segment for segment in operation.route.path.split("/") if segment] if operation.route else []


def _last(operation: Operation, analyzer: Analyzer) -> list[str]:
    """The terms of the last literal segment of a path; of its last part, where the path is dotted like a name."""
    literal = [segment for segment in _segments(operation) if not segment.startswith("{")]
    return analyzer.terms(literal[-1].rpartition(".")[2]) if literal else []


def _about(parameter: Parameter) -> str:
    return parameter.description[:160]
