"""An HTTP service that writes down what is done to it, and lets a test act in the middle of a request.

with ledger() as book:
    book.on("done", 3, lambda: os.kill(server, SIGKILL))
    ...
    assert book.entries == [1, 2, 3]
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

Point = Literal["arrived", "done", "read"]
"""A write has arrived, and will not be done; it is done, and not answered yet; it is answered, and read back."""

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Ledger", "version": "1"},
    "paths": {
        "/entries": {
            "post": {
                "operationId": "add",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["n"],
                                "properties": {"n": {"type": "integer"}, "note": {"type": "string"}},
                            }
                        }
                    },
                },
                "responses": {"200": {"description": "", "content": {"application/json": {"schema": {}}}}},
            }
        },
        "/entries/{n}": {
            "get": {
                "operationId": "get",
                "parameters": [{"name": "n", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "responses": {"200": {"description": "", "content": {"application/json": {"schema": {}}}}},
            }
        },
    },
}


class Ledger:
    """What was done, in order, and what happens in the middle. A hook acts once."""

    def __init__(self) -> None:
        self.entries: list[int] = []
        self.reads: list[int] = []
        self._hooks: dict[tuple[Point, int], Callable[[], object]] = {}
        self._lock = threading.Lock()
        self.url = ""

    def on(self, point: Point, n: int, act: Callable[[], object]) -> None:
        """Act when entry `n` has come to a point. A write whose arrival acts, and gives true, is lost on the way."""
        self._hooks[point, n] = act

    def configuration(self, folder: Path) -> dict[str, Any]:
        """The upstream `ledger`, of which the document is written into the folder."""
        document = folder / "ledger.json"
        document.write_text(json.dumps(DOCUMENT))
        return {"openapi": str(document), "base_url": self.url, "allow": ["read", "write"]}

    def add(self, n: int) -> bool:
        """A write; false: it was not done."""
        if self._happened("arrived", n):
            return False
        with self._lock:
            self.entries.append(n)
        self._happened("done", n)
        return True

    def get(self, n: int) -> None:
        """A read."""
        with self._lock:
            self.reads.append(n)
        self._happened("read", n)

    def _happened(self, point: Point, n: int) -> bool:
        hook = self._hooks.pop((point, n), None)
        return hook is not None and bool(hook())


@contextmanager
def ledger() -> Iterator[Ledger]:
    """A ledger that is served on this machine."""
    book = Ledger()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            n = json.loads(self.rfile.read(int(self.headers["content-length"])))["n"]
            self._answer({"added": n} if book.add(n) else None)

        def do_GET(self) -> None:
            n = int(self.path.rpartition("/")[2])
            book.get(n)
            self._answer({"n": n, "there": n in book.entries})

        def _answer(self, value: Any) -> None:
            content = json.dumps(value).encode()
            with suppress(OSError):  # the client may be dead by now
                self.send_response(200 if value is not None else 503)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A client that was killed: that is what this is for."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    book.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield book
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
