"""Ours: a guest of the pool, at the sandbox's own interface."""

import json
import secrets
import sys
import time
from collections.abc import Sequence

import anyio
from tests.benchmarks.sandboxes import opened_pool

from isthmus_sandbox.protocol import Event, Program, Step


async def exchange(step: Step) -> Sequence[Event]:
    """Take the output of a program that makes no calls."""
    printed.append(step.output)
    return ()


async def main() -> None:
    """Answer each line."""
    async with opened_pool(spare=0) as pool:
        guest = await pool.open()
        for line in sys.stdin:
            printed.clear()
            program = Program(json.loads(line)["code"], secrets.token_hex(16), time.time())
            outcome = await guest.run(program, exchange)
            if outcome.ok:
                answer = {"ok": True, "output": "".join(printed) + outcome.output}
            else:
                answer = {"ok": False, "error": f"{outcome.error}"[:500]}
            print(json.dumps(answer), flush=True)
        await guest.close()


printed: list[str] = []
anyio.run(main)
