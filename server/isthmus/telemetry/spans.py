"""The audit log as OpenTelemetry spans: one for each call, from the moment it is made to its end.

Where they go is said as everywhere with OpenTelemetry, by the environment: `OTEL_EXPORTER_OTLP_ENDPOINT`,
`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`. They are sent in the background, in batches; a collector that is away
holds up no call, and its library says so in the log. A record that must exist before the call is the file's to keep.

The provider of spans is our own, and never the process's: with that, the MCP client would tell every upstream which
trace it belongs to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from isthmus.audit import After, Before, Record, facts
from isthmus.errors import ConfigurationError
from isthmus.redaction import Redactor

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span

_NAMES = {"operation": "gen_ai.tool.name", "error": "error.type"}
"""What the semantic conventions call a fact. All others are `isthmus.` and their own name."""


LAST_SECONDS = 3.0
"""How long the end waits for a collector to take what is left."""


class Spans:
    """Implements the port `Audit`. `processor` takes the spans when they end; by default it sends them (OTLP, HTTP).

    `log` hears of what could not be sent before the end; of the rest, the library's own logger tells.
    """

    def __init__(
        self,
        redactor: Redactor,
        log: Callable[[str], None],
        *,
        processor: SpanProcessor | None = None,
        wants_text: bool = False,
    ) -> None:
        """Begin to send.

        Raises:
            ConfigurationError: OpenTelemetry is not installed.
        """
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
        except ImportError:
            raise _missing() from None
        self.wants_text = wants_text
        self._redactor, self._log = redactor, log
        self._open: dict[tuple[str, int], Span] = {}
        self._provider = TracerProvider(resource=Resource.create({"service.name": "isthmus"}), shutdown_on_exit=False)
        self._provider.add_span_processor(processor or _exporting())
        self._tracer = self._provider.get_tracer("isthmus")

    def note(self, record: Record) -> None:
        """Begin, end or make the span of a record."""
        told = {_NAMES.get(name, f"isthmus.{name}"): value for name, value in facts(record).items() if name != "at"}
        attributes: dict[str, Any] = self._redactor.data(told)
        at = int(record.at * 1e9)
        match record:
            case Before():
                name = f"execute_tool {attributes['gen_ai.tool.name']}"
                attributes |= {"gen_ai.operation.name": "execute_tool"}
                span = self._tracer.start_span(name, start_time=at, attributes=attributes)
                self._open[record.execution, record.call] = span
            case After():
                if ended := self._open.pop((record.execution, record.call), None):
                    self._end(ended, record, attributes, at)
            case _:
                self._tracer.start_span(f"isthmus {told['isthmus.event']}", start_time=at, attributes=attributes).end(
                    at
                )

    def close(self) -> None:
        """Send what is left, for at most `LAST_SECONDS`, and end."""
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(LAST_SECONDS)
        if sending.is_alive():
            self._log(f"the last spans could not be sent within {LAST_SECONDS:g} s; the audit file has their calls")

    def _end(self, span: Span, record: After, attributes: dict[str, Any], at: int) -> None:
        from opentelemetry.trace import StatusCode

        span.set_attributes(attributes)
        if record.status in ("failed", "unknown", "refused"):
            span.set_status(StatusCode.ERROR, attributes.get("isthmus.why", record.status))
        span.end(at)


def _exporting() -> SpanProcessor:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise _missing() from None
    return BatchSpanProcessor(OTLPSpanExporter())


def _missing() -> ConfigurationError:
    return ConfigurationError(
        "audit.opentelemetry needs libraries that are not installed",
        remedy="pip install 'isthmus[opentelemetry]', or leave audit.opentelemetry out",
    )
