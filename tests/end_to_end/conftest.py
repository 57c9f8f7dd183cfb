"""What the conversations with the real server share."""

import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """For the whole of a module, so that its tests can share a server."""
    return "asyncio"


@pytest.fixture(scope="session")
def real_document(test_data: Path) -> Callable[[str], dict[str, Any]]:
    """A real OpenAPI document by its name."""

    def read(name: str) -> dict[str, Any]:
        file = test_data / "specs" / f"{name}.json.gz"
        if not file.is_file():
            pytest.skip(f"no document {file}")
        root: dict[str, Any] = json.loads(gzip.decompress(file.read_bytes()))
        return root

    return read


@pytest.fixture(scope="session")
def real_servers() -> Path:
    """The folder of programs that others wrote."""
    folder = os.environ.get("ISTHMUS_TEST_SERVERS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("no real servers: run tests/real_servers/install.py, and set ISTHMUS_TEST_SERVERS to its folder")
    return Path(folder)


@pytest.fixture(scope="session")
def node() -> str:
    """The Node.js of this machine."""
    if (program := shutil.which("node")) is None:
        pytest.skip("node is not installed")
    return program
