"""What a search answers, within a budget of tokens: the best as stubs, the rest as lines, the remainder counted.

Every entry first gets the least that can be said of it, one line. What is left of the budget then buys more, by
rank: the first ones the whole stub, those after them a short one. Nothing is cut in the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from isthmus.model import Operation
from isthmus.render.stubs import BRIEF, FILE, FULL, NORMAL, Depth, Stub
from isthmus.render.tokens import estimate

Detail = Literal["names", "signatures", "full"]

_LEVELS: dict[Detail, tuple[Depth, ...]] = {
    "names": (),
    "signatures": (BRIEF, NORMAL),
    "full": (NORMAL, FULL),
}
_FIRST = 3
"""Entries of each section that are to have their whole stub before others have a short one."""

_LEAST = 15
"""Tokens below which no stub is tried: none costs so little more than its line."""

_CLOSING = 30
"""Tokens kept for the line that counts what was left out."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation to show.

    `likely` is false for one that only just matched: a line is enough for it. `asked` is true for one that was asked
    for by its name: it is shown in depth.
    """

    operation: Operation
    likely: bool = True
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """The answer to one query: entries, best first, under lines of introduction.

    `remainder` says what is left out, given how many entries are not shown; empty where there is nothing to say.
    """

    introduction: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    remainder: Callable[[int], str] = lambda _: ""


@dataclass(slots=True)
class _Item:
    """An entry on its way: how much of it is shown, and what that costs in tokens."""

    section: int
    rank: int
    entry: Entry
    stub: Stub | None
    cost: int
    depth: Depth | None = None

    def shows(self, depth: Depth) -> bool:
        """Whether it says as much already."""
        return self.depth is not None and self.depth.summary >= depth.summary


@dataclass(frozen=True, slots=True)
class _Round:
    """One thing that the budget is spent on: this depth for the chosen items, in the order of their rank."""

    depth: Depth
    chosen: Callable[[_Item], bool]


@dataclass(slots=True)
class Layout:
    """Fits sections into a budget. `draw` makes the stub of an operation, `line` its one line."""

    budget: int  # tokens
    detail: Detail
    draw: Callable[[Operation, Depth], Stub]
    line: Callable[[Operation], str]
    _left: int = field(init=False, default=0)
    _stubs: dict[tuple[str, Depth], tuple[Stub, int]] = field(init=False, default_factory=dict)

    def text(self, opening: Sequence[str], sections: Sequence[Section]) -> str:
        """The whole answer. An operation that several sections found is shown where it stands best, once."""
        fixed = [*opening, *(line for section in sections for line in section.introduction)]
        self._left = self.budget - estimate("\n".join(fixed)) - _CLOSING * max(len(sections), 1)
        items = list(self._lines(sections))
        for spending in self._rounds():
            self._upgrade(items, spending)
        return "\n".join([*opening, *self._written(sections, items)])

    def _lines(self, sections: Sequence[Section]) -> Iterator[_Item]:
        """One line for each entry, section by section in turn, as far as the budget goes."""
        seen: set[str] = set()
        for rank, section in _in_turn(sections):
            entry = sections[section].entries[rank]
            if entry.operation.id in seen:
                continue
            cost = estimate(self._line(entry)) + 1
            if cost > self._left and seen:
                break
            seen.add(entry.operation.id)
            self._left -= cost
            yield _Item(section, rank, entry, None, cost)

    def _rounds(self) -> Iterator[_Round]:
        """What the budget is spent on, in this order."""
        levels = _LEVELS[self.detail]
        if levels:
            short, whole = levels[0], levels[1]
            yield _Round(whole, lambda item: item.rank == 0)
            yield _Round(levels[-1] if self.detail == "full" else FILE, lambda item: item.entry.asked)
            yield _Round(whole, lambda item: item.rank < _FIRST and item.entry.likely)
            yield _Round(short, lambda item: item.rank < _FIRST)
            yield _Round(short, lambda item: item.entry.likely)
            yield _Round(whole, lambda item: item.entry.likely)

    def _upgrade(self, items: Sequence[_Item], spending: _Round) -> None:
        for item in sorted(items, key=lambda each: (each.rank, each.section)):
            if self._left < _LEAST:
                return
            if spending.chosen(item) and not item.shows(spending.depth):
                better, cost = self._rendered(item.entry.operation, spending.depth)
                if item.cost < cost <= item.cost + self._left:
                    self._left -= cost - item.cost
                    item.stub, item.cost, item.depth = better, cost, spending.depth

    def _rendered(self, operation: Operation, depth: Depth) -> tuple[Stub, int]:
        """A stub and its tokens, kept: later rounds try again what did not fit before."""
        key = (operation.id, depth)
        if key not in self._stubs:
            made = self.draw(operation, depth)
            self._stubs[key] = made, estimate(made.text) + 1
        return self._stubs[key]

    def _written(self, sections: Sequence[Section], items: Sequence[_Item]) -> Iterator[str]:
        said: set[tuple[str, str]] = set()
        shown = {item.entry.operation.id for item in items}
        for number, section in enumerate(sections):
            yield from section.introduction
            for item in sorted((each for each in items if each.section == number), key=lambda each: each.rank):
                yield from self._entry(item, said)
            own = {item.entry.operation.id for item in items if item.section == number}
            if elsewhere := [i for i in (e.operation.id for e in section.entries[:_FIRST]) if i in shown - own]:
                yield f"# also, shown with another query: {', '.join(elsewhere)}"
            hidden = sum(entry.operation.id not in shown for entry in section.entries)
            if remark := section.remainder(hidden):
                yield remark

    def _entry(self, item: _Item, said: set[tuple[str, str]]) -> Iterator[str]:
        """The lines of an entry, without the sources and types that an earlier one of its upstream has shown."""

        def unsaid(texts: Iterable[str]) -> list[str]:
            new = [text for text in texts if (item.entry.operation.upstream, text) not in said]
            said.update((item.entry.operation.upstream, text) for text in new)
            return new

        if item.stub is None:
            yield self._line(item.entry)
            return
        yield item.stub.header
        yield from unsaid(item.stub.sources)
        yield item.stub.signature
        yield from unsaid(definition.text for definition in item.stub.types)

    def _line(self, entry: Entry) -> str:
        return self.line(entry.operation)


def _in_turn(sections: Sequence[Section]) -> Iterator[tuple[int, int]]:
    """(rank, section) of all entries: the best of each section, then the second best of each."""
    deepest = max((len(section.entries) for section in sections), default=0)
    for rank in range(deepest):
        for number, section in enumerate(sections):
            if rank < len(section.entries):
                yield rank, number
