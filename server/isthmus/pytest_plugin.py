"""A pytest plugin: programs against mocked upstreams, in the real sandbox, with the real policy.

    async def test_what_is_late(isthmus):
        assert await isthmus.value("len(await tickets.list_tickets(status='open'))") == 3

`isthmus` is a server over the configuration that the option `isthmus_config` names, every upstream of it mocked.
Override the fixture `isthmus_upstreams` for answers of your own; see docs/contracts.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from isthmus.compose import Application
    from isthmus.config.model import Configuration
    from isthmus.contracts.recorded import RecordedCall
    from isthmus.mock.answers import Answers, Function, Recorded
    from isthmus.mock.upstream import MockUpstream
    from isthmus.model import Operation
    from isthmus.render.results import Rendered

CONNECTING = 30.0
"""Seconds that mocks may take to be there."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of this plugin."""
    parser.addini(
        "isthmus_config", "the configuration whose upstreams the fixture `isthmus` mocks", default="isthmus.yaml"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Isthmus:
    """A running server, for tests. It lives in a thread of its own, so that any event loop can ask it."""

    _application: Application
    _portal: BlockingPortal
    upstreams: Mapping[str, MockUpstream]

    async def execute(self, code: str, *, session: str | None = None, timeout: float | None = None) -> Rendered:
        """Run a program; the result has `text`, as a model reads it, and `is_error`."""
        return await self._ask(partial(self._application.execute, code, session=session, timeout=timeout))  # type: ignore[no-any-return]

    async def value(self, code: str, *, session: str | None = None, timeout: float | None = None) -> Any:
        """Run a program that must succeed; the value that it returns, as plain data.

        Raises:
            AssertionError: it failed; the message is what a model would read.
        """
        from isthmus.model import Principal
        from isthmus.render.results import lay_out

        run = partial(
            self._application.executing.execute, code, principal=Principal(), session=session, timeout=timeout
        )
        report = await self._ask(run)
        if not report.ok:
            tokens = self._application.output_tokens
            raise AssertionError(lay_out(report, budget_tokens=tokens, keep=lambda name, _: name).text)
        return report.value

    async def search(self, query: str | list[str], **options: Any) -> str:
        """Search the operations; the text that a model reads. `options` are those of the tool `search`."""
        return await self._ask(partial(self._application.search, query, **options))  # type: ignore[no-any-return]

    @property
    def calls(self) -> list[tuple[str, Mapping[str, Any]]]:
        """The calls that reached the upstreams: (operation id, arguments), upstream by upstream."""
        return [call for upstream in self.upstreams.values() for call in upstream.calls]

    async def _ask(self, function: Callable[[], Any]) -> Any:
        import anyio.to_thread

        return await anyio.to_thread.run_sync(self._portal.call, function)


@pytest.fixture
def isthmus_configuration(request: pytest.FixtureRequest) -> Configuration:
    """The configuration: of the file that the option `isthmus_config` names, from the root folder of the tests."""
    import os

    from isthmus.config.loader import load

    return load(request.config.rootpath / request.config.getini("isthmus_config"), os.environ).configuration


@pytest.fixture
def isthmus_upstreams(
    request: pytest.FixtureRequest, isthmus_configuration: Configuration
) -> Mapping[str, MockUpstream]:
    """What stands in the place of the upstreams: mocks of all that are configured. Override it for your own answers."""
    return mocked(isthmus_configuration, request.config.rootpath)


@pytest.fixture
def isthmus(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    isthmus_upstreams: Mapping[str, MockUpstream],
) -> Iterator[Isthmus]:
    """A server over mocked upstreams."""
    from anyio.from_thread import start_blocking_portal

    configuration = _configuration(request, isthmus_upstreams, tmp_path / "isthmus")
    with start_blocking_portal("asyncio") as portal, _opened(portal, configuration, isthmus_upstreams) as application:
        portal.call(application.settled, CONNECTING)
        yield Isthmus(application, portal, isthmus_upstreams)


def mocked(configuration: Configuration, folder: Path, answers: Answers | None = None) -> dict[str, MockUpstream]:
    """Mocks of all upstreams of a configuration: OpenAPI services by their documents, MCP servers by the lock.

    They answer by `answers`, else as `isthmus record` has kept it, else as documents and schemas say. `folder` is where
    relative paths start from. Documents are read from files only: a test needs no network.

    Raises:
        ConfigurationError: a document is not in a file, or the lock has not what is needed.
    """
    from isthmus.compose import read_lock
    from isthmus.contracts.unlocked import unlocked
    from isthmus.errors import ConfigurationError
    from isthmus.stores.recordings import RecordingFolder

    found: dict[str, MockUpstream] = {}
    calls = RecordingFolder(folder / configuration.recordings).calls()
    lock = read_lock(configuration, folder)
    for name, config in configuration.upstreams.items():
        if config.openapi is not None and "://" not in config.openapi:
            found[name] = of_document(name, folder / config.openapi, answers)
        elif lock is not None and name in lock.upstreams:
            found[name] = _mock(name, unlocked(lock.upstreams[name]), answers)
        else:
            remedy = f"write it with `isthmus lock`, or give {name} by a fixture `isthmus_upstreams` of your own"
            raise ConfigurationError(f"the lock has nothing of {name}, so there is nothing to mock", remedy=remedy)
        _recall(found[name], calls)
    return found


def _recall(mock: MockUpstream, calls: Sequence[RecordedCall]) -> None:
    from dataclasses import replace

    from isthmus.mock.answers import keyed

    mock.answers = replace(mock.answers, recorded={**keyed(calls, mock.operations), **mock.answers.recorded})


def of_document(name: str, path: Path, answers: Answers | None = None) -> MockUpstream:
    """A mock of an OpenAPI service."""
    from isthmus.openapi.document import read_document
    from isthmus.openapi.operations import compile_operations

    return _mock(name, compile_operations(read_document(path.read_bytes(), str(path)), name).operations, answers)


def simulated(name: str, functions: Mapping[str, Function]) -> MockUpstream:
    """An upstream that is made of functions: each an operation, its parameters those of the function.

    A function whose name begins with `get`, `list`, `search` or `find` reads; any other writes.
    """
    from isthmus.mock.answers import Answers

    operations = [_of_function(name, local, function) for local, function in functions.items()]
    return _mock(name, operations, Answers({f"{name}.{local}": one for local, one in functions.items()}))


def answering(
    functions: Mapping[str, Function] | None = None, recorded: Recorded | None = None, seed: str = ""
) -> Answers:
    """Answers for `mocked` and `of_document`: functions by operation id, then recorded ones, then examples."""
    from isthmus.mock.answers import Answers

    return Answers(functions or {}, recorded or {}, seed)


def _mock(name: str, operations: Any, answers: Answers | None) -> MockUpstream:
    from isthmus.mock.answers import Answers
    from isthmus.mock.upstream import MockUpstream

    return MockUpstream(name, tuple(operations), answers or Answers())


def _of_function(upstream: str, name: str, function: Function) -> Operation:
    import inspect

    from isthmus.model import Effect, Operation, Parameter

    empty = inspect.Parameter.empty
    parameters = [
        Parameter(one.name, one.name, "argument", one.default is empty, {})
        for one in inspect.signature(function).parameters.values()
        if one.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    reads = name.rpartition(".")[2].startswith(("get", "list", "search", "find"))
    return Operation(
        f"{upstream}.{name}",
        upstream,
        name,
        Effect.READ if reads else Effect.WRITE,
        tuple(sorted(parameters, key=lambda one: not one.required)),
        description=inspect.getdoc(function) or "",
    )


def _configuration(request: pytest.FixtureRequest, upstreams: Mapping[str, MockUpstream], data: Path) -> Configuration:
    """The configuration of the test where there is one, with these upstreams; else one that allows everything."""
    from isthmus.config.model import Configuration, PolicyConfig, UpstreamConfig
    from isthmus.model import Effect

    named = request.config.rootpath / request.config.getini("isthmus_config")
    if named.exists() or "isthmus_configuration" in request.fixturenames:
        base: Configuration = request.getfixturevalue("isthmus_configuration")
    else:
        base = Configuration(policy=PolicyConfig(allow=list(Effect)))
    configured = {name: base.upstreams.get(name, UpstreamConfig(command=["a mock"])) for name in upstreams}
    limits = base.limits.model_copy(update={"spare_workers": 0})
    # A mock is never what was locked to the letter, and is nobody to be wary of.
    changes = {"upstreams": configured, "hold_back": [], "data": str(data), "limits": limits}
    return base.model_copy(update=changes)


def _opened(
    portal: BlockingPortal, configuration: Configuration, upstreams: Mapping[str, MockUpstream]
) -> AbstractContextManager[Application]:
    from isthmus.compose import application

    opening = application(configuration, base=Path.cwd(), log=lambda _: None, upstreams=upstreams)
    return portal.wrap_async_context_manager(opening)
