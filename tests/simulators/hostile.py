"""The hostile MCP servers of the test data."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


def hostile_command(test_data: Path, script: str) -> list[str]:
    """The command of one of them; skips where there is none, or where this Python cannot run it."""
    path = test_data / "attacks" / "upstreams" / f"{script}.py"
    if not path.is_file():
        pytest.skip(f"no hostile upstream: {path}")
    if script == "bad_schemas" and sys.version_info[:2] == (3, 12):
        pytest.skip("the json of Python 3.12 writes nothing 3,000 levels deep, whatever the limit of recursion")
    return [sys.executable, str(path)]
