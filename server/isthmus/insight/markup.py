"""HTML from parts: text is escaped where it becomes HTML, once, and nothing else is ever put together."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Markup:
    """HTML that is well-formed and holds nothing that was not escaped."""

    html: str


Part = str | Markup | Iterable["Part"]
"""A text, to be escaped; HTML, to be taken as it is; or several of them."""


def joined(part: Part) -> str:
    """The HTML of a part.

    >>> joined(["a < b", tag("b", "&")])
    'a &lt; b<b>&amp;</b>'
    """
    if isinstance(part, Markup):
        return part.html
    return text(part) if isinstance(part, str) else "".join(map(joined, part))


def tag(name: str, *content: Part, **attributes: str | float | None) -> Markup:
    """An element; `class_` is `class`, and `_` in other names is `-`. An attribute that is None is left out.

    >>> tag("td", "1 < 2", class_="n").html
    '<td class="n">1 &lt; 2</td>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{given}>{joined(content)}</{name}>")


def text(value: str) -> str:
    """A text, escaped; what is invisible or could turn the direction of writing is shown as an escape.

    >>> text('<a href="x">\\u202e&')
    '&lt;a href=&quot;x&quot;&gt;\\\\u202e&amp;'
    """
    shown = value if value.isprintable() else "".join(map(_visible, value))
    return html.escape(shown, quote=True)


def _visible(character: str) -> str:
    return character if character.isprintable() or character in "\n\t" else ascii(character)[1:-1]


def table(
    caption: str,
    heads: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[Part]],
    *,
    more: str = "",
    sums: bool = False,
) -> Markup:
    """A table with its caption. `heads` are (title, class of the column); the first cell of a row is its head.

    `more` tells, in a last row, of rows that are left out. `sums`: the last row is what the others come to.
    """
    head = tag("tr", [tag("th", title, scope="col", class_=kind or None) for title, kind in heads])
    body = [
        tag(
            "tr",
            [
                tag(
                    "th" if at == 0 else "td",
                    cell,
                    scope="row" if at == 0 else None,
                    class_=kind or None,
                    data_head=title,
                )
                for at, (cell, (title, kind)) in enumerate(zip(cells, heads, strict=True))
            ],
            class_="sum" if sums and place == len(rows) else None,
        )
        for place, cells in enumerate(rows, 1)
    ]
    if more:
        body.append(tag("tr", tag("td", more, colspan=len(heads), class_="more")))
    return tag("div", tag("table", tag("caption", caption), tag("thead", head), tag("tbody", body)), class_="scroll")


def number(value: float) -> str:
    """A whole number as people read it."""
    return f"{value:,.0f}"


def plural(count: int, noun: str, nouns: str = "") -> str:
    """A count and its noun; `nouns` where it takes more than an s.

    >>> plural(1, "call"), plural(1200, "call"), plural(2, "search", "searches")
    ('1 call', '1,200 calls', '2 searches')
    """
    return f"{count:,} {noun if count == 1 else nouns or f'{noun}s'}"


def duration(ms: float) -> str:
    """A time as people read it.

    >>> duration(0), duration(0.04), duration(8.7), duration(87), duration(1234), duration(185_000)
    ('0', '40 µs', '8.7 ms', '87 ms', '1.2 s', '3 min 5 s')
    """
    if not ms:
        return "0"
    if ms < 1:
        return f"{ms * 1_000:.0f} µs"
    if ms < 10:
        return f"{ms:.1f} ms"
    if ms < 1_000:
        return f"{ms:.0f} ms"
    if ms < 60_000:
        return f"{ms / 1_000:.1f} s"
    return f"{ms // 60_000:,.0f} min {ms % 60_000 / 1_000:.0f} s"


def moment(at: datetime) -> Markup:
    """A time, in its own zone."""
    return tag("time", at.strftime("%Y-%m-%d %H:%M:%S"), datetime=at.isoformat(timespec="seconds"))
