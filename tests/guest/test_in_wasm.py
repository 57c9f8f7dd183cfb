"""The guest as it is shipped: in the component, behind the sandbox's own interface."""

import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from isthmus_sandbox.pool import Pool
from isthmus_sandbox.protocol import Event, Outcome, Program, Step
from isthmus_sandbox.settings import Settings
from tests.conftest import ROOT
from tests.guest.stdlib_page import PAGE, ask, render

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def settings(pytestconfig: pytest.Config) -> Settings:
    if find_spec("componentize_py") is None:
        pytest.skip("no componentize-py to build the component with")
    script = ROOT / "wasm_runtime" / "build_component.py"
    subprocess.run([sys.executable, str(script)], check=True, capture_output=True)
    assert pytestconfig.cache is not None
    cache = pytestconfig.cache.mkdir("sandbox")
    cache.chmod(0o700)
    return Settings(spares=0, component=script.parent / "isthmus_sandbox" / "guest.wasm", cache_directory=Path(cache))


async def echo(step: Step) -> Sequence[Event]:
    return [_answered(request.call, request.operation, dict(request.arguments)) for request in step.requests]


def _answered(call: int, operation: str, arguments: dict[str, Any]) -> Event:
    if operation.endswith("fail"):
        return Event(call, "error", {"type": "NotFound", "message": "not there", "status": 404})
    return Event(call, "value", arguments)


class Session:
    def __init__(self, guest: Any) -> None:
        self._guest = guest

    async def run(self, source: str) -> Outcome:
        program = Program(source, seed="00ff", now=0.0, upstreams=("github",))
        outcome: Outcome = await self._guest.run(program, echo)
        return outcome

    async def value(self, source: str) -> Any:
        outcome = await self.run(source)
        assert outcome.ok, outcome.error
        return outcome.value


@asynccontextmanager
async def session(settings: Settings) -> AsyncIterator[Session]:
    async with Pool(settings, progress=lambda _: None) as pool:
        guest = await pool.open()
        yield Session(guest)
        await guest.close()


async def test_the_page_of_the_standard_library_tells_the_truth(settings: Settings) -> None:
    assert PAGE.read_text() == render(await ask(settings)), "remedy: python -m tests.guest.stdlib_page"


async def test_programs_run_as_they_do_on_plain_cpython(settings: Settings) -> None:
    async with session(settings) as box:
        assert await box.value("1 + 1") == 2
        assert await box.value("[x.n for x in [github.get(n=i) for i in range(50)]][-1]") == 49
        assert (
            await box.value(
                "import asyncio\nsum(x.n for x in await asyncio.gather(*[github.get(n=i) for i in range(5)]))"
            )
            == 10
        )
        assert await box.value("for i in range(9):\n    if i == 4:\n        return await github.get(n=i)") == {"n": 4}
        assert await box.value(
            "c = github.get(n=None)\n[c.n is None, isinstance(c, dict), f'{c.n}', github.get(d=b'\\0').d == b'\\0']"
        ) == [*(True, True, "None", True)]


async def test_what_only_the_component_has_works(settings: Settings) -> None:
    async with session(settings) as box:
        assert await box.value(
            "import os\nopen('/tmp/a', 'w').write('x')\n[os.getcwd(), os.listdir('/workspace/tmp')]"
        ) == [*("/workspace", ["a"])]
        zone = "from zoneinfo import ZoneInfo\nimport datetime\nstr(datetime.datetime(2026, 7, 1, tzinfo=ZoneInfo('Europe/Berlin')))"  # noqa: E501 (a program in one line)
        assert await box.value(zone) == "2026-07-01 00:00:00+02:00"
        assert (
            await box.value(
                "import tempfile\nwith tempfile.NamedTemporaryFile('w+') as f:\n    f.write('abc'); f.seek(0)\n    x = f.read()\nx"  # noqa: E501 (a program in one line)
            )
            == "abc"
        )
        assert (
            await box.value(
                "import sqlite3\nsqlite3.connect(':memory:').execute('select json(?)', ['[1]']).fetchone()[0]"
            )
            == "[1]"
        )
        first = await box.value(
            "import random, secrets\n[random.random(), secrets.token_hex(4), random.Random().random()]"
        )
        assert await box.value("[random.random(), secrets.token_hex(4), random.Random().random()]") == first


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("def f(n): return f(n + 1)\nf(0)", "RecursionError"),
        (
            "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return sorted([1, 2], key=lambda x: f(n + 1))\nf(0)",
            "RecursionError",
        ),
        ("class A:\n    def __getattr__(s, n): return getattr(s, n + 'a')\nA().x", "RecursionError"),
        ("x = 'a' * 10**9", "MemoryError"),
        ("a = []\nwhile True: a.append('x' * 10**6 + str(len(a)))", "MemoryError"),
        ("(" * 100_000, "SyntaxError"),
        ("import threading\nthreading.Thread(target=print).start()", "RuntimeError"),
        ("import os\nos._exit(0)", "SystemExit"),
        ("open('/etc/passwd')", "FileNotFoundError"),
        ("await github.fail()", "NotFound"),
    ],
)
async def test_faults_end_the_program_and_not_the_guest(settings: Settings, source: str, kind: str) -> None:
    async with session(settings) as box:
        outcome = await box.run(source)
        assert outcome.error is not None
        assert outcome.error.type == kind
        assert "/0/" not in outcome.error.trace
        assert "/python/" not in outcome.error.trace
        assert await box.value("a = None\n1 + 1") == 2


async def test_a_fresh_guest_shows_nothing_of_what_was_run_to_prepare_it(settings: Settings) -> None:
    async with session(settings) as here:
        assert await here.value(
            "import asyncio, linecache\n"
            "[[name for name in linecache.cache if name.startswith('<program')], "
            " len(asyncio.all_tasks(asyncio.get_event_loop())),"
            " [name for name in globals() if name[0] != '_']]"
        ) == [["<program 1>"], 0, ["asyncio", "linecache"]]
        outcome = await here.run("await github.get()")
        assert outcome.ok, outcome.error  # the calls of the session begin at 1, or the host would refuse this one


async def test_using_what_the_image_holds_writes_no_count_of_references_into_it(settings: Settings) -> None:
    async with session(settings) as here:
        assert await here.value(
            "import json, sys\n"
            "def references():\n"
            "    return [sys.getrefcount(each) for each in (json.dumps, json.JSONEncoder, json.dumps.__code__)]\n"
            "before = references()\n"
            "more = [json.dumps, json.JSONEncoder, json.dumps.__code__] * 10\n"
            "before == references() and min(before) > 2**30"
        )


async def test_the_collector_passes_the_image_by(settings: Settings) -> None:
    async with session(settings) as here:
        assert await here.value("import gc\ngc.collect()\ngc.collect()\nlen(gc.get_objects()) < 500")


@pytest.mark.parametrize(
    "source",
    [
        "import json\njson.loads('[' * 10**5)",
        "import json\njson.loads('{\"a\":' * 10**5)",
        "a, b = [], []\nfor _ in range(10**5):\n    a, b = [a], [b]\na == b",
        "x = []\nfor _ in range(10**5):\n    x = [x]\nrepr(x)",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(x): return sorted([1, 2], key=f)\nf(1)",
    ],
)
async def test_what_nests_too_deeply_is_an_error_and_the_session_goes_on(settings: Settings, source: str) -> None:
    async with session(settings) as box:
        assert await box.value("kept = 7") is None
        outcome = await box.run(source)
        assert outcome.error is not None
        assert outcome.error.type == "RecursionError"
        assert await box.value("kept") == 7
