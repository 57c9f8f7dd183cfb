"""The demo's shop on the loopback interface, behind a bearer token, over plain HTTP/1.1."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from isthmus.demo.shop import HANDLERS, Asked, Problem, Shop, document

MAX_BODY = 1_000_000


@dataclass(frozen=True, slots=True)
class Route:
    """An operation of the document, and the requests that are for it."""

    method: str
    pattern: re.Pattern[str]
    operation: str
    required: tuple[str, ...]  # properties of the body
    status: int  # of success


@dataclass(slots=True)
class Service:
    """The shop as HTTP sees it. `served` counts the requests by operation, refused ones too."""

    token: str
    shop: Shop = field(default_factory=Shop)
    served: dict[str, int] = field(default_factory=dict)
    _routes: tuple[Route, ...] = field(default_factory=lambda: tuple(routes(document())))
    _lock: Lock = field(default_factory=Lock)

    def answer(self, method: str, target: str, authorization: str, body: bytes) -> tuple[int, Any]:
        """Status and JSON value for one request."""
        url = urlsplit(target)
        try:
            if not hmac.compare_digest(authorization.encode(), f"Bearer {self.token}".encode()):
                raise Problem(401, "unauthorised", "a bearer token is needed")
            route, path = self._route(method, url.path)
            given = _body(body, route.required)
            with self._lock:
                self.served[route.operation] = self.served.get(route.operation, 0) + 1
                asked = Asked(path, dict(parse_qsl(url.query)), given)
                return route.status, HANDLERS[route.operation](self.shop, asked)
        except Problem as problem:
            return problem.status, problem.body

    def _route(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        for route in self._routes:
            if route.method == method and (match := route.pattern.fullmatch(path)):
                return route, {name: unquote(value) for name, value in match.groupdict().items()}
        raise Problem(404, "not_found", f"nothing answers {method} {path}")


def routes(loaded: Mapping[str, Any]) -> Iterator[Route]:
    """The routes of a document, those without parameters first."""
    for path in sorted(loaded["paths"], key=lambda path: path.count("{")):
        pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))
        for method, operation in loaded["paths"][path].items():
            status = next(int(status) for status in operation["responses"] if status != "default")
            yield Route(method.upper(), pattern, operation["operationId"], _required(loaded, operation), status)


def _required(loaded: Mapping[str, Any], operation: Mapping[str, Any]) -> tuple[str, ...]:
    if "requestBody" not in operation:
        return ()
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return tuple(loaded["components"]["schemas"][name].get("required", ()))


def _body(body: bytes, required: tuple[str, ...]) -> Mapping[str, Any]:
    try:
        given = json.loads(body) if body else {}
    except ValueError:
        raise Problem(400, "invalid", "the body is not JSON") from None
    if not isinstance(given, dict):
        raise Problem(400, "invalid", "the body is not an object")
    if missing := [name for name in required if name not in given]:
        raise Problem(422, "invalid", f"{', '.join(missing)}: missing")
    return given


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, service: Service) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.service = service


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    server: _Server

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            self.close_connection = True
            self._send(413, Problem(413, "too_large", f"at most {MAX_BODY} bytes").body)
            return
        body = self.rfile.read(length)
        authorization = self.headers.get("Authorization") or ""
        self._send(*self.server.service.answer(self.command, self.path, authorization, body))

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _answer  # noqa: N815 - names of the standard library

    def _send(self, status: int, value: Any) -> None:
        content = b"" if status == 204 else json.dumps(value).encode()
        head = f"HTTP/1.1 {status} -\r\n"
        if status != 204:
            head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        self.wfile.write(f"{head}\r\n".encode() + content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the standard library
        """Say nothing: standard error belongs to the program that embeds the shop."""


@contextmanager
def served(service: Service) -> Iterator[str]:
    """Serve on a free port of the loopback interface while the context lasts; gives the base URL."""
    server = _Server(service)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
