"""A service that behaves as any OpenAPI document says: it finds the operation, records the request, answers an example.

In a test, without a network:

    service = OpenApiService(document)
    service.answer("GET /pets/{id}", Reply(404, {"message": "no such pet"}))
    upstream = HttpUpstream("pets", config, Settings(transport=service.transport()))
    ...
    assert service.requests[-1].path == "/pets/7"

On a real port: `with serving(service) as base_url: ...`, or as a program:

    python -m tests.simulators.openapi_service DOCUMENT [--port 8080] [--delay-ms 100]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import httpx2

from isthmus.model import SchemaDocument
from isthmus.openapi.document import read_document
from isthmus.openapi.nodes import follow, mapping_of, schema_of

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_PLACEHOLDER = re.compile(r"\{[^{}/]+\}")
_MAX_DEPTH = 8

Message = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request as it arrived. `path` and `query` are raw, header names are in lower case."""

    operation: str  # `GET /pets/{id}`, or empty where nothing fits
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The query's pairs, decoded, in their order."""
        return parse_qsl(self.query, keep_blank_values=True, strict_parsing=bool(self.query))

    @property
    def form(self) -> list[tuple[str, str]]:
        """The pairs of a urlencoded body, decoded, in their order."""
        return parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=bool(self.body))

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: a body of bytes goes out as it is, any other as JSON; None is no body."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0  # seconds

    def raw(self) -> tuple[int, dict[str, str], bytes]:
        headers = {name.lower(): value for name, value in self.headers.items()}
        if isinstance(self.body, bytes):
            return self.status, headers, self.body
        if self.body is None:
            return self.status, headers, b""
        return self.status, {"content-type": "application/json", **headers}, json.dumps(self.body).encode()


Answer = Reply | Callable[[Recorded], Reply]


class OpenApiService:
    """An ASGI application. `delay` is in seconds, for each answer.

    `abandoned` are the requests whose client hung up before it was answered.
    """

    def __init__(self, document: Mapping[str, Any], *, delay: float = 0.0) -> None:
        self.requests: list[Recorded] = []
        self.abandoned: list[Recorded] = []
        self._changed = threading.Condition()
        self._document = SchemaDocument(document)
        self._delay = delay
        self._answers: dict[str, Answer] = {}
        self._routes: dict[tuple[str, int], list[tuple[re.Pattern[str], str, Mapping[str, Any]]]] = {}
        for path, entry in mapping_of(document.get("paths")).items():
            self._add(path, entry)

    def answer(self, operation: str, answer: Answer) -> None:
        """Say what `METHOD /path/{template}` answers from now on."""
        self._answers[operation] = answer

    def until(self, met: Callable[[], bool], seconds: float = 30.0) -> None:
        """Return once something is true of the requests; for another thread than the one that serves."""
        with self._changed:
            if not self._changed.wait_for(met, seconds):
                raise TimeoutError(f"not met within {seconds:g} s; there were {len(self.requests)} requests")

    def transport(self) -> httpx2.AsyncBaseTransport:
        """A transport for a client in the same event loop, without a network."""
        return httpx2.ASGITransport(app=self)

    def respond(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Record a request and answer it."""
        path, _, query = target.partition("?")
        operation, node = self._match(method, path)
        recorded = Recorded(operation, method, path, query, headers, body)
        self._note(self.requests, recorded)
        answer = self._answers.get(operation)
        if answer is None:
            return self._example(node) if operation else Reply(404, {"message": f"nothing at {method} {path}"})
        return answer if isinstance(answer, Reply) else answer(recorded)

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        target = scope["raw_path"].decode() + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        reply = self.respond(scope["method"], target, headers, body)
        recorded = self.requests[-1]
        if await _left_within(self._delay + reply.delay, receive):
            self._note(self.abandoned, recorded)
            return
        status, answered, content = reply.raw()
        answered = {"content-length": str(len(content)), **answered}
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answered.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": content})

    def _note(self, into: list[Recorded], recorded: Recorded) -> None:
        with self._changed:
            into.append(recorded)
            self._changed.notify_all()

    def _add(self, path: str, entry: object) -> None:
        try:
            item = follow(entry, self._document)
        except LookupError:
            return
        literal = [re.escape(piece) for piece in _PLACEHOLDER.split(path)]
        pattern = re.compile("([^/]*)".join(literal))
        for method in _METHODS:
            if isinstance(item.get(method), Mapping):
                routes = self._routes.setdefault((method.upper(), path.count("/")), [])
                routes.append((pattern, path, item[method]))
                routes.sort(key=lambda route: len(_PLACEHOLDER.findall(route[1])))

    def _match(self, method: str, path: str) -> tuple[str, Mapping[str, Any]]:
        """The operation that fits the end of a path best: in front of it may stand the server's own path."""
        steps = path.split("/")
        for start in range(1, len(steps)):
            tail = "/" + "/".join(steps[start:])
            for spelling in (tail, unquote(tail)):
                for pattern, template, node in self._routes.get((method, spelling.count("/")), ()):
                    if pattern.fullmatch(spelling):
                        return f"{method} {template}", node
        return "", {}

    def _example(self, node: Mapping[str, Any]) -> Reply:
        responses = mapping_of(node.get("responses"))
        status = min((key for key in responses if str(key).startswith("2")), default="default")
        try:
            content = mapping_of(follow(responses.get(status, {}), self._document).get("content"))
        except LookupError:
            content = {}
        code = int(status) if str(status).isdigit() else 200
        for media_type, description in content.items():
            if "json" in media_type or media_type == "*/*":
                schema = schema_of(mapping_of(description).get("schema"))
                return Reply(code, example(schema, self._document), {"content-type": "application/json"})
        return Reply(code)


async def _left_within(seconds: float, receive: Callable[[], Awaitable[Message]]) -> bool:
    """Wait for so long; whether the client hung up meanwhile."""
    if not seconds:
        return False
    try:
        message = await asyncio.wait_for(receive(), seconds)
    except TimeoutError:
        return False
    return bool(message["type"] == "http.disconnect")


def example(schema: Mapping[str, Any], document: SchemaDocument, depth: int = 0) -> Any:
    """A small value that fits a schema: its example where it has one, else what its type asks for."""
    try:
        schema = follow(schema, document)
    except LookupError:
        return None
    for keyword in ("example", "default", "const"):
        if keyword in schema:
            return schema[keyword]
    if schema.get("enum"):
        return schema["enum"][0]
    if depth > _MAX_DEPTH:
        return None
    for keyword in ("allOf", "anyOf", "oneOf"):
        if isinstance(schema.get(keyword), list) and schema[keyword]:
            return _combined(schema, keyword, document, depth)
    return _of_type(schema, document, depth)


def _combined(schema: Mapping[str, Any], keyword: str, document: SchemaDocument, depth: int) -> Any:
    parts = [example(schema_of(part), document, depth + 1) for part in schema[keyword]]
    objects = [part for part in [*parts, _of_type(schema, document, depth)] if isinstance(part, dict)]
    if keyword == "allOf" and objects:
        return {name: value for part in objects for name, value in part.items()}
    return parts[0]


def _of_type(schema: Mapping[str, Any], document: SchemaDocument, depth: int) -> Any:
    kind = schema.get("type")
    kind = next((one for one in kind if one != "null"), None) if isinstance(kind, list) else kind
    if kind == "array" or "items" in schema:
        item = example(schema_of(schema.get("items")), document, depth + 1)
        return [item] * max(1, min(3, schema.get("minItems", 1)))
    if kind == "object" or "properties" in schema:
        required = schema.get("required") or []
        wanted = {
            name: value for name, value in mapping_of(schema.get("properties")).items() if depth < 3 or name in required
        }
        return {name: example(schema_of(value), document, depth + 1) for name, value in wanted.items()}
    if kind == "string":
        return _text(schema)
    low = schema.get("minimum", 1)
    return {"integer": low, "number": low, "boolean": True}.get(str(kind))


def _text(schema: Mapping[str, Any]) -> str:
    samples = {
        "date-time": "2026-01-02T03:04:05Z",
        "date": "2026-01-02",
        "uuid": "3f2b6c1e-0000-4000-8000-000000000000",
        "email": "a@example.com",
        "uri": "https://example.com/",
    }
    text = samples.get(str(schema.get("format")), "text")
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", 1000)]


@contextmanager
def serving(service: OpenApiService, port: int = 0) -> Iterator[str]:
    """The service on a port of this machine; gives its URL. It listens when the block begins."""
    import uvicorn

    # told to be TCP: asyncio sets TCP_NODELAY on no other, and then every answer waits 40 ms
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(1024)
    config = uvicorn.Config(service, log_level="error", lifespan="off", http="h11", ws="none", timeout_keep_alive=60)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(timeout=10)
        listener.close()


def main(arguments: list[str] | None = None) -> None:
    """Serve a document until interrupted; the URL is printed on a line of its own."""
    parser = argparse.ArgumentParser(description="serve an OpenAPI document with examples")
    parser.add_argument("document", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    options = parser.parse_args(arguments)
    root = read_document(options.document.read_bytes(), str(options.document)).root
    with serving(OpenApiService(root, delay=options.delay_ms / 1000), options.port) as url:
        print(url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
