"""The table of the design's targets: `python -m tests.benchmarks [names]`; `--list` names the benchmarks."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time
import traceback

from isthmus_sandbox.protocol import SandboxUnavailable
from tests.benchmarks.frame import Benchmark, NotMeasured

ON_DEMAND = {"http", "neighbours", "soak"}
"""Modules that are run only when they are named: they take long."""

MODULES = (
    *(
        "guest",
        "wire",
        "calls",
        "costs",
        "waiting",
        "scale",
        "start",
        "search",
        "search_peers",
        "memory",
        "cpu",
        "rivals",
        "tokens",
    ),
    *("http", "neighbours", "soak"),
)
"""The modules with benchmarks, in the order of the table. Each is imported when it is wanted, and may be unable to."""


def main(arguments: list[str] | None = None) -> int:
    """Run the named benchmarks, or all. The exit code is 1 if a target was missed, 2 if something broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="benchmarks, or parts of their names")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and end")
    chosen = parser.parse_args(arguments)
    load = ", ".join(f"{figure:.1f}" for figure in os.getloadavg()) if hasattr(os, "getloadavg") else "?"
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} processors, load {load}")
    counts = {"met": 0, "missed": 0, "": 0, "broken": 0, "not measured": 0}
    for module in MODULES:
        if module in ON_DEMAND and not chosen.names and not chosen.list:
            continue
        try:
            benchmarks: tuple[Benchmark, ...] = importlib.import_module(f"tests.benchmarks.{module}").BENCHMARKS
        except ImportError as error:
            if not chosen.names or any(name in module for name in chosen.names):
                print(f"\n{module}\n  not measured: {error}")
                counts["not measured"] += 1
            continue
        for benchmark in benchmarks:
            if chosen.names and not any(name in f"{module}.{benchmark.name}" for name in chosen.names):
                continue
            if chosen.list:
                print(f"  {module}.{benchmark.name:24} {benchmark.about}")
                continue
            run(module, benchmark, counts)
    if not chosen.list:
        print("\n" + ", ".join(f"{counts[name]} {name}" for name in ("met", "missed", "not measured", "broken")))
    return 2 if counts["broken"] else 1 if counts["missed"] else 0


def run(module: str, benchmark: Benchmark, counts: dict[str, int]) -> None:
    """Measure one benchmark and print its rows as they come."""
    print(f"\n{module}.{benchmark.name}: {benchmark.about}", flush=True)
    began = time.perf_counter()
    try:
        for figure in benchmark.measure():
            counts[figure.verdict] += 1
            print(figure.line(), flush=True)
    except (NotMeasured, SandboxUnavailable) as reason:
        counts["not measured"] += 1
        print(f"  not measured: {reason}")
    except Exception:  # noqa: BLE001 - one broken benchmark does not hide the others
        counts["broken"] += 1
        print("  broken:", traceback.format_exc().strip().replace("\n", "\n    "))
    print(f"  ({time.perf_counter() - began:.1f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
