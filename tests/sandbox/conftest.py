"""Real WebAssembly in the suite: built if it is not there, compiled once for all tests, kept between runs."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from isthmus_sandbox.pool import Pool
from isthmus_sandbox.protocol import Event, Program, Step
from isthmus_sandbox.settings import Limits, Settings, StartMethod
from tests.conftest import ROOT

OpenPool = Callable[..., AbstractAsyncContextManager[Pool]]


@pytest.fixture(scope="session")
def component() -> Path:
    path = ROOT / "wasm_runtime" / "isthmus_sandbox" / "guest.wasm"
    if find_spec("componentize_py") is not None and find_spec("hatchling") is not None:
        script = ROOT / "wasm_runtime" / "build_component.py"
        subprocess.run([sys.executable, str(script)], check=True, capture_output=True)
    elif not path.is_file():
        pytest.skip("no guest component, and no componentize-py to build it")
    return path


@pytest.fixture(scope="session")
def cache_directory(pytestconfig: pytest.Config) -> Path:
    assert pytestconfig.cache is not None
    directory = pytestconfig.cache.mkdir("sandbox")
    directory.chmod(0o700)
    return directory


@pytest.fixture(params=["fork", "spawn"])
def start_method(request: pytest.FixtureRequest) -> StartMethod:
    if request.param == "fork" and sys.platform != "linux":
        pytest.skip("workers are forked on Linux only")
    method: StartMethod = request.param
    return method


@pytest.fixture
def open_pool(component: Path, cache_directory: Path, tmp_path: Path) -> OpenPool:
    """A pool of these limits; at its end it must have left nothing."""

    @asynccontextmanager
    async def opened(
        start_method: StartMethod | None = None, *, spares: int = 0, **limits: float
    ) -> AsyncIterator[Pool]:
        settings = Settings(
            limits=Limits(**limits),  # type: ignore[arg-type]
            spares=spares,
            start_method=start_method,
            component=component,
            cache_directory=cache_directory,
            runtime_directory=tmp_path,
        )
        async with Pool(settings, progress=lambda _: None) as pool:
            yield pool
        assert list(tmp_path.glob("isthmus-*")) == []

    return opened


def program(source: str, **others: object) -> Program:
    return Program(source, seed="00ff", now=0.0, **others)  # type: ignore[arg-type]


async def echo(step: Step) -> Sequence[Event]:
    """Answers each request with its arguments, at once."""
    return [Event(request.call, "value", dict(request.arguments)) for request in step.requests]
