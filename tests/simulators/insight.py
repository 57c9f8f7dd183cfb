"""Calls, executions and reports, with what a test does not care about filled in."""

from datetime import UTC, datetime
from typing import Any

from isthmus.insight.facts import CallFact, Definitions, Insight, RunFact
from isthmus.model import Effect

NOW = datetime(2026, 11, 22, 21, 56, 40, tzinfo=UTC)


def call(operation: str = "shop.get", **more: Any) -> CallFact:
    facts: dict[str, Any] = {"effect": Effect.READ, "status": "done", "start": 0.0, "ms": 10.0}
    return CallFact(operation, **(facts | more))


def run(*calls: CallFact, execution: str = "x-1", session: str = "s-1", **more: Any) -> RunFact:
    facts: dict[str, Any] = {
        "principal": "local",
        "continues": "",
        "at": NOW,
        "ok": True,
        "code": "",
        "message": "",
        "ms": 50.0,
        "busy_ms": 5.0,
        "source": "1 + 1",
        "source_tokens": 20,
        "shown_tokens": 30,
    }
    return RunFact(execution, session, calls=calls, **(facts | more))


def insight(*runs: RunFact, **more: Any) -> Insight:
    facts: dict[str, Any] = {
        "made": NOW,
        "definitions": {"shop": Definitions("shop", 10, 1_000, 10), "mail": Definitions("mail", 4, 800, 4)},
        "searches": 1,
        "search_tokens": 100,
        "overhead": 600,
    }
    return Insight(runs=runs, **(facts | more))
