"""What a person is asked before a call is made: the gateway's own record, bounded, and with nothing hidden in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from isthmus.model import Question
from isthmus.render.results_text import encoded_safely, one_line

EACH = 400
"""Characters that are shown of one argument."""

MOST = 40
"""Arguments that are shown; the others are counted."""

WHOLE = 300
"""Characters of the arguments of a change."""


def question_text(question: Question) -> str:
    """The question in full, for a dialogue or a terminal; nothing in it can pass for a line of ours.

    >>> from isthmus.model import Effect
    >>> call = ("shop.refunds.create", "shop", Effect.WRITE, {"amount": 5})
    >>> print(question_text(Question("q-1", "x-1", "s-1", "me", *call, "why")))
    Allow this call?
      operation: shop.refunds.create (write)
      upstream:  shop
      arguments:
        amount = 5
      asked because: why
    """
    lines = [
        "Allow this call?",
        f"  operation: {one_line(question.operation)} ({question.effect})",
        f"  upstream:  {one_line(question.upstream)}",
        "  arguments:" if question.arguments else "  arguments: none",
        *(f"    {line}" for line in argument_lines(question.arguments)),
        f"  asked because: {one_line(question.why)}",
    ]
    return "\n".join(lines)


def argument_lines(arguments: Mapping[str, Any]) -> list[str]:
    """One line for each argument, its value as JSON. What is long is cut, and says by how much."""
    lines = [f"{_cut(one_line(str(name)), 80)} = {_cut(_value(value), EACH)}" for name, value in arguments.items()]
    more = len(lines) - MOST
    return [*lines[:MOST], f"and {more} further arguments"] if more > 0 else lines


def arguments_text(arguments: Mapping[str, Any]) -> str:
    """The arguments on one line: `amount=5, note="late"`."""
    return _cut(
        ", ".join(f"{one_line(str(name))}={_cut(_value(value), 120)}" for name, value in arguments.items()), WHOLE
    )


def _value(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value):,} bytes>"
    if isinstance(value, str) and len(value) > 4 * EACH:  # what is never shown need not be escaped
        return encoded_safely(json.dumps(value[: 4 * EACH], ensure_ascii=False))[:-1] + f"… ({len(value):,} characters)"
    text = json.dumps(value, ensure_ascii=False, default=lambda other: f"<{type(other).__name__}>")
    return encoded_safely(text)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"
