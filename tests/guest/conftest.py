"""A guest on plain CPython, for every test of it."""

from collections.abc import Iterator

import pytest

from tests.simulators.guest_host import Sandbox, sandbox


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with sandbox() as guest:
        yield guest
