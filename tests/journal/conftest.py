"""One sandbox for all tests of a module: it is what takes time."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from tests.journal.house import House, house

Check = Callable[[Callable[[House], Coroutine[Any, Any, Any]]], Any]
"""Runs a check in the house, and gives what it gives."""


@pytest.fixture(scope="module")
def in_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Check]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(house(tmp_path_factory.mktemp("house"))) as own,
    ):
        yield lambda check: portal.call(check, own)
