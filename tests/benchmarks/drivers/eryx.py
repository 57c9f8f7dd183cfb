"""eryx: CPython in Wasm, by Wasmtime."""

import json
import sys

import eryx as engine  # type: ignore[import-not-found]  # installed in a venv of its own

session = engine.Session()
for line in sys.stdin:
    try:
        output = session.execute(json.loads(line)["code"]).stdout
        answer = {"ok": True, "output": output.decode() if isinstance(output, bytes) else output}
    except Exception as error:  # noqa: BLE001 - whatever the program raised is its answer
        answer = {"ok": False, "error": f"{type(error).__name__}: {error}"[:500]}
    print(json.dumps(answer), flush=True)
