"""An MCP server over stdio that breaks every habit of a good process: `python mcp_server_sloppy.py HABIT...`.

banner    prints to stdout and stderr before it speaks
stubborn  ignores SIGTERM, and does not end with its input
family    starts a child that ignores SIGTERM and holds its output open, and tells its pid in the list of tools
dies      exits with code 7 at the first call
logs      sends thousands of progress messages before each answer
deaf      exits at the first method that it does not know
"""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

HABITS = set(sys.argv[1:])
IDLER = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


def send(message: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
    sys.stdout.buffer.flush()


def answered(method: str, params: dict[str, Any], child: int) -> dict[str, Any] | None:
    if method == "initialize":
        info = {"name": "sloppy", "version": "0"}
        return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        schema = {"type": "object"}
        names = ("say", "environment", "where", "big", "raw", f"child_{child}")
        return {"tools": [{"name": name, "inputSchema": schema} for name in names]}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": called(params["name"], params.get("arguments") or {})}]}
    return None


def called(name: str, arguments: dict[str, Any]) -> str:
    if "dies" in HABITS:
        print("out of memory, password=hunter22", file=sys.stderr, flush=True)
        os._exit(7)
    if "logs" in HABITS:
        for number in range(20_000):
            send({"method": "notifications/progress", "params": {"progressToken": 1, "progress": number}})
    match name:
        case "environment":
            return json.dumps(dict(os.environ))
        case "where":
            return os.getcwd()  # noqa: PTH109 - as the process sees it
        case "big":
            return "x" * int(arguments["size"])
        case "raw":
            sys.stdout.buffer.write(bytes.fromhex(arguments["hex"]) + b"\n")
    return str(arguments.get("text", "ok"))


def main() -> None:
    child = 0
    if "banner" in HABITS:
        print("Welcome to sloppy 0.1\n", flush=True)
        print("warming up", file=sys.stderr, flush=True)
    if "stubborn" in HABITS:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "family" in HABITS:
        child = subprocess.Popen([sys.executable, "-c", IDLER]).pid
    for line in sys.stdin.buffer:
        message = json.loads(line)
        result = answered(message["method"], message.get("params", {}), child)
        if result is not None:
            send({"id": message["id"], "result": result})
        elif "id" in message:
            if "deaf" in HABITS:
                sys.exit(1)
            send({"id": message["id"], "error": {"code": -32601, "message": "Method not found"}})
    if "stubborn" in HABITS:
        time.sleep(600)


if __name__ == "__main__":
    main()
