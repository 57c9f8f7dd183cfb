"""An MCP server over stdio that does all it can to keep its client busy: `python mcp_server_storm.py KIND`.

Each speaks well until it is called; `storm` is its one tool, and what happens then never ends, or once for each call.

hang       no answer                        flood      notifications of progress, without end
line       a line that does not end         garbage    lines that are no text, without end
drip       a line of one byte at a time     ids        answers to calls that nobody made, without end
die        the process ends                 changed    "my tools have changed", without end, and 2,000 tools
huge       an answer of 100 MB              text       an answer of 30 MB that is one text
values     an answer of 30 MB of numbers    objects    an answer of 30 MB of small objects
stderr     lines on stderr, without end     requests   requests of its own, without end
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

MB = 1_000_000
OUT = sys.stdout.buffer


def line(message: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"


def told(identity: Any, text: bytes) -> None:
    """Answer a call with a result whose content is given as JSON."""
    OUT.write(b'{"jsonrpc":"2.0","id":%d,"result":{"content":[],"structuredContent":{"a":%b}}}\n' % (identity, text))


def endless(data: bytes) -> Callable[[Any], None]:
    def storm(_identity: Any) -> None:
        while True:
            OUT.write(data)

    return storm


def drip(_identity: Any) -> None:
    while True:
        OUT.write(b"[")
        OUT.flush()
        time.sleep(0.001)


def shout(_identity: Any) -> None:
    while True:
        os.write(2, b"all is lost\n" * 1000)


PROGRESS = {"method": "notifications/progress", "params": {"progressToken": 1, "progress": 1, "message": "x" * 100}}
STORMS: dict[str, Callable[[Any], None]] = {
    "hang": lambda _identity: None,
    "flood": endless(line(PROGRESS) * 100),
    "line": endless(b"x" * 65_536),
    "garbage": endless((b"\xff\xfe\x00" * 30 + b"\n") * 100),
    "drip": drip,
    "ids": endless(b"".join(line({"id": 10_000 + n, "result": {}}) for n in range(100))),
    "requests": endless(b"".join(line({"id": f"r{n}", "method": "sampling/createMessage"}) for n in range(100))),
    "die": lambda _identity: os._exit(1),
    "changed": endless(line({"method": "notifications/tools/list_changed"}) * 100),
    "huge": lambda identity: told(identity, b'"' + b"x" * 100 * MB + b'"'),
    "text": lambda identity: told(identity, b'"' + b"x" * 30 * MB + b'"'),
    "values": lambda identity: told(identity, b"[" + b"1," * 15 * MB + b"1]"),
    "objects": lambda identity: told(identity, b"[" + b'{"a":1,"b":"x"},' * (30 * MB // 16) + b"1]"),
    "stderr": shout,
}


def tools(kind: str) -> list[dict[str, Any]]:
    count = 2_000 if kind == "changed" else 1
    names = ["storm", *(f"tool_{n}" for n in range(1, count))]
    schema = {"type": "object", "properties": {"city": {"type": "string", "description": "A city."}}}
    read = {"readOnlyHint": True}
    return [{"name": name, "description": f"Do {name}.", "inputSchema": schema, "annotations": read} for name in names]


def main(kind: str) -> None:
    for text in sys.stdin.buffer:
        message = json.loads(text)
        match message.get("method"):
            case "initialize":
                greeting = {"capabilities": {"tools": {"listChanged": True}}, "serverInfo": {"name": kind}}
                OUT.write(line({"id": message["id"], "result": {"protocolVersion": "2025-06-18", **greeting}}))
            case "tools/list":
                OUT.write(line({"id": message["id"], "result": {"tools": tools(kind)}}))
                if kind == "changed":
                    OUT.write(line({"method": "notifications/tools/list_changed"}) * 100)
            case "tools/call":
                STORMS[kind](message["id"])
            case _ if "id" in message and "method" in message:
                OUT.write(line({"id": message["id"], "error": {"code": -32601, "message": "Method not found"}}))
        OUT.flush()


if __name__ == "__main__":
    main(sys.argv[1])
