"""What a mock answers: by a function of the test, else as recorded, else an example of what the operation describes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isthmus.contracts.examples import example
from isthmus.errors import ConfigurationError
from isthmus.model import Operation, digest

Recorded = Mapping[tuple[str, str], Any]
"""Answers by operation and digest of the arguments (`isthmus.model.digest`), as a journal addresses calls."""

Function = Callable[..., Any]
"""Takes the arguments by their names in Python, and gives the answer; or raises an `UpstreamError`."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Where answers come from. `functions` are by operation id, or by the upstream's own name for it."""

    functions: Mapping[str, Function] = field(default_factory=dict)
    recorded: Recorded = field(default_factory=dict)
    seed: str = ""

    def answer(self, operation: Operation, arguments: Mapping[str, Any]) -> Any:
        """The answer to one call; it may be an awaitable, where a function gives one."""
        function = self.functions.get(operation.id) or self.functions.get(operation.original)
        if function is not None:
            return function(**arguments)
        key = (operation.id, digest(dict(arguments)))
        if key in self.recorded:
            return self.recorded[key]
        return self.example(operation)

    def example(self, operation: Operation) -> Any:
        """An example of what the operation describes as its answer; null where it describes none."""
        return example(operation.output, operation.document.resolve, f"{self.seed}:{operation.id}")


def read_recorded(path: Path) -> dict[tuple[str, str], Any]:
    """Recorded answers from a file: a JSON list of `{"operation": ..., "arguments": {...}, "answer": ...}`.

    Raises:
        ConfigurationError: it cannot be read, or an entry is no such object; the message says which.
    """
    remedy = 'write a list of {"operation": "shop.orders.get", "arguments": {"order": "ord_1"}, "answer": {...}}'
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(f"the answers cannot be read: {reason}", file=str(path), remedy=remedy) from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"the answers are no JSON: {error}"[:200], file=str(path), remedy=remedy) from None
    found: dict[tuple[str, str], Any] = {}
    for place, entry in enumerate(entries if isinstance(entries, list) else [None]):
        well = isinstance(entry, dict) and isinstance(entry.get("operation"), str) and "answer" in entry
        if not well or not isinstance(entry.get("arguments", {}), dict):
            raise ConfigurationError(f"entry {place} is no recorded answer", file=str(path), remedy=remedy)
        found[entry["operation"], digest(entry.get("arguments", {}))] = entry["answer"]
    return found
