"""A project that records executions: a shop over OpenAPI and a real MCP server, both of which can be gone later.

with project(folder) as here:
    execution = here.ran("await shop.get_order(id='ord_1')")
    assert here.isthmus("record", execution, "--name", "one") == 0
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isthmus.cli import main
from isthmus.contracts.recorded import RecordedCall, RecordedError
from isthmus.mock.http import MockService, serving
from isthmus.openapi.document import read_document
from isthmus.openapi.operations import compile_operations

SECRET = "canary-7e11d0c5"
EMAIL = "ada.abel@example.com"

ORDER = {
    "type": "object",
    "required": ["id", "status", "total"],
    "properties": {
        "id": {"type": "string"},
        "status": {"type": "string", "enum": ["open", "paid"]},
        "total": {"type": "integer"},
        "customer": {"type": "string", "pattern": "^[a-z.]+@[a-z.]+$"},
    },
}


def _answers(schema: Any) -> dict[str, Any]:
    return {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}


DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Shop", "version": "1"},
    "paths": {
        "/orders/{id}": {
            "get": {
                "operationId": "get_order",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": _answers(ORDER),
            }
        },
        "/orders": {
            "get": {
                "operationId": "list_orders",
                "parameters": [
                    {"name": "status", "in": "query", "schema": {"type": "string"}},
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100, "default": 10}},
                ],
                "responses": _answers({"type": "array", "items": ORDER}),
            },
            "post": {
                "operationId": "create_order",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["item"],
                                "properties": {"item": {"type": "string"}, "mail": {"type": "string"}},
                            }
                        }
                    },
                },
                "responses": _answers(ORDER),
            },
        },
    },
}
"""What the shop says of itself."""

ORDERS = [
    {"id": "ord_1", "status": "open", "total": 1500, "customer": EMAIL},
    {"id": "ord_2", "status": "open", "total": 250, "customer": "mia.berg@example.com"},
]
NO_ORDER = RecordedError("NotFound", "gone", status=404, body={"message": "no such order", "token": SECRET})
ANSWERS = (
    RecordedCall("shop.list_orders", {"status": "open"}, answered=1, answer=ORDERS),
    RecordedCall("shop.get_order", {"id": "ord_1"}, answered=1, answer=ORDERS[0]),
    RecordedCall("shop.get_order", {"id": "ord_9"}, status="failed", answered=1, error=NO_ORDER),
    RecordedCall(
        "shop.get_order",
        {"id": "ord_5"},
        status="unknown",
        answered=1,
        error=RecordedError("UpstreamUnavailable", "down", status=503, body={"message": "down"}),
    ),
    RecordedCall("shop.create_order", {"item": "tea"}, answered=1, answer={**ORDERS[0], "note": f"by {SECRET}"}),
)


@dataclass
class Project:
    """A folder with a configuration; `out` and `err` are what the last command wrote."""

    folder: Path
    settings: dict[str, Any]
    out: str = ""
    err: str = ""
    document: dict[str, Any] = field(default_factory=lambda: json.loads(json.dumps(DOCUMENT)))

    def configure(self, **changes: Any) -> None:
        """Change the configuration; None takes a key out."""
        self.settings = {key: value for key, value in {**self.settings, **changes}.items() if value is not None}
        (self.folder / "isthmus.json").write_text(json.dumps(self.settings))

    def describe(self, change: Callable[[dict[str, Any]], object] = lambda _: None) -> None:
        """Change what the shop says of itself."""
        change(self.document)
        (self.folder / "shop.json").write_text(json.dumps(self.document))

    def isthmus(self, command: str, *arguments: str) -> int:
        """Run a command; its exit code."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main([command, f"--config={self.folder / 'isthmus.json'}", *arguments])
        self.out, self.err = out.getvalue(), err.getvalue()
        return code

    def ran(self, program: str, *arguments: str) -> str:
        """Run a program; the id of its execution."""
        self.isthmus("exec", "-c", program, *arguments)
        assert self.isthmus("runs", "--json", "--limit", "1") == 0
        return str(json.loads(self.out)["execution"])

    def recorded(self, program: str, name: str) -> Path:
        """Run a program, and keep it; the folder of the recording."""
        assert self.isthmus("record", self.ran(program), "--name", name) == 0, self.err
        return self.folder / "recordings" / name

    def replayed(self, *arguments: str) -> Any:
        """What `check --replay` says of the recordings, as data, with the exit code."""
        code = self.isthmus("check", "--replay", *arguments, "--format", "json")
        return {"code": code, **json.loads(self.out or "{}")}

    def lose_everything(self) -> None:
        """From now on nothing answers: neither the service nor the server."""
        shop = {**self.settings["upstreams"]["shop"], "base_url": "http://127.0.0.1:9"}
        desk = {**self.settings["upstreams"]["desk"], "command": ["/nowhere/server"]}
        self.configure(upstreams={"shop": shop, "desk": desk})


@contextmanager
def project(folder: Path, *, desk: bool = True) -> Iterator[Project]:
    """A project whose shop answers as long as the block lasts; the server `desk` takes a second to start."""
    read = read_document(json.dumps(DOCUMENT).encode(), "shop.json")
    service = MockService(read.schemas, compile_operations(read, "shop").operations, recorded=ANSWERS)
    with serving(service) as url:
        shop = {"openapi": "shop.json", "base_url": url, "allow": ["read", "write"], "auth": {"bearer": SECRET}}
        upstreams: dict[str, Any] = {"shop": shop}
        if desk:
            server = str(Path(__file__).with_name("mcp_server_real.py"))
            upstreams["desk"] = {"command": [sys.executable, server], "allow": ["read", "write"]}
        here = Project(folder, {"data": "data", "upstreams": upstreams, "limits": {"spare_workers": 0}})
        here.configure()
        here.describe()
        yield here
