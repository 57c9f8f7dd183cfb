"""One line on the calls of an execution; after a failure, what was done, what is unknown, what was not sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from isthmus.model import CallRecord, CallStatus, Change, Effect
from isthmus.render.results_text import count, one_line
from isthmus.render.tokens import estimate

MOST_NAMED = 8
"""Operations named in one list; the rest are counted."""

_PHRASES: dict[CallStatus, str] = {
    "done": "done",
    "failed": "failed",
    "unknown": "unknown whether done (sent, no answer; look before sending again)",
    "cancelled": "cancelled",
    "refused": "not sent (refused)",
    "simulated": "not sent (simulated)",
}


def calls_line(calls: Sequence[CallRecord], *, ok: bool, ms: float) -> str:
    """`3 reads, 1 write (github.issues.create) in 0.4 s`; by status if any failed; empty without calls."""
    if not calls:
        return ""
    if ok and all(call.status == "done" for call in calls):
        told = _by_effect(calls)
    else:
        told = "; ".join(
            f"{_PHRASES[status]}: {_by_effect(group, name_reads=status in ('failed', 'refused'))}"
            for status in _PHRASES
            if (group := [call for call in calls if call.status == status])
        )
    taken = [call for call in calls if call.taken]
    before = f"; of these taken over from before, not sent again: {_by_effect(taken)}" if taken else ""
    return f"{told} in {_duration(ms)}{before}"


def changes_lines(changes: Sequence[Change], budget: int) -> list[str]:
    """What was done to the world, or would have been, a line each within a budget of tokens; empty without any.

    `changes:` heads what was done, `simulated:` what was not sent.
    """
    lines: list[str] = []
    for head, group in (
        ("simulated (not sent; answered by examples):", [each for each in changes if each.status == "simulated"]),
        ("changes:", [each for each in changes if each.status != "simulated"]),
    ):
        shown = [_change(each) for each in group]
        fitting = next((n for n in range(len(shown), 0, -1) if estimate("\n".join(shown[:n])) <= budget), 0)
        if shown:
            lines += [head, *shown[:fitting]]
        if len(shown) > fitting:
            lines.append(f"  and {len(shown) - fitting} more; return them, or do less in one program")
    return lines


def _change(change: Change) -> str:
    doubt = " (unknown whether done)" if change.status == "unknown" else ""
    return f"  {one_line(change.operation)}({one_line(change.arguments)}){doubt}"


def answer_warnings(calls: Sequence[CallRecord]) -> list[str]:
    """What was remarked about answers, each once with how often, as notes."""
    seen = Counter((call.operation, warning) for call in calls for warning in call.warnings)
    return [
        f"{operation}: {one_line(warning)[:200]}{f' ({number} times)' if number > 1 else ''}"
        for (operation, warning), number in seen.items()
    ]


def _by_effect(calls: Iterable[CallRecord], *, name_reads: bool = False) -> str:
    """`3 reads, 2 writes (a.b x2), 1 destructive call (a.c)`: what changes the world is named."""
    calls, parts = list(calls), []
    for effect, noun in ((Effect.READ, "read"), (Effect.WRITE, "write"), (Effect.DESTRUCTIVE, "destructive call")):
        names = [call.operation for call in calls if call.effect is effect]
        if names:
            shown = name_reads or effect is not Effect.READ
            parts.append(count(len(names), noun) + (f" ({_named(names)})" if shown else ""))
    return ", ".join(parts)


def _named(names: Sequence[str]) -> str:
    often = Counter(names)
    shown = [f"{one_line(name)[:100]}{f' x{number:,}' if number > 1 else ''}" for name, number in often.items()]
    more = len(shown) - MOST_NAMED
    return ", ".join(shown[:MOST_NAMED]) + (f" and {count(more, 'other operation')}" if more > 0 else "")


def _duration(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 100 else f"{ms / 1000:.1f} s"
