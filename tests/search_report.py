"""Everything that is claimed of search, by one command: quality, ablations, chains, refusals, tokens, cost, and stubs.

    python -m tests.search_report                     all of it: half an hour and more on two processors
    python -m tests.search_report quality answers     some of its parts
    python -m tests.search_report --list              the parts, what each shows, and the command behind it

Each part is a command of its own, and prints as it does alone. The closing table says which did not run, and which
found a target missed or a stub that fails: the exit code is 1 then. Data is found as everywhere, by ISTHMUS_TEST_DATA.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("ISTHMUS_TEST_DATA", ROOT.parent / "shared" / "data"))


@dataclass(frozen=True, slots=True)
class Part:
    """One command, what it shows, and the modules that it needs beside those of the tests."""

    name: str
    about: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a part. Without a code it did not run; `why` says so."""

    part: Part
    code: int | None
    seconds: float = 0.0
    why: str = ""

    def line(self) -> str:
        """A row of the closing table."""
        verdict = {None: "not run", 0: "ok"}.get(self.code, f"exit code {self.code}")
        return f"{self.part.name:10} {verdict:13}{self.seconds:7.0f} s  {self.why}".rstrip()


PARTS = (
    Part(
        "quality",
        "the ranking as it is shipped, which was learned from these queries: each source, both headlines beside the "
        "baselines, how often nothing is found where nothing is and where something is, the same of what people and "
        "models ask, and what an index costs",
        ("tests.search_quality.report", "--data", str(DATA)),
    ),
    Part(
        "left-out",
        "the honest figures: each family of sources ranked by what was learned from the others, then a fifth of the "
        "queries by the rest, everyday queries by those of other APIs; then without each group of signals",
        ("tests.search_quality.train", "--data", str(DATA), "--ablate"),
        needs=("lightgbm", "numpy"),
    ),
    Part(
        "nothing",
        "how often nothing is found where nothing is and where something is, families of sources and then a fifth of "
        "the queries left out, for APIs that are known elsewhere and for such as nobody has seen",
        ("tests.search_quality.nothing", "--data", str(DATA)),
        needs=("lightgbm", "numpy"),
    ),
    Part(
        "answers",
        "what one search answers: quantiles of tokens (o200k), and how often all operations of a task are in one "
        "answer, without and with the edges from producers to consumers",
        ("tests.search_answers",),
    ),
    Part(
        "cost",
        "times and memory of making, opening and searching catalogs; what a call costs in catalogs of several sizes",
        ("tests.benchmarks", "search.index", "search.documents", "search.latency", "calls.sizes"),
    ),
    Part(
        "peers",
        "latency beside FastMCP's search transforms on the same catalog, in one run",
        ("tests.benchmarks", "search_peers"),
    ),
    Part(
        "stubs",
        "every operation of all documents and tool lists: its stub rendered, parsed, and called through a mock",
        ("tests.stub_conformance",),
        needs=("openapi_core",),
    ),
    Part(
        "types",
        "the stubs of 2,000 operations under mypy in strict mode",
        ("tests.stub_conformance", "--mypy", "2000"),
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that are named, or all; 1 if any of them failed or could not run."""
    parser = argparse.ArgumentParser("python -m tests.search_report", description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(part.name for part in PARTS))
    parser.add_argument("--list", action="store_true", help="name the parts and end")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.parts) - {part.name for part in PARTS}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(part.name for part in PARTS)}")
    if chosen.list:
        print(*(f"{part.name:10} {part.about}\n{'':10} {shown(part)}" for part in PARTS), sep="\n")
        return 0
    wanted = [part for part in PARTS if not chosen.parts or part.name in chosen.parts]
    outcomes = [run(part) for part in wanted]
    print("", "part       outcome            time", *(outcome.line() for outcome in outcomes), sep="\n")
    return int(any(outcome.code != 0 for outcome in outcomes))


def run(part: Part, environment: Mapping[str, str] = os.environ) -> Outcome:
    """Run one part, its output as it comes."""
    print(f"\n== {part.name}: {part.about}\n   {shown(part)}\n", flush=True)
    if missing := [each for each in part.needs if importlib.util.find_spec(each) is None]:
        why = f"it needs {', '.join(missing)}: pip install {' '.join(each.replace('_', '-') for each in missing)}"
        print(f"not run: {why}", flush=True)
        return Outcome(part, None, why=why)
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("", "server", "wasm_runtime"))
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", *part.command], cwd=ROOT, env={**environment, "PYTHONPATH": paths}, check=False
    )
    return Outcome(part, ended.returncode, time.monotonic() - began)


def shown(part: Part) -> str:
    """The command as one would type it."""
    return " ".join(["python -m", *part.command]).replace(str(DATA), "DATA")


if __name__ == "__main__":
    sys.exit(main())
