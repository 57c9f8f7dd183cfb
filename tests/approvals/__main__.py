"""A transcript of an approval in each way that clients know: `python -m tests.approvals`.

Each way has a real server process, a client of the official SDK, and an upstream that writes down what reaches it. The
exit code is 1 where something that has to be seen was not.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import anyio

from tests.approvals.transcript import WAYS, Scene


def main() -> int:
    """Play all ways, one after the other."""
    failed: list[str] = []
    for title, way in WAYS.items():
        print(f"\n{title}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            scene = Scene(Path(folder), lambda line: print(line, flush=True))
            anyio.run(way, scene)
            failed += scene.failed
    print(f"\n{len(failed)} not seen" if failed else "\nall seen")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
