"""Check everything: `python3 -m tests`, from a fresh clone with nothing but Python 3.11 or later.

Format, lint, types, tests; all of them run, and the exit code is that of the first that failed. Where the interpreter
that runs this has not all that is needed, `.venv` is made beside the sources, once, and brought up to date when the
requirements or what the component is made of have changed; for a second version of Python one is made beside that one
(`.venv-3.13`). Only the standard library is used here.

    python3 -m tests                    everything
    python3.13 -m tests                 the same on that Python
    python3 -m tests --fast             without the tests that are marked slow
    python3 -m tests -k loader -x       other arguments go to pytest
    python3 -m tests --cov              with the lines that the tests reach; it takes twice as long
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def place(root: Path, python: tuple[int, ...]) -> Path:
    """Where the environment of a version of Python is: `.venv`, or one of its own where that is another version's."""
    mine, file = ".".join(map(str, python[:2])), root / ".venv" / "pyvenv.cfg"
    said = (
        dict(line.split(" = ", 1) for line in file.read_text().splitlines() if " = " in line) if file.exists() else {}
    )
    made = said.get("version_info") or said.get("version") or mine
    return root / (".venv" if made.split(".")[:2] == mine.split(".") else f".venv-{mine}")


VENV = place(ROOT, sys.version_info[:3])
STAMP = VENV / "isthmus.stamp"
TYPED = ("server/isthmus", "wasm_runtime/isthmus_sandbox", "wasm_runtime/guest")


@dataclass(frozen=True)
class Stage:
    """One kind of check: a module that is run with arguments."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """What came of a stage. `last` is the last line that it printed."""

    stage: Stage
    code: int
    seconds: float
    last: str


def main(argv: Sequence[str]) -> int:
    """Run all stages; returns the exit code of the first that failed, or 0."""
    parser = argparse.ArgumentParser("python3 -m tests", description="Check format, lint, types and tests.")
    parser.add_argument("--fast", action="store_true", help="leave out the tests that are marked slow")
    arguments, for_pytest = parser.parse_known_args(argv)
    started = time.monotonic()
    python = environment()
    if python is None:
        return 2
    results = [run(python, stage) for stage in stages(fast=arguments.fast, for_pytest=for_pytest)]
    print("", *closing(results), sep="\n")
    failed = [result for result in results if result.code]
    verdict = f"{len(failed)} of {len(results)} checks failed" if failed else f"all {len(results)} checks passed"
    print(f"{verdict} in {time.monotonic() - started:.0f} s", results[-1].last, sep="\n")
    return failed[0].code if failed else 0


def stages(*, fast: bool, for_pytest: Sequence[str]) -> list[Stage]:
    """What is checked, the quick before the slow."""
    slow = ("-m", "not slow") if fast else ()
    return [
        Stage("format", ("ruff", "format", "--check", ".")),
        Stage("lint", ("ruff", "check", ".")),
        Stage("types", ("mypy", "--strict", *TYPED)),
        Stage("tests", ("pytest", *slow, *for_pytest)),
    ]


def run(python: Path, stage: Stage) -> Result:
    """Run one stage, show what it prints, and note how it ended."""
    print(f"\n== {stage.name}: {' '.join(stage.command)}", flush=True)
    started, last = time.monotonic(), ""
    command = [str(python), "-m", *stage.command]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode(errors="replace")
            print(line, end="", flush=True)
            last = line.strip() or last
    return Result(stage, process.returncode, time.monotonic() - started, last)


def closing(results: Sequence[Result]) -> Iterator[str]:
    """A line for each stage."""
    for result in results:
        verdict = "FAILED" if result.code else "ok"
        yield f"{verdict:6}  {result.stage.name:8}{result.seconds:7.1f} s"


def environment() -> Path | None:
    """A Python that has what the checks need: this one, or that of `.venv`; None, and why, where there is neither."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what tells so
        print(f"Isthmus needs Python 3.11 or later, and this is {sys.version.split()[0]}")
        return None
    if Path(sys.prefix) != VENV and is_complete():
        return Path(sys.executable)
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if python.exists() and STAMP.exists() and STAMP.read_text() == fingerprint():
        return python
    print(f"making {VENV.relative_to(ROOT)} with what the checks need (once, a minute or two)", flush=True)
    return python if install(python) else None


def install(python: Path) -> bool:
    """Make `.venv` and install the project into it, with the component built; says why where it cannot."""
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    make = ([sys.executable, "-m", "venv", str(VENV)], "no virtual environment: on Debian, install python3-venv")
    fill = ([*pip, "--editable", ".[dev]"], "the installation failed: look above; it needs a package index")
    for command, failure in [fill] if python.exists() else [make, fill]:
        if subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode:
            print(failure)
            return False
    STAMP.write_text(fingerprint())
    return True


def is_complete() -> bool:
    """Whether the interpreter that runs this has the project and its `dev` extra installed."""
    try:
        names = requirements("isthmus", extras=("dev", "contracts"))
        for name in names:
            importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def requirements(project: str, extras: Sequence[str]) -> list[str]:
    """The names of all that an installed project asks for, with those extras."""
    wanted = []
    for requirement in importlib.metadata.requires(project) or ():
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra == ['\"](\w+)['\"]", requirement)
        if name and (extra is None or extra[1] in extras):
            wanted.append(name[0])
    return wanted


def fingerprint() -> str:
    """A hash of what an installation depends on: this Python, the requirements, the sources of the component."""
    guest = (ROOT / "wasm_runtime").rglob("*")
    sources = [ROOT / "pyproject.toml", *(path for path in guest if path.suffix in {".py", ".wit"})]
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted([*sources, *(ROOT / "specs").glob("*.wit")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
