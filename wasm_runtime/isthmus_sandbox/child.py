"""How this package starts Python processes of its own: bare, with an empty environment."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
from pathlib import Path

from isthmus_sandbox.protocol import SandboxUnavailable

_BEHIND_OTHERS = 10  # a niceness: a tenth of the weight of what has none


def command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module of this package in a bare interpreter.

    Raises:
        SandboxUnavailable: wasmtime is not installed.
    """
    here = Path(__file__).resolve().parent
    paths = [str(here.parent), str(_directory_of("wasmtime"))]
    return [sys.executable, "-I", "-S", str(here / "boot.py"), json.dumps(paths), module, *arguments]


def environment() -> dict[str, str]:
    """What a child's environment holds: nothing, but what Windows itself cannot do without."""
    return {name: os.environ[name] for name in ("SYSTEMROOT",) if sys.platform == "win32" and name in os.environ}


def give_way(pid: int) -> None:
    """Let others have more of the processor than a process (0: this one). It cannot be undone without privileges."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):  # it has just ended
            os.setpriority(os.PRIO_PROCESS, pid, _BEHIND_OTHERS)


def _directory_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SandboxUnavailable(f"the package {package} is not installed; remedy: pip install {package}")
    return Path(spec.origin).resolve().parent.parent
