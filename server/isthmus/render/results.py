"""What the model reads of an execution: its result, its output, its error and its calls, within a budget of tokens.

    result:
    {"open":12,"closed":88}
    output:
    checked 100 issues
    note: removed a Markdown fence
    calls: 100 reads, 1 write (github.issues.create) in 1.2 s

Labels stand in the first column and are ours alone: JSON takes one line, what goes over several lines of ours is
indented, and a text that could be mistaken for a label is quoted line by line. What does not fit is shortened
where its structure allows, says how much is missing, and lies whole in the workspace under a name that is told.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isthmus.model import Question, Report
from isthmus.render.questions import arguments_text
from isthmus.render.results_blocks import Artifact, Block, Extraction, Keep
from isthmus.render.results_calls import answer_warnings, calls_line, changes_lines
from isthmus.render.results_table import Table
from isthmus.render.results_text import count, encode, indented, looks_like_layout, one_line, quoted, size, visible
from isthmus.render.tokens import estimate
from isthmus.render.truncate import fit, shorten, shorten_text
from isthmus_sandbox.protocol import Failure

MOST_CALLS = 2000
"""Calls listed in the facts; more are counted."""

LONGEST_TOKEN = 16
"""Characters: a text with more than this for each token of its budget is taken not to fit, unweighed."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A result as it goes to the client: text for the model, content blocks, and the facts for programs (`_meta`)."""

    text: str
    is_error: bool
    blocks: tuple[Block, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()  # what it waits for: it has not ended


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the text that may have to be shortened: `render(tokens)` gives it in at most about that many."""

    need: int
    render: Callable[[int], str]


def lay_out(report: Report, *, budget_tokens: int, keep: Keep, show_session: bool = False) -> Rendered:
    """Lay out a report for the model in at most `budget_tokens`. Pure but for `keep`; never raises.

    `show_session`: name the session's handle, since the model has not seen it.
    """
    if report.waits:
        return _waiting(report, budget_tokens)
    extraction = Extraction(keep)
    value = extraction.plain(report.value) if report.kind == "json" else report.value
    kept: list[str] = []
    sections = [
        *_result(report, value, budget_tokens, extraction, kept),
        *_output(report, budget_tokens, extraction, kept),
    ]
    # The handle comes first, so that the last line is the program's own where it has nothing to be told of.
    opening = [f"session: {one_line(report.session)}"] if show_session and report.session else []
    closing = _closing(report, budget_tokens)
    text = _assembled(opening, sections, closing, extraction, budget_tokens)
    facts = _facts(report, truncated=bool(kept), artifacts=extraction.artifacts)
    return Rendered(text, not report.ok, tuple(extraction.blocks), facts)


def _waiting(report: Report, budget: int) -> Rendered:
    """What is told of an execution that waits for a person: what it wants to do, and how it goes on."""
    lines = [f"waiting: for the user's approval of {count(len(report.waits), 'call')}; not made yet:"]
    for question in report.waits:
        shown = _short(f"{one_line(question.operation)}({arguments_text(question.arguments)})", budget // 4)
        lines.append(f"  {question.id}: {shown}")
    name = one_line(report.execution)
    lines += [
        f"hint: the user decides with `isthmus approve {report.waits[0].id}`; tell him, and when he has, go on with "
        f'execute(session="{name}", code="")',
    ]
    text = fit(lambda room: shorten_text("\n".join(lines), room), budget, estimate)
    facts = _facts(report, truncated=False, artifacts=()) | {"waits": [question.id for question in report.waits]}
    return Rendered(text, is_error=False, facts=facts, questions=report.waits)


def _assembled(
    opening: Sequence[str], sections: Sequence[Section], closing: Sequence[str], extraction: Extraction, budget: int
) -> str:
    """The whole text: what must be told first gets its place, the sections share the rest."""
    for attempt in range(6):
        left = budget - estimate("\n".join([*opening, *closing])) - 8 - attempt * budget // 10
        rooms = _rooms([section.need for section in sections], max(left, 16))
        body = [section.render(room) for section, room in zip(sections, rooms, strict=True)]
        failures = [f"note: {failure}" for failure in extraction.failures[:3]]
        told = [*filter(None, body), *failures, *closing] or ["done: no result, no output"]
        text = "\n".join([*opening, *told])
        if estimate(text) <= budget:
            return text
    return fit(lambda room: shorten_text(text, room), budget, estimate)


def _rooms(needs: Sequence[int], left: int) -> list[int]:
    """How many tokens each section gets: all that it needs if that is at hand, else at least its fair share."""
    if sum(needs) <= left:
        return [*needs]
    fair = left // max(len(needs), 1)
    small = sum(need for need in needs if need <= fair)
    large = sum(need > fair for need in needs)
    return [need if need <= fair else (left - small) // large for need in needs]


# The result


def _result(report: Report, value: Any, budget: int, extraction: Extraction, kept: list[str]) -> list[Section]:
    if report.kind == "none" or (report.kind == "json" and value is None and report.output):
        return []
    if report.kind == "text" or (isinstance(value, str) and value.strip()):
        return [_text_section("result", str(value), budget, extraction, kept)]
    return [_data_section(value, budget, extraction, kept)]


def _data_section(value: Any, budget: int, extraction: Extraction, kept: list[str]) -> Section:
    text = encode(value)
    # Lists and dicts stand on a line of their own, which is JSON and nothing else.
    gap = "\n" if isinstance(value, list | dict) else " "
    stored = _Once(lambda: _store(extraction, kept, "result.json", text, "application/json"))

    def render(tokens: int) -> str:
        whole = f"result:{gap}{text}"
        if _fits(whole, tokens):
            return whole
        table = Table.of(value)
        if table and len(whole) <= tokens * LONGEST_TOKEN * 3 and _fits(rows := table.text(), tokens):
            return rows
        pointer = f"whole result: {stored()}"
        room = tokens - estimate(pointer) - 1
        if table and (rows := fit(table.shortened, room, estimate)):
            return f"{rows}\n{pointer}"
        return (
            f"{fit(lambda room: f'result (shortened):{gap}{encode(shorten(value, room))}', room, estimate)}\n{pointer}"
        )

    return Section(_need(f"result:{gap}{text}", budget), render)


def _text_section(label: str, raw: str, budget: int, extraction: Extraction, kept: list[str]) -> Section:
    text = visible(raw).rstrip("\n")
    block = "\n" in text or label == "output"
    quote = block and looks_like_layout(text)
    stored = _Once(lambda: _store(extraction, kept, f"{label}.txt", raw, "text/plain"))
    head = f"{label} (each line after `| `):" if quote else f"{label}:"

    def shown(part: str) -> str:
        return f"{head}\n{quoted(part) if quote else part}" if block else f"{head} {part}"

    def render(tokens: int) -> str:
        if _fits(whole := shown(text), tokens):
            return whole
        pointer = f"whole {label}: {stored()}"
        return (
            f"{fit(lambda room: shown(shorten_text(text, room)), tokens - estimate(pointer) - 1, estimate)}\n{pointer}"
        )

    return Section(_need(shown(text), budget), render)


def _output(report: Report, budget: int, extraction: Extraction, kept: list[str]) -> list[Section]:
    if not report.output.strip():
        return []
    return [_text_section("output", report.output, budget, extraction, kept)]


@dataclass(slots=True)
class _Once:
    """A text that is made when it is first asked for."""

    make: Callable[[], str]
    made: str | None = None

    def __call__(self) -> str:
        if self.made is None:
            self.made = self.make()
        return self.made


def _store(extraction: Extraction, kept: list[str], name: str, text: str, mime_type: str) -> str:
    content = text.encode(errors="backslashreplace")
    path = extraction.store(name, content, mime_type)
    kept.append(name)
    if path is None:
        return f"{size(len(content))}, could not be kept; return less of it"
    return f"{path}, {size(len(content))}; open it in the next execute"


def _fits(text: str, tokens: int) -> bool:
    return len(text) <= tokens * LONGEST_TOKEN and estimate(text) <= tokens


def _need(text: str, budget: int) -> int:
    """The tokens that make `_fits` true; of a very long text, a number beyond the budget, unweighed."""
    unweighed = len(text) // LONGEST_TOKEN + 1
    return max(unweighed, estimate(text) + 1) if unweighed <= budget else unweighed


# What is told in any case


def _closing(report: Report, budget: int) -> list[str]:
    lines = _error(report.error, budget // 2) if report.error else []
    lines += _notes([*report.notes, *answer_warnings(report.calls)], budget // 8)
    lines += changes_lines(report.changes, budget // 4)
    if calls := calls_line(report.calls, ok=report.ok, ms=report.ms):
        lines.append(f"calls: {_short(calls, budget // 5)}")
    if not report.ok and any(call.status in ("done", "unknown") for call in report.calls):
        execution = one_line(report.execution)
        lines.append(f'continue: pass session="{execution}" with the corrected code; completed calls are not repeated')
    return lines


def _error(failure: Failure, budget: int) -> list[str]:
    """The error with its place, the program's own lines with carets, and the hint."""
    place = f" at line {failure.line}" if failure.line is not None else ""
    message = _short(indented(failure.message), budget // 2)
    lines = [f"error: {one_line(failure.type)[:100]}{place}: {message}".rstrip(": ")]
    if trace := _trace(failure):
        lines.append("  " + _short(indented(trace), budget // 3))
    if failure.hint.strip():
        lines.append(f"hint: {_short(one_line(failure.hint), budget // 4)}")
    return lines


def _trace(failure: Failure) -> str:
    """The trace without what the line above it says: the error itself, and the place if there is only one."""
    said = f"{failure.type}: {failure.message}" if failure.message else failure.type
    lines = f"\n{failure.trace}\n".replace(f"\n{said}\n", "\n", 1).strip("\n").split("\n")
    if failure.line is not None and lines[0].lstrip().startswith(f'File "<program>", line {failure.line}'):
        lines = lines if any(line.lstrip().startswith("File ") for line in lines[1:]) else lines[1:]
    return textwrap.dedent("\n".join(lines)).strip("\n")


def _notes(notes: Sequence[str], budget: int) -> list[str]:
    """The notes, as many as have a place; the others are counted."""
    lines: list[str] = []
    for position, note in enumerate(notes):
        line = f"note: {_short(one_line(note), max(budget // 2, 24))}"
        budget -= estimate(line) + 1
        if budget < 0 and position:
            return [*lines, f"note: {count(len(notes) - position, 'further note')} left out"]
        lines.append(line)
    return lines


def _short(text: str, tokens: int) -> str:
    """The text, its middle left out where it is longer than `tokens`, on indented lines."""
    if _fits(text, tokens):
        return text
    return fit(lambda room: shorten_text(text, room).replace("\n…", "\n  …"), tokens, estimate)


# For programs


def _facts(report: Report, *, truncated: bool, artifacts: Sequence[Artifact]) -> dict[str, Any]:
    """`_meta["isthmus"]`: the same facts as the text, as data."""
    facts: dict[str, Any] = {
        "ok": report.ok,
        "session": visible(report.session),
        "execution": visible(report.execution),
        "calls": [
            {
                "operation": visible(call.operation),
                "effect": str(call.effect),
                "status": call.status,
                "ms": round(call.ms, 1),
            }
            for call in report.calls[:MOST_CALLS]
        ],
        "truncated": truncated,
        "artifacts": [{"path": a.path, "mime_type": a.mime_type, "bytes": a.bytes} for a in artifacts],
        "error": _error_facts(report.error) if report.error else None,
    }
    if report.changes:
        facts["changes"] = [
            {"operation": c.operation, "effect": str(c.effect), "arguments": c.arguments, "status": c.status}
            for c in report.changes
        ]
    if len(report.calls) > MOST_CALLS:
        facts["calls_left_out"] = len(report.calls) - MOST_CALLS
    return facts


def _error_facts(failure: Failure) -> dict[str, Any]:
    return {"code": visible(failure.code), "type": visible(failure.type), "line": failure.line}
