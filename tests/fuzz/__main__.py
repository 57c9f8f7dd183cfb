"""Fuzz what meets strangers' bytes: `python -m tests.fuzz [--minutes 10] [TARGET ...]`.

Atheris drives each target in a process of its own, from the seeds, guided by coverage; then the lines are counted that
what it found reaches. An input that breaks a promise is kept, and told with the command that repeats it. The exit code
is 1 if there was one.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = (str(ROOT), str(ROOT / "server"), str(ROOT / "wasm_runtime"))
SLOW = 20  # seconds for one input, after which it counts as a hang
LONGEST = 4096  # bytes of an input
MEMORY = 2048  # MB, beyond which an input counts as a bomb


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz each chosen target for its time."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="targets; all if none is named")
    parser.add_argument("--minutes", type=float, default=10, help="time for each target (10)")
    parser.add_argument("--corpus", type=Path, help="a folder to keep inputs in, and to go on from")
    parser.add_argument("--replay", type=Path, nargs="+", metavar="FILE", help="feed these to the target, and end")
    parser.add_argument("--drive", action="store_true", help=argparse.SUPPRESS)
    chosen, libfuzzer = parser.parse_known_args(arguments)
    sys.path[:0] = SOURCES
    from tests.fuzz.targets import TARGETS

    if unknown := [name for name in chosen.targets if name not in TARGETS]:
        parser.error(f"there is no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    names = chosen.targets or list(TARGETS)
    if chosen.replay:
        for file in chosen.replay:
            TARGETS[names[0]].feed(file.read_bytes())
        return 0
    if find_spec("atheris") is None:
        print("fuzzing needs Atheris: pip install -e .[fuzz] (Linux and macOS)", file=sys.stderr)
        return 2
    if chosen.drive:
        drive(names[0], libfuzzer)
    with tempfile.TemporaryDirectory() as folder:
        corpus = chosen.corpus or Path(folder)
        return max([fuzz(name, chosen.minutes, corpus / name) for name in names])


def drive(name: str, options: Sequence[str]) -> None:
    """Be the process that libFuzzer takes over. Does not return."""
    import atheris  # type: ignore[import-untyped]  # it has no types

    for module in [module for module in sys.modules if module.split(".")[0] in ("isthmus", "isthmus_sandbox", "guest")]:
        del sys.modules[module]  # they were imported without instruments
    del sys.modules["tests.fuzz.targets"]
    with atheris.instrument_imports(include=["isthmus", "isthmus_sandbox", "guest", "tests.fuzz.targets"]):
        targets = importlib.import_module("tests.fuzz.targets").TARGETS
    atheris.Setup([sys.argv[0], *options], targets[name].feed)
    atheris.Fuzz()


def fuzz(name: str, minutes: float, corpus: Path) -> int:
    """Fuzz one target, and print what came of it. Gives 1 if a promise was broken."""
    from tests.fuzz.targets import TARGETS

    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[name].seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = corpus.with_name(f"{name}.words")
    words.write_text("".join(f"{word}\n" for word in sorted(_words(TARGETS[name].seeds))))
    kept = Path.cwd() / f"fuzz-{name}-"
    options = [f"-max_total_time={int(minutes * 60)}", f"-artifact_prefix={kept}", f"-timeout={SLOW}"]
    options += [f"-max_len={LONGEST}", f"-rss_limit_mb={MEMORY}", f"-dict={words}", "-print_final_stats=1", str(corpus)]
    command = [sys.executable, "-m", "tests.fuzz", name, "--drive", *options]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(SOURCES)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    told = ended.stdout + ended.stderr
    print(f"{name}: {', '.join(_figures(told, corpus))}", flush=True)
    for line in _reach(name, corpus):
        print(f"  {line}", flush=True)
    if ended.returncode == 0:
        return 0
    print(told[-6000:])
    if file := re.search(r"written to (\S+)", told):
        print(f"to repeat it: python -m tests.fuzz {name} --replay {file[1]}")
    return 1


def _words(seeds: Iterable[bytes]) -> set[str]:
    """What the seeds are made of, as libFuzzer's dictionaries have it: it puts together what it would never guess."""
    found = {word for seed in seeds for word in re.findall(rb'"[\w/.-]+"|[\[\]{},:]|-?\d+|[a-z]{3,}', seed)}
    found |= {b"\\ud800", b"NaN", b"1e999", b"9223372036854775808", b"[" * 70, b"null", b"\xff"}
    return {'"' + "".join(f"\\x{byte:02x}" for byte in word) + '"' for word in found}


def _figures(told: str, corpus: Path) -> Iterator[str]:
    if executions := re.search(r"stat::number_of_executed_units:\s*(\d+)", told):
        yield f"{int(executions[1]):,} executions"
    if rate := re.search(r"stat::average_exec_per_sec:\s*(\d+)", told):
        yield f"{int(rate[1]):,} a second"
    if reached := re.findall(r"cov: (\d+) ft: (\d+)", told):
        yield f"{reached[-1][0]} branches"
    yield f"{len(list(corpus.iterdir()))} inputs kept"


def _reach(name: str, corpus: Path) -> Iterator[str]:
    """The share of each module's lines that the inputs reach; in a process of its own, to see its imports too."""
    from tests.fuzz.targets import TARGETS

    if find_spec("coverage") is None:
        yield "coverage is not installed, so that lines are not counted"
        return
    files = [str(importlib.import_module(module).__file__) for module in TARGETS[name].modules]
    inputs = [str(file) for file in corpus.iterdir()]
    with tempfile.TemporaryDirectory() as folder:
        paths = os.pathsep.join(SOURCES)
        environment = {**os.environ, "PYTHONPATH": paths, "COVERAGE_FILE": str(Path(folder, "data"))}
        run = ["run", "-m", "tests.fuzz", name, "--replay", *inputs]
        for command in (run, ["report", f"--include={','.join(files)}", "--show-missing"]):
            told = subprocess.run(
                [sys.executable, "-m", "coverage", *command],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            ).stdout
    yield from (line for line in told.splitlines() if ".py" in line)


if __name__ == "__main__":
    sys.exit(main())
