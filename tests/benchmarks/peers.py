"""The peers that are measured beside us: `python -m tests.benchmarks.peers install` gets them.

They go into a folder of their own: ISTHMUS_PEERS, or `isthmus-peers` in the user's cache. Each has its own virtual
environment; nothing is installed into ours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.frame import ROOT, NotMeasured

FOLDER = Path(os.environ.get("ISTHMUS_PEERS", Path.home() / ".cache" / "isthmus-peers"))
PYTHON_PACKAGES = {
    "eryx": "pyeryx==0.11.0",
    "monty": "pydantic-monty==1.4.0",
    "fastmcp": "fastmcp[code-mode]==4.1.2",
}
NEWER = {"eryx"}
"""Peers that have no wheel for Python 3.11: they get the interpreter of the baseline."""

NODE_PACKAGE = "pyodide@314.0.7"
DRIVERS = Path(__file__).parent / "drivers"


INSTALL = "python -m tests.benchmarks.peers install"


@dataclass(frozen=True, slots=True)
class Engine:
    """Something that runs Python: its name, and the command of its driver."""

    name: str
    command: Sequence[str]
    folder: Path = ROOT


def native() -> Engine:
    """CPython 3.13, the baseline.

    Raises:
        NotMeasured: there is none; ISTHMUS_PYTHON313 can name it.
    """
    versions = sorted(Path.home().glob(".pyenv/versions/3.13.*/bin/python3.13"))
    candidates = [os.environ.get("ISTHMUS_PYTHON313"), *map(str, versions), shutil.which("python3.13")]
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "-V"], capture_output=True, check=False).stdout.startswith(b"Python 3.13"):
            return Engine("native CPython 3.13", [candidate, "-I", str(DRIVERS / "native.py")])
    raise NotMeasured("no CPython 3.13: set ISTHMUS_PYTHON313")


def ours() -> Engine:
    """A guest of our own."""
    return Engine("isthmus", [sys.executable, "-m", "tests.benchmarks.drivers.isthmus"])


def peer(name: str) -> Engine:
    """One of the peers.

    Raises:
        NotMeasured: it is not installed.
    """
    if name == "pyodide":
        node = shutil.which("node")
        if not node or not (FOLDER / "node_modules" / "pyodide").is_dir():
            raise NotMeasured(f"{name} is not installed: {INSTALL}")
        return Engine(name, [node, str(DRIVERS / "pyodide.mjs")], FOLDER)
    return Engine(name, [interpreter(name), "-I", str(DRIVERS / f"{name}.py")])


def interpreter(name: str) -> str:
    """The Python of a peer's own environment.

    Raises:
        NotMeasured: the peer is not installed.
    """
    python = FOLDER / name / "bin" / "python"
    if not python.exists():
        raise NotMeasured(f"{name} is not installed: {INSTALL}")
    return str(python)


def install() -> list[str]:
    """Install every peer, from the registries that pip and npm are set up for, and name those that did not install."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    missing = [name for name, package in PYTHON_PACKAGES.items() if not _install(name, package)]
    npm = shutil.which("npm")
    command = [npm or "npm", "install", "--silent", "--no-audit", "--no-fund", NODE_PACKAGE]
    if not npm or subprocess.run(command, cwd=FOLDER, check=False).returncode:
        missing.append("pyodide")
    return missing


def _install(name: str, package: str) -> bool:
    """Whether a peer is there in the end. An environment that could not be filled is removed."""
    folder = FOLDER / name
    try:
        if not folder.is_dir():
            python = native().command[0] if name in NEWER else sys.executable
            subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", package]
        subprocess.run(pip, check=True)
    except (NotMeasured, subprocess.CalledProcessError) as reason:
        print(f"{name}: {reason}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True


if __name__ == "__main__":
    if sys.argv[1:] != ["install"]:
        sys.exit(f"usage: {INSTALL}")
    if absent := install():
        sys.exit(f"not installed: {', '.join(absent)}")
