"""An OpenAPI document as a service on this machine: it checks requests, and answers from examples and schemas."""

from __future__ import annotations

import json
import re
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote

from isthmus.mock.answers import Answers, has_answer, success_status
from isthmus.model import Operation, SchemaDocument, digest
from isthmus.openapi.nodes import mapping_of

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

    def respond(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The response to one request. Header names are in lower case."""
        path, _, query = target.partition("?")
        operation = self._operation(method, path)
        if operation is None:
            return self._lost(method, path)
        if self._judge is not None:
            problems, arguments = self._judge.judged(method, path, query, headers, body, operation)
            if problems:
                detail = {"message": f"the request does not fit {operation.id}", "errors": problems[:MAX_PROBLEMS]}
                return Reply(422, detail)
            key = (operation.id, digest(arguments))
            if key in self.answers.recorded:
                return Reply(success_status(operation), self.answers.recorded[key])
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
        try:
            import openapi_core  # noqa: F401 - whether it is installed
        except ImportError:
            return None
        return Judge(self.document.root)


@dataclass
class _Request:
    """A request, as openapi-core wants to see it."""

    host_url: str
    path: str
    method: str
    content_type: str
    body: bytes | None
    parameters: Any = field(repr=False)


@dataclass
class Judge:
    """openapi-core, held against requests. Parameters of the style `deepObject` are let pass: it refuses good ones."""

    root: Mapping[str, Any]

    def judged(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, operation: Operation
    ) -> tuple[list[str], dict[str, Any]]:
        """What is wrong with a request, and its arguments by their names in Python."""
        from openapi_core.datatypes import RequestParameters
        from werkzeug.datastructures import Headers, ImmutableMultiDict

        request = _Request(
            _HOST,
            path,
            method.lower(),
            headers.get("content-type", ""),
            body or None,
            RequestParameters(
                query=ImmutableMultiDict(parse_qsl(query, keep_blank_values=True)),
                header=Headers(dict(headers)),
                cookie=ImmutableMultiDict(_cookies(headers)),
            ),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of deprecated parameters
            errors = [error for error in self._app.iter_request_errors(request) if not self._is_own_fault(error)]
            result = self._app.unmarshal_request(request)
        return [_told(error) for error in errors], _arguments(result, operation)

    def _is_own_fault(self, error: Exception) -> bool:
        """Whether openapi-core refuses what is right; and credentials, which a mock does not ask for."""
        kind = type(error).__name__
        return "Security" in kind or (getattr(error, "name", None) in self._deep and "Parameter" in kind)

    @cached_property
    def _deep(self) -> frozenset[str]:
        found: set[str] = set()
        waiting: list[Any] = [self.root.get("paths"), mapping_of(self.root.get("components")).get("parameters")]
        while waiting:
            node = waiting.pop()
            if isinstance(node, Mapping):
                if node.get("style") == "deepObject":
                    found.add(str(node.get("name")))
                waiting.extend(
                    value for key, value in node.items() if key not in ("schema", "responses", "requestBody")
                )
            elif isinstance(node, list):
                waiting.extend(node)
        return frozenset(found)

    @cached_property
    def _app(self) -> Any:
        from openapi_core import Config, OpenAPI

        root = {**self.root, "servers": [{"url": _HOST}], "security": []}
        return OpenAPI.from_dict(root, config=Config(spec_validator_cls=None))


_HOST = "http://mock.invalid"


def _cookies(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    pairs = [pair.strip().partition("=") for pair in headers.get("cookie", "").split(";") if pair.strip()]
    return [(unquote(name), unquote(value)) for name, _, value in pairs]


def _told(error: BaseException) -> str:
    """An error with its causes, without its classes: the innermost says what is wrong."""
    texts: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        details = getattr(cause, "schema_errors", None)
        texts += [one.message for one in details or ()] or [str(cause)]
        cause = cause.__cause__
    return ": ".join(dict.fromkeys(text[:300] for text in texts if text))


def _arguments(result: Any, operation: Operation) -> dict[str, Any]:
    given: dict[tuple[str, str], Any] = {}
    for place in ("path", "query", "header", "cookie"):
        given.update({(place, name): value for name, value in getattr(result.parameters, place, {}).items()})
    body = result.body if isinstance(result.body, Mapping) else {}
    given.update({("body", name): value for name, value in body.items()})
    return {
        one.name: given[one.location, one.wire] for one in operation.parameters if (one.location, one.wire) in given
    }


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
