"""Stubs as mypy sees them, in strict mode: the text of each as a stub file of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from isthmus.model import Operation
from isthmus.render.files import module_text
from isthmus.render.stubs import FILE, FULL, NORMAL, stub

_COMMAND = (
    "--strict",
    "--disable-error-code=type-arg",  # a bare `dict` is what is meant: a JSON object of no known shape
    "--no-error-summary",
    "--hide-error-context",
    "--no-pretty",
    "--config-file=",
)


def complaints(operations: Sequence[Operation], folder: Path) -> list[str]:
    """What mypy says of the stubs of these operations; each line begins with the file, named by number and depth."""
    for number, operation in enumerate(operations):
        for name, depth in (("normal", NORMAL), ("file", FILE), ("full", FULL)):
            text = module_text(operation.id, [stub(operation, depth)])
            # An operation may be called `list`; in a module of its own it would hide the type.
            text = text.replace(f"async def {operation.id.rpartition('.')[2]}(", "async def operation(", 1)
            text = text.replace("; match: ", "\n    match: ")  # a field of that name is no statement; mypy errs
            (folder / f"s{number}_{name}.pyi").write_text(f"# {operation.id}\n{text}")
    command = [sys.executable, "-m", "mypy", *_COMMAND, f"--cache-dir={folder / 'cache'}", str(folder)]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode > 1 or ran.stderr:
        raise RuntimeError(ran.stderr or ran.stdout)
    return ran.stdout.splitlines()
