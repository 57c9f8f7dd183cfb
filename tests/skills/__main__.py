"""`python -m tests.skills`: the life of a skill as a transcript; the exit code is 1 where a step did not go so."""

import sys
import tempfile
from functools import partial
from pathlib import Path

import anyio

from tests.skills.life import life


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="isthmus-skill-") as folder:
        faults = anyio.run(life, Path(folder), partial(print, flush=True))
    for fault in faults:
        print(f"! {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
