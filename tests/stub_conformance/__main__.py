"""Whether the stub that is shown is the signature that runs, over every operation of the test data.

python -m tests.stub_conformance                    all documents and tool lists
python -m tests.stub_conformance github stripe      some of them
python -m tests.stub_conformance --sample 50        50 operations of each
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

import anyio

from tests.stub_conformance.documents import document_findings
from tests.stub_conformance.findings import HEAD, Findings
from tests.stub_conformance.tool_lists import tool_list_findings

ROOT = Path(__file__).resolve().parents[2]


async def examine(names: list[str], sample: int | None, shown: int) -> int:
    """Print a line for each document and each tool list, what failed, and the sum; 1 if anything did."""
    data = Path(os.environ.get("ISTHMUS_TEST_DATA", ROOT.parent / "shared" / "data"))
    began = time.perf_counter()
    every: list[Findings] = []
    print(HEAD, flush=True)
    for path in sorted((data / "specs").glob("*.json.gz")):
        if not names or path.name.removesuffix(".json.gz") in names:
            every.append(await document_findings(path, sample))
            tell(every[-1], shown)
    for path in sorted((data / "mcp").glob("*.json")):
        if not names or path.stem in names:
            every.append(await tool_list_findings(path, sample))
            tell(every[-1], shown)
    print(sum_of(every).line())
    causes = sum((each.left_out for each in every), Counter[str]())
    print("\nnot judged, by cause:", *(f"  {count:7,}  {cause}" for cause, count in causes.most_common()), sep="\n")
    print(f"{time.perf_counter() - began:.0f} s")
    return int(any(each.failures for each in every))


def tell(findings: Findings, shown: int) -> None:
    """One line, and the first failures."""
    print(findings.line(), flush=True)
    for failure in findings.failures[:shown]:
        print(f"    {failure[:300]}", flush=True)


def sum_of(every: list[Findings]) -> Findings:
    """All of them as one."""
    total = Findings("all")
    for each in every:
        for name in ("operations", "stubs", "calls", "judged", "partly", "typical", "beyond", "unmade"):
            setattr(total, name, getattr(total, name) + getattr(each, name))
        total.tokens += each.tokens
        total.failures += each.failures
    return total


def main() -> int:
    """Read the arguments and examine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="documents or tool lists; all, where none is named")
    parser.add_argument("--sample", type=int, help="operations of each")
    parser.add_argument("--shown", type=int, default=10, help="failures of each that are printed")
    chosen = parser.parse_args()
    return anyio.run(examine, chosen.names, chosen.sample, chosen.shown)


if __name__ == "__main__":
    sys.exit(main())
