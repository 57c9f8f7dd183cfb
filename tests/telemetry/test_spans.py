"""The audit log as OpenTelemetry spans: one for each call, without secrets, by a provider of our own."""

from collections.abc import Iterator

import pytest

from isthmus.audit import After, Before, Listed, Searched
from isthmus.model import Effect
from isthmus.redaction import Redactor

pytest.importorskip("opentelemetry.sdk", reason="the extra `opentelemetry` is not installed")

from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from isthmus.telemetry.spans import Spans

SECRET = "canary-5d1c9b7a"
BEFORE = Before(
    1_000.0,
    "x-1",
    "s-1",
    "alice",
    "0f" * 8,
    1,
    "shop.refunds.create",
    Effect.WRITE,
    ("order",),
    "a1" * 8,
    "allowed",
)
AFTER = After(1_000.25, "x-1", "s-1", "alice", 1, "shop.refunds.create", "done", 250.0)


class House:
    """Spans that end up in memory."""

    def __init__(self) -> None:
        self.ended = InMemorySpanExporter()
        self.log: list[str] = []
        self.spans = Spans(Redactor([SECRET]), self.log.append, processor=SimpleSpanProcessor(self.ended))


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    yield made
    made.spans.close()


def test_a_call_is_a_span_from_its_beginning_to_its_end(house: House) -> None:
    house.spans.note(BEFORE)
    assert house.ended.get_finished_spans() == ()
    house.spans.note(AFTER)
    [span] = house.ended.get_finished_spans()
    assert span.name == "execute_tool shop.refunds.create"
    assert (span.start_time, span.end_time) == (1_000_000_000_000, 1_000_250_000_000)
    attributes = dict(span.attributes or {})
    assert attributes["gen_ai.operation.name"] == "execute_tool"
    assert attributes["gen_ai.tool.name"] == "shop.refunds.create"
    assert attributes["isthmus.execution"] == "x-1"
    assert attributes["isthmus.arguments"] == ("order",)
    assert attributes["isthmus.verdict"] == "allowed"
    assert attributes["isthmus.status"] == "done"
    assert span.status.status_code is StatusCode.UNSET


def test_calls_of_several_executions_are_kept_apart(house: House) -> None:
    house.spans.note(BEFORE)
    house.spans.note(BEFORE._replace(execution="x-2"))
    house.spans.note(AFTER._replace(execution="x-2"))
    [span] = house.ended.get_finished_spans()
    assert (span.attributes or {})["isthmus.execution"] == "x-2"


def test_a_call_that_failed_or_was_refused_is_an_error(house: House) -> None:
    house.spans.note(BEFORE._replace(verdict="refused"))
    house.spans.note(AFTER._replace(status="refused", error="refused", why=f"no {SECRET} here"))
    [span] = house.ended.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "no [redacted] here"
    assert (span.attributes or {})["error.type"] == "refused"


def test_no_secret_is_in_a_span(house: House) -> None:
    house.spans.note(BEFORE._replace(text=f'{{"key": "{SECRET}"}}', operation=f"shop.{SECRET}"))
    house.spans.note(AFTER._replace(why=SECRET))
    house.spans.note(Searched(1_000.0, "alice", (f"find {SECRET}",), "", 12))
    assert SECRET not in "".join(span.to_json() for span in house.ended.get_finished_spans())


def test_what_is_no_call_is_a_span_of_a_moment(house: House) -> None:
    house.spans.note(Listed(1_000.0, "shop", 20, 1_800, 20))
    [span] = house.ended.get_finished_spans()
    assert span.name == "isthmus operations"
    assert span.start_time == span.end_time


def test_the_provider_of_the_process_stays_as_it_was(house: House) -> None:
    before = trace.get_tracer_provider()
    house.spans.note(BEFORE)
    assert trace.get_tracer_provider() is before
    assert not trace.get_current_span().get_span_context().is_valid, "upstreams would be told of it"
