"""The calls of one execution in time, as a picture: a bar each, in lanes, one below another where they ran at once.

The picture holds no text, so that it may be stretched to any width. What it shows stands in the table beside it, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.insight.facts import CallFact, lanes_of
from isthmus.insight.markup import Markup, duration, plural, tag

WIDTH = 1000
"""Units of a picture, whatever the pixels."""

LANE, BAR = 8, 6
"""Units of a lane, and of the bar in it."""

MOST_LANES = 64
"""Lanes of one picture; calls beyond share the last one."""

THINNEST = 1.5
"""Units of the shortest bar."""


def picture(calls: Sequence[CallFact]) -> Markup:
    """All calls of an execution, with a line at each quarter of the time."""
    whole = max((call.end for call in calls), default=0.0) or 1.0
    placed = [(min(lane, MOST_LANES - 1), call) for lane, call in lanes_of(calls)]
    height = LANE * (1 + max((lane for lane, _ in placed), default=0))
    bars = [_bar(call, whole, lane * LANE + (LANE - BAR) / 2, title=True) for lane, call in placed]
    drawn = tag(
        "svg",
        [tag("line", x1=at, x2=at, y1=0, y2=height, class_="grid") for at in range(0, WIDTH + 1, WIDTH // 4)],
        bars,
        viewBox=f"0 0 {WIDTH} {height}",
        height=min(2 * height, 320),
        preserveAspectRatio="none",
        role="img",
        aria_label=f"Timeline of {plural(len(calls), 'call')} within {duration(whole)}",
    )
    ticks = [tag("span", duration(whole * at / 4)) for at in range(5)]
    return tag("figure", drawn, tag("div", ticks, class_="ticks", aria_hidden="true"), class_="timeline")


def strip(call: CallFact, whole: float) -> Markup:
    """One call's place in its execution, which takes `whole` ms."""
    return tag(
        "svg",
        _bar(call, whole, 1, title=False),
        viewBox=f"0 0 {WIDTH} {LANE}",
        preserveAspectRatio="none",
        class_="strip",
        aria_hidden="true",
    )


def _bar(call: CallFact, whole: float, top: float, *, title: bool) -> Markup:
    width = max(THINNEST, WIDTH * call.ms / whole)
    left = min(WIDTH * call.start / whole, WIDTH - width)
    told = f"{call.operation}: {call.status} after {duration(call.ms)}, asked at {duration(call.start)}"
    return tag(
        "rect",
        tag("title", told) if title else "",
        x=f"{max(0.0, left):.2f}",
        y=f"{top:g}",
        width=f"{width:.2f}",
        height=BAR,
        class_=f"{call.effect} {call.status}",
    )
