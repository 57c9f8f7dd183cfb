"""The pytest plugin, in projects of its users, run by pytest within pytest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from isthmus.contracts.recorded import RecordedCall, RecordedError
from isthmus_sandbox.component import shipped
from isthmus_sandbox.protocol import SandboxUnavailable
from tests.simulators.plugin import named_plugin
from tests.simulators.recordings import keep_recording

pytestmark = pytest.mark.slow
pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
SOURCES = os.pathsep.join([str(ROOT / "server"), str(ROOT / "wasm_runtime")])
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Pets", "version": "1"},
    "paths": {
        "/pets": {
            "get": {
                "operationId": "list_pets",
                "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer"}}],
                "responses": {
                    "200": {
                        "description": "ok",
                        "content": {"application/json": {"schema": {"type": "array", "items": {"type": "string"}}}},
                    }
                },
            }
        }
    },
}


@pytest.fixture(autouse=True)
def component() -> Path:
    try:
        return shipped()
    except SandboxUnavailable as error:
        pytest.skip(str(error))


def passed(pytester: pytest.Pytester, source: str, count: int) -> None:
    """Run a project's tests, in a process of their own: they must all pass."""
    pytester.makepyfile(source)
    environ = {**os.environ, "PYTHONPATH": SOURCES}
    command = [sys.executable, "-m", "pytest", *named_plugin(), "-p", "no:cacheprovider", "-q"]
    done = subprocess.run(
        command, cwd=pytester.path, env=environ, capture_output=True, text=True, timeout=300, check=False
    )
    assert f"{count} passed" in done.stdout, done.stdout + done.stderr


def test_programs_run_against_mocks_of_what_is_configured(pytester: pytest.Pytester) -> None:
    (pytester.path / "pets.json").write_text(json.dumps(DOCUMENT))
    (pytester.path / "isthmus.yaml").write_text("upstreams: {pets: {openapi: pets.json}}\n")
    passed(
        pytester,
        """
        import pytest

        pytestmark = pytest.mark.anyio

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        async def test_value(isthmus):
            names = await isthmus.value("await pets.list_pets(limit=3)")
            assert names and all(isinstance(name, str) for name in names)
            assert isthmus.calls == [("pets.list_pets", {"limit": 3})]

        async def test_text_and_search(isthmus):
            result = await isthmus.execute("await pets.list_pets(limit='many')")
            assert result.is_error and "limit" in result.text
            assert "list_pets" in await isthmus.search("pets")
            with pytest.raises(AssertionError, match="ZeroDivisionError"):
                await isthmus.value("1 / 0")
        """,
        2,
    )


def test_what_is_recorded_comes_before_what_is_made_up(pytester: pytest.Pytester) -> None:
    (pytester.path / "pets.json").write_text(json.dumps(DOCUMENT))
    (pytester.path / "isthmus.yaml").write_text("upstreams: {pets: {openapi: pets.json}}\n")
    gone = RecordedError("NotFound", "pets.list_pets: gone", status=404)
    calls = [
        RecordedCall("pets.list_pets", {"limit": 7}, answered=1, answer=["rex"]),
        RecordedCall("pets.list_pets", {"limit": 9}, answered=2, status="failed", error=gone),
    ]
    keep_recording(pytester.path / "recordings" / "one", calls)
    passed(
        pytester,
        """
        import asyncio
        from pathlib import Path
        import pytest
        from isthmus.model import digest
        from isthmus.pytest_plugin import answering, mocked

        @pytest.fixture
        def isthmus_upstreams(isthmus_configuration):
            answers = answering(recorded={("pets.list_pets", digest({"limit": 8})): ["mine"]})
            return mocked(isthmus_configuration, Path.cwd(), answers)

        def test_value(isthmus):
            program = "names = [await pets.list_pets(limit=7), await pets.list_pets(limit=8)]"
            assert asyncio.run(isthmus.value(program + "\\nnames")) == [["rex"], ["mine"]]
            with pytest.raises(AssertionError, match="NotFound"):
                asyncio.run(isthmus.value("await pets.list_pets(limit=9)"))
        """,
        1,
    )


def test_functions_and_recordings_answer_in_place_of_upstreams(pytester: pytest.Pytester) -> None:
    passed(
        pytester,
        """
        import asyncio
        import pytest
        from isthmus.model import digest
        from isthmus.pytest_plugin import answering, simulated

        @pytest.fixture
        def isthmus_upstreams():
            async def get_ticket(id):
                return {"id": id, "topic": "late delivery"}
            desk = simulated("desk", {"get_ticket": get_ticket, "close": lambda id, reason="": {"closed": id}})
            return {"desk": desk}

        def test_without_any_plugin_for_async_tests(isthmus):
            program = "t = await desk.get_ticket(id=7)\\nawait desk.close(id=t.id)\\nt.topic"
            assert asyncio.run(isthmus.value(program)) == "late delivery"
            assert isthmus.calls == [("desk.get_ticket", {"id": 7}), ("desk.close", {"id": 7})]
        """,
        1,
    )


def test_the_product_never_imports_pytest() -> None:
    script = "import isthmus.cli, isthmus.compose, isthmus.cli.mock, sys; print('pytest' in sys.modules)"
    environ = {**os.environ, "PYTHONPATH": SOURCES}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
