"""A report as one HTML page that needs nothing else: no script, no font, no image, no connection.

What it shows may be anybody's text, so everything is escaped (`markup`), and a policy in the page's head lets a browser
load and run nothing at all, whatever were to slip through; the one style sheet is named there by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence

from isthmus.insight.cells import MOST_ROWS, arguments, effect, link, operation, status
from isthmus.insight.executions import executions
from isthmus.insight.facts import (
    Account,
    Insight,
    OperationUse,
    account_of,
    operations_of,
    skills_of,
)
from isthmus.insight.markup import Markup, Part, duration, joined, moment, number, plural, table, tag
from isthmus.model import CallStatus, Effect

MOST_USED = 15
"""Operations, and skills, among the most used."""

FALLS_SHORT: tuple[CallStatus, ...] = ("failed", "unknown", "refused", "cancelled")
"""What became of calls that did not do what they were to do."""


def page(insight: Insight, style: str) -> str:
    """The whole page. `style` is its style sheet."""
    title = f"Isthmus report, {insight.made:%Y-%m-%d %H:%M}"
    head = [
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_policy(style)}">'),
        Markup('<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light dark">'),
        tag("title", title),
        Markup(f"<style>{style}</style>"),
    ]
    account = account_of(insight)
    told = [_tiles(insight, account), *_sections(insight, account)] if insight.runs or insight.stopped else []
    body = tag("main", _top(insight), *told)
    return f'<!DOCTYPE html>\n<html lang="en">{joined(tag("head", head))}{joined(tag("body", body))}</html>\n'


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _sections(insight: Insight, account: Account) -> list[Markup]:
    contents = (
        _tokens(insight, account),
        _changed(insight),
        _refused(insight),
        _read(insight),
        _used(insight),
        executions(insight),
    )
    return [_section(title, *content) for title, content in zip(TITLES, contents, strict=True)]


TITLES = ("Tokens", "What was changed", "What was refused", "What was read", "Most used", "Executions")


def _section(title: str, *content: Part) -> Markup:
    return tag("section", tag("h2", title, id=_anchor(title)), *content, aria_labelledby=_anchor(title))


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _contents() -> Markup:
    """Links to the sections."""
    links = [tag("li", tag("a", title, href=f"#{_anchor(title)}")) for title in TITLES]
    return tag("nav", tag("ul", links), aria_label="Contents")


def _top(insight: Insight) -> Markup:
    runs = insight.runs
    if not runs:
        told: Part = "No execution is on record here: once a program has run, this page has something to tell."
    elif len(runs) == 1:
        told = ["1 execution, of ", moment(runs[0].at), "."]
    else:
        told = [plural(len(runs), "execution"), ", from ", moment(runs[-1].at), " to ", moment(runs[0].at), "."]
    older = " Earlier ones are kept, and not on this page: --limit takes in more." if insight.older else ""
    bare = "" if insight.with_data else " Made without data: programs, arguments and messages are left out."
    made = tag(
        "p", told, older, bare, " Made ", moment(insight.made), f"; times are {insight.made:%Z}.", class_="quiet"
    )
    return tag("header", tag("h1", "Isthmus report"), made, *([_contents()] if runs else []))


def _tiles(insight: Insight, account: Account) -> Markup:
    runs, calls = insight.runs, [call for _, call in insight.calls]
    failed = sum(run.ok is False for run in runs)
    changes = [call for call in calls if call.effect is not Effect.READ and call.made]
    short = [call for call in calls if call.status in FALLS_SHORT]
    return tag(
        "dl",
        _tile("Executions", number(len(runs)), f"{failed:,} failed" if failed else "none failed"),
        _tile("Calls", number(len(calls)), f"{len(short):,} of them failed, refused or cut short"),
        _tile(
            "Changes sent",
            number(len(changes)),
            f"{sum(c.effect is Effect.DESTRUCTIVE for c in changes):,} destructive",
        ),
        _tile("Refused", number(sum(call.status == "refused" for call in calls)), _never_sent(insight)),
        _tile("Tokens for the model", number(account.ours.total), _times(account)),
        class_="tiles",
    )


def _never_sent(insight: Insight) -> str:
    programs = len(insight.stopped)
    return "never sent" + (f"; besides, {plural(programs, 'program')} before running" if programs else "")


def _tile(name: str, value: str, more: str) -> Markup:
    return tag("div", tag("dt", name), tag("dd", value, class_="big"), tag("dd", more, class_="quiet"))


def _times(account: Account) -> str:
    """How the direct way compares, by the comparison that is least in our favour."""
    least = min(account.ideal.total, account.direct.total)
    ours = account.ours.total
    if not ours or not least:
        return "nothing to compare with"
    return f"calling tools directly: {least:,}, {least / ours:.1f} times as many"


# ---------------------------------------------------------------- tokens


def _tokens(insight: Insight, account: Account) -> list[Part]:
    ways = [
        ("Isthmus", account.ours, "ours"),
        ("Tools directly, those used", account.ideal, "direct"),
        ("Tools directly, all", account.direct, "direct"),
    ]
    return [
        _bars([(name, cost.total, kind) for name, cost, kind in ways]),
        table(
            f"Tokens in {plural(account.conversations, 'conversation')}",
            [("", ""), *((name, "n") for name, _, _ in ways)],
            [_cost_row(name, [getattr(cost, field) for _, cost, _ in ways]) for name, field in _COSTS],
            sums=True,
        ),
        tag("p", _basis(insight, account), class_="quiet"),
    ]


_COSTS = (
    ("definitions and instructions", "definitions"),
    ("what the model writes", "written"),
    ("what the model reads", "read"),
    ("together", "total"),
)


def _cost_row(name: str, values: Sequence[int]) -> list[Part]:
    return [name, *map(number, values)]


def _bars(ways: Sequence[tuple[str, int, str]]) -> Markup:
    most = max((value for _, value, _ in ways), default=0) or 1
    return tag("div", [_row_of_bars(name, value, value / most, kind) for name, value, kind in ways], class_="bars")


def _row_of_bars(name: str, value: int, share: float, kind: str) -> Markup:
    bar = tag("rect", width=f"{max(0.5, 1000 * share):.1f}", height=10, class_=kind)
    drawn = tag("svg", bar, viewBox="0 0 1000 10", preserveAspectRatio="none", aria_hidden="true")
    return tag("div", tag("span", name), drawn, tag("span", number(value), class_="n"))


def _basis(insight: Insight, account: Account) -> str:
    """How the numbers come about, and what is not in them."""
    known = insight.definitions.values()
    estimated = [each for each in known if each.measured < each.operations]
    told = [
        "All tokens are estimates of what OpenAI's o200k vocabulary would count; each way is estimated alike. "
        "A conversation is a session. Isthmus: its two tools and instructions in each, the programs, "
        f"{plural(insight.searches, 'search', 'searches')} and the results, "
        "and programs that were refused before running. "
        "Tools directly: the same calls that were made, with their arguments as JSON, and every answer read by the "
        "model, once, as compact JSON without bytes; that it would read them again with every later turn is not "
        "counted. What a model thinks is on neither side. All tools of the upstreams are defined in "
        "each conversation, or, as if they had been known beforehand, only those that it used."
    ]
    if known:
        told.append(
            f"Definitions are those of {plural(sum(each.operations for each in known), 'operation')} "
            f"of {plural(len(known), 'upstream')}, as the server last found them"
            + (f"; for {_names(each.upstream for each in estimated)} taken from a sample." if estimated else ".")
        )
    if account.undefined:
        told.append(
            f"Not counted, because their definitions are not on record: {_names(account.undefined)}. "
            "The direct ways would cost more than is shown."
        )
    if not insight.audited:
        told.append("The audit log is off or empty: searches and definitions are missing from both sides.")
    return " ".join(told)


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


# ---------------------------------------------------------------- what was done


def _changed(insight: Insight) -> list[Part]:
    rows = [(run, call) for run, call in insight.calls if call.effect is not Effect.READ and call.status != "refused"]
    if not rows:
        return [tag("p", "Nothing: no call that could change anything was made.")]
    return [
        table(
            f"{plural(len(rows), 'call')} that change something, latest executions first",
            [("operation", ""), ("effect", ""), ("what came of it", ""), ("arguments", "wide"), ("execution", "")],
            [
                [operation(call.operation), effect(call.effect), status(call), arguments(call), link(run)]
                for run, call in rows[:MOST_ROWS]
            ],
            more=_more(len(rows), MOST_ROWS),
        )
    ]


def _refused(insight: Insight) -> list[Part]:
    rows = [(run, call) for run, call in insight.calls if call.status == "refused"]
    if not rows and not insight.stopped:
        return [tag("p", "Nothing.")]
    calls = table(
        f"{plural(len(rows), 'call')} that policy, or a person, did not allow; none was sent",
        [("operation", ""), ("effect", ""), ("why", "wide"), ("arguments", "wide"), ("execution", "")],
        [
            [operation(call.operation), effect(call.effect), call.why, arguments(call), link(run)]
            for run, call in rows[:MOST_ROWS]
        ],
        more=_more(len(rows), MOST_ROWS),
    )
    programs = table(
        f"{plural(len(insight.stopped), 'program')} refused before running: calls in them could not have succeeded",
        [("execution", ""), ("when", ""), ("principal", ""), ("why", "wide")],
        [
            [tag("span", each.execution, class_="id run"), moment(each.at), each.principal, "; ".join(each.calls)]
            for each in insight.stopped[:MOST_ROWS]
        ],
        more=_more(len(insight.stopped), MOST_ROWS),
    )
    return [*([calls] if rows else []), *([programs] if insight.stopped else [])]


def _read(insight: Insight) -> list[Part]:
    uses = [use for use in operations_of(insight) if use.effect is Effect.READ and use.statuses.get("done")]
    if not uses:
        return [tag("p", "Nothing.")]
    tokens = sum(use.answer_tokens for use in uses)
    return [
        tag(
            "p",
            f"Some {tokens:,} tokens of answers went to programs; what a program did not return, no model has read.",
        ),
        table(
            plural(len(uses), "operation"),
            [("operation", ""), ("reads", "n"), ("executions", "n"), ("tokens of answers", "n")],
            [
                [
                    operation(use.operation),
                    number(use.statuses["done"]),
                    number(use.executions),
                    number(use.answer_tokens),
                ]
                for use in uses[:MOST_ROWS]
            ],
            more=_more(len(uses), MOST_ROWS),
        ),
    ]


def _used(insight: Insight) -> list[Part]:
    uses, skills = operations_of(insight), skills_of(insight)
    told: list[Part] = []
    if uses:
        told.append(
            table(
                "Operations",
                [("operation", ""), ("effect", ""), ("calls", "n"), ("fell short", "n"), ("median time", "n")],
                [_use_row(use) for use in uses[:MOST_USED]],
                more=_more(len(uses), MOST_USED),
            )
        )
    if skills:
        told.append(
            table(
                "Skills, as their programs told of them",
                [("skill", ""), ("executions", "n"), ("calls", "n"), ("failures", "n")],
                [
                    [operation(use.name), number(use.executions), number(use.calls), number(use.failures)]
                    for use in skills[:MOST_USED]
                ],
                more=_more(len(skills), MOST_USED),
            )
        )
    return told or [tag("p", "No operation and no skill was used.")]


def _use_row(use: OperationUse) -> list[Part]:
    short = sum(use.statuses.get(status, 0) for status in FALLS_SHORT)
    time = "" if use.ms is None else duration(use.ms)
    return [operation(use.operation), effect(use.effect), number(use.calls), number(short), time]


def _more(rows: int, most: int) -> str:
    return f"and {rows - most:,} more" if rows > most else ""
