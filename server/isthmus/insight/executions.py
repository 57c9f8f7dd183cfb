"""The executions of the page: a line for each, and in it the picture of its calls, their table and the program."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from isthmus.insight.cells import MOST_ROWS, arguments, effect, operation, status
from isthmus.insight.facts import CallFact, Insight, RunFact
from isthmus.insight.markup import Markup, Part, duration, moment, number, plural, table, tag
from isthmus.insight.timeline import picture, strip
from isthmus.model import Effect

MOST_CALLS = 60
"""Rows of the calls of one execution."""

MOST_ALIKE = 5
"""Reads of one operation in one execution that its table names one by one; those after them share a row."""

LONGEST_SOURCE = 20_000
"""Characters of a program that are shown."""


def executions(insight: Insight) -> list[Part]:
    """All of them, the latest first and open."""
    if not insight.runs:
        return [tag("p", "None.")]
    kinds = [("read", "done"), ("write", "done"), ("destructive", "done"), ("read", "failed"), ("read", "refused")]
    names = ["read", "write", "destructive", "failed, or unknown whether done", "refused, cancelled or not sent"]
    key = tag(
        "ul",
        [
            tag(
                "li",
                tag(
                    "svg",
                    tag("rect", x=1, y=1, width=22, height=8, class_=" ".join(kind)),
                    viewBox="0 0 24 10",
                    aria_hidden="true",
                ),
                name,
            )
            for kind, name in zip(kinds, names, strict=True)
        ],
        class_="key quiet",
    )
    several = len({run.principal for run in insight.runs}) > 1
    return [key, *(_execution(run, is_open=at == 0, named=several) for at, run in enumerate(insight.runs))]


def _execution(run: RunFact, *, is_open: bool, named: bool) -> Markup:
    inside = tag("div", *_inside(run), class_="inside", id=run.execution)  # a link to what is inside opens it
    return tag("details", _summary(run, named=named), inside, open="" if is_open else None)


def _summary(run: RunFact, *, named: bool) -> Markup:
    """The line of an execution that is always there; `named`, with its principal."""
    ended, kind = (
        ("no end", "failed") if run.ok is None else ("ok", "ok") if run.ok else (f"failed ({run.code})", "failed")
    )
    return tag(
        "summary",
        tag("span", run.execution, class_="id"),
        tag("span", ended, class_=f"ended {kind}"),
        tag("span", moment(run.at), class_="quiet"),
        tag("span", f"{duration(run.ms)}, {plural(len(run.calls), 'call')}", class_="quiet"),
        *([tag("span", run.principal, class_="quiet who")] if named else []),
        tag("code", _gist(run.source), class_="first"),
        class_="named" if named else None,
    )


_SAYS_LITTLE = ("import ", "from ", "#", '"""', "try:", "simulate()", "await simulate()", "uses(", "await uses(")


def _gist(source: str) -> str:
    """The first line of a program that says something of it."""
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith(_SAYS_LITTLE)), lines[0] if lines else "")[:200]


def _inside(run: RunFact) -> list[Part]:
    begun = f", continues {run.continues}" if run.continues else ""
    told: list[Part] = [
        tag(
            "p",
            f"Session {run.session}, principal {run.principal}{begun}. "
            f"{duration(run.busy_ms)} of {duration(run.ms)} were computing. "
            f"The model wrote {run.source_tokens:,} tokens and was shown {run.shown_tokens:,}.",
            class_="quiet",
        )
    ]
    if run.message:
        told.append(tag("p", run.message, class_="message"))
    if run.calls:
        told += [picture(run.calls), _calls(run.calls)]
    if run.incomplete:
        told.append(tag("p", f"Not all is on record: {run.incomplete}.", class_="quiet"))
    if run.files:
        told.append(tag("p", f"What did not fit into the result is kept in: {', '.join(run.files)}.", class_="quiet"))
    if run.source:
        told += [tag("h3", "Program"), tag("pre", tag("code", _shortened(run.source.strip("\n"))), tabindex=0)]
    return told


def _shortened(source: str) -> str:
    more = len(source) - LONGEST_SOURCE
    return f"{source[:LONGEST_SOURCE]}\n… and {more:,} characters more" if more > 0 else source


def _calls(calls: Sequence[CallFact]) -> Markup:
    """A table of the calls: what changed something or fell short, and then as many others as there is room for."""
    groups = list(_alike(calls))
    notable = [group for group in groups if not _is_plain(group[0])]
    others = [group for group in groups if _is_plain(group[0])]
    shown = {id(group) for group in [*notable[:MOST_ROWS], *others][: max(MOST_CALLS, min(len(notable), MOST_ROWS))]}
    whole = max(call.end for call in calls) or 1.0
    left = sum(len(group) for group in groups if id(group) not in shown)
    return table(
        plural(len(calls), "call"),
        [
            *(("operation", ""), ("arguments", "wide"), ("effect", ""), ("what came of it", "wide")),
            *(("asked at", "n"), ("took", "n"), ("tokens", "n"), ("when", "track")),
        ],
        [_row_of_calls(group, whole) for group in groups if id(group) in shown],
        more=f"and {plural(left, 'more call')}: all are in the picture above" if left else "",
    )


def _is_plain(call: CallFact) -> bool:
    return call.effect is Effect.READ and call.status == "done" and not call.taken


def _alike(calls: Sequence[CallFact]) -> Iterator[list[CallFact]]:
    """Calls in their order, each by itself, but for reads of an operation that was read often: these are together."""
    reads: defaultdict[str, list[CallFact]] = defaultdict(list)
    for call in calls:
        if _is_plain(call):
            reads[call.operation].append(call)
    places: Counter[str] = Counter()
    for call in calls:
        same = reads[call.operation] if _is_plain(call) else []
        places[call.operation] += bool(same)
        place = places[call.operation]
        if len(same) <= MOST_ALIKE + 1 or place <= MOST_ALIKE:
            yield [call]
        elif place == MOST_ALIKE + 1:
            yield same[MOST_ALIKE:]


def _row_of_calls(group: Sequence[CallFact], whole: float) -> list[Part]:
    return _call_row(group[0], whole) if len(group) == 1 else _shared_row(group, whole)


def _shared_row(group: Sequence[CallFact], whole: float) -> list[Part]:
    """Calls that differ in nothing that the page is about: how many, and what they come to."""
    first = group[0]
    return [
        operation(first.operation),
        tag("span", f"and {len(group):,} more: their median time, and tokens in all", class_="quiet"),
        effect(first.effect),
        status(first),
        duration(first.start),
        duration(median(call.ms for call in group)),
        number(sum(call.answer_tokens for call in group)),
        strip(replace(first, ms=max(call.end for call in group) - first.start), whole),
    ]


def _call_row(call: CallFact, whole: float) -> list[Part]:
    return [
        operation(call.operation),
        arguments(call),
        effect(call.effect),
        status(call),
        duration(call.start),
        duration(call.ms),
        number(call.answer_tokens),
        strip(call, whole),
    ]
