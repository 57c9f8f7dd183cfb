"""CPU-bound Python: nine workloads against native CPython 3.13, and against the peers where they are installed.

Every engine is a process that is told what to run; the harness reads how long its process tree was on a processor
(`schedstat`), so that a busy machine does not count. Engines take turns on each workload, and must agree on its result.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.frame import ROOT, Benchmark, Figure, NotMeasured, median
from tests.benchmarks.peers import Engine, native, ours, peer
from tests.benchmarks.processes import busy_ms

WORKLOADS = tuple(sorted((Path(__file__).parent / "workloads").glob("*.py")))
ROUNDS, RUNS = 2, 3
SLOW = 20.0
"""An engine that needs so many times the native time is run once and not again."""


@dataclass(frozen=True, slots=True)
class Driver:
    """A running driver."""

    engine: Engine
    process: subprocess.Popen[str]

    def run(self, code: str) -> tuple[str, float]:
        """Run code in the driver's session: what it printed, and milliseconds on a processor.

        Raises:
            NotMeasured: the engine cannot run it.
        """
        assert self.process.stdin
        assert self.process.stdout
        before = busy_ms(self.process.pid)
        self.process.stdin.write(json.dumps({"code": code}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        after = busy_ms(self.process.pid)
        answer = json.loads(line) if line else {"ok": False, "error": "the driver has ended"}
        if not answer["ok"]:
            raise NotMeasured(str(answer["error"]).strip().splitlines()[-1][:160])
        return str(answer["output"]).strip(), sum(ms - before.get(pid, 0.0) for pid, ms in after.items())


@contextmanager
def driven(engine: Engine) -> Iterator[Driver]:
    """The engine's driver, while the context lasts."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "server"), str(ROOT / "wasm_runtime")])
    process = subprocess.Popen(
        engine.command,
        cwd=engine.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        yield Driver(engine, process)
    finally:
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def measure() -> Iterator[Figure]:
    """Every workload on every engine that there is."""
    with ExitStack() as stack:
        baseline = stack.enter_context(driven(native()))
        others = [stack.enter_context(driven(engine)) for engine in _engines()]
        for workload in WORKLOADS:
            yield from _workload(workload, baseline, others)


def _engines() -> list[Engine]:
    found = [ours()]
    for name in ("eryx", "pyodide", "monty"):
        try:
            found.append(peer(name))
        except NotMeasured as reason:
            print(f"  {reason}")
    return found


def _workload(workload: Path, baseline: Driver, others: Sequence[Driver]) -> Iterator[Figure]:
    setup, _, code = workload.read_text().partition("# run\n")
    times: dict[str, list[float]] = {}
    outputs: dict[str, str] = {}
    failures: dict[str, str] = {}
    for _ in range(ROUNDS):
        for driver in (baseline, *others):
            name = driver.engine.name
            if name in failures or _is_slow(times, name, baseline.engine.name):
                continue
            try:
                driver.run(setup)
                for _ in range(RUNS):
                    outputs[name], ms = driver.run(code)
                    times.setdefault(name, []).append(ms)
                    if _is_slow(times, name, baseline.engine.name):
                        break
            except NotMeasured as reason:
                failures[name] = str(reason)
    expected = outputs[baseline.engine.name]
    yield from _figures(workload.stem, baseline, others, times, {
        name: failures.get(name) or f"wrong result {outputs[name][:60]!r}, not {expected[:60]!r}"
        for name in {driver.engine.name for driver in others}
        if name in failures or outputs[name] != expected
    })  # fmt: skip


def _is_slow(times: dict[str, list[float]], name: str, baseline: str) -> bool:
    return name in times and baseline in times and min(times[name]) > SLOW * median(times[baseline])


def _figures(
    workload: str, baseline: Driver, others: Sequence[Driver], times: dict[str, list[float]], failures: dict[str, str]
) -> Iterator[Figure]:
    native_ms = median(times[baseline.engine.name])
    ratios = {name: median(values) / native_ms for name, values in times.items() if name not in failures}
    detail = f"native {native_ms:.0f} ms" + "".join(
        f", {driver.engine.name} {ratios[driver.engine.name]:.2f}x" if driver.engine.name in ratios else
        f", {driver.engine.name}: {failures[driver.engine.name]}"
        for driver in others[1:]
    )  # fmt: skip
    if "isthmus" in failures:
        raise NotMeasured(f"{workload}: {failures['isthmus']}")
    mine = ratios["isthmus"]
    yield Figure(f"{workload}, x native CPython 3.13", mine, "x", target=2.1, detail=detail)
    if "eryx" in ratios:
        yield Figure(f"{workload}, x eryx", mine / ratios["eryx"], "x", target=1.0)
    if "pyodide" in ratios:
        yield Figure(f"{workload}, x Pyodide in Node", mine / ratios["pyodide"], "x", target=1.3)


BENCHMARKS = (Benchmark("workloads", "CPU-bound Python, time on a processor", measure),)
