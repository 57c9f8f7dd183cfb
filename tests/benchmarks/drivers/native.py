"""CPython itself, the baseline. Run with the interpreter that is to be measured; uses nothing but its library."""

import contextlib
import io
import json
import sys

session: dict[str, object] = {"__name__": "__main__"}
for line in sys.stdin:
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            exec(compile(json.loads(line)["code"], "<program>", "exec"), session)
        answer = {"ok": True, "output": output.getvalue()}
    except BaseException as error:  # noqa: BLE001 - whatever the program raised is its answer
        answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
