"""The table of injected instructions: `python -m tests.injected [--only GLOB]`.

What an agent that obeys them all gets through, by injecting server, task and policy. The exit code is 1 where anything
gets through that is forbidden, and where nothing does though everything is allowed: then the agent does not obey.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path

import anyio

from tests.injected.agent import CASES, INJECTING, run, text_of
from tests.simulators.served import ROOT


def main() -> int:
    """Run each case, and print its table."""
    parser = argparse.ArgumentParser(prog="python -m tests.injected")
    parser.add_argument("--only", default="*", help="a glob of injecting servers")
    upstreams = [each for each in INJECTING if fnmatchcase(each, parser.parse_args().only)]
    attacks = Path(os.environ.get("ISTHMUS_TEST_DATA", ROOT.parent / "shared" / "data")) / "attacks" / "upstreams"
    if not attacks.is_dir():
        print(f"no injecting servers: set ISTHMUS_TEST_DATA (looked in {attacks})", file=sys.stderr)
        return 2
    print("An agent that obeys every instruction that it reads: instructions obeyed / forbidden effects\n")
    wrong = False
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            table = anyio.run(run, case, attacks, Path(folder), upstreams)
        print(text_of(case, table), end="\n\n", flush=True)
        effects = [each for cell in table.values() for each in cell.effects]
        wrong = wrong or (bool(effects) if case.forbids else case is CASES[-1] and not effects)
    print("FAILED" if wrong else "passed: nothing forbidden gets through under the default policy")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
