"""An OpenAPI document as a service on this machine: it checks requests, and answers as recorded, or from examples."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote

from isthmus.contracts.recorded import RecordedCall
from isthmus.errors import IsthmusError
from isthmus.mock.answers import Answers, bound_of, came_from_upstream, has_answer, success_status
from isthmus.mock.judge import Judge, Message, is_there
from isthmus.model import Operation, SchemaDocument
from isthmus.openapi.plan import read_plan
from isthmus.openapi.requests import build_request
from isthmus.openapi.tokens import without_tokens

MAX_BODY = 33_554_432
"""Bytes of a request that are read; a longer one is refused."""

MAX_PROBLEMS = 20
_PLACEHOLDER = re.compile(r"\{[^{}/]+\}")


@dataclass(frozen=True, slots=True)
class Reply:
    """A response: `body` is None for none, bytes as they are, anything else as JSON."""

    status: int
    body: Any = None

    def content(self) -> tuple[bytes, str]:
        """The bytes, and their media type."""
        if self.body is None:
            return b"", ""
        if isinstance(self.body, bytes):
            return self.body, "application/octet-stream"
        return json.dumps(self.body).encode(), "application/json"


@dataclass
class MockService:
    """Answers requests as a document describes. Without `openapi-core`, `checks` is false, and nothing is refused."""

    document: SchemaDocument
    operations: tuple[Operation, ...]
    answers: Answers = field(default_factory=Answers)
    recorded: Sequence[RecordedCall] = ()  # of equal calls, the last one counts

    def respond(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The response to one request. Header names are in lower case."""
        path, _, query = target.partition("?")
        operation = self._operation(method, path)
        if operation is None:
            return self._lost(method, path)
        message = Message(method, path, query, headers, body)
        problems = self._judge.request_problems(operation, message) if self._judge else []
        if problems:
            detail = {"message": f"the request does not fit {operation.id}", "errors": problems[:MAX_PROBLEMS]}
            return Reply(422, detail)
        if (reply := self._recorded.get(_look(message))) is not None:
            return reply
        answer = self.answers.example(operation) if has_answer(operation) else None
        return Reply(success_status(operation), answer)

    @property
    def checks(self) -> bool:
        """Whether requests are held against the document."""
        return self._judge is not None

    def _operation(self, method: str, path: str) -> Operation | None:
        for pattern, operation in self._routes.get(method, ()):
            if pattern.fullmatch(path) or pattern.fullmatch(unquote(path)):
                return operation
        return None

    def _lost(self, method: str, path: str) -> Reply:
        allowed = sorted(other for other in self._routes if self._operation(other, path))
        if allowed:
            return Reply(405, {"message": f"{method} is not allowed at {path}; {', '.join(allowed)} is"})
        return Reply(404, {"message": f"the document has nothing at {path}"})

    @cached_property
    def _routes(self) -> dict[str, list[tuple[re.Pattern[str], Operation]]]:
        """The patterns of paths by method, those with fewer places first. In front may stand the server's own path."""
        found: dict[str, list[tuple[re.Pattern[str], Operation]]] = {}
        ordered = sorted(self.operations, key=lambda one: one.route.path.count("{") if one.route else 0)
        for operation in ordered:
            if operation.route is not None:
                literal = "([^/]+)".join(re.escape(piece) for piece in _PLACEHOLDER.split(operation.route.path))
                found.setdefault(operation.route.method, []).append((re.compile(literal), operation))
        return found

    @cached_property
    def _judge(self) -> Judge | None:
        return Judge(without_tokens(self.document)) if is_there() else None

    @cached_property
    def _recorded(self) -> dict[tuple[Any, ...], Reply]:
        """The recorded answers, by what the requests for them look like."""
        known = {operation.id: operation for operation in self.operations}
        found: dict[tuple[Any, ...], Reply] = {}
        for call in filter(came_from_upstream, self.recorded):
            operation = known.get(call.operation)
            arguments = bound_of(operation, call) if operation else None
            if operation and arguments is not None and (message := message_of(operation, arguments)):
                found[_look(message)] = _reply(operation, call)
        return found


def message_of(operation: Operation, arguments: Mapping[str, Any]) -> Message | None:
    """The request for a call, without credentials; None where its arguments do not make one any more."""
    try:
        wire = build_request(operation, read_plan(operation).inputs, arguments)
    except (IsthmusError, LookupError):
        return None
    headers = {name.lower(): value for name, value in wire.headers}
    if wire.cookies:
        headers["cookie"] = "; ".join(f"{name}={value}" for name, value in wire.cookies)
    return Message(wire.method, wire.path, wire.target.partition("?")[2], headers, wire.content or b"")


def _look(message: Message) -> tuple[Any, ...]:
    """What two requests for the same have in common, however they are written. Headers say nothing of that."""
    query = tuple(sorted(parse_qsl(message.query, keep_blank_values=True)))
    return (
        message.method,
        unquote(message.path),
        query,
        _body_look(message.headers.get("content-type", ""), message.body),
    )


def _body_look(media: str, body: bytes) -> Any:
    if "json" in media:
        try:
            return json.dumps(json.loads(body), sort_keys=True)
        except ValueError:
            return body
    if "x-www-form-urlencoded" in media:
        return tuple(sorted(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)))
    return body


def _reply(operation: Operation, call: RecordedCall) -> Reply:
    error = call.error
    if error is None:
        return Reply(success_status(operation), call.answer)
    return Reply(error.status or 500, error.body if error.body is not None else {"message": error.message})


@contextmanager
def serving(service: MockService, port: int = 0) -> Iterator[str]:
    """The service on a port of this machine (0: any that is free); gives its URL. It listens when the block begins."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(service))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(service: MockService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One connection."""

        protocol_version = "HTTP/1.1"
        timeout = 60

        def handle_any(self) -> None:
            """Read a request, and answer it."""
            length = self.headers.get("content-length", "0")
            if not length.isdigit() or int(length) > MAX_BODY or "transfer-encoding" in self.headers:
                self.close_connection = True
                self._send(Reply(413, {"message": f"a body needs a Content-Length of at most {MAX_BODY:,} bytes"}))
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._send(service.respond(self.command, self.path, headers, self.rfile.read(int(length))))

        def _send(self, reply: Reply) -> None:
            content, media_type = reply.content()
            self.send_response(reply.status)
            if media_type:
                self.send_header("Content-Type", media_type)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD" and reply.status != 204:
                self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Say nothing: a mock is no web server."""

    for method in ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"):
        setattr(Handler, f"do_{method}", Handler.handle_any)
    return Handler
