"""Whether the stub that is shown is the signature that runs, over every operation of the test data.

python -m tests.stub_conformance                    all documents and tool lists
python -m tests.stub_conformance github stripe      some of them
python -m tests.stub_conformance --sample 50        50 operations of each
python -m tests.stub_conformance --mypy 2000        the stubs of 2,000 operations under mypy in strict mode, instead
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import anyio

from isthmus.errors import ConfigurationError
from isthmus.openapi.document import read_document
from isthmus.openapi.operations import compile_operations
from tests.simulators.openapi_cases import sampled
from tests.simulators.operations import tool_lists
from tests.stub_conformance.documents import document_findings
from tests.stub_conformance.findings import HEAD, Findings
from tests.stub_conformance.tool_lists import tool_list_findings
from tests.stub_conformance.typed import complaints

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


def under_mypy(count: int) -> int:
    """Check the stubs of so many operations, from all documents and tool lists; 1 if mypy complains."""
    data = Path(os.environ.get("ISTHMUS_TEST_DATA", ROOT.parent / "shared" / "data"))
    operations = list(tool_lists(data))
    for path in sorted((data / "specs").glob("*.json.gz")):
        with suppress(ConfigurationError):
            operations += compile_operations(read_document(path.read_bytes(), path.name), "up").operations
    chosen = sampled(tuple(operations), count)
    with tempfile.TemporaryDirectory() as folder:
        found = complaints(chosen, Path(folder))
    print(f"{len(chosen):,} of {len(operations):,} operations, each at 3 depths: mypy has {len(found)} complaints")
    print(*found[:20], sep="\n")
    return int(bool(found))


def main() -> int:
    """Read the arguments and examine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="documents or tool lists; all, where none is named")
    parser.add_argument("--sample", type=int, help="operations of each")
    parser.add_argument("--shown", type=int, default=10, help="failures of each that are printed")
    parser.add_argument("--mypy", type=int, metavar="N", help="check the stubs of N operations with mypy, and end")
    chosen = parser.parse_args()
    if chosen.mypy:
        return under_mypy(chosen.mypy)
    return anyio.run(examine, chosen.names, chosen.sample, chosen.shown)


if __name__ == "__main__":
    sys.exit(main())
