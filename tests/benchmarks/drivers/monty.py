"""Monty: an interpreter of its own for a subset of Python."""

import json
import sys

import pydantic_monty  # type: ignore[import-not-found]  # installed in a venv of its own

with pydantic_monty.Monty() as pool, pool.checkout() as session:
    for line in sys.stdin:
        output = pydantic_monty.CollectString()
        try:
            session.feed_run(json.loads(line)["code"], print_callback=output)
            answer = {"ok": True, "output": output.output}
        except Exception as error:  # noqa: BLE001 - whatever the program raised is its answer
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps(answer), flush=True)
